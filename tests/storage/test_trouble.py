"""When the disk is full, the file is damaged or somebody else holds it: one clear sentence, and nothing lost."""
# pyright: reportPrivateUsage=false

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from storage import sqlite, workspaces
from storage.database import Database, Tx
from storage.errors import Unusable
from storage.sqlite import SqliteWriter

ROOT = Path(__file__).resolve().parents[2]


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path, empty_sqlite: Path) -> Path:
    """An empty database, not open."""
    return Path(shutil.copy(empty_sqlite, tmp_path / "understudy.db"))


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Database]:
    database = await Database.open(url(path))
    try:
        yield database
    finally:
        await database.close()


async def sentence(address: str) -> str:
    """What opening says, which is one sentence."""
    with pytest.raises(Unusable) as told:
        await Database.open(address)
    said = str(told.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def damage(path: Path, at: int, length: int) -> None:
    """Write nonsense into the file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(length))


def large(key: str):
    def job(tx: Tx) -> str:
        workspaces.ensure(tx, "p", key, "x" * 200_000, "opt-in")
        return key

    return job


def limit(database: Database, pages: int) -> None:
    """The most pages that the file may have: to SQLite that is a full disk."""
    assert isinstance(database._writer, SqliteWriter)
    database._writer._connection.execute(f"PRAGMA max_page_count={pages}")


async def test_a_full_disk(path: Path) -> None:
    async with opened(path) as database:
        await database.write(lambda tx: workspaces.ensure(tx, "p", "before", "B", "opt-in"))
        limit(database, 100)
        done = await asyncio.gather(
            *(database.write(large(f"{number}")) for number in range(5)), return_exceptions=True
        )
        failed = [each for each in done if isinstance(each, Unusable)]
        assert failed
        assert all("is full" in str(each) and "confirmed is safe" in str(each) for each in failed)
        with pytest.raises(Unusable, match="is full"):
            await database.write(large("alone"))
        # Space is there again: it goes on, and what was confirmed is there.
        limit(database, 10_000)
        assert await database.write(large("after")) == "after"
        there = {each.key for each in await database.read(workspaces.listed)}
        assert there == {"before", "after", *(each for each in done if isinstance(each, str))}


def test_a_disk_that_is_full_when_the_commit_is_written(path: Path) -> None:
    """The real thing: a file that may not grow. In a process of its own, since the limit is the process's."""
    script = """
import asyncio, resource, signal, sys
from storage import workspaces
from storage.database import Database
from storage.errors import Unusable

async def main():
    database = await Database.open(sys.argv[1])
    await database.write(lambda tx: workspaces.ensure(tx, "p", "before", "B", "opt-in"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    for number in range(10):
        name = f"{number}" * 200_000
        try:
            await database.write(lambda tx: workspaces.ensure(tx, "p", f"{number}", name, "opt-in"))
        except Unusable as error:
            print(error)
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await database.write(lambda tx: workspaces.ensure(tx, "p", "after", "A", "opt-in"))
    print(number, *sorted(each.key for each in await database.read(workspaces.listed)))
    await database.close()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, url(path)], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    said, listed = done.stdout.strip().splitlines()
    assert "The disk that holds" in said
    number, *there = listed.split()
    assert there == sorted(["after", "before", *map(str, range(int(number)))])


async def test_what_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "understudy.db"
    path.write_text("Dear diary, " * 1_000)
    assert "is damaged or is not a database" in await sentence(url(path))
    assert path.read_text().startswith("Dear diary")


async def test_a_damaged_database(path: Path) -> None:
    damage(path, 100, 19_900)
    assert "is damaged or is not a database" in await sentence(url(path))


async def test_damage_that_shows_later(path: Path) -> None:
    async with opened(path) as database:
        await database.write(lambda tx: workspaces.ensure(tx, "p", "k", "x" * 100_000, "opt-in"))
    connection = sqlite3.connect(path)
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'workspace'").fetchone()[0]
    connection.close()
    damage(path, (page - 1) * 4096, 4096)
    async with opened(path) as database:
        with pytest.raises(Unusable, match="is damaged"):
            await database.read(workspaces.listed)
        with pytest.raises(Unusable, match="is damaged"):
            await database.write(lambda tx: workspaces.ensure(tx, "p", "k2", "y", "opt-in"))


async def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in await sentence(url(tmp_path / "file" / "understudy.db"))
    assert "cannot be written" in await sentence(url(tmp_path / "file" / "deeper" / "understudy.db"))
    (tmp_path / "folder.db").mkdir()
    assert "cannot be written" in await sentence(url(tmp_path / "folder.db"))


async def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may write everywhere, so what the system would answer is said here."""

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    said = await sentence(url(tmp_path / "data" / "understudy.db"))
    assert "cannot be written" in said
    assert "UNDERSTUDY_DATA_DIR" in said


async def test_a_file_that_may_not_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def read_only(name: Path, **given: object) -> sqlite3.Connection:
        return connect(f"file:{name}?mode=ro", uri=True, **given)  # type: ignore[call-overload]

    monkeypatch.setattr(sqlite.sqlite3, "connect", read_only)
    async with opened(path) as database:
        with pytest.raises(Unusable, match="cannot be written"):
            await database.write(lambda tx: workspaces.ensure(tx, "p", "k", "K", "opt-in"))


async def test_somebody_else_holds_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    async with opened(path) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unusable, match="held by another program"):
            await database.write(lambda tx: workspaces.ensure(tx, "p", "k", "K", "opt-in"))
        assert await database.read(workspaces.listed) == []  # readers do not mind
        other.execute("COMMIT")
        other.close()
        await database.write(lambda tx: workspaces.ensure(tx, "p", "k", "K", "opt-in"))


async def test_somebody_else_holds_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    path = tmp_path / "understudy.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert "held by another program" in await sentence(url(path))
    other.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nonsense", "is not a database address"),
        ("mysql+aiomysql://localhost/x", "SQLite or Postgres"),
        ("sqlite+aiosqlite://", "in a file"),
        ("sqlite+aiosqlite:///:memory:", "in a file"),
        ("postgresql+asyncpg://me:secret@127.0.0.1:1/x", "cannot be reached"),
    ],
)
async def test_an_address_that_leads_nowhere(address: str, says: str) -> None:
    said = await sentence(address)
    assert says in said
    assert "secret" not in said


async def test_postgres_says_no(database: Database) -> None:
    if not database.postgres:
        pytest.skip("what only Postgres says")
    there = make_url(database.url)
    said = await sentence(there.set(database="nowhere_at_all").render_as_string(hide_password=False))
    assert "no such database" in said


KILLED = """
import asyncio, sys
from storage import ids, workspaces
from storage.database import Database

async def main():
    database = await Database.open(sys.argv[1])

    async def person(name):
        for number in range(100_000):
            key = f"{name}-{number}"
            await database.write(lambda tx: workspaces.ensure(tx, "p", key, key, "opt-in"))
            sys.stdout.write(key + "\\n")  # confirmed: from here on nobody may lose it
            sys.stdout.flush()

    await asyncio.gather(*(person(name) for name in range(20)))

asyncio.run(main())
"""


def _kill(address: str) -> set[str]:
    """Kill a process in the middle of 20 people's writes, 300 confirmations later; what it confirmed."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, address], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    confirmed = {process.stdout.readline().strip() for _ in range(300)}
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return confirmed | {line.strip() for line in rest if line.endswith("\n")}


async def test_what_was_confirmed_survives_kill_nine(database: Database) -> None:
    address = database.url
    confirmed = await asyncio.to_thread(_kill, address)
    again = await Database.open(address)
    there = {each.key for each in await again.read(workspaces.listed)}
    await again.close()
    assert len(confirmed) >= 300
    assert confirmed <= there
    assert len(there - confirmed) <= 20  # at most what was under way
