"""A training job as files in a folder of its own: what the tuner writes, what the worker writes, and who may run it.

    job.json        the tuner: what to do
    wish            the tuner: pause or cancel
    worker.json     the tuner: pid, started_at, how many were started
    lock            held by the worker for as long as it lives
    status.json     the worker: how far it is
    events.jsonl    both: what happened
    metrics.jsonl   the worker: losses by step
    state.npz       the worker: where it goes on from; gone at the end
    log.txt         what the worker printed, for people

Whole files are replaced, lines are added; one that a crash cut is not read. Times are milliseconds since the epoch. The
rows stay in the uploaded files, and no job keeps a copy of them; the models that come of them do.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from adapters.vendors.tuning import ENDED, Status

Wish = Literal["", "pause", "cancel"]
ID: Final = re.compile(r"job-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Task:
    """What a job is to do. Paths are those of this machine; ``validation`` is empty without one."""

    key: str
    model: str
    train: str
    validation: str
    models: str
    epochs: int
    batch: int
    rate: float
    seed: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: ``checkpoints`` are (model, step, loss), ``done`` is 0..1."""

    state: Status = "queued"
    done: float | None = None
    ends_at: int | None = None
    tokens: int | None = None
    model: str = ""
    error: str = ""
    checkpoints: tuple[tuple[str, int, float], ...] = field(default=())


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Folder:
    """The files of one job. Methods raise ``OSError``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The job's id."""
        return self.path.name

    @property
    def there(self) -> bool:
        """Whether there is such a job."""
        return (self.path / "job.json").is_file()

    def task(self) -> Task:
        """What to do. Raises ``ValueError`` when the file is not valid."""
        data = _read(self.path / "job.json")
        try:
            return Task(**data)
        except TypeError as error:
            raise ValueError(f"job.json is not valid: {error}") from None

    def progress(self) -> Progress:
        """How far it is; queued as long as no worker has said anything."""
        data = _read(self.path / "status.json")
        if not data:
            return Progress()
        checkpoints = tuple((str(m), int(s), float(x)) for m, s, x in data.pop("checkpoints", ()))
        return Progress(**data, checkpoints=checkpoints)

    def tell(self, progress: Progress) -> None:
        """Replace how far it is."""
        write(self.path / "status.json", asdict(progress))

    def wish(self) -> Wish:
        """What the job has been asked to do."""
        try:
            found = (self.path / "wish").read_text().strip()
        except FileNotFoundError:
            return ""
        return cast(Wish, found) if found in ("pause", "cancel") else ""

    def ask(self, wish: Wish) -> None:
        """Ask it to pause or to cancel; "" takes the wish back."""
        if wish:
            _replace(self.path / "wish", wish.encode())
        else:
            (self.path / "wish").unlink(missing_ok=True)

    def note(self, message: str, level: str = "info") -> None:
        """One more event; the one that was just told is not told again."""
        told = self.lines("events.jsonl")
        if not told or told[-1]["message"] != message:
            self._add("events.jsonl", {"at": now(), "level": level, "message": message})

    def point(self, step: int, split: str, loss: float, accuracy: float | None, epoch: float) -> None:
        """One more loss."""
        point = {"step": step, "split": split, "loss": loss, "accuracy": accuracy, "epoch": epoch}
        self._add("metrics.jsonl", point)

    def go_back(self, step: int) -> None:
        """Forget the losses after ``step``: they come again."""
        kept = [line for line in self.lines("metrics.jsonl") if line["step"] <= step]
        _replace(self.path / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept).encode())

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The objects of a file of lines, but for a last one that was cut."""
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError:
            return []
        found: list[dict[str, Any]] = []
        for line in data.split(b"\n")[:-1]:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def _add(self, name: str, line: Mapping[str, object]) -> None:
        with (self.path / name).open("ab") as file:
            # A line that a crash cut must not spoil this one.
            cut = file.tell() and not (self.path / name).read_bytes().endswith(b"\n")
            file.write((b"\n" if cut else b"") + json.dumps(line).encode() + b"\n")

    def tidy(self) -> None:
        """Delete what a crash left half written, once nobody writes any more."""
        for path in self.path.glob(".*"):
            path.unlink(missing_ok=True)

    # -- who runs it

    @contextmanager
    def claim(self) -> Generator[int | None]:
        """The lock's descriptor, or ``None`` while a worker lives: it holds the lock until it ends, however it ends.

        The claim ends with the block, unless a process inherited the descriptor.
        """
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield handle
        finally:
            os.close(handle)

    def started(self) -> int:
        """How many workers have been started since somebody asked for one."""
        return int(_read(self.path / "worker.json").get("starts", 0))

    def starting(self, pid: int, starts: int) -> None:
        """Record the worker."""
        write(self.path / "worker.json", {"pid": pid, "started_at": now(), "starts": starts})


def ended(progress: Progress) -> bool:
    """Whether nothing more will happen."""
    return progress.state in ENDED


def write(path: Path, document: Mapping[str, object]) -> None:
    """Replace a file by this JSON object."""
    _replace(path, json.dumps(document).encode())


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any]:
    try:
        found = cast(object, json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON: {error}") from None
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
