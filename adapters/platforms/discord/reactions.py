"""Reactions as ratings: the emoji that count, given, taken back and cleared.

Discord says who gives or takes back a reaction, but not whose reactions a moderator clears. Whoever reacted while this
process was running is remembered, within bounds, and their marks are cleared; older marks stand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import discord
import structlog

from adapters.platforms.base import Access, Answer, Mark, Who
from adapters.platforms.discord import controls
from adapters.platforms.discord.answers import Part, Press
from adapters.platforms.discord.places import Room, place_of, who_of
from adapters.platforms.discord.posted import nonce_of
from adapters.platforms.discord.visits import Desk

log = structlog.get_logger()

PREFIX: Final = "reaction:"
OFFERED: Final = 60.0
"""How long the form is offered after a poor reaction, in seconds."""
POOR: Final = 2
"""From here down it is worth asking what was wrong."""

_VARIATION = "\N{VARIATION SELECTOR-16}"
_REMEMBERED = 5_000
_CROWD = 500
_ASKED = "What was wrong with it? A word helps me do better."


class Reactions:
    """Takes the reactions on replies."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stars = {_plain(name): stars for name, stars in desk.options.reactions.items()}
        # message -> person -> who they are and what they reacted with
        self._given: OrderedDict[int, dict[int, tuple[Who, set[str]]]] = OrderedDict()
        self._asked: OrderedDict[tuple[int, int], None] = OrderedDict()

    def stars_of(self, emoji: discord.PartialEmoji) -> int | None:
        """The stars that an emoji stands for; ``None`` when it says nothing."""
        if emoji.id is not None:
            found = self._stars.get(str(emoji.id))
            return self._stars.get(emoji.name or "") if found is None else found
        return self._stars.get(_plain(emoji.name or ""))

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Somebody reacts."""
        at = self._desk.clock()
        if not self._concerns(event):
            return
        stars = self.stars_of(event.emoji)
        if stars is None:
            return
        try:
            await self._add(event, stars, at)
        except Exception as error:
            log.exception("a reaction was not taken", message=event.message_id, exc_info=error)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """Somebody takes a reaction back, or a moderator does it for them."""
        at = self._desk.clock()
        if not self._concerns(event) or self.stars_of(event.emoji) is None:
            return
        try:
            await self._remove(event, at)
        except Exception as error:
            log.exception("a reaction was not taken back", message=event.message_id, exc_info=error)

    async def on_raw_reaction_clear(self, event: discord.RawReactionClearEvent) -> None:
        """A moderator clears all reactions of a message."""
        at = self._desk.clock()
        for user_id, (who, _) in self._given.pop(event.message_id, {}).items():
            mark = self._mark(event, user_id, who, PREFIX, at, clear=True)
            await self._tell(mark)

    async def on_raw_reaction_clear_emoji(self, event: discord.RawReactionClearEmojiEvent) -> None:
        """A moderator clears all reactions of one emoji."""
        at = self._desk.clock()
        source = source_of(event.emoji)
        for user_id, (who, sources) in self._given.get(event.message_id, {}).items():
            if source in sources:
                sources.discard(source)
                await self._tell(self._mark(event, user_id, who, source, at))

    def _concerns(self, event: discord.RawReactionActionEvent) -> bool:
        """Whether it can be somebody's reaction on a message of ours, in a server that we know."""
        me = self._desk.client.user
        if me is None or event.user_id == me.id or event.message_author_id not in (None, me.id):
            return False
        guild = self._guild(event)
        return event.guild_id is None or (guild is not None and not guild.unavailable)

    async def _add(self, event: discord.RawReactionActionEvent, stars: int, at: int) -> None:
        user = event.member or self._known(event)
        if user is not None and user.bot:
            return
        who = self._who(event, user)
        source = source_of(event.emoji)
        answer = await self._desk.host.mark(self._mark(event, event.user_id, who, source, at, stars))
        exchange_id = _exchange_of(answer)
        if not exchange_id:
            return
        self._remember(event, who, source)
        if stars <= POOR and answer.ok:
            await self._offer(event, exchange_id)

    async def _remove(self, event: discord.RawReactionActionEvent, at: int) -> None:
        user = self._known(event)
        if user is not None and user.bot:
            return
        source = source_of(event.emoji)
        _, sources = self._given.get(event.message_id, {}).get(event.user_id, (None, set[str]()))
        sources.discard(source)
        await self._desk.host.mark(self._mark(event, event.user_id, self._who(event, user), source, at))

    async def _tell(self, mark: Mark) -> None:
        """One mark of several: what goes wrong with it keeps none of the others back."""
        try:
            await self._desk.host.mark(mark)
        except Exception as error:
            log.exception("a reaction was not cleared", message=mark.reply_key, exc_info=error)

    async def _offer(self, event: discord.RawReactionActionEvent, exchange_id: str) -> None:
        """A reaction cannot open a form, but a button can: offered once, and gone soon."""
        key = (event.message_id, event.user_id)
        if key in self._asked:
            return
        self._asked[key] = None
        while len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        room = self._room(event)
        if not isinstance(room, discord.abc.Messageable):
            return
        press = Press("Tell me", controls.control("form", str(event.user_id), exchange_id))
        question = Part(f"-# {_ASKED}", buttons=(press,))
        below = discord.MessageReference(
            message_id=event.message_id,
            channel_id=event.channel_id,
            guild_id=event.guild_id,
            fail_if_not_exists=False,
        )
        try:
            await room.send(
                **question.arguments(),
                reference=below,
                silent=True,
                delete_after=OFFERED,
                # Every replica hears of a reaction, and one asks.
                nonce=nonce_of(f"offer/{event.message_id}/{event.user_id}", 0),
            )
        except discord.HTTPException as error:
            log.info("the form is not offered", channel=event.channel_id, error=str(error))

    def _mark(
        self,
        event: Any,
        user_id: int,
        who: Who,
        source: str,
        at: int,
        stars: int | None = None,
        *,
        clear: bool = False,
    ) -> Mark:
        place = place_of(self._room(event), self._guild(event), user_id)
        key = str(event.message_id)
        return Mark(place, who, source, at, stars, clear=clear, reply_key=key, askable=False)

    def _remember(self, event: discord.RawReactionActionEvent, who: Who, source: str) -> None:
        people = self._given.setdefault(event.message_id, {})
        if event.user_id not in people and len(people) >= _CROWD:
            return
        people.setdefault(event.user_id, (who, set[str]()))[1].add(source)
        self._given.move_to_end(event.message_id)
        while len(self._given) > _REMEMBERED:
            self._given.popitem(last=False)

    def _who(self, event: discord.RawReactionActionEvent, user: discord.Member | discord.User | None) -> Who:
        if user is not None:
            return who_of(user, self._desk.options, self._desk.owners)
        # Nothing but their own mark can be taken away, or given in a direct message, by somebody we do not know.
        return Who(str(event.user_id), "", Access.RATER)

    def _known(self, event: discord.RawReactionActionEvent) -> discord.Member | discord.User | None:
        guild = self._guild(event)
        return guild.get_member(event.user_id) if guild else self._desk.client.get_user(event.user_id)

    def _guild(self, event: Any) -> discord.Guild | None:
        return self._desk.client.get_guild(event.guild_id) if event.guild_id is not None else None

    def _room(self, event: Any) -> Room:
        return self._desk.room(event.channel_id, self._guild(event))


def source_of(emoji: discord.PartialEmoji) -> str:
    """What names the mark of an emoji."""
    return PREFIX + (str(emoji.id) if emoji.id is not None else _plain(emoji.name or ""))


def _plain(name: str) -> str:
    """An emoji or the name of one, however it is written: ``:name:`` and ``<:name:id>`` too."""
    name = name.strip().replace(_VARIATION, "")
    if name.startswith("<") and name.endswith(">"):
        return name[1:-1].rpartition(":")[2]
    return name.strip(":") if len(name) > 2 else name


def _exchange_of(answer: Answer) -> str:
    data: Any = answer.data
    return str(data.get("exchange_id", "")) if isinstance(data, Mapping) else ""
