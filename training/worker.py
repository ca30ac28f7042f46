"""A process that works for whoever builds a dataset; training/crew.py starts it.

It is told first where it reads, then what to do, one pickle after the other on its standard input, and answers in the same
way on its standard output. It ends with its input, which is when whoever started it has gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from storage.database import Database
from storage.errors import StorageError

if TYPE_CHECKING:
    from training.reading import Reader, Source

LENGTH: Final = 8
"""Bytes before each pickle that say how long it is."""

GC: Final = (100_000, 50, 100)
"""Rows come and go by the thousand and hold no cycles: looking for these as often as usual takes a tenth of the time."""


NICE: Final = 10
"""How far it stands back for those that answer people."""


class End(Enum):
    """What stands behind the last answer to what was asked."""

    END = auto()


END: Final = End.END


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker works, and which shelf is its own."""

    database: str
    source: Source | None
    shelf: int


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: a sentence for the person where there is one, and the traceback."""

    sentence: str
    told: str


def main() -> int:
    """Work until there is nothing more to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for whoever started us, who then ends us
    with suppress(OSError):
        os.nice(max(0, NICE - os.nice(0)))
    gc.set_threshold(*GC)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    try:
        asyncio.run(_work(sys.stdin.buffer, out))
    except BrokenPipeError:
        return 1  # nobody waits for the answer any more
    return 0


async def _work(told: BinaryIO, out: BinaryIO) -> None:
    place: Place | None = _next(told)
    if place is None:
        return
    async with _Working(place) as working:
        try:
            while (wanted := _next(told)) is not None:
                async for answer in working.answers(wanted):
                    _say(out, answer)
                _say(out, END)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - told to whoever waits, who tells it on
            _say(out, Failure(_sentence(error), traceback.format_exc()))


class _Working:
    """What a worker has opened so far."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._database: Database | None = None
        self._reader: Reader | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._database is not None:
            await self._database.close()

    async def answers(self, wanted: Any) -> AsyncIterator[object]:
        """What there is to say to what is wanted: a stretch, or a function that may want the database."""
        if not callable(wanted):
            async for part in (await self._reading()).talks(wanted):
                yield part
        elif iscoroutinefunction(wanted):
            yield await wanted(await self._opened())
        else:
            yield wanted()

    async def _reading(self) -> Reader:
        if self._reader is None:
            # Who only writes needs none of what reading does.
            from training.reading import Reader

            assert self._place.source is not None
            self._reader = Reader(await self._opened(), self._place.source, self._place.shelf)
        return self._reader

    async def _opened(self) -> Database:
        if self._database is None:
            self._database = await Database.open(self._place.database)
        return self._database


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
    return str(error) if isinstance(error, StorageError) else ""


def _next(told: BinaryIO) -> Any:
    length = int.from_bytes(told.read(LENGTH))
    return pickle.loads(told.read(length)) if length else None  # noqa: S301 - from whoever started us


def _say(out: BinaryIO, what: object) -> None:
    data = pickle.dumps(what, protocol=5)
    out.write(len(data).to_bytes(LENGTH))
    out.write(data)
    out.flush()
