"""What a training run does when its vendor is in trouble: the real tuner of each vendor, on the far side of its bench."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from adapters.platforms.base import UserError
from adapters.vendors.tuning import Hyperparameters
from storage import clock
from storage.database import Database
from storage.runs import Run
from tests.adapters.vendors import embedded_bench, google_bench, local_bench, openai_bench
from tests.adapters.vendors.google_bench import GoogleBench
from tests.adapters.vendors.local_bench import LocalBench
from tests.adapters.vendors.openai_bench import OpenAIBench
from tests.adapters.vendors.tuner_contract import Bench, Trouble
from tests.servers import google_faults, openai_tuning
from tests.training.runs_stage import HOUR, MINUTE, Hands, World, for_ever, silent, world
from training.desk import LOOKS
from training.runs import Order, RunLimits, Runs

BENCHES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "embedded": embedded_bench.bench,
    "google": google_bench.bench,
    "local": local_bench.bench,
    "openai": openai_bench.bench,
}
WIRES = ("google", "openai")
TROUBLES: tuple[Trouble, ...] = ("429", "500", "hang")


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@dataclass
class Place:
    """A workspace, a vendor's far side, and whoever runs."""

    here: World
    bench: Bench
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    made: list[Runs] = field(default_factory=list[Runs])

    def replica(self, database: Database | None = None, *, call_seconds: float = 30) -> Runs:
        """Another process, as it were; all of them write down what they tell."""
        tuner = self.bench.tuner()
        runs = Runs(
            database or self.here.database,
            lambda _: tuner,
            RunLimits(concurrent=100, runs_per_month=100),
            self.here.folder,
            host="here",
            chance=lambda: 0.5,
            pause=for_ever,
            call_seconds=call_seconds,
        )

        async def observe(run: Run, before: Run | None) -> None:
            if before is None or before.state != run.state:
                self.told.append((run.id, run.state))

        runs.on_change(observe)
        self.made.append(runs)
        return runs

    def order(self, **other: Any) -> Order:
        """The dataset at the vendor."""
        here = self.here
        order = Order(
            here.workspace_id, here.dataset.number, self.bench.tuner().vendor, self.bench.base_model
        )
        return replace(
            order, **{"hyperparameters": Hyperparameters(epochs=3), "confirmed_shutdown": True, **other}
        )

    async def launched(self, runs: Runs, **other: Any) -> Run:
        """A run that has a job."""
        run = await runs.advance(await runs.prepare(self.order(**other), silent))
        assert run.live, run
        assert run.job_id in self.bench.jobs
        return run

    async def after(self, runs: Runs, run: Run, ms: int) -> Run:
        """The run after so much time and a tick."""
        return await self.here.after(runs, run, ms)

    async def succeeds(self, runs: Runs, run: Run) -> Run:
        """It goes on to a good end, at one job."""
        await self.bench.succeed(run.job_id)
        run = await self.here.rest(runs, run)
        assert (run.state, bool(run.model), run.error) == ("succeeded", True, "")
        assert list(self.bench.jobs) == [run.job_id]
        assert not self.bench.files
        return run


@pytest.fixture(params=BENCHES)
async def place(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path, hands: Hands
) -> AsyncIterator[Place]:
    here = await world(database, tmp_path, hands)
    async with BENCHES[request.param](tmp_path) as bench:
        made = Place(here, bench)
        yield made
        for runs in made.made:
            await runs.close()


only_wires = pytest.mark.parametrize("place", WIRES, indirect=True)


async def test_a_click_that_comes_twice_is_one_job(place: Place) -> None:
    first, second = place.replica(), place.replica()
    order = place.order(once="click 7")
    one, two = await asyncio.gather(first.prepare(order, silent), second.prepare(order, silent))
    assert one.id == two.id
    await asyncio.gather(first.advance(one), second.advance(two), first.tick(), second.tick())
    await place.succeeds(first, await first.get(one.id))


@only_wires
@pytest.mark.parametrize("kind", TROUBLES)
async def test_trouble_passes(place: Place, kind: Trouble) -> None:
    bench = place.bench
    assert isinstance(bench, GoogleBench | OpenAIBench)
    # One that has no patience at all: whatever takes time has hung.
    runs, asks = place.replica(), place.replica(call_seconds=0.05 if kind == "hang" else 30)
    run = await place.launched(runs)
    with bench.trouble(kind):
        for times in range(1, 6):
            run = await place.after(asks, run, HOUR)
            assert (run.failures, run.ended, bool(run.trouble)) == (times, False, True)
        before = bench.asked(run.job_id)
        wait = (run.next_at or 0) - place.here.clock.now
        assert wait >= (900_000 if kind == "429" else 400_000)
        run = await place.after(asks, run, wait - MINUTE)
        assert bench.asked(run.job_id) == before, "it is left in peace"
    if kind == "hang":
        assert run.trouble == f"{run.vendor} did not answer in time"
    await bench.run(run.job_id)
    run = await place.after(runs, run, HOUR)
    assert (run.state, run.failures, run.trouble) == ("running", 0, "")
    await place.succeeds(runs, run)


@only_wires
@pytest.mark.parametrize("kind", TROUBLES)
async def test_trouble_while_it_is_launched_makes_no_second_job(place: Place, kind: Trouble) -> None:
    bench = place.bench
    assert isinstance(bench, GoogleBench | OpenAIBench)
    runs, asks = place.replica(), place.replica(call_seconds=0.05 if kind == "hang" else 30)
    run = await runs.prepare(place.order(), silent)
    with bench.trouble(kind):
        for _ in range(4):
            run = await place.after(asks, run, HOUR)
            assert (run.ended, run.job_id) == (False, "")
    for _ in range(5):
        run = await place.after(runs, run, HOUR)
    assert run.live
    await place.succeeds(runs, run)


@only_wires
@pytest.mark.parametrize("answer", ["cut", "hang"])
async def test_a_job_whose_creation_was_never_answered_is_found(
    place: Place, answer: Literal["cut", "hang"]
) -> None:
    bench = place.bench
    assert isinstance(bench, GoogleBench | OpenAIBench)
    runs, other = place.replica(), place.replica()
    run = await runs.prepare(place.order(), silent)
    lost: dict[str, Any] = {"answer": answer, "method": "POST", "path": "[jJ]obs$", "after": True}
    if isinstance(bench, GoogleBench):
        bench.server.trouble.faults.append(google_faults.Fault(**lost))
        hung = bench.server.trouble.hung
    else:
        bench.server.faults.append(openai_tuning.Fault(**lost))
        hung = bench.server.hung
    tick = asyncio.create_task(other.tick())
    if answer == "hang":
        await hung.wait()
        await other.close()  # whoever asked is put out while it waits
    await tick
    run = await runs.get(run.id)
    assert (run.state, run.job_id, len(bench.jobs)) == ("creating", "", 1)
    run = await place.after(runs, run, HOUR)
    assert run.live
    await place.succeeds(runs, run)


@only_wires
@pytest.mark.parametrize("word", ["defragmenting", "paused"])
async def test_what_the_vendor_says_by_itself_is_no_end(place: Place, word: str) -> None:
    runs = place.replica()
    run = await place.launched(runs)
    await place.bench.run(run.job_id)
    await place.bench.say(run.job_id, word)
    for _ in range(40):
        run = await place.after(runs, run, HOUR)
    assert (run.state, run.said.lower()) == ("paused" if word == "paused" else "running", word)
    assert (run.idle_ms == 0) == (word == "paused"), "whoever holds it is not waited for in vain"
    await place.succeeds(runs, run)


async def test_a_run_that_is_held_waits_and_goes_on(place: Place) -> None:
    runs, bench = place.replica(), place.bench
    run = await place.launched(runs)
    await bench.run(run.job_id)
    run = await place.after(runs, run, MINUTE)
    if not (await bench.tuner().capabilities()).pauses:
        with pytest.raises(UserError, match="cannot hold a run"):
            await runs.wish(run, "pause")
        await place.succeeds(runs, run)
        return
    with bench.ending(run.job_id) if isinstance(bench, LocalBench) else nullcontext():
        run = await place.after(runs, await runs.wish(run, "pause"), 0)
        assert (run.state, run.wanted) == ("paused", "")
    for _ in range(100):
        run = await place.after(runs, run, HOUR)
    assert (run.state, run.idle_ms, run.error) == ("paused", 0, "")
    run = await place.after(runs, await runs.wish(run, "resume"), 0)
    assert (run.state in ("queued", "preparing", "running"), run.wanted) == (True, "")
    if isinstance(bench, LocalBench):
        await bench.begun(run.job_id)
    await place.succeeds(runs, run)


async def test_a_job_that_vanishes_is_given_up_and_not_made_again(place: Place) -> None:
    runs = place.replica()
    run = await place.launched(runs)
    await place.bench.run(run.job_id)
    run = await place.after(runs, run, MINUTE)
    assert run.state == "running"
    await place.bench.vanish(run.job_id)
    for looked in range(1, LOOKS):
        run = await place.after(runs, run, HOUR)
        assert (run.state, run.looked) == ("running", looked)
    run = await place.here.rest(runs, run)
    assert run.state == "failed"
    assert "does not know the job" in run.error
    assert (list(place.bench.jobs), list(place.bench.files)) == ([], [])


async def test_a_clock_that_jumps_to_and_fro_changes_nothing(place: Place) -> None:
    runs, other = place.replica(), place.replica()
    run = await place.launched(runs)
    await place.bench.run(run.job_id)
    for jump in (9, -7, -8, 30, -24, 5):
        before = run.polls
        run = await place.after(runs, run, jump * HOUR)
        assert (run.polls, run.ended) == (before + 1, False), jump
        assert run.next_at is not None
        assert run.next_at <= place.here.clock.now + HOUR
        await other.tick()
        assert (await runs.get(run.id)).polls == run.polls, "it was just polled"
    await place.succeeds(runs, run)


async def test_two_replicas_poll_once_and_tell_once(place: Place) -> None:
    database = await Database.open(place.here.database.url)
    try:
        first, second = place.replica(), place.replica(database)
        made = [
            await place.launched(first, hyperparameters=Hyperparameters(epochs=epochs))
            for epochs in (2, 3, 4)
        ]
        for _ in range(4):
            before = [(await first.get(run.id)).polls for run in made]
            place.here.clock.now += HOUR
            await asyncio.gather(first.tick(), second.tick(), first.tick(), second.tick())
            assert [(await first.get(run.id)).polls for run in made] == [polls + 1 for polls in before]
        assert len(place.bench.jobs) == len(made)
        for run in made:
            await first.wish(run, "cancel")
        for _ in range(6):
            place.here.clock.now += HOUR
            await asyncio.gather(first.tick(), second.tick())
    finally:
        for runs in place.made:
            await runs.close()
        await database.close()
    told = Counter(place.told)
    for run in made:
        assert max(told[id, state] for id, state in told if id == run.id) == 1, told
    assert {state for _, state in place.told} >= {"prepared", "uploading", "creating"}
