"""The process that trains: ``python -m adapters.vendors.embedded.worker FOLDER`` does what FOLDER/job.json says.

It goes on from the last epoch that was finished, so it may be killed at any time. It exits with 0 when the job ended or
paused as it was told to, with 1 when it failed (the reason is in status.json) and with 3 when another worker has the job.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from adapters.vendors.base import ModelNotFound
from adapters.vendors.embedded import artefact as artefacts
from adapters.vendors.embedded import lessons as rows
from adapters.vendors.embedded import tokens
from adapters.vendors.embedded.course import Course, Epoch, Plan, split
from adapters.vendors.embedded.exam import Marks, measure
from adapters.vendors.embedded.jobs import Folder, Task, now
from adapters.vendors.embedded.lessons import Lesson, Unfit
from adapters.vendors.embedded.model import Loaded

BUSY: Final = 3
KEPT_CHECKPOINTS: Final = 3
_NICE: Final = 10


@dataclass(slots=True)
class Road:
    """How far a training is, beside its vectors."""

    epoch: int = -1
    best: int = 0
    best_loss: float = float("inf")
    waited: int = 0


class Work:
    """One job from its rows to a model. ``run`` stops after every epoch to be asked whether it may go on."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._task: Task = folder.task()
        self._models = Path(self._task.models)
        self._progress = replace(folder.progress(), error="")
        self._tokens = 0
        self._base_marks: Marks | None = None

    def run(self) -> Iterator[None]:
        """Train. Raises ``Unfit`` for rows that cannot be trained on, and ``OSError``."""
        task = self._task
        artefacts.drop_unfinished(self._models, task.model)
        self._tell(state="preparing")
        train, held = self._lessons()
        plan = Plan(task.epochs, task.batch, task.rate, task.seed)
        self._folder.note(f"Reading is done: {len(train):,} rows to train on, {len(held):,} held out.")
        course = Course(train, held, plan)
        self._tokens = sum(tokens.count(one.question) + tokens.count(one.reply) for one in train)
        road = self._resume(course)
        self._folder.note(f"Training begins: at most {plan.epochs} epochs; measured on {course.exam.words}.")
        self._tell(state="running")
        yield
        while road.epoch < plan.epochs and road.waited < plan.patience:
            self._epoch(course, road)
            yield
        self._tell(state="finishing")
        self._finish(course, road)

    def stop(self, state: str) -> None:
        """End it as paused or cancelled."""
        if state == "cancelled":
            self._state.unlink(missing_ok=True)
        self._folder.note(f"The job is {state}.")
        self._tell(state=state)

    def fail(self, why: str) -> None:
        """End it as failed."""
        self._state.unlink(missing_ok=True)
        self._folder.note(why, "error")
        self._tell(state="failed", error=" ".join(why.split()))

    # -- the way

    def _lessons(self) -> tuple[list[Lesson], list[Lesson]]:
        train = rows.read(Path(self._task.train))
        rows.check(train)
        held = rows.read(Path(self._task.validation)) if self._task.validation else []
        held = [one for one in held if one not in set(train)]
        if not held:
            train, held = split(train)
            self._folder.note(
                f"There are no validation rows: {len(held)} of the rows to train on are held out and not learnt."
            )
        return train, held

    def _epoch(self, course: Course, road: Road) -> None:
        began = time.monotonic()
        number = road.epoch + 1
        seen = course.epoch(number)
        step = number * course.batches + 1
        if seen.train_loss is None:
            # The curve begins at the base model, not at the words alone.
            seen = replace(seen, hit=self._before(course).hit)
        else:
            self._folder.point(step, "train", seen.train_loss, None, number)
        self._folder.point(step, "validation", seen.loss, seen.hit, number)
        # Before the first epoch there is nothing that could be kept: whether training helped is measured at the end.
        if number and course.plan.better(seen.loss, road.best_loss):
            road.best, road.best_loss, road.waited = number, seen.loss, 0
            self._checkpoint(course, seen, step)
        elif number:
            road.waited += 1
        road.epoch = number
        self._save(course, road)
        if number:
            self._folder.note(_told(seen))
        left = (time.monotonic() - began) * (self._task.epochs - number)
        self._tell(
            state="running",
            done=min(0.99, (number + 0.5) / (self._task.epochs + 1)),
            ends_at=now() + round(1_000 * left),
            tokens=self._tokens * max(1, number),
        )

    def _checkpoint(self, course: Course, seen: Epoch, step: int) -> None:
        name = artefacts.checkpoint(self._task.model, seen.number)
        model = course.artefact(name, self._made(course, seen.number, None, None))
        artefacts.save(model, self._models)
        known = [one for one in self._progress.checkpoints if one[1] < step]
        kept = [*known, (name, step, round(seen.loss, 6))]
        self._tell(checkpoints=tuple(kept[-KEPT_CHECKPOINTS:]))
        for old, _, _ in kept[:-KEPT_CHECKPOINTS]:
            (self._models / f"{old}.json").unlink(missing_ok=True)

    def _finish(self, course: Course, road: Road) -> None:
        before = self._before(course)
        best = self._best(course)
        after = measure(Loaded(best), course.exam)
        told = (
            f"hit@1 on {course.exam.words}: {before.hit:.3f} before ({before.first} of {before.asked}), "
            f"{after.hit:.3f} after ({after.first} of {after.asked}); among the first eight {before.eight} before, "
            f"{after.eight} after."
        )
        if not course.exam.pools:
            told += (
                f" Sure enough to answer: {before.answered} before ({before.right} right), {after.answered} after "
                f"({after.right} right)."
            )
        self._folder.note(told[0].upper() + told[1:])
        made = self._made(course, road.best, before, after)
        name = f"embedded:{self._task.model}"
        helped = after.first >= before.first
        if helped:
            final = replace(best, name=self._task.model, made=made)
        else:
            final = course.untrained(self._task.model, made)
        artefacts.save(final, self._models)
        self._measured(course, road, road.best if helped else 0, (after if helped else before).hit)
        # The last event is what is told last: what came of it.
        if after.first > before.first:
            self._folder.note(f"The model is {name}, of epoch {road.best}.")
        elif helped:
            same = "Training did not help: hit@1 is what it was before."
            self._folder.note(f"{same} The model is {name}, of epoch {road.best}.", "warning")
        else:
            fell = "Training did not help, hit@1 fell:"
            self._folder.note(
                f"{fell} {name} answers from its rows by the base model's own likeness.", "warning"
            )
        self._tell(state="succeeded", done=1.0, ends_at=None, model=self._task.model)
        self._state.unlink(missing_ok=True)

    def _measured(self, course: Course, road: Road, epoch: int, hit: float) -> None:
        """One more point after all others: how the model does that is kept, which is that of ``epoch``."""
        told = self._folder.lines("metrics.jsonl")
        held = [line["loss"] for line in told if line["split"] == "validation" and line["epoch"] == epoch]
        self._folder.point(road.epoch * course.batches + 2, "validation", held[-1], hit, epoch)

    def _before(self, course: Course) -> Marks:
        if self._base_marks is None:
            self._base_marks = measure(Loaded(course.untrained(self._task.model, {})), course.exam)
        return self._base_marks

    def _best(self, course: Course) -> artefacts.Artefact:
        name = self._progress.checkpoints[-1][0]
        try:
            return artefacts.load(self._models / f"{name}.json")
        except ModelNotFound:  # somebody deleted it in the meantime
            return course.artefact(self._task.model, {})

    def _made(
        self, course: Course, epoch: int, before: Marks | None, after: Marks | None
    ) -> dict[str, object]:
        made: dict[str, object] = {
            "by": "understudy",
            "base": artefacts.digest(json.loads(artefacts.dump(artefacts.base()))),
            "rows": len(course.lessons),
            "held_out": len(course.held),
            "epoch": epoch,
            "batch": self._task.batch,
            "rate": self._task.rate,
            "seed": self._task.seed,
        }
        if before and after:
            made["measured_on"] = course.exam.words
            made["hit@1"] = {"before": round(before.hit, 4), "after": round(after.hit, 4)}
        return made

    # -- going on

    @property
    def _state(self) -> Path:
        return self._folder.path / "state.npz"

    def _save(self, course: Course, road: Road) -> None:
        held = io.BytesIO()
        whole: dict[str, Any] = {
            **course.state(),
            "road": np.array([road.epoch, road.best, road.best_loss, road.waited]),
        }
        np.savez(held, **whole)
        fresh = self._state.with_suffix(".new")
        fresh.write_bytes(held.getvalue())
        fresh.replace(self._state)

    def _resume(self, course: Course) -> Road:
        """Where an earlier worker was; the beginning when there was none, or its state is not whole."""
        road = Road()
        if self._state.is_file():
            try:
                with np.load(io.BytesIO(self._state.read_bytes()), allow_pickle=False) as kept:
                    state: dict[str, NDArray[np.generic]] = {name: kept[name] for name in kept.files}
                epoch, best, loss, waited = (float(value) for value in state.pop("road"))
                course.restore(state)
                road = Road(int(epoch), int(best), loss, int(waited))
                self._folder.note(f"It goes on from epoch {road.epoch}.")
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                self._folder.note(f"It begins again, what it had reached is not whole: {error}.", "warning")
        step = road.epoch * course.batches + 1 if road.epoch >= 0 else 0
        self._folder.go_back(step)
        kept_ones = tuple(one for one in self._progress.checkpoints if one[1] <= step)
        self._progress = replace(self._progress, checkpoints=kept_ones)
        return road

    def _tell(self, **changes: Any) -> None:
        self._progress = replace(self._progress, **changes)
        self._folder.tell(self._progress)


def _told(seen: Epoch) -> str:
    trained = f"loss {seen.train_loss:.3f} in training, " if seen.train_loss is not None else "loss "
    return f"Epoch {seen.number}: {trained}{seen.loss:.3f} held out; hit@1 {seen.hit:.3f}."


def work(folder: Folder) -> int:
    """Do the job, as long as nobody wishes otherwise; the exit status."""
    job = Work(folder)
    try:
        for _ in job.run():
            wish = folder.wish()
            if wish:
                job.stop("paused" if wish == "pause" else "cancelled")
                return 0
    except Unfit as unfit:
        job.fail(str(unfit))
        return 1
    except MemoryError:
        job.fail("There is not enough memory for so many rows.")
        return 1
    except OSError as error:
        job.fail(f"{Path(str(error.filename or 'A file')).name} cannot be used: {error.strerror}.")
        return 1
    except Exception as error:  # noqa: BLE001  # told in the chat in one sentence; the log has the rest
        traceback.print_exc()
        job.fail(f"The worker failed: {type(error).__name__}: {error}.")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """``FOLDER [--held]``: with ``--held`` whoever started this process handed it the lock."""
    folder = Folder(Path(arguments[0]))
    if "--held" in arguments[1:]:
        os.nice(_NICE)
        return work(folder)
    with folder.claim() as mine:
        return work(folder) if mine is not None else BUSY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
