"""Messages: what is in them, how the API writes them and what a person sees of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.servers.discord.ids import Json, born
from tests.servers.discord.users import User

if TYPE_CHECKING:
    from tests.servers.discord.interactions import Interaction
    from tests.servers.discord.pings import Pings
    from tests.servers.discord.places import Channel, Role

REPLY, THREAD_CREATED, COMMAND, THREAD_STARTER, CONTEXT_MENU = 19, 18, 20, 21, 23
EPHEMERAL, LOADING, HAS_THREAD, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 5, 1 << 15
MENTION = re.compile(r"<(@&|@|#)!?(\d+)>")
LASTING = EPHEMERAL | HAS_THREAD | COMPONENTS_V2
QUOTED = "type content embeds attachments timestamp edited_timestamp flags mentions mention_roles components".split()
SPOKEN = (0, REPLY, COMMAND, CONTEXT_MENU)
BUTTON, SELECTS = 2, (3, 5, 6, 7, 8)


@dataclass(eq=False, slots=True)
class Attachment:
    """A file of a message, with its bytes."""

    id: int
    name: str
    content_type: str | None
    data: bytes
    url: str
    description: str | None = None
    ephemeral: bool = False
    expired: bool = False

    def json(self) -> Json:
        """The attachment as the API writes it."""
        found: Json = {
            "id": str(self.id),
            "filename": self.name,
            "size": len(self.data),
            "url": self.url,
            "proxy_url": self.url,
        }
        if self.content_type:
            found["content_type"] = self.content_type
            if self.content_type.startswith("image/"):
                found |= {"width": 64, "height": 64}
        if self.description:
            found["description"] = self.description
        return found | ({"ephemeral": True} if self.ephemeral else {})


def walk(components: Iterable[Json]) -> Iterator[Json]:
    """Every component, also those inside rows, sections, containers and labels."""
    for component in components:
        yield component
        yield from walk(component.get("components") or ())
        for name in ("accessory", "component"):
            if name in component:
                yield from walk((component[name],))


def emoji_json(key: str) -> Json:
    """A reaction's emoji as the API writes it; ``key`` is the character or ``name:id``."""
    name, colon, number = key.rpartition(":")
    return {"id": number, "name": name} if colon and number.isdigit() else {"id": None, "name": key}


@dataclass(eq=False, slots=True)
class Message:
    """One message as the server holds it; ``pings`` says who was really notified by it."""

    id: int
    channel: Channel
    author: User
    content: str
    type: int = 0
    flags: int = 0
    embeds: Sequence[Json] = ()
    components: Sequence[Json] = ()
    attachments: Sequence[Attachment] = ()
    reference: Message | None = None
    reference_ids: Json | None = None
    nonce: str | int | None = None
    mentions: Sequence[User] = ()
    mention_roles: Sequence[Role] = ()
    mention_everyone: bool = False
    pings: Pings | None = None
    edited: str | None = None
    deleted: bool = False
    pinned: bool = False
    ephemeral_for: User | None = None
    thread: Channel | None = None
    interaction: Interaction | None = None
    snapshot: Message | None = None
    webhook_id: int | None = None
    reactions: dict[str, list[User]] = field(default_factory=dict[str, list[User]])
    revisions: list[str] = field(default_factory=list[str])

    @property
    def buttons(self) -> list[Json]:
        """The buttons below the message."""
        return [c for c in walk(self.components) if c["type"] == BUTTON]

    @property
    def selects(self) -> list[Json]:
        """The menus below the message."""
        return [c for c in walk(self.components) if c["type"] in SELECTS]

    @property
    def labels(self) -> list[str]:
        """What is written on the buttons, or their emoji."""
        return [label_of(button) for button in self.buttons]

    @property
    def shown(self) -> str:
        """All text that a person reads in the message: its content, its text blocks, its embeds."""
        blocks = [c["content"] for c in walk(self.components) if c["type"] == 10]
        return "\n".join(part for part in (self.content, *blocks, *map(_embed_text, self.embeds)) if part)

    @property
    def readable(self) -> str:
        """The text with names where the message holds ids."""
        world, guild = self.channel.world, self.channel.guild
        roles = {} if guild is None else guild.roles

        def name(found: re.Match[str]) -> str:
            sign, key = found[1], int(found[2])
            one = world.channels.get(key) if sign == "#" else roles.get(key) if sign == "@&" else None
            if one is not None:
                return f"{sign[0]}{one.name}"
            user = world.users.get(key)
            return found[0] if user is None else f"@{user.display}"

        return MENTION.sub(name, self.shown)

    def reacted(self, emoji: str) -> list[User]:
        """Who reacted with ``emoji``."""
        return self.reactions.get(emoji, [])

    def open_to_bot(self) -> bool:
        """Whether Discord lets the bot read the content without the message content intent."""
        bot = self.channel.world.bot
        return self.author is bot or self.channel.guild is None or bot in self.mentions

    def json(self, *, content: bool = True, nested: bool = False, nonce: bool = False) -> Json:
        """The message as the API writes it; with ``content`` off as a bot without that intent gets it.

        The ``nonce`` is only given back when the message is made: nobody finds it in the history.
        """
        bot = self.channel.world.bot
        readable = content or self.open_to_bot()
        found: Json = {
            "id": str(self.id),
            "type": self.type,
            "content": self.content if readable else "",
            "channel_id": str(self.channel.id),
            "author": self.author.json(),
            "attachments": [a.json() for a in self.attachments] if readable else [],
            "embeds": list(self.embeds) if readable else [],
            "components": list(self.components) if readable else [],
            "mentions": [user.json() for user in self.mentions],
            "mention_roles": [str(role.id) for role in self.mention_roles],
            "mention_everyone": self.mention_everyone,
            "pinned": self.pinned,
            "tts": False,
            "timestamp": born(self.id),
            "edited_timestamp": self.edited,
            "flags": self.flags,
        }
        if nonce and self.nonce is not None:
            found["nonce"] = self.nonce
        if self.webhook_id is not None:
            found["webhook_id"] = str(self.webhook_id)
        if self.webhook_id == bot.id:
            found["application_id"] = str(bot.id)
        if self.interaction is not None:
            found["interaction_metadata"] = self.interaction.metadata()
        if self.reference_ids is not None:
            found["message_reference"] = self.reference_ids
            if not nested and self.snapshot is None:
                gone = self.reference is None or self.reference.deleted
                found["referenced_message"] = (
                    None
                    if gone or self.reference is None
                    else self.reference.json(content=content, nested=True)
                )
        if self.snapshot is not None:
            quoted = self.snapshot.json(content=content or readable, nested=True)
            found["message_snapshots"] = [{"message": {name: quoted[name] for name in QUOTED}}]
        if self.thread is not None:
            found["thread"] = self.thread.json()
        if self.reactions and not nested:
            found["reactions"] = [
                {
                    "emoji": emoji_json(key),
                    "count": len(users),
                    "count_details": {"normal": len(users), "burst": 0},
                    "burst_colors": [],
                    "me_burst": False,
                    "me": bot in users,
                }
                for key, users in self.reactions.items()
            ]
        return found

    def event(self, *, content: bool = True, nonce: bool = False) -> Json:
        """The message as the gateway sends it."""
        found: Json = self.json(content=content, nonce=nonce) | {"channel_type": self.channel.type}
        guild = self.channel.guild
        if guild is None:
            return found
        found["guild_id"] = str(guild.id)
        member = guild.members.get(self.author.id)
        if member is not None:
            found["member"] = member.partial()
        for mention in found["mentions"]:
            mentioned = guild.members.get(int(mention["id"]))
            if mentioned is not None:
                mention["member"] = mentioned.partial()
        return found

    def text(self) -> str:
        """What a person sees of the message."""
        head = self.author.display
        if self.type == THREAD_CREATED:
            return f"{head} started the thread “{self.content}”"
        if self.ephemeral_for is not None:
            head += f" (only {self.ephemeral_for.display} sees this)"
        if self.interaction is not None and self.interaction.command_path:
            head += f" (/{self.interaction.command_path} by {self.interaction.user.display})"
        if self.reference is not None:
            quoted = " ".join(self.reference.readable.split())[:40]
            head += f" ↳ {self.reference.author.display}: {quoted!r}"
        elif self.reference_ids is not None and self.snapshot is None:
            head += " ↳ a deleted message"
        if self.snapshot is not None:
            head += f" forwards {self.snapshot.author.display}: {self.snapshot.readable!r}"
        body = self.readable or ("…" if self.flags & LOADING else "")
        lines = [f"{head}: {body}" + (" (edited)" if self.edited else "")]
        if self.buttons:
            lines.append(
                "    " + " ".join(f"[{label_of(b)}{' ✗' if b.get('disabled') else ''}]" for b in self.buttons)
            )
        lines += [f"    menu {c.get('placeholder') or c['custom_id']}" for c in self.selects]
        if self.reactions:
            lines.append("    " + " ".join(f"{key}×{len(users)}" for key, users in self.reactions.items()))
        lines += [f"    file {a.name} ({a.content_type}, {len(a.data)} bytes)" for a in self.attachments]
        if self.thread is not None:
            lines.append(f"    thread “{self.thread.name}”")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Message {self.text()!r}>"


def label_of(button: Json) -> str:
    """What is written on a button, or its emoji."""
    return button.get("label") or (button.get("emoji") or {}).get("name") or button.get("custom_id", "")


def _embed_text(embed: Json) -> str:
    parts: list[str] = [
        (embed.get("author") or {}).get("name", ""),
        embed.get("title", ""),
        embed.get("description", ""),
        *(f"{one['name']}: {one['value']}" for one in embed.get("fields") or ()),
        (embed.get("footer") or {}).get("text", ""),
    ]
    return "\n".join(part for part in parts if part)
