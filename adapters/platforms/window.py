"""How often something may happen: what platforms allow in a span of time."""

from __future__ import annotations

from collections import deque


class Window:
    """How many times something may happen in a span of seconds."""

    __slots__ = ("_seconds", "_slots", "_times")

    def __init__(self, slots: int, seconds: float) -> None:
        self._slots = slots
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=slots)

    def spend(self, now: float) -> None:
        """It happens now."""
        self._times.append(now)

    def free_at(self, kept: int) -> float:
        """When there is a slot again beside those that are ``kept`` for others."""
        use = self._slots - kept
        return self._times[-use] + self._seconds if len(self._times) >= use else 0.0
