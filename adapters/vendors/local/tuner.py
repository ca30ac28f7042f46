"""``LocalTuner``: fine-tuning jobs as folders and processes on this machine.

All that is known of a job is in its folder. ``poll`` is also what keeps jobs going: it starts those that wait, and
those whose process died, from their newest checkpoint.
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from adapters.vendors.base import BadRequest, ModelNotFound, NotConfigured, Unavailable, VendorError
from adapters.vendors.local import processes
from adapters.vendors.local.folder import KEY, TRAIN, JobFolder, Wish, job_folders, short
from adapters.vendors.local.options import VENDOR, Options
from adapters.vendors.tuning import (
    ENDED,
    BaseModel,
    Capabilities,
    Hyperparameters,
    Job,
    JobEvent,
    JobGone,
    Method,
    Plan,
    Point,
    Split,
    Status,
    TrainingFile,
    Uploaded,
)

T = TypeVar("T")

METHODS: Final[tuple[Method, ...]] = ("sft", "dpo", "kto")
LIBRARIES: Final = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
EXTRA: Final = "pip install 'understudy[train]'"

_PATIENCE_SECONDS: Final = 900  # a step and a checkpoint of a large model take minutes
_STATES: Final[dict[str, Status]] = {
    "preparing": "preparing", "running": "running", "finishing": "finishing",
    "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip


class LocalTuner:
    """The ``Tuner`` of this machine. ``script`` trains and needs ``libraries``; ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        options: Options,
        *,
        script: Path = TRAIN,
        libraries: Sequence[str] = LIBRARIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._root = options.root.absolute()  # a job's folder is looked at from elsewhere too
        self._script = script
        self._libraries = tuple(libraries)
        self._clock = clock

    @property
    def vendor(self) -> str:
        """``local``."""
        return VENDOR

    async def capabilities(self) -> Capabilities:
        """The base models of the options, each with every method. ``notice`` says what is not installed."""
        missing = await self._do(self._missing)
        return Capabilities(
            methods=METHODS,
            formats={method: f"trl-{method}" for method in METHODS},
            base_models=tuple(
                BaseModel(name, METHODS, description=place, tokens=self._options.max_length)
                for name, place in self._options.models.items()
            ),
            free=True,
            here=True,
            pauses=True,
            checkpoints=True,
            notice=_not_installed(missing) if missing else "",
        )

    async def seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        """By the speed of the last job with this base model; None before there was one."""
        return await self._do(lambda: self._seconds(file, plan, base_model))

    async def upload(self, file: TrainingFile, key: str) -> Uploaded:
        """Copy the file into the job's folder, unless it has begun. Raises ``BadRequest`` when it cannot be read."""

        def bring() -> Uploaded:
            folder = self._folder(key)
            try:
                with file.path.open("rb"):
                    pass
            except OSError as error:
                text = f"the file {file.path.name} cannot be read: {error.strerror}"
                raise BadRequest(text, vendor=VENDOR) from None
            if not folder.exists:
                folder.bring(file.path, file.split)
            return Uploaded(f"{key}/{file.split}", file.split)

        return await self._do(bring)

    async def brought(self, key: str, split: Split) -> Sequence[str]:
        """Where ``upload`` copies it, there or not."""
        return [f"{key}/{split}"]

    async def create(self, plan: Plan) -> Job:
        """Write the job's folder and start it, or leave that to ``poll`` while others run. One that is there stays as it is.

        Raises ``BadRequest`` or ``ModelNotFound`` for a plan that cannot be done, ``NotConfigured`` without the extra.
        """
        return await self._do(lambda: self._create(plan))

    async def find(self, key: str) -> Job | None:
        """The job of this key, from its folder."""

        def look() -> Job | None:
            folder = JobFolder(self._root, key)
            return self._told(folder) if folder.exists else None

        return await self._do(look)

    async def poll(self, job_id: str) -> Job:
        """The job as it is now; one that should run and does not is started. Raises ``JobGone``."""

        def look() -> Job:
            folder = self._there(job_id)
            self._keep_going(folder)
            return self._told(folder)

        return await self._do(look)

    async def events(self, job_id: str, *, after: str = "") -> Sequence[JobEvent]:
        """What the process told, oldest first."""
        found = await self._do(lambda: self._there(job_id).events())
        return [event for event in found if event.id > after]

    async def metrics(self, job_id: str) -> Sequence[Point]:
        """The losses so far, by step."""
        return await self._do(lambda: self._there(job_id).points())

    async def cancel(self, job_id: str) -> Job:
        """End it for good, with a checkpoint, after the step that it is at."""
        return await self._do(lambda: self._ask(job_id, "cancel"))

    async def pause(self, job_id: str) -> Job:
        """End its process with a checkpoint. It is paused from now on; ``said`` is ``pausing`` until the process is gone."""
        return await self._do(lambda: self._ask(job_id, "pause"))

    async def resume(self, job_id: str) -> Job:
        """Start a paused one from its checkpoint; ``poll`` does where its process has not ended yet, or others run."""

        def go_on() -> Job:
            folder = self._there(job_id)
            if folder.wish == "pause":
                with processes.alone(folder.path / ".tuner"):
                    if not self._runs(folder):
                        folder.note_process(pid=None, started="")  # it did not die
                    folder.ask("")
                self._keep_going(folder)
            return self._told(folder)

        return await self._do(go_on)

    async def delete_file(self, file_id: str) -> None:
        """Delete the rows of a split. One that is gone is no error."""

        def delete() -> None:
            path = self._file(file_id)
            if path is not None:
                path.unlink(missing_ok=True)
                folder = JobFolder(self._root, path.parent.name)
                folder.drop_unfinished("train" if path.stem == "train" else "validation")
                if path.parent.is_dir() and not any(path.parent.iterdir()):
                    path.parent.rmdir()

        await self._do(delete)

    async def delete_model(self, model: str) -> None:
        """Delete the weights of a tuned model, with its checkpoints, or of one checkpoint. One that is gone is no error.

        The rest of the folder stays: what was done, and how it went. A vLLM that has it gives it up. Raises ``BadRequest``
        while the job is not over, and ``Unavailable`` where the server may answer with it still.
        """

        def delete() -> None:
            folder = folder_of(self._root, model)
            if folder is None:
                return
            if not self._told(folder).ended:
                raise BadRequest(f"{model} is still being trained: cancel it first", vendor=VENDOR)
            if model == folder.model:
                folder.forget_models()
            elif (place := folder.adapter(model)) is not None:
                shutil.rmtree(place, ignore_errors=True)

        await self._do(delete)
        if self._options.serve_url and self._options.adapters == "vllm":
            from adapters.vendors.local.served import unload  # the client takes a while to import

            try:
                await unload(self._options, model)
            except VendorError as error:
                text = (
                    f"its weights are deleted, but the server at serve_url may answer with it still; delete it again once "
                    f"that server can be told, or start it anew: {error}"
                )
                raise Unavailable(text, vendor=VENDOR) from error

    async def close(self) -> None:
        """Nothing is held. Jobs go on."""

    async def _do(self, work: Callable[[], T]) -> T:
        """In a thread; what the disk says becomes an error of ours."""
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Unavailable(
                f"the folder of jobs {self._root} cannot be used: {why}", vendor=VENDOR
            ) from error

    def _folder(self, key: str) -> JobFolder:
        if not KEY.fullmatch(key):
            raise BadRequest("the key of a job is of letters, digits, - and _, at most 64", vendor=VENDOR)
        return JobFolder(self._root, key)

    def _there(self, job_id: str) -> JobFolder:
        folder = JobFolder(self._root, job_id)
        if not folder.exists:
            raise JobGone(f"there is no job {job_id} in {self._root}", vendor=VENDOR)
        return folder

    def _file(self, file_id: str) -> Path | None:
        """Where an uploaded file is, None for an id that is none of ours."""
        key, _, split = file_id.partition("/")
        if not KEY.fullmatch(key) or split not in {"train", "validation"}:
            return None
        return JobFolder(self._root, key).path / f"{split}.jsonl"

    def _create(self, plan: Plan) -> Job:
        folder = self._folder(plan.key)
        if not folder.exists:
            self._check(plan)
            for uploaded in filter(None, (plan.train, plan.validation)):
                source = self._file(uploaded.id)
                if source is None or not source.is_file():
                    raise BadRequest(f"there is no uploaded file {uploaded.id}", vendor=VENDOR)
                if source != folder.rows(uploaded.split):
                    folder.bring(source, uploaded.split)
            with processes.alone(folder.path / ".tuner"):
                if plan.validation is None:
                    folder.rows("validation").unlink(missing_ok=True)
                if not folder.exists:  # of two that come at once, one makes it
                    folder.make(self._job(plan), self._script)
        self._keep_going(folder)
        return self._told(folder)

    def _check(self, plan: Plan) -> None:
        if plan.method not in METHODS:
            text = f"{VENDOR} does not train with {plan.method}: choose {', '.join(METHODS)}"
            raise BadRequest(text, vendor=VENDOR)
        place = self._options.models.get(plan.base_model)
        if place is None:
            known = ", ".join(self._options.models) or "none is set"
            raise ModelNotFound(f"{VENDOR} has no base model {plan.base_model}: {known}", vendor=VENDOR)
        if _is_path(place) and not Path(place).expanduser().is_dir():
            text = (
                f"the base model {plan.base_model} is not where the settings say: there is no folder {place}"
            )
            raise NotConfigured(text, vendor=VENDOR)
        if missing := self._missing():
            raise NotConfigured(_not_installed(missing), vendor=VENDOR)

    def _job(self, plan: Plan) -> dict[str, object]:
        """What ``job.json`` says."""
        chosen = plan.hyperparameters
        place = self._options.models[plan.base_model]
        job: dict[str, object] = {
            "key": plan.key,
            "name": plan.name,
            "model": f"{plan.name}-{short(plan.key)}",
            "created_at": round(self._clock() * 1000),
            "method": plan.method,
            "base": plan.base_model,
            "base_model": str(Path(place).expanduser().absolute()) if _is_path(place) else place,
            "max_length": self._options.max_length,
            **self._options.job,
            "seed": chosen.seed,
        }
        told = {
            "epochs": chosen.epochs,
            "batch_size": chosen.batch_size,
            "learning_rate": chosen.learning_rate,
            "beta": chosen.beta,
        }
        return job | {name: value for name, value in told.items() if value is not None}

    def _missing(self) -> list[str]:
        """The libraries that the interpreter that trains does not have."""
        if self._options.python == sys.executable:
            return [name for name in self._libraries if importlib.util.find_spec(name) is None]
        code = "import sys, importlib.util as u; print(*(n for n in sys.argv[1:] if u.find_spec(n) is None))"
        try:
            done = subprocess.run(  # noqa: S603  (the interpreter that the settings name)
                [self._options.python, "-c", code, *self._libraries],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            text = f"the Python that trains, {self._options.python}, cannot be run"
            raise NotConfigured(text, vendor=VENDOR) from error
        return done.stdout.split()

    def _runs(self, folder: JobFolder) -> bool:
        """Whether its process is there. The lock tells where nobody lived to note the process."""
        noted = folder.process
        return processes.alive(noted.get("pid"), noted.get("started")) or processes.locked(folder.path)

    def _keep_going(self, folder: JobFolder) -> None:
        """Start the process of a job that should run and does not; end one that does not heed."""
        with processes.alone(folder.path / ".tuner"):
            folder.drop_unfinished()
            if folder.status.get("state") in ENDED:
                return
            runs, wish = self._runs(folder), folder.wish
            if wish in {"cancel", "pause"}:
                if not runs and wish == "cancel":
                    folder.end("cancelled")
                elif runs and self._clock() - folder.asked_at > _PATIENCE_SECONDS:
                    noted = folder.process
                    processes.end_group(noted.get("pid"), noted.get("started"))
                return
            if runs or self._died_too_often(folder):
                return
        with processes.alone(self._root / ".tuner"), processes.alone(folder.path / ".tuner"):
            others = (each for each in job_folders(self._root) if each.key != folder.key)
            busy = sum(
                1 for each in others if each.status.get("state") not in ENDED and self._runs(each)
            )  # fmt: skip
            if busy < self._options.at_once and not self._runs(folder):
                folder.note_process(pid=None, started="", at=round(self._clock() * 1000))
                pid = processes.start(self._options.python, "train.py", folder.path)
                folder.note_process(pid=pid, started=processes.started(pid))

    def _died_too_often(self, folder: JobFolder) -> bool:
        """Count a death, and end the job at the last one. Whoever got further since the death before has a new count."""
        noted, status = folder.process, folder.status
        # A process that ended because the machine was shut down did not die.
        if noted.get("pid") is None or status.get("state") in {"interrupted", "paused"}:
            return False
        step = int(status.get("step") or 0)
        deaths = 1 + (int(noted.get("deaths") or 0) if step <= int(noted.get("died_at") or 0) else 0)
        folder.note_process(pid=None, started="", deaths=deaths, died_at=step)
        if deaths <= self._options.restarts:
            return False
        times = "once" if deaths == 1 else f"{deaths} times"
        said = folder.last_words()
        words = f"; the last it said: {said}" if said else " and said nothing"
        folder.end("failed", f"the process that trains ended {times} at step {step} without a result{words}")
        return True

    def _ask(self, job_id: str, wish: Wish) -> Job:
        folder = self._there(job_id)
        with processes.alone(folder.path / ".tuner"):
            status = folder.status.get("state")
            # A cancelled one is not to be paused instead.
            if status not in ENDED and folder.wish not in {"cancel", wish}:
                folder.ask(wish)
                noted = folder.process
                processes.send(noted.get("pid"), noted.get("started"), signal.SIGTERM)
        self._keep_going(folder)
        return self._told(folder)

    def _told(self, folder: JobFolder) -> Job:
        status = folder.status
        said = str(status.get("state") or "")
        runs = said not in ENDED and self._runs(folder)
        now = self._now(folder, said, runs=runs)
        if now == "paused":
            said = "pausing" if runs else "paused"
        elif now not in ENDED and not runs:
            said = "waiting"
        over = now in ENDED
        return Job(
            folder.key,
            now,
            said=said or "starting",
            model=folder.model if now == "succeeded" else "",
            done=1.0 if now == "succeeded" else status.get("done"),
            ends_at=None if over or not runs else status.get("ends_at"),
            trained_tokens=status.get("tokens") or None,
            error=str(status.get("error") or "") if now == "failed" else "",
            checkpoints=tuple(folder.checkpoints()),
            cost=0.0,
            memory_bytes=status.get("memory_bytes") or None,
        )

    def _now(self, folder: JobFolder, said: str, *, runs: bool) -> Status:
        if said in ENDED:
            return _STATES[said]
        wish = folder.wish
        if wish == "cancel":
            return "cancelling"
        if wish == "pause":
            return "paused"
        if not runs:
            return "queued"
        return _STATES.get(said) or ("running" if folder.status.get("step") else "preparing")

    def _seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        found: list[tuple[int, float]] = []
        for folder in job_folders(self._root):
            job, status = folder.job, folder.status
            seconds, tokens = status.get("seconds"), status.get("tokens")
            if job.get("base") == base_model and status.get("state") == "succeeded" and seconds and tokens:
                found.append((int(job.get("created_at") or 0), seconds / tokens))
        if not found:
            return None
        epochs = plan.epochs or self._options.job.get("epochs") or 3
        return max(1.0, max(found)[1] * file.tokens * float(str(epochs)))


def folder_of(root: Path, model: str) -> JobFolder | None:
    """The job that one of its models, or of its checkpoints, is named for."""
    name = model.rpartition("-step-")[0] if model.rpartition("-step-")[2].isdecimal() else ""
    return next((each for each in job_folders(root) if each.model and each.model in {model, name}), None)


def _not_installed(missing: Sequence[str]) -> str:
    return f"training on this machine needs {', '.join(missing)}: {EXTRA}"


def _is_path(place: str) -> bool:
    return place.startswith(("/", ".", "~"))
