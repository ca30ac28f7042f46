"""A local Agent Platform that tunes: tuning jobs, the endpoints and models they leave, and the curves in a TensorBoard.

A job does nothing by itself: a test moves it with ``queue``, ``run``, ``stage``, ``succeed``, ``fail``, ``say`` and
``vanish``. What goes wrong on the way is a ``Fault``. Objects are as Google publishes them; the words of errors are ours.
Resources are named by the project's number, as the service does, whatever they were asked by.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from tests.servers.gcs import StorageServer
from tests.servers.gemini import PROJECT, Failure, GeminiServer, bad, failed
from tests.servers.google_faults import Faults, Handler

Object = dict[str, Any]
NUMBER: Final = "801452371447"  # of the project
TUNABLE: Final = ("gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3.1-flash-lite", "gemini-2.5-pro")
EPOCH: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)
NO_PERMISSION: Final = Failure(
    403, "PERMISSION_DENIED", "Permission 'aiplatform.tuningJobs.create' denied on resource (or it may not exist).",
)  # fmt: skip
NO_QUOTA: Final = Failure(429, "RESOURCE_EXHAUSTED", "Quota exceeded for global_concurrent_tuning_jobs.")
_SPECS: Final = {"supervisedTuningSpec": "supervised", "preferenceOptimizationSpec": "preference"}
_FIELDS: Final = {*_SPECS, "baseModel", "tunedModelDisplayName", "labels", "description"}
_ENDED: Final = {f"JOB_STATE_{word}" for word in ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")}
_LABEL: Final = re.compile(r"[\w-]{0,63}")
_FILTER: Final = re.compile(r'labels\.(\w+)\s*=\s*"?([\w-]*)"?')


class TuningServer(GeminiServer):
    """The service on loopback, with tuning.

    ``jobs`` holds the jobs by name, oldest first, ``bodies`` what they were created with, ``deployed`` the endpoints and
    ``registry`` the models that they left. ``trouble`` has the faults and what was asked of tuning. ``filters`` False
    ignores the filter of a listing, ``refuses_filters`` refuses it; ``tracks`` False keeps no curves, ``hides`` refuses to
    show them; ``waits`` False leaves an operation undone; ``by_itself`` moves a job one state on each time that it is asked
    for, for whole programs that poll. Files have to be in ``storage``, where there is one.
    """

    def __init__(
        self, *, recording: bool = True, token: str | None = None, storage: StorageServer | None = None
    ) -> None:
        super().__init__(recording=recording, token=token)
        self.storage = storage
        self.jobs: dict[str, Object] = {}
        self.bodies: list[Object] = []
        self.deployed: dict[str, Object] = {}
        self.registry: dict[str, Object] = {}
        self.operations: dict[str, str] = {}
        self.curves: dict[str, dict[str, list[Object]]] = {}
        self.trouble = Faults()
        self.filters = True
        self.refuses_filters = False
        self.tracks = True
        self.hides = False
        self.waits = True
        self.by_itself = False
        self.page = 100
        self.cancels_to = "CANCELLED"
        self._ticks = 0
        self._count = 4_303_478_340_632_707_000
        add = self.application.router.add_route
        place = "/v1beta1/projects/{project}/locations/{location}"
        job = f"{place}/tuningJobs/{{id:[^/:]+}}"
        endpoint = f"{place}/endpoints/{{id:[^/:]+}}"
        context = f"{place}/metadataStores/default/contexts/{{id}}"
        board = f"{place}/tensorboards/{{board:[^/:]+}}"
        runs = f"{board}/experiments/{{id}}/runs"

        def guarded(handler: Handler) -> Any:
            return self.trouble.guarded(handler, self._no_token)

        add("POST", f"{place}/tuningJobs", guarded(self._create))
        add("GET", f"{place}/tuningJobs", guarded(self._list_jobs))
        add("GET", job, guarded(self._job))
        add("POST", f"{job}:cancel", guarded(self._cancel))
        add("GET", endpoint, guarded(self._endpoint))
        add("DELETE", endpoint, guarded(self._delete_endpoint))
        add("POST", f"{endpoint}:undeployModel", guarded(self._undeploy))
        add("GET", f"{place}/models/{{id:[^/:]+}}", guarded(self._model))
        add("DELETE", f"{place}/models/{{id:[^/:]+}}", guarded(self._delete_model))
        add("POST", f"{place}/operations/{{id:[^/:]+}}:wait", guarded(self._wait))
        add("GET", context, guarded(self._context))
        add("GET", runs, guarded(self._runs))
        add("GET", f"{runs}/{{run}}/timeSeries", guarded(self._series))
        add("GET", f"{board}:batchRead", guarded(self._read))

    # --- what a test moves

    def queue(self, name: str) -> None:
        """The job waits for its turn."""
        self._turn(name, "QUEUED")

    def run(self, name: str, *, steps: int = 4) -> None:
        """The job runs, has looked at its dataset and made its first steps."""
        self._turn(name, "RUNNING", startTime=self._tick(), tuningJobState="TUNING_JOB_STATE_TUNING")
        job = self.jobs[name]
        supervised = "supervisedTuningSpec" in job
        stats: Object = {
            "tuningDatasetExampleCount": "20",
            "totalBillableTokenCount": "1200",
            "tuningStepCount": "10",
        }
        if supervised:
            stats |= {"totalTruncatedExampleCount": "0", "totalTuningCharacterCount": "6000"}
        kind = "supervisedTuningDataStats" if supervised else "preferenceOptimizationDataStats"
        job |= {"tuningDataStats": {kind: stats}, "tuningJobMetadata": {"completedEpochCount": "1"}}
        if self.tracks:
            place = name.partition("/tuningJobs/")[0]
            tracked = f"{place}/metadataStores/default/contexts/tuning-experiment-{name.rpartition('/')[2]}"
            job["experiment"] = tracked
            self.curves[tracked] = {}
        for step in range(1, steps + 1):
            self.step(name, step)

    def advance(self, name: str) -> None:
        """One state further on the way of a job that goes well."""
        moves = {
            "JOB_STATE_PENDING": self.queue,
            "JOB_STATE_QUEUED": self.run,
            "JOB_STATE_RUNNING": self.succeed,
        }
        if move := moves.get(self.jobs[name]["state"]):
            move(name)

    def stage(self, name: str, word: str) -> None:
        """What a job that runs is at, such as ``WAITING_FOR_CAPACITY``."""
        self._turn(name, "RUNNING", tuningJobState=f"TUNING_JOB_STATE_{word}")

    def step(self, name: str, step: int) -> None:
        """One more step, with its losses."""
        job = self.jobs[name]
        if "experiment" not in job:
            return
        curves = self.curves[job["experiment"]]
        train = (
            "/train_total_loss" if "supervisedTuningSpec" in job else "/preference_optimization_train_loss"
        )
        told = {
            train: 2 / step,
            "/train_fraction_of_correct_next_step_preds": 0.5,
            "/train_num_predictions": 640,
        }
        spec = job.get("supervisedTuningSpec") or job["preferenceOptimizationSpec"]
        if "validationDatasetUri" in spec:
            told |= {"/eval_total_loss": 2.2 / step}
        for title, value in told.items():
            point = {"step": str(step), "wallTime": self._tick(), "scalar": {"value": round(value, 4)}}
            curves.setdefault(title, []).append(point)

    def succeed(self, name: str, *, word: str = "SUCCEEDED", model: bool = True, steps: int = 10) -> None:
        """The job ends well, with a model on an endpoint and, before the last, a checkpoint; without ``model`` with none."""
        place = name.partition("/tuningJobs/")[0]
        for step in range(5, steps + 1):
            self.step(name, step)
        self._turn(name, word, endTime=self._tick())
        if not model:
            return
        job, made = self.jobs[name], f"{place}/models/{self._number()}"
        endpoints = [f"{place}/endpoints/{self._number()}" for _ in range(2)]
        self.registry[made] = {
            "name": made,
            "displayName": job.get("tunedModelDisplayName", "tuned"),
            "versionId": "1",
        }
        checkpoints: list[Object] = []
        for number, endpoint in enumerate(endpoints, 1):
            version, id = f"{made}@{number}", self._number()
            deployed = {"id": id, "model": version, "displayName": "tuned", "checkpointId": str(number)}
            self.deployed[endpoint] = {"name": endpoint, "displayName": "tuned", "deployedModels": [deployed]}
            self.endpoints.add(endpoint)
            step = str(steps * number // 2)
            checkpoints.append(
                {"checkpointId": str(number), "epoch": str(number), "step": step, "endpoint": endpoint}
            )
        job["tunedModel"] = {"model": f"{made}@1", "endpoint": endpoints[-1], "checkpoints": checkpoints}

    def fail(self, name: str, message: str, code: int = 3) -> None:
        """The job ends badly."""
        self._turn(name, "FAILED", endTime=self._tick(), error={"code": code, "message": message})

    def say(self, name: str, word: str) -> None:
        """The service's word for the job's state."""
        self._turn(name, word.upper())

    def vanish(self, name: str) -> None:
        """There is no such job any more."""
        self.jobs.pop(name)

    def _turn(self, name: str, word: str, **more: Any) -> None:
        self.jobs[name] |= {"state": f"JOB_STATE_{word}", "updateTime": self._tick()} | more

    # --- jobs

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if failure := self._unfit(body):
            return failed(failure)
        self.bodies.append(body)
        name = f"projects/{NUMBER}/locations/{request.match_info['location']}/tuningJobs/{self._number()}"
        job = body | {
            "name": name,
            "state": "JOB_STATE_PENDING",
            "createTime": self._tick(),
            "updateTime": self._tick(),
        }
        for spec in _SPECS:
            given = job.get(spec, {}).get("hyperParameters", {})
            if "epochCount" in given:  # a 64-bit number travels as text
                hyperparameters = given | {"epochCount": str(given["epochCount"])}
                job[spec] = job[spec] | {"hyperParameters": hyperparameters}
        self.jobs[name] = job
        return web.json_response(job)

    def _unfit(self, body: Object) -> Failure | None:
        for unknown in sorted(set(body) - _FIELDS):
            return bad(
                f"Invalid JSON payload received. Unknown name \"{unknown}\" at 'tuning_job': Cannot find field."
            )
        if body.get("baseModel") not in TUNABLE:
            return bad(f"Base model {body.get('baseModel')} is not supported.")
        specs = [body[name] for name in _SPECS if name in body]
        if len(specs) != 1:
            return bad("Exactly one tuning spec is required.")
        for field in ("trainingDatasetUri", "validationDatasetUri"):
            uri = specs[0].get(field)
            if uri is None and field == "trainingDatasetUri":
                return bad("training_dataset_uri is required.")
            if uri is not None and self.storage is not None and not self.storage.has(uri):
                return bad(f"Failed to open file {uri}: it does not exist.")
        for name, value in (body.get("labels") or {}).items():
            if not _LABEL.fullmatch(name) or not _LABEL.fullmatch(value) or value != value.lower():
                return bad(f"Invalid label {name}: {value}.")
        return None

    async def _list_jobs(self, request: web.Request) -> web.StreamResponse:
        place = f"projects/{NUMBER}/locations/{request.match_info['location']}/"
        rows = [job for name, job in reversed(self.jobs.items()) if name.startswith(place)]
        if filter := request.query.get("filter"):
            found = _FILTER.fullmatch(filter)
            if self.refuses_filters or found is None:
                return failed(bad("Invalid filter."))
            if self.filters:
                rows = [
                    row for row in rows if (row.get("labels") or {}).get(found.group(1)) == found.group(2)
                ]
        start = int(request.query.get("pageToken", "0"))
        end = start + min(int(request.query.get("pageSize", "100")), self.page)
        listed: Object = {"tuningJobs": rows[start:end]} if rows else {}
        return web.json_response(listed | ({"nextPageToken": str(end)} if end < len(rows) else {}))

    async def _job(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if name not in self.jobs:
            return _missing("TuningJob", name)
        if self.by_itself:
            self.advance(name)
        return web.json_response(self.jobs[name])

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if name not in self.jobs:
            return _missing("TuningJob", name)
        if (state := self.jobs[name]["state"]) in _ENDED:
            message = f"The TuningJob is in state {state} and cannot be canceled."
            return failed(Failure(400, "FAILED_PRECONDITION", message))
        ended = {"endTime": self._tick(), "error": {"code": 1, "message": "CANCELLED"}}
        self._turn(name, self.cancels_to, **(ended if self.cancels_to == "CANCELLED" else {}))
        return web.json_response({})

    # --- endpoints and models

    async def _endpoint(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        return web.json_response(self.deployed[name]) if name in self.deployed else _missing("Endpoint", name)

    async def _undeploy(self, request: web.Request) -> web.StreamResponse:
        name, id = self._named(request), (await request.json())["deployedModelId"]
        if name not in self.deployed:
            return _missing("Endpoint", name)
        kept = [one for one in self.deployed[name]["deployedModels"] if one["id"] != id]
        if len(kept) == len(self.deployed[name]["deployedModels"]):
            return _missing("DeployedModel", id)
        operation = f"{name.partition('/endpoints/')[0]}/operations/{self._number()}"
        self.operations[operation] = name
        return web.json_response({"name": operation, "metadata": {"@type": "UndeployModelOperationMetadata"}})

    async def _wait(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if name not in self.operations:
            return _missing("Operation", name)
        if not self.waits:
            return web.json_response({"name": name})
        self.deployed[self.operations.pop(name)].pop("deployedModels")
        return web.json_response({"name": name, "done": True, "response": {}})

    async def _delete_endpoint(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if name not in self.deployed:
            return _missing("Endpoint", name)
        if self.deployed[name].get("deployedModels"):
            return failed(
                Failure(400, "FAILED_PRECONDITION", "The Endpoint has deployed or being-deployed models.")
            )
        del self.deployed[name]
        self.endpoints.discard(name)
        return web.json_response(
            {"name": f"{name}/operations/{self._number()}", "done": True, "response": {}}
        )

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if name not in self.registry:
            return _missing("Model", name)
        deployed = [
            {"endpoint": endpoint, "deployedModelId": one["id"]}
            for endpoint, value in self.deployed.items()
            for one in value.get("deployedModels", [])
            if one["model"].partition("@")[0] == name
        ]
        return web.json_response(self.registry[name] | ({"deployedModels": deployed} if deployed else {}))

    async def _delete_model(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if self.registry.pop(name, None) is None:
            return _missing("Model", name)
        return web.json_response(
            {"name": f"{name}/operations/{self._number()}", "done": True, "response": {}}
        )

    # --- curves

    async def _context(self, request: web.Request) -> web.StreamResponse:
        name = self._named(request)
        if self.hides:
            message = (
                f"Permission 'aiplatform.contexts.get' denied on resource '{name}' (or it may not exist)."
            )
            return failed(Failure(403, "PERMISSION_DENIED", message))
        if name not in self.curves:
            return _missing("Context", name)
        board = f"{name.partition('/metadataStores/')[0]}/tensorboards/77"
        metadata = {"experiment_deleted": False, "backing_tensorboard_resource": board}
        return web.json_response({"name": name, "schemaTitle": "system.Experiment", "metadata": metadata})

    async def _runs(self, request: web.Request) -> web.StreamResponse:
        name = f"{self._named(request)}/tuning-run-1"
        return web.json_response({"tensorboardRuns": [{"name": name, "displayName": "tuning-run-1"}]})

    async def _series(self, request: web.Request) -> web.StreamResponse:
        name, curves = self._named(request), self._tracked(request.match_info["id"])
        rows = [
            {"name": f"{name}/{number}", "displayName": title, "valueType": "SCALAR"}
            for number, title in enumerate(curves, 100)
        ]
        return web.json_response({"tensorboardTimeSeries": rows} if rows else {})

    async def _read(self, request: web.Request) -> web.StreamResponse:
        read: list[Object] = []
        for name in request.query.getall("timeSeries"):
            found = re.fullmatch(r"projects/.+/experiments/([^/]+)/runs/[^/]+/timeSeries/(\d+)", name)
            if found is None:
                return failed(bad(f"Invalid resource name {name}."))
            values = list(self._tracked(found.group(1)).values())[int(found.group(2)) - 100]
            read.append({"tensorboardTimeSeriesId": found.group(2), "valueType": "SCALAR", "values": values})
        return web.json_response({"timeSeriesData": read})

    def _tracked(self, experiment: str) -> dict[str, list[Object]]:
        return next(one for name, one in self.curves.items() if name.endswith(f"/{experiment}"))

    # --- how everything is named

    def _named(self, request: web.Request) -> str:
        """The resource that a request is about, by the project's number."""
        path = request.path.removeprefix("/v1beta1/")
        place, _, last = path.rpartition("/")
        return f"{place}/{last.partition(':')[0]}".replace(f"projects/{PROJECT}/", f"projects/{NUMBER}/", 1)

    def _number(self) -> str:
        self._count += 1
        return str(self._count)

    def _tick(self) -> str:
        self._ticks += 1
        return (EPOCH + timedelta(seconds=self._ticks)).isoformat().replace("+00:00", "Z")


def _missing(kind: str, name: str) -> web.Response:
    return failed(Failure(404, "NOT_FOUND", f"The {kind} does not exist: {name}"))
