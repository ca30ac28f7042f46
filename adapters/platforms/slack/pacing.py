"""How often replies are redrawn: one budget for each method in a workspace, whose last calls are kept for final texts."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from adapters.platforms.slack.tempo import Tempo
from adapters.platforms.window import Window

_KEPT_SHARE = 0.1


class Growing(Protocol):
    """Something that wants to be redrawn."""

    def draw(self) -> bool:
        """It is its turn; False when it has nothing to draw any more."""
        ...


class Lane:
    """The turns of one method, in the order in which they were wanted."""

    __slots__ = ("_held", "_kept", "_queue", "_timer", "_window")

    def __init__(self, calls: int, seconds: float) -> None:
        self._window = Window(calls, seconds)
        self._kept = min(max(1, int(calls * _KEPT_SHARE)), calls - 1)
        self._queue: deque[Growing] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0.0

    def want(self, growing: Growing) -> None:
        """Queue for a turn."""
        self._queue.append(growing)
        if self._timer is None:
            self._turn()

    def spend(self) -> None:
        """A final text goes out: it waits for nothing, and counts."""
        self._window.spend(asyncio.get_running_loop().time())

    def hold(self, seconds: float) -> None:
        """Slack asks for a pause."""
        self._held = max(self._held, asyncio.get_running_loop().time() + seconds)

    def _turn(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue:
            free = max(self._window.free_at(self._kept), self._held)
            if free > now:
                self._timer = loop.call_at(free, self._turn)
                return
            if self._queue.popleft().draw():
                self._window.spend(now)


class Pacing:
    """The budgets of one workspace."""

    __slots__ = ("appends", "starts", "updates")

    def __init__(self, tempo: Tempo) -> None:
        self.starts = Lane(tempo.starts, tempo.minute)
        self.appends = Lane(tempo.appends, tempo.minute)
        self.updates = Lane(tempo.updates, tempo.minute)
