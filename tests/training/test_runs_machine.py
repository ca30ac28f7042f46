"""Whatever order things happen in, a run has at most one job, ends as its job ended, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.platforms.base import UserError
from adapters.vendors.base import RateLimited, Unavailable
from storage import clock
from storage.database import Database
from storage.runs import ENDED, Run
from tests.training.runs_stage import HOUR, MINUTE, Hands, World, silent, world
from training.runs import Runs

_ERRORS = {
    "down": Unavailable("vendor is down", vendor="vendor"),
    "fast": RateLimited("vendor is asked too often", vendor="vendor", retry_after=60),
}
_METHODS = (
    "upload",
    "create",
    "find",
    "poll",
    "events",
    "metrics",
    "cancel",
    "pause",
    "resume",
    "delete_file",
)
_slips = st.tuples(
    st.just("slip"), st.sampled_from(_METHODS), st.sampled_from(("down", "fast", "hang")), st.booleans()
)
_doubts = st.tuples(st.just("slip"), st.just("create"), st.sampled_from(("down", "hang")), st.booleans())
_ticks = st.tuples(st.just("tick"), st.sampled_from((0, 1, 2)))
_waits = st.tuples(
    st.just("wait"), st.sampled_from((MINUTE, 5 * MINUTE, HOUR, 40 * 24 * HOUR, -HOUR, -90 * 24 * HOUR))
)
_moves = st.tuples(
    st.just("move"),
    st.sampled_from(
        ("queued", "running", "paused", "finishing", "cancelling", "succeeded", "failed", "cancelled")
    ),
)
_wishes = st.tuples(st.just("wish"), st.sampled_from(("cancel", "pause", "resume")))
_others = st.sampled_from((("restart",), ("vanish",), ("stop",)))
ACTIONS = st.lists(st.one_of(_slips, _doubts, _ticks, _ticks, _waits, _moves, _wishes, _others), max_size=25)


class Play:
    """Two processes, one vendor and one run."""

    def __init__(self, here: World) -> None:
        self.here = here
        self.processes = [self._process(), self._process()]
        self.vanished = False

    def _process(self) -> Runs:
        return self.here.runs(call_seconds=0.02)

    async def act(self, run: Run, action: tuple[object, ...]) -> None:
        """One thing happens."""
        far = self.here.far
        match action:
            case ("slip", str(method), str(error), bool(after)):
                # Whoever is told to come back later has had no effect.
                far.slip(method, _ERRORS.get(error, "hang"), after=after and error != "fast")
            case ("tick", int(which)):
                await asyncio.gather(
                    *(each.tick() for each in self.processes[which : which + 1] or self.processes)
                )
            case ("wait", int(ms)):
                self.here.clock.now += ms
            case ("move", str(status)):
                far.move(status)  # pyright: ignore[reportArgumentType]
            case ("wish", str(wish)):
                with suppress(UserError):  # not every wish can be granted
                    await self.processes[0].wish(run, wish)  # pyright: ignore[reportArgumentType]
            case ("restart",):
                await self.processes[0].close()
                self.processes[0] = self._process()
            case ("stop",):
                # As after a crash: the lease stays until it is over.
                tick = asyncio.create_task(self.processes[1].tick())
                await asyncio.sleep(0)
                tick.cancel()
                await asyncio.gather(tick, return_exceptions=True)
            case _:
                if (await self.processes[0].get(run.id)).job_id:
                    far.jobs.clear()
                    self.vanished = True

    async def check(self, run: Run) -> Run:
        """What is always so."""
        now = await self.processes[0].get(run.id)
        assert len(self.here.far.plans) <= 1
        if run.ended:
            assert (now.state, now.ended_at, now.model) == (run.state, run.ended_at, run.model)
        if now.state == "succeeded":
            assert (now.model, now.error) == ("tuned-job-0", "")
        if now.state == "failed":
            assert now.error
        if not now.ended:
            assert now.next_at is not None
        return now

    async def end(self, run: Run) -> Run:
        """Everything goes well from here on."""
        self.here.far.slips.clear()
        for _ in range(80):
            self.here.clock.now += 70 * MINUTE
            await asyncio.gather(*(each.tick() for each in self.processes))
            run = await self.check(run)
            if run.next_at is None:
                return run
            self.here.far.move("succeeded")
        raise AssertionError(f"it does not end: {run}")


@pytest.mark.timeout(240)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
@example([("wait", -90 * 24 * HOUR), ("stop",), ("stop",)])
def test_whatever_happens_there_is_one_job_and_one_end(
    empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[object, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("machine")
    shutil.copy(empty_sqlite, folder / "understudy.db")

    async def play() -> None:
        hands = Hands()
        clock.use(hands)
        database = await Database.open(f"sqlite+aiosqlite:///{folder}/understudy.db")
        try:
            here = await world(database, folder, hands, rows=10, validation=1)
            it = Play(here)
            run = await it.processes[0].prepare(here.order(), silent)
            for action in actions:
                await it.act(run, action)
                run = await it.check(run)
            run = await it.end(run)
            assert run.state in ENDED
            assert not here.far.files
            assert not [path for path in here.folder.iterdir() if path.name.startswith("run-")]
            if run.job_id and not it.vanished:
                job = here.far.jobs[run.job_id]
                assert run.state == job.status or (run.state == "failed" and "so it was ended" in run.error)
            for process in here.made:
                await process.close()
        finally:
            await database.close()
            clock.use(None)

    asyncio.run(play())
    shutil.rmtree(folder)
