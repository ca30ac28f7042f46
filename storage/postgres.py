"""Postgres: preparing the schema, reading, the group-commit writer, and its errors in plain words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import asyncpg
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import await_only, greenlet_spawn

from storage.database import Job, Params, Row, Statement, raisable
from storage.errors import Duplicate, Missing, StorageError, Unusable
from storage.migrations import HEAD

T = TypeVar("T")

# A bound on one commit: past this the first ones wait too long.
GROUP = 256

# Another replica held what a job wanted, and wanted what it held: Postgres let one of the two go, which begins again.
_CROSSED = ("40P01", "40001")
ATTEMPTS = 5

# How long closing waits for reads that have begun, in seconds.
CLOSING = 5.0

# What the driver and its pool raise.
_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, OSError)


class PostgresTx:
    """A ``Tx`` straight on asyncpg. A job runs in a greenlet, which steps aside while Postgres works."""

    __slots__ = ("_connection",)
    postgres = True

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def rows(self, statement: Statement, params: Params | None = None) -> Sequence[Row]:
        sql, values = _sendable(statement.asyncpg(params or {}))
        return [tuple(row) for row in await_only(self._connection.fetch(sql, *values))]

    def run(self, statement: Statement, params: Params | None = None) -> int:
        sql, values = _sendable(statement.asyncpg(params or {}))
        # It answers as "INSERT 0 1" or "UPDATE 1".
        done = await_only(self._connection.execute(sql, *values)).rpartition(" ")[2]
        return int(done) if done.isdecimal() else 0

    def run_many(self, statement: Statement, params: Sequence[Params]) -> None:
        if params:
            made = [_sendable(statement.asyncpg(each)) for each in params]
            await_only(self._connection.executemany(made[0][0], [values for _, values in made]))


def _sendable(made: tuple[str, Sequence[Any]]) -> tuple[str, Sequence[Any]]:
    """The one character that Postgres has no place for is shown as one that could not be read."""
    sql, values = made
    return sql, [each.replace("\0", "\ufffd") if isinstance(each, str) else each for each in values]


async def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    driver = (await connection.get_raw_connection()).driver_connection
    return cast(asyncpg.Connection, driver)


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


def told(error: Exception, url: URL) -> StorageError:
    """The error in one sentence that says what to do."""
    if isinstance(error, StorageError):
        return error
    where = url.render_as_string(hide_password=True)
    if isinstance(error, PoolTimeout):
        return Unusable(f"Postgres at {where} is too busy: no connection became free in time.")
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = getattr(original, "sqlstate", None) or ""
    what = str(original).partition("\n")[0].rpartition(">: ")[2].strip() or type(original).__name__
    if state == "23505":
        return Duplicate(f"That is there already: {what}.")
    if state == "23503":
        return Missing(f"What it belongs to is not there: {what}.")
    if state == "53100":
        return Unusable(
            f"The disk of Postgres at {where} is full: free some space; what was confirmed is safe."
        )
    if state.startswith("28"):
        return Unusable(f"Postgres at {where} refuses the name or the password: check storage.url.")
    if state == "3D000":
        return Unusable(f"Postgres at {where} has no such database: create it, or check storage.url.")
    if isinstance(original, OSError):
        return Unusable(f"Postgres at {where} cannot be reached: check that it runs, and storage.url.")
    return Unusable(f"Postgres at {where} did not do what was asked: {what}.")


class PostgresReader:
    """Reads through the engine's pool of connections."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads, in one snapshot.

        Whoever is cancelled meanwhile stops waiting at once; the read itself runs to its end, because a connection that is
        cut off on its way back would come home to a pool that may be gone by then.
        """
        if self._closed:
            raise Unusable("The database is closed.")
        task = asyncio.create_task(self._read(job))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen, though whoever asked may be gone

    async def _read(self, job: Job[T]) -> T:
        try:
            async with self._engine.connect() as connection:
                driver = await _driver(connection)
                async with driver.transaction(isolation="repeatable_read", readonly=True):
                    return await greenlet_spawn(job, PostgresTx(driver))
        except _DRIVER as error:
            raise told(error, self._engine.url) from error

    async def close(self) -> None:
        """Give back the connections of the pool, once the reads that have begun are done or ``CLOSING`` seconds are over."""
        self._closed = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSING)
        with suppress(asyncio.CancelledError):
            await self._engine.dispose()


@dataclass(slots=True)
class _Item:
    """A queued job, and where its outcome goes."""

    job: Job[Any]
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None


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
        crossed = group
        try:
            for _ in range(ATTEMPTS):
                for item in crossed:
                    item.error = None
                async with self._engine.connect() as connection:
                    crossed = await self._run(await _driver(connection), crossed)
                if not crossed:
                    break
        except asyncio.CancelledError:
            self._fail(crossed, Unusable("The database was closed before this was written."))
            self._deliver(group)
            raise
        except Exception as error:  # noqa: BLE001 (given to whoever waits; the writer itself goes on)
            # Those that had crossed nobody are committed already.
            self._fail(crossed, told(error, self._engine.url))
        self._deliver(group)

    async def _run(self, driver: asyncpg.Connection, group: list[_Item]) -> list[_Item]:
        """Each job after a savepoint, so that one that fails does not fail its neighbours; those to be run once more.

        What passes between two jobs is one message to Postgres: it says that the last one stays, and where the next begins.
        """
        transaction = PostgresTx(driver)
        crossed: list[_Item] = []
        await driver.execute("BEGIN; SAVEPOINT item")
        try:
            for item in group:
                try:
                    item.value = await greenlet_spawn(item.job, transaction)
                except asyncio.CancelledError as error:
                    if self._task is not None and self._task.cancelling():
                        raise  # it is the writer itself that is to stop
                    item.error = error
                except BaseException as error:  # noqa: BLE001 (given to whoever waits)
                    if getattr(error, "sqlstate", None) in _CROSSED:
                        crossed.append(item)
                    item.error = told(error, self._engine.url) if isinstance(error, _DRIVER) else error
                if item.error is not None:
                    await driver.execute("ROLLBACK TO SAVEPOINT item")
                elif item is not group[-1]:
                    await driver.execute("RELEASE SAVEPOINT item; SAVEPOINT item")
            await driver.execute("COMMIT")
            return crossed
        except BaseException:
            if not driver.is_closed():
                await driver.execute("ROLLBACK")
            raise

    def _fail(self, group: list[_Item], error: StorageError) -> None:
        for item in group:
            item.error = item.error or error

    def _deliver(self, group: list[_Item]) -> None:
        for item in group:
            if item.future.done():
                continue  # its caller was cancelled
            if item.error is not None:
                item.future.set_exception(raisable(item.error))
            else:
                item.future.set_result(item.value)
