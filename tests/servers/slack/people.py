"""What people do: the driver with which a test plays them.

Every method does what Slack's client lets a person do and raises ``NotPossible`` for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.slack import gestures
from tests.servers.slack.errors import NotPossible
from tests.servers.slack.ids import Json
from tests.servers.slack.interactions import Interaction
from tests.servers.slack.messages import Message
from tests.servers.slack.teams import Channel, User
from tests.servers.slack.views import View

FileGiven = tuple[str, str | None, bytes]
ENTITY = re.compile(r"<(?:[@#!][^>]+|https?://[^>]+)>")
LINK = re.compile(r"https?://[^\s<>]+")


def written(text: str) -> str:
    """Text as Slack's client sends what a person typed: signs escaped, links marked, mentions as they are."""
    made, at = "", 0
    for match in ENTITY.finditer(text):
        made += _escaped(text[at : match.start()]) + match.group()
        at = match.end()
    return made + _escaped(text[at:])


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return LINK.sub(lambda match: f"<{match.group()}>", text)


class Member(User):
    """Somebody with an account: every method is something that they do."""

    @property
    def direct(self) -> Channel:
        """The direct messages between this person and the bot."""
        return self.team.direct(self)

    # -- talking

    async def says(
        self,
        channel: Channel,
        text: str = "",
        *,
        mention: User | None = None,
        thread: Message | str | None = None,
        files: Sequence[FileGiven] = (),
        broadcast: bool = False,
    ) -> Message:
        """Say something; ``mention`` comes first, ``thread`` is a message in it, files are name, type and data."""
        self.reads(channel)
        if channel.archived:
            raise NotPossible(f"{channel.shown} is archived")
        if mention is not None:
            text = f"{mention.mention} {text}"
        if not text.strip() and not files:
            raise NotPossible("there is nothing to send")
        world = self.team.world
        kept = [world.store(self, *one) for one in files]
        world.share(kept, channel)
        root = thread.root_ts if isinstance(thread, Message) else thread
        said = written(text.strip())
        message = Message(
            channel,
            self,
            world.times(),
            said,
            thread_ts=root,
            files=kept,
            broadcast=broadcast and root is not None,
            subtype="file_share" if kept else "bot_message" if self.is_bot else None,
        )
        return world.post(message)

    async def edits(self, message: Message, text: str) -> None:
        """Change what one of their own messages says."""
        self._own(message)
        self.team.world.edit(message, text=written(text))

    async def deletes(self, message: Message) -> None:
        """Delete a message of their own, or anybody's as an admin."""
        if not (self.admin or self.owner):
            self._own(message)
        self.team.world.delete(message)

    async def reacts(self, message: Message, name: str) -> None:
        """Add a reaction, such as ``thumbsup``, which Slack calls ``+1``."""
        self.sees(message)
        if message.ephemeral_for is not None:
            raise NotPossible("there are no reactions to what only one person sees")
        name = gestures.emoji(name)
        if self in message.reactions.get(name, ()):
            raise NotPossible(f"{self.name} has already reacted with {name}")
        self.team.world.react(self, message, name, add=True)

    async def unreacts(self, message: Message, name: str) -> None:
        """Take their own reaction back."""
        name = gestures.emoji(name)
        if self not in message.reactions.get(name, ()):
            raise NotPossible(f"{self.name} has not reacted with {name}")
        self.team.world.react(self, message, name, add=False)

    async def joins(self, channel: Channel) -> None:
        """Come into an open channel."""
        if channel.kind != "channel":
            raise NotPossible(f"{channel.shown} is closed")
        self.team.world.join(channel, self)

    async def invites(self, user: User, channel: Channel) -> None:
        """Bring somebody, perhaps the bot, into a channel."""
        self.reads(channel)
        self.team.world.join(channel, user, inviter=self)

    # -- interactions

    async def slash(
        self, command: str, text: str = "", channel: Channel | None = None, *, wait: bool = True
    ) -> Interaction:
        """Type a slash command and wait for its acknowledgement."""
        channel = channel or self.direct
        self.reads(channel)
        return await gestures.slash(self, command, text, channel, wait=wait)

    async def clicks(
        self, where: Message | View, which: str, value: str | None = None, *, wait: bool = True
    ) -> Interaction:
        """Press a button, named by what is written on it, its action or its value."""
        if isinstance(where, Message):
            self.sees(where)
        return await gestures.click(self, where, which, value, wait=wait)

    async def chooses(
        self, where: Message | View, which: str | None, value: Any, *, wait: bool = True
    ) -> Interaction:
        """Choose from a menu, named by its action or placeholder, an option by value or text, or people and channels."""
        if isinstance(where, Message):
            self.sees(where)
        return await gestures.choose(self, where, which, value, wait=wait)

    async def submits(
        self, view: View, values: Mapping[str, Any] | None = None, *, wait: bool = True
    ) -> Interaction:
        """Fill in a form, fields named by label, block, action or ``block/action``, and send it."""
        self._shown(view)
        return await gestures.submit(self, view, values or {}, wait=wait)

    async def closes(self, view: View) -> Interaction | None:
        """Close a form; the app is told if it asked to be."""
        self._shown(view)
        return await gestures.close(self, view)

    async def shortcut(
        self,
        name: str,
        message: Message | None = None,
        *,
        callback_id: str | None = None,
        wait: bool = True,
    ) -> Interaction:
        """Choose a shortcut from the menu of a message, or without one a global shortcut."""
        if message is not None:
            self.sees(message)
        return await gestures.shortcut(self, name, message, callback_id, wait=wait)

    # -- the app's home and the agent

    async def opens_home(self, tab: str = "home") -> None:
        """Open the app's home, or with ``messages`` the talk with it."""
        world = self.team.world
        event: Json = {
            "type": "app_home_opened",
            "user": self.id,
            "channel": self.direct.id,
            "tab": tab,
            "event_ts": world.times(),
        }
        view = world.homes.get(self.id)
        if view is not None and tab == "home":
            event["view"] = view.json()
        world.emit(self.team, event)

    @property
    def home(self) -> View | None:
        """The app's home as they see it."""
        return self.team.world.homes.get(self.id)

    async def opens_assistant(self, context: Channel | None = None) -> Message:
        """Begin a talk with the agent; what comes back begins its thread."""
        return gestures.open_assistant(self, context)

    async def looks_at(self, channel: Channel, thread: Message) -> None:
        """Look at another channel while a talk with the agent is open."""
        gestures.look_at(self, channel, thread)

    async def picks(self, thread: Message | None, title: str) -> Message:
        """Choose one of the suggestions that the agent offers in a talk."""
        root = "" if thread is None else thread.root_ts
        offered = self.direct.prompts.get(root, {"prompts": []})["prompts"]
        for one in offered:
            if one["title"] == title:
                return await self.says(self.direct, one["message"], thread=root or None)
        raise NotPossible(f"there is no suggestion {title!r} in {[one['title'] for one in offered]}")

    async def stops(self, channel: Channel, thread: Message | str) -> None:
        """Press Slack's own stop button while the agent is at work."""
        world = self.team.world
        root = thread if isinstance(thread, str) else thread.root_ts
        event: Json = {
            "type": "agent_session_stopped",
            "channel": channel.id,
            "thread_ts": root,
            "user": self.id,
            "event_ts": world.times(),
        }
        world.emit(self.team, event)

    # -- what the client lets them do

    def reads(self, channel: Channel) -> None:
        """Refuse where this person is not in the channel."""
        if self.id not in channel.members:
            raise NotPossible(f"{self.name} is not in {channel.shown}")

    def sees(self, message: Message) -> None:
        """Refuse where this person does not see the message."""
        self.reads(message.channel)
        if message.deleted or message.ephemeral_for not in (None, self):
            raise NotPossible(f"{self.name} does not see {message.shown!r}")

    def _own(self, message: Message) -> None:
        if message.author is not self:
            raise NotPossible(f"{self.name} did not write {message.shown!r}")

    def _shown(self, view: View) -> None:
        if view.closed or view.person is not self:
            raise NotPossible(f"{self.name} does not see {view}")
