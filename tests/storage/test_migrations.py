"""The migrated schema is the declared one, and migrating is done once, when due, whoever comes."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from storage import schema, training_schema
from storage.database import Database
from storage.errors import Unusable
from storage.migrations import HEAD
from storage.migrations.upgrade import configuration, head

ROOT = Path(__file__).resolve().parents[2]
SEARCH = {"search_document", "search_posting", "search_scope", "search_term"}


def test_head_is_the_newest_revision() -> None:
    assert head() == HEAD


def _differences(connection: Connection) -> list[object]:
    def ours(_name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and _name in SEARCH)

    context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
    for each in (schema.ExchangeRow, training_schema.DatasetRow):
        assert each.metadata is SQLModel.metadata
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


# A row of each table that revision 0003 has something new on, as 0002 knew it.
OLDER = """
INSERT INTO workspace (id, platform, key, name, consent, notices, created_at)
VALUES ('w', 'discord', 'k', 'Guild', 'opt-in', '', 1);
INSERT INTO avatar (id, workspace_id, name, name_key, tagline, colour, unknown, suggestions, auto_approve,
created_at)
VALUES ('a', 'w', 'Ada', 'ada', '', '', '', '[]', false, 1);
INSERT INTO person (id, workspace_id, key, name, consent, created_at)
VALUES ('p', 'w', 'ann', 'Ann', 'unset', 1);
INSERT INTO conversation (id, workspace_id, avatar_id, channel, key, private, started_at)
VALUES ('c', 'w', 'a', 'here', 'here', false, 1);
INSERT INTO exchange (id, workspace_id, conversation_id, avatar_id, person_id, message_key, status, holder, origin,
user_text, reply_text, known, vendor, model, example_ids, example_scores, answered_from, tokens_in, tokens_out,
error, reference, ratings, created_at)
VALUES ('e', 'w', 'c', 'a', 'p', 'm', 'complete', '', 'chat', 'Hi', 'Hello', true, '', '', '[]', '[]', '[]', 0, 0,
'', '', 1, 1);
INSERT INTO example (id, number, workspace_id, avatar_id, audience, user_text, assistant_text, pattern, quality,
status, reviewed, pinned, source, source_key, created_at, updated_at)
VALUES ('x', 1, 'w', 'a', '', 'Hi', 'Hello', 'greeting', 1, 'approved', false, false, 'hand', 'x', 1, 1);
INSERT INTO preference (id, workspace_id, avatar_id, context, chosen, rejected, source, source_key, created_at)
VALUES ('y', 'w', 'a', '[]', 'Hello', 'Hey', 'import', 'y', 1)
"""
NEWER = """
INSERT INTO dataset (id, number, workspace_id, name, name_key, method, status, origin, system, settings, report,
hash, lines, train, validation, erased, created_at)
VALUES ('d', 1, 'w', 'Demo', 'demo', 'sft', 'building', 'build', '', '{}', '{}', '', 0, 0, 0, 0, 1);
INSERT INTO dataset_line (dataset_number, position, split, hash, content, conversation, exchange_id)
VALUES (1, 0, 'train', 'h', '{}', '', 'e');
INSERT INTO dataset_author (dataset_number, position, person_id, said_at)
VALUES (1, 0, 'p', 1)
"""


def _revised(connection: Connection, direction: str, revision: str) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    getattr(command, direction)(config, revision)


def _described(connection: Connection) -> dict[str, object]:
    """Tables with their columns and indexes."""
    found = inspect(connection)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            sorted(str(index["name"]) for index in found.get_indexes(name)),
        )
        for name in found.get_table_names()
    }


def _up_and_down(connection: Connection) -> None:
    """Forth and back over rows: they stay, and the second time finds what the first one found."""
    _revised(connection, "upgrade", "0002")
    before = _described(connection)
    for row in OLDER.split(";"):
        connection.exec_driver_sql(row)
    _revised(connection, "upgrade", "0003")
    after = _described(connection)
    assert after.keys() - before.keys() == {"dataset", "dataset_line", "dataset_author"}
    for row in NEWER.split(";"):
        connection.exec_driver_sql(row)
    _revised(connection, "downgrade", "0002")
    assert _described(connection) == before
    _revised(connection, "upgrade", "0003")
    assert _described(connection) == after
    for name in ("conversation", "exchange", "example", "preference"):
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() == 1
    assert connection.exec_driver_sql("SELECT count(*) FROM dataset_line").scalar() == 0


def test_datasets_come_and_go_over_rows_on_sqlite(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/understudy.db")
    with engine.begin() as connection:
        _up_and_down(connection)
    engine.dispose()


def test_verdicts_come_and_go_over_rows(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/understudy.db")
    with engine.begin() as connection:
        _revised(connection, "upgrade", "0003")
        before = _described(connection)
        _revised(connection, "upgrade", "0004")
        connection.exec_driver_sql("INSERT INTO verdict VALUES ('w', 'ab', true, '[]', false, 1)")
        _revised(connection, "downgrade", "0003")
        assert _described(connection) == before
        _revised(connection, "upgrade", "0004")
        assert connection.exec_driver_sql("SELECT count(*) FROM verdict").scalar() == 0
    engine.dispose()


def test_what_was_flagged_before_it_was_kept_stays_flagged(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/understudy.db")
    with engine.begin() as connection:
        _revised(connection, "upgrade", "0007")
        before = _described(connection)
        connection.exec_driver_sql("INSERT INTO verdict VALUES ('w', 'ab', true, '[]', true, 1)")
        _revised(connection, "upgrade", "0008")
        after = _described(connection)
        assert after.keys() - before.keys() == {"verdict_author"}
        kept = "SELECT flagged, released, rejected, said, content FROM verdict"
        assert connection.exec_driver_sql(kept).all() == [(1, 1, 0, "", None)]
        connection.exec_driver_sql("INSERT INTO verdict_author VALUES ('w', 'ab', 'p')")
        _revised(connection, "downgrade", "0007")
        assert _described(connection) == before
        _revised(connection, "upgrade", "0008")
        assert _described(connection) == after
        assert connection.exec_driver_sql(kept).all() == [(1, 1, 0, "", None)]
    engine.dispose()


async def test_datasets_come_and_go_over_rows_on_postgres(empty_postgres: URL | None) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    await _over_a_database_of_its_own(empty_postgres, "revised", _up_and_down)


async def _over_a_database_of_its_own(url: URL, name: str, check: Callable[[Connection], None]) -> None:
    mine = f"{url.database}_{name}"
    server = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {mine}")
    try:
        engine = create_async_engine(url.set(database=mine))
        async with engine.begin() as connection:
            await connection.run_sync(check)
        await engine.dispose()
    finally:
        async with server.connect() as connection:
            await connection.exec_driver_sql(f"DROP DATABASE {mine} WITH (FORCE)")
        await server.dispose()


# What 0007 has something new on, as 0006 knew it: an avatar that chose a base model, with two releases, and one that did
# not; a dataset that lost rows, with a training run.
CHOSEN = """
INSERT INTO avatar (id, workspace_id, name, name_key, tagline, colour, base_model, unknown, suggestions, auto_approve,
auto_activate, release_id, created_at)
VALUES ('b', 'w', 'Bea', 'bea', '', '', 'openai:x', '', '[]', false, false, 'r2', 1);
INSERT INTO avatar (id, workspace_id, name, name_key, tagline, colour, unknown, suggestions, auto_approve, auto_activate,
release_id, created_at)
VALUES ('z', 'w', 'Zed', 'zed', '', '', '', '[]', false, false, 'r3', 1);
INSERT INTO prompt_version (id, avatar_id, number, text, source, created_at) VALUES ('pv', 'b', 1, 'Be kind.', 'hand', 1);
INSERT INTO release (id, avatar_id, number, prompt_version_id, few_shot, why, evaluated, created_at)
VALUES ('r1', 'b', 1, 'pv', '{}', '', '{}', 1);
INSERT INTO release (id, avatar_id, number, model, prompt_version_id, few_shot, why, evaluated, created_at)
VALUES ('r2', 'b', 2, 'openai:tuned', 'pv', '{}', '', '{}', 1);
INSERT INTO release (id, avatar_id, number, prompt_version_id, few_shot, why, evaluated, created_at)
VALUES ('r3', 'z', 1, 'pv', '{}', '', '{}', 1);
UPDATE dataset SET erased = 3;
INSERT INTO training_run (id, number, workspace_id, dataset_number, vendor, method, base_model, hyperparameters, key, state,
wanted, job_id, files, uploaded, model, checkpoints, said, error, trouble, estimate, place, message, told, seen, polls,
quiet, looked, failures, idle_ms, lease_by, created_at, updated_at)
VALUES ('t1', 1, 'w', 1, 'v', 'sft', 'x', '{}', 'k1', 'succeeded', '', '', '[]', '[]', 'm', '[]', '', '', '', '{}', '{}', '',
'', '', 0, 0, 0, 0, 0, '', 1, 1);
INSERT INTO training_run (id, number, workspace_id, dataset_number, vendor, method, base_model, hyperparameters, key, state,
wanted, job_id, files, uploaded, model, checkpoints, said, error, trouble, estimate, place, message, told, seen, polls,
quiet, looked, failures, idle_ms, lease_by, created_at, updated_at)
VALUES ('t2', 2, 'w', 9, 'v', 'sft', 'x', '{}', 'k2', 'succeeded', '', '', '[]', '[]', 'm', '[]', '', '', '', '{}', '{}', '',
'', '', 0, 0, 0, 0, 0, '', 1, 1)
"""


def _what_answered(connection: Connection) -> None:
    """Every release answers with what it would have answered with, and taking the revision back loses no choice."""

    def rows(query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in connection.exec_driver_sql(query)]

    def columns() -> dict[str, set[str]]:
        found = inspect(connection)
        return {
            name: {column["name"] for column in found.get_columns(name)} for name in found.get_table_names()
        }

    _revised(connection, "upgrade", "0002")
    for row in OLDER.split(";"):
        connection.exec_driver_sql(row)
    _revised(connection, "upgrade", "0006")
    for row in (NEWER + ";" + CHOSEN).split(";"):
        connection.exec_driver_sql(row)
    before = columns()
    _revised(connection, "upgrade", "0007")
    after = columns()
    assert after["avatar"] == before["avatar"] - {"base_model"}
    assert rows("SELECT id, model, base_model FROM release ORDER BY id") == [
        ("r1", None, "openai:x"),
        ("r2", "openai:tuned", "openai:x"),
        ("r3", None, None),
    ]
    assert rows("SELECT number, forgotten FROM training_run ORDER BY number") == [(1, 3), (2, 0)]
    connection.exec_driver_sql("UPDATE release SET base_model = 'openai:y' WHERE id = 'r3'")
    _revised(connection, "downgrade", "0006")
    assert columns() == before
    assert rows("SELECT id, base_model FROM avatar ORDER BY id") == [
        ("a", None),
        ("b", "openai:x"),
        ("z", "openai:y"),
    ]
    _revised(connection, "upgrade", "0007")
    assert columns() == after


def test_base_models_move_to_releases_over_rows_on_sqlite(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/understudy.db")
    with engine.begin() as connection:
        _what_answered(connection)
    engine.dispose()


async def test_base_models_move_to_releases_over_rows_on_postgres(empty_postgres: URL | None) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    await _over_a_database_of_its_own(empty_postgres, "answered", _what_answered)


def _names_of_models(connection: Connection) -> None:
    """Whose a model is is known of those that were made before, with their checkpoints; runs stay, forth and back."""
    _revised(connection, "upgrade", "0002")
    for row in OLDER.split(";"):
        connection.exec_driver_sql(row)
    _revised(connection, "upgrade", "0006")
    for row in (NEWER + ";" + CHOSEN).split(";"):
        connection.exec_driver_sql(row)
    connection.exec_driver_sql(
        """UPDATE training_run SET model = '', checkpoints = '[{"model": "m", "step": 1}, {"model": "n", "step": 2}]'
        WHERE id = 't2'"""
    )
    _revised(connection, "upgrade", "0008")
    oldest = _described(connection)
    _revised(connection, "upgrade", "0009")
    before = _described(connection)
    assert connection.exec_driver_sql("SELECT DISTINCT host FROM training_run").all() == [("",)]
    made = "SELECT vendor, model, run_id, workspace_id FROM tuned_model ORDER BY model, run_id"
    for _ in range(2):
        _revised(connection, "upgrade", "0010")
        assert [tuple(row) for row in connection.exec_driver_sql(made)] == [
            ("v", "m", "t1", "w"),
            ("v", "m", "t2", "w"),
            ("v", "n", "t2", "w"),
        ]
        _revised(connection, "downgrade", "0009")
        assert _described(connection) == before
    of_runs = "SELECT number, memory_bytes FROM training_run ORDER BY number"
    for _ in range(2):
        _revised(connection, "upgrade", "0011")
        assert [tuple(row) for row in connection.exec_driver_sql(of_runs)] == [(1, None), (2, None)]
        _revised(connection, "downgrade", "0008")
        assert _described(connection) == oldest


def test_models_are_found_by_name_over_rows_on_sqlite(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/understudy.db")
    with engine.begin() as connection:
        _names_of_models(connection)
    engine.dispose()


async def test_models_are_found_by_name_over_rows_on_postgres(empty_postgres: URL | None) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    await _over_a_database_of_its_own(empty_postgres, "named", _names_of_models)


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
