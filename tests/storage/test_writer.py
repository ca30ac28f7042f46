"""What both writers promise, on both databases."""
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import URL, select, text

from storage import audit, exchanges, workspaces
from storage.database import Database, Statement, Tx, insert_into, table
from storage.errors import Duplicate, Missing, StorageError, Unusable
from storage.schema import AvatarRow, WorkspaceRow
from storage.sqlite import SqliteWriter
from tests.databases import emptied

_INSERT = insert_into(WorkspaceRow)
_KEYS = Statement(select(table(WorkspaceRow).c.key).order_by(table(WorkspaceRow).c.created_at))


def add(key: str, at: int = 0) -> Callable[[Tx], str]:
    """A job that adds a workspace, without asking whether it is there."""

    def job(tx: Tx) -> str:
        values = {"id": key, "platform": "p", "key": key, "name": key, "consent": "opt-in"}
        tx.run(_INSERT, {**values, "default_avatar_id": None, "notices": "", "created_at": at})
        return key

    return job


async def keys(database: Database) -> list[str]:
    return [row[0] for row in await database.read(lambda tx: tx.rows(_KEYS))]


async def test_a_write_returns_what_its_job_returns(database: Database) -> None:
    assert await database.write(add("one")) == "one"
    assert await keys(database) == ["one"]


async def test_what_is_queued_shares_a_commit(database: Database) -> None:
    """The transaction's number tells on Postgres; on SQLite we listen to what the writer says."""
    if database.postgres:
        mark = Statement(text("SELECT pg_current_xact_id()::text"))
        seen = await asyncio.gather(*(database.write(lambda tx: tx.rows(mark)[0][0]) for _ in range(50)))
        assert len(set(seen)) <= 2
    else:
        assert isinstance(database._writer, SqliteWriter)
        said: list[str] = []
        database._writer._connection.set_trace_callback(said.append)
        await asyncio.gather(*(database.write(add(f"{n}", n)) for n in range(50)))
        assert 1 <= said.count("COMMIT") < 10
        assert len(await keys(database)) == 50


async def test_they_run_in_the_order_in_which_they_were_asked(database: Database) -> None:
    ran: list[int] = []

    def job(number: int) -> Callable[[Tx], None]:
        return lambda tx: ran.append(number)

    await asyncio.gather(*(database.write(job(number)) for number in range(1_000)))
    assert ran == list(range(1_000))


async def test_a_later_job_sees_what_an_earlier_one_wrote(database: Database) -> None:
    first = asyncio.ensure_future(database.write(add("one")))
    second = asyncio.ensure_future(database.write(lambda tx: tx.rows(_KEYS)))
    await first
    assert [row[0] for row in await second] == ["one"]


async def test_a_duplicate_fails_alone(database: Database) -> None:
    await database.write(add("b", 1))
    done = await asyncio.gather(
        database.write(add("a", 0)),
        database.write(add("b", 1)),
        database.write(add("c", 2)),
        return_exceptions=True,
    )
    assert [type(each) for each in done] == [str, Duplicate, str]
    assert await keys(database) == ["a", "b", "c"]


async def test_a_lone_duplicate_fails_and_the_next_one_does_not(database: Database) -> None:
    await database.write(add("a"))
    with pytest.raises(Duplicate):
        await database.write(add("a"))
    await database.write(add("b", 1))
    assert await keys(database) == ["a", "b"]


async def test_a_raising_job_fails_alone_and_leaves_nothing(database: Database) -> None:
    def half(tx: Tx) -> None:
        add("half")(tx)
        raise ValueError("changed my mind")

    done = await asyncio.gather(
        database.write(add("a")), database.write(half), database.write(add("b", 1)), return_exceptions=True
    )
    assert isinstance(done[1], ValueError)
    assert await keys(database) == ["a", "b"]
    with pytest.raises(ValueError, match="changed my mind"):
        await database.write(half)
    assert await keys(database) == ["a", "b"]


@pytest.mark.parametrize("raised", [StopIteration(), SystemExit(3), asyncio.CancelledError()])
async def test_whatever_a_job_raises_the_writer_goes_on(database: Database, raised: BaseException) -> None:
    def job(tx: Tx) -> None:
        raise raised

    (outcome,) = await asyncio.gather(_outcome(database, job))
    assert isinstance(outcome, BaseException)
    await database.write(add("after"))
    assert await keys(database) == ["after"]


async def _outcome(database: Database, job: Callable[[Tx], None]) -> BaseException | None:
    try:
        await database.write(job)
    except BaseException as error:  # noqa: BLE001 (that is what is asked)
        return error
    return None


async def test_a_cancelled_caller_disturbs_nobody(database: Database) -> None:
    writes = [asyncio.ensure_future(database.write(add(f"{n}", n))) for n in range(20)]
    await asyncio.sleep(0)  # let them be queued
    for write in writes[::2]:
        write.cancel()
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert done[1::2] == [f"{n}" for n in range(1, 20, 2)]
    assert all(isinstance(each, asyncio.CancelledError) for each in done[::2])
    assert set(await keys(database)) >= {f"{n}" for n in range(1, 20, 2)}
    assert await database.write(add("after", 99)) == "after"


async def test_what_belongs_to_nothing_is_missing_not_double(database: Database) -> None:
    row = dict.fromkeys(AvatarRow.model_fields, "") | {
        "picture": None,
        "release_id": None,
    }

    def job(tx: Tx) -> None:
        flags = {"auto_approve": False, "auto_activate": False}
        new = row | flags | {"id": "a", "workspace_id": "nobody", "created_at": 0}
        tx.run(insert_into(AvatarRow), new)

    with pytest.raises(Missing):
        await database.write(job)


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(add("a"))
    await database.write(add("b"))
    assert await keys(database) == ["b"]


async def test_a_read_sees_one_moment(database: Database) -> None:
    """What is committed while a read goes on is for the next one."""
    loop = asyncio.get_running_loop()

    def twice(tx: Tx) -> tuple[int, int]:
        before = len(tx.rows(_KEYS))
        if not database.postgres:
            # The read runs on a thread of its own, so the loop is free to write meanwhile.
            asyncio.run_coroutine_threadsafe(database.write(add("meanwhile")), loop).result(10)
        return before, len(tx.rows(_KEYS))

    if database.postgres:
        level = Statement(text("SHOW transaction_isolation"))
        assert (await database.read(lambda tx: tx.rows(level)))[0][0] == "repeatable read"
    assert await database.read(twice) == (0, 0)


async def test_reads_go_on_while_another_writes(database: Database) -> None:
    await database.write(add("a"))
    done = await asyncio.gather(*(database.read(lambda tx: tx.rows(_KEYS)) for _ in range(30)))
    assert all([tuple(row) for row in rows] == [("a",)] for rows in done)


async def test_closing_finishes_what_is_queued_and_takes_no_more(database: Database) -> None:
    url = database.url
    other = await Database.open(url)
    writes = [asyncio.ensure_future(other.write(add(f"{n}", n))) for n in range(10)]
    await asyncio.sleep(0)
    await other.close()
    assert await asyncio.gather(*writes) == [f"{n}" for n in range(10)]
    with pytest.raises(Unusable, match="closed"):
        await other.write(add("late"))
    await other.close()


async def test_a_cancelled_read_is_at_its_end_when_the_database_is_closed_and_none_begins_after(
    database: Database,
) -> None:
    begun, ended = asyncio.Event(), False
    here = asyncio.get_running_loop()

    def slow(tx: Tx) -> None:
        nonlocal ended
        here.call_soon_threadsafe(begun.set)
        for _ in range(20):
            keys = tx.rows(_KEYS)
            assert keys == []
        ended = True

    reading = asyncio.create_task(database.read(slow))
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await database.close()
    assert ended
    with pytest.raises(Unusable, match="closed"):
        await database.read(lambda _tx: None)


async def test_many_statements_and_lists(database: Database) -> None:
    def job(tx: Tx) -> int:
        rows = [
            {"id": f"{n}", "platform": "p", "key": f"{n}", "name": "", "consent": "opt-in"}
            | {"default_avatar_id": None, "notices": "", "created_at": n}
            for n in range(3)
        ]
        tx.run_many(_INSERT, rows)
        tx.run_many(_INSERT, [])
        return len(workspaces.listed(tx))

    assert await database.write(job) == 3


async def test_two_processes_number_apart(database: Database) -> None:
    """Another process writes between ours: nobody fails, nothing is given twice."""
    url = database.url
    other = await Database.open(url)
    try:

        def job(name: str) -> Callable[[Tx], object]:
            return lambda tx: workspaces.ensure(tx, "p", "same", name, "opt-in")

        await asyncio.gather(*(each.write(job("x")) for each in (database, other) * 10))
        assert len(await database.read(workspaces.listed)) == 1
    finally:
        await other.close()


async def test_what_is_asked_is_asked_again_with_other_values(database: Database) -> None:
    """A statement is compiled once; its values are new each time, nothing of the last ones stays."""

    def job(tx: Tx) -> list[str]:
        one = workspaces.ensure(tx, "p", "one", "One", "opt-in")
        workspaces.ensure(tx, "p", "two", "Two", "opt-out")
        for number in range(3):
            audit.write(tx, one.id, f"did {number}")
        assert workspaces.find(tx, "p", "three") is None
        assert exchanges.by_message(tx, one.id, "none") is None
        return [entry.action for limit in (1, 2) for entry in audit.listed(tx, one.id, limit)]

    assert await database.write(job) == ["did 2", "did 2", "did 1"]


async def test_two_replicas_that_want_what_the_other_holds_both_get_it(empty_postgres: URL | None) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    url = empty_postgres.render_as_string(hide_password=False)
    one, other = await Database.open(url), await Database.open(url)
    keys = [
        (
            await one.write(
                lambda tx, name=name: workspaces.ensure(tx, "p", f"crossed {name}", name, "opt-in")
            )
        ).id
        for name in "ab"
    ]
    holding: set[str] = set()

    def crossing(first: str, second: str) -> Callable[[Tx], None]:
        def job(tx: Tx) -> None:
            workspaces.set_notices(tx, first, "here")
            holding.add(first)
            while len(holding) < 2:  # each asks on until the other holds its own
                workspaces.get(tx, first)
            workspaces.set_notices(tx, second, "here")

        return job

    try:
        await asyncio.gather(one.write(crossing(*keys)), other.write(crossing(*reversed(keys))))
        assert {each.notices for each in await one.read(workspaces.listed) if each.id in keys} == {"here"}
    finally:
        await one.close()
        await other.close()
        await emptied(empty_postgres)


async def test_what_is_committed_stays_so_when_one_that_begins_again_breaks_the_connection(
    empty_postgres: URL | None,
) -> None:
    if empty_postgres is None:
        pytest.skip("needs a Postgres named by UNDERSTUDY_TEST_POSTGRES")
    database = await Database.open(empty_postgres.render_as_string(hide_password=False))
    crossed = Statement(text("DO $$ BEGIN RAISE EXCEPTION 'crossed' USING ERRCODE = '40P01'; END $$"))
    broken = Statement(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    tries: list[Statement] = []

    def unlucky(tx: Tx) -> None:
        tries.append(broken if tries else crossed)
        tx.rows(tries[-1])

    try:
        done = await asyncio.gather(
            database.write(add("committed")), database.write(unlucky), return_exceptions=True
        )
        assert tries == [crossed, broken]
        assert done[0] == "committed"
        assert isinstance(done[1], StorageError)
        assert await keys(database) == ["committed"]
        assert await database.write(add("after", 1)) == "after"
    finally:
        await database.close()
        await emptied(empty_postgres)
