"""``Calls``: one request at a time, in the time it may take, again where that is safe, and errors as ours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from adapters.vendors.base import ModelNotFound, NotConfigured, Unavailable, VendorError
from adapters.vendors.google.errors import Teller

T = TypeVar("T")
Pause = Callable[[float], Awaitable[object]]

ATTEMPTS: Final = 3

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0  # whoever is told to wait longer leaves that to the caller
# What reading an answer of another shape ends with.
_SHAPE: Final = (AttributeError, TypeError, LookupError, ValueError)


class NotThere(ModelNotFound):
    """The service knows no such job, file, bucket or model."""


class Late(Unavailable):
    """It was not answered in time."""


@dataclass(frozen=True, slots=True)
class Told(Teller):
    """A ``Teller`` of errors about something else than a question: ``model`` names it, such as ``the job 4``."""

    def unavailable(self, reason: str, retry_after: float | None = None) -> Unavailable:
        """An outage: it may be tried again."""
        return Unavailable(
            f"{self.vendor} could not be reached for {self.model}: {reason}; try again later",
            vendor=self.vendor,
            retry_after=retry_after,
        )

    def no_model(self) -> ModelNotFound:
        """There is no such thing."""
        return NotThere(f"{self.vendor} does not know {self.model}", vendor=self.vendor)

    def not_configured(self, reason: str) -> NotConfigured:
        """Something is missing on our side."""
        return NotConfigured(f"{self.vendor} cannot be asked for {self.model}: {reason}", vendor=self.vendor)

    def raised(self, exc: Exception) -> VendorError | None:
        """The error that an exception of either client means, ``None`` for one that is ours."""
        if isinstance(exc, TimeoutError):
            return self._late()
        return self._of_storage(exc) or Teller.raised(self, exc)

    def _late(self) -> Late:
        return Late(str(self.unavailable("it took too long")), vendor=self.vendor)

    def _of_storage(self, exc: Exception) -> VendorError | None:
        try:
            from google.api_core import exceptions
            from google.cloud.storage.exceptions import DataCorruption
            from requests.exceptions import Timeout
        except ImportError:  # the extra is not installed, so nothing of it can have raised
            return None
        if isinstance(exc, Timeout):
            return self._late()
        if isinstance(exc, DataCorruption):
            return self.unavailable("what arrived is not what was sent")
        if not isinstance(exc, exceptions.GoogleAPICallError):
            return None
        response: Any = exc.response
        try:
            body = response.json()
        except (AttributeError, ValueError):  # no response at all, or one of a proxy in between
            body = {"error": {"message": exc.message}}
        headers = getattr(response, "headers", None) or {}
        return self.status(int(exc.code or 500), body, headers.get("Retry-After"))


class Calls:
    """Requests to one account. ``pause`` waits so many seconds between attempts; ``chance`` is a number from 0 to 1."""

    def __init__(
        self,
        *,
        vendor: str,
        seconds: float,
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._vendor = vendor
        self._seconds = seconds
        self._pause = pause
        self._chance = chance

    def told(self, what: str) -> Told:
        """Errors about ``what``."""
        return Told(self._vendor, what)

    async def once(self, what: str, call: Callable[[], Awaitable[T]], *, timed: bool = True) -> T:
        """What ``call`` answers; one that is not ``timed`` watches the time by itself. Raises ``VendorError``."""
        told = self.told(what)
        try:
            async with asyncio.timeout(self._seconds if timed else None):
                return await call()
        except VendorError:
            raise
        except Exception as exc:
            error = told.raised(exc)
            if error is None and isinstance(exc, _SHAPE):
                error = told.unavailable("it sent something else: its address may be wrong")
            if error is None:
                raise
            # The client's own error repeats what the service said, at times with a token.
            raise error from None

    async def safe(self, what: str, call: Callable[[], Awaitable[T]], *, timed: bool = True) -> T:
        """The same for a request that may be repeated. One that was not answered in time is not: the next would not be."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self.once(what, call, timed=timed)
            except VendorError as error:
                wait = error.retry_after
                if wait is None:
                    wait = _FIRST_PAUSE * 2 ** (attempt - 1) * (0.75 + 0.5 * self._chance())
                final = isinstance(error, Late) or not error.retryable
                if attempt == ATTEMPTS or final or wait > _LONGEST_PAUSE:
                    raise
            await self._pause(wait)
        raise AssertionError("the last attempt returns or raises")
