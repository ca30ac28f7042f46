"""How much of it: message length, and how many may wait in one conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from adapters.platforms.base import UserError


def check_text(text: str, longest: int, *, enough: bool = False) -> None:
    """Raises ``UserError`` when there is nothing to answer, or too much. ``enough``: a picture speaks for itself."""
    if not text.strip() and not enough:
        raise UserError("There is nothing in that message that I could answer.")
    if len(text) > longest:
        raise UserError(
            f"That message is {len(text):,} characters long; I read up to {longest:,}. Send the part that matters."
        )


class Lanes:
    """One conversation is answered in order, different ones side by side.

    A lane exists only while somebody is in it.
    """

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._lanes: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextmanager
    def place(self, key: str, *, always: bool = False) -> Generator[bool]:
        """Stand in the lane; whether nobody was there. Raises ``UserError`` when as many wait already as may.

        Taken before anything is awaited, so that a burst counts in full. ``always``: it was let in before.
        """
        lock, count = self._lanes.get(key, (asyncio.Lock(), 0))
        if count > self._waiting and not always:
            raise UserError(
                f"I am still answering here and {self._waiting} messages wait already; "
                "please send that again in a moment."
            )
        self._lanes[key] = (lock, count + 1)
        try:
            yield count == 0
        finally:
            lock, count = self._lanes.pop(key)
            if count > 1:
                self._lanes[key] = (lock, count - 1)

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncGenerator[None]:
        """Wait for one's turn and hold it, from one's place in the lane."""
        async with self._lanes[key][0]:
            yield
