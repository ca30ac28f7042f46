"""Interactions: what a person did with a command, a button or a form, and everything the bot answered."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.servers.discord import errors
from tests.servers.discord.forms import labels
from tests.servers.discord.ids import Json
from tests.servers.discord.messages import (
    COMMAND,
    CONTEXT_MENU,
    EPHEMERAL,
    LOADING,
    REPLY,
    Attachment,
    Message,
)

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel
    from tests.servers.discord.users import User
    from tests.servers.discord.world import World

PING, TYPED, COMPONENT, AUTOCOMPLETE, MODAL = range(1, 6)
SAYS, DEFERS, DEFERS_UPDATE, UPDATES, CHOICES, OPENS_MODAL = 4, 5, 6, 7, 8, 9
TOKEN_LIVES_S = 15 * 60


class Interaction:
    """One interaction and its answers.

    ``modal`` is the form that was opened, ``choices`` the completions that were offered, ``messages`` what was said.
    """

    def __init__(
        self,
        world: World,
        user: User,
        channel: Channel,
        kind: int,
        data: Json,
        *,
        path: str = "",
        message: Message | None = None,
        parent: Interaction | None = None,
    ) -> None:
        self.world = world
        self.user = user
        self.channel = channel
        self.kind = kind
        self.data = data
        self.command_path = path
        self.message = message
        self.parent = parent
        self.id = world.ids()
        self.token = secrets.token_urlsafe(24)
        self.created = time.monotonic()
        self.response_type: int | None = None
        self.ephemeral = False
        self.original: Message | None = None
        self.messages: list[Message] = []
        self.modal: Json | None = None
        self.choices: list[Json] | None = None
        world.interactions[self.token] = self

    # -- what a test asks

    @property
    def acknowledged(self) -> bool:
        """Whether the bot has answered within Discord's time, if only that it is working."""
        return self.response_type is not None

    @property
    def deferred(self) -> bool:
        """Whether the first answer only asked for patience."""
        return self.response_type in (DEFERS, DEFERS_UPDATE)

    @property
    def failed(self) -> bool:
        """Whether the person reads that the application did not respond."""
        return not self.acknowledged and self.age > self.world.interaction_deadline_s

    @property
    def age(self) -> float:
        """Seconds since the person acted."""
        return time.monotonic() - self.created

    @property
    def answered(self) -> bool:
        """Whether there is something to read, choose from or fill in, or an update was made."""
        if self.modal is not None or self.choices is not None or self.response_type == UPDATES:
            return True
        return any(not message.flags & LOADING for message in self.messages)

    @property
    def content(self) -> str:
        """All that the person reads in the answers, oldest first."""
        return "\n".join(message.shown for message in self.messages if not message.deleted)

    @property
    def fields(self) -> list[str]:
        """The labels of the form that was opened."""
        return [] if self.modal is None else labels(self.modal)

    @property
    def files(self) -> list[Attachment]:
        """The files of all answers."""
        return [file for message in self.messages for file in message.attachments]

    @property
    def buttons(self) -> list[Json]:
        """The buttons of all answers."""
        return [button for message in self.messages for button in message.buttons]

    async def acknowledgement(self) -> Interaction:
        """Wait until the bot has reacted at all or Discord has given it up."""
        await self.world.until(
            lambda: self.acknowledged or self.failed, self.world.interaction_deadline_s + 2
        )
        return self

    async def reply(self, timeout: float = 10.0) -> Message:
        """Wait for the first answer that says something, and give it."""
        await self.world.until(lambda: any(not m.flags & LOADING for m in self.messages), timeout)
        return next(message for message in self.messages if not message.flags & LOADING)

    async def done(self, timeout: float = 10.0) -> Interaction:
        """Wait until there is something to read, choose from or fill in."""
        await self.world.until(lambda: self.answered, timeout)
        return self

    def expire(self) -> None:
        """Let the fifteen minutes in which the bot may still answer be over."""
        self.created -= TOKEN_LIVES_S

    # -- what the bot is told

    def payload(self) -> Json:
        """The interaction as the gateway sends it."""
        guild, channel, bot = self.channel.guild, self.channel, self.world.bot
        found: Json = {
            "id": str(self.id),
            "application_id": str(bot.id),
            "type": self.kind,
            "token": self.token,
            "version": 1,
            "data": self.data,
            "channel_id": str(channel.id),
            "channel": channel.json() | {"permissions": str(channel.allows(self.user))},
            "app_permissions": str(channel.allows(bot)),
            "locale": "en-US",
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self._owners(),
            "context": 1 if guild is None else 0,
            "attachment_size_limit": 10 * 1024 * 1024,
        }
        found["channel"].pop("permission_overwrites", None)
        if self.message is not None:
            found["message"] = self.message.json()
        if guild is None:
            return found | {"user": self.user.json()}
        member = guild.members[self.user.id].json() | {"permissions": str(channel.allows(self.user))}
        place = {"id": str(guild.id), "locale": "en-US", "features": list[str]()}
        return found | {"guild_id": str(guild.id), "guild": place, "guild_locale": "en-US", "member": member}

    def _owners(self) -> Json:
        return {"0": "0" if self.channel.guild is None else str(self.channel.guild.id)}

    def metadata(self) -> Json:
        """What the API says of the interaction on the messages that answer it."""
        found: Json = {
            "id": str(self.id),
            "type": self.kind,
            "user": self.user.json(),
            "authorizing_integration_owners": self._owners(),
        }
        if self.kind == COMPONENT and self.message is not None:
            found["interacted_message_id"] = str(self.message.id)
        if self.kind == TYPED and self.data.get("type") == 3:
            found["target_message_id"] = self.data["target_id"]
        if self.kind == MODAL and self.parent is not None:
            found["triggering_interaction_metadata"] = self.parent.metadata()
        return found

    # -- what the bot answers

    def open(self) -> None:
        """Refuse what comes after the fifteen minutes of the token."""
        if self.age > TOKEN_LIVES_S:
            raise errors.BAD_WEBHOOK_TOKEN

    def respond(self, kind: int, data: Json, files: Sequence[Attachment]) -> Message | None:
        """Take the first answer; the message that it made or changed comes back."""
        if self.response_type is not None:
            raise errors.ALREADY_ACKNOWLEDGED
        if self.age > self.world.interaction_deadline_s:
            raise errors.UNKNOWN_INTERACTION
        completing = self.kind == AUTOCOMPLETE
        if completing != (kind == CHOICES) or (kind == OPENS_MODAL and self.kind == MODAL):
            raise errors.invalid("type", "BASE_TYPE_CHOICES", "This response is not possible here.")
        if kind in (UPDATES, DEFERS_UPDATE) and self.message is None:
            raise errors.invalid("type", "BASE_TYPE_CHOICES", "There is no message to update.")
        self.response_type = kind
        made: Message | None = None
        if kind == SAYS:
            made = self.original = self.say(data, files)
        elif kind == DEFERS:
            made = self.original = self.say({"flags": data.get("flags", 0) & EPHEMERAL | LOADING}, ())
            self.ephemeral = bool(made.flags & EPHEMERAL)
        elif kind in (UPDATES, DEFERS_UPDATE):
            made = self.original = self.message
            if kind == UPDATES and made is not None:
                self.world.edit(made, data, files or None)
        elif kind == CHOICES:
            self.choices = list(data.get("choices") or ())
        elif kind == OPENS_MODAL:
            self.modal = data
        self.world.changed()
        return made

    def say(self, data: Json, files: Sequence[Attachment]) -> Message:
        """Add a message that answers this interaction."""
        flags = int(data.get("flags") or 0)
        kind, reply_to = REPLY, self.message
        if self.kind == TYPED:
            kind, reply_to = (CONTEXT_MENU if self.data.get("type") == 3 else COMMAND), None
        elif self.kind == MODAL and self.message is None:
            kind = COMMAND
        message = self.world.post(
            self.channel,
            self.world.bot,
            data.get("content") or "",
            reply_to=reply_to,
            attachments=files,
            embeds=data.get("embeds") or (),
            components=data.get("components") or (),
            kind=kind,
            flags=flags,
            allowed_mentions=data.get("allowed_mentions"),
            ephemeral_for=self.user if flags & EPHEMERAL else None,
            interaction=self,
        )
        self.ephemeral = self.ephemeral or bool(flags & EPHEMERAL)
        self.messages.append(message)
        self.world.changed()
        return message

    def follow_up(self, data: Json, files: Sequence[Attachment]) -> Message:
        """Say more; the first thing after asking for patience takes the place of what asked."""
        if self.original is not None and self.original.flags & LOADING:
            self.change(self.original, data, files)
            return self.original
        return self.say(data, files)

    def change(self, message: Message, data: Json, files: Sequence[Attachment] | None) -> None:
        """Change one of the answers."""
        fills = bool(message.flags & LOADING)
        message.flags &= ~LOADING
        self.world.edit(message, data, files, fills=fills)

    def __repr__(self) -> str:
        return f"<Interaction {self.command_path or self.data.get('custom_id')} {self.content!r}>"
