"""Ids and times as Slack writes them."""

from __future__ import annotations

import time
from typing import Any

Json = dict[str, Any]

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Ids:
    """Makes ids such as ``C0000000A1`` that never come twice."""

    def __init__(self) -> None:
        self._count = 1295  # two digits from the first on

    def __call__(self, prefix: str) -> str:
        """The next id that begins with ``prefix``."""
        self._count += 1
        rest, text = self._count, ""
        while rest:
            rest, digit = divmod(rest, 36)
            text = DIGITS[digit] + text
        return f"{prefix}{text.zfill(9)}"


class Times:
    """Times of messages, which are their ids in a channel and so never come twice."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> str:
        """Now, or a microsecond after the last."""
        self._last = max(time.time_ns() // 1000, self._last + 1)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"
