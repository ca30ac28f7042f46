"""SQLite: preparing the file, reading, the group-commit writer, and its errors in plain words."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy.exc import DBAPIError

from storage.database import BUSY_MS, Job, SqliteTx, raisable
from storage.errors import Duplicate, Missing, StorageError, Unusable
from storage.migrations import HEAD

T = TypeVar("T")

# A bound on one commit: past this the gain per item is gone and the first one waits too long.
GROUP = 512

# Threads share one interpreter: with more of them they mostly wait for each other.
READERS = 2

# Bytes; a database at rest takes less than that for its WAL and its shared memory.
LEAST_ROOM = 1 << 20


def connect(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """A connection that may write, in manual transaction mode.

    It is durable at each commit, or where it need not be with the next one that is, on whichever connection.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    try:
        _wal(connection)
        synchronous = f"synchronous={'FULL' if durable else 'NORMAL'}"
        for pragma in (synchronous, "foreign_keys=ON", "cache_size=-16000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for others when it changes the journal of a new file, so two first starts would collide."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def prepare(path: Path) -> None:
    """Create the file where there is none, and migrate when one SELECT says that it is due."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    try:
        due = _version(connection) != HEAD
    finally:
        connection.close()
    if due:
        from storage.migrations.upgrade import upgrade_sqlite

        upgrade_sqlite(path)


def _version(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return row[0] if row else None


def told(error: BaseException, path: Path) -> StorageError:
    """The error in one sentence that says what to do."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.IntegrityError):
        return _refused(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details of the extended code
    # Where the disk has no room even for the shared memory of the WAL, SQLite says no more than "I/O error".
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(path)):
        return Unusable(f"The disk that holds {path} is full: free some space; what was confirmed is safe.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Unusable(
            f"{path} is damaged or is not a database: put a backup in its place, or move it away to start afresh."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _unwritable(path)
    if isinstance(error, (PermissionError, FileExistsError, NotADirectoryError)):
        return _unwritable(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unusable(f"{path} is held by another program for too long: close it and try again.")
    if code == sqlite3.SQLITE_IOERR:
        return Unusable(f"The disk that holds {path} cannot be read or written: {error}; check the disk.")
    if isinstance(error, OSError):
        return Unusable(f"{path} cannot be used: {error.strerror or error}.")
    return Unusable(f"The database {path} did not do what was asked: {error}.")


def _no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < LEAST_ROOM
    except OSError:
        return False


def _unwritable(path: Path) -> Unusable:
    return Unusable(
        f"{path} cannot be written: check who owns it and its folder, or set UNDERSTUDY_DATA_DIR to another folder."
    )


def _refused(error: sqlite3.IntegrityError) -> StorageError:
    if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return Missing("What it belongs to is not there.")
    if error.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Duplicate(f"That is there already: {error}.")
    return StorageError(f"The row is not complete: {error}.")


class SqliteReader:
    """A few connections that cannot write, each on a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free: list[aiosqlite.Connection] = []
        self._every: list[aiosqlite.Connection] = []
        self._seats = asyncio.Semaphore(READERS)
        self._closed = False

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads, in one snapshot."""
        if self._closed:
            raise Unusable("The database is closed.")
        try:
            async with self._seats:
                connection: Any = self._free.pop() if self._free else await self._connect()
                try:
                    # The whole job at once on the thread of the connection. Statement by statement, each would wait for
                    # the event loop twice, which takes longer than most of them.
                    return await connection._execute(_snapshot, connection._conn, job)
                finally:
                    self._free.append(connection)
        except (sqlite3.Error, OSError) as error:
            raise told(error, self._path) from error

    async def close(self) -> None:
        """Close the connections, after what they are asked now."""
        self._closed = True
        for connection in self._every:
            await connection.close()
        self._every.clear()
        self._free.clear()

    async def _connect(self) -> aiosqlite.Connection:
        connection: Any = aiosqlite.connect(self._path, isolation_level=None)
        connection._thread.daemon = True  # a program that fails before it closes must end all the same
        await connection
        self._every.append(connection)
        for pragma in (f"busy_timeout={BUSY_MS}", "cache_size=-8000", "temp_store=MEMORY", "query_only=ON"):
            await connection.execute(f"PRAGMA {pragma}")
        return connection


def _snapshot(connection: sqlite3.Connection, job: Job[T]) -> T:
    connection.execute("BEGIN")
    try:
        return job(SqliteTx(connection))
    finally:
        connection.execute("ROLLBACK")


@dataclass(slots=True)
class _Item:
    """A queued job, and where its outcome goes."""

    job: Job[Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    value: Any = None
    error: BaseException | None = None


def _resolve(items: list[_Item]) -> None:
    for item in items:
        if item.future.done():
            continue  # its caller was cancelled
        if item.error is not None:
            item.future.set_exception(raisable(item.error))
        else:
            item.future.set_result(item.value)


class SqliteWriter:
    """One thread with the one connection that writes.

    While a commit waits for the disk, jobs queue; the next commit takes all of them.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._path = path
        self._connection = connect(path, durable=durable)
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="understudy-writer", daemon=True)
        self._closed = False
        self._thread.start()

    async def write(self, job: Job[T]) -> T:
        if self._closed:
            raise Unusable("The database is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Item(job, future, loop))
        return await future

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._connection.close()

    def _work(self) -> None:
        while True:
            group: list[_Item] = []
            item = self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) >= GROUP or self._queue.empty():
                    break
                item = self._queue.get()
            if group:
                self._commit(group)
                self._deliver(group)
            if item is None:
                return

    def _commit(self, group: list[_Item]) -> None:
        """One durable commit of the whole group. What fails in its own savepoint fails alone."""
        try:
            self._run(group)
        except BaseException as error:  # noqa: BLE001 (given to whoever waits; the writer itself goes on)
            failure = told(error, self._path)
            for item in group:
                item.error = item.error or failure
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def _run(self, group: list[_Item]) -> None:
        execute = self._connection.execute
        transaction = SqliteTx(self._connection)
        execute("BEGIN IMMEDIATE")
        for item in group:
            execute("SAVEPOINT item")
            try:
                item.value = item.job(transaction)
            except BaseException as error:
                item.error = told(error, self._path) if isinstance(error, sqlite3.Error) else error
                # A full disk makes SQLite end the whole transaction by itself: then nothing was written.
                if not self._connection.in_transaction:
                    raise
                execute("ROLLBACK TO item")
            execute("RELEASE item")
        execute("COMMIT")

    def _deliver(self, group: list[_Item]) -> None:
        """Wake the callers, once per event loop rather than once per item."""
        loops: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        for item in group:
            loops.setdefault(item.loop, []).append(item)
        for loop, items in loops.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, items)
