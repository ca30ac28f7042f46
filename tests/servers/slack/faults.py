"""What goes wrong on request: refusals, broken connections, and answers that never arrive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

CLOSE, LOSE, HOLD, ANSWER = "close", "lose", "hold", "answer"


@dataclass(slots=True)
class Fault:
    """One kind of trouble for the calls of a method, the next ``times`` of them or each ``every``-th."""

    kind: str
    method: str
    times: int | None
    every: int
    error: str = ""
    status: int = 200
    retry_after: float | None = None
    seen: int = 0
    done: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def strikes(self, method: str) -> bool:
        """Count a call and say whether it is hit."""
        if not fnmatchcase(method, self.method) or (self.times is not None and self.done >= self.times):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.done += 1
        return True

    async def hold(self) -> None:
        """Keep a call waiting until it is released."""
        self.arrived.set()
        await self.released.wait()

    def release(self) -> None:
        """Let the calls that are held go on."""
        self.released.set()


class Faults:
    """The faults in force, oldest first; methods may be patterns such as ``chat.*``."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def answer(
        self,
        method: str,
        error: str | int,
        *,
        times: int | None = 1,
        every: int = 1,
        retry_after: float | None = None,
    ) -> Fault:
        """Do nothing and answer with an error's name or an HTTP status; 429 and ``ratelimited`` are one."""
        if error in (429, "ratelimited"):
            wait = 1.0 if retry_after is None else retry_after
            return self._add(Fault(ANSWER, method, times, every, "ratelimited", status=429, retry_after=wait))
        if isinstance(error, int):
            return self._add(Fault(ANSWER, method, times, every, "", error, retry_after))
        return self._add(Fault(ANSWER, method, times, every, error, 200, retry_after))

    def close(self, method: str, *, times: int | None = 1, every: int = 1) -> Fault:
        """Close the connection without doing what was asked."""
        return self._add(Fault(CLOSE, method, times, every))

    def lose(self, method: str, *, times: int | None = 1, every: int = 1) -> Fault:
        """Do what was asked and close the connection before the answer: the client cannot know."""
        return self._add(Fault(LOSE, method, times, every))

    def hold(self, method: str, *, times: int | None = 1, every: int = 1) -> Fault:
        """Keep a call waiting: ``await fault.arrived.wait()`` tells that it came, ``fault.release()`` lets it go on."""
        return self._add(Fault(HOLD, method, times, every))

    def clear(self) -> None:
        """Let everything work again."""
        self.all.clear()

    def strike(self, method: str) -> Fault | None:
        """The fault that hits this call, if any."""
        return next((fault for fault in self.all if fault.strikes(method)), None)

    def _add(self, fault: Fault) -> Fault:
        self.all.append(fault)
        return fault
