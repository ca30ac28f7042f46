"""How often methods may be called; without being asked, as often as one likes."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field

REAL: dict[str, tuple[int, float, bool]] = {
    "chat.postMessage": (1, 1.0, True),
    "chat.update": (50, 60.0, False),
    "chat.delete": (50, 60.0, False),
    "chat.startStream": (20, 60.0, False),
    "chat.appendStream": (100, 60.0, False),
    "chat.stopStream": (20, 60.0, False),
    "conversations.history": (1, 60.0, False),
    "conversations.replies": (1, 60.0, False),
    "conversations.list": (20, 60.0, False),
    "users.list": (20, 60.0, False),
    "usergroups.list": (20, 60.0, False),
}


@dataclass(slots=True)
class Limit:
    """At most ``calls`` in ``per`` seconds, for each team or, ``by_channel``, for each channel."""

    calls: int
    per: float
    by_channel: bool
    made: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]])

    def wait(self, key: str, now: float) -> float:
        """How many seconds a call has to wait; one that need not is counted."""
        made = self.made.setdefault(key, deque())
        while made and made[0] <= now - self.per:
            made.popleft()
        if len(made) < self.calls:
            made.append(now)
            return 0.0
        return made[0] + self.per - now


class Limits:
    """The limits in force and how often each method was refused for them."""

    def __init__(self) -> None:
        self.all: dict[str, Limit] = {}
        self.refused: Counter[str] = Counter()

    def real(self) -> None:
        """Limit as Slack does an app outside its marketplace."""
        for method, (calls, per, by_channel) in REAL.items():
            self.limit(method, calls, per, by_channel=by_channel)

    def limit(self, method: str, calls: int, per: float, *, by_channel: bool = False) -> None:
        """Limit one method."""
        self.all[method] = Limit(calls, per, by_channel)

    def clear(self) -> None:
        """Limit nothing."""
        self.all.clear()

    def wait(self, method: str, team: str, channel: str) -> int:
        """The Retry-After of this call, 0 when it may be made."""
        limit = self.all.get(method)
        if limit is None:
            return 0
        waits = limit.wait(f"{team}:{channel}" if limit.by_channel else team, time.monotonic())
        if waits:
            self.refused[method] += 1
        return math.ceil(waits)
