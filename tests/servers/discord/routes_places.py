"""Routes for the bot itself, guilds, channels, threads and members."""

from __future__ import annotations

from tests.servers.discord import errors, threads
from tests.servers.discord.ids import Json
from tests.servers.discord.permissions import Permission
from tests.servers.discord.places import Channel
from tests.servers.discord.rest import Answer, Call, Route
from tests.servers.discord.routes_messages import found, need

THREAD_MEMBERS = "/channels/{channel_id}/thread-members"


def gateway(call: Call) -> Answer:
    """Where the gateway is."""
    return 200, {"url": call.world.gateway_url}


def gateway_bot(call: Call) -> Answer:
    """Where the gateway is, and how often the bot may identify."""
    limit = {"total": 1000, "remaining": 1000, "reset_after": 14_400_000, "max_concurrency": 1}
    return 200, {"url": call.world.gateway_url, "shards": call.world.shards, "session_start_limit": limit}


def me(call: Call) -> Answer:
    """The bot's account."""
    own = call.world.bot.json() | {"mfa_enabled": False, "locale": "en-US", "verified": True, "email": None}
    return 200, own


def application(call: Call) -> Answer:
    """The bot's application, with its owner and its flags."""
    return 200, call.world.about()


def user(call: Call) -> Answer:
    """Anybody's account."""
    one = call.world.users.get(call.number("user_id"))
    if one is None:
        raise errors.UNKNOWN_USER
    return 200, one.json()


def my_guilds(call: Call) -> Answer:
    """The guilds that the bot is in."""
    world = call.world
    rows: list[Json] = [
        {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": False,
            "permissions": str(guild.members[world.bot.id].permissions),
            "features": [],
        }
        for guild in world.guilds.values()
    ]
    return 200, rows


def leave(call: Call) -> Answer:
    """Leave a guild."""
    call.world.leave(call.world.find_guild(call.params["guild_id"]))
    return 204, None


def guild(call: Call) -> Answer:
    """A guild."""
    one = call.world.find_guild(call.params["guild_id"])
    counts = {"approximate_member_count": len(one.members), "approximate_presence_count": len(one.members)}
    return 200, one.json() | (counts if call.query.get("with_counts") in ("1", "true", "True") else {})


def guild_channels(call: Call) -> Answer:
    """The channels of a guild, without its threads."""
    return 200, [one.json() for one in call.world.find_guild(call.params["guild_id"]).channels.values()]


def active_threads(call: Call) -> Answer:
    """The open threads of a guild that the bot may see."""
    world = call.world
    threads = [
        t
        for t in world.find_guild(call.params["guild_id"]).threads.values()
        if not t.archived and world.seen_by_bot(t)
    ]
    members = [t.thread_member(world.bot) for t in threads if world.bot.id in t.joined]
    return 200, {"threads": [t.json() for t in threads], "members": members, "has_more": False}


def roles(call: Call) -> Answer:
    """The roles of a guild."""
    return 200, [role.json() for role in call.world.find_guild(call.params["guild_id"]).roles.values()]


def member(call: Call) -> Answer:
    """A member of a guild."""
    return 200, call.world.find_member(call.params["guild_id"], call.params["user_id"]).json()


def members(call: Call) -> Answer:
    """The members of a guild, by ascending id."""
    found = sorted(call.world.find_guild(call.params["guild_id"]).members.values(), key=lambda m: m.user.id)
    after, limit = int(call.query.get("after", 0)), int(call.query.get("limit", 1))
    return 200, [m.json() for m in found if m.user.id > after][:limit]


def search_members(call: Call) -> Answer:
    """Members whose name or nickname begins with something."""
    wanted, limit = call.query.get("query", "").lower(), int(call.query.get("limit", 1))
    found = call.world.find_guild(call.params["guild_id"]).members.values()
    return 200, [m.json() for m in found if (m.nick or m.user.name).lower().startswith(wanted)][:limit]


def channel(call: Call) -> Answer:
    """A channel."""
    return 200, call.world.find_channel(call.params["channel_id"]).json()


def edit_channel(call: Call) -> Answer:
    """Rename a channel or thread, or close and open a thread."""
    one = call.world.find_channel(call.params["channel_id"])
    own = one.is_thread and one.owner is call.world.bot
    if not own:
        need(call, one, Permission.MANAGE_THREADS if one.is_thread else Permission.MANAGE_CHANNELS)
    one.name = call.json.get("name", one.name)
    if one.is_thread:
        archived = call.json.get("archived", one.archived)
        threads.archive(call.world, one, archived=archived, locked=call.json.get("locked", one.locked))
    else:
        one.topic = call.json.get("topic", one.topic)
        one.rename(one.name)
    return 200, one.json()


def delete_channel(call: Call) -> Answer:
    """Take a channel or thread away."""
    one = call.world.find_channel(call.params["channel_id"])
    need(call, one, Permission.MANAGE_THREADS if one.is_thread else Permission.MANAGE_CHANNELS)
    gone = one.json()
    one.delete()
    return 200, gone


def rename_myself(call: Call) -> Answer:
    """Take another nickname in a guild."""
    guild = call.world.find_guild(call.params["guild_id"])
    own = guild.members[call.world.bot.id]
    own.nick = call.json.get("nick")
    guild.member_changed(call.world.bot)
    return 200, own.json()


def open_direct(call: Call) -> Answer:
    """The direct messages with somebody."""
    one = call.world.users.get(int(call.json["recipient_id"]))
    if one is None:
        raise errors.UNKNOWN_USER
    if one is call.world.bot or one.bot:
        raise errors.NO_DIRECT_MESSAGES
    return 200, call.world.direct(one).json()


def thread_from_message(call: Call) -> Answer:
    """Start a thread from a message."""
    message = found(call)
    need(call, message.channel, Permission.CREATE_PUBLIC_THREADS)
    if message.thread is not None:
        raise errors.THREAD_EXISTS
    if message.channel.guild is None or message.channel.is_thread:
        raise errors.Refusal(400, 50024, "Cannot execute action on this channel type")
    name = _thread_name(call)
    return 201, _thread(
        call, threads.start(call.world, call.world.bot, message.channel, name, message=message)
    )


def thread(call: Call) -> Answer:
    """Start a thread from nothing, private unless it is asked to be public."""
    place = call.world.find_channel(call.params["channel_id"])
    private = call.json.get("type", 12) == 12
    need(call, place, Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS)
    made = threads.start(call.world, call.world.bot, place, _thread_name(call), private=private)
    return 201, _thread(call, made)


def _thread_name(call: Call) -> str:
    name = str(call.json.get("name") or "")
    if not 1 <= len(name) <= 100:
        raise errors.invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return name


def _thread(call: Call, made: Channel) -> Json:
    made.auto_archive = call.json.get("auto_archive_duration") or made.auto_archive
    return made.json()


def thread_members(call: Call) -> Answer:
    """Who has joined a thread."""
    place = call.world.find_channel(call.params["channel_id"])
    return 200, [place.thread_member(call.world.users[key]) for key in place.joined]


def join_thread(call: Call) -> Answer:
    """Join a thread."""
    threads.join(call.world, call.world.bot, call.world.find_channel(call.params["channel_id"]))
    return 204, None


def add_to_thread(call: Call) -> Answer:
    """Bring somebody into a thread."""
    one = call.world.users.get(call.number("user_id"))
    if one is None:
        raise errors.UNKNOWN_USER
    threads.join(call.world, one, call.world.find_channel(call.params["channel_id"]))
    return 204, None


def leave_thread(call: Call) -> Answer:
    """Leave a thread."""
    threads.leave(call.world, call.world.bot, call.world.find_channel(call.params["channel_id"]))
    return 204, None


ROUTES = [
    Route("GET", "/gateway", gateway, needs_token=False),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", "/users/@me", me),
    Route("GET", "/users/@me/guilds", my_guilds),
    Route("DELETE", "/users/@me/guilds/{guild_id}", leave),
    Route("POST", "/users/@me/channels", open_direct),
    Route("GET", "/users/{user_id}", user),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/applications/@me", application),
    Route("GET", "/guilds/{guild_id}", guild),
    Route("GET", "/guilds/{guild_id}/channels", guild_channels),
    Route("GET", "/guilds/{guild_id}/threads/active", active_threads),
    Route("GET", "/guilds/{guild_id}/roles", roles),
    Route("GET", "/guilds/{guild_id}/members", members),
    Route("GET", "/guilds/{guild_id}/members/search", search_members),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", member),
    Route("GET", "/channels/{channel_id}", channel),
    Route("PATCH", "/channels/{channel_id}", edit_channel),
    Route("DELETE", "/channels/{channel_id}", delete_channel),
    Route("PATCH", "/guilds/{guild_id}/members/@me", rename_myself),
    Route("POST", "/channels/{channel_id}/messages/{message_id}/threads", thread_from_message),
    Route("POST", "/channels/{channel_id}/threads", thread),
    Route("GET", THREAD_MEMBERS, thread_members),
    Route("PUT", THREAD_MEMBERS + "/@me", join_thread),
    Route("DELETE", THREAD_MEMBERS + "/@me", leave_thread),
    Route("PUT", THREAD_MEMBERS + "/{user_id}", add_to_thread),
]
