"""How many messages and replies per second are durable.

    python -m benchmarks.durable_logging [--rounds 5] [--folder DIR] [--url postgresql+asyncpg://...]

An exchange is two writes: the pending row, and its completion. Each is awaited until it is durable
(``synchronous=FULL``) by one of 1, 16 or 256 people who talk at once. Measured in turn, in one run:

- *bare*: the least that could do it, a sqlite3 loop of its own thread, queue and futures, one commit for what is queued;
  the same table with the same indexes and the same row content as finished tuples, no savepoints and no foreign keys;
- *ours*: ``exchanges.begin`` and ``exchanges.complete`` through ``Database.write``;
- *SQLModel*: one session and one transaction for each write, as a tutorial has it.

What is written is made before the clock starts: records for ours, tuples for the bare loop. The figures are medians of
the rounds; a ratio is the median of the ratios in each round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from storage import avatars, conversations, exchanges, people, workspaces
from storage.database import Database, Tx
from storage.exchanges import Completion, Pending
from storage.ids import new_id
from storage.schema import ExchangeRow

SEED = 20261121
LEVELS = (1, 16, 256)
EXCHANGES = {1: 1_000, 16: 8_000, 256: 16_000}
SLOW = 300  # exchanges are enough of what takes milliseconds each
WANTED = 0.5
WORDS = "well the so a of and you it is that in was for on are as with they at be this have from or had by hot but".split()


class Texts:
    """Messages and replies as people write them, from a fixed seed."""

    def __init__(self) -> None:
        draw = random.Random(SEED)
        self._said = [" ".join(draw.choices(WORDS, k=draw.randint(3, 30))) for _ in range(500)]
        self._replies = [" ".join(draw.choices(WORDS, k=draw.randint(20, 120))) for _ in range(500)]
        self._next = 0

    def pair(self) -> tuple[str, str]:
        """The next message and its reply."""
        self._next += 1
        return self._said[self._next % 500], self._replies[self._next % 499]


class Scene:
    """Whose exchanges are written."""

    def __init__(self, tx: Tx) -> None:
        workspace = workspaces.ensure(tx, "terminal", "bench", "Bench", "opt-in")
        avatar = avatars.create(tx, workspace.id, f"Ada {new_id()}", prompt="Be kind.")
        self.workspace, self.avatar, self.release = workspace.id, avatar.id, avatar.release_id
        self.person = people.ensure(tx, workspace.id, "somebody", "Somebody").id
        self.conversation = conversations.start(tx, workspace.id, new_id(), avatar.id, "here", False).id

    def pending(self, said: str) -> Pending:
        """A message that was accepted."""
        id = new_id()
        return Pending(
            id=id,
            workspace_id=self.workspace,
            conversation_id=self.conversation,
            avatar_id=self.avatar,
            person_id=self.person,
            message_key=f"discord:{id}",
            user_text=said,
            holder="holder",
            reference=id[-8:],
            created_at=1_800_000_000_000,
        )

    def completion(self, id: str, reply: str) -> Completion:
        """The reply to it."""
        return Completion(
            id=id,
            status="complete",
            reply_text=reply,
            vendor="embedded",
            model="embedded:base",
            prompt_version_id=None,
            release_id=self.release,
            example_ids=(self.workspace, self.avatar),
            answered_from=(self.workspace,),
            tokens_in=120,
            tokens_out=40,
            cost=0.0,
            first_token_ms=12,
            latency_ms=80,
            error="",
            known=True,
            completed_at=1_800_000_000_080,
            example_scores=(0.75, 0.5),
        )


class Log(Protocol):
    """What is measured."""

    exchanges: int | None = None  # if other than the level's

    def prepare(self, pending: Pending, completion: Completion) -> tuple[Any, Any]:
        """What the two writes are given, made before the clock starts."""
        ...

    async def begin(self, pending: Any) -> object:
        """Write the pending row; returns when it is durable."""
        ...

    async def complete(self, completion: Any) -> object:
        """Write how it ended; returns when that is durable."""
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...


class Ours(Log):
    """The real functions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self, pending: Pending, completion: Completion) -> tuple[Any, Any]:
        return pending, completion

    async def begin(self, pending: Pending) -> object:
        return await self._database.write(lambda tx: exchanges.begin(tx, pending))

    async def complete(self, completion: Completion) -> object:
        return await self._database.write(lambda tx: exchanges.complete(tx, completion))

    async def close(self) -> None:
        await self._database.close()


_COLUMNS = tuple(ExchangeRow.model_fields)
_COMPLETED = tuple(field.name for field in fields(Completion) if field.name not in ("id", "reply_key"))
_EMPTY: dict[str, Any] = {
    name: None if field.is_required() else field.default for name, field in ExchangeRow.model_fields.items()
}
_LISTS = ("example_ids", "example_scores", "answered_from")


def _begun(pending: Pending) -> dict[str, Any]:
    given = {field.name: getattr(pending, field.name) for field in fields(pending)}
    return {**_EMPTY, **given, "status": "pending"}


def _completed(completion: Completion) -> dict[str, Any]:
    values = {name: getattr(completion, name) for name in _COMPLETED}
    return values | {name: json.dumps(values[name]) for name in _LISTS}


class Bare(Log):
    """The least that could do it: what is queued goes into one commit."""

    _INSERT = f"INSERT INTO exchange ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    _UPDATE = f"UPDATE exchange SET {', '.join(f'{name} = ?' for name in _COMPLETED)} WHERE id = ?"

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._queue: SimpleQueue[tuple[str, Any, asyncio.Future[None]] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def prepare(self, pending: Pending, completion: Completion) -> tuple[Any, Any]:
        row = _begun(pending)
        return tuple(row[name] for name in _COLUMNS), (*_completed(completion).values(), completion.id)

    async def begin(self, pending: Any) -> object:
        return await self._write(self._INSERT, pending)

    async def complete(self, completion: Any) -> object:
        return await self._write(self._UPDATE, completion)

    def _write(self, sql: str, values: Any) -> Awaitable[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((sql, values, future))
        return future

    def _work(self) -> None:
        execute = self._connection.execute
        while True:
            item = self._queue.get()
            if item is None:
                return
            group = [item]
            while len(group) < 512 and not self._queue.empty():
                item = self._queue.get()
                assert item is not None
                group.append(item)
            execute("BEGIN IMMEDIATE")
            for sql, values, _ in group:
                execute(sql, values)
            execute("COMMIT")
            self._loop.call_soon_threadsafe(self._resolve, [future for _, _, future in group])

    @staticmethod
    def _resolve(futures: list[asyncio.Future[None]]) -> None:
        for future in futures:
            future.set_result(None)

    async def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()


class Tutorial(Log):
    """One SQLModel session and transaction for each write."""

    exchanges = SLOW

    def __init__(self, url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(url)

        def on_connect(raw: Any, _record: object) -> None:
            cursor = raw.cursor()
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        if url.startswith("sqlite"):
            event.listen(self._engine.sync_engine, "connect", on_connect)

    def prepare(self, pending: Pending, completion: Completion) -> tuple[Any, Any]:
        return _begun(pending), (completion.id, _completed(completion))

    async def begin(self, pending: Any) -> object:
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            session.add(ExchangeRow(**pending))
            await session.commit()
        return None

    async def complete(self, completion: Any) -> object:
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            id, values = completion
            row = await session.get_one(ExchangeRow, id)
            row.sqlmodel_update(values)
            await session.commit()
        return None

    async def close(self) -> None:
        await self._engine.dispose()


async def measure(log: Log, scene: Scene, level: int) -> float:
    """Durable writes per second."""
    texts = Texts()
    count = log.exchanges or EXCHANGES[level]
    prepared: list[tuple[Any, Any]] = []
    for _ in range(count):
        said, reply = texts.pair()
        pending = scene.pending(said)
        prepared.append(log.prepare(pending, scene.completion(pending.id, reply)))

    async def person() -> None:
        while prepared:
            pending, completion = prepared.pop()
            await log.begin(pending)
            await log.complete(completion)

    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    await asyncio.gather(*(person() for _ in range(level)))
    took = time.perf_counter() - began
    gc.unfreeze()
    return 2 * count / took


Maker = Callable[[Path], Awaitable[Log]]


async def _bare(path: Path) -> Log:
    return Bare(path)


async def _ours(path: Path) -> Log:
    return Ours(await Database.open(f"sqlite+aiosqlite:///{path}"))


async def _tutorial(path: Path) -> Log:
    return Tutorial(f"sqlite+aiosqlite:///{path}")


SQLITE: dict[str, Maker] = {"bare": _bare, "ours": _ours, "SQLModel": _tutorial}


async def on_sqlite(folder: Path, rounds: int) -> dict[tuple[str, int], list[float]]:
    """Each kind and level, in turn, each time on a fresh copy of one file."""
    empty = folder / "empty.db"
    database = await Database.open(f"sqlite+aiosqlite:///{empty}")
    scene = await database.write(Scene)
    await database.close()
    found: dict[tuple[str, int], list[float]] = {(kind, level): [] for kind in SQLITE for level in LEVELS}
    for round in range(rounds):
        order = list(SQLITE.items())
        for level in LEVELS:
            # Each goes first as often as the others.
            for kind, make in order[round % 3 :] + order[: round % 3]:
                place = folder / f"{kind}-{level}-{round}"
                place.mkdir()
                path = place / "log.db"
                shutil.copyfile(empty, path)
                log = await make(path)
                found[kind, level].append(await measure(log, scene, level))
                await log.close()
                shutil.rmtree(place)
    return found


async def on_postgres(url: str, rounds: int) -> dict[tuple[str, int], list[float]]:
    """Ours and SQLModel on a Postgres of one's own: its database is left with what was written."""
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for level in LEVELS:
            database = await Database.open(url)
            scene = await database.write(Scene)
            logs: dict[str, Log] = {"ours": Ours(database), "SQLModel": Tutorial(url)}
            for kind, log in logs.items():
                found.setdefault((kind, level), []).append(await measure(log, scene, level))
                await log.close()
    return found


def table(found: dict[tuple[str, int], list[float]], beside: str) -> bool:
    """Print what was found; whether the ratio to ``bare`` is as wanted at every level."""
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    print(
        f"{'at once':>8} "
        + " ".join(f"{kind + '/s':>12}" for kind in kinds)
        + f" {'ours/' + beside:>14}  each round"
    )
    good = True
    for level in LEVELS:
        ratios = [
            ours / other for ours, other in zip(found["ours", level], found[beside, level], strict=True)
        ]
        good = good and median(ratios) >= WANTED
        figures = " ".join(f"{median(found[kind, level]):12,.0f}" for kind in kinds)
        print(f"{level:8} {figures} {median(ratios):14.2f}  {' '.join(f'{each:.2f}' for each in ratios)}")
    return good


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured (default: temporary)")
    parser.add_argument(
        "--url", help="measure a Postgres instead; its database is left with what was written"
    )
    given = parser.parse_args()
    if given.url:
        table(asyncio.run(on_postgres(given.url, given.rounds)), "SQLModel")
        return 0
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = asyncio.run(on_sqlite(Path(folder), given.rounds))
    good = table(found, "bare")
    print(f"wanted: at least {WANTED} of the bare loop at every level: {'held' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
