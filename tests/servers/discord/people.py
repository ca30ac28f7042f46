"""What people do: the driver with which a test plays them.

Every method does what Discord's client lets a person do and raises ``NotPossible`` for the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.servers.discord import commands, forms, threads
from tests.servers.discord.broadcast import where
from tests.servers.discord.errors import NotPossible
from tests.servers.discord.ids import Json
from tests.servers.discord.interactions import AUTOCOMPLETE, COMPONENT, MODAL, TYPED, Interaction
from tests.servers.discord.messages import Message, label_of
from tests.servers.discord.permissions import Permission
from tests.servers.discord.users import User

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel
    from tests.servers.discord.world import World

File = tuple[str, str | None, bytes]
PASTE = 2000


class Person(User):
    """Somebody with an account: every method is something that they do."""

    def __init__(self, world: World, key: int, name: str) -> None:
        super().__init__(key, name)
        self.world = world
        self.takes_direct_messages = True
        self._here: Channel | None = None

    @property
    def direct(self) -> Channel:
        """The direct messages between this person and the bot."""
        return self.world.direct(self)

    # -- talking

    async def says(
        self,
        channel: Channel,
        text: str = "",
        *,
        reply_to: Message | None = None,
        mention: User | None = None,
        attachments: Sequence[File] = (),
        ping: bool = True,
        nonce: str | None = None,
    ) -> Message:
        """Post a message; ``mention`` is put before the text, and ``ping`` says whether a reply notifies."""
        self._may(
            channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        )
        if channel.locked:
            raise NotPossible(f"{channel} is locked")
        if mention is not None:
            text = f"{mention.mention} {text}"
        files = list(attachments)
        if len(text) > PASTE:  # Discord's client makes a file of a long paste
            files, text = [*files, ("message.txt", "text/plain; charset=utf-8", text.encode())], ""
        if not text.strip() and not files:
            raise NotPossible("there is nothing to send")
        self._here = channel
        if channel.is_thread:
            threads.join(self.world, self, channel)
        return self.world.post(
            channel,
            self,
            text.strip(),
            reply_to=reply_to,
            attachments=[self.world.store(channel, *file) for file in files],
            allowed_mentions=None
            if ping
            else {"parse": ["users", "roles", "everyone"], "replied_user": False},
            nonce=nonce,
            enforce_nonce=nonce is not None,
        )

    async def forwards(self, message: Message, channel: Channel) -> Message:
        """Forward a message: the new one says nothing of its own and holds a copy."""
        self._may(message.channel, Permission.READ_MESSAGE_HISTORY)
        self._may(channel, Permission.SEND_MESSAGES)
        about = where(message.channel) | {"type": 1, "message_id": str(message.id)}
        return self.world.post(channel, self, "", reference_ids=about, snapshot=message)

    async def edits(self, message: Message, text: str) -> None:
        """Change what one of their own messages says."""
        self._own(message)
        self.world.edit(message, {"content": text})

    async def deletes(self, message: Message) -> None:
        """Delete a message of their own, or anybody's where they may manage messages."""
        if message.author is not self:
            self._may(message.channel, Permission.MANAGE_MESSAGES)
        self.world.delete(message)

    async def types(self, channel: Channel) -> None:
        """Be seen typing."""
        self.world.starts_typing(self, channel)

    async def reacts(self, message: Message, emoji: str) -> None:
        """Add a reaction."""
        self._may(message.channel, Permission.ADD_REACTIONS)
        self.world.react(self, message, emoji)

    async def unreacts(self, message: Message, emoji: str) -> None:
        """Take their own reaction back."""
        self.world.unreact(self, message, emoji)

    async def clears_reactions(self, message: Message, emoji: str | None = None) -> None:
        """Take everybody's reactions away, as a moderator does."""
        self._may(message.channel, Permission.MANAGE_MESSAGES)
        self.world.clear_reactions(message, emoji)

    async def starts_thread(self, where: Message | Channel, name: str, *, private: bool = False) -> Channel:
        """Start a thread from a message or in a channel."""
        message = where if isinstance(where, Message) else None
        channel = where.channel if isinstance(where, Message) else where
        wanted = Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS
        self._may(channel, wanted)
        return threads.start(self.world, self, channel, name, message=message, private=private)

    async def adds_to_thread(self, thread: Channel, user: User) -> None:
        """Bring somebody into a thread, as mentioning them there does."""
        self._may(thread, Permission.SEND_MESSAGES_IN_THREADS)
        threads.join(self.world, user, thread)

    async def closes_thread(self, thread: Channel, *, locked: bool = False) -> None:
        """Close a thread of their own, or anybody's where they may manage threads; ``locked`` only a moderator can."""
        if thread.owner is not self or locked:
            self._may(thread, Permission.MANAGE_THREADS)
        threads.archive(self.world, thread, locked=locked)

    # -- interactions

    async def types_command(
        self,
        path: str,
        options: Mapping[str, Any] | None = None,
        *,
        channel: Channel | None = None,
        forged: bool = False,
        wait: bool = True,
    ) -> Interaction:
        """Type a slash command, such as ``avatar list``, and wait for the first reaction to it.

        Values of options are text, numbers, people, roles, channels or ``(name, type, bytes)`` files. ``forged`` sends
        a command that Discord would not have offered to this person here.
        """
        place = self._place(channel)
        name, *inner = path.lstrip("/").split()
        command = self.world.commands.find(place, name)
        if not forged and not self.world.commands.visible(command, self, place):
            raise NotPossible(f"{self.display} is not offered /{name} in {place}")
        data = commands.typed(self.world, place, command, inner, options or {})
        return await self._interact(place, TYPED, data, path=path.lstrip("/"), wait=wait)

    async def completes(
        self,
        path: str,
        option: str,
        text: str = "",
        *,
        others: Mapping[str, Any] | None = None,
        channel: Channel | None = None,
    ) -> list[Json]:
        """Begin to type the value of an option and give the choices that the bot offers."""
        place = self._place(channel)
        name, *inner = path.lstrip("/").split()
        command = self.world.commands.find(place, name)
        if not self.world.commands.visible(command, self, place):
            raise NotPossible(f"{self.display} is not offered /{name} in {place}")
        values = dict(others or {}) | {option: text}
        data = commands.typed(self.world, place, command, inner, values, focus=option)
        asked = await self._interact(place, AUTOCOMPLETE, data, path=path, wait=True)
        return asked.choices or []

    async def context_menu(
        self, name: str, target: Message | User, *, forged: bool = False, wait: bool = True
    ) -> Interaction:
        """Choose an entry from the menu of a message or a person."""
        on_message = isinstance(target, Message)
        place = target.channel if isinstance(target, Message) else self._place(None)
        command = self.world.commands.find(place, name, commands.MESSAGE if on_message else commands.USER)
        if not forged and not self.world.commands.visible(command, self, place):
            raise NotPossible(f"{self.display} is not offered {name!r} in {place}")
        resolved: Json = {}
        if isinstance(target, Message):
            resolved["messages"] = {str(target.id): target.json()}
        else:
            commands.resolve(place, target, resolved)
        data: Json = {"id": command["id"], "name": name, "type": command["type"], "target_id": str(target.id)}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return await self._interact(place, TYPED, data | {"resolved": resolved}, path=name, wait=wait)

    async def clicks(self, message: Message, which: str, *, wait: bool = True) -> Interaction:
        """Press a button, named by what is written on it or by its custom id."""
        self._sees(message)
        found = [b for b in message.buttons if which in (b.get("custom_id"), label_of(b), b.get("label"))]
        if not found:
            raise NotPossible(f"there is no button {which!r}, only {message.labels} in {message.text()!r}")
        button = found[0]
        if button.get("disabled") or "custom_id" not in button:
            raise NotPossible(f"the button {which!r} cannot be pressed")
        data = {"custom_id": button["custom_id"], "component_type": 2, "id": button.get("id", 0)}
        return await self._interact(message.channel, COMPONENT, data, message=message, wait=wait)

    async def presses_stale(self, message: Message, custom_id: str, *, wait: bool = True) -> Interaction:
        """Press a button that was there when this person's client last looked, whatever is there now."""
        data: Json = {"custom_id": custom_id, "component_type": 2, "id": 0}
        return await self._interact(message.channel, COMPONENT, data, message=message, wait=wait)

    async def chooses(
        self, message: Message, values: Sequence[Any], *, menu: str | None = None, wait: bool = True
    ) -> Interaction:
        """Choose from a menu: options by value or label, or people, roles and channels."""
        self._sees(message)
        found = [s for s in message.selects if menu in (None, s["custom_id"], s.get("placeholder"))]
        if not found or found[0].get("disabled"):
            raise NotPossible(f"there is no menu {menu!r} in {message.text()!r}")
        picked, resolved = forms.picked(message.channel, found[0], values)
        data: Json = {
            "custom_id": found[0]["custom_id"],
            "component_type": found[0]["type"],
            "values": picked,
        }
        data |= {"id": found[0].get("id", 0)} | ({"resolved": resolved} if resolved else {})
        return await self._interact(message.channel, COMPONENT, data, message=message, wait=wait)

    async def submits(
        self, form: Interaction, values: Mapping[str, Any], *, wait: bool = True
    ) -> Interaction:
        """Fill in the form that ``form`` opened, each field named by label or custom id, and send it."""
        if form.modal is None or form.user is not self:
            raise NotPossible("there is no form to send")
        data = forms.filled(self.world, form.channel, form.modal, values)
        return await self._interact(form.channel, MODAL, data, message=form.message, parent=form, wait=wait)

    async def _interact(
        self,
        channel: Channel,
        kind: int,
        data: Json,
        *,
        path: str = "",
        message: Message | None = None,
        parent: Interaction | None = None,
        wait: bool,
    ) -> Interaction:
        self._may(channel, Permission.VIEW_CHANNEL)
        self._here = channel
        made = Interaction(self.world, self, channel, kind, data, path=path, message=message, parent=parent)
        self.world.emit("INTERACTION_CREATE", made.payload(), guild=channel.guild, needs="")
        if wait:
            return await made.acknowledgement()
        await asyncio.sleep(0)
        return made

    # -- what the client lets them do

    def _place(self, channel: Channel | None) -> Channel:
        channel = channel or self._here
        if channel is not None:
            return channel
        for guild in self.world.guilds.values():
            for one in guild.channels.values():
                if one.can(self, Permission.VIEW_CHANNEL):
                    return one
        return self.direct

    def _may(self, channel: Channel, permission: Permission) -> None:
        if not channel.can(self, permission):
            raise NotPossible(f"{self.display} lacks {permission.name} in {channel}")

    def _own(self, message: Message) -> None:
        if message.author is not self:
            raise NotPossible(f"{self.display} did not write {message.text()!r}")

    def _sees(self, message: Message) -> None:
        self._may(message.channel, Permission.VIEW_CHANNEL)
        if message.deleted or message.ephemeral_for not in (None, self):
            raise NotPossible(f"{self.display} does not see {message.text()!r}")
