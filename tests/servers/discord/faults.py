"""What goes wrong on request: refusals, broken connections, and answers that never arrive."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

from tests.servers.discord.ids import Json

CLOSE, LOSE, HOLD = "close", "lose", "hold"


@dataclass(slots=True)
class Fault:
    """One kind of trouble for the requests that match, the next ``times`` of them or each ``every``-th."""

    kind: int | str
    method: str
    path: re.Pattern[str]
    times: int | None
    every: int
    retry_after: float = 0.0
    everywhere: bool = False
    cloudflare: bool = False
    seen: int = 0
    done: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def strikes(self, method: str, path: str) -> bool:
        """Count a request and say whether it is hit."""
        if self.method not in ("*", method) or self.path.search(path) is None:
            return False
        if self.times is not None and self.done >= self.times:
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.done += 1
        return True

    async def hold(self) -> None:
        """Keep a request waiting until it is released."""
        self.arrived.set()
        await self.released.wait()

    def release(self) -> None:
        """Let the requests that are held go on."""
        self.released.set()

    def headers(self) -> dict[str, str]:
        """What the refusal says besides."""
        if self.kind != 429:
            return {}
        scope = {"X-RateLimit-Global": "true"} if self.everywhere else {}
        via = {} if self.cloudflare else {"Via": "1.1 google"}
        return scope | via | {"Retry-After": str(self.retry_after)}

    def body(self) -> Json:
        """What the refusal says."""
        if self.kind == 429:
            text = "You are being rate limited."
            return {"message": text, "retry_after": self.retry_after, "global": self.everywhere, "code": 0}
        return {"message": f"{self.kind}: Server Error", "code": 0}


class Faults:
    """The faults in force, oldest first; paths are matched by regular expression without ``/api/v10``."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def answer(
        self,
        status: int,
        method: str,
        path: str,
        *,
        times: int | None = 1,
        every: int = 1,
        retry_after: float = 0.05,
        everywhere: bool = False,
        cloudflare: bool = False,
    ) -> Fault:
        """Answer with ``status`` and do nothing; the method of opening the gateway is ``CONNECT``.

        A 429 carries ``retry_after`` and is global if ``everywhere``; ``cloudflare`` makes the answer a page, as the
        network in front of Discord does, which also answers 502 and 503.
        """
        cloudflare = cloudflare or status in (502, 503, 504)
        return self._add(
            Fault(status, method, re.compile(path), times, every, retry_after, everywhere, cloudflare)
        )

    def close(self, method: str, path: str, *, times: int | None = 1, every: int = 1) -> Fault:
        """Close the connection without doing what was asked."""
        return self._add(Fault(CLOSE, method, re.compile(path), times, every))

    def lose(self, method: str, path: str, *, times: int | None = 1, every: int = 1) -> Fault:
        """Do what was asked and close the connection before the answer: the client cannot know."""
        return self._add(Fault(LOSE, method, re.compile(path), times, every))

    def hold(self, method: str, path: str, *, times: int | None = 1, every: int = 1) -> Fault:
        """Keep a request waiting: ``await fault.arrived.wait()`` tells that it came, ``fault.release()`` lets it go on."""
        return self._add(Fault(HOLD, method, re.compile(path), times, every))

    def clear(self) -> None:
        """Let everything work again."""
        self.all.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, if any."""
        return next((fault for fault in self.all if fault.strikes(method, path)), None)

    def _add(self, fault: Fault) -> Fault:
        self.all.append(fault)
        return fault
