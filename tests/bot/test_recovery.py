"""What a process that is gone left unanswered is closed; what a living one is answering is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.recovery import REASON, TRUST_MS, Recovery
from storage import clock, exchanges, holders
from storage.database import Database
from storage.exchanges import Exchange, Pending
from storage.holders import Holder
from storage.ids import new_id
from tests.bot.theatre import play
from tests.stage import Stage, set_stage

NOW = 10_000_000


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    """A clock that stands."""
    clock.use(lambda: NOW)
    yield
    clock.use(None)


async def announce(database: Database, holder: Holder, until: int = NOW + TRUST_MS) -> Holder:
    await database.write(lambda tx: holders.beat(tx, holder, until))
    return holder


async def left_by(stage: Stage, holder_id: str) -> str:
    """A message that this process accepted and has not answered."""
    person, conversation = await stage.person(new_id()), await stage.conversation(new_id())
    id_ = new_id()
    pending = Pending(
        id_,
        stage.workspace.id,
        conversation.id,
        stage.avatar.id,
        person.id,
        id_,
        "hello",
        holder_id,
        id_[-8:],
        NOW,
    )
    assert await stage.database.write(lambda tx: exchanges.begin(tx, pending))
    return id_


async def get(database: Database, exchange_id: str) -> Exchange:
    return await database.read(lambda tx: exchanges.get(tx, exchange_id))


def dead_here() -> Holder:
    """A process of this host whose number belongs to another one by now."""
    return replace(holders.this_process(), started="before the last start of the system")


def elsewhere() -> Holder:
    """A process of another host: of it only its word is known."""
    return replace(holders.this_process(), host="another host")


async def test_what_a_dead_process_left_is_closed_with_a_reason(database: Database) -> None:
    stage = await set_stage(database, platform="terminal")
    dead = await announce(database, dead_here())
    left = [await left_by(stage, dead.id), await left_by(stage, "never announced")]
    assert await Recovery(database).begin() == 2
    for each in left:
        closed = await get(database, each)
        assert (closed.status, closed.error, closed.completed_at) == ("interrupted", REASON, NOW)
        assert (closed.user_text, closed.reply_text) == ("hello", "")


async def test_what_a_living_process_is_answering_is_left(database: Database) -> None:
    stage = await set_stage(database, platform="terminal")
    beside = await announce(database, holders.this_process())  # two applications in one process
    far = await announce(database, elsewhere())
    left = [await left_by(stage, beside.id), await left_by(stage, far.id)]
    recovery = Recovery(database)
    assert await recovery.begin() == 0
    mine = await left_by(stage, recovery.holder.id)
    assert await recovery.sweep() == 0
    assert {(await get(database, each)).status for each in (*left, mine)} == {"pending"}


async def test_a_process_elsewhere_is_believed_for_as_long_as_it_said(database: Database) -> None:
    stage = await set_stage(database, platform="terminal")
    far = await announce(database, elsewhere())
    left = await left_by(stage, far.id)
    recovery = Recovery(database)
    await recovery.begin()
    clock.use(lambda: NOW + TRUST_MS)
    assert await recovery.sweep() == 0
    clock.use(lambda: NOW + TRUST_MS + 1)
    assert await recovery.sweep() == 1
    assert (await get(database, left)).status == "interrupted"
    assert await recovery.sweep() == 0


async def test_the_gone_are_forgotten_and_a_process_that_ends_says_goodbye(database: Database) -> None:
    await announce(database, dead_here())
    recovery = Recovery(database)
    await recovery.begin()
    assert [each.id for each in await database.read(holders.listed)] == [recovery.holder.id]
    recovery.keep()
    await recovery.end()
    assert await database.read(holders.listed) == []


async def test_two_that_start_at_once_close_it_once(database: Database) -> None:
    stage = await set_stage(database, platform="terminal")
    await announce(database, dead_here())
    await left_by(stage, "gone")
    closed = await asyncio.gather(*(Recovery(database).begin() for _ in range(4)))
    assert sorted(closed) == [0, 0, 0, 1]


async def test_what_was_closed_is_neither_history_nor_answered_again(
    database: Database, tmp_path: Path
) -> None:
    theatre = play(database, tmp_path)
    here = theatre.app.terminal_place()
    first = await theatre.say("hello", key="m1", place=here)
    stored = await get(database, first.exchange_id)
    pending = Pending(
        new_id(),
        stored.workspace_id,
        stored.conversation_id,
        stored.avatar_id,
        stored.person_id,
        "m2",
        "lost",
        "gone",
        "",
        NOW,
    )
    assert await database.write(lambda tx: exchanges.begin(tx, pending))
    assert await theatre.recovery.begin() == 1
    assert (await theatre.say("lost", key="m2", place=here)).status == "repeated"
    await theatre.say("again", key="m3", place=here)
    assert [turn.text for turn in theatre.model.asked[-1].turns] == ["hello", "Hello there", "again"]
