"""``GoogleTuner``: fine-tuning of Gemini in a project of the Agent Platform, with its files in Cloud Storage."""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlencode

from adapters.vendors.base import BadRequest, Denied, VendorError
from adapters.vendors.google import jobs, wire
from adapters.vendors.google.calls import Calls, NotThere, Pause
from adapters.vendors.google.client import EVERYWHERE, Clients, ask
from adapters.vendors.google.endpoint import Endpoint
from adapters.vendors.google.storage import NO_EXTRA, Bucket
from adapters.vendors.tuning import (
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
    TrainingFile,
    Uploaded,
)

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.types import TuningJob


# Google's guides once asked for 16 examples and now name no least number, only 100 to start with.
LEAST_ROWS: Final = 16
MOST_BYTES: Final = 1024**3
MOST_VALIDATION_ROWS: Final = 5000
TOKENS: Final = 131_072
# The service does not list what it tunes; these are of Google's guide as of 2026-11-20. Whoever tunes another names it: the
# service decides.
TUNABLE: Final = ("gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3.1-flash-lite", "gemini-2.5-pro")

_METHODS: Final[tuple[Method, ...]] = ("sft", "dpo")
_FORMATS: Final[Mapping[Method, str]] = {"sft": "google-sft", "dpo": "google-preference"}
_NOTICE: Final = (
    "Google bills the tokens of the dataset once for each epoch and tells no job's price; look it up in the console. A "
    "tuned model costs nothing while nobody asks it."
)
_NO_PROJECT: Final = (
    "the Gemini API no longer tunes; set google.project, google.bucket and a region in google.tuning_location, to tune on "
    "the Agent Platform"
)
_NO_BUCKET: Final = "set google.bucket to a bucket of Cloud Storage, where its files go"
_NO_REGION: Final = "set google.tuning_location to a region, such as us-central1, or for Gemini 3 to us or eu"
_PAGE: Final = 100
_PAGES: Final = 10
_SERIES: Final = 1000
_UNDEPLOY_SECONDS: Final = 30


class GoogleTuner:
    """The ``Tuner`` of a project. It keeps nothing; what it needs to know it asks the service.

    Requests that may be repeated are tried three times, with pauses; ``create`` once: whoever does not know what became of
    it asks ``find``. ``adapter_size`` is 1, 2, 4, 8, 16 or 32, by default what the service recommends. Every method raises
    ``NotConfigured`` while the project or the region is missing, and those that deal with files while the bucket or the
    storage client is.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        adapter_size: int | None = None,
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if adapter_size is not None and adapter_size not in jobs.ADAPTER_SIZES:
            raise ValueError(f"an adapter has one of the sizes {', '.join(map(str, jobs.ADAPTER_SIZES))}")
        self._endpoint = endpoint
        self._adapter_size = adapter_size
        self._calls = Calls(
            vendor=endpoint.vendor,
            seconds=endpoint.connect_seconds + endpoint.first_seconds,
            pause=pause,
            chance=chance,
        )
        self._clients = Clients(endpoint)
        self._bucket = Bucket(endpoint, self._calls)

    @property
    def vendor(self) -> str:
        """The endpoint's name, ``google`` unless it was given another."""
        return self._endpoint.vendor

    async def capabilities(self) -> Capabilities:
        """What the service is known to tune, without asking it: it has no list of that. Raises ``NotConfigured``."""
        self._region()
        self._needs_bucket()
        return Capabilities(
            methods=_METHODS,
            formats=_FORMATS,
            base_models=tuple(BaseModel(name, _METHODS, tokens=TOKENS) for name in TUNABLE),
            checkpoints=True,
            least_rows=LEAST_ROWS,
            notice=_NOTICE,
        )

    async def seconds(self, file: TrainingFile, plan: Hyperparameters, base_model: str) -> float | None:
        """Nobody knows: a job waits for quota and for machines."""
        return None

    async def upload(self, file: TrainingFile, key: str) -> Uploaded:
        """Bring a file to ``gs://<bucket>/understudy/<key>/<split>.jsonl``, unless the same bytes are there already.

        Raises ``BadRequest`` for a file that cannot be read here or is larger than the service takes, else as every method.
        """
        self._region()
        self._needs_bucket()
        if file.bytes > MOST_BYTES:
            self._bad(f"takes files of at most 1 GiB, and {file.path.name} has {file.bytes / MOST_BYTES:.1f}")
        if file.split == "validation" and file.rows > MOST_VALIDATION_ROWS:
            self._bad(f"takes at most {MOST_VALIDATION_ROWS} rows to validate with, not {file.rows}")
        return Uploaded(await self._bucket.bring(file, key), file.split)

    async def brought(self, key: str, split: Split) -> Sequence[str]:
        """Where ``upload`` puts it, there or not."""
        self._needs_bucket()
        return [self._bucket.uri(key, split)]

    async def create(self, plan: Plan) -> Job:
        """Create the job, with the plan's key among its labels.

        Raises ``BadRequest`` or ``ModelNotFound`` for a plan that it does not take, ``Denied`` where the account may not,
        and ``Unavailable`` when nobody knows whether there is a job now: ask ``find``.
        """
        self._region()
        self._fits(plan)
        what = f"a tuning job of {plan.base_model}"

        async def call() -> TuningJob:
            from google.genai import types

            client = await self._client(what)
            return await client.aio.tunings.tune(
                base_model=plan.base_model,
                training_dataset=types.TuningDataset(gcs_uri=plan.train.id),
                config=jobs.config(plan, self._adapter_size),
            )

        row = await self._calls.once(what, call)
        if not row.name:
            raise self._calls.told(what).unavailable("its answer names no job")
        return jobs.job(row)

    async def find(self, key: str) -> Job | None:
        """The job whose label has the key, one that still goes or went well before others, in the region that is set.

        Where the service's own filter finds nothing, the last thousand jobs are looked through.
        """
        self._region()
        wanted = jobs.label(key)
        try:
            own = await self._listed(f'labels.{jobs.KEY}="{wanted}"', wanted)
        except BadRequest:
            own = []  # it does not take the filter; the whole list follows
        own = own or await self._listed("", wanted)
        if not own:
            return None
        lost = {"failed", "cancelled"}
        best = next((row for row in own if jobs.status(row) not in lost), own[0])
        return await self.poll(best.name or "")

    async def poll(self, job_id: str) -> Job:
        """The job as it is now, with its checkpoints once it has ended. Raises ``JobGone``."""
        return jobs.job(await self._row(job_id))

    async def events(self, job_id: str, *, after: str = "") -> Sequence[JobEvent]:
        """That it was created, started and ended, and what was found in its dataset: the service tells nothing else.

        Oldest first; all of them when ``after`` is none of them. Raises ``JobGone``.
        """
        told = jobs.events(await self._row(job_id))
        places = [place for place, event in enumerate(told) if event.id == after]
        return told[places[-1] + 1 :] if places else told

    async def metrics(self, job_id: str) -> Sequence[Point]:
        """The losses in the TensorBoard that the job names as its experiment; none without one, or where we may not read.

        Raises ``JobGone``.
        """
        row = await self._row(job_id)
        if not row.experiment:
            return ()
        try:
            return await self._curves(row.experiment)
        except (NotThere, Denied):
            return ()

    async def cancel(self, job_id: str) -> Job:
        """Stop it, which takes a while. One that has ended stays as it ended. Raises ``JobGone``."""
        now = await self.poll(job_id)
        if now.ended or now.status == "cancelling":
            return now
        what = f"the job {job_id}"

        async def call() -> object:
            client = await self._client(what, wire.location(job_id))
            return await client.aio.tunings.cancel(name=job_id)

        try:
            await self._calls.safe(what, call)
        except NotThere as error:
            raise JobGone(str(error), vendor=self.vendor) from None
        except VendorError as error:
            later = await self.poll(job_id)
            if error.retryable or not (later.ended or later.status == "cancelling"):
                raise
            return later
        return await self.poll(job_id)

    async def pause(self, job_id: str) -> Job:
        """Raises ``BadRequest``: the service cannot."""
        self._bad("cannot hold a job; cancel it, or let it go on")

    async def resume(self, job_id: str) -> Job:
        """Raises ``BadRequest``: the service cannot."""
        self._bad("cannot hold a job, so none can be resumed")

    async def delete_file(self, file_id: str) -> None:
        """Delete an uploaded file. One that is gone is no error."""
        self._region()
        await self._bucket.drop(file_id)

    async def delete_model(self, model: str) -> None:
        """Take a tuned model off its endpoint and delete both; one that is gone is no error.

        A model of several checkpoints stays until the last of their endpoints is deleted.
        """
        self._region()
        if not wire.location(model) or "/endpoints/" not in model:
            self._bad(f"has no tuned model {model!r}; one is called projects/…/locations/…/endpoints/…")
        try:
            endpoint = await self._asked("get", model)
        except NotThere:
            return
        deployed: list[Mapping[str, Any]] = list(endpoint.get("deployedModels") or ())
        for one in deployed:
            operation = await self._asked(
                "post", f"{model}:undeployModel", {"deployedModelId": str(one["id"])}
            )
            await self._waited(operation)
        await self._gone(model)
        for name in {str(one.get("model") or "").partition("@")[0] for one in deployed} - {""}:
            await self._unused_gone(name)

    async def close(self) -> None:
        """Give back connections. Jobs go on."""
        await self._bucket.close()
        await self._clients.close()

    # --- what the methods are made of

    def _region(self) -> str:
        """Where jobs run. Raises ``NotConfigured``."""
        told = self._calls.told("tuning")
        if not self._endpoint.project:
            raise told.not_configured(_NO_PROJECT)
        found = self._endpoint.tuning_location or self._endpoint.location
        if found in {"", EVERYWHERE}:
            raise told.not_configured(_NO_REGION)
        return found

    def _needs_bucket(self) -> None:
        told = self._calls.told("tuning")
        if not self._endpoint.bucket:
            raise told.not_configured(_NO_BUCKET)
        try:
            found = find_spec("google.cloud.storage")
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise told.not_configured(NO_EXTRA)

    def _bad(self, text: str) -> NoReturn:
        raise BadRequest(f"{self.vendor} {text}", vendor=self.vendor)

    def _fits(self, plan: Plan) -> None:
        if plan.method not in jobs.METHODS:
            self._bad(f"does not train with {plan.method}: choose {' or '.join(_METHODS)}")
        if plan.hyperparameters.batch_size is not None:
            self._bad("chooses the batch size of a Gemini model itself: leave it out")
        if not plan.key:
            self._bad("needs a key by which a job is found again")
        for file in (plan.train, plan.validation):
            if file is not None and not file.id.startswith("gs://"):
                self._bad(f"trains on files in Cloud Storage (gs://…), and {file.id!r} is none")

    async def _client(self, what: str, location: str = "") -> Client:
        # The client warns of each word that it does not know, and once that tuning may change.
        warnings.filterwarnings("ignore", r".* is not a valid (?:Tuning)?JobState", UserWarning)
        warnings.filterwarnings("ignore", "The SDK's tuning implementation is experimental")
        return await self._clients.get(self._calls.told(what), location or self._region())

    async def _row(self, job_id: str) -> TuningJob:
        self._region()
        what = f"the job {job_id}"
        if not jobs.is_name(job_id):
            raise JobGone(f"{self.vendor} does not know {what}", vendor=self.vendor)

        async def call() -> TuningJob:
            client = await self._client(what, wire.location(job_id))
            return await client.aio.tunings.get(name=job_id)

        try:
            row = await self._calls.safe(what, call)
        except NotThere as error:
            raise JobGone(str(error), vendor=self.vendor) from None
        # A proxy's answer may be an object that says nothing of a job.
        if not row.name:
            raise self._calls.told(what).unavailable("its answer names no job")
        return row

    async def _listed(self, filter: str, wanted: str) -> list[TuningJob]:
        """The jobs with this label, newest first, of at most so many pages."""
        what = "the list of tuning jobs"
        found: list[TuningJob] = []
        token: str | None = None
        for _ in range(_PAGES):

            async def call(token: str | None = token) -> tuple[list[TuningJob], str | None]:
                client = await self._client(what)
                config: Any = {"page_size": _PAGE, "page_token": token, "filter": filter or None}
                pager = await client.aio.tunings.list(config=config)
                return pager.page, pager.config.get("page_token")

            rows, following = await self._calls.safe(what, call)
            found += [row for row in rows if row.name and (row.labels or {}).get(jobs.KEY) == wanted]
            if found or not following or following == token:
                break
            token = following
        return found

    async def _curves(self, experiment: str) -> list[Point]:
        board = jobs.tensorboard(await self._asked("get", experiment), experiment)
        if not board:
            return []
        runs = await self._asked("get", f"{board}/runs?{urlencode({'pageSize': _SERIES})}")
        titles: dict[str, str] = {}
        for run in runs.get("tensorboardRuns") or ():
            listed = await self._asked("get", f"{run['name']}/timeSeries?{urlencode({'pageSize': _SERIES})}")
            titles |= jobs.curves(listed.get("tensorboardTimeSeries") or ())
        if not titles:
            return []
        asked = urlencode([("timeSeries", name) for name in titles])
        read = await self._asked("get", f"{board.partition('/experiments/')[0]}:batchRead?{asked}")
        known = {name.rpartition("/")[2]: title for name, title in titles.items()}
        return jobs.points(read.get("timeSeriesData") or (), known)

    async def _asked(
        self, method: str, path: str, body: dict[str, object] | None = None
    ) -> Mapping[str, Any]:
        """What the service answers about a resource. Raises ``NotThere``, ``VendorError``."""
        what = path.partition("?")[0]

        async def call() -> Mapping[str, Any]:
            answer = await ask(await self._client(what, wire.location(path)), method, path, body)
            if not isinstance(answer, Mapping):
                raise TypeError("not an object")
            return answer

        return await self._calls.safe(what, call)

    async def _waited(self, operation: Mapping[str, Any]) -> None:
        """Until a long-running operation is done, as far as the service waits. Raises ``Unavailable`` when it is not."""
        name = operation.get("name")
        if operation.get("done") or not isinstance(name, str):
            return
        done = await self._asked("post", f"{name}:wait?timeout={_UNDEPLOY_SECONDS}s")
        if not done.get("done"):
            raise self._calls.told(name).unavailable("it is not done yet")

    async def _gone(self, name: str) -> None:
        try:
            await self._waited(await self._asked("delete", name))
        except NotThere:
            pass

    async def _unused_gone(self, model: str) -> None:
        """Delete a model, unless another of its checkpoints is on an endpoint."""
        try:
            kept = await self._asked("get", model)
        except NotThere:
            return
        if not kept.get("deployedModels"):
            await self._gone(model)
