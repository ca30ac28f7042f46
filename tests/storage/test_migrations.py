"""The migrated schema is that of storage/schema.py, and migrating is done once, when due, whoever comes."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from storage import schema
from storage.database import Database
from storage.errors import Unusable
from storage.migrations import HEAD
from storage.migrations.upgrade import head

ROOT = Path(__file__).resolve().parents[2]
SEARCH = {"search_document", "search_posting", "search_scope", "search_term"}


def test_head_is_the_newest_revision() -> None:
    assert head() == HEAD


def _differences(connection: Connection) -> list[object]:
    def ours(_name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and _name in SEARCH)

    context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
    assert schema.ExchangeRow.metadata is SQLModel.metadata
    return list(compare_metadata(context, SQLModel.metadata))


def _conditions(connection: Connection) -> dict[str, str]:
    """The partial indexes, which Alembic does not compare."""
    found = inspect(connection)
    return {
        index["name"] or "": str(condition)
        for name in found.get_table_names()
        for index in found.get_indexes(name)
        for key, condition in index.get("dialect_options", {}).items()
        if key.endswith("_where")
    }


def _declared() -> dict[str, str]:
    """In SQLite's words: naming Postgres' would import its dialect with the schema."""
    return {
        str(index.name): str(index.dialect_options["sqlite"]["where"])
        for table in SQLModel.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }


def test_the_migrated_schema_is_the_declared_one_on_sqlite(empty_sqlite: Path) -> None:
    engine: Engine = create_engine(f"sqlite:///{empty_sqlite}")
    with engine.connect() as connection:
        assert _differences(connection) == []
        assert _conditions(connection) == _declared()
        assert set(inspect(connection).get_table_names()) >= SEARCH
    engine.dispose()


async def test_the_migrated_schema_is_the_declared_one_on_postgres(empty_postgres: URL | None) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    engine = create_async_engine(empty_postgres)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
        assert (await connection.run_sync(_conditions)).keys() == _declared().keys()
        assert set(await connection.run_sync(lambda sync: inspect(sync).get_table_names())) >= SEARCH
    await engine.dispose()


OPEN = """
import asyncio, sys
from storage.database import Database

async def main():
    database = await Database.open(sys.argv[1])
    await database.close()
    print("alembic" in sys.modules, "sqlalchemy.dialects.postgresql" in sys.modules)

asyncio.run(main())
"""


def _opened(url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, url], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_alembic_is_imported_only_when_a_migration_is_due(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/understudy.db"
    assert _opened(url).startswith("True")
    assert _opened(url) == "False False"


def test_two_processes_that_start_at_once_both_succeed(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/new/folder/understudy.db"
    command = [sys.executable, "-c", OPEN, url]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for each in both:
        _, said = each.communicate(timeout=50)
        assert each.returncode == 0, said


async def test_replicas_that_start_at_once_all_succeed(empty_postgres: URL | None) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    engine = create_async_engine(empty_postgres, isolation_level="AUTOCOMMIT")
    mine = f"{empty_postgres.database}_together"
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {mine}")
    try:
        url = empty_postgres.set(database=mine).render_as_string(hide_password=False)
        every = await asyncio.gather(*(Database.open(url) for _ in range(3)))
        for each in every:
            await each.close()
    finally:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"DROP DATABASE {mine} WITH (FORCE)")
        await engine.dispose()


async def test_a_migration_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import search_tables

    path = tmp_path / "understudy.db"
    with monkeypatch.context() as context:
        context.setattr(search_tables, "create_tables", lambda postgres: ["CREATE TABLE nonsense ("])
        with pytest.raises(Unusable):
            await Database.open(f"sqlite+aiosqlite:///{path}")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    await (await Database.open(f"sqlite+aiosqlite:///{path}")).close()


async def test_a_database_of_a_newer_version_is_refused_in_one_sentence(database: Database) -> None:
    from sqlalchemy import text

    from storage.database import Statement

    newer = Statement(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.write(lambda tx: tx.run(newer))
    try:
        with pytest.raises(Unusable, match="newer version of Understudy") as told:
            await Database.open(database.url)
        assert "\n" not in str(told.value)
    finally:
        back = Statement(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
        await database.write(lambda tx: tx.run(back))
