"""What is delivered in a burst: all of it is acknowledged before any of it is answered, for which Slack has no patience."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

# So many come in so short a time only when many people speak at once, not when many are being answered.
_MANY: Final = 32
_SHORT_SECONDS: Final = 0.03
_CALM_SECONDS: Final = 0.05
# A third of what Slack waits: where a burst never ceases, it is acknowledged and answered side by side.
_LONGEST_SECONDS: Final = 1.0


class Bursts:
    """Holds back what follows from deliveries while many of them come, in the order in which they came."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_MANY)
        self._began = 0.0
        self._held = False
        self._waiting: list[asyncio.Future[None]] = []

    def came(self) -> None:
        """Something was delivered."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._times.append(now)
        if not self._held and len(self._times) == _MANY and now - self._times[0] < _SHORT_SECONDS:
            self._held, self._began = True, now
            loop.call_later(_CALM_SECONDS, self._look)

    async def over(self) -> None:
        """Wait until no burst is coming in."""
        if self._held:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now, calm = loop.time(), self._times[-1] + _CALM_SECONDS
        if now < calm and now < self._began + _LONGEST_SECONDS:
            loop.call_at(calm, self._look)
        else:
            self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)
        if waiting:
            # Whoever came meanwhile follows, and overtakes nobody.
            asyncio.get_running_loop().call_soon(self._release)
        else:
            self._held = False
