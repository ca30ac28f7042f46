"""Two hosts with one database: each has its own data, and so its own training runs of vendors that train on the spot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.schedule import watch_runs
from storage import clock
from storage.database import Database
from tests.bot.test_finetune_runs import data, done, launched, opened, refused, stocked
from tests.bot.theatre import Theatre
from tests.training.runs_stage import HOUR, MINUTE, Hands, Vendor
from training.hosts import identity


@dataclass
class Hosts:
    """Two applications, each with its own far side: what one of them trains, the other one does not know."""

    one: Theatre
    other: Theatre
    far: Vendor
    word: str


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
async def hosts(database: Database, tmp_path: Path, hands: Hands) -> AsyncIterator[Hosts]:
    far = Vendor(here=True, free=True)
    one = await opened(database, tmp_path / "one", far)
    other = await opened(database, tmp_path / "other", Vendor(here=True, free=True))
    await stocked(one)
    yield Hosts(one, other, far, identity(tmp_path / "one"))
    for each in (one, other):
        await each.services.training.close()


async def test_another_host_says_where_a_run_is(hosts: Hosts, hands: Hands) -> None:
    run = await launched(hosts.one)
    hosts.far.move("running")
    hands.now += MINUTE
    assert await watch_runs(hosts.other.services) == 0
    assert await watch_runs(hosts.one.services) == 1
    here, there = await done(hosts.one, "status"), await done(hosts.other, "status")
    assert "The model is being trained at vendor." in here.text
    assert "on the host" not in here.text
    assert f"The model is being trained on {hosts.word}." in there.text
    assert f"It is on the host {hosts.word}, which alone asks after it." in there.text
    assert data(there)["host"] == hosts.word
    told = await done(hosts.other, "jobs")
    assert told.table is not None
    assert told.table.rows[0][:2] == (str(run.number), f"running, on {hosts.word}")
    told = await done(hosts.other, "cancel", name=str(run.number))
    assert f"{hosts.word} has not confirmed it yet" in told.text
    await watch_runs(hosts.one.services)
    assert "It was cancelled" in (await done(hosts.other, "status")).text


async def test_a_host_that_is_gone_is_told_and_its_run_given_up(hosts: Hosts, hands: Hands) -> None:
    run = await launched(hosts.one)
    hosts.far.move("running")
    await watch_runs(hosts.one.services)
    hands.now += 3 * HOUR
    there = await done(hosts.other, "status")
    assert (
        f"⚠️ It is on the host {hosts.word}, which has not been heard from for about 3 hours. Start Understudy there, and it "
        f"goes on; if that host is gone for good, `/finetune cancel {run.number}` gives the run up."
    ) in there.text
    told = await done(hosts.other, "jobs")
    assert told.table is not None
    assert told.table.rows[0][1].endswith(f"on {hosts.word}, which is silent")
    said = await refused(hosts.other, "pause", run=run.number)
    assert said == (
        f"Run {run.number} is on the host {hosts.word}, which is out of reach; `/finetune cancel {run.number}` gives it up."
    )
    told = await done(hosts.other, "cancel", name=str(run.number))
    assert "It was cancelled" in told.text
    assert f"{hosts.word}, where it was, is out of reach" in told.text
    # It comes back, and ends what goes on there.
    await watch_runs(hosts.one.services)
    assert hosts.far.jobs[run.job_id].status == "cancelled"


async def test_a_model_is_discarded_where_it_is(hosts: Hosts, hands: Hands) -> None:
    run = await launched(hosts.one)
    hosts.far.move("succeeded")
    hands.now += MINUTE
    await watch_runs(hosts.one.services)
    said = await refused(hosts.other, "discard", model=f"run:{run.number}", confirmed=True)
    assert said == (
        f"vendor:tuned-{run.job_id} is kept on {hosts.word}: delete it there, with `understudy finetune discard`."
    )
    await done(hosts.one, "discard", model=f"run:{run.number}", confirmed=True)
    assert hosts.far.deleted == [f"tuned-{run.job_id}"]


async def test_a_model_on_a_host_that_is_gone_is_let_go_with_a_word_on_what_lies_there(
    hosts: Hosts, hands: Hands
) -> None:
    run = await launched(hosts.one)
    hosts.far.move("succeeded")
    hands.now += MINUTE
    await watch_runs(hosts.one.services)
    hands.now += 3 * HOUR
    told = await done(hosts.other, "discard", model=f"run:{run.number}", confirmed=True)
    assert told.text == (
        f"vendor:tuned-{run.job_id} is not listed any more. It was on the host {hosts.word}, which is out of reach: a copy, "
        "which may hold the rows that it was trained on, lies there until somebody deletes it."
    )
