"""Training runs: written before each step, claimed by one at a time, counted for the month."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from storage import clock, ids, people, run_history, runs
from storage.database import Database
from storage.errors import Duplicate, Missing
from storage.run_history import Loss, Told
from storage.runs import ENDED, LIVE, Illegal, LeaseLost, NewRun, Run, Totals, Tuned
from tests.stage import Stage, set_stage

LEASE = 120_000
START = 1_790_000_000_000
HOUR = 3_600_000


@dataclass
class Hands:
    """A clock that is set by hand."""

    now: int = START


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(lambda: made.now)
    yield made
    clock.use(None)


def new_run(stage: Stage, **other: Any) -> NewRun:
    made = NewRun(
        stage.workspace.id,
        stage.avatar.id,
        7,
        "openai",
        "sft",
        "small",
        ids.new_id(),
        {"epochs": 3, "seed": 42},
        {"training": 2.5},
        2.5,
        ({"split": "train", "rows": 12},),
        None,
        {"platform": "terminal", "channel": "here"},
    )
    return replace(made, **other)


async def made(database: Database, stage: Stage, **other: Any) -> Run:
    return await database.write(lambda tx: runs.create(tx, new_run(stage, **other)))


async def change(database: Database, run: Run, holder: str | None = None, **changes: Any) -> Run:
    return await database.write(lambda tx: runs.changed(tx, run.id, holder=holder, **changes))


async def claimed(database: Database, hands: Hands, holder: str, limit: int = 10) -> list[int]:
    found = await database.write(
        lambda tx: runs.claim(tx, hands.now, holder, host="here", lease_ms=LEASE, limit=limit)
    )
    return [run.number for run in found]


async def test_a_run_is_prepared_due_and_found(database: Database, hands: Hands) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    first, second = await made(database, stage), await made(database, stage)
    assert second.number == first.number + 1
    assert (first.state, first.next_at, first.place["channel"]) == ("prepared", START, "here")
    assert (first.hyperparameters, first.files[0]["rows"]) == ({"epochs": 3, "seed": 42}, 12)
    here, number = stage.workspace.id, first.number
    assert await database.read(lambda tx: runs.listed(tx, here)) == [second, first]
    assert await database.read(lambda tx: runs.unended(tx, here)) == [first, second]
    assert await database.read(lambda tx: runs.numbered(tx, here, number)) == first
    assert await database.read(lambda tx: runs.by_key(tx, first.key)) == first
    assert await database.read(lambda tx: runs.by_key(tx, "no such key")) is None
    with pytest.raises(Missing):
        await database.read(lambda tx: runs.numbered(tx, other.workspace.id, number))
    with pytest.raises(Duplicate):
        await made(database, stage, key=first.key)


async def test_a_run_goes_forwards_only(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    run = await made(database, stage)
    for wrong in ("creating", "running", "succeeded"):
        with pytest.raises(Illegal):
            await change(database, run, state=wrong)
    for state in ("uploading", "uploading", "creating", "queued", "running", "paused", "running"):
        hands.now += 1
        run = await change(database, run, state=state, done=0.5)
        assert (run.state, run.updated_at, run.ended_at) == (state, hands.now, None)
    run = await change(database, run, state="succeeded", checkpoints=[{"model": "m", "step": 3}])
    assert (run.ended, run.ended_at) == (True, hands.now)
    hands.now += 1
    run = await change(database, run, message="posted", uploaded=[])
    assert (run.message, run.ended_at) == ("posted", hands.now - 1)
    for wrong in sorted((LIVE | ENDED) - {"succeeded"}):
        with pytest.raises(Illegal):
            await change(database, run, state=wrong)
    with pytest.raises(Missing):
        await database.write(lambda tx: runs.changed(tx, "no such run", done=1.0))


async def test_a_due_run_is_in_one_pair_of_hands(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    run, later = await made(database, stage), await made(database, stage)
    resting = await made(database, stage)
    await change(database, later, next_at=hands.now + HOUR)
    await change(database, resting, next_at=None)
    assert await database.read(runs.busy) == {run.number, later.number}
    assert await claimed(database, hands, "a") == [run.number]
    assert await claimed(database, hands, "b") == []
    assert (await change(database, run, "a", state="uploading")).state == "uploading"
    with pytest.raises(LeaseLost):
        await change(database, run, "b", state="creating")
    await database.write(lambda tx: runs.release_lease(tx, run.id, "b"))
    assert await claimed(database, hands, "b") == []
    await database.write(lambda tx: runs.release_lease(tx, run.id, "a"))
    assert await claimed(database, hands, "b") == [run.number]
    hands.now += LEASE + 1
    assert await database.write(lambda tx: runs.renew(tx, run.id, "b", hands.now + LEASE))
    assert await claimed(database, hands, "a") == []
    hands.now += LEASE + 1
    assert await claimed(database, hands, "a") == [run.number]
    assert not await database.write(lambda tx: runs.renew(tx, run.id, "b", hands.now + LEASE))
    with pytest.raises(LeaseLost):
        await change(database, run, "b", state="creating")


async def test_a_wish_that_came_meanwhile_stays_and_is_due(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    run = await made(database, stage)
    assert await claimed(database, hands, "a") == [run.number]
    await change(database, run, wanted="cancel")
    later = hands.now + HOUR
    run = await change(database, run, "a", knew="", wanted="", next_at=later, said="queued")
    assert (run.wanted, run.next_at, run.said) == ("cancel", hands.now, "queued")
    run = await change(database, run, "a", knew="cancel", wanted="", next_at=later)
    assert (run.wanted, run.next_at) == ("", later)


async def test_one_run_is_claimed_by_its_id_unless_it_is_held_or_done(
    database: Database, hands: Hands
) -> None:
    stage = await set_stage(database)
    run = await made(database, stage)
    await change(database, run, next_at=hands.now + HOUR)

    async def one(holder: str) -> Run | None:
        return await database.write(
            lambda tx: runs.claim_one(tx, run.id, hands.now, holder, host="here", lease_ms=LEASE)
        )

    taken = await one("a")
    assert taken is not None
    assert (taken.lease_by, taken.lease_until) == ("a", hands.now + LEASE)
    assert await one("b") is None
    await change(database, run, "a", next_at=None)
    await database.write(lambda tx: runs.release_lease(tx, run.id, "a"))
    assert await one("a") is None


async def test_a_clock_that_goes_back_holds_nothing_up(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    waiting, held = await made(database, stage), await made(database, stage)
    await change(database, waiting, next_at=hands.now + HOUR)
    assert await claimed(database, hands, "gone") == [held.number]
    hands.now -= 30_000
    assert await claimed(database, hands, "a") == []
    hands.now -= 24 * HOUR
    assert sorted(await claimed(database, hands, "a")) == [waiting.number, held.number]
    await change(database, waiting, "a", next_at=hands.now + HOUR)
    for run in (waiting, held):
        await database.write(lambda tx, run=run: runs.release_lease(tx, run.id, "a"))
    await change(database, held, next_at=None)
    assert await claimed(database, hands, "a") == []


async def test_whoever_does_not_live_to_take_a_step_leaves_the_run_due(
    database: Database, hands: Hands
) -> None:
    """Also after the clock went back, when it is not due by its time."""
    stage = await set_stage(database)
    run = await made(database, stage)
    await change(database, run, next_at=hands.now + HOUR)
    hands.now -= 24 * HOUR
    assert await claimed(database, hands, "gone") == [run.number]
    hands.now += LEASE + 1
    assert await claimed(database, hands, "a") == [run.number]
    await change(database, run, "a", next_at=hands.now + HOUR)
    hands.now += LEASE + 1
    assert await claimed(database, hands, "b") == []


async def test_many_who_claim_at_once_share_the_runs(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    every = [(await made(database, stage)).number for _ in range(8)]
    other = await Database.open(database.url)
    try:
        places = [database, other] * 3
        found = await asyncio.gather(
            *(claimed(place, hands, f"holder-{at}", 3) for at, place in enumerate(places))
        )
    finally:
        await other.close()
    assert sorted(number for some in found for number in some) == every


async def test_a_vendor_with_many_runs_leaves_room_for_others(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    busy = [(await made(database, stage)).number for _ in range(6)]
    hands.now += 1
    other = await made(database, stage, vendor="embedded")

    async def taken(limit: int, in_hand: dict[str, int]) -> list[int]:
        found = await database.write(
            lambda tx: runs.claim(
                tx, hands.now, "a", host="here", lease_ms=LEASE, limit=limit, of_a_vendor=4, in_hand=in_hand
            )
        )
        return [run.number for run in found]

    assert await taken(3, {"openai": 2}) == [*busy[:2], other.number]
    assert await taken(9, {"openai": 4}) == []
    assert await taken(9, {"openai": 1, "embedded": 1}) == busy[2:5]
    assert await taken(9, {}) == busy[5:]


async def test_a_month_counts_what_came_to_a_job(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    here = stage.workspace.id
    assert await database.read(lambda tx: runs.totals(tx, here, START)) == Totals(0, 0.0, 0)

    async def ended(job: str, state: str, expected: float | None, cost: float | None) -> None:
        run = await made(database, stage, expected=expected)
        if state == "failed" and cost == 0:
            await change(database, run, state=state, cost=cost)
            return
        await change(database, run, state="uploading")
        await change(database, run, state="creating")
        await change(database, run, state=state, job_id=job, cost=cost)

    hands.now -= 1
    await ended("long ago", "succeeded", 9.0, 9.0)
    hands.now += 1
    await ended("a", "succeeded", 4.0, 1.0)
    await ended("b", "running", 4.0, 0.5)
    await ended("c", "running", 1.0, 2.0)
    await ended("d", "cancelled", None, None)
    await ended("e", "running", None, 0.25)
    await ended("", "failed", 100.0, 0.0)
    assert await database.read(lambda tx: runs.totals(tx, here, START)) == Totals(
        5, 1.0 + 4.0 + 2.0 + 0.25, 1
    )
    await ended("", "failed", 8.0, None)  # nobody found out whether there is a job, so it may have to be paid
    assert await database.read(lambda tx: runs.totals(tx, here, START)) == Totals(6, 7.25 + 8.0, 1)


async def test_models_are_what_runs_that_are_over_have_left(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    well, given_up, empty, going = [await made(database, stage) for _ in range(4)]
    for each in (well, given_up, empty, going):
        await change(database, each, state="uploading")
        await change(database, each, state="creating")
    points = [{"model": "m:1", "step": 10, "loss": 0.5}, {"model": "n:1", "step": 20, "loss": 0.4}]
    await change(database, well, state="succeeded", model="m", checkpoints=points[:1])
    await change(database, given_up, state="cancelled", checkpoints=points[1:])
    await change(database, empty, state="failed")
    await change(database, going, state="running", checkpoints=[{"model": "o:1", "step": 1, "loss": None}])
    of = (7, stage.avatar.id, "openai", "small")
    assert await database.read(lambda tx: runs.models(tx, stage.workspace.id)) == [
        Tuned(given_up.id, given_up.number, *of, "n:1", 20, START, 0),
        Tuned(well.id, well.number, *of, "m", None, START, 0),
        Tuned(well.id, well.number, *of, "m:1", 10, START, 0),
    ]


async def test_what_was_told_is_kept_once_and_in_order(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    run = await made(database, stage)
    told = [Told("z", 5, "info", "queued"), Told("a", 5, "warning", "slow")]
    assert await database.write(lambda tx: run_history.add_events(tx, run.id, told)) == 2
    more = [*told, Told("b", 4, "error", "broken")]
    assert await database.write(lambda tx: run_history.add_events(tx, run.id, more)) == 1
    assert await database.read(lambda tx: run_history.events(tx, run.id)) == more
    assert await database.read(lambda tx: run_history.events(tx, run.id, limit=1)) == more[2:]
    first = [Loss("train", 1, 2.0, None, None), Loss("validation", 1, 2.5, 0.25, 0.5)]
    await database.write(lambda tx: run_history.add_points(tx, run.id, first))
    again = [Loss("train", 2, 1.0, 0.5, 1.0), Loss("train", 1, 1.5, None, None)]
    await database.write(lambda tx: run_history.add_points(tx, run.id, again))
    found = await database.read(lambda tx: run_history.points(tx, run.id))
    assert found == [again[1], again[0], first[1]]


async def test_a_run_stays_when_its_person_is_forgotten(database: Database, hands: Hands) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    run = await made(database, stage, person_id=ann.id)
    await database.write(lambda tx: people.forget(tx, ann.id))
    assert (await database.read(lambda tx: runs.get(tx, run.id))).person_id is None
