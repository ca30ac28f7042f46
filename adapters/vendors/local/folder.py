"""A job's folder as the tuner sees it: what to do goes in, and how it goes comes out.

What the training script reads and writes is told at the top of adapters/vendors/local/train.py. Beside that the tuner keeps
``process.json`` here, and ``stop``, which asks the script to end.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast

import orjson

from adapters.vendors.tuning import Checkpoint, JobEvent, Point, Split

Wish = Literal["", "cancel", "pause", "interrupt"]

TRAIN: Final = Path(__file__).with_name("train.py")
KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_README: Final = (
    "A fine-tuning job of Understudy: train.py does what job.json says with the rows beside it; its head says more.\n"
    "Start it again with `python train.py`; end it with `echo cancel > stop` (for good) or `echo pause > stop`.\n"
)
_TAIL: Final = 8192
_LINE: Final = 300


def short(key: str) -> str:
    """Eight hexadecimal digits that stand for a job's key in the names of its models."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def write(path: Path, data: bytes) -> None:
    """Replace a file whole: whoever reads it finds the old content or the new, after a crash too."""
    fresh = _fresh(path)
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _fresh(path: Path) -> Path:
    """Where the new content of a file is written before it takes the file's place."""
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object, None where there is none that can be read."""
    try:
        found = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


class JobFolder:
    """One job: ``key`` is the tuner's, and its folder's name. Raises ``OSError`` where the disk does."""

    def __init__(self, root: Path, key: str) -> None:
        self.key = key
        self.path = root / key

    @property
    def exists(self) -> bool:
        """Whether there is a job, and not files alone."""
        return KEY.fullmatch(self.key) is not None and (self.path / "job.json").is_file()

    @property
    def job(self) -> Mapping[str, Any]:
        """What to do, as it was written."""
        return _read(self.path / "job.json") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        """How far it is; empty before the script has said anything."""
        return _read(self.path / "status.json") or {}

    @property
    def process(self) -> Mapping[str, Any]:
        """What the tuner noted of the process: pid, started, deaths."""
        return _read(self.path / "process.json") or {}

    @property
    def model(self) -> str:
        """The name of the tuned model."""
        return str(self.job.get("model") or "")

    def rows(self, split: Split) -> Path:
        """Where the rows of a split are."""
        return self.path / f"{split}.jsonl"

    def bring(self, source: Path, split: Split) -> None:
        """Copy a file of rows here, unless the same one is here."""
        target = self.rows(split)
        if target.is_file() and _digest(target) == _digest(source):
            return
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.drop_unfinished(split)
        fresh = _fresh(target)
        shutil.copyfile(source, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(target)

    def drop_unfinished(self, split: Split | None = None) -> None:
        """Delete what a crash left half written: of the rows of a split, or of everything."""
        of = f"{split}.jsonl" if split else "*"
        for path in self.path.glob(f".{of}.*.new"):
            path.unlink(missing_ok=True)

    def make(self, job: Mapping[str, object], script: Path) -> None:
        """Write everything but the rows; the job is there once ``job.json`` is, which comes last."""
        write(self.path / "train.py", script.read_bytes())
        write(self.path / "README.md", _README.encode())
        write(self.path / "job.json", orjson.dumps(job, option=orjson.OPT_INDENT_2))

    def note_process(self, **fields: object) -> None:
        """Add to ``process.json``."""
        write(self.path / "process.json", orjson.dumps({**self.process, **fields}))

    def end(self, state: str, error: str = "") -> None:
        """Write the end of a job whose process cannot any more."""
        write(self.path / "status.json", orjson.dumps({**self.status, "state": state, "error": error}))

    @property
    def wish(self) -> Wish:
        """What the process is asked for."""
        try:
            said = (self.path / "stop").read_text().strip()
        except OSError:
            return ""
        return cast("Wish", said) if said in {"cancel", "pause"} else "interrupt"

    def ask(self, wish: Wish) -> None:
        """Ask the process to end, or take that back."""
        if wish:
            write(self.path / "stop", wish.encode())
        else:
            (self.path / "stop").unlink(missing_ok=True)

    @property
    def asked_at(self) -> float:
        """When it was asked to end, in seconds since the epoch; infinite if it was not."""
        try:
            return (self.path / "stop").stat().st_mtime
        except OSError:
            return float("inf")

    def events(self) -> list[JobEvent]:
        """What happened, numbered by line."""
        return [
            JobEvent(f"{number:06}", int(line["at"]), str(line["message"]), line.get("level", "info"))
            for number, line in self._lines("events.jsonl")
            if line.keys() >= {"at", "message"}
        ]

    def points(self) -> list[Point]:
        """The losses by step, those of a step that was done twice once."""
        found: dict[tuple[Split, int], Point] = {}
        for _, line in self._lines("metrics.jsonl"):
            if line.keys() >= {"step", "split", "loss"} and int(line["step"]) >= 1:
                point = Point(
                    int(line["step"]),
                    line["split"],
                    float(line["loss"]),
                    line.get("accuracy"),
                    line.get("epoch"),
                )
                found[point.split, point.step] = point
        return sorted(found.values(), key=lambda point: (point.step, point.split))

    def checkpoints(self) -> list[Checkpoint]:
        """Those that are whole, by step."""
        losses = {point.step: point.loss for point in self.points() if point.split == "validation"}
        steps = sorted(
            int(path.parent.name.rpartition("-")[2])
            for path in self.path.glob("checkpoints/checkpoint-*/trainer_state.json")
            if path.parent.name.rpartition("-")[2].isdecimal()
        )
        return [Checkpoint(f"{self.model}-step-{step}", step, losses.get(step)) for step in steps]

    def adapter(self, model: str) -> Path | None:
        """Where the weights of one of its models are; None when they are gone."""
        if model == self.model:
            place = self.path / "adapter"
        else:
            place = self.path / "checkpoints" / f"checkpoint-{model.removeprefix(f'{self.model}-step-')}"
        return place if (place / "adapter_config.json").is_file() else None

    def last_words(self) -> str:
        """The last line that the process printed."""
        try:
            with (self.path / "output.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:_LINE] if said else ""

    def forget_models(self) -> None:
        """Delete the weights; what the job was and how it went stays."""
        for name in ("adapter", "merged", "checkpoints"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _lines(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """The objects of a file that somebody else writes, each with the number of its line."""
        found: list[tuple[int, dict[str, Any]]] = []
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError:
            return found
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # the last line while it is written, or one that a crash cut
            if isinstance(value, dict):
                found.append((number, value))
        return found


def job_folders(root: Path) -> list[JobFolder]:
    """The jobs under ``root``."""
    return [JobFolder(root, path.parent.name) for path in sorted(root.glob("*/job.json"))]


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
