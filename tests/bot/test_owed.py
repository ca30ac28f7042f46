"""What a process accepted and did not show is given by the next one, once, and under the same exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.platforms.base import End, Mark, Place, Spoken, Unsent
from adapters.vendors.base import Denied, Finished
from bot.recovery import LATE_MS, REASON, STRAY_MS
from storage import clock, exchanges, owed
from storage.database import Database
from storage.errors import Missing
from storage.exchanges import Exchange
from tests.bot.theatre import ADA, BOB, HERE, Scripted, Seen, Theatre, play

NOW = 1_700_000_000_000
MINUTE = 60_000
THREAD = replace(HERE, conversation="thread", private=True)


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    """A clock that stands."""
    clock.use(lambda: NOW)
    yield
    clock.use(None)


def later(ms: int) -> None:
    clock.use(lambda: NOW + ms)


@dataclass
class Unreachable(Seen):
    """A reply on a platform that cannot be reached."""

    async def finish(self, end: End) -> str:
        raise ConnectionError("the platform is away")

    async def fail(self, sentence: str, reference: str) -> None:
        raise ConnectionError("the platform is away")


@pytest.fixture
async def doomed(database: Database, tmp_path: Path) -> Theatre:
    """An application in a process that is dead, as everybody else can tell."""
    theatre = play(database, tmp_path)
    theatre.recovery.holder = replace(theatre.recovery.holder, started="before the last start of the system")
    await theatre.recovery.begin()
    return theatre


@pytest.fixture
async def heir(database: Database, tmp_path: Path) -> Theatre:
    """An application in the process that comes after it."""
    theatre = play(database, tmp_path, model=Scripted(pieces=["Here", " it is"]))
    await theatre.recovery.begin()
    return theatre


async def cut(theatre: Theatre, work: asyncio.Task[Spoken]) -> str:
    """The process ends in the middle of the reply; the id of the exchange."""
    while not theatre.services.conversations.in_flight or not theatre.model.speaking:
        await asyncio.sleep(0)
    (exchange_id,) = theatre.services.conversations.in_flight
    await theatre.services.conversations.drain(0)
    with pytest.raises(asyncio.CancelledError):
        await work
    return exchange_id


async def unanswered(theatre: Theatre, key: str = "m1", place: Place = HERE) -> str:
    """A message that the process accepted, and died over."""
    theatre.model.gate = asyncio.Event()
    left = await cut(theatre, asyncio.create_task(theatre.say("hello", key=key, place=place)))
    theatre.model.gate = None
    return left


async def unshown(theatre: Theatre, key: str = "m1") -> str:
    """A message whose reply is written and was never shown."""
    return (await theatre.say("hello", key=key, seen=Unreachable())).exchange_id


async def get(theatre: Theatre, exchange_id: str) -> Exchange:
    return await theatre.database.read(lambda tx: exchanges.get(tx, exchange_id))


async def owing(theatre: Theatre) -> list[str]:
    return [each.id for each in await theatre.database.read(owed.listed)]


# Pending


async def test_what_a_dead_process_was_answering_is_owed(doomed: Theatre, heir: Theatre) -> None:
    left = await unanswered(doomed, place=THREAD)
    later(10 * MINUTE)
    assert await heir.app.unsent("discord") == [Unsent(left, "m1", THREAD, NOW)]
    assert (await get(heir, left)).holder == heir.recovery.holder.id
    later(11 * MINUTE)
    assert await heir.app.unsent("discord") == []  # it is in good hands
    later(11 * MINUTE + 1)
    assert [each.exchange_id for each in await heir.app.unsent("discord")] == [left]


async def test_it_is_answered_under_the_same_exchange(doomed: Theatre, heir: Theatre) -> None:
    await doomed.say("before", key="m0")
    left = await unanswered(doomed)
    (unsent,) = await heir.app.unsent("discord")
    seen = Seen(key="posted")
    spoken = await heir.app.resume(unsent, seen)
    assert (spoken.status, spoken.exchange_id, spoken.text) == ("complete", left, "Here it is")
    assert (seen.accepted_as, seen.grown, seen.end) == (
        left,
        ["Here", "Here it is"],
        End(left, "Here it is"),
    )
    assert [turn.text for turn in heir.model.asked[0].turns] == ["before", "Hello there", "hello"]
    stored = await get(heir, left)
    assert (stored.status, stored.reply_text, stored.reply_key, stored.holder) == (
        "complete",
        "Here it is",
        "posted",
        "",
    )
    assert await owing(heir) == []
    assert (await heir.app.resume(unsent, Seen())).status == "repeated"
    assert len(heir.model.asked) == 1
    assert (await heir.say("hello", key="m1")).status == "repeated"


async def test_two_that_adopt_at_once_answer_it_once(
    doomed: Theatre, heir: Theatre, database: Database, tmp_path: Path
) -> None:
    left = [await unanswered(doomed, f"m{number}") for number in range(3)]
    rival = play(database, tmp_path)
    await rival.recovery.begin()
    found = await asyncio.gather(
        heir.app.unsent("discord"), rival.app.unsent("discord"), heir.app.unsent("discord")
    )
    assert sorted(each.exchange_id for every in found for each in every) == sorted(left)
    spoken = await asyncio.gather(
        *(
            app.resume(each, Seen())
            for every in found
            for each in every
            for app in (heir.app, rival.app, heir.app)
        )
    )
    assert sorted(each.status for each in spoken) == ["complete"] * 3 + ["repeated"] * 6
    assert len(heir.model.asked) + len(rival.model.asked) == 3


async def test_what_a_living_process_is_answering_is_left_alone(
    heir: Theatre, database: Database, tmp_path: Path
) -> None:
    other = play(database, tmp_path)
    await other.recovery.begin()
    left = [await unanswered(other), await unshown(other, "m2")]
    later(10 * MINUTE)
    assert await heir.app.unsent("discord") == []
    assert await heir.recovery.sweep() == 0
    await other.recovery.end()
    assert {each.exchange_id for each in await heir.app.unsent("discord")} == set(left)


async def test_nobody_adopts_what_they_are_working_on(heir: Theatre) -> None:
    heir.model.gate = gate = asyncio.Event()
    speaking = asyncio.create_task(heir.say("hello", key="m1"))
    await heir.model.begun.wait()
    (exchange_id,) = heir.services.conversations.in_flight
    later(10 * MINUTE)
    assert await heir.app.unsent("discord") == []
    assert await heir.app.resume(Unsent(exchange_id, "m1", HERE, NOW), Seen()) == Spoken(
        "repeated", exchange_id
    )
    gate.set()
    assert (await speaking).status == "complete"
    assert len(heir.model.asked) == 1


async def test_another_platform_owes_nothing_of_it(doomed: Theatre, heir: Theatre) -> None:
    left = await unanswered(doomed)
    assert await heir.app.unsent("slack") == []
    assert (await get(heir, left)).holder == doomed.recovery.holder.id


async def test_what_is_given_again_hangs_on_the_first_question(doomed: Theatre, heir: Theatre) -> None:
    first = await doomed.say("hello", key="m1", seen=Seen(key="posted"))
    again = doomed.services.conversations.regenerate
    await again(HERE, BOB, Seen())
    doomed.model.gate = asyncio.Event()
    left = await cut(doomed, asyncio.create_task(again(HERE, BOB, Seen())))
    assert await heir.app.unsent("discord") == [Unsent(left, "m1", HERE, NOW)]
    spoken = await heir.app.resume(Unsent(left, "m1", HERE, NOW), Seen())
    assert (spoken.status, (await get(heir, left)).sibling_of) == ("complete", first.exchange_id)
    assert [turn.text for turn in heir.model.asked[0].turns] == ["hello"]


async def test_what_is_resumed_can_be_stopped(doomed: Theatre, heir: Theatre) -> None:
    left = await unanswered(doomed)
    (unsent,) = await heir.app.unsent("discord")
    heir.model.gate = asyncio.Event()
    resuming = asyncio.create_task(heir.app.resume(unsent, Seen()))
    await heir.model.begun.wait()
    assert heir.app.stop_speaking(HERE)
    assert (await resuming).status == "cancelled"
    assert (await get(heir, left)).reply_text == "Here"


async def test_what_was_interrupted_while_it_was_resumed_is_owed_again(
    doomed: Theatre, heir: Theatre, database: Database, tmp_path: Path
) -> None:
    left = await unanswered(doomed)
    (unsent,) = await heir.app.unsent("discord")
    heir.model.gate = asyncio.Event()
    assert await cut(heir, asyncio.create_task(heir.app.resume(unsent, Seen()))) == left
    await heir.recovery.end()
    third = play(database, tmp_path)
    (again,) = await third.app.unsent("discord")
    assert again == unsent
    assert (await third.app.resume(again, Seen())).text == "Hello there"


# Written, but not shown


async def test_a_reply_that_was_not_shown_is_shown_as_it_was(doomed: Theatre, heir: Theatre) -> None:
    doomed.model.finished = Finished(known=False)
    left = await unshown(doomed)
    assert await owing(heir) == [left]
    (unsent,) = await heir.app.unsent("discord")
    seen = Seen(key="posted")
    spoken = await heir.app.resume(unsent, seen)
    assert (spoken.status, spoken.exchange_id, spoken.text) == ("complete", left, "Hello there")
    assert (seen.accepted_as, seen.end) == (left, End(left, "Hello there", known=False))
    assert heir.model.asked == []
    assert ((await get(heir, left)).reply_key, await owing(heir)) == ("posted", [])


async def stopped(theatre: Theatre, pieces: list[str]) -> str:
    theatre.model.pieces, theatre.model.gate = pieces, asyncio.Event()
    speaking = asyncio.create_task(theatre.say("hello", key="m1", seen=Unreachable()))
    await theatre.model.begun.wait()
    assert theatre.app.stop_speaking(HERE)
    return (await speaking).exchange_id


@pytest.mark.parametrize("pieces", [["Hello", " there"], [""]])
async def test_a_reply_that_was_stopped_is_shown_as_stopped(
    doomed: Theatre, heir: Theatre, pieces: list[str]
) -> None:
    left = await stopped(doomed, pieces)
    (unsent,) = await heir.app.unsent("discord")
    seen = Seen()
    assert (await heir.app.resume(unsent, seen)).status == "cancelled"
    assert (seen.end, seen.failed) == (End(left, pieces[0], note="stopped"), None)


async def test_a_failure_that_was_not_told_becomes_a_sentence(doomed: Theatre, heir: Theatre) -> None:
    doomed.model.pieces, doomed.model.failure = [], Denied("the key is wrong", vendor="scripted")
    left = await unshown(doomed)
    (unsent,) = await heir.app.unsent("discord")
    seen = Seen()
    assert (await heir.app.resume(unsent, seen)).status == "failed"
    assert seen.failed == (
        "I was interrupted before I could answer that; please ask again.",
        (await get(heir, left)).reference,
    )
    assert (seen.end, heir.model.asked, await owing(heir)) == (None, [], [])


async def test_what_a_platform_did_not_take_is_given_again_a_minute_later(heir: Theatre) -> None:
    left = await unshown(heir)
    assert (await get(heir, left)).status == "complete"
    later(STRAY_MS)
    assert await heir.app.unsent("discord") == []
    later(STRAY_MS + 1)
    (unsent,) = await heir.app.unsent("discord")
    with pytest.raises(ConnectionError):
        await heir.app.resume(unsent, Unreachable())
    assert await heir.app.unsent("discord") == []
    later(2 * STRAY_MS + 2)
    (again,) = await heir.app.unsent("discord")
    seen = Seen(key="posted")
    assert (await heir.app.resume(again, seen)).status == "complete"
    assert seen.end == End(left, "Here it is")
    assert len(heir.model.asked) == 1
    assert await heir.app.unsent("discord") == []


# What is too late, or not to be told any more


async def test_what_is_older_than_a_day_is_closed(doomed: Theatre, heir: Theatre) -> None:
    pending, written = await unanswered(doomed, "m1"), await unshown(doomed, "m2")
    later(LATE_MS)
    assert await heir.recovery.sweep() == 0
    later(LATE_MS + 1)
    assert await heir.recovery.sweep() == 2
    assert await heir.app.unsent("discord") == []
    one, other = await get(heir, pending), await get(heir, written)
    assert (one.status, one.error, one.holder) == ("interrupted", REASON, "")
    assert (other.status, other.reply_text, other.holder) == ("complete", "Hello there", "")


async def test_it_is_not_tried_for_longer_than_a_day(heir: Theatre) -> None:
    await unshown(heir)
    later(LATE_MS + 1)
    assert await heir.recovery.sweep() == 1
    assert (await owing(heir), await heir.app.unsent("discord")) == ([], [])


async def test_nobody_waits_at_a_terminal_that_was_closed(doomed: Theatre, heir: Theatre) -> None:
    terminal = heir.app.terminal_place()
    left = await unanswered(doomed, place=terminal)
    assert (await get(heir, left)).status == "interrupted"
    # Where not even that could be written, the next process does it.
    beside = play(heir.database, Path())
    beside.recovery.holder = replace(beside.recovery.holder, started="before the last start of the system")
    await beside.recovery.begin()
    beside.model.gate = asyncio.Event()
    speaking = asyncio.create_task(beside.say("hello", key="m2", place=terminal))
    await beside.model.begun.wait()
    assert await heir.app.unsent("discord") == []
    assert await heir.recovery.sweep() == 1
    beside.model.gate.set()
    await speaking
    workspace = (await get(heir, left)).workspace_id
    one = await heir.database.read(lambda tx: exchanges.by_message(tx, workspace, "m2"))
    assert one is not None
    assert (one.status, one.error) == ("interrupted", REASON)


async def test_what_was_deleted_meanwhile_is_not_answered(doomed: Theatre, heir: Theatre) -> None:
    left = await unanswered(doomed)
    (unsent,) = await heir.app.unsent("discord")
    assert (await heir.command("privacy delete", confirmed=True)).ok
    seen = Seen()
    assert await heir.app.resume(unsent, seen) == Spoken("ignored", left)
    assert (seen.end, seen.failed, heir.model.asked) == (None, None, [])


# A reply in several messages


async def test_each_message_of_a_reply_leads_to_it(heir: Theatre) -> None:
    spoken = await heir.say("hello", seen=Seen(key="a b c"))
    workspace = (await get(heir, spoken.exchange_id)).workspace_id
    for number, key in enumerate("abc"):
        found = await heir.database.read(lambda tx, key=key: exchanges.by_reply(tx, workspace, key))
        assert found is not None
        assert (found.id, found.reply_key) == (spoken.exchange_id, "a")
        mark = Mark(HERE, BOB, f"reaction:{number}", NOW + number, stars=5, reply_key=key, askable=False)
        assert (await heir.app.mark(mark)).ok
    assert (await get(heir, spoken.exchange_id)).ratings == 1
    assert await heir.database.read(lambda tx: exchanges.by_reply(tx, workspace, "d")) is None
    assert not (await heir.app.mark(Mark(HERE, BOB, "stars", NOW, stars=5, reply_key="d"))).ok


async def test_a_reply_that_was_owed_may_be_in_several_messages(doomed: Theatre, heir: Theatre) -> None:
    left = await unshown(doomed)
    (unsent,) = await heir.app.unsent("discord")
    await heir.app.resume(unsent, Seen(key="a b"))
    workspace = (await get(heir, left)).workspace_id
    found = await heir.database.read(lambda tx: exchanges.by_reply(tx, workspace, "b"))
    assert found is not None
    assert found.id == left


async def test_somebody_with_replies_in_several_messages_can_be_forgotten(heir: Theatre) -> None:
    hers = await heir.say("hello", who=ADA, seen=Seen(key="a b c"))
    his = await heir.say("hello", who=BOB, seen=Seen(key="d e f"))
    workspace = (await get(heir, his.exchange_id)).workspace_id
    assert (await heir.command("privacy delete", confirmed=True)).ok
    with pytest.raises(Missing):
        await get(heir, hers.exchange_id)
    for key in "abcdef":
        found = await heir.database.read(lambda tx, key=key: exchanges.by_reply(tx, workspace, key))
        assert (found.id if found else "") == ("" if key in "abc" else his.exchange_id)


async def test_somebody_can_be_forgotten_while_they_are_answered(heir: Theatre) -> None:
    heir.model.gate = gate = asyncio.Event()
    seen = Seen(key="a b c")
    speaking = asyncio.create_task(heir.say("hello", seen=seen))
    await heir.model.begun.wait()
    assert (await heir.command("privacy delete", confirmed=True)).ok
    gate.set()
    spoken = await speaking
    assert (spoken.status, seen.failed) == ("complete", None)
    with pytest.raises(Missing):
        await get(heir, spoken.exchange_id)
