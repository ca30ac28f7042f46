"""For the tests of training runs: a clock that is set by hand, a dataset, and a vendor in memory that does as it is told.

The vendor stands for our own ``Tuner`` protocol; what real vendors do over the wire is in tests/adapters/vendors.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from adapters.vendors.base import BadRequest, VendorError
from adapters.vendors.tuning import (
    BaseModel,
    Capabilities,
    Hyperparameters,
    Job,
    JobEvent,
    JobGone,
    Plan,
    Point,
    Status,
    TrainingFile,
    Uploaded,
)
from storage import datasets, people, workspaces
from storage.database import Database, Tx
from storage.datasets import Dataset, NewDataset, NewLine
from storage.people import Author
from storage.runs import Run
from training.cost import TuningPrice
from training.rows import Method, Row, Split, Turn, to_json
from training.runs import Order, Prices, RunLimits, Runs

START = 1_795_000_000_000  # 2026-11-18
MINUTE, HOUR = 60_000, 3_600_000
BASE = "small-model"

T = TypeVar("T")


@dataclass
class Hands:
    """A clock that is set by hand: milliseconds since the epoch."""

    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass
class Slip:
    """What becomes of the next call of a method: an error before it has an effect or ``after`` it, or no answer at all.

    ``late`` is an answer, and an effect, that comes once the vendor is released.
    """

    error: VendorError | Literal["hang", "late"]
    after: bool = False


@dataclass
class Vendor:
    """The far side: what was brought and created, and what goes wrong next, by the name of the method.

    ``crowd`` is how many calls were under way at once at most.
    """

    name: str = "vendor"
    methods: tuple[Method, ...] = ("sft",)
    models: tuple[BaseModel, ...] = (BaseModel(BASE, ("sft", "dpo")),)
    pauses: bool = True
    lingers: bool = False  # what is cancelled goes on for a while
    free: bool = False
    here: bool = False
    least_rows: int = 1
    most_rows: int | None = None
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    plans: list[Plan] = field(default_factory=list[Plan])
    files: dict[str, TrainingFile] = field(default_factory=dict[str, TrainingFile])
    told: list[JobEvent] = field(default_factory=list[JobEvent])
    losses: list[Point] = field(default_factory=list[Point])
    deleted: list[str] = field(default_factory=list[str])
    stays: str = ""  # a model that it does not delete
    slips: dict[str, list[Slip]] = field(default_factory=dict[str, list[Slip]])
    calls: Counter[str] = field(default_factory=Counter[str])
    inside: int = 0
    crowd: int = 0
    hung: asyncio.Event = field(default_factory=asyncio.Event)
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def slip(self, method: str, error: VendorError | Literal["hang", "late"], *, after: bool = False) -> None:
        """The next call of this method goes so."""
        self.slips.setdefault(method, []).append(Slip(error, after))

    def move(self, status: Status, said: str = "", **other: Any) -> None:
        """All jobs that have not ended are so now."""
        for id, job in self.jobs.items():
            if not job.ended:
                model = f"tuned-{id}" if status == "succeeded" else ""
                self.jobs[id] = replace(job, status=status, said=said or status, model=model, **other)

    def tell(self, message: str) -> None:
        """One more event."""
        self.told.append(JobEvent(f"e{len(self.told)}", START, message))


class ScriptedTuner:
    """A ``Tuner`` of a ``Vendor`` in memory."""

    def __init__(self, far: Vendor) -> None:
        self._far = far

    @property
    def vendor(self) -> str:
        return self._far.name

    async def capabilities(self) -> Capabilities:
        far = self._far
        formats: dict[Method, str] = {method: f"openai-{method}" for method in far.methods}
        return Capabilities(
            far.methods,
            formats,
            far.models,
            free=far.free,
            here=far.here,
            pauses=far.pauses,
            least_rows=far.least_rows,
            most_rows=far.most_rows,
            ranges=far.ranges,
        )

    async def seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        return 90.0

    async def upload(self, file: TrainingFile, key: str) -> Uploaded:
        def bring() -> Uploaded:
            assert file.path.stat().st_size == file.bytes
            id = f"{key}-{file.split}"
            self._far.files[id] = file
            return Uploaded(id, file.split)

        return await self._done("upload", bring)

    async def brought(self, key: str, split: Split) -> Sequence[str]:
        def look() -> Sequence[str]:
            return [id for id in self._far.files if id == f"{key}-{split}"]

        return await self._done("brought", look)

    async def create(self, plan: Plan) -> Job:
        def make() -> Job:
            assert plan.train.id in self._far.files
            id = f"job-{len(self._far.plans)}"
            self._far.plans.append(plan)
            self._far.keys[id] = plan.key
            self._far.jobs[id] = Job(id, "queued", "queued")
            return self._far.jobs[id]

        return await self._done("create", make)

    async def find(self, key: str) -> Job | None:
        def look() -> Job | None:
            return next((job for id, job in self._far.jobs.items() if self._far.keys[id] == key), None)

        return await self._done("find", look)

    async def poll(self, job_id: str) -> Job:
        self._far.polled.set()
        return await self._done("poll", lambda: self._job(job_id))

    async def events(self, job_id: str, *, after: str = "") -> Sequence[JobEvent]:
        def tell() -> Sequence[JobEvent]:
            self._job(job_id)
            names = [event.id for event in self._far.told]
            return self._far.told[names.index(after) + 1 :] if after in names else list(self._far.told)

        return await self._done("events", tell)

    async def metrics(self, job_id: str) -> Sequence[Point]:
        self._job(job_id)
        return await self._done("metrics", lambda: list(self._far.losses))

    async def cancel(self, job_id: str) -> Job:
        end: Status = "cancelling" if self._far.lingers else "cancelled"
        return await self._done("cancel", lambda: self._turned(job_id, end))

    async def pause(self, job_id: str) -> Job:
        return await self._done("pause", lambda: self._turned(job_id, "paused"))

    async def resume(self, job_id: str) -> Job:
        return await self._done("resume", lambda: self._turned(job_id, "running"))

    async def delete_file(self, file_id: str) -> None:
        await self._done("delete_file", lambda: self._far.files.pop(file_id, None))

    async def delete_model(self, model: str) -> None:
        if model == self._far.stays:
            raise BadRequest(f"{self.vendor} keeps {model}", vendor=self.vendor)
        await self._done("delete_model", lambda: self._far.deleted.append(model))

    async def close(self) -> None:
        pass

    def _job(self, id: str) -> Job:
        if id not in self._far.jobs:
            raise JobGone(f"{self.vendor} does not know the job {id}", vendor=self.vendor)
        return self._far.jobs[id]

    def _turned(self, id: str, status: Status) -> Job:
        job = self._job(id)
        if job.ended:
            return job
        if (status == "running") != (job.status == "paused") and status != "cancelled":
            raise BadRequest(f"{self.vendor} says that the job is {job.status}", vendor=self.vendor)
        self._far.jobs[id] = replace(job, status=status, said=status)
        return self._far.jobs[id]

    async def _done(self, method: str, effect: Callable[[], T]) -> T:
        far = self._far
        far.calls[method] += 1
        far.inside += 1
        far.crowd = max(far.crowd, far.inside)
        try:
            return await self._answered(method, effect)
        finally:
            far.inside -= 1

    async def _answered(self, method: str, effect: Callable[[], T]) -> T:
        await asyncio.sleep(0)  # as over a wire, others get their turn
        waiting = self._far.slips.get(method)
        slip = waiting.pop(0) if waiting else None
        if slip is None:
            return effect()
        if slip.after:
            effect()
        if slip.error == "hang":
            self._far.hung.set()
            await asyncio.Event().wait()
            raise AssertionError("nobody lets it go")
        if slip.error == "late":
            self._far.hung.set()
            await self._far.released.wait()
            return effect()
        raise slip.error


async def for_ever(seconds: float) -> None:
    """The pause between two renewals of a lease in tests: none comes to it."""
    del seconds
    await asyncio.Event().wait()


async def silent(text: str, done: float | None = None) -> None:
    """Tells nobody."""


def row(number: int, method: Method = "sft") -> Row:
    """A row that is like no other."""
    asked = (Turn("user", f"What is {number} plus {number}?"),)
    said = f"It is {number + number}."
    if method == "dpo":
        return Row(asked, said, rejected="No idea.")
    return Row(asked, said, label=number % 2 == 0) if method == "kto" else Row(asked, said)


def lines(
    rows: int, validation: int, method: Method = "sft", authors: tuple[Author, ...] = ()
) -> list[NewLine]:
    """So many rows to train on, and to check with."""
    made: list[NewLine] = []
    for at in range(rows + validation):
        content = to_json(row(at, method))
        split: Split = "train" if at < rows else "validation"
        name = hashlib.sha256(content).hexdigest()[:32]
        made.append(NewLine(at, split, name, content.decode(), f"talk {at}", authors))
    return made


@dataclass
class World:
    """A workspace with a dataset, a vendor, and whoever runs."""

    database: Database
    folder: Path
    clock: Hands
    workspace_id: str
    person_id: str
    dataset: Dataset
    far: Vendor
    limits: RunLimits = field(default_factory=RunLimits)
    others: Mapping[str, Vendor] = field(default_factory=dict[str, Vendor])
    price: float | None = 10.0
    made: list[Runs] = field(default_factory=list[Runs])

    def runs(self, database: Database | None = None, *, call_seconds: float = 30, host: str = "here") -> Runs:
        """Another process, as it were."""
        fars = {self.far.name: self.far, **self.others}

        def tuner(vendor: str) -> ScriptedTuner:
            return ScriptedTuner(fars[vendor])

        made = Runs(
            database or self.database,
            tuner,
            self.limits,
            self.folder,
            host=host,
            vendors=tuple(fars),
            prices=lambda vendor, model: Prices(tuning=TuningPrice(training=self.price)),
            chance=lambda: 0.5,
            pause=for_ever,
            call_seconds=call_seconds,
        )
        self.made.append(made)
        return made

    def order(self, **other: Any) -> Order:
        """The dataset at the vendor, from the terminal."""
        number = self.dataset.number
        return replace(Order(self.workspace_id, number, self.far.name, place={"channel": "here"}), **other)

    async def launched(self, runs: Runs, **other: Any) -> Run:
        """A run that has a job."""
        run = await runs.advance(await runs.prepare(self.order(**other), silent))
        assert run.live, run
        return run

    async def after(self, runs: Runs, run: Run, ms: int) -> Run:
        """The run after so much time and a tick."""
        self.clock.now += ms
        await runs.tick()
        return await runs.get(run.id)

    async def rest(self, runs: Runs, run: Run) -> Run:
        """The run once nothing is left to do."""
        for _ in range(60):
            run = await self.after(runs, run, 20 * MINUTE)
            if run.next_at is None:
                return run
        raise AssertionError(f"it does not come to rest: {run}")


async def dataset_of(
    database: Database,
    workspace_id: str,
    made: Sequence[NewLine],
    method: Method = "sft",
    name: str = "Counsel",
    avatar_id: str | None = None,
) -> Dataset:
    """A frozen dataset of these rows."""

    def write(tx: Tx) -> Dataset:
        number = datasets.begin(tx, NewDataset(workspace_id, avatar_id, name, method))
        datasets.add(tx, number, made)
        train = sum(line.split == "train" for line in made)
        return datasets.finish(tx, number, hash="h", report={}, train=train, validation=len(made) - train)

    return await database.write(write)


async def world(
    database: Database, folder: Path, clock: Hands, *, rows: int = 20, validation: int = 3
) -> World:
    """A workspace with a dataset of one person, who agreed."""

    def write(tx: Tx) -> tuple[str, str]:
        workspace = workspaces.ensure(tx, "terminal", f"place {clock.now}", "here", "opt-out")
        return workspace.id, people.ensure(tx, workspace.id, "ann", "Ann").id

    workspace_id, person_id = await database.write(write)
    made = lines(rows, validation, authors=(Author(person_id, clock.now),))
    dataset = await dataset_of(database, workspace_id, made)
    return World(database, folder / "runs", clock, workspace_id, person_id, dataset, Vendor())
