"""Asking a model, and what to do when it does not answer.

While nothing of a reply was shown, a model is asked again where that can help, and then the next one of the chain. A vendor
that fails again and again is left in peace for a while, so that nobody waits for it. Once a word was shown there is no
second try: what the person has read stands.

A model that an avatar was released with may be gone, or fail alone, while its vendor is well: it is counted and left in
peace by itself, and so is what answered before it, which is asked next.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from adapters.vendors.base import (
    BadRequest,
    ChatModel,
    ChatRequest,
    Delta,
    Event,
    Finished,
    ModelNotFound,
    NotConfigured,
    Refused,
    VendorError,
)
from bot.models import Models

log = structlog.get_logger()

Before: TypeAlias = Callable[[], Awaitable[Sequence[str]]]
"""What answered before a released model did, the latest first, as ``vendor:name``."""

# A vendor that wants us to wait longer than this is not waited for, in seconds.
LONGEST_WAIT = 20.0
# Whoever has waited this long for a model is not made to wait for it again where another one is there, in seconds.
SLOW = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long: see ``[models]`` in config.toml."""

    fallback: tuple[str, ...] = ()
    attempts: int = 3
    retry_seconds: float = 0.5
    rest_after: int = 5
    rest_seconds: float = 30.0


class NoWords(VendorError):
    """A model ended its reply without a word."""

    retryable = True

    def __init__(self, vendor: str) -> None:
        super().__init__("the model ended its reply without a word", vendor=vendor)


class Breaker:
    """Counts a vendor's failures in a row; after ``limit`` of them it rests, then one call may try again."""

    def __init__(self, limit: int, seconds: float, now: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._now = now
        self._failures = 0
        self._until = 0.0
        self._last: VendorError | None = None

    @property
    def resting(self) -> float:
        """For how many more seconds the vendor is left in peace; 0 when it may be asked."""
        return max(0.0, self._until - self._now()) if self._failures >= self._limit else 0.0

    def check(self, name: str, vendor: str) -> None:
        """Raises the kind of error that it failed with last, while it rests; ``name`` is who rests."""
        if (rest := self.resting) > 0 and (last := self._last) is not None:
            raise type(last)(
                f"{name} failed {self._failures} times in a row and is left in peace for {rest:.0f} more seconds: "
                f"{last}",
                vendor=vendor,
            ) from last

    def ask(self) -> None:
        """Somebody asks it now; after a rest, the others wait for what becomes of that."""
        if self._failures >= self._limit:
            self._until = self._now() + self._seconds

    def good(self) -> None:
        """It answered."""
        self._failures = 0

    def bad(self, error: VendorError) -> None:
        """It did not."""
        self._failures += 1
        self._last = error
        if self._failures >= self._limit:
            self._until = self._now() + self._seconds


class Asking:
    """Asks the models of a chain until one of them answers."""

    def __init__(self, models: Models, patience: Patience, now: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._patience = patience
        self._now = now
        self._breakers: dict[str, Breaker] = {}

    async def stream(
        self,
        model: str,
        prepare: Callable[[str, ChatModel, str], ChatRequest],
        failed: Callable[[str, VendorError], None] = lambda _model, _error: None,
        before: Before | None = None,
    ) -> AsyncGenerator[Event]:
        """The events of the first model that answers; ``model`` and the chain are written ``vendor:name``.

        ``before`` is given for a released model: what it gives is asked when that fails, ahead of the fallbacks.

        ``prepare`` is told which model is asked, with its vendor and the vendor's name for it, and gives the request.
        ``failed`` is told each model that did not answer, whoever answers in the end.
        Raises ``VendorError``: what the first model failed with, or what broke off a reply that was being shown.
        """
        first: VendorError | None = None
        released = before is not None
        chain = [model] if released else list(dict.fromkeys((model, *self._patience.fallback)))
        asked = 0
        while asked < len(chain):
            name = chain[asked]
            asked += 1
            last = before is None and asked == len(chain)
            try:
                async with aclosing(self._one(name, prepare, last=last, alone=released)) as events:
                    async for event in events:
                        yield event
                return
            except _Broken as broken:
                failed(name, broken.error)
                raise broken.error from broken.error.__cause__
            except VendorError as error:
                log.warning("model failed", model=name, error=str(error), kind=type(error).__name__)
                failed(name, error)
                first = first or error
                if isinstance(error, Refused):
                    break  # what one vendor must not answer is not tried out on the others
                if before is not None:
                    chain = list(dict.fromkeys((model, *await before(), *self._patience.fallback)))
                    before = None
        assert first is not None, "there is at least one model in a chain"
        raise first

    async def _one(
        self, full: str, prepare: Callable[[str, ChatModel, str], ChatRequest], *, last: bool, alone: bool
    ) -> AsyncGenerator[Event]:
        vendor, name = self._models.find(full)
        counted = full if alone else vendor.vendor
        breaker = self._breaker(counted)
        request: ChatRequest | None = None
        for attempt in range(1, self._patience.attempts + 1):
            breaker.check(counted, vendor.vendor)
            if alone:
                self._breaker(vendor.vendor).check(vendor.vendor, vendor.vendor)
            request = request or prepare(full, vendor, name)
            breaker.ask()
            begun, blank, asked_at = False, "", self._now()
            try:
                async with aclosing(vendor.stream(request)) as events:
                    async for event in events:
                        if begun:
                            yield event
                        elif isinstance(event, Finished):
                            raise _wordless(event, vendor.vendor)
                        elif event.text.isspace() or not event.text:
                            blank += event.text  # white space alone shows nobody anything
                        else:
                            begun = True
                            yield Delta(blank + event.text) if blank else event
                if not begun:
                    raise NoWords(vendor.vendor)
                breaker.good()
                return
            except VendorError as error:
                if _blames_vendor(error) or (alone and isinstance(error, ModelNotFound)):
                    breaker.bad(error)
                elif not isinstance(error, NotConfigured):
                    breaker.good()  # whoever objects is there
                if begun:
                    raise _Broken(error) from error
                slow = not last and self._now() - asked_at >= SLOW
                wait = None if slow or breaker.resting else self._wait(error, attempt)
                if wait is None:
                    raise
                log.info("model asked again", model=full, error=str(error), seconds=round(wait, 2))
            await asyncio.sleep(wait)

    def _wait(self, error: VendorError, attempt: int) -> float | None:
        """Seconds until the next attempt; ``None`` when there is none."""
        if not error.retryable or attempt >= self._patience.attempts:
            return None
        wanted = error.retry_after or 0.0
        if wanted > LONGEST_WAIT:
            return None
        # Full jitter above what the vendor asked for, so that many who failed together do not come back together.
        backoff = self._patience.retry_seconds * 2 ** (attempt - 1) * (0.5 + random.random())
        return min(max(wanted, backoff), LONGEST_WAIT)

    def _breaker(self, name: str) -> Breaker:
        """That of a vendor, or of a model as ``vendor:name``."""
        if name not in self._breakers:
            self._breakers[name] = Breaker(self._patience.rest_after, self._patience.rest_seconds, self._now)
        return self._breakers[name]


class _Broken(Exception):
    """A reply broke off after its first word."""

    def __init__(self, error: VendorError) -> None:
        super().__init__(str(error))
        self.error = error


def _wordless(end: Finished, vendor: str) -> VendorError:
    if end.reason == "filtered":
        return Refused("the content filter held back the whole reply", vendor=vendor)
    return NoWords(vendor)


def _blames_vendor(error: VendorError) -> bool:
    """Whether it says something about the vendor as a whole, and not about this message or this model."""
    return not isinstance(error, BadRequest | Refused | ModelNotFound | NotConfigured | NoWords)
