"""From a job to its end: poll, carry out what people wish, end what is stuck, and clean up."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from adapters.vendors.base import BadRequest, Unavailable, VendorError
from adapters.vendors.prices import MILLION
from adapters.vendors.tuning import Job, JobEvent, JobGone, Point, Tuner
from storage import clock
from storage.run_history import Loss, Told
from storage.runs import ENDED, Run
from training.desk import GIVEN_UP, LOOK_MS, LOOKS, OUTAGE, Desk, log, said

_PATIENCE_MS = 6 * 3_600_000  # for a vendor to confirm that a stuck job is cancelled
# A vendor may guess anew each time: that is no sign of life.
_RESTLESS = frozenset({"ends_at", "cost", "memory_bytes"})
_TELLING = frozenset({"running", "finishing", "paused", "succeeded", "failed", "cancelled"})


class Watching:
    """The steps of a run that has a job, and of one that has ended."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def step(self, run: Run) -> Run:
        """The next step. Raises ``StorageError``."""
        if run.ended:
            return await self._tidy(run)
        try:
            tuner = self._desk.tuners(run.vendor)
            try:
                return await self._poll(run, tuner)
            except JobGone as gone:
                return await self._gone(run, tuner, gone)
        except VendorError as error:
            if run.wanted != "cancel":
                return await self._desk.failed(run, error)
            # Whoever wants to be rid of it does not wait for a vendor that is gone for good.
            idle = self._desk.idle(run)
            if idle > self._desk.stuck_ms:
                why = f"{run.vendor} could not be told to cancel the job {run.job_id}: {error}. Look there if it goes on."
                return await self._desk.ended_badly(run, why)
            return await self._desk.failed(run, error, idle_ms=idle, polled_at=clock.now())

    async def _poll(self, run: Run, tuner: Tuner) -> Run:
        changes: dict[str, Any] = {}
        events: list[Told] = []
        job: Job | None = None
        if run.wanted and not (run.wanted == "cancel" and run.state == "cancelling"):
            calls = {"cancel": tuner.cancel, "pause": tuner.pause, "resume": tuner.resume}
            try:
                job = await self._desk.ask(run, calls[run.wanted](run.job_id))
            except BadRequest as error:
                changes["wanted"] = ""
                events.append(said(f"It could not be {_DONE[run.wanted]}: {error}", "warning"))
                if run.error:
                    return await self._desk.ended_badly(run, f"{run.error} {error}")
        if job is None or job.ended:
            # What cancelling answers with may be less than what polling does: a last checkpoint, what it cost.
            job = await self._desk.ask(run, tuner.poll(run.job_id))
        if run.wanted and _granted(run.wanted, job):
            changes["wanted"] = ""
        return await self._heard(run, tuner, job, events, changes)

    async def _heard(
        self, run: Run, tuner: Tuner, job: Job, events: list[Told], changes: dict[str, Any]
    ) -> Run:
        """Write what the vendor told."""
        changes |= {
            "state": job.status,
            "job_id": job.id,
            "said": job.said,
            "model": job.model or run.model,
            "done": job.done if job.done is not None else run.done,
            "ends_at": job.ends_at,
            "trained_tokens": job.trained_tokens if job.trained_tokens is not None else run.trained_tokens,
            "checkpoints": [asdict(each) for each in job.checkpoints] or run.checkpoints,
            "cost": job.cost if job.cost is not None else run.cost,
            "memory_bytes": job.memory_bytes if job.memory_bytes is not None else run.memory_bytes,
        }
        if job.ended:
            changes |= self._end(run, job)
        fresh = await self._events(run, tuner)
        moved = bool(fresh) or any(
            getattr(run, name) != value for name, value in changes.items() if name not in _RESTLESS
        )
        points = await self._points(run, tuner) if moved and job.status in _TELLING else []
        if fresh:
            changes["seen"] = fresh[-1].event_id
        quiet, idle = (0, 0) if moved else (run.quiet + 1, self._desk.idle(run))
        if job.status == "paused":
            idle = 0  # somebody holds it: that is no fault of its
        if run.failures >= OUTAGE:
            events.append(said(f"{run.vendor} answers again."))
        now = clock.now()
        changes |= {"quiet": quiet, "idle_ms": idle, "polled_at": now, "polls": run.polls + 1}
        changes |= {"failures": 0, "trouble": "", "looked": 0}
        changes["next_at"] = now if job.ended else now + self._wait(run, job, quiet)
        if not job.ended and idle > self._desk.stuck_ms:
            return await self._stuck(run, idle, events, changes)
        return await self._desk.record(run, events=[*fresh, *events], points=points, **changes)

    def _wait(self, run: Run, job: Job, quiet: int) -> int:
        """Milliseconds until the next poll: soon at first, and while it is cancelled, where nobody is paid."""
        if run.expected != 0:
            return self._desk.wait(quiet, 0)
        return self._desk.wait(quiet, 0, asked=quiet if job.status == "cancelling" else run.polls)

    def _end(self, run: Run, job: Job) -> dict[str, Any]:
        changes: dict[str, Any] = {"wanted": "", "ends_at": None, "error": job.error}
        if job.status == "succeeded":
            changes |= {"done": 1.0, "error": ""}
        elif run.error and job.status == "cancelled":
            changes |= {"state": "failed", "error": run.error}  # it was us who ended it
        elif job.status == "failed" and not job.error:
            changes["error"] = run.error or f"{run.vendor} says no more than that it failed."
        if job.cost is None:
            changes["cost"] = self._cost(run, job)
        return changes

    def _cost(self, run: Run, job: Job) -> float | None:
        """What the job came to, in US dollars, where the vendor does not say; ``None`` when nobody knows."""
        if run.expected == 0:
            return 0.0
        price = self._desk.prices(run.vendor, run.base_model).tuning.training
        if job.trained_tokens is not None and price is not None:
            return job.trained_tokens * price / MILLION
        if job.status == "succeeded":
            return None
        begun = run.state in ("running", "finishing", "paused") or run.done
        if not begun:
            return 0.0
        share = job.done if job.done is not None else run.done
        return run.expected * share if run.expected is not None and share is not None else None

    async def _stuck(self, run: Run, idle: int, events: Sequence[Told], changes: dict[str, Any]) -> Run:
        """Nothing has changed for too long: the job is cancelled at the vendor, and the run has failed then."""
        hours = f"{self._desk.limits.stuck_hours:g} hours"
        why = f"Nothing changed at {run.vendor} for {hours} (it says {run.said or run.state!r}), so it was ended."
        if run.error and idle > self._desk.stuck_ms + _PATIENCE_MS:
            why = f"{run.error} {run.vendor} has not confirmed that: look there whether the job {run.job_id} still costs."
            return await self._desk.ended_badly(run, why)
        if not run.error:
            changes |= {"error": why, "wanted": "cancel", "next_at": clock.now()}
            events = [*events, said(why, "warning")]
        return await self._desk.record(run, events=events, **changes)

    async def _gone(self, run: Run, tuner: Tuner, gone: JobGone) -> Run:
        """The vendor does not know the job: look for it by our key, with patience."""
        job = await self._desk.ask(run, tuner.find(run.key))
        if job is not None and job.id != run.job_id:
            told = [said(f"{run.vendor} calls the job {job.id} now.")]
            return await self._desk.record(run, events=told, job_id=job.id, seen="", next_at=clock.now())
        if job is not None and job.ended:
            last: dict[str, Any] = {"state": job.status, "said": job.said, "model": job.model}
            return await self._desk.record(run, next_at=clock.now(), **(last | self._end(run, job)))
        if run.looked + 1 < LOOKS:
            return await self._desk.failed(run, gone, looked=run.looked + 1, next_at=clock.now() + LOOK_MS)
        if job is not None:
            return await self._desk.failed(run, gone)
        why = f"{run.vendor} does not know the job {run.job_id} any more, nor another one of this run: launch it again."
        return await self._desk.ended_badly(run, f"{run.error} {why}".strip())

    async def _events(self, run: Run, tuner: Tuner) -> list[Told]:
        """What is new. That it could not be asked is no reason to lose what the poll told."""
        try:
            found = await self._desk.ask(run, tuner.events(run.job_id, after=run.seen))
        except VendorError as error:
            log.info("events of a training run not known", run=run.number, error=str(error))
            return []
        return [_told(event) for event in found]

    async def _points(self, run: Run, tuner: Tuner) -> list[Loss]:
        try:
            found = await self._desk.ask(run, tuner.metrics(run.job_id))
        except VendorError as error:
            log.info("losses of a training run not known", run=run.number, error=str(error))
            return []
        return [_loss(point) for point in found if math.isfinite(point.loss)]

    # -- after the end

    async def _tidy(self, run: Run) -> Run:
        """Fetch what is left to tell, then delete the uploaded files and the run's folder. What fails is tried again."""
        if run.failures >= GIVEN_UP:
            files = ", ".join(str(each["id"] or f"{each['split']} of {run.key}") for each in run.uploaded)
            told = [
                said(f"These files could not be deleted at {run.vendor}, do so there: {files}.", "warning")
            ]
            return await self._desk.record(run, events=told if files else [], next_at=None)
        if run.told != run.state:
            run = await self._desk.tell(run, run)
        trouble: VendorError | None = None
        for step in (self._stopped, self._last_words, self._deleted):
            try:
                run = await step(run)
            except VendorError as error:
                trouble = trouble or error  # what people wrote does not stay because there is more to tell
        if trouble is not None:
            return await self._desk.failed(run, trouble)
        await asyncio.to_thread(shutil.rmtree, self._desk.home(run), ignore_errors=True)
        if run.told != run.state:
            wait = self._desk.wait(0, run.failures + 1)
            return await self._desk.record(run, failures=run.failures + 1, next_at=clock.now() + wait)
        return await self._desk.record(run, next_at=None, failures=0, trouble="")

    async def _stopped(self, run: Run) -> Run:
        """A run that was given up, while its host was out of reach, may still have a job there, and what that made."""
        if not run.host or run.state != "cancelled":
            return run
        tuner = self._desk.tuners(run.vendor)
        job = await self._desk.ask(run, tuner.find(run.key))
        if job is not None and not job.ended:
            job = await self._desk.ask(run, tuner.cancel(job.id))
        if job is None:
            return run
        # A model keeps what people wrote: only one that is known can be deleted.
        made: dict[str, Any] = {
            "job_id": job.id,
            "model": job.model or run.model,
            "checkpoints": [asdict(each) for each in job.checkpoints] or run.checkpoints,
        }
        if any(getattr(run, name) != value for name, value in made.items()):
            run = await self._desk.record(run, **made)
        if not job.ended:
            raise Unavailable(f"The job {job.id} is being stopped", vendor=run.vendor)
        return run

    async def _last_words(self, run: Run) -> Run:
        if not run.job_id:
            return run
        tuner = self._desk.tuners(run.vendor)
        try:
            found = await self._desk.ask(run, tuner.events(run.job_id, after=run.seen))
            points = await self._desk.ask(run, tuner.metrics(run.job_id))
        except JobGone:
            return run
        events = [_told(event) for event in found]
        losses = [_loss(point) for point in points if math.isfinite(point.loss)]
        if not events:
            return await self._desk.record(run, points=losses) if losses else run
        return await self._desk.record(run, events=events, points=losses, seen=events[-1].event_id)

    async def _deleted(self, run: Run) -> Run:
        for file in run.uploaded:
            tuner = self._desk.tuners(run.vendor)
            found = await self._desk.ask(run, tuner.brought(run.key, file["split"]))
            for id in dict.fromkeys((*filter(None, [str(file["id"])]), *found)):
                await self._desk.ask(run, tuner.delete_file(id))
            left = [each for each in run.uploaded if each["split"] != file["split"]]
            run = await self._desk.record(run, uploaded=left)
        return run


_DONE = {"cancel": "cancelled", "pause": "paused", "resume": "resumed"}


def _granted(wish: str, job: Job) -> bool:
    """Whether the vendor's state is what was wished for, or can never be."""
    if job.status in ENDED:
        return True
    if wish == "cancel":
        return False
    return (job.status == "paused") == (wish == "pause")


def _told(event: JobEvent) -> Told:
    return Told(event.id, event.at, event.level, event.message)


def _loss(point: Point) -> Loss:
    return Loss(point.split, point.step, point.loss, point.accuracy, point.epoch)
