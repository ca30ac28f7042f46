"""``OpenAITuner``: fine-tuning at OpenAI, and at every vendor that has taken over its files and jobs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import openai
from openai.types.fine_tuning import FineTuningJob

from adapters.vendors.base import BadRequest, Denied, ModelNotFound, VendorError
from adapters.vendors.openai import jobs, tunable
from adapters.vendors.openai.calls import Calls, Conflict, NotThere, Pause, row_of
from adapters.vendors.openai.client import connect
from adapters.vendors.openai.endpoint import Endpoint
from adapters.vendors.openai.errors import reported
from adapters.vendors.tuning import (
    Capabilities,
    Checkpoint,
    Hyperparameters,
    Job,
    JobEvent,
    JobGone,
    Method,
    Plan,
    Point,
    Split,
    TrainingFile,
    Uploaded,
)

METHODS: Final[tuple[Method, ...]] = ("sft", "dpo")
LEAST_ROWS: Final = 10
# As OpenAI's API description has them; it names no limits for the multiplier of the learning rate.
_RANGES: Final = {"epochs": (1, 50), "batch_size": (1, 256)}

_FORMATS: Final[Mapping[Method, str]] = {"sft": "openai-sft", "dpo": "openai-dpo"}
_NOTICE: Final = (
    "OpenAI is winding fine-tuning down: new jobs only for organisations that used a tuned model in the last 60 days, none "
    "after 2027-01-06; tuned models stop on 2027-01-14."
)
_AZURE_NOTICE: Final = (
    "On Azure a tuned model answers once it is deployed, and a deployment costs by the hour, used or not."
)
_ELSEWHERE: Final = (
    "take the dataset to another vendor with `finetune port`: local or embedded on your own machine, google, or one "
    "that takes OpenAI's files, such as Nebius"
)
_AZURE: Final = (".azure.com", ".microsoft.com", ".azure.us")
_PAGE: Final = 100
_FILE_PAGES: Final = 20
_JOB_PAGES: Final = 10
_EVENT_PAGES: Final = 50

Row = Mapping[str, Any]


class _Unshaped(BadRequest):
    """The vendor does not take hyperparameters where they were put."""


class OpenAITuner:
    """The ``Tuner`` of an endpoint. It keeps nothing; what it needs to know it asks the vendor.

    Requests that may be repeated are tried three times, with pauses; ``create`` and ``upload`` once: whoever does not know
    what became of them asks ``find``, or uploads again, which looks first. ``methods`` are those that the vendor trains
    with, and ``shapes`` where it takes hyperparameters: without, that is known of its address or tried out.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        methods: Sequence[Method] = METHODS,
        shapes: Sequence[jobs.Shape] = (),
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._endpoint = endpoint
        self._client = connect(endpoint)
        self._calls = Calls(endpoint, pause=pause, chance=chance)
        host = self._client.base_url.host
        self._official = endpoint.speaks_openai(host)
        self._azure = f".{host}".endswith(_AZURE)
        self._shapes = tuple(shapes) or jobs.shapes(host, certain=self._official or self._azure)
        # Preferences came with methods.
        only_sft = all(shape.top for shape in self._shapes)
        self._methods: tuple[Method, ...] = tuple(
            method for method in methods if method == "sft" or not only_sft
        )
        # Two keys at once are refused where a header is the key.
        self._extra: Any = (
            {"extra_headers": {"Authorization": openai.Omit()}} if endpoint.key_is_header else {}
        )

    @property
    def vendor(self) -> str:
        """The endpoint's name, ``openai`` unless it was given another."""
        return self._endpoint.vendor

    async def capabilities(self) -> Capabilities:
        """What this key may tune: of OpenAI's models those known to be tunable, elsewhere what the vendor says it tunes.

        A vendor that does not say which of its models can be tuned has all of them here. Raises ``VendorError``.
        """
        what = "the list of models"

        async def listed() -> list[dict[str, Any]]:
            page = await self._client.models.list(**self._extra)
            return [row_of(model) for model in page.data]

        rows = await self._calls.safe(what, listed)
        models = tunable.of_openai if self._official else tunable.of_others
        return Capabilities(
            methods=self._methods,
            formats={method: _FORMATS[method] for method in self._methods},
            base_models=models(rows, self._methods),
            pauses=self._official or self._azure,
            checkpoints=True,
            least_rows=LEAST_ROWS,
            ranges=_RANGES if self._official or self._azure else {},
            notice=_NOTICE if self._official else _AZURE_NOTICE if self._azure else "",
        )

    async def seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        """Nobody knows: a job waits for hours or for none. ``Job.ends_at`` tells once it runs."""
        return None

    async def upload(self, file: TrainingFile, key: str) -> Uploaded:
        """Bring a file, unless one of its name (``understudy-<key>-<split>.jsonl``) and size is there already.

        Raises ``BadRequest`` when it cannot be read here, else as every method.
        """
        name = jobs.file_name(key, file.split)
        for row in await self._files():
            if jobs.same(row, name, file.bytes):
                return Uploaded(str(row["id"]), file.split)
        what = f"the file {name}"
        with await asyncio.to_thread(self._opened, file.path) as handle:
            sent = await self._calls.once(
                what,
                # The client reads it in pieces, so that a large file takes no memory.
                lambda: self._client.files.create(
                    file=(name, handle, "application/jsonl"), purpose="fine-tune", **self._extra
                ),
                size=file.bytes,
            )
        return Uploaded(str(self._calls.row(what, sent)["id"]), file.split)

    async def brought(self, key: str, split: Split) -> Sequence[str]:
        """The files of the name that ``upload`` gives; more than one where the vendor was slow to list the first."""
        name = jobs.file_name(key, split)
        return [str(row["id"]) for row in await self._files() if jobs.named(row, name)]

    async def create(self, plan: Plan) -> Job:
        """Create the job, with the plan's key in its metadata.

        Raises ``Denied`` with what to do instead where the vendor takes no new jobs from this organisation, ``BadRequest``
        or ``ModelNotFound`` for a plan that it does not take, and ``Unavailable`` when nobody knows whether there is a job
        now: ask ``find``.
        """
        if plan.method not in self._methods or jobs.method(plan.method) is None:
            text = f"{self.vendor} does not train with {plan.method}: choose {' or '.join(self._methods)}"
            raise BadRequest(text, vendor=self.vendor)
        if not 0 < len(plan.key) <= jobs.LONGEST_KEY:
            text = f"the key of a job has 1 to {jobs.LONGEST_KEY} characters, not {len(plan.key)}"
            raise BadRequest(text, vendor=self.vendor)
        what = f"a fine-tuning job of {plan.base_model}"
        shapes = [shape for shape in self._shapes if plan.method == "sft" or not shape.top]
        for shape in shapes:
            try:
                return self._job(what, await self._created(what, plan, shape))
            except NotThere as error:
                text = f"{self.vendor} does not tune {plan.base_model} with this key: choose another model{error.why}"
                raise ModelNotFound(text, vendor=self.vendor) from None
            except _Unshaped:
                # It was refused, so there is no job: it may be asked for in another way.
                if shape is shapes[-1]:
                    raise
        raise AssertionError("every method has a shape")

    async def find(self, key: str) -> Job | None:
        """The job whose metadata has the key, one that still goes or went well before others.

        A vendor that drops metadata is asked for the job that trains on the file of this key. What is older than the last
        thousand jobs is not found where the vendor does not filter by metadata.
        """
        own: list[Row] = []
        try:
            own = _of_key(await self._jobs(key, filtered=True), key)
        except BadRequest:
            pass  # it does not know the filter; the whole list follows
        if not own:
            listed = await self._jobs(key, filtered=False)
            own = _of_key(listed, key)
            if not own and any(not row.get("metadata") for row in listed):
                name = jobs.file_name(key, "train")
                files = {str(row["id"]) for row in await self._files() if jobs.named(row, name)}
                own = [row for row in listed if not jobs.key(row) and row.get("training_file") in files]
        if not own:
            return None
        lost = {"failed", "cancelled"}
        best = next((row for row in own if jobs.status(row.get("status")) not in lost), own[0])
        try:
            return await self.poll(str(best["id"]))
        except JobGone:
            # Listed, it was created; None would have it created, and paid for, again.
            return jobs.job(best, named=self._official)

    async def poll(self, job_id: str) -> Job:
        """The job as it is now, with how far it is while it runs and its checkpoints from then on. Raises ``JobGone``."""
        row = await self._retrieved(job_id)
        now = jobs.status(row.get("status"))
        done: float | None = None
        if now == "running":
            done = jobs.done(await self._latest(job_id))
        checkpoints: Sequence[Checkpoint] = ()
        if now in {"succeeded", "failed", "cancelled"}:
            checkpoints = await self._checkpoints(job_id)
        return jobs.job(row, named=self._official, done=done, checkpoints=checkpoints)

    async def events(self, job_id: str, *, after: str = "") -> Sequence[JobEvent]:
        """What happened, oldest first; all of it where the vendor does not know ``after`` any more. Raises ``JobGone``."""
        told = jobs.events(await self._events(job_id, after))
        places = [place for place, event in enumerate(told) if event.id == after]
        return told[places[-1] + 1 :] if places else told

    async def metrics(self, job_id: str) -> Sequence[Point]:
        """The losses of the result file, and while there is none those that the events tell. Raises ``JobGone``."""
        row = await self._retrieved(job_id)
        for id in row.get("result_files") or ():
            what = f"the result file {id}"
            try:
                content = await self._calls.safe(what, lambda id=str(id): self._content(id))
            except NotThere:
                continue
            if (points := jobs.points_of_results(content)) is not None:
                return points
        return jobs.points_of_events(await self._events(job_id, ""))

    async def cancel(self, job_id: str) -> Job:
        """Stop it. One that has ended stays as it ended. Raises ``JobGone``."""
        call = self._client.fine_tuning.jobs.cancel
        return await self._turned(job_id, call, "cancel", lambda job: job.ended or job.status == "cancelling")

    async def pause(self, job_id: str) -> Job:
        """Hold it. Raises ``BadRequest`` where the vendor cannot, or not now; ``JobGone``."""
        return await self._turned(
            job_id, self._client.fine_tuning.jobs.pause, "pause", lambda job: job.status == "paused"
        )

    async def resume(self, job_id: str) -> Job:
        """Go on with a paused one. Raises ``BadRequest`` where the vendor cannot; ``JobGone``."""
        return await self._turned(
            job_id,
            self._client.fine_tuning.jobs.resume,
            "resume",
            lambda job: job.status in {"queued", "running"},
        )

    async def delete_file(self, file_id: str) -> None:
        """Delete an uploaded file. One that is gone is no error."""
        await self._deleted(f"the file {file_id}", lambda: self._client.files.delete(file_id, **self._extra))

    async def delete_model(self, model: str) -> None:
        """Delete a tuned model. One that is gone is no error."""
        await self._deleted(f"the model {model}", lambda: self._client.models.delete(model, **self._extra))

    async def close(self) -> None:
        """Give back connections. Jobs go on."""
        await self._client.close()

    # --- what the methods are made of

    async def _created(self, what: str, plan: Plan, shape: jobs.Shape) -> FineTuningJob:
        def told(error: openai.APIStatusError) -> VendorError | None:
            said = reported(error)
            if error.status_code in (400, 422) and said.refuses("method"):
                text = f"{self.vendor} does not accept {what}{self._calls.detail(said.message)}"
                return _Unshaped(text, vendor=self.vendor)
            return self._refusal(error)

        body: Any = {**jobs.body(plan, shape), **self._extra}
        return await self._calls.once(what, lambda: self._client.fine_tuning.jobs.create(**body), told=told)

    def _opened(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as error:
            text = f"the file {path.name} cannot be read on this machine: {error.strerror}"
            raise BadRequest(text, vendor=self.vendor) from error

    def _refusal(self, error: openai.APIStatusError) -> VendorError | None:
        said = reported(error)
        scope = "scope" in said.message.lower() or "insufficient permission" in said.message.lower()
        if error.status_code != 403 or scope or not self._official:
            return None
        text = (
            f"{self.vendor} takes no new fine-tuning jobs from this organisation{self._calls.detail(said.message)}. It is "
            "winding fine-tuning down: new jobs only for those who used a tuned model in the last 60 days, for nobody after "
            f"2027-01-06, and tuned models stop on 2027-01-14. Instead, {_ELSEWHERE}"
        )
        return Denied(text, vendor=self.vendor)

    async def _files(self) -> list[dict[str, Any]]:
        what = "the list of files"
        try:
            return await self._calls.rows(
                what, lambda: self._client.files.list(purpose="fine-tune", **self._extra), pages=_FILE_PAGES
            )
        except (BadRequest, ModelNotFound):
            return []  # a vendor without a list of files: what is brought twice costs nothing but its upload

    async def _jobs(self, key: str, *, filtered: bool) -> list[dict[str, Any]]:
        """The jobs, newest first, as far as the page that has one of this key."""
        wanted: Any = {"limit": _PAGE, **self._extra} | ({"metadata": {jobs.KEY: key}} if filtered else {})
        return await self._calls.rows(
            "the list of fine-tuning jobs",
            lambda: self._client.fine_tuning.jobs.list(**wanted),
            pages=_JOB_PAGES,
            enough=lambda rows: bool(_of_key(rows, key)),
        )

    async def _retrieved(self, job_id: str) -> dict[str, Any]:
        what = f"the job {job_id}"
        call = self._client.fine_tuning.jobs.retrieve
        try:
            return self._calls.row(what, await self._calls.safe(what, lambda: call(job_id, **self._extra)))
        except NotThere as error:
            raise JobGone(str(error), vendor=self.vendor) from None

    async def _events(self, job_id: str, after: str) -> list[dict[str, Any]]:
        def enough(rows: Sequence[Row]) -> bool:
            return not jobs.ascending(rows) and any(row["id"] == after for row in rows)

        call = self._client.fine_tuning.jobs.list_events
        try:
            return await self._calls.rows(
                f"the events of the job {job_id}",
                lambda: call(job_id, limit=_PAGE, **self._extra),
                pages=_EVENT_PAGES,
                enough=enough,
            )
        except NotThere as error:
            raise JobGone(str(error), vendor=self.vendor) from None

    async def _latest(self, job_id: str) -> list[dict[str, Any]]:
        """The newest events, or none: how far a job is is not worth a poll that fails."""
        call = self._client.fine_tuning.jobs.list_events
        try:
            page = await self._calls.once(
                f"the events of the job {job_id}", lambda: call(job_id, limit=20, **self._extra)
            )
            return [self._calls.row("an event", row) for row in page.data or ()]
        except VendorError:
            return []

    async def _checkpoints(self, job_id: str) -> list[Checkpoint]:
        call = self._client.fine_tuning.jobs.checkpoints.list
        try:
            rows = await self._calls.rows(
                f"the checkpoints of the job {job_id}",
                lambda: call(job_id, limit=_PAGE, **self._extra),
                pages=_FILE_PAGES,
            )
        except (BadRequest, ModelNotFound):
            return []  # a vendor without checkpoints
        found = [jobs.checkpoint(row) for row in rows if row.get("fine_tuned_model_checkpoint")]
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    async def _content(self, id: str) -> bytes:
        answer = await self._client.files.content(id, **self._extra)
        return answer.content

    async def _turned(
        self,
        job_id: str,
        call: Callable[..., Awaitable[FineTuningJob]],
        verb: str,
        already: Callable[[Job], bool],
    ) -> Job:
        """The job once it is cancelled, paused or resumed; one that is so ``already`` is as good."""
        what = f"to {verb} the job {job_id}"
        try:
            return self._job(what, await self._calls.safe(what, lambda: call(job_id, **self._extra)))
        except (BadRequest, ModelNotFound, Conflict) as error:
            now = await self.poll(job_id)
            if already(now):
                return now
            if isinstance(error, ModelNotFound):
                raise BadRequest(f"{self.vendor} cannot {verb} jobs", vendor=self.vendor) from None
            raise

    async def _deleted(self, what: str, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._calls.safe(what, call)
        except NotThere:
            pass  # gone is what was wanted

    def _job(self, what: str, answer: object) -> Job:
        return jobs.job(self._calls.row(what, answer), named=self._official)


def _of_key(rows: Sequence[Row], key: str) -> list[Row]:
    return [row for row in rows if jobs.key(row) == key]
