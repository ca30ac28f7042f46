"""SQLite: preparing the file, the group-commit writer, and its errors in plain words."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from storage.database import BUSY_MS, Job, SqliteTx
from storage.errors import Duplicate, StorageError, Unusable
from storage.migrations import HEAD

T = TypeVar("T")

# A bound on one commit: past this the gain per item is gone and the first one waits too long.
GROUP = 512


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write, durable at each commit, in manual transaction mode."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    connection.execute("PRAGMA journal_mode=WAL")
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "cache_size=-32000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def prepare(path: Path) -> None:
    """Create the file where there is none, and migrate when one SELECT says that it is due."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    try:
        if _version(connection) != HEAD:
            from storage.migrations.upgrade import upgrade_sqlite

            upgrade_sqlite(path)
    finally:
        connection.close()


def _version(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return row[0] if row else None


def told(error: Exception, path: Path) -> StorageError:
    """The error in one sentence that says what to do."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, sqlite3.IntegrityError):
        return Duplicate(str(error))
    text = str(error).lower()
    if "disk is full" in text or "no space" in text:
        return Unusable(f"The disk that holds {path} is full: free some space; what was confirmed is safe.")
    if "malformed" in text or "not a database" in text:
        return Unusable(
            f"{path} is damaged or is not a database: put a backup in its place, or move it away to start afresh."
        )
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return Unusable(
            f"{path} cannot be written: check who owns it, or set UNDERSTUDY_DATA_DIR to another folder."
        )
    if "locked" in text:
        return Unusable(f"{path} is held by another program for too long: close it and try again.")
    if isinstance(error, OSError):
        return Unusable(f"{path} cannot be used: {error.strerror or error}.")
    return Unusable(f"The database {path} did not do what was asked: {error}.")


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
            item.future.set_exception(item.error)
        else:
            item.future.set_result(item.value)


class SqliteWriter:
    """One thread with the one connection that writes.

    While a commit waits for the disk, jobs queue; the next commit takes all of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path)
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
        execute = self._connection.execute
        transaction = SqliteTx(self._connection)
        alone = len(group) == 1
        try:
            execute("BEGIN IMMEDIATE")
            for item in group:
                if not alone:
                    execute("SAVEPOINT item")
                try:
                    item.value = item.job(transaction)
                except Exception as error:
                    item.error = told(error, self._path) if isinstance(error, sqlite3.Error) else error
                    # A full disk makes SQLite end the whole transaction by itself: then nothing was written.
                    if not self._connection.in_transaction:
                        raise
                    execute("ROLLBACK" if alone else "ROLLBACK TO item")
                if not alone:
                    execute("RELEASE item")
            if self._connection.in_transaction:
                execute("COMMIT")
        except Exception as error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            failure = told(error, self._path)
            for item in group:
                item.error = item.error or failure

    def _deliver(self, group: list[_Item]) -> None:
        """Wake the callers, once per event loop rather than once per item."""
        loops: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        for item in group:
            loops.setdefault(item.loop, []).append(item)
        for loop, items in loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, items)
