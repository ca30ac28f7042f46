"""``Calls``: one request at a time, in the time it may take, again where that is safe, and errors as ours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import openai
from openai.pagination import AsyncCursorPage

from adapters.vendors.base import BadRequest, ModelNotFound, Unavailable, VendorError
from adapters.vendors.openai.endpoint import Endpoint
from adapters.vendors.openai.errors import TRANSPORT, Explainer, Reported, reported

T = TypeVar("T")
Pause = Callable[[float], Awaitable[object]]
Told = Callable[[openai.APIStatusError], VendorError | None]

ATTEMPTS: Final = 3

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0  # whoever is told to wait longer leaves that to the caller
_BYTES_A_SECOND: Final = 100_000  # of a slow line
# What reading an answer of another shape ends with.
_SHAPE: Final = (AttributeError, TypeError, LookupError, ValueError)


class NotThere(ModelNotFound):
    """The vendor knows no such job, file or model; ``why`` is what it said, in brackets."""

    why = ""


class Conflict(Unavailable):
    """The vendor says that what is asked does not go with the state that the object is in."""


class Calls:
    """Requests to one endpoint. ``pause`` waits so many seconds between attempts; ``chance`` is a number from 0 to 1."""

    def __init__(
        self, endpoint: Endpoint, *, pause: Pause, chance: Callable[[], float] = random.random
    ) -> None:
        self._vendor = endpoint.vendor
        self._seconds = endpoint.first_seconds
        self._explain = Explainer(endpoint)
        self._pause = pause
        self._chance = chance

    async def once(
        self, what: str, call: Callable[[], Awaitable[T]], *, size: int = 0, told: Told | None = None
    ) -> T:
        """What ``call`` answers. ``told`` may have a better word for an error; ``size`` bytes travel beside the usual."""
        try:
            async with asyncio.timeout(self._seconds + size / _BYTES_A_SECOND):
                return await call()
        except TRANSPORT as error:
            better = told(error) if told is not None and isinstance(error, openai.APIStatusError) else None
            # The client's own error repeats what the server said, at times with the key.
            raise better or self._of(error, what) from None
        except _SHAPE:
            raise self._strange(what) from None

    async def safe(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """The same for a request that may be repeated. One that was not answered in time is not: the next would not be."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._seconds):
                    return await call()
            except TRANSPORT as error:
                found = self._of(error, what)
                final = isinstance(error, TimeoutError | openai.APITimeoutError) or isinstance(
                    found, Conflict
                )
                wait = found.retry_after
                if wait is None:
                    wait = _FIRST_PAUSE * 2 ** (attempt - 1) * (0.75 + 0.5 * self._chance())
                if attempt == ATTEMPTS or final or not found.retryable or wait > _LONGEST_PAUSE:
                    raise found from None
            except _SHAPE:
                raise self._strange(what) from None
            await self._pause(wait)
        raise AssertionError("the last attempt returns or raises")

    async def rows(
        self,
        what: str,
        first: Callable[[], Awaitable[AsyncCursorPage[Any]]],
        *,
        pages: int,
        enough: Callable[[Sequence[Mapping[str, Any]]], bool] = lambda _: False,
    ) -> list[dict[str, Any]]:
        """The rows of a listing, of at most ``pages`` pages, until there are ``enough``."""
        found: list[dict[str, Any]] = []
        page, seen = await self.safe(what, first), set[str]()
        for number in range(1, pages + 1):
            try:
                fresh = [row for row in map(row_of, page.data or ()) if str(row["id"]) not in seen]
                more = page.has_next_page()
            except _SHAPE:
                raise self._strange(what) from None
            found += fresh
            seen.update(str(row["id"]) for row in fresh)
            # A vendor that does not know ``after`` gives the same page for ever.
            if not fresh or not more or number == pages or enough(found):
                break
            page = await self.safe(what, page.get_next_page)
        return found

    def row(self, what: str, answer: object) -> dict[str, Any]:
        """The fields of an answer that has an id."""
        try:
            row = row_of(answer)
            _ = row["id"]
            return row
        except _SHAPE:
            raise self._strange(what) from None

    def detail(self, message: str) -> str:
        """What the server said, in brackets: one line, short, without secrets."""
        return self._explain.detail(message)

    def _of(self, error: Exception, what: str) -> VendorError:
        found = self._explain.of(error, what)
        if not isinstance(error, openai.APIStatusError):
            return found
        said = reported(error)
        if isinstance(found, ModelNotFound):
            # Frameworks say these two words where there is no such path at all.
            if not said.shaped or said.message.strip().lower() == "not found":
                return self._explain.of_status(404, Reported(""), what)
            gone = NotThere(
                f"{self._vendor} does not know {what}{self.detail(said.message)}", vendor=self._vendor
            )
            gone.why = self.detail(said.message)
            return gone
        if error.status_code == 409:
            return Conflict(str(found), vendor=self._vendor, retry_after=found.retry_after)
        if isinstance(found, BadRequest):
            return BadRequest(
                f"{self._vendor} does not accept {what}{self.detail(said.message)}", vendor=self._vendor
            )
        return found

    def _strange(self, what: str) -> VendorError:
        return self._explain.unavailable("sent something else: its base_url may be wrong", what)


def row_of(answer: object) -> dict[str, Any]:
    """The fields that the server sent, whatever the client's types say."""
    if not isinstance(answer, openai.BaseModel):
        raise TypeError("not an object")
    return answer.to_dict(mode="python", warnings=False)
