"""Preferences, the audit, the holders, and the figures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from storage import audit, clock, examples, exchanges, holders, preferences, ratings, statistics
from storage.database import Database, Tx
from storage.examples import NewExample
from storage.exchanges import Completion, Pending
from storage.people import Author
from storage.preferences import NewPreference
from storage.ratings import MarkEvent
from tests.stage import Stage, set_stage


def choice(stage: Stage, person_id: str, key: str = "k", exchange_id: str | None = None) -> NewPreference:
    return NewPreference(
        stage.workspace.id,
        stage.avatar.id,
        (("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")),
        "Because.",
        "No idea.",
        (Author(person_id, 3),),
        "better",
        key,
        exchange_id,
    )


async def test_a_preference_is_put_once_and_brought_up_to_date(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    new = choice(stage, ann.id)
    assert await database.write(lambda tx: preferences.put(tx, new))
    later = replace(choice(stage, bob.id), chosen="Because I say so.")
    assert not await database.write(lambda tx: preferences.put(tx, later))
    assert await database.write(lambda tx: preferences.put(tx, choice(stage, ann.id, "another")))
    other, found = await database.read(lambda tx: preferences.listed(tx, stage.avatar.id, 10))
    assert (found.context, found.chosen, found.rejected) == (new.context, "Because I say so.", "No idea.")
    assert (found.source, found.source_key, other.source_key) == ("better", "k", "another")
    assert await database.read(lambda tx: preferences.count(tx, stage.avatar.id)) == 2
    assert await database.read(lambda tx: examples.authors(tx, found.id)) == [Author(bob.id, 3)]


async def test_preferences_go_by_their_key_or_with_their_exchange(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    for key, exchange_id in (("a", None), ("b", "x"), ("c", "x"), ("d", "y")):
        new = choice(stage, ann.id, key, exchange_id)
        await database.write(lambda tx, new=new: preferences.put(tx, new))
    assert await database.write(lambda tx: preferences.remove(tx, stage.avatar.id, "better", "a"))
    assert not await database.write(lambda tx: preferences.remove(tx, stage.avatar.id, "better", "a"))
    assert await database.write(lambda tx: preferences.remove_of_exchange(tx, "x")) == 2
    left = await database.read(lambda tx: preferences.listed(tx, stage.avatar.id, 10))
    assert [each.source_key for each in left] == ["d"]


async def test_the_audit_says_who_did_what(database: Database) -> None:
    stage, elsewhere = await set_stage(database), await set_stage(database)
    id_ = stage.workspace.id

    def job(tx: Tx) -> None:
        audit.write(tx, id_, "import", person_id="ann", target="file", detail={"lines": 3, "kind": b"odd"})
        audit.write(tx, id_, "launch", allowed=False)
        audit.write(tx, elsewhere.workspace.id, "else")

    await database.write(job)
    launch, begun = await database.read(lambda tx: audit.listed(tx, id_, 10))
    assert (launch.action, launch.person_id, launch.allowed, launch.detail) == ("launch", None, False, {})
    assert (begun.action, begun.person_id, begun.target, begun.allowed) == ("import", "ann", "file", True)
    assert begun.detail == {"lines": 3, "kind": "b'odd'"}
    assert await database.read(lambda tx: audit.listed(tx, id_, 1)) == [launch]


async def test_holders_come_beat_and_go(database: Database) -> None:
    me = holders.this_process()
    assert (me.pid, me.id) != (0, holders.this_process().id)
    await database.write(lambda tx: holders.beat(tx, me, 5))
    await database.write(lambda tx: holders.beat(tx, me, 9))
    assert await database.read(holders.listed) == [replace(me, until=9)]
    await database.write(lambda tx: holders.drop(tx, me.id))
    assert await database.read(holders.listed) == []


def test_a_process_of_this_host_is_alive_while_it_runs() -> None:
    me = holders.this_process()
    assert me.pid == os.getpid()
    assert me.started
    assert holders.alive(me, now=10**15)  # its last word does not matter
    assert not holders.alive(replace(me, started="another life of that number"), now=0)


def test_a_process_that_ended_is_not() -> None:
    script = "from storage import holders; me = holders.this_process(); print(me.pid, me.started, me.host, sep='|')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    pid, started, host = done.stdout.strip().split("|")
    me = holders.this_process()
    assert host == me.host
    assert not holders.alive(replace(me, pid=int(pid), started=started, until=10**15), now=0)


def test_a_process_of_another_host_is_believed_until_then() -> None:
    there = replace(holders.this_process(), host="elsewhere", until=100)
    assert holders.alive(there, now=100)
    assert not holders.alive(there, now=101)


async def test_figures_of_nothing(database: Database) -> None:
    stage = await set_stage(database)
    found = await database.read(lambda tx: statistics.stats(tx, stage.workspace.id))
    assert (found.exchanges, found.people, found.tokens_in, found.cost) == (0, 0, 0, None)
    assert (found.mean_stars, found.known_share, found.median_latency_ms) == (None, None, None)


async def test_figures(database: Database) -> None:
    stage, elsewhere = await set_stage(database), await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    talk = await stage.conversation()
    await elsewhere.exchange(await elsewhere.conversation(), await elsewhere.person("Ann"), "x", "x")

    async def said(number: int, person_id: str, **changes: object) -> str:
        origin = str(changes.pop("origin", "chat"))
        pending = Pending(
            f"{stage.workspace.id}-{number}",
            stage.workspace.id,
            talk.id,
            stage.avatar.id,
            person_id,
            f"{number}",
            "q",
            "",
            "",
            created_at=number,
            origin=origin,
        )
        done = Completion(
            pending.id,
            "complete",
            "r",
            "v",
            "m",
            None,
            None,
            (),
            (),
            10,
            20,
            0.25,
            1,
            number,
            "",
            True,
            number,
        )
        done = replace(done, **changes)  # type: ignore[arg-type]
        await database.write(lambda tx: (exchanges.begin(tx, pending), exchanges.complete(tx, done)))
        return pending.id

    first = await said(1, ann.id)
    await said(2, ann.id, known=False)
    second = await said(3, bob.id, status="failed", cost=None)
    await said(4, bob.id, origin="import")
    for exchange_id, person, stars in ((first, ann, 5), (first, bob, 2), (second, ann, 2)):
        event = MarkEvent("test", clock.now(), stars)
        await database.write(
            lambda tx, e=exchange_id, p=person.id, m=event: (
                ratings.apply(tx, e, p, m),
                ratings.requality(tx, e),
            )
        )
    for status in ("approved", "approved", "proposed", "rejected"):
        new = NewExample(stage.workspace.id, stage.avatar.id, "q", "a", (), status=status)
        await database.write(lambda tx, new=new: examples.put(tx, new))

    found = await database.read(lambda tx: statistics.stats(tx, stage.workspace.id, stage.avatar.id))
    assert (found.exchanges, found.people, found.failed, found.rated) == (3, 2, 1, 2)
    assert found.mean_stars == 3.0
    assert found.known_share == 0.5
    assert (found.tokens_in, found.tokens_out, found.cost) == (30, 60, 0.5)
    assert (found.examples_approved, found.examples_proposed, found.median_latency_ms) == (2, 1, 2)
    late = await database.read(lambda tx: statistics.stats(tx, stage.workspace.id, since=3))
    assert (late.exchanges, late.people, late.rated) == (1, 1, 1)
