"""One line on standard error that tells how far a long command is."""

from __future__ import annotations

from typing import TextIO

from adapters.platforms.terminal.plain import clean

_BAR = 24


class ProgressLine:
    """Redraws one line in place on a terminal; says nothing elsewhere. ``clear`` takes the line away."""

    def __init__(self, err: TextIO, *, width: int = 80) -> None:
        self._err = err
        self._live = err.isatty()
        self._width = width
        self._shown = ""

    async def __call__(self, text: str, done: float | None = None) -> None:
        """Say what is being done; ``done`` is the finished share, 0..1."""
        line = self.line(text, done)
        if not self._live or line == self._shown:
            return
        self._shown = line
        self._err.write(f"\r\x1b[K{line}")
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
