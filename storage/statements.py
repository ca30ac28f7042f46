"""Statements: SQLAlchemy Core says what is asked, and is asked itself only once.

Each is compiled when it is first run, to the text and the order of values that the driver takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Dialect, Executable, Table, bindparam
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.elements import ClauseElement
from sqlmodel import SQLModel

Row = Sequence[Any]
Params = Mapping[str, object]


@lru_cache(maxsize=1)
def _sqlite() -> Dialect:
    return SQLiteDialect_pysqlite(paramstyle="named")


@lru_cache(maxsize=1)
def _asyncpg() -> Dialect:
    # Its modules take as long to import as a reply takes: only who uses Postgres waits for them.
    from sqlalchemy.dialects.postgresql.asyncpg import dialect

    return dialect()


class _Compiled:
    """A clause in a driver's words. One with a list parameter has as many marks as values: it is put together each time."""

    __slots__ = ("constants", "listing", "order", "sql")

    def __init__(self, clause: Executable, dialect: Dialect) -> None:
        compiled: Any = cast(ClauseElement, clause).compile(dialect=dialect)
        self.listing: Any = compiled if compiled.post_compile_params else None
        self.sql = str(compiled)
        # Constants of the statement, a limit say, are parameters too.
        self.constants = {name: value for name, value in (compiled.params or {}).items() if value is not None}
        self.order: Sequence[str] = compiled.positiontup or ()


class Statement:
    """A Core statement that is compiled once; where the dialects differ, ``postgres`` is, or makes, the other."""

    __slots__ = ("_lite", "_made", "_post", "clause")

    def __init__(
        self, clause: Executable, postgres: Executable | Callable[[], Executable] | None = None
    ) -> None:
        self.clause = clause
        self._made = postgres
        self._lite: _Compiled | None = None
        self._post: _Compiled | None = None

    @property
    def postgres(self) -> Executable:
        """The statement for Postgres."""
        if self._made is None:
            return self.clause
        if callable(self._made):
            self._made = self._made()
        return self._made

    def sqlite(self, params: Params) -> tuple[str, Params]:
        """SQL text and parameters for the sqlite3 module."""
        compiled = self._lite
        if compiled is None:
            compiled = self._lite = _Compiled(self.clause, _sqlite())
        if compiled.listing is not None:
            state = compiled.listing.construct_expanded_state(dict(params))
            return state.statement, state.parameters
        return compiled.sql, {**compiled.constants, **params} if compiled.constants else params

    def asyncpg(self, params: Params) -> tuple[str, Sequence[Any]]:
        """SQL text and the values of its numbered marks for asyncpg."""
        compiled = self._post
        if compiled is None:
            compiled = self._post = _Compiled(self.postgres, _asyncpg())
        if compiled.listing is not None:
            state = compiled.listing.construct_expanded_state(dict(params))
            return state.statement, state.positional_parameters
        values = {**compiled.constants, **params} if compiled.constants else params
        return compiled.sql, [values[name] for name in compiled.order]


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
