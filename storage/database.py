"""The engine, the read sessions and the one writer.

A *job* is a plain function of a ``Tx``; reads and writes are both jobs, and the same job runs on SQLite and on Postgres.
``Database.read`` gives it a session that cannot write. ``Database.write`` queues it for the writer, which puts what is
queued into one durable commit, each job in its own savepoint, so that one failing job does not fail its neighbours.
A write returns when its commit is durable.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import ColumnElement, Executable, Table, bindparam
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql.elements import ClauseElement
from sqlmodel import SQLModel

from storage.errors import Unusable

T = TypeVar("T")
Row = Sequence[Any]
Params = Mapping[str, object]

BUSY_MS = 10_000


class Statement:
    """A Core statement that is compiled once; where the dialects differ, ``postgres`` is, or makes, the other."""

    __slots__ = ("_listing", "_names", "_postgres", "_sql", "clause")

    def __init__(
        self, clause: Executable, postgres: Executable | Callable[[], Executable] | None = None
    ) -> None:
        self.clause = clause
        self._postgres = postgres
        self._sql: str | None = None
        self._listing: Any = None  # compiled, where a list parameter makes the text differ each time
        self._names: dict[str, object] = {}

    @property
    def postgres(self) -> Executable:
        """The statement for Postgres."""
        if self._postgres is None:
            return self.clause
        if callable(self._postgres):
            self._postgres = self._postgres()
        return self._postgres

    def sqlite(self, params: Params) -> tuple[str, Params]:
        """SQL text and parameters for the sqlite3 module."""
        if self._sql is None and self._listing is None:
            self._compile()
        if self._sql is None:
            return _expanded(self._listing, params)
        return self._sql, {**self._names, **params} if self._names else params

    def _compile(self) -> None:
        compiled = cast(ClauseElement, self.clause).compile(dialect=_sqlite())
        if compiled.post_compile_params:  # type: ignore[attr-defined]
            self._listing = compiled
            return
        # Constants of the statement, a limit say, are parameters too. Other threads look at the text: it is set last.
        self._names = {name: value for name, value in (compiled.params or {}).items() if value is not None}
        self._sql = str(compiled)


def _expanded(compiled: Any, params: Params) -> tuple[str, Params]:
    """A list parameter (``IN``) has as many marks as values, so its text cannot be kept."""
    state = compiled.construct_expanded_state(dict(params))
    return state.statement, state.parameters


@lru_cache(maxsize=1)
def _sqlite() -> SQLiteDialect_pysqlite:
    return SQLiteDialect_pysqlite(paramstyle="named")


def table(model: type[SQLModel]) -> Table:
    """The Core table of a SQLModel class."""
    return cast(Table, model.__dict__["__table__"])


def columns_of(model: type[SQLModel], record: type[Any]) -> list[ColumnElement[Any]]:
    """The columns of a table that a dataclass holds, in its order: select these and build the record by position."""
    return [table(model).c[field.name] for field in fields(record)]


def upserting(build: Callable[[Any], Executable]) -> Statement:
    """A statement made with a dialect's own ``insert``, which ``build`` is given: Core has no ``ON CONFLICT``.

    The one for Postgres is made when it is first needed: its modules take as long to import as a reply takes.
    """

    def postgres() -> Executable:
        from sqlalchemy.dialects import postgresql

        return build(postgresql.insert)

    return Statement(build(sqlite_dialect.insert), postgres)


def insert_into(
    model: type[SQLModel],
    *,
    ignore: Sequence[str] | None = None,
    fixed: Mapping[str, ColumnElement[Any]] | None = None,
) -> Statement:
    """An insert that takes every column but those of ``fixed``, which are part of the statement.

    With ``ignore``, a row that is there by those columns is left alone.
    """
    target = table(model)

    def build(insert: Any) -> Executable:
        made = insert(target)
        if fixed is not None:
            made = made.values(
                {column.name: bindparam(column.name) for column in target.columns} | dict(fixed)
            )
        return made if ignore is None else made.on_conflict_do_nothing(index_elements=list(ignore))

    return upserting(build)


def upsert_into(model: type[SQLModel], *, on: Sequence[str], update: Sequence[str]) -> Statement:
    """An insert that takes every column and, where a row is there by ``on``, sets ``update`` from the new one."""
    target = table(model)

    def build(insert: Any) -> Executable:
        made = insert(target)
        return made.on_conflict_do_update(
            index_elements=list(on), set_={name: made.excluded[name] for name in update}
        )

    return upserting(build)


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


class Database:
    """An open database. Make one with ``Database.open``."""

    def __init__(self, url: str, engine: AsyncEngine, writer: Writer) -> None:
        self.url = url
        self._engine = engine
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open, migrating first when that is due. Raises ``Unusable`` with one sentence on what is wrong."""
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
            return await cls._open_sqlite(url, Path(parsed.database))
        if parsed.get_backend_name() == "postgresql":
            return await cls._open_postgres(url)
        raise Unusable(
            f"Understudy keeps its data in SQLite or Postgres, not in {parsed.get_backend_name()!r}."
        )

    @classmethod
    async def _open_sqlite(cls, url: str, path: Path) -> Database:
        from storage.sqlite import SqliteWriter, prepare, readers, told

        try:
            prepare(path)
            writer = SqliteWriter(path)
        except (sqlite3.Error, DBAPIError, OSError) as error:
            raise told(error, path) from error
        return cls(url, readers(url), writer)

    @classmethod
    async def _open_postgres(cls, url: str) -> Database:
        from storage.postgres import PostgresWriter, prepare, told

        engine = create_async_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True)
        try:
            await prepare(engine)
        except (OSError, SQLAlchemyError) as error:
            await engine.dispose()
            raise told(error, engine.url) from error
        except BaseException:
            await engine.dispose()
            raise
        return cls(url, engine, PostgresWriter(engine))

    @property
    def postgres(self) -> bool:
        """Whether this is Postgres."""
        return self._engine.dialect.name == "postgresql"

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads, in one snapshot of the database. Raises ``StorageError``."""
        if self.postgres:
            from storage import postgres as of_its_kind
        else:
            from storage import sqlite as of_its_kind
        return await of_its_kind.read(self._engine, job)

    async def write(self, job: Job[T]) -> T:
        """Run a job that writes, in the next commit; returns once that is durable. Raises ``StorageError``.

        When the caller is cancelled meanwhile the write may happen all the same.
        """
        return await self._writer.write(job)

    async def close(self) -> None:
        """Finish what is queued and let go of the database."""
        await self._writer.close()
        with suppress(asyncio.CancelledError):
            await self._engine.dispose()
