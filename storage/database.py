"""The engine, the read sessions and the one writer.

A *job* is a plain function of a ``Tx``; reads and writes are both jobs, and the same job runs on SQLite and on Postgres.
``Database.read`` gives it a session that cannot write. ``Database.write`` queues it for the writer, which puts what is
queued into one durable commit, each job in its own savepoint, so that one failing job does not fail its neighbours.
A write returns when its commit is durable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from storage.errors import Unusable
from storage.statements import Params as Params
from storage.statements import Row as Row
from storage.statements import Statement as Statement
from storage.statements import columns_of as columns_of
from storage.statements import insert_into as insert_into
from storage.statements import table as table
from storage.statements import upsert_into as upsert_into
from storage.statements import upserting as upserting

T = TypeVar("T")

BUSY_MS = 10_000


class Tx(Protocol):
    """What a job is given: statements run in its transaction, rows come back as tuples in column order."""

    @property
    def postgres(self) -> bool:
        """Whether this is Postgres, for the few queries that differ."""
        ...

    def rows(self, statement: Statement, params: Params | None = None) -> Sequence[Row]:
        """All rows of a query."""
        ...

    def run(self, statement: Statement, params: Params | None = None) -> int:
        """Execute; the number of rows that were touched."""
        ...

    def run_many(self, statement: Statement, params: Sequence[Params]) -> None:
        """Execute once for each set of parameters."""
        ...


def first(tx: Tx, statement: Statement, params: Params | None = None) -> Row | None:
    """The first row, or ``None``."""
    found = tx.rows(statement, params)
    return found[0] if found else None


class SqliteTx:
    """A ``Tx`` straight on the sqlite3 module: no work but SQLite's own."""

    __slots__ = ("_connection",)
    postgres = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: Statement, params: Params | None = None) -> Sequence[Row]:
        sql, values = statement.sqlite(params or {})
        return self._connection.execute(sql, values).fetchall()

    def run(self, statement: Statement, params: Params | None = None) -> int:
        sql, values = statement.sqlite(params or {})
        return self._connection.execute(sql, values).rowcount

    def run_many(self, statement: Statement, params: Sequence[Params]) -> None:
        if params:
            sql, _ = statement.sqlite(params[0])
            self._connection.executemany(sql, cast(Any, [statement.sqlite(each)[1] for each in params]))


Job = Callable[[Tx], T]


def raisable(error: BaseException) -> BaseException:
    """What a future can hold of what a job raised: everything but ``StopIteration``, which would end its awaiter."""
    return RuntimeError("a job raised StopIteration") if isinstance(error, StopIteration) else error


class Writer(Protocol):
    """What both databases' writers offer; the same contract tests run over them."""

    async def write(self, job: Job[T]) -> T:
        """Run the job in the next commit; returns once that commit is durable."""
        ...

    async def close(self) -> None:
        """Finish what is queued."""
        ...


class Reader(Protocol):
    """What both databases' readers offer."""

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads, in one snapshot."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class Database:
    """An open database. Make one with ``Database.open``."""

    def __init__(self, url: str, reader: Reader, writer: Writer, *, postgres: bool) -> None:
        self.url = url
        self.postgres = postgres
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str, *, durable: bool = True) -> Database:
        """Open, migrating first when that is due. Raises ``Unusable`` with one sentence on what is wrong.

        A SQLite that is opened not ``durable`` loses what was written last when the machine stops, unless something was
        written after it to the same file by one that is: meant for much that is worth nothing before the last of it.
        """
        try:
            parsed = make_url(url)
        except Exception as error:
            raise Unusable(
                "storage.url is not a database address such as sqlite+aiosqlite:///path."
            ) from error
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise Unusable(
                    "Understudy keeps its data in a file: name one, as in sqlite+aiosqlite:///path."
                )
            return await cls._open_sqlite(url, Path(parsed.database), durable)
        if parsed.get_backend_name() == "postgresql":
            return await cls._open_postgres(url)
        raise Unusable(
            f"Understudy keeps its data in SQLite or Postgres, not in {parsed.get_backend_name()!r}."
        )

    @classmethod
    async def _open_sqlite(cls, url: str, path: Path, durable: bool) -> Database:
        from storage.sqlite import SqliteReader, SqliteWriter, prepare, told

        try:
            prepare(path)
            writer = SqliteWriter(path, durable=durable)
        except (sqlite3.Error, DBAPIError, OSError) as error:
            raise told(error, path) from error
        return cls(url, SqliteReader(path), writer, postgres=False)

    @classmethod
    async def _open_postgres(cls, url: str) -> Database:
        from storage.postgres import PostgresReader, PostgresWriter, prepare, told

        engine = create_async_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True)
        try:
            await prepare(engine)
        except (OSError, SQLAlchemyError) as error:
            await engine.dispose()
            raise told(error, engine.url) from error
        except BaseException:
            await engine.dispose()
            raise
        return cls(url, PostgresReader(engine), PostgresWriter(engine), postgres=True)

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads, in one snapshot of the database. Raises ``StorageError``."""
        return await self._reader.read(job)

    async def write(self, job: Job[T]) -> T:
        """Run a job that writes, in the next commit; returns once that is durable. Raises ``StorageError``.

        When the caller is cancelled meanwhile the write may happen all the same.
        """
        return await self._writer.write(job)

    async def close(self) -> None:
        """Finish what is queued and let go of the database."""
        await self._writer.close()
        await self._reader.close()
