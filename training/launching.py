"""From an order to a job at the vendor: export, upload, create. Each step is recorded before the next one begins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.platforms.base import UserError
from adapters.vendors.base import RateLimited, VendorError
from adapters.vendors.tuning import Hyperparameters, Job, Plan, Split, TrainingFile, Tuner, Uploaded
from storage import clock, datasets, runs
from storage.database import Tx
from storage.datasets import Dataset
from storage.errors import Missing
from storage.runs import LeaseLost, Run
from training.desk import LOOK_MS, LOOKS, Desk, log, said
from training.handover import export, may_leave, title
from training.ordering import training_files, written

_BYTES_A_SECOND = 50_000  # of a slow line


class Launching:
    """The steps before there is a job."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def step(self, run: Run) -> Run:
        """The next step of a run that is prepared, uploading or creating. Raises ``StorageError``."""
        try:
            if run.wanted == "cancel" and run.state != "creating":
                return await self._cancelled(run)
            if self._desk.idle(run) > self._desk.stuck_ms:
                return await self._desk.ended_badly(run, self._given_up(run))
            match run.state:
                case "prepared":
                    return await self._export(run)
                case "uploading":
                    return await self._upload(run)
                case _:
                    return await self._look(run)
        except UserError as error:
            return await self._desk.ended_badly(run, str(error))
        except VendorError as error:
            if run.state != "creating" and not error.retryable:
                return await self._desk.ended_badly(run, str(error))
            return await self._desk.failed(run, error, idle_ms=self._desk.idle(run), polled_at=clock.now())

    async def _export(self, run: Run) -> Run:
        """Write the files into the run's folder."""
        _, files = await self._files(run)
        kept = [written(file) for file in files]
        return await self._desk.record(run, state="uploading", files=kept, next_at=clock.now(), **_BETTER)

    async def _upload(self, run: Run) -> Run:
        """Bring the next file; the last one is followed by the creation."""
        brought = {str(each["split"]) for each in run.uploaded if each["id"]}
        due = [str(each["split"]) for each in run.files if each["split"] not in brought]
        if not due:
            run = await self._desk.record(run, state="creating", looked=0, next_at=clock.now(), **_BETTER)
            return await self._create(run)
        tuner, files = await self._files(run)
        file = next((each for each in files if each.split == due[0]), None)
        if file is None:
            raise UserError("The dataset is not what it was when the run was prepared: launch it again.")
        others = [each for each in run.uploaded if each["split"] != file.split]
        # That it may be there is written first: whoever cleans up looks for it, though nobody lived to record its id.
        meant: list[Mapping[str, Any]] = [*others, {"id": "", "split": file.split}]
        if meant != list(run.uploaded):
            run = await self._desk.record(run, uploaded=meant)
        seconds = self._desk.call_seconds + file.bytes / _BYTES_A_SECOND
        there = await self._desk.ask(run, tuner.upload(file, run.key), seconds=seconds)
        uploaded = [*others, {"id": there.id, "split": there.split}]
        return await self._desk.record(run, uploaded=uploaded, next_at=clock.now(), **_BETTER)

    async def _create(self, run: Run) -> Run:
        """Create the job. That this is done is recorded: whoever comes next does not know whether it was."""
        if run.wanted == "cancel":
            return await self._cancelled(run)
        dataset = await self._desk.database.read(lambda tx: _dataset(tx, run))
        tuner = self._desk.tuners(run.vendor)
        try:
            job = await self._desk.ask(run, tuner.create(_plan(run, title(dataset))))
        except RateLimited as error:
            # No job came of it, so one look is enough.
            return await self._desk.failed(run, error, looked=LOOKS - 1)
        except VendorError as error:
            if not error.retryable:
                return await self._desk.ended_badly(run, str(error), looked=0, cost=0.0)
            wait = max(LOOK_MS, round(1000 * (error.retry_after or 0)))
            return await self._desk.failed(run, error, looked=0, next_at=clock.now() + wait)
        return await self._adopt(run, job, tuner)

    async def _look(self, run: Run) -> Run:
        """Somebody meant to create the job: find it, with patience, and only then create it (again)."""
        tuner = self._desk.tuners(run.vendor)
        job = await self._desk.ask(run, tuner.find(run.key))
        if job is not None:
            return await self._adopt(run, job, tuner)
        if run.looked + 1 < LOOKS:
            changes: dict[str, Any] = {"looked": run.looked + 1, "next_at": clock.now() + LOOK_MS}
            return await self._desk.record(run, **(_BETTER | self._unchanged(run) | changes))
        if run.wanted == "cancel":
            return await self._cancelled(run)
        run = await self._desk.record(run, looked=0, next_at=clock.now(), **(_BETTER | self._unchanged(run)))
        return await self._create(run)

    async def _adopt(self, run: Run, job: Job, tuner: Tuner) -> Run:
        """The job is the run's from now on."""
        try:
            # How it ended, if it has, is told by the first poll with all that belongs to it.
            state = "preparing" if job.ended else job.status
            told = [said(f"{run.vendor} has the job {job.id}.")]
            return await self._desk.record(
                run, events=told, state=state, job_id=job.id, said=job.said, looked=0, next_at=clock.now(), **_BETTER
            )  # fmt: skip
        except LeaseLost:
            await self._disown(run, job, tuner)
            raise

    async def _disown(self, run: Run, job: Job, tuner: Tuner) -> None:
        """Others have the run meanwhile: a second job, which they do not know of, is not paid for."""
        theirs = await self._desk.database.read(lambda tx: _job_of(tx, run))
        if theirs and theirs != job.id:
            log.warning("a second job is cancelled", run=run.number, job=job.id, kept=theirs)
            try:
                await self._desk.ask(run, tuner.cancel(job.id))
            except VendorError as error:
                log.error("a second job was not cancelled", run=run.number, job=job.id, error=str(error))

    async def _cancelled(self, run: Run) -> Run:
        told = [said("Cancelled before there was a job.")]
        return await self._desk.record(
            run, events=told, state="cancelled", wanted="", cost=0.0, next_at=clock.now(), **_BETTER
        )

    async def _files(self, run: Run) -> tuple[Tuner, Sequence[TrainingFile]]:
        """The run's files on this machine, written again unless they are there; nobody took their words back."""
        dataset = await self._desk.database.read(lambda tx: _dataset(tx, run))
        tuner = self._desk.tuners(run.vendor)
        home = self._desk.home(run)
        there = [_there(home, each) for each in run.files]
        found = [file for file in await asyncio.to_thread(_whole, there) if file is not None]
        if found and len(found) == len(there):
            return tuner, found
        can = await self._desk.ask(run, tuner.capabilities())
        format_ = can.formats.get(dataset.method)
        if format_ is None:
            raise UserError(f"{run.vendor} does not train with {dataset.method} any more.")
        exported = await export(self._desk.database, dataset, format_, home, _silently)
        if exported.problems:
            raise UserError(f"{run.vendor} would refuse the files: {exported.problems[0]}")
        return tuner, training_files(exported)

    def _unchanged(self, run: Run) -> dict[str, Any]:
        return {"idle_ms": self._desk.idle(run), "polled_at": clock.now()}

    def _given_up(self, run: Run) -> str:
        hours = f"{self._desk.limits.stuck_hours:g} hours"
        why = f": {run.trouble}" if run.trouble else ""
        if run.state == "creating":
            return (
                f"Whether {run.vendor} has created the job could not be found out in {hours}{why}. Look there for one with "
                f"the key {run.key} before you launch again."
            )
        return f"{run.vendor} could not be given the job in {hours}{why}. Nothing was created or paid."


_BETTER: dict[str, Any] = {"failures": 0, "trouble": "", "quiet": 0}


def _there(home: Path, kept: Any) -> TrainingFile:
    split: Split = kept["split"]
    return TrainingFile(home / str(kept["name"]), split, kept["rows"], kept["tokens"], kept["bytes"])


def _whole(files: Sequence[TrainingFile]) -> list[TrainingFile | None]:
    return [
        file if file.path.is_file() and file.path.stat().st_size == file.bytes else None for file in files
    ]


def _dataset(tx: Tx, run: Run) -> Dataset:
    """The run's dataset, which may still leave the house. Raises ``UserError``."""
    try:
        dataset = datasets.by_number(tx, run.dataset_number)
    except Missing:
        raise UserError("The dataset was deleted before the run began: build one and launch it.") from None
    may_leave(tx, dataset)
    return dataset


def _job_of(tx: Tx, run: Run) -> str:
    return runs.get(tx, run.id).job_id


def _plan(run: Run, name: str) -> Plan:
    of = {str(each["split"]): Uploaded(str(each["id"]), each["split"]) for each in run.uploaded}
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return Plan(
        key=run.key,
        name=f"{'-'.join(filter(None, plain.split('-')))[:30] or 'understudy'}-{run.number}",
        method=run.method,  # pyright: ignore[reportArgumentType]
        base_model=run.base_model,
        train=of["train"],
        validation=of.get("validation"),
        hyperparameters=Hyperparameters(**run.hyperparameters),
    )


async def _silently(text: str, done: float | None = None) -> None:
    """Nobody waits for this."""
