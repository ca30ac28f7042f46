"""conversations.*: channels and what was said in them."""

from __future__ import annotations

from tests.servers.slack.api import Call, method
from tests.servers.slack.errors import Refused
from tests.servers.slack.ids import Json
from tests.servers.slack.messages import Message
from tests.servers.slack.scopes import BY_KIND
from tests.servers.slack.teams import CHANNEL, GROUP, Channel

TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


@method("conversations.info")
def info(call: Call) -> Json:
    """What a channel is."""
    channel = call.channel(member=False)
    call.needs(f"{BY_KIND[channel.kind]}:read")
    made = channel.json(call.team.bot)
    if not call.flag("include_num_members"):
        made.pop("num_members", None)
    return {"channel": made}


@method("conversations.list")
def listed(call: Call) -> Json:
    """The channels that there are."""
    kinds = {TYPES.get(one.strip(), "") for one in (call.text("types") or "public_channel").split(",")}
    bot = call.team.bot
    found = [
        one
        for one in call.team.channels.values()
        if one.kind in kinds and (one.kind == CHANNEL or bot.id in one.members)
    ]
    page, after = call.page(found)
    return {"channels": [one.json(bot) for one in page], "response_metadata": after}


@method("conversations.members")
def members(call: Call) -> Json:
    """Who is in a channel."""
    page, after = call.page(list(call.channel(member=False).members))
    return {"members": page, "response_metadata": after}


@method("conversations.join")
def join(call: Call) -> Json:
    """Come into an open channel."""
    channel = call.channel(member=False)
    if channel.kind != CHANNEL:
        raise Refused("method_not_supported_for_channel_type")
    call.world.join(channel, call.team.bot)
    return {"channel": channel.json(call.team.bot)}


@method("conversations.open")
def opened(call: Call) -> Json:
    """Open the direct messages with one or several people."""
    team = call.team
    if call.text("channel"):
        channel = call.channel()
    else:
        keys = [one.strip() for one in call.text("users").split(",") if one.strip()]
        users = [team.users[key] for key in keys if key in team.users]
        if not keys:
            raise Refused("users_list_not_supplied")
        if len(users) != len(keys):
            raise Refused("user_not_found")
        if len(users) == 1 and users[0].is_bot:
            raise Refused("cannot_dm_bot")
        channel = team.direct(users[0]) if len(users) == 1 else team.group_direct(*users)
    made: Json = {"id": channel.id}
    return {"channel": channel.json(team.bot) if call.flag("return_im") else made}


@method("conversations.history")
def history(call: Call) -> Json:
    """What was said in a channel outside threads, newest first."""
    channel = call.channel()
    call.needs(f"{BY_KIND[channel.kind]}:history")
    found = [one for one in channel.messages.values() if _public(one) and (not one.is_reply or one.broadcast)]
    return _messages(call, channel, list(reversed(_between(call, found))))


@method("conversations.replies")
def replies(call: Call) -> Json:
    """What was said in a thread, what began it first."""
    channel = call.channel()
    call.needs(f"{BY_KIND[channel.kind]}:history")
    root = channel.messages.get(call.text("ts"))
    if root is None:
        raise Refused("thread_not_found")
    found = [one for one in channel.messages.values() if _public(one) and one.root_ts == root.root_ts]
    first, rest = found[:1], found[1:]
    return _messages(call, channel, [*first, *_between(call, rest)])


def _public(message: Message) -> bool:
    return not message.deleted and message.ephemeral_for is None


def _between(call: Call, found: list[Message]) -> list[Message]:
    oldest, latest = float(call.text("oldest") or 0), float(call.text("latest") or "inf")
    if call.flag("inclusive"):
        return [one for one in found if oldest <= float(one.ts) <= latest]
    return [one for one in found if oldest < float(one.ts) < latest]


def _messages(call: Call, channel: Channel, found: list[Message]) -> Json:
    page, after = call.page(found)
    metadata = call.flag("include_all_metadata")
    made: Json = {
        "messages": [one.json(metadata=metadata) for one in page],
        "has_more": bool(after["next_cursor"]),
    }
    if after["next_cursor"]:
        made["response_metadata"] = after
    if channel.kind in (CHANNEL, GROUP):
        made |= {"pin_count": 0}
    return made
