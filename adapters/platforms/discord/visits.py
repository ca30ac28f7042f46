"""One interaction, from its arrival to what is said to it: who, where, when, and the three ways of answering.

Discord wants to hear within three seconds and takes answers for fifteen minutes: what may take longer is deferred at once,
and what is later than that is said in another way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import aiohttp
import discord
import structlog

from adapters.platforms.bars import bar
from adapters.platforms.base import Answer, Call, Host, Place, Progress, Who
from adapters.platforms.discord.answers import NOBODY, UPLOAD, Part, Payload, payload
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import Room, place_of, who_of
from adapters.platforms.usage import Value

log = structlog.get_logger()

Interaction: TypeAlias = discord.Interaction[discord.Client]

UNKNOWN_INTERACTION: Final = 10062
EXPIRED: Final = frozenset({UNKNOWN_INTERACTION, 10015, 50027})
"""What Discord says when an interaction, or its fifteen minutes, are over."""
ACKNOWLEDGED: Final = 40060
"""Somebody answered this interaction already, such as another process."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What everything here works with."""

    client: discord.Client
    host: Host
    options: Options
    owners: frozenset[int]
    clock: Callable[[], int]

    def room(self, channel_id: int, guild: discord.Guild | None) -> Room:
        """A channel or thread, as far as it is known."""
        known = guild.get_channel_or_thread(channel_id) if guild else self.client.get_channel(channel_id)
        if isinstance(known, Room):
            return known
        return self.client.get_partial_messageable(channel_id, guild_id=guild.id if guild else None)

    async def place(self, room: Room, guild: discord.Guild | None, user_id: int) -> Place:
        """Where this person talks there: a conversation of their own, or everybody's where the avatar always answers."""
        place = place_of(room, guild, user_id)
        if guild is not None and await self.host.listens(place):
            return place_of(room, guild, user_id, everybody=True)
        return place


class Visit:
    """One interaction. It is answered to the person alone unless an answer says otherwise."""

    def __init__(self, desk: Desk, interaction: Interaction) -> None:
        self.desk = desk
        self.interaction = interaction
        # Not the time in Discord's id: reactions have none, and what a person thinks last must be last by one clock.
        self.at = desk.clock()
        self._deferred: Literal["", "thinking", "update"] = ""
        self._private = True

    @cached_property
    def who(self) -> Who:
        """Who it is, with what they may do by Discord's own roles."""
        return who_of(self.interaction.user, self.desk.options, self.desk.owners)

    @cached_property
    def person(self) -> str:
        """Discord's id of the person."""
        return str(self.interaction.user.id)

    @property
    def reference(self) -> str:
        """What a person can tell an admin, who finds it in the log."""
        return str(self.interaction.id)[-8:]

    @property
    def data(self) -> Mapping[str, Any]:
        """What Discord says of it."""
        data: Any = self.interaction.data
        return data or {}

    @property
    def custom_id(self) -> str:
        """That of the button that was pressed, or of the form that was sent."""
        return str(self.data.get("custom_id", ""))

    @property
    def room(self) -> Room:
        """The channel or thread that it came from."""
        channel = self.interaction.channel
        if isinstance(channel, Room):
            return channel
        return self.desk.room(self.interaction.channel_id or 0, self.interaction.guild)

    async def place(self) -> Place:
        """Where it was said."""
        return await self.desk.place(self.room, self.interaction.guild, self.interaction.user.id)

    async def call(
        self, command: str, values: Mapping[str, Value], progress: Progress, *, confirmed: bool = False
    ) -> Call:
        """A command, given here by this person."""
        place = await self.place()
        return Call(command, place, self.who, values, progress, self.at, confirmed=confirmed)

    async def defer(self, *, private: bool = True) -> None:
        """Promise a message: until it comes, Discord shows that we are thinking."""
        await self.interaction.response.defer(ephemeral=private, thinking=True)
        self._deferred, self._private = "thinking", private

    async def defer_update(self) -> None:
        """Take note without a word; the message with the button can be changed later."""
        await self.interaction.response.defer()
        self._deferred = "update"

    async def open(self, sheet: discord.ui.Modal) -> None:
        """Show a form; only possible as the first thing."""
        await self.interaction.response.send_modal(sheet)

    async def say(self, sentence: str) -> None:
        """One sentence, for this person alone."""
        await self.show(Answer(sentence))

    async def show(self, answer: Answer, *, in_place: bool = False) -> discord.WebhookMessage | None:
        """Say an answer; ``in_place`` writes it over the message whose button was pressed.

        Returns the last message that was added, where one was.
        """
        shown = payload(answer, self.person, upload=max(UPLOAD, self.interaction.filesize_limit))
        try:
            return await self._show(shown, in_place=in_place)
        except discord.HTTPException as error:
            if error.code not in EXPIRED or not self.interaction.response.is_done():
                raise
            await self._late(shown)
            return None

    async def put(self, part: Part) -> None:
        """Say one message, as the first thing, to this person alone."""
        await self.interaction.response.send_message(**part.arguments(), ephemeral=True)

    async def redraw(self, content: str) -> None:
        """Change what stands there until the answer comes."""
        await self.interaction.edit_original_response(content=content, allowed_mentions=NOBODY)

    async def unbutton(self) -> None:
        """Take note by taking the buttons off the message, so that none of them is pressed twice."""
        await self.interaction.response.edit_message(view=None)
        self._deferred = "update"

    async def _show(self, shown: Payload, *, in_place: bool) -> discord.WebhookMessage | None:
        parts = list(shown.parts)
        if not parts:
            if self._deferred == "thinking":
                await self.interaction.delete_original_response()
            return None
        if not self.interaction.response.is_done():
            await self.interaction.response.send_message(**parts.pop(0).arguments(), ephemeral=shown.private)
        elif self._deferred == "thinking" and shown.private == self._private:
            await self._write_over(parts.pop(0))
        elif self._deferred == "thinking":
            # A promise that one person sees cannot become a message for all, nor the other way round; and as long as it
            # stands, Discord takes the next message for what was promised.
            await self.redraw("-# …")
            last = await self._follow(parts, private=shown.private)
            await self.interaction.delete_original_response()
            return last
        elif in_place and shown.private:
            await self._write_over(parts.pop(0))
        return await self._follow(parts, private=shown.private)

    async def _follow(self, parts: Sequence[Part], *, private: bool) -> discord.WebhookMessage | None:
        last = None
        for part in parts:
            last = await self.interaction.followup.send(**part.arguments(), ephemeral=private, wait=True)
        return last

    async def _write_over(self, part: Part) -> None:
        await self.interaction.edit_original_response(
            content=part.content or None,
            attachments=part.uploads(),
            view=part.view(),
            allowed_mentions=NOBODY,
        )

    async def _late(self, shown: Payload) -> None:
        """Fifteen minutes are over: what all may read goes into the channel, what is private to the person."""
        where = self.interaction.user if shown.private else self.room
        try:
            if isinstance(where, discord.abc.Messageable):
                for part in shown.parts:
                    await where.send(**part.arguments())
        except discord.HTTPException as error:
            log.warning("an answer came too late", interaction=self.interaction.id, error=str(error))


class Bar:
    """Tells how far a long command is, in the message that its answer will take; at most once in so many seconds."""

    def __init__(self, visit: Visit, *, draws: bool = True) -> None:
        self._visit = visit
        self._draws = draws
        self._wanted = self._drawn = ""
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, text: str, done: float | None = None) -> None:
        """Say what is being done; ``done`` is the finished share, 0..1."""
        self._wanted = progress_line(text, done)
        if self._draws and not self._over.is_set() and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._draw(), name="discord-progress")

    async def close(self) -> None:
        """Draw no more; returns when the last drawing is through, so that the answer is not drawn over."""
        self._over.set()
        if self._task is not None:
            await self._task

    async def _draw(self) -> None:
        while self._wanted != self._drawn and not self._over.is_set():
            self._drawn = self._wanted
            try:
                await self._visit.redraw(self._drawn)
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.info("progress is not shown", interaction=self._visit.interaction.id, error=str(error))
                return
            try:
                await asyncio.wait_for(self._over.wait(), self._visit.desk.options.edit_seconds)
            except TimeoutError:
                continue


def progress_line(text: str, done: float | None) -> str:
    """What is being done, with a bar where the share is known."""
    line = f"⏳ {text[:1_500]}"
    if done is None:
        return line
    return f"{line}\n{bar(done)}"
