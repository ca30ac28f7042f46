"""A training run goes its way whatever the vendor, the clock or another replica does; there is never a second job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from adapters.platforms.base import UserError
from adapters.vendors.base import BadRequest, Denied, RateLimited, Unavailable, VendorError
from adapters.vendors.tuning import Checkpoint, Hyperparameters, Point
from storage import clock, people
from storage.database import Database
from storage.runs import Run
from tests.training.runs_stage import (
    BASE,
    HOUR,
    MINUTE,
    START,
    Hands,
    Slip,
    Vendor,
    World,
    silent,
    world,
)
from training.desk import OUTAGE
from training.runs import OF_A_VENDOR, RunLimits, Runs

DOWN = Unavailable("vendor is down", vendor="vendor")
BROKEN = Unavailable("vendor answered 500", vendor="vendor")
FAST = RateLimited("vendor is asked too often", vendor="vendor", retry_after=900)


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
async def here(database: Database, tmp_path: Path, hands: Hands) -> AsyncIterator[World]:
    made = await world(database, tmp_path, hands)
    yield made
    for runs in made.made:
        await runs.close()


def seen_by(runs: Runs) -> list[tuple[str, str]]:
    """The states that an observer is told of, each with the one before."""
    told: list[tuple[str, str]] = []

    async def observe(run: Run, before: Run | None) -> None:
        told.append((before.state if before else "", run.state))

    runs.on_change(observe)
    return told


async def messages(runs: Runs, run: Run) -> list[str]:
    return [event.message for event in (await runs.history(run))[0]]


# -- the way


async def test_a_run_goes_from_an_order_to_a_model(here: World) -> None:
    runs = here.runs()
    told = seen_by(runs)
    run = await runs.prepare(here.order(hyperparameters=Hyperparameters(epochs=2)), silent)
    assert (run.state, run.base_model, run.expected) == ("prepared", BASE, run.estimate["training"])
    run = await runs.advance(run)
    assert (run.state, run.job_id) == ("queued", "job-0")
    (plan,) = here.far.plans
    assert (plan.key, plan.name, plan.hyperparameters.epochs) == (run.key, f"counsel-1-{run.number}", 2)
    assert {file.split: file.rows for file in here.far.files.values()} == {"train": 20, "validation": 3}
    here.far.move("running", done=0.25, ends_at=START + HOUR, memory_bytes=3 << 30)
    here.far.tell("begun")
    here.far.losses.append(Point(1, "train", 2.0))
    run = await here.after(runs, run, MINUTE)
    assert (run.state, run.done, run.ends_at, run.seen) == ("running", 0.25, START + HOUR, "e0")
    assert run.memory_bytes == 3 << 30
    here.far.losses.append(Point(2, "train", 1.0, 0.5, 1.0))
    here.far.move("succeeded", trained_tokens=1_000_000, checkpoints=(Checkpoint("ck", 1, 2.0),))
    run = await here.rest(runs, run)
    assert (run.state, run.model, run.cost, run.done) == ("succeeded", "tuned-job-0", 10.0, 1.0)
    assert [(each.model, each.step) for each in await runs.models(here.workspace_id)] == [
        ("tuned-job-0", None),
        ("ck", 1),
    ]
    assert not here.far.files
    assert not list(here.folder.iterdir())
    events, points = await runs.history(run)
    assert "begun" in [event.message for event in events]
    assert [point.loss for point in points] == [2.0, 1.0]
    states = list(dict.fromkeys(after for _, after in told))
    assert states == ["prepared", "uploading", "creating", "queued", "running", "succeeded"]
    assert run.told == "succeeded"
    assert (await runs.totals(here.workspace_id)).spend == 10.0


async def test_a_click_that_comes_twice_is_one_run(here: World) -> None:
    runs, other = here.runs(), here.runs()
    order = here.order(once="click 7")
    first, second = await asyncio.gather(runs.prepare(order, silent), other.prepare(order, silent))
    assert first.id == second.id
    assert (await runs.prepare(order, silent)).id == first.id
    await runs.advance(first)
    assert len(here.far.plans) == 1


async def test_a_dry_run_leaves_nothing(here: World) -> None:
    runs = here.runs()
    draft = await runs.check(here.order(), silent)
    assert (draft.base_model.name, draft.estimate.seconds, draft.refusals) == (BASE, 90.0, ())
    assert draft.estimate.training is not None
    assert [file.rows for file in draft.files] == [20, 3]
    assert await runs.listed(here.workspace_id) == []
    assert not list(here.folder.iterdir())
    assert not here.far.calls


async def test_an_observer_that_fails_is_told_again(here: World) -> None:
    runs = here.runs()
    told: list[str] = []
    broken = True

    async def observe(run: Run, before: Run | None) -> None:
        if broken:
            raise RuntimeError("the chat is down")
        told.append(run.state)

    runs.on_change(observe)
    run = await here.launched(runs)
    here.far.move("succeeded")
    run = await here.after(runs, run, MINUTE)
    assert (run.state, run.told, told) == ("succeeded", "", [])
    broken = False
    run = await here.rest(runs, run)
    assert (run.told, told[-1]) == ("succeeded", "succeeded")


# -- creation in doubt


@pytest.mark.parametrize("after", [False, True], ids=["not created", "created"])
@pytest.mark.parametrize("error", [DOWN, BROKEN, "hang"], ids=["cut", "500", "hang"])
async def test_a_creation_in_doubt_is_looked_for_before_another(
    here: World, error: VendorError, after: bool
) -> None:
    runs = here.runs(call_seconds=0.05)
    here.far.slip("create", error, after=after)
    run = await runs.advance(await runs.prepare(here.order(), silent))
    assert (run.state, run.failures) == ("creating", 1)
    assert run.trouble
    for _ in range(3):
        run = await here.after(runs, run, 2 * MINUTE)
    assert (run.state, run.job_id, run.trouble) == ("queued", "job-0", "")
    assert len(here.far.plans) == 1
    assert here.far.calls["create"] == (1 if after else 2)


async def test_a_creation_that_stays_in_doubt_may_have_to_be_paid(here: World) -> None:
    runs = here.runs()
    here.far.slip("create", DOWN, after=True)
    run = await runs.advance(await runs.prepare(here.order(), silent))
    here.far.slips["find"] = [Slip(DOWN)] * 400
    for _ in range(200):
        run = await here.after(runs, run, HOUR)
        if run.ended:
            break
    assert (run.state, run.job_id, run.cost) == ("failed", "", None)
    assert f"Look there for one with the key {run.key}" in run.error
    assert (await runs.totals(here.workspace_id)).spend == run.expected


async def test_a_creation_that_is_refused_is_the_end(here: World) -> None:
    runs = here.runs()
    here.far.slip("create", Denied("vendor takes no new jobs: use another", vendor="vendor"))
    run = await here.rest(runs, await runs.prepare(here.order(), silent))
    assert (run.state, run.error) == ("failed", "vendor takes no new jobs: use another")
    assert run.cost == 0.0, "there is nothing to pay for"
    assert not here.far.files
    assert (await runs.totals(here.workspace_id)).runs == 0


async def test_words_that_are_taken_back_before_the_job_stop_it(here: World) -> None:
    runs = here.runs()
    here.far.slip("upload", DOWN, after=True)
    run = await runs.advance(await runs.prepare(here.order(), silent))
    assert here.far.files, "they are there, though nobody was told"
    await here.database.write(lambda tx: people.withdraw_consent(tx, here.person_id, at=here.clock.now))
    run = await here.rest(runs, run)
    assert (run.state, run.cost) == ("failed", 0.0)
    assert "no longer agree" in run.error
    assert not here.far.files
    assert not here.far.plans


# -- polling in trouble


async def test_polls_grow_rarer_while_nothing_changes(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    waits: list[int] = []
    for _ in range(12):
        assert run.next_at is not None
        waits.append(run.next_at - here.clock.now)
        run = await here.after(runs, run, waits[-1])
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (45_000, 600_000)
    here.far.move("running")
    run = await here.after(runs, run, 600_000)
    assert run.next_at == here.clock.now + 30_000


async def test_a_storm_of_ticks_polls_no_more_than_is_due(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    before = here.far.calls["poll"]
    here.clock.now += MINUTE
    await asyncio.gather(*(runs.tick() for _ in range(20)))
    await runs.tick()
    assert here.far.calls["poll"] == before + 1
    assert (await runs.get(run.id)).lease_by == ""


async def test_what_is_free_is_asked_soon_at_first(here: World) -> None:
    here.far.free = True
    runs = here.runs()
    run = await here.launched(runs)
    waits: list[int] = []
    for share in range(12):
        assert run.next_at is not None
        waits.append(run.next_at - here.clock.now)
        here.far.move("running", done=share / 12)
        run = await here.after(runs, run, waits[-1])
    assert waits[:4] == [2_000, 3_000, 4_500, 6_750]
    assert waits == sorted(waits)
    assert waits[-1] == 30_000, "and then like every other"
    run = await here.after(runs, await runs.wish(run, "cancel"), 0)
    assert run.state == "cancelled"


async def test_what_is_free_and_does_not_change_is_left_in_peace(here: World) -> None:
    here.far.free = True
    runs = here.runs()
    run = await here.launched(runs)
    wait = 0
    for _ in range(30):
        assert run.next_at is not None
        wait = run.next_at - here.clock.now
        run = await here.after(runs, run, wait)
    assert wait == 600_000


async def test_a_storm_of_runs_is_polled_once_each_and_few_at_a_time(here: World) -> None:
    here.limits = RunLimits(concurrent=100, runs_per_month=100, spend_per_month=1e6)
    runs = here.runs()
    made = [
        await here.launched(runs, hyperparameters=Hyperparameters(epochs=epochs)) for epochs in range(1, 41)
    ]
    here.clock.now += HOUR
    here.far.crowd, before = 0, here.far.calls["poll"]
    assert await runs.tick() == len(made)
    assert here.far.calls["poll"] == before + len(made)
    assert 1 < here.far.crowd <= OF_A_VENDOR
    assert await runs.tick() == 0


async def test_a_vendor_that_hangs_leaves_room_for_the_others(here: World) -> None:
    here.limits = RunLimits(concurrent=100, runs_per_month=100, spend_per_month=1e6)
    here.others = {"quick": Vendor("quick")}
    runs = here.runs()
    for epochs in range(1, OF_A_VENDOR + 10):
        await here.launched(runs, hyperparameters=Hyperparameters(epochs=epochs))
    quick = await here.launched(runs, vendor="quick")
    here.clock.now += HOUR
    here.far.slips["poll"] = [Slip("hang")] * (OF_A_VENDOR + 10)
    here.others["quick"].polled.clear()
    tick = asyncio.create_task(runs.tick())
    await here.far.hung.wait()
    await here.others["quick"].polled.wait()
    assert here.far.inside <= OF_A_VENDOR
    await runs.close()
    assert await tick == OF_A_VENDOR + 1
    assert (await runs.get(quick.id)).lease_by == ""


async def test_429_is_waited_for_as_long_as_it_says(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.slip("poll", FAST)
    run = await here.after(runs, run, MINUTE)
    assert (run.failures, run.trouble) == (1, str(FAST))
    assert run.next_at is not None
    assert 900_000 <= run.next_at - here.clock.now <= 1_000_000
    run = await here.after(runs, run, 1_000_000)
    assert (run.failures, run.trouble, run.state) == (0, "", "queued")


async def test_an_outage_is_told_once_and_survived(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("running")
    told = seen_by(runs)
    for _ in range(40):
        here.far.slip("poll", BROKEN)
        run = await here.after(runs, run, HOUR * 5)
    assert (run.state, run.failures, run.error) == ("queued", 40, "")
    assert len(told) == 1
    assert sum("it is tried again" in each for each in await messages(runs, run)) == 1
    assert run.failures >= OUTAGE
    run = await here.after(runs, run, HOUR)
    assert (run.state, run.failures) == ("running", 0)
    assert (await messages(runs, run))[-1] == "vendor answers again."


async def test_a_vendor_that_hangs_holds_up_one_poll(here: World) -> None:
    runs = here.runs(call_seconds=0.05)
    run = await here.launched(runs)
    here.far.slip("poll", "hang")
    run = await here.after(runs, run, MINUTE)
    assert (run.state, run.trouble) == ("queued", "vendor did not answer in time")
    here.far.move("running")
    run = await here.after(runs, run, MINUTE * 5)
    assert (run.state, run.trouble) == ("running", "")


async def test_a_step_that_takes_long_holds_up_no_other_run(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.slip("poll", "hang")
    here.clock.now += MINUTE
    tick = asyncio.create_task(runs.tick())
    await here.far.hung.wait()
    other = await here.launched(runs, hyperparameters=Hyperparameters(epochs=1))
    assert (other.state, (await runs.get(run.id)).lease_by != "") == ("queued", True)
    await runs.close()
    assert await tick == 1
    assert (await runs.get(run.id)).lease_by == ""


async def test_a_word_that_nobody_knows_is_no_end(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("running", "defragmenting")
    run = await here.after(runs, run, MINUTE)
    assert (run.state, run.said) == ("running", "defragmenting")
    here.far.move("succeeded")
    assert (await here.rest(runs, run)).state == "succeeded"


async def test_a_paused_job_waits_for_as_long_as_it_is_held(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("paused")
    for _ in range(200):
        run = await here.after(runs, run, HOUR)
    assert (run.state, run.idle_ms, run.error) == ("paused", 0, "")
    assert here.far.calls["cancel"] == 0
    here.far.move("running")
    assert (await here.after(runs, run, HOUR)).state == "running"


async def test_a_job_that_vanishes_is_looked_for_and_then_given_up(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("running", done=0.5)
    run = await here.after(runs, run, MINUTE)
    here.far.jobs.clear()
    run = await here.after(runs, run, HOUR)
    assert (run.state, run.looked) == ("running", 1)
    run = await here.rest(runs, run)
    assert run.state == "failed"
    assert run.error.startswith("vendor does not know the job job-0 any more")
    assert here.far.calls["find"] == 3
    assert len(here.far.plans) == 1


async def test_a_job_that_has_another_name_now_is_found_by_its_key(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    job = here.far.jobs.pop("job-0")
    here.far.jobs["moved"], here.far.keys["moved"] = replace(job, id="moved", status="running"), run.key
    run = await here.after(runs, run, HOUR)
    assert (run.state, run.job_id) == ("running", "moved")


async def test_a_stuck_run_is_cancelled_and_says_why(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("running", done=0.5)
    for _ in range(72 * 2 + 20):
        run = await here.after(runs, run, HOUR // 2)
        if run.ended:
            break
    assert run.state == "failed"
    assert run.error == "Nothing changed at vendor for 72 hours (it says 'running'), so it was ended."
    assert here.far.jobs["job-0"].status == "cancelled"
    passed = (run.ended_at or 0) - run.created_at
    assert 72 * HOUR < passed < 75 * HOUR
    assert run.cost == pytest.approx((run.expected or 0) / 2)


async def test_a_stuck_run_that_cannot_be_cancelled_fails_all_the_same(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    for _ in range(200):
        here.far.slips["cancel"] = []
        here.far.slip("cancel", BadRequest("vendor cannot cancel", vendor="vendor"))
        run = await here.after(runs, run, HOUR // 2)
        if run.ended:
            break
    assert run.state == "failed"
    assert run.error.endswith("so it was ended. vendor cannot cancel")


async def test_a_clock_that_jumps_forwards_ends_nothing(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    run = await here.after(runs, run, 30 * 24 * HOUR)
    assert (run.state, run.error) == ("queued", "")
    here.far.move("succeeded")
    assert (await here.rest(runs, run)).state == "succeeded"


async def test_a_clock_that_jumps_back_keeps_nobody_waiting(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("running")
    run = await here.after(runs, run, -30 * 24 * HOUR)
    assert run.state == "running"
    assert run.next_at is not None
    assert run.next_at <= here.clock.now + HOUR
    here.far.move("succeeded")
    assert (await here.after(runs, run, HOUR)).state == "succeeded"


async def test_two_replicas_poll_each_run_once(here: World) -> None:
    here.limits = RunLimits(concurrent=8)
    other = await Database.open(here.database.url)
    try:
        first, second = here.runs(), here.runs(other)
        made = [
            await here.launched(first, hyperparameters=Hyperparameters(epochs=epochs))
            for epochs in range(1, 7)
        ]
        for _ in range(5):
            before = here.far.calls["poll"]
            here.clock.now += HOUR
            await asyncio.gather(first.tick(), second.tick(), first.tick(), second.tick())
            assert here.far.calls["poll"] == before + len(made)
        assert len(here.far.plans) == len(made)
    finally:
        await other.close()


async def test_two_replicas_launch_a_run_once(here: World) -> None:
    other = await Database.open(here.database.url)
    try:
        first, second = here.runs(), here.runs(other)
        run = await first.prepare(here.order(), silent)
        await asyncio.gather(first.tick(), second.tick(), first.advance(run), second.advance(run))
        assert (await first.get(run.id)).state == "queued"
        assert (len(here.far.plans), here.far.calls["create"]) == (1, 1)
    finally:
        await other.close()


async def test_whoever_wakes_up_late_pays_for_no_second_job(here: World) -> None:
    """A process that slept through its lease comes back with a job when another one has made one."""
    slow, quick = here.runs(), here.runs()
    here.far.slip("create", "late")
    run = await slow.prepare(here.order(), silent)
    late = asyncio.create_task(slow.tick())
    await here.far.hung.wait()
    for _ in range(6):
        run = await here.after(quick, run, 3 * MINUTE)
    assert (run.state, run.job_id) == ("queued", "job-0")
    here.far.released.set()
    await late
    assert {id: job.status for id, job in here.far.jobs.items()} == {"job-0": "queued", "job-1": "cancelled"}
    assert (await quick.get(run.id)).job_id == "job-0"


# -- wishes


async def test_a_wish_is_carried_out_and_confirmed_by_the_vendor(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("running")
    run = await here.after(runs, run, MINUTE)
    run = await runs.wish(run, "pause")
    assert (run.state, run.wanted) == ("running", "pause")
    run = await here.after(runs, run, 0)
    assert (run.state, run.wanted) == ("paused", "")
    run = await here.after(runs, await runs.wish(run, "resume"), 0)
    assert (run.state, run.wanted) == ("running", "")
    here.far.slip("cancel", DOWN)
    run = await here.after(runs, await runs.wish(run, "cancel"), 0)
    assert (run.state, run.wanted) == ("running", "cancel")
    run = await here.rest(runs, run)
    assert (run.state, run.wanted, run.error) == ("cancelled", "", "")
    with pytest.raises(UserError, match="has ended: it was cancelled"):
        await runs.wish(run, "cancel")


async def test_a_run_of_a_vendor_that_is_gone_for_good_can_be_got_rid_of(here: World) -> None:
    runs = here.runs()
    run = await runs.wish(await here.launched(runs), "cancel")
    here.far.slips["cancel"] = [Slip(DOWN)] * 400
    here.far.slips["delete_file"] = [Slip(DOWN)] * 400
    for _ in range(200):
        run = await here.after(runs, run, HOUR)
        if run.next_at is None:
            break
    assert (run.state, run.next_at) == ("failed", None)
    assert run.error.startswith("vendor could not be told to cancel the job job-0: vendor is down.")
    assert 72 * HOUR < (run.ended_at or 0) - run.created_at < 160 * HOUR


async def test_a_run_is_cancelled_before_it_has_a_job(here: World) -> None:
    runs = here.runs()
    run = await runs.prepare(here.order(), silent)
    with pytest.raises(UserError, match="has not begun"):
        await runs.wish(run, "pause")
    run = await here.rest(runs, await runs.wish(run, "cancel"))
    assert (run.state, run.cost, here.far.plans) == ("cancelled", 0.0, [])


@pytest.mark.parametrize("error", [DOWN, "hang"], ids=["cut", "hang"])
async def test_a_run_that_is_cancelled_leaves_no_file_of_which_nobody_was_told(
    here: World, error: VendorError | Literal["hang"]
) -> None:
    runs, other = here.runs(), here.runs()
    here.far.slip("upload", error, after=True)
    run = await runs.prepare(here.order(), silent)
    tick = asyncio.create_task(runs.tick())
    if error == "hang":
        await here.far.hung.wait()
        await runs.close()
    await tick
    assert here.far.files
    run = await here.rest(other, await other.wish(run, "cancel"))
    assert (run.state, run.uploaded, here.far.plans) == ("cancelled", [], [])
    assert not here.far.files


@pytest.mark.parametrize("after", [False, True], ids=["not created", "created"])
async def test_a_run_is_cancelled_while_its_creation_is_in_doubt(here: World, after: bool) -> None:
    runs = here.runs()
    here.far.slip("create", DOWN, after=after)
    run = await runs.advance(await runs.prepare(here.order(), silent))
    run = await here.rest(runs, await runs.wish(run, "cancel"))
    assert run.state == "cancelled"
    assert len(here.far.plans) == after
    assert all(job.status == "cancelled" for job in here.far.jobs.values())


async def test_what_the_vendor_cannot_do_is_said(here: World) -> None:
    runs = here.runs()
    here.far.pauses = False
    run = await here.launched(runs)
    with pytest.raises(UserError, match="cannot hold a run"):
        await runs.wish(run, "pause")
    here.far.pauses = True
    with pytest.raises(UserError, match="is not paused"):
        await runs.wish(run, "resume")
    here.far.slip("pause", BadRequest("not now", vendor="vendor"))
    run = await here.after(runs, await runs.wish(run, "pause"), 0)
    assert (run.state, run.wanted) == ("queued", "")
    assert "It could not be paused: not now" in await messages(runs, run)


# -- afterwards


async def test_files_that_cannot_be_deleted_are_tried_again_and_then_named(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("succeeded")
    for _ in range(40):
        here.far.slip("delete_file", BROKEN)
    run = await here.rest(runs, run)
    assert (run.state, run.next_at) == ("succeeded", None)
    assert "could not be deleted at vendor" in (await messages(runs, run))[-1]


async def test_files_are_deleted_though_the_vendor_tells_nothing_more(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    assert here.far.files
    here.far.move("succeeded")
    for _ in range(60):
        here.far.slip("events", BROKEN)
    run = await here.rest(runs, run)
    assert (run.state, run.next_at, run.uploaded) == ("succeeded", None, [])
    assert not here.far.files


async def test_a_model_that_is_deleted_is_not_listed_and_takes_its_checkpoints_along(here: World) -> None:
    runs = here.runs()
    run = await here.launched(runs)
    here.far.move("succeeded", checkpoints=tuple(Checkpoint(f"ck-{at}", at) for at in (1, 2, 3)))
    await here.rest(runs, run)
    model, first, second, third = await runs.models(here.workspace_id)
    await runs.delete_model(first)
    assert await runs.models(here.workspace_id) == [model, second, third]
    assert await runs.goes_with(model) == (model.model, "ck-2", "ck-3")
    here.far.slip("delete_model", BROKEN)
    with pytest.raises(UserError, match=f"{model.model} was not deleted"):
        await runs.delete_model(model)
    assert await runs.models(here.workspace_id) == [model, second, third]
    here.far.stays = "ck-3"
    with pytest.raises(UserError, match="vendor:ck-3 was not deleted"):
        await runs.delete_model(model)
    assert await runs.models(here.workspace_id) == [third]
    assert here.far.deleted == ["ck-1", model.model, "ck-2"]
