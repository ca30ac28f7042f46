"""One line on standard error that tells how far a long command is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from adapters.platforms.terminal.plain import clean

_BAR = 24
_EVERY = 10.0  # seconds


class ProgressLine:
    """Redraws one line in place on a terminal, and ``clear`` takes it away; elsewhere, writes one every ten seconds."""

    def __init__(
        self, err: TextIO, *, width: int = 80, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._err = err
        self._live = err.isatty()
        self._width = width
        self._shown = ""
        self._seconds = seconds
        self._told_at = seconds()

    async def __call__(self, text: str, done: float | None = None) -> None:
        """Say what is being done; ``done`` is the finished share, 0..1."""
        if not self._live:
            self._log(text, done)
            return
        line = self.line(text, done)
        if line == self._shown:
            return
        self._shown = line
        self._err.write(f"\r\x1b[K{line}")
        self._err.flush()

    def _log(self, text: str, done: float | None) -> None:
        now = self._seconds()
        if now - self._told_at < _EVERY:
            return
        self._told_at = now
        share = "" if done is None else f" ({min(max(done, 0.0), 1.0):.0%})"
        self._err.write(" ".join(clean(text).split()) + share + "\n")
        self._err.flush()

    def line(self, text: str, done: float | None) -> str:
        """The line as it is drawn."""
        text = " ".join(clean(text).split())
        if done is not None:
            share = min(max(done, 0.0), 1.0)
            filled = round(share * _BAR)
            text = f"{'━' * filled}{'╌' * (_BAR - filled)} {share:>4.0%}  {text}"
        return text[: self._width - 1]

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = ""
            self._err.write("\r\x1b[K")
            self._err.flush()
