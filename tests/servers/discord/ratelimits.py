"""Discord's rate limits: a bucket for each route and each channel, webhook or guild, and one for everything."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2s

from tests.servers.discord.ids import Json

GENEROUS = 100_000
REAL = (
    (r"^POST /channels/\{channel_id\}/messages$", 5, 5.0),
    (r"^PATCH /channels/\{channel_id\}/messages/", 5, 5.0),
    (r"^DELETE /channels/\{channel_id\}/messages/\{message_id\}$", 5, 1.0),
    (r"/reactions", 1, 0.25),
    (r"^POST /channels/\{channel_id\}/typing$", 5, 5.0),
    (r"^(GET|POST|PATCH|DELETE) /webhooks/", 5, 2.0),
    (r"^PUT /applications/", 5, 20.0),
)
REAL_EVERYWHERE = 50


@dataclass(slots=True)
class Bucket:
    """What is left of a limit until it is full again."""

    limit: int
    per: float
    left: int
    until: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and the headers to say so with."""

    headers: dict[str, str]
    retry_after: float = 0.0
    everywhere: bool = False

    @property
    def body(self) -> Json:
        """What a refusal says."""
        text = "You are being rate limited."
        return {"message": text, "retry_after": self.retry_after, "global": self.everywhere, "code": 0}


class RateLimits:
    """The limits in force: so generous that nobody meets them, until ``real`` or ``limit`` is called."""

    def __init__(self) -> None:
        self._rules: list[tuple[re.Pattern[str], int, float]] = []
        self._everywhere: int | None = None
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self.refused: Counter[str] = Counter()

    def real(self) -> None:
        """Limit as Discord does: five messages and five edits in five seconds for each channel, and so on."""
        for pattern, limit, per in REAL:
            self.limit(pattern, limit, per)
        self._everywhere = REAL_EVERYWHERE

    def limit(self, route: str, limit: int, per: float) -> None:
        """Limit the routes that match, such as ``^PATCH /channels/``, to ``limit`` requests in ``per`` seconds."""
        self._rules.insert(0, (re.compile(route), limit, per))
        self._buckets.clear()

    def take(self, route: str, major: str, *, exempt: bool = False) -> Verdict:
        """Count one request; ``exempt`` ones do not count towards the limit for everything."""
        if not self._rules:
            name = f"{hash(route) & 0xFFFFFFFF:08x}"
            return Verdict(_headers(GENEROUS, GENEROUS - 1, 1.0, name))
        now = time.monotonic()
        if self._everywhere is not None and not exempt:
            bucket = self._bucket(("*", ""), self._everywhere, 1.0, now)
            if bucket.left <= 0:
                self.refused[route] += 1
                wait = max(bucket.until - now, 0.001)
                headers = {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global", "Via": "1.1 google"}
                return Verdict(headers | {"Retry-After": f"{wait:.3f}"}, round(wait, 3), everywhere=True)
            bucket.left -= 1
        limit, per = next(((n, per) for rule, n, per in self._rules if rule.search(route)), (GENEROUS, 1.0))
        bucket = self._bucket((route, major), limit, per, now)
        wait = max(bucket.until - now, 0.001)
        name = blake2s(route.encode(), digest_size=8).hexdigest()
        if bucket.left <= 0:
            self.refused[route] += 1
            headers = _headers(limit, 0, wait, name) | {"X-RateLimit-Scope": "user", "Via": "1.1 google"}
            return Verdict(headers | {"Retry-After": f"{wait:.3f}"}, round(wait, 3))
        bucket.left -= 1
        return Verdict(_headers(limit, bucket.left, wait, name))

    def _bucket(self, key: tuple[str, str], limit: int, per: float, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None or now >= bucket.until:
            bucket = self._buckets[key] = Bucket(limit, per, limit, now + per)
        return bucket


def _headers(limit: int, left: int, wait: float, name: str) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
        "X-RateLimit-Reset-After": f"{wait:.3f}",
        "X-RateLimit-Bucket": name,
    }
