"""``EmbeddedTuner``: the embedded model trained on this machine's CPU, in seconds, by a process that outlives the bot.

What it learns is in encoder.py and blend.py; what comes of it is an artefact (artefact.py) that answers from the rows that
it was trained on, without any example being shown to it. A tuned model therefore keeps a copy of its rows, its checkpoints
too: erasing the dataset does not reach it, and whoever erases one deletes the models that were trained on it with
``delete_model``. The uploaded files are copies as well; ``delete_file`` deletes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from adapters.vendors.base import BadRequest, ModelNotFound, Unavailable
from adapters.vendors.embedded import lessons as rows
from adapters.vendors.embedded.artefact import VENDOR, drop_unfinished
from adapters.vendors.embedded.jobs import ID, Folder, Progress, Task, ended, now, write
from adapters.vendors.embedded.lessons import LEAST_ROWS, MOST_ROWS, Unfit
from adapters.vendors.tuning import (
    BaseModel,
    Capabilities,
    Checkpoint,
    Hyperparameters,
    Job,
    JobEvent,
    JobGone,
    Plan,
    Point,
    Split,
    Status,
    TrainingFile,
    Uploaded,
)

BASE: Final = "base"
EPOCHS: Final = 12
BATCH: Final = 64
RATE: Final = 0.04
RANGES: Final = {"epochs": (1, 200), "batch_size": (4, 1_024), "learning_rate": (0.0001, 1)}
MOST_STARTS: Final = 3

_NOTICE: Final = (
    "The model keeps a copy of the rows that it is trained on and answers from them: delete it when one of "
    "them has to go."
)
_FILE: Final = re.compile(r"[0-9a-f]{16}-(train|validation)\.jsonl")
_MODEL: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_ROOT: Final = Path(__file__).resolve().parents[3]
# What a process needs to run; no secret is among it.
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")

T = TypeVar("T")


class Workers(Protocol):
    """Who runs jobs."""

    def alive(self, folder: Folder) -> bool:
        """Whether a worker has the job."""
        ...

    def start(self, folder: Folder) -> bool:
        """Start a worker, unless one has the job; whether it was started."""
        ...


class Processes:
    """Workers that are processes of their own session: they go on when the program that started them ends."""

    def alive(self, folder: Folder) -> bool:
        """Whether somebody holds the job's lock."""
        with folder.claim() as mine:
            return mine is None

    def start(self, folder: Folder) -> bool:
        """Start ``worker.py`` with the lock in its hands, so that there is no moment in which nobody holds it."""
        with folder.claim() as mine, (folder.path / "log.txt").open("ab") as log:
            if mine is None:
                return False
            child = subprocess.Popen(  # noqa: S603  # our own module in our own interpreter
                [sys.executable, "-m", "adapters.vendors.embedded.worker", str(folder.path), "--held"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,
                pass_fds=(mine,),
            )
            # Nobody waits for it; but one that ended must not stay as a zombie.
            threading.Thread(target=child.wait, name=f"wait-{folder.id}", daemon=True).start()
            folder.starting(child.pid, folder.started() + 1)
        return True


def _environment() -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # One thread: the same sums in the same order on every machine, and the bot keeps the other cores.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Nothing of the same name in the folder that somebody works in.
    return {**kept, **threads, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


class EmbeddedTuner:
    """The ``Tuner`` of this vendor. Models go to ``folder``/models, jobs and uploaded files to ``folder``/models-jobs.

    A job whose worker died is continued by the next ``poll``, at most ``MOST_STARTS`` times in all.
    """

    def __init__(self, folder: Path, workers: Workers) -> None:
        self._models = folder / "models"
        self._jobs = folder / "models-jobs" / "jobs"
        self._files = folder / "models-jobs" / "files"
        self._workers = workers

    @property
    def vendor(self) -> str:
        """``embedded``."""
        return VENDOR

    async def capabilities(self) -> Capabilities:
        """It imitates (sft) and nothing else: a reply is chosen and not written, so that there is none to prefer less."""
        about = "learns which of its rows answers a question; seconds to minutes on a CPU"
        return Capabilities(
            methods=("sft",),
            formats={"sft": rows.FORMAT},
            base_models=(BaseModel(BASE, ("sft",), about),),
            free=True,
            here=True,
            pauses=True,
            checkpoints=True,
            least_rows=LEAST_ROWS,
            most_rows=MOST_ROWS,
            ranges=RANGES,
            notice=_NOTICE,
        )

    async def seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        """By the number of rows and their length; measured by benchmarks/embedded_tuning.py."""
        length = file.tokens / max(1, file.rows)
        return 5 + file.rows * (0.004 + 0.0001 * min(length, 400)) * (0.4 + (plan.epochs or EPOCHS) / 20)

    async def upload(self, file: TrainingFile, key: str) -> Uploaded:
        """Copy the file, unless the same one was brought under this key before. Raises ``BadRequest``."""
        return Uploaded(await self._away(lambda: self._copy(file, key)), file.split)

    async def brought(self, key: str, split: Split) -> Sequence[str]:
        """Where ``upload`` copies it, there or not."""
        return [_file_name(key, split)]

    async def create(self, plan: Plan) -> Job:
        """Create the job and start its worker; the key of an earlier job gives that one.

        Raises ``BadRequest`` for rows that cannot be trained on, in the words of ``lessons``, and for a plan that it does
        not take, ``ModelNotFound`` for another base model.
        """
        job_id = await self._away(lambda: self._create(plan))
        return await self.poll(job_id)

    async def find(self, key: str) -> Job | None:
        """The job of this key: its id comes of the key."""
        try:
            return await self.poll(_job_id(key))
        except JobGone:
            return None

    async def poll(self, job_id: str) -> Job:
        """The job as it is now; one whose worker died goes on. Raises ``JobGone``."""
        return await self._away(lambda: self._poll(self._folder(job_id)))

    async def events(self, job_id: str, *, after: str = "") -> Sequence[JobEvent]:
        """What happened; the ids are the numbers of the lines."""
        told = await self._away(lambda: self._folder(job_id).lines("events.jsonl"))
        first = int(after) if after.isdecimal() else 0
        return [
            JobEvent(str(number), line["at"], line["message"], line["level"])
            for number, line in enumerate(told, 1)
            if number > first
        ]

    async def metrics(self, job_id: str) -> Sequence[Point]:
        """The losses by step, in nats: how hard it is for a question to find the reply and the questions like it.

        Step 1 is before training: the base model with the same rows. The accuracy on the validation rows is hit@1 (exam.py).
        The last point of a job that succeeded is of the model that is kept, with the epoch that it is of: that before the
        losses rose, or 0 where training did not help.
        """
        told = await self._away(lambda: self._folder(job_id).lines("metrics.jsonl"))
        return [
            Point(line["step"], line["split"], line["loss"], line["accuracy"], line["epoch"]) for line in told
        ]

    async def cancel(self, job_id: str) -> Job:
        """Stop it after the epoch that runs; checkpoints stay."""
        return await self._away(lambda: self._wish(self._folder(job_id), "cancel"))

    async def pause(self, job_id: str) -> Job:
        """Hold it after the epoch that runs."""
        return await self._away(lambda: self._wish(self._folder(job_id), "pause"))

    async def resume(self, job_id: str) -> Job:
        """Go on from the last epoch; one that is not paused goes on as it is."""
        return await self._away(lambda: self._resume(self._folder(job_id)))

    async def delete_file(self, file_id: str) -> None:
        """Delete the copy of an uploaded file."""
        if _FILE.fullmatch(file_id):
            await self._away(lambda: self._drop(self._files / file_id))

    async def delete_model(self, model: str) -> None:
        """Delete a tuned model, and its checkpoints with it: they keep the same rows. Raises ``BadRequest`` for base."""
        if model == BASE:
            raise BadRequest("The model embedded:base comes with the program and stays.", vendor=VENDOR)
        if _MODEL.fullmatch(model):
            await self._away(lambda: self._delete(model))

    async def close(self) -> None:
        """Nothing is held open; workers go on."""

    # -- on another thread

    async def _away(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            name = Path(str(error.filename or "a file")).name
            text = f"{name} cannot be used on this machine: {error.strerror or error}"
            raise Unavailable(text, vendor=VENDOR) from error
        except ValueError as error:
            raise BadRequest(f"The job's files are damaged: {error}", vendor=VENDOR) from error

    def _folder(self, job_id: str) -> Folder:
        folder = Folder(self._jobs / job_id)
        if not ID.fullmatch(job_id) or not folder.there:
            raise JobGone(f"There is no training job {job_id} of the embedded model.", vendor=VENDOR)
        return folder

    def _copy(self, file: TrainingFile, key: str) -> str:
        name = _file_name(key, file.split)
        try:
            data = file.path.read_bytes()
        except OSError as error:
            text = f"the file {file.path.name} cannot be read: {error.strerror}"
            raise BadRequest(text, vendor=VENDOR) from error
        self._files.mkdir(parents=True, exist_ok=True, mode=0o700)  # what people wrote is for its owner alone
        path = self._files / name
        if not path.is_file() or path.read_bytes() != data:
            fresh = path.with_suffix(".new")
            fresh.write_bytes(data)
            fresh.replace(path)
        return name

    def _drop(self, path: Path) -> None:
        for each in (path, path.with_suffix(".new")):
            each.unlink(missing_ok=True)

    def _create(self, plan: Plan) -> str:
        job_id = _job_id(plan.key)
        folder = Folder(self._jobs / job_id)
        if not folder.there:
            task = self._task(plan)
            self._jobs.mkdir(parents=True, exist_ok=True)
            # Whole or not at all, and one of two that do it at once.
            made = Path(tempfile.mkdtemp(dir=self._jobs, prefix=f".{job_id}."))
            try:
                write(made / "job.json", asdict(task))
                Folder(made).note(f"Created: {plan.name}, a model of {VENDOR}:{plan.base_model}.")
                made.rename(folder.path)
            except OSError:
                if not folder.there:
                    raise
            finally:
                # Ours where somebody was faster, and what a crash left on the way here.
                for left in self._jobs.glob(f".{job_id}.*"):
                    shutil.rmtree(left, ignore_errors=True)
        if folder.started() == 0:
            self._workers.start(folder)
        return job_id

    def _task(self, plan: Plan) -> Task:
        if plan.method != "sft":
            raise BadRequest(
                f"The embedded model does not train with {plan.method}: choose sft", vendor=VENDOR
            )
        if plan.base_model != BASE:
            text = f"The embedded vendor does not tune {plan.base_model}: choose {BASE}"
            raise ModelNotFound(text, vendor=VENDOR)
        chosen = plan.hyperparameters
        epochs, batch = chosen.epochs or EPOCHS, chosen.batch_size or BATCH
        rate = chosen.learning_rate or RATE
        if wrong := chosen.outside(RANGES):
            raise BadRequest(f"The embedded model cannot train so: {'; '.join(wrong)}", vendor=VENDOR)
        train = self._uploaded(plan.train, "train")
        validation = self._uploaded(plan.validation, "validation") if plan.validation else None
        try:
            rows.check(rows.read(train))
            if validation is not None:
                rows.read(validation)
        except Unfit as unfit:
            raise BadRequest(str(unfit), vendor=VENDOR) from None
        name = re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-")[:60] or "model"
        return Task(
            key=plan.key,
            model=f"{name}-{_short(plan.key, 8)}",
            train=str(train.resolve()),
            validation=str(validation.resolve()) if validation is not None else "",
            models=str(self._models.resolve()),
            epochs=epochs,
            batch=batch,
            rate=rate,
            seed=chosen.seed,
            created_at=now(),
        )

    def _uploaded(self, file: Uploaded, split: Split) -> Path:
        path = self._files / file.id
        if not _FILE.fullmatch(file.id) or not path.is_file():
            raise BadRequest(f"There is no uploaded file {file.id} of {split} rows.", vendor=VENDOR)
        return path

    def _poll(self, folder: Folder) -> Job:
        progress = folder.progress()
        if ended(progress):
            folder.tidy()
            return _job(folder, progress)
        if self._workers.alive(folder):
            return _job(folder, folder.progress())
        # The worker may have ended in between.
        progress = folder.progress()
        wish = folder.wish()
        if ended(progress) or wish == "pause":
            return _job(folder, progress if ended(progress) else replace(progress, state="paused"))
        if wish == "cancel":
            return _job(folder, self._close(folder, "cancelled"))
        starts = folder.started()
        if starts >= MOST_STARTS:
            why = f"The worker ended {starts} times before it was done; log.txt of {folder.id} may say why."
            return _job(folder, self._close(folder, "failed", why))
        if self._workers.start(folder) and starts:
            folder.note("The worker had ended before it was done; another one goes on.", "warning")
        return _job(folder, folder.progress())

    def _close(self, folder: Folder, state: Status, error: str = "") -> Progress:
        progress = replace(folder.progress(), state=state, error=error)
        folder.note(error or f"The job is {state}.", "error" if error else "info")
        folder.tell(progress)
        (folder.path / "state.npz").unlink(missing_ok=True)
        return progress

    def _wish(self, folder: Folder, wish: str) -> Job:
        if not ended(folder.progress()) and folder.wish() != "cancel":
            folder.ask("pause" if wish == "pause" else "cancel")
        return self._poll(folder)

    def _resume(self, folder: Folder) -> Job:
        if folder.wish() == "pause" and not ended(folder.progress()):
            folder.ask("")
            folder.starting(0, 0)
            self._workers.start(folder)
        return self._poll(folder)

    def _delete(self, model: str) -> None:
        for path in (self._models / f"{model}.json", *self._models.glob(f"{model}-epoch-*.json")):
            path.unlink(missing_ok=True)
        drop_unfinished(self._models, model)


def _job(folder: Folder, progress: Progress) -> Job:
    state = progress.state
    if not ended(progress):
        wish = folder.wish()
        if wish:
            # It is so once the epoch that runs is over.
            state = "paused" if wish == "pause" else "cancelling"
        elif state == "paused":
            state = "queued"
    return Job(
        id=folder.id,
        status=state,
        said=state,
        model=progress.model if state == "succeeded" else "",
        done=progress.done,
        ends_at=progress.ends_at if state == "running" else None,
        trained_tokens=progress.tokens,
        error=progress.error,
        checkpoints=tuple(Checkpoint(*one) for one in progress.checkpoints),
        cost=0.0,
    )


def _file_name(key: str, split: Split) -> str:
    return f"{_short(key, 16)}-{split}.jsonl"


def _job_id(key: str) -> str:
    return f"job-{_short(key, 16)}"


def _short(key: str, digits: int) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:digits]


def tuner(folder: Path) -> EmbeddedTuner:
    """The vendor's tuner; ``folder`` is the data directory, in whose ``models`` the chat models are looked for."""
    return EmbeddedTuner(folder, Processes())
