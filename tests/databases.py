"""An empty database of each kind for a test.

A migration takes longer than most tests, so each worker migrates once: SQLite's file is copied for each test, Postgres'
tables are emptied after it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url

from storage.database import Database

NAMED = "UNDERSTUDY_TEST_POSTGRES"


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "understudy.db"

    async def make() -> None:
        await (await Database.open(f"sqlite+aiosqlite:///{path}")).close()

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def empty_postgres() -> Iterator[URL | None]:
    """A migrated database of this worker's own, dropped at the end; ``None`` where there is no server."""
    named = os.environ.get(NAMED)
    if not named:
        yield None
        return
    url = make_url(named)
    mine = url.set(database=f"understudy_test_{uuid4().hex}")

    async def make() -> None:
        await _server(url, f"CREATE DATABASE {mine.database}")
        await (await Database.open(mine.render_as_string(hide_password=False))).close()

    asyncio.run(make())
    yield mine
    asyncio.run(_server(url, f"DROP DATABASE {mine.database} WITH (FORCE)"))


async def _server(url: URL, sql: str) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


_EMPTY = """
DO $$ DECLARE names text; BEGIN
    SELECT string_agg(quote_ident(tablename), ', ') INTO names FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version';
    EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY CASCADE';
END $$
"""


@pytest.fixture(params=["sqlite", "postgres"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path, empty_postgres: URL | None
) -> AsyncIterator[Database]:
    """An empty, open database, of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "understudy.db"
        shutil.copy(empty_sqlite, path)
        opened = await Database.open(f"sqlite+aiosqlite:///{path}")
        yield opened
        await opened.close()
        return
    if empty_postgres is None:
        pytest.skip(f"needs a Postgres named by {NAMED}")
    opened = await Database.open(empty_postgres.render_as_string(hide_password=False))
    yield opened
    await opened.close()
    await emptied(empty_postgres)


async def emptied(url: URL) -> None:
    """Take all rows out of a Postgres of the tests."""
    await _server(url, _EMPTY)
