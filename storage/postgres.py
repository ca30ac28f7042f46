"""Postgres: preparing the schema, and the writer that groups what is queued."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.database import AlchemyTx, Job, translated
from storage.errors import Unusable
from storage.migrations import HEAD

T = TypeVar("T")

GROUP = 256


async def prepare(engine: AsyncEngine) -> None:
    """Migrate when that is due; replicas that start together wait for the one that does it."""
    async with engine.begin() as connection:
        if await connection.run_sync(_version) != HEAD:
            from storage.migrations.upgrade import upgrade

            # The number is this project's own, so that no other application waits for it.
            await connection.execute(text("SELECT pg_advisory_xact_lock(7205759403)"))
            await connection.run_sync(upgrade)


def _version(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@dataclass(slots=True)
class _Item:
    job: Job[Any]
    future: asyncio.Future[Any]


class PostgresWriter:
    """A task with one connection; jobs that queue while a commit is under way share the next one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._queue: asyncio.Queue[_Item | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self, job: Job[T]) -> T:
        if self._closed:
            raise Unusable("The database is closed.")
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="understudy-writer")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Item(job, future))
        return await future

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._queue.put_nowait(None)
            await self._task

    async def _work(self) -> None:
        while True:
            group: list[_Item] = []
            item = await self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) >= GROUP or self._queue.empty():
                    break
                item = self._queue.get_nowait()
            if group:
                await self._commit(group)
            if item is None:
                return

    async def _commit(self, group: list[_Item]) -> None:
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            async with self._engine.begin() as connection:
                outcomes = await connection.run_sync(_run, group, self._engine.url.render_as_string())
        except (DBAPIError, OSError) as error:
            failure = translated(error, "") if isinstance(error, DBAPIError) else Unusable(str(error))
            outcomes = [(None, failure)] * len(group)
        for item, (value, error) in zip(group, outcomes, strict=True):
            if item.future.done():
                continue  # its caller was cancelled
            if error is not None:
                item.future.set_exception(error)
            else:
                item.future.set_result(value)


def _run(connection: Connection, group: list[_Item], url: str) -> list[tuple[Any, BaseException | None]]:
    """Each job in its own savepoint, so that one that fails does not fail its neighbours."""
    transaction = AlchemyTx(connection)
    outcomes: list[tuple[Any, BaseException | None]] = []
    for item in group:
        savepoint = connection.begin_nested()
        try:
            value = item.job(transaction)
        except Exception as error:
            savepoint.rollback()
            outcomes.append((None, translated(error, url) if isinstance(error, DBAPIError) else error))
        else:
            savepoint.commit()
            outcomes.append((value, None))
    return outcomes
