"""The truth that REST and gateway show: who there is, what was said, and what happens when it changes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from tests.servers.discord import errors, threads
from tests.servers.discord.broadcast import Broadcast, where
from tests.servers.discord.commands import Commands
from tests.servers.discord.ids import Json, Snowflakes, now
from tests.servers.discord.interactions import Interaction
from tests.servers.discord.messages import (
    LASTING,
    REPLY,
    Attachment,
    Message,
    emoji_json,
    walk,
)
from tests.servers.discord.people import Person
from tests.servers.discord.pings import pings
from tests.servers.discord.places import DIRECT, Channel, Guild, Member
from tests.servers.discord.users import User

NONCE_LIVES_S = 300.0


class World(Broadcast):
    """Everything that exists on the server, and every change to it."""

    def __init__(self, *, bot_name: str, intents: int) -> None:
        super().__init__()
        self.ids = Snowflakes()
        self.intents = intents
        self.users: dict[int, User] = {}
        self.base = "http://127.0.0.1"
        self.bot = self._known(User(self.ids(), bot_name, bot=True))
        self.owner = self._known(Person(self, self.ids(), "Bot Owner"))
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[int, Attachment] = {}
        self.commands = Commands(self)
        self.interactions: dict[str, Interaction] = {}
        self.calls: Counter[str] = Counter()
        self.unknown_routes: list[str] = []
        self.author_id_on_reactions = True
        self.interaction_deadline_s = 3.0
        self._nonces: dict[tuple[int, str], tuple[float, Message]] = {}

    # -- who and where

    def _known(self, user: User) -> User:
        self.users[user.id] = user
        return user

    def person(self, name: str) -> Person:
        """Make a person who is in no guild yet."""
        person = Person(self, self.ids(), name)
        self._known(person)
        return person

    def another_bot(self, name: str) -> Person:
        """Make somebody else's bot, which acts like a person but is marked as a bot."""
        bot = self.person(name)
        bot.bot = True
        return bot

    def guild(self, name: str, *, permissions: int = 0) -> Guild:
        """Make a guild that the bot is in; ``permissions`` are what its own role there adds to everybody's."""
        guild = Guild(self, self.ids(), name)
        role = guild.role(self.bot.display, permissions=permissions, managed=True)
        guild.join(self.bot, (role,))
        self.guilds[guild.id] = guild
        self.emit("GUILD_CREATE", lambda _: self.guild_create(guild), guild=guild)
        return guild

    def leave(self, guild: Guild) -> None:
        """Take the bot out of ``guild``: it hears of that, and of nothing else there from then on."""
        guild.members.pop(self.bot.id, None)
        self.emit("GUILD_DELETE", {"id": str(guild.id)}, guild=guild)
        self.guilds.pop(guild.id, None)
        self.changed()

    def outage(self, guild: Guild, *, over: bool = False) -> None:
        """Let Discord lose ``guild`` for a while, or let it be there again."""
        gone = {"id": str(guild.id), "unavailable": True}
        data = self.guild_create(guild, joined=False) if over else gone
        self.emit("GUILD_CREATE" if over else "GUILD_DELETE", data, guild=guild)

    def guild_create(self, guild: Guild, *, joined: bool = True) -> Json:
        """The guild as the gateway introduces it; ``joined`` is off where the bot was in it before."""
        found = guild.json() | {
            "joined_at": guild.members[self.bot.id].joined,
            "large": False,
            "member_count": len(guild.members),
            "voice_states": [],
            # Other members are only asked for, as for a bot without the presence intent.
            "members": [guild.members[self.bot.id].json()],
            "channels": [channel.json() for channel in guild.channels.values()],
            "threads": [t.json() for t in guild.threads.values() if self.seen_by_bot(t) and not t.archived],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }
        return found if joined else found | {"unavailable": False}

    def direct(self, person: User) -> Channel:
        """The direct messages between ``person`` and the bot."""
        for channel in self.channels.values():
            if channel.type == DIRECT and person in channel.recipients:
                return channel
        channel = Channel(self, self.ids(), f"direct messages of {person.display}", DIRECT, None)
        channel.recipients = [person]
        self.channels[channel.id] = channel
        return channel

    def find_channel(self, key: int | str) -> Channel:
        """The channel of that id, where the bot may see it."""
        channel = self.channels.get(int(key))
        if channel is None:
            raise errors.UNKNOWN_CHANNEL
        if not self.seen_by_bot(channel):
            raise errors.MISSING_ACCESS
        return channel

    def find_message(self, channel: Channel, key: int | str) -> Message:
        """The message of that id, where it is one that everybody sees."""
        message = channel.messages.get(int(key))
        if message is None or message.ephemeral_for is not None:
            raise errors.UNKNOWN_MESSAGE
        return message

    def find_member(self, guild_id: int | str, user_id: int | str) -> Member:
        """The member of that id in a guild of the bot's."""
        member = self.find_guild(guild_id).members.get(int(user_id))
        if member is None:
            raise errors.UNKNOWN_MEMBER
        return member

    def find_guild(self, key: int | str) -> Guild:
        """The guild of that id, where the bot is in it."""
        guild = self.guilds.get(int(key))
        if guild is None:
            raise errors.UNKNOWN_GUILD
        return guild

    # -- what is said

    async def webhook_says(self, channel: Channel, name: str, text: str) -> Message:
        """Post a message through somebody's webhook."""
        author = self._known(User(self.ids(), name, bot=True))
        message = Message(self.ids(), channel, author, text, webhook_id=author.id)
        self._read_mentions(message, None)
        channel.messages[message.id] = message
        self.emit_message("MESSAGE_CREATE", message)
        self.changed(message)
        return message

    def store(
        self, channel: Channel, name: str, content_type: str | None, data: bytes, *, ephemeral: bool = False
    ) -> Attachment:
        """Keep a file on the content network; its address is valid until it is marked as expired."""
        key = self.ids()
        url = f"{self.base}/cdn/attachments/{channel.id}/{key}/{quote(name)}?ex=1&is=1&hm=1"
        self.files[key] = Attachment(key, name, content_type, data, url, ephemeral=ephemeral)
        return self.files[key]

    def post(
        self,
        channel: Channel,
        author: User,
        content: str,
        *,
        reply_to: Message | None = None,
        reference_ids: Json | None = None,
        attachments: Sequence[Attachment] = (),
        embeds: Sequence[Json] = (),
        components: Sequence[Json] = (),
        kind: int = 0,
        flags: int = 0,
        allowed_mentions: Json | None = None,
        nonce: str | int | None = None,
        enforce_nonce: bool = False,
        ephemeral_for: User | None = None,
        interaction: Interaction | None = None,
        snapshot: Message | None = None,
    ) -> Message:
        """Add a message to a channel and tell everybody; a ``nonce`` that was used lately gives its message again."""
        known = (author.id, str(nonce))
        if enforce_nonce and nonce is not None:
            at, before = self._nonces.get(known, (0.0, None))
            if before is not None and time.monotonic() - at < NONCE_LIVES_S:
                return before
        message = Message(self.ids(), channel, author, content, kind, flags, embeds, components, attachments)
        if reply_to is not None:
            message.type = message.type or REPLY
            message.reference = reply_to
            message.reference_ids = reference_to(reply_to)
        if reference_ids is not None:
            message.reference_ids = reference_ids
        message.snapshot = snapshot
        message.nonce = nonce
        message.ephemeral_for = ephemeral_for
        message.interaction = interaction
        if interaction is not None:
            message.webhook_id = self.bot.id
        self._read_mentions(message, allowed_mentions)
        channel.messages[message.id] = message
        if nonce is not None:
            self._nonces[known] = (time.monotonic(), message)
        if channel.is_thread:
            channel.posted += 1
            if channel.archived and not channel.locked:
                threads.archive(self, channel, archived=False)
        if author in channel.typing:
            channel.typing.remove(author)
        if ephemeral_for is None:
            self.emit_message("MESSAGE_CREATE", message)
        self.changed(message)
        return message

    def forget_nonces(self) -> None:
        """As much time has passed as Discord remembers a nonce for."""
        self._nonces.clear()

    def _read_mentions(self, message: Message, allowed: Json | None) -> None:
        blocks = [c["content"] for c in walk(message.components) if c["type"] == 10]
        replied = (
            message.reference.author if message.reference is not None and message.type == REPLY else None
        )
        text = "\n".join((message.content, *blocks))
        found = pings(message.channel, message.author, text, allowed, replied)
        message.mentions, message.mention_roles, message.mention_everyone = (
            found.users,
            found.roles,
            found.everyone,
        )
        if message.pings is None:  # an edit notifies nobody
            message.pings = found

    def edit(
        self,
        message: Message,
        change: Json,
        attachments: Sequence[Attachment] | None = None,
        *,
        fills: bool = False,
    ) -> None:
        """Change what a message says; ``change`` holds the fields of the API that are given.

        What ``fills`` in an answer that was waited for does not show as an edit.
        """
        if "content" in change:
            if not fills:
                message.revisions.append(message.content)
            message.content = change["content"] or ""
        if "embeds" in change:
            message.embeds = change["embeds"] or ()
        if "components" in change:
            message.components = change["components"] or ()
        if change.get("flags") is not None:
            message.flags = message.flags & LASTING | int(change["flags"])
        if attachments is not None:
            message.attachments = attachments
        self._read_mentions(message, change.get("allowed_mentions"))
        if not fills:
            message.edited = now()
        if message.ephemeral_for is None:
            self.emit_message("MESSAGE_UPDATE", message)
        self.changed(message)

    def unfurl(self, message: Message, title: str) -> None:
        """Show the preview of a link: the message changes, though nobody edited it."""
        message.embeds = [*message.embeds, {"type": "link", "title": title, "url": "https://example.com/"}]
        self.emit_message("MESSAGE_UPDATE", message)
        self.changed(message)

    def delete(self, message: Message) -> None:
        """Take a message away."""
        message.deleted = True
        message.channel.messages.pop(message.id, None)
        if message.ephemeral_for is None:
            data = {"id": str(message.id)} | where(message.channel)
            self.emit("MESSAGE_DELETE", data, channel=message.channel, needs="MESSAGES")
        self.changed(message)

    def react(self, user: User, message: Message, emoji: str) -> None:
        """Add a reaction, once for each person."""
        emoji = emoji.removeprefix("<:").removesuffix(">")
        users = message.reactions.setdefault(emoji, [])
        if user in users:
            return
        users.append(user)
        data = self._reaction(message, emoji) | {"user_id": str(user.id), "burst_colors": []}
        if self.author_id_on_reactions:
            data["message_author_id"] = str(message.author.id)
        guild = message.channel.guild
        if guild is not None and user.id in guild.members:
            data["member"] = guild.members[user.id].json()
        self.emit("MESSAGE_REACTION_ADD", data, channel=message.channel, needs="MESSAGE_REACTIONS")
        self.changed(message)

    def unreact(self, user: User, message: Message, emoji: str) -> None:
        """Take one person's reaction away."""
        users = message.reactions.get(emoji, [])
        if user not in users:
            return
        users.remove(user)
        if not users:
            del message.reactions[emoji]
        data = self._reaction(message, emoji) | {"user_id": str(user.id)}
        self.emit("MESSAGE_REACTION_REMOVE", data, channel=message.channel, needs="MESSAGE_REACTIONS")
        self.changed(message)

    def clear_reactions(self, message: Message, emoji: str | None = None) -> None:
        """Take all reactions away, or all with one emoji."""
        data = {"message_id": str(message.id)} | where(message.channel)
        if emoji is None:
            message.reactions.clear()
            self.emit("MESSAGE_REACTION_REMOVE_ALL", data, channel=message.channel, needs="MESSAGE_REACTIONS")
        elif message.reactions.pop(emoji, None) is not None:
            data["emoji"] = emoji_json(emoji)
            self.emit(
                "MESSAGE_REACTION_REMOVE_EMOJI", data, channel=message.channel, needs="MESSAGE_REACTIONS"
            )
        self.changed(message)

    def _reaction(self, message: Message, emoji: str) -> Json:
        place = where(message.channel)
        return place | {"message_id": str(message.id), "emoji": emoji_json(emoji), "burst": False, "type": 0}

    def starts_typing(self, user: User, channel: Channel) -> None:
        """Show ``user`` typing in ``channel``."""
        if user not in channel.typing:
            channel.typing.append(user)
        data = where(channel) | {"user_id": str(user.id), "timestamp": int(time.time())}
        if channel.guild is not None and user.id in channel.guild.members:
            data["member"] = channel.guild.members[user.id].json()
        self.emit("TYPING_START", data, channel=channel, needs="MESSAGE_TYPING")
        self.changed()

    # -- who hears of it

    def emit_message(self, name: str, message: Message) -> None:
        """Tell the bot of a new or changed message."""
        new = name == "MESSAGE_CREATE"
        self.emit(
            name,
            lambda content: message.event(content=content, nonce=new),
            channel=message.channel,
            needs="MESSAGES",
        )

    def dump(self) -> str:
        """What a person would want to see of the world when a test fails."""
        lines: list[str] = []
        for channel in self.channels.values():
            private = [f"{user.display} is typing…" for user in channel.typing]
            talk = "\n".join(m.text() for m in channel.messages.values())
            lines.append("\n".join((f"#{channel.name}", talk or "(nothing)", *private)))
        calls = ", ".join(f"{name} ×{count}" for name, count in self.calls.most_common())
        return "\n".join(
            (*lines, f"calls: {calls or 'none'}", f"unknown routes: {self.unknown_routes or 'none'}")
        )


def reference_to(message: Message) -> Json:
    """What a reply to ``message`` says about it."""
    return where(message.channel) | {"type": 0, "message_id": str(message.id)}
