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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from storage.database import Database
from storage.errors import StorageError
from training.reading import Reader, Source, Stretch

LENGTH: Final = 8
"""Bytes before each pickle that say how long it is."""

GC: Final = (100_000, 50, 100)
"""Rows come and go by the thousand and hold no cycles: looking for these as often as usual takes a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker reads and which shelf is its own."""

    database: str
    source: Source
    shelf: int


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: a sentence for the person where storage has one, and the traceback."""

    sentence: str
    told: str


def main() -> int:
    """Work until there is nothing more to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for whoever started us, who then ends us
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
    database = reader = None
    try:
        try:
            while (wanted := _next(told)) is not None:
                if not isinstance(wanted, Stretch):
                    call: Callable[[], Any] = wanted
                    _say(out, call())
                    continue
                if reader is None:
                    database = await Database.open(place.database)
                    reader = Reader(database, place.source, place.shelf)
                async for part in reader.talks(wanted):
                    _say(out, part)
                _say(out, None)
        finally:
            if reader is not None:
                reader.close()
            if database is not None:
                await database.close()
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - told to whoever waits, who tells it on
        _say(out, Failure(str(error) if isinstance(error, StorageError) else "", traceback.format_exc()))


def _next(told: BinaryIO) -> Any:
    length = int.from_bytes(told.read(LENGTH))
    return pickle.loads(told.read(length)) if length else None  # noqa: S301 - from whoever started us


def _say(out: BinaryIO, what: object) -> None:
    data = pickle.dumps(what, protocol=5)
    out.write(len(data).to_bytes(LENGTH))
    out.write(data)
    out.flush()
