"""Snowflakes and the forms of time that Discord's API uses."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

EPOCH_MS = 1_420_070_400_000
Json = dict[str, Any]


class Snowflakes:
    """Ids that ascend with real time, as many within a millisecond as are asked for."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> int:
        fresh = (int(time.time() * 1000) - EPOCH_MS) << 22
        self._last = max(fresh, self._last + 1)
        return self._last


def born(snowflake: int) -> str:
    """The moment that is inside a snowflake, as the API writes it."""
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH_MS) / 1000, UTC).isoformat(
        timespec="microseconds"
    )


def now() -> str:
    """This moment, as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
