"""The processes among which the work of building and writing a dataset is shared."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from adapters.platforms.base import UserError
from storage.database import Database
from storage.errors import StorageError
from training.environment import environment
from training.worker import END, LENGTH, Failure, Place

if TYPE_CHECKING:
    from training.reading import Source, Stretch
    from training.staging import Part

MOST: Final = 4
"""Processes that read at once unless somebody says otherwise: each holds some 90 MB."""
WORTH: Final = 10_000
"""Exchanges for each process that reads; for fewer it is not worth its start."""

_AHEAD: Final = 2  # things that a worker has been told to do
_START: Final = "from training.worker import main; raise SystemExit(main())"
_WAITING: Final = 4  # answers that wait for those before them, of each worker

T = TypeVar("T")


def worth(exchanges: int, most: int = 0) -> int:
    """How many workers so many exchanges are worth: ``most`` of them, or where that is 0 one for each core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    many = min(most or min(MOST, cores), exchanges // WORTH)
    return many if many > 1 else 0  # one worker is no faster than none


class Crew:
    """Workers in processes of their own. Use it as a context: they have ended when it is left, whatever they were doing."""

    def __init__(self, database: str, many: int, source: Source | None = None) -> None:
        self._places = [Place(database, source, shelf) for shelf in range(1, many + 1)]
        self._workers: list[_Worker] = []

    async def __aenter__(self) -> Self:
        try:
            for place in self._places:
                self._workers.append(await _start(place))
        except BaseException:
            await self._end(self._workers)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end(self._workers)

    def parts(self, stretches: Sequence[Stretch]) -> AsyncGenerator[Part]:
        """The candidates of some stretches, in their order whoever read them. Raises ``StorageError``, ``UserError``."""
        return self._answers(stretches)

    def done(self, calls: Sequence[Callable[[Database], Awaitable[T]]]) -> AsyncGenerator[T]:
        """What functions return that workers call with the database, in their order. Raises as ``parts`` does."""
        return self._answers(calls)

    async def ask(self, call: Callable[[], T]) -> T:
        """What a function returns that the first worker calls. Raises as ``parts`` does."""
        worker = self._workers[0]
        await worker.tell(call)
        answer = await worker.answer()
        await worker.answer()
        return answer

    async def _answers(self, asked: Sequence[object]) -> AsyncGenerator[Any]:
        many = len(self._workers)
        queues: list[asyncio.Queue[object]] = [asyncio.Queue(_WAITING) for _ in self._workers]
        feeding = [
            asyncio.create_task(_feed(worker, asked[at::many], queue))
            for at, (worker, queue) in enumerate(zip(self._workers, queues, strict=True))
        ]
        try:
            for at in range(len(asked)):
                while (answer := await queues[at % many].get()) is not END:
                    if isinstance(answer, Exception):
                        raise answer
                    yield answer
        finally:
            for task in feeding:
                task.cancel()
            await asyncio.gather(*feeding, return_exceptions=True)

    @staticmethod
    async def _end(workers: Sequence[_Worker]) -> None:
        # Nothing that they hold is of use any more; a shielded wait, so that none is left behind.
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.process.kill()
        await asyncio.shield(asyncio.gather(*(worker.process.wait() for worker in workers)))


@dataclass(frozen=True, slots=True)
class _Worker:
    process: asyncio.subprocess.Process

    async def tell(self, what: object) -> None:
        """Hand over what is to be done next."""
        assert self.process.stdin is not None
        data = pickle.dumps(what, protocol=5)
        try:
            self.process.stdin.write(len(data).to_bytes(LENGTH) + data)
            await self.process.stdin.drain()
        except ConnectionError:
            raise await self._gone() from None

    async def answer(self) -> Any:
        """What it says next."""
        assert self.process.stdout is not None
        try:
            length = int.from_bytes(await self.process.stdout.readexactly(LENGTH))
            said = pickle.loads(await self.process.stdout.readexactly(length))  # noqa: S301 - our own process
        except asyncio.IncompleteReadError:
            raise await self._gone() from None
        if isinstance(said, Failure):
            raise StorageError(said.sentence) if said.sentence else RuntimeError(said.told)
        return said

    async def _gone(self) -> UserError:
        code = await self.process.wait()
        how = f"was killed (signal {-code}), perhaps for want of memory" if code < 0 else f"ended with {code}"
        return UserError(f"A process that worked on the dataset {how}; nothing of it was kept.")


async def _start(place: Place) -> _Worker:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _START,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
        limit=1024 * 1024,
    )
    worker = _Worker(process)
    try:
        await worker.tell(place)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return worker


async def _feed(worker: _Worker, asked: Sequence[object], queue: asyncio.Queue[object]) -> None:
    """Tell a worker what to do and queue what it answers; an error is the last thing."""
    coming = iter(asked)
    try:
        for each in islice(coming, _AHEAD):
            await worker.tell(each)
        for _ in asked:
            answer = None
            while answer is not END:
                answer = await worker.answer()
                await queue.put(answer)
            for each in islice(coming, 1):
                await worker.tell(each)
    except Exception as error:  # noqa: BLE001 - raised again by whoever takes from the queue
        await queue.put(error)
