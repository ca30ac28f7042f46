"""Where a vendor trains on the machine that asks, a run belongs to that host: no other one asks after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.platforms.base import UserError
from adapters.vendors.tuning import Checkpoint, Hyperparameters
from storage import clock
from storage.database import Database
from storage.runs import Run
from tests.training.runs_stage import HOUR, MINUTE, Hands, Slip, Vendor, World, world
from training.hosts import SILENT_MS, identity
from training.runs import AT_ONCE, OF_A_VENDOR, RunLimits, Runs


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
async def here(database: Database, tmp_path: Path, hands: Hands) -> AsyncIterator[World]:
    """A vendor that trains on the machine that asks, in a workspace that may have one run at a time."""
    made = await world(database, tmp_path, hands)
    made.far.here = True
    made.limits = RunLimits(concurrent=1)
    yield made
    for runs in made.made:
        await runs.close()


async def messages(runs: Runs, run: Run) -> list[str]:
    return [event.message for event in (await runs.history(run))[0]]


# -- the word of a host


def test_a_host_keeps_its_word(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with ThreadPoolExecutor(8) as pool:
        words = set(pool.map(lambda _: identity(folder), range(32)))
    assert words == {identity(folder)}
    assert [path.name for path in folder.iterdir()] == ["host"]
    assert identity(tmp_path / "other") not in words


@pytest.mark.parametrize("left", [b"", b"two words", b"\xff\xfe", b"../up\n"])
def test_a_file_that_is_no_word_is_written_anew(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "host").write_bytes(left)
    word = identity(tmp_path)
    assert word == identity(tmp_path) == (tmp_path / "host").read_text().strip()
    assert word.encode() != left.strip()


# -- who asks


async def test_a_run_is_asked_after_by_its_host_alone(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    assert run.host == "a"
    here.far.move("succeeded")
    here.far.calls.clear()
    here.clock.now += HOUR
    assert await theirs.tick() == 0
    assert (await theirs.advance(run)).state == "queued"
    assert not here.far.calls
    where = (await theirs.elsewhere([run]))[run.id]
    assert (where.host, await ours.elsewhere([run])) == ("a", {})
    assert (await here.rest(ours, run)).state == "succeeded"


async def test_a_run_that_is_prepared_is_begun_by_its_host_alone(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")

    async def silent(text: str, done: float | None = None) -> None:
        del text, done

    run = await ours.prepare(here.order(), silent)
    here.clock.now += HOUR
    assert await theirs.tick() == 0
    assert (await theirs.advance(run)).state == "prepared"
    assert not here.far.plans
    assert (await ours.advance(run)).state == "queued"


async def test_a_vendor_elsewhere_is_asked_by_anybody(here: World) -> None:
    here.far.here = False
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("succeeded")
    assert run.host == ""
    assert (await here.rest(theirs, run)).state == "succeeded"


async def test_another_process_of_the_host_goes_on(here: World) -> None:
    run = await here.launched(here.runs(host="a"))
    here.far.move("succeeded")
    assert (await here.rest(here.runs(host="a"), run)).state == "succeeded"


# -- what is wished for from elsewhere


async def test_its_host_carries_out_what_is_wished_for_elsewhere(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("running")
    run = await here.after(ours, run, MINUTE)
    run = await theirs.wish(run, "pause")
    assert (run.wanted, run.state) == ("pause", "running")
    run = await here.after(ours, run, 1)
    assert (run.wanted, run.state) == ("", "paused")
    run = await theirs.wish(run, "cancel")
    assert (run.wanted, run.state) == ("cancel", "paused")
    assert (await here.rest(ours, run)).state == "cancelled"


async def test_a_model_is_deleted_where_it_is(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("succeeded")
    await here.rest(ours, run)
    (tuned,) = await theirs.models(here.workspace_id)
    with pytest.raises(UserError, match="is kept on a: delete it there"):
        await theirs.delete_model(tuned)
    assert here.far.deleted == []
    assert await ours.delete_model(tuned) is None
    assert await theirs.models(here.workspace_id) == []
    assert here.far.deleted != []


async def test_a_model_on_a_host_that_is_gone_is_listed_no_more(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("succeeded")
    await here.rest(ours, run)
    here.clock.now += SILENT_MS + 1
    (tuned,) = await theirs.models(here.workspace_id)
    left = await theirs.delete_model(tuned)
    assert left is not None
    assert left.host == "a"
    assert here.far.deleted == []
    assert await theirs.models(here.workspace_id) == []


# -- a host that is gone


async def test_a_run_of_a_host_that_is_gone_can_be_given_up(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.clock.now += SILENT_MS
    where = (await theirs.elsewhere([run]))[run.id]
    assert (where.silent, where.lost) == (SILENT_MS, False)
    here.clock.now += 1
    where = (await theirs.elsewhere([run]))[run.id]
    assert where.lost
    with pytest.raises(
        UserError, match=f"which is out of reach; `/finetune cancel {run.number}` gives it up"
    ):
        await theirs.wish(run, "pause")
    given_up = await theirs.wish(run, "cancel")
    assert (given_up.state, given_up.wanted) == ("cancelled", "")
    assert given_up.error.startswith("a, where it was, is out of reach")
    assert any(each.startswith("Given up: a,") for each in await messages(theirs, run))
    with pytest.raises(UserError, match="has ended: it was cancelled"):
        await theirs.wish(run, "cancel")
    # The next one may begin, and belongs to the host that is there.
    assert (await here.launched(theirs)).host == "b"


async def test_a_host_that_comes_back_ends_what_was_given_up(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("running")
    here.clock.now += HOUR
    await theirs.wish(run, "cancel")
    assert here.far.jobs[run.job_id].status == "running"
    run = await here.rest(ours, run)
    assert here.far.jobs[run.job_id].status == "cancelled"
    assert (run.state, here.far.files) == ("cancelled", {})


async def test_what_was_made_of_a_run_that_was_given_up_can_be_deleted(here: World) -> None:
    """A model keeps a copy of what people wrote."""
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("running")
    here.clock.now += HOUR
    await theirs.wish(run, "cancel")
    here.far.move("succeeded", checkpoints=(Checkpoint("ck", 1, 2.0),))
    run = await here.rest(ours, run)
    assert run.state == "cancelled"
    found = await theirs.models(here.workspace_id)
    assert [(tuned.model, tuned.step) for tuned in found] == [(f"tuned-{run.job_id}", None), ("ck", 1)]
    await ours.delete_model(found[0])
    assert here.far.deleted == [f"tuned-{run.job_id}", "ck"]


async def test_what_a_job_makes_while_it_is_being_stopped_is_known_too(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.move("running")
    here.far.lingers = True
    here.clock.now += HOUR
    await theirs.wish(run, "cancel")
    run = await here.after(ours, run, MINUTE)
    assert (run.trouble, run.next_at is None) == (f"The job {run.job_id} is being stopped", False)
    here.far.move("cancelled", checkpoints=(Checkpoint("ck", 1, 2.0),))
    run = await here.rest(ours, run)
    assert (run.state, run.trouble) == ("cancelled", "")
    assert [tuned.model for tuned in await theirs.models(here.workspace_id)] == ["ck"]


async def test_a_host_that_was_only_slow_does_not_write_over_it(here: World) -> None:
    """Its lease is gone with the run: what it would write is of a run that it has not any more."""
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.far.slip("poll", "late")
    here.clock.now += MINUTE
    await ours.tick(seconds=0)
    await here.far.hung.wait()
    here.clock.now += HOUR
    await theirs.wish(run, "cancel")
    here.far.move("running")
    here.far.released.set()
    run = await here.rest(ours, run)
    assert run.state == "cancelled"
    assert here.far.jobs[run.job_id].status == "cancelled"


async def test_a_host_that_is_at_work_is_not_silent(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    for _ in range(5):
        here.clock.now += SILENT_MS
        await ours.tick()
    assert not (await theirs.elsewhere([run]))[run.id].lost
    assert (await theirs.wish(run, "cancel")).state == "queued"


async def test_a_host_that_has_its_hands_full_is_not_silent(here: World) -> None:
    here.limits = RunLimits(concurrent=100, runs_per_month=100, spend_per_month=1e6)
    here.others = {"second": Vendor("second", here=True)}
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    made = [
        await here.launched(ours, vendor=vendor, hyperparameters=Hyperparameters(epochs=epochs))
        for vendor in (here.far.name, "second")
        for epochs in range(1, OF_A_VENDOR + 1)
    ]
    assert len(made) == AT_ONCE
    for vendor in (here.far, *here.others.values()):
        vendor.slips["poll"] = [Slip("hang")] * OF_A_VENDOR
    here.clock.now += HOUR
    assert await ours.tick(seconds=0) == AT_ONCE
    here.clock.now += SILENT_MS + 1
    assert await ours.tick(seconds=0) == 0
    assert not (await theirs.elsewhere(made[:1]))[made[0].id].lost


async def test_a_clock_that_goes_back_makes_no_host_silent(here: World) -> None:
    ours, theirs = here.runs(host="a"), here.runs(host="b")
    run = await here.launched(ours)
    here.clock.now -= 5 * HOUR
    where = (await theirs.elsewhere([run]))[run.id]
    assert (where.silent, where.lost) == (0, False)
