"""Reactions as ratings: the emoji that count, given and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from adapters.platforms.base import Mark
from adapters.platforms.slack.desk import Desk
from adapters.platforms.slack.emoji import plain
from adapters.platforms.slack.places import key_of

PREFIX: Final = "reaction:"


class Reactions:
    """Takes the reactions on replies."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stars = {plain(name): stars for name, stars in desk.wire.options.reactions.items()}

    def stars_of(self, name: str) -> int | None:
        """The stars that an emoji stands for, by Slack's name of it; ``None`` when it says nothing."""
        return self._stars.get(plain(name))

    async def added(self, event: Mapping[str, Any]) -> None:
        """Somebody reacts."""
        stars = self._concerns(event)
        mark = await self._mark(event, stars) if stars is not None else None
        if mark is not None:
            await self._desk.host.mark(mark)

    async def removed(self, event: Mapping[str, Any]) -> None:
        """Somebody takes a reaction back."""
        mark = await self._mark(event, None) if self._concerns(event) is not None else None
        if mark is not None:
            await self._desk.host.mark(mark)

    def _concerns(self, event: Mapping[str, Any]) -> int | None:
        """The stars of somebody's reaction on a message that can be ours."""
        item: Mapping[str, Any] = event.get("item") or {}
        author = event.get("item_user")
        if item.get("type") != "message" or self._desk.people.is_own(event.get("user")):
            return None
        if author and not self._desk.people.is_own(author):
            return None
        return self.stars_of(str(event.get("reaction", "")))

    async def _mark(self, event: Mapping[str, Any], stars: int | None) -> Mark | None:
        """What is noted of it; nothing for a bot's."""
        person, item = str(event["user"]), event["item"]
        if await self._desk.is_bot(person):
            return None
        channel, ts = str(item["channel"]), str(item["ts"])
        who = await self._desk.people.who_of(person)
        # Slack may tell it late, or twice: it counts for when it happened.
        at = min(_milliseconds(event.get("event_ts")), self._desk.clock())
        source = PREFIX + plain(str(event["reaction"]))
        place = await self._desk.place(channel)
        return Mark(place, who, source, at, stars, reply_key=key_of(channel, ts), askable=False)


def _milliseconds(ts: object) -> int:
    try:
        return int(float(str(ts)) * 1_000)
    except ValueError:
        return 2**53
