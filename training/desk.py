"""What every step of a training run works with: the row that is written first, the vendor, the wait until the next step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog

from adapters.vendors.base import Unavailable, VendorError
from adapters.vendors.tuning import Tuner
from storage import clock, ids, run_history, runs
from storage.database import Database, Tx
from storage.run_history import Level, Loss, Told
from storage.runs import Run
from training import leftovers
from training.ordering import Prices
from training.refusals import RunLimits

T = TypeVar("T")

log = structlog.get_logger()

CALL_SECONDS: Final = 120.0
"""A vendor that has not answered by then hangs."""

LOOKS: Final = 3
"""So often a job is looked for in vain before it counts as not there."""

LOOK_MS: Final = 60_000
"""Between two looks. All of them take longer than a call, so that a creation under way has ended before the next one."""

OUTAGE: Final = 3
"""So many failures in a row are told of."""

GIVEN_UP: Final = 12
"""So often it is tried to clean up after a run."""

_LONGEST_WAIT_MS: Final = 3_600_000
_SOON_SECONDS: Final = 2.0  # until whatever costs nothing is asked for the first time
_SHOWN: Final = (
    "state", "wanted", "job_id", "model", "checkpoints", "done", "said", "error", "cost", "ends_at", "trained_tokens",
)  # fmt: skip


class NotTold(Exception):
    """An observer could not pass a state on now, which is nobody's fault: it is told again."""


class Observer(Protocol):
    """Told of every change of a run that people may want to see; ``before`` is ``None`` for a new one.

    May be told of the same change again, after a crash or when it raised.
    """

    async def __call__(self, run: Run, before: Run | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """``chance`` is a number from 0 to 1 for jitter; ``call_seconds`` is how long a vendor may take to answer.

    Whatever is written is written by the holder of the run's lease, or ``LeaseLost`` is raised.
    """

    database: Database
    tuners: Callable[[str], Tuner]
    limits: RunLimits
    prices: Callable[[str, str], Prices]
    folder: Path
    chance: Callable[[], float]
    observers: Sequence[Observer]
    call_seconds: float = CALL_SECONDS

    def home(self, run: Run) -> Path:
        """The run's own folder on this machine."""
        return self.folder / leftovers.home(run.number, run.key)

    async def record(
        self, run: Run, *, events: Sequence[Told] = (), points: Sequence[Loss] = (), **changes: Any
    ) -> Run:
        """The run after these fields, events and losses were written, all or nothing; whoever watches is told."""

        def write(tx: Tx) -> Run:
            now = runs.changed(tx, run.id, holder=run.lease_by, knew=run.wanted, **changes)
            run_history.add_events(tx, run.id, events)
            run_history.add_points(tx, run.id, points)
            return now

        now = await self.database.write(write)
        if points or shown(now) != shown(run) or _out(now) != _out(run):
            return await self.tell(now, run)
        return now

    async def tell(self, run: Run, before: Run | None) -> Run:
        """Tell whoever watches; the run after it was noted that they know its state."""
        for observer in self.observers:
            try:
                await observer(run, before)
            except NotTold as error:
                log.info("a change of a training run is told later", run=run.number, why=str(error))
                return run
            except Exception:
                # The run goes on without its audience, which is told again later.
                log.exception("a change of a training run was not told", run=run.number, state=run.state)
                return run
        if run.told == run.state:
            return run
        return await self.database.write(
            lambda tx: runs.changed(tx, run.id, holder=run.lease_by, knew=run.wanted, told=run.state)
        )

    async def ask(self, run: Run, answer: Awaitable[T], *, seconds: float | None = None) -> T:
        """What the vendor answers, in time. Raises ``VendorError``."""
        try:
            async with asyncio.timeout(self.call_seconds if seconds is None else seconds):
                return await answer
        except TimeoutError as error:
            raise Unavailable(f"{run.vendor} did not answer in time", vendor=run.vendor) from error

    async def failed(self, run: Run, error: VendorError, **changes: Any) -> Run:
        """The step is tried again later."""
        count = run.failures + 1
        events = [said(f"{error}; it is tried again.", "warning")] if count == OUTAGE else []
        wait = self.wait(run.quiet, count, error.retry_after)
        changes = {"failures": count, "trouble": str(error), "next_at": clock.now() + wait} | changes
        return await self.record(run, events=events, **changes)

    async def ended_badly(self, run: Run, why: str, **changes: Any) -> Run:
        """The run has failed, and says why."""
        changes |= {"state": "failed", "error": why, "wanted": "", "next_at": clock.now()}
        changes |= {"failures": 0, "trouble": ""}
        if not run.job_id and run.state != "creating":
            changes["cost"] = 0.0  # nobody was asked for a job yet
        return await self.record(run, events=[said(why, "error")], **changes)

    def wait(
        self, quiet: int, failures: int, retry_after: float | None = None, *, asked: int | None = None
    ) -> int:
        """Milliseconds until the next step: longer the longer nothing changes or fails, never the same twice.

        A vendor that says how long to wait (in seconds) is not asked before that, up to an hour. ``asked`` is how often one
        was asked that is free, and may be done in seconds: it is asked soon at first.
        """
        first, most = self.limits.poll_seconds, self.limits.poll_most_seconds
        seconds = min(first * 2 ** min(failures, 20) if failures else first * 1.5 ** min(quiet, 40), most)
        if asked is not None and not failures:
            seconds = min(seconds, _SOON_SECONDS * 1.5 ** min(asked, 40))
        jittered = round(1000 * seconds * (0.8 + 0.4 * self.chance()))
        asked = min(round(1000 * (retry_after or 0)), _LONGEST_WAIT_MS)
        return max(jittered, asked + round(jittered * 0.1) if asked else 0, 1)

    def idle(self, run: Run) -> int:
        """For how long nothing changed: what has been seen of it, so that a clock that jumps adds little."""
        if run.polled_at is None:
            return run.idle_ms
        passed = clock.now() - run.polled_at
        return run.idle_ms + min(max(passed, 0), 3 * round(1000 * self.limits.poll_most_seconds))

    @property
    def stuck_ms(self) -> int:
        """After so long without a change a run is ended."""
        return round(self.limits.stuck_hours * 3_600_000)


def said(message: str, level: Level = "info") -> Told:
    """An event of our own."""
    return Told(f"understudy-{ids.new_id()}", clock.now(), level, message)


def shown(run: Run) -> tuple[object, ...]:
    """What people see of a run."""
    return tuple(getattr(run, name) for name in _SHOWN)


def _out(run: Run) -> bool:
    return run.failures >= OUTAGE
