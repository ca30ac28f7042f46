"""Attends to many messages a few at a time, so that what comes meanwhile is acknowledged at once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_AT_ONCE: Final = 8


class Turnstile:
    """Lets a few through in each turn of the event loop, in the order in which they came.

    Between two turns the loop looks at its connections. If a crowd were let through at once, each turn would take as long as
    a step of everybody's reply, and a request takes several turns to be acknowledged, for which Slack has no patience.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def through(self) -> None:
        """Wait for one's turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._turn, loop)
        await turn

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._turn, loop)
