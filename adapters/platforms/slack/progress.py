"""How far a long command is, in the message that its answer will take."""

from __future__ import annotations

import asyncio

from adapters.platforms.bars import bar
from adapters.platforms.slack.visits import Visit

_LONGEST = 1_500
# What cannot be changed as often as need be is shown ever more rarely.
_SCARCER = 4


class Bar:
    """Tells how far a command is; at most once in so many seconds."""

    def __init__(self, visit: Visit, *, draws: bool = True, in_place: bool = False) -> None:
        self._visit = visit
        self._draws = draws
        self._in_place = in_place
        self._pause = visit.desk.wire.options.edit_seconds
        self._wanted = self._drawn = ""
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, text: str, done: float | None = None) -> None:
        """Say what is being done; ``done`` is the finished share, 0..1."""
        self._wanted = progress_line(text, done)
        if self._draws and not self._over.is_set() and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._draw(), name="slack-progress")

    async def close(self) -> None:
        """Draw no more; returns when the last drawing is through, so that the answer is not drawn over."""
        self._over.set()
        if self._task is not None:
            await self._task

    async def _draw(self) -> None:
        # What is done soon needs no word about how far it is.
        while not await self._ends(self._pause) and self._wanted != self._drawn:
            self._drawn = self._wanted
            if not await self._visit.redraw(self._drawn, in_place=self._in_place):
                self._draws = False
                return
            usual = self._visit.desk.wire.options.edit_seconds
            self._pause = usual if self._visit.redrawable else self._pause * _SCARCER

    async def _ends(self, seconds: float) -> bool:
        """Wait so long, or until it is over."""
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True


def progress_line(text: str, done: float | None) -> str:
    """What is being done, with a bar where the share is known."""
    line = f"⏳ {text[:_LONGEST]}"
    if done is None:
        return line
    return f"{line}\n\n{bar(done)}"
