"""The words of any vendor that trains models.

A *job* is one fine-tuning at a vendor. Whoever launches it gives it a key of their own, which the vendor keeps with the job
(in its metadata, labels or name), so that a job whose creation nobody lived to record is found again instead of paid for
twice. Every vendor's states become one ``Status``; one that is not known here is not the end of a job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from adapters.vendors.base import VendorError

Method = Literal["sft", "dpo", "kto"]
Split = Literal["train", "validation"]
Status = Literal[
    "preparing", "queued", "running", "finishing", "paused", "cancelling", "succeeded", "failed", "cancelled"
]
ENDED: Final[frozenset[Status]] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that can be tuned. ``name`` is what ``create`` takes; ``shutdown_date`` is YYYY-MM-DD or ``None``.

    ``tokens`` is the longest example it takes.
    """

    name: str
    methods: tuple[Method, ...]
    description: str = ""
    shutdown_date: str | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor's tuning can do.

    ``formats`` names, for each method, the format of training/formats.py in which it takes rows. ``free`` is True where
    nobody is paid, ``here`` where jobs are on the machine that asks, so that no other one can ask after them. ``pauses``,
    ``checkpoints`` and ``cancels`` say what else it knows. ``least_rows`` is the fewest rows that it trains on, and
    ``most_rows`` the most, where there is such a limit. ``ranges`` holds the least and the most of the hyperparameters that
    are limited, by their names in ``Hyperparameters``. ``notice`` is one sentence that everybody who launches there should
    read, empty without one.
    """

    methods: tuple[Method, ...]
    formats: Mapping[Method, str]
    base_models: tuple[BaseModel, ...]
    free: bool = False
    here: bool = False
    pauses: bool = False
    checkpoints: bool = False
    cancels: bool = True
    least_rows: int = 1
    most_rows: int | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How to train. ``None`` leaves it to the vendor.

    ``learning_rate`` is a multiplier of the vendor's own where that is what the vendor takes (OpenAI, Google), else the
    rate itself. ``beta`` is dpo's and kto's.
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    beta: float | None = None
    seed: int = 42

    def outside(self, ranges: Mapping[str, tuple[float, float]]) -> list[str]:
        """Which of these are not within ``ranges`` (see ``Capabilities``), each in a few words for people."""
        found: list[str] = []
        for name, (least, most) in ranges.items():
            chosen = getattr(self, name)
            if chosen is not None and not least <= chosen <= most:
                word = name.replace("_", " ")
                found.append(f"{word} {chosen:,}, which must be from {least:,} to {most:,}")
        return found


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file of rows on this machine, as the vendor's format wants them."""

    path: Path
    split: Split
    rows: int
    tokens: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file at the vendor: ``id`` is what ``create`` and ``delete_file`` take."""

    id: str
    split: Split


@dataclass(frozen=True, slots=True)
class Plan:
    """A job to be created. ``key`` is ours, unique; ``name`` is a short one for people, of letters, digits and dashes."""

    key: str
    name: str
    method: Method
    base_model: str
    train: Uploaded
    validation: Uploaded | None = None
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of the model on the way, that can answer too. ``model`` is its name at the vendor."""

    model: str
    step: int
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the vendor tells of it.

    ``said`` is the vendor's own word for its state. ``model`` is what to ask for once it has succeeded. ``done`` is the
    finished share, 0..1, and ``ends_at`` when it may be done (milliseconds since the epoch), where known. ``error`` is one
    sentence. ``cost`` is in US dollars, so far; ``memory_bytes`` is the most memory that it has used, where it matters.
    """

    id: str
    status: Status
    said: str = ""
    model: str = ""
    done: float | None = None
    ends_at: int | None = None
    trained_tokens: int | None = None
    error: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    cost: float | None = None
    memory_bytes: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that the vendor tells of a job. ``id`` orders events and is given once; ``at`` is in milliseconds."""

    id: str
    at: int
    message: str
    level: Literal["info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Point:
    """The loss, and the accuracy where there is one, at a step (counted from 1) on one split."""

    step: int
    split: Split
    loss: float
    accuracy: float | None = None
    epoch: float | None = None


class JobGone(VendorError):
    """The vendor does not know the job (any more)."""


class Tuner(Protocol):
    """Trains models at one vendor. Every method raises ``VendorError``; none keeps anything that a restart would miss."""

    @property
    def vendor(self) -> str:
        """The vendor's name, the part before the colon in ``vendor:name``."""
        ...

    async def capabilities(self) -> Capabilities:
        """What it can do now, with the base models that this key may tune."""
        ...

    async def seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        """About how long a job takes, queue included; ``None`` when nobody knows."""
        ...

    async def upload(self, file: TrainingFile, key: str) -> Uploaded:
        """Bring a file to the vendor; one that was brought under this key before is not brought twice."""
        ...

    async def brought(self, key: str, split: Split) -> Sequence[str]:
        """The ids of what ``upload`` may have brought under this key, lived to be recorded or not, for ``delete_file``."""
        ...

    async def create(self, plan: Plan) -> Job:
        """Create the job. Whoever does not know whether an earlier attempt succeeded asks ``find`` first."""
        ...

    async def find(self, key: str) -> Job | None:
        """The job that was created under this key."""
        ...

    async def poll(self, job_id: str) -> Job:
        """The job as it is now. Raises ``JobGone``."""
        ...

    async def events(self, job_id: str, *, after: str = "") -> Sequence[JobEvent]:
        """What happened, oldest first; after the event of this id."""
        ...

    async def metrics(self, job_id: str) -> Sequence[Point]:
        """The losses so far, by step."""
        ...

    async def cancel(self, job_id: str) -> Job:
        """Stop it. One that has ended stays as it ended."""
        ...

    async def pause(self, job_id: str) -> Job:
        """Hold it, where the vendor can; raises ``BadRequest`` where it cannot."""
        ...

    async def resume(self, job_id: str) -> Job:
        """Go on with a paused one."""
        ...

    async def delete_file(self, file_id: str) -> None:
        """Delete an uploaded file. One that is gone is no error."""
        ...

    async def delete_model(self, model: str) -> None:
        """Delete a tuned model. One that is gone is no error."""
        ...

    async def close(self) -> None:
        """Give back connections. Jobs go on."""
        ...
