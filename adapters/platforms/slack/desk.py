"""What attends to interactions, and what it remembers: the addresses for answers, direct messages, and who is a program."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from adapters.platforms.base import Host, Place
from adapters.platforms.slack.people import People
from adapters.platforms.slack.places import place_of
from adapters.platforms.slack.sending import FAILURES, Wire

log = structlog.get_logger()

USES: Final = 5
"""How often an address that came with an interaction takes an answer."""
MINUTES: Final = 30
"""For how long."""

_REMEMBERED = 2_000


def _bound(memory: OrderedDict[str, Any]) -> None:
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


class Addresses:
    """How often each address was used, and since when it is known."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def left(self, url: str) -> int:
        """How many answers it still takes."""
        used, since = self._used.get(url, (0, self._clock()))
        over = self._clock() - since > (MINUTES - 1) * 60_000
        return 0 if not url or over else USES - used

    def meet(self, url: str) -> None:
        """It came with an interaction that happens now."""
        if url and url not in self._used:
            self._used[url] = (0, self._clock())
            _bound(self._used)

    def use(self, url: str, times: int = 1) -> None:
        """It was used."""
        used, since = self._used.get(url, (0, self._clock()))
        self._used[url] = (used + times, since)


@dataclass(slots=True)
class Desk:
    """What everything here works with."""

    host: Host
    wire: Wire
    clock: Callable[[], int]
    addresses: Addresses
    _direct: OrderedDict[str, str] = field(default_factory=OrderedDict[str, str])
    _bots: OrderedDict[str, bool] = field(default_factory=OrderedDict[str, bool])

    @property
    def people(self) -> People:
        """Who is who in the workspace."""
        return self.wire.people

    async def place(self, channel: str, thread: str = "") -> Place:
        """A place, with what is known of its channel."""
        me = self.people.identity
        kind = await self.people.kind_of(channel)
        return place_of(me.team_id, channel, kind, thread or None, team_name=me.team_name)

    async def direct(self, person: str) -> str:
        """The direct messages with somebody, by their id."""
        known = self._direct.get(person)
        if known is None:
            opened = await self.wire.call("conversations.open", users=person)
            known = self._direct[person] = str(opened["channel"]["id"])
            _bound(self._direct)
        return known

    async def is_bot(self, person: str) -> bool:
        """Whether somebody is a program, as far as Slack says; that never changes."""
        known = self._bots.get(person)
        if known is None:
            try:
                found = await self.wire.client.users_info(user=person)
            except FAILURES as error:
                log.info("not known whether a bot", person=person, error=type(error).__name__)
                return False
            known = self._bots[person] = bool((found["user"] or {}).get("is_bot"))
            _bound(self._bots)
        return known
