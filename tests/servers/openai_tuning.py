"""A local OpenAI that trains: files, fine-tuning jobs with their events, checkpoints and results, beside chat.

A job does nothing by itself: a test moves it with ``queue``, ``run``, ``succeed``, ``fail``, ``say`` and ``vanish``. What
goes wrong on the way is a ``Fault``. Objects are as the official contract has them; the words of errors are ours.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiohttp import web

from tests.servers.openai import BROKEN, CREATED, Failure, OpenAIServer
from tests.servers.openai_bodies import Object, checkpoint, created, form, page

TUNABLE: Final = (
    "gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14", "gpt-4.1-mini",
    "gpt-4o-mini-2024-07-18", "gpt-4o-mini",
)  # fmt: skip
WOUND_DOWN: Final = Failure(
    403, "fine_tuning_not_available", "Creating fine-tuning jobs is not available to this organization.",
)  # fmt: skip
MISSING_SCOPE: Final = Failure(
    403, None, "You have insufficient permissions for this operation. Missing scopes: api.fine_tuning.jobs.write.",
)  # fmt: skip
TOO_FAST: Final = Failure(
    429, "rate_limit_exceeded", "Rate limit reached for requests.", "requests", headers={"Retry-After": "2"},
)  # fmt: skip
_ENDED: Final = {"succeeded", "failed", "cancelled", "canceled"}
_METHODS: Final = {"supervised", "dpo"}


@dataclass
class Fault:
    """What becomes of the next ``times`` requests whose method and path match; None is until the fault is taken away.

    ``hang`` never answers and ``cut`` closes the connection, both before anything is done; with ``after`` they come once the
    request has had its effect, which is how a job is created that its creator does not know of.
    """

    answer: Failure | Literal["hang", "cut"] = BROKEN
    method: str = ""
    path: str = ""
    times: int | None = 1
    after: bool = False

    def fits(self, request: web.Request) -> bool:
        """Whether it is this request's turn."""
        wanted = self.method in {"", request.method} and re.search(self.path, request.path) is not None
        return wanted and self.times != 0


class TuningServer(OpenAIServer):
    """The service on loopback, with tuning.

    ``files`` and ``jobs`` hold its objects by id, oldest first, and ``bodies`` what jobs were created with. ``hits`` has
    each request's method and path below the base, also of those that got no answer. ``faults`` are tried in order.
    ``takes`` is where it takes hyperparameters: in a method, or on top as ``earlier`` or as Nebius does, and nowhere else.
    ``filters`` False is a vendor that ignores the metadata filter, ``keeps_metadata`` False one that drops metadata;
    ``wound_down`` takes no new jobs; ``plain_results`` leaves the result file as it is instead of base64;
    ``by_itself`` moves a job one state on each time that it is asked for, for whole programs that poll.
    """

    def __init__(self, *, recording: bool = True, key: str | None = None) -> None:
        super().__init__(recording=recording, key=key)
        for name in TUNABLE:
            day = {"shutdown_date": "2027-01-14"}
            self.models[name] = {
                "id": name,
                "object": "model",
                "created": CREATED,
                "owned_by": "system",
                **day,
            }
        self.files: dict[str, Object] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, Object] = {}
        self.events: dict[str, list[Object]] = {}
        self.checkpoints: dict[str, list[Object]] = {}
        self.bodies: list[Object] = []
        self.hits: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.hung = asyncio.Event()
        self.takes: Literal["method", "earlier", "nebius"] = "method"
        self.filters = True
        self.keeps_metadata = True
        self.wound_down = False
        self.plain_results = False
        self.by_itself = False
        self.cancelled_word = "cancelled"
        self.paused_word = "paused"
        self._clock = CREATED
        self._count = 0
        self._suffixes: dict[str, str] = {}
        add = self.application.router.add_route
        job = "/fine_tuning/jobs/{id}"
        for base in ("/v1", "/openai/v1"):
            add("POST", f"{base}/files", self._guarded(self._upload))
            add("GET", f"{base}/files", self._guarded(self._list_files))
            add("GET", f"{base}/files/{{id}}/content", self._guarded(self._content))
            add("DELETE", f"{base}/files/{{id}}", self._guarded(self._delete_file))
            add("POST", f"{base}/fine_tuning/jobs", self._guarded(self._create))
            add("GET", f"{base}/fine_tuning/jobs", self._guarded(self._list_jobs))
            add("GET", f"{base}{job}", self._guarded(self._retrieve_job))
            add("POST", f"{base}{job}/cancel", self._guarded(self._cancel))
            add("POST", f"{base}{job}/pause", self._guarded(self._pause))
            add("POST", f"{base}{job}/resume", self._guarded(self._resume))
            add("GET", f"{base}{job}/events", self._guarded(self._list_events))
            add("GET", f"{base}{job}/checkpoints", self._guarded(self._list_checkpoints))
            add("DELETE", f"{base}/models/{{name:.+}}", self._guarded(self._delete_model))

    # --- what a test moves

    def queue(self, id: str) -> None:
        """The files were found good; the job waits for its turn."""
        self.jobs[id]["status"] = "queued"
        self.tell(id, "Files validated, moving job to queued state")

    def run(self, id: str, *, steps: int = 4, of: int = 10) -> None:
        """The job runs and has made its first steps; so many of how many."""
        self.jobs[id] |= {"status": "running", "estimated_finish": self._tick() + 600}
        self.tell(id, "Fine-tuning job started")
        for step in range(1, steps + 1):
            self.step(id, step, of)

    def advance(self, id: str) -> None:
        """One state further on the way of a job that goes well."""
        moves = {"validating_files": self.queue, "queued": self.run, "running": self.succeed}
        if move := moves.get(self.jobs[id]["status"]):
            move(id)

    def step(self, id: str, step: int, of: int) -> None:
        """One more step, with its losses."""
        train, valid = round(2 / step, 4), round(2.2 / step, 4)
        data = {"step": step, "total_steps": of, "train_loss": train, "train_mean_token_accuracy": 0.5,
                "valid_loss": valid, "valid_mean_token_accuracy": 0.4}  # fmt: skip
        words = f"Step {step}/{of}: training loss={train}, validation loss={valid}"
        self.tell(id, words, type="metrics", data=data)

    def succeed(self, id: str, *, name: str | None = "", steps: int = 10) -> None:
        """The job ends well with a model called ``name``, one of the service's own without; None leaves it unnamed."""
        job = self.jobs[id]
        own = f"ft:{job['model']}:org:{self._suffixes.get(id, '')}:{self._count:08d}"
        model = own if name == "" else name
        rows = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        rows += [
            f"{step},{2 / step:.4f},0.5,{f'{2.2 / step:.4f}' if step % 2 else ''},0.4"
            for step in range(1, steps + 1)
        ]
        table = ("\n".join(rows) + "\n").encode()
        result = self._keep(
            table if self.plain_results else base64.b64encode(table), "step_metrics.csv", "fine-tune-results"
        )
        for number in (1, 2):
            at = steps * number // 3
            self._count += 1
            made = checkpoint(f"ftckpt_{self._count:024d}", id, f"{own}:ckpt-step-{at}", at, self._tick())
            self.checkpoints[id].append(made)
        if model is not None:
            self.models[model] = {"id": model, "object": "model", "created": CREATED, "owned_by": "org-1",
                                  "shutdown_date": "2027-01-14"}  # fmt: skip
        job |= {"status": "succeeded", "fine_tuned_model": model, "finished_at": self._tick(), "trained_tokens": 4321,
                "result_files": [result["id"]], "estimated_finish": None}  # fmt: skip
        self.tell(id, "The job has successfully completed")

    def fail(
        self, id: str, message: str, code: str = "invalid_training_file", param: str | None = "training_file"
    ) -> None:
        """The job ends badly."""
        error = {"code": code, "message": message, "param": param}
        self.jobs[id] |= {
            "status": "failed",
            "error": error,
            "finished_at": self._tick(),
            "estimated_finish": None,
        }
        self.tell(id, f"The job failed due to {message}", level="error")

    def say(self, id: str, status: str) -> None:
        """The service's word for the job's state."""
        self.jobs[id]["status"] = status

    def vanish(self, id: str) -> None:
        """There is no such job any more."""
        for kept in (self.jobs, self.events, self.checkpoints):
            kept.pop(id)

    def tell(
        self, id: str, message: str, *, level: str = "info", type: str = "message", data: Object | None = None
    ) -> None:
        """One more event; ``level`` is info, warn or error."""
        self._count += 1
        self.events[id].append({"object": "fine_tuning.job.event", "id": f"ftevent-{self._count:024d}",
                                "created_at": self._tick(), "level": level, "message": message, "type": type,
                                "data": data or {}})  # fmt: skip

    # --- files

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        fields = form(request.headers["Content-Type"], await request.read())
        name, data = fields.get("file", ("", b""))
        purpose = fields.get("purpose", ("", b""))[1].decode()
        if purpose != "fine-tune":
            return self._failed(
                Failure(400, None, f"'{purpose}' is not one of ['fine-tune']", param="purpose")
            )
        if not name.endswith(".jsonl") or not data:
            return self._failed(
                Failure(400, "invalid_file_format", "Expected a file in .jsonl format", param="file")
            )
        return self._said(self._keep(data, name, purpose))

    async def _list_files(self, request: web.Request) -> web.StreamResponse:
        purpose = request.query.get("purpose")
        found = [file for file in self.files.values() if purpose in {None, file["purpose"]}]
        if request.query.get("order", "desc") == "desc":
            found.reverse()
        listed = page(request, found, 10_000)
        ends = {"first_id": listed["data"][0]["id"] if listed["data"] else "",
                "last_id": listed["data"][-1]["id"] if listed["data"] else ""}  # fmt: skip
        return self._said(listed | ends)

    async def _content(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["id"]
        if id not in self.files:
            return self._no_file(id)
        kind = "application/octet-stream"
        return web.Response(body=self.contents[id], content_type=kind, headers=self._ids())

    async def _delete_file(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["id"]
        if self.files.pop(id, None) is None:
            return self._no_file(id)
        return self._said({"id": id, "object": "file", "deleted": True})

    def _no_file(self, id: str) -> web.Response:
        return self._failed(Failure(404, None, f"No such File object: {id}", param="id"))

    def _keep(self, data: bytes, name: str, purpose: str) -> Object:
        self._count += 1
        file: Object = {"object": "file", "id": f"file-{self._count:022d}", "purpose": purpose, "filename": name,
                "bytes": len(data), "created_at": self._tick(), "status": "processed"}  # fmt: skip
        self.contents[file["id"]] = data
        self.files[file["id"]] = file
        return file

    # --- jobs

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self.wound_down:
            return self._failed(WOUND_DOWN)
        if failure := self._unfit_job(body):
            return self._failed(failure)
        self.bodies.append(body)
        self._count += 1
        id = f"ftjob-{self._count:024d}"
        job = created(id, body, self._tick(), keeps_metadata=self.keeps_metadata)
        self._suffixes[id] = body.get("suffix") or ""
        self.jobs[id], self.events[id], self.checkpoints[id] = job, [], []
        self.tell(id, f"Created fine-tuning job: {id}")
        self.tell(id, f"Validating training file: {body['training_file']}")
        return self._said(job)

    def _unfit_job(self, body: Object) -> Failure | None:
        name, method = body.get("model"), body.get("method", {"type": "supervised"})
        if failure := self._unfit_shape(body):
            return failure
        if name not in self.models:
            return Failure(404, "model_not_found", f"The model `{name}` does not exist.", param="model")
        if name not in TUNABLE and not str(name).startswith("ft:"):
            text = f"Model {name} is not available for fine-tuning or does not exist."
            return Failure(400, "model_not_available", text, param="model")
        if method.get("type") not in _METHODS:
            return Failure(400, None, "Unknown method.", param="method.type")
        for field in ("training_file", "validation_file"):
            file = body.get(field)
            if (field == "training_file" or file is not None) and file not in self.files:
                text = f"invalid {field}: {file} does not exist"
                return Failure(400, f"invalid_{field}", text, param=field)
        if len(body.get("suffix") or "") > 64:
            return Failure(
                400, "string_above_max_length", "Invalid 'suffix': string too long.", param="suffix"
            )
        return None

    def _unfit_shape(self, body: Object) -> Failure | None:
        if self.takes == "method":
            return None
        known = {"n_epochs", "batch_size"}
        known |= {"learning_rate", "lora"} if self.takes == "nebius" else {"learning_rate_multiplier"}
        places = [["body", "method"]] if "method" in body else []
        places += [
            ["body", "hyperparameters", name] for name in body.get("hyperparameters", {}) if name not in known
        ]
        if not places:
            return None
        # As frameworks say it, unlike OpenAI.
        found = [
            {"type": "extra_forbidden", "loc": place, "msg": "Extra inputs are not permitted"}
            for place in places
        ]
        return Failure(422, body=json.dumps({"detail": found}).encode())

    async def _list_jobs(self, request: web.Request) -> web.StreamResponse:
        wanted = {
            name[len("metadata[") : -1]: value
            for name, value in request.query.items()
            if name.startswith("metadata[") and self.filters
        }
        found = [
            job
            for job in reversed(self.jobs.values())
            if all((job["metadata"] or {}).get(name) == value for name, value in wanted.items())
        ]
        return self._said(page(request, found, 20))

    async def _retrieve_job(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self._no_job(request)
        if self.by_itself:
            self.advance(job["id"])
        return self._said(job)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self._no_job(request)
        if job["status"] in _ENDED:
            return self._failed(Failure(400, None, f"Job has already completed: {job['id']}"))
        job |= {"status": self.cancelled_word, "finished_at": self._tick(), "estimated_finish": None}
        self.tell(job["id"], "Fine-tuning job cancelled")
        return self._said(job)

    async def _pause(self, request: web.Request) -> web.StreamResponse:
        return self._turned(request, "running", self.paused_word)

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        return self._turned(request, self.paused_word, "queued")

    def _turned(self, request: web.Request, before: str, after: str) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self._no_job(request)
        if job["status"] != before:
            return self._failed(Failure(400, None, f"The job is {job['status']}, not {before}."))
        job["status"] = after
        return self._said(job)

    async def _list_events(self, request: web.Request) -> web.StreamResponse:
        events = self.events.get(request.match_info["id"])
        return self._no_job(request) if events is None else self._said(page(request, events[::-1], 20))

    async def _list_checkpoints(self, request: web.Request) -> web.StreamResponse:
        found = self.checkpoints.get(request.match_info["id"])
        return self._no_job(request) if found is None else self._said(page(request, found[::-1], 10))

    async def _delete_model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if self.models.pop(name, None) is None:
            text = f"The model '{name}' does not exist"
            return self._failed(Failure(404, "model_not_found", text, param="model"))
        return self._said({"id": name, "object": "model", "deleted": True})

    def _no_job(self, request: web.Request) -> web.Response:
        text = f"Could not find fine tune: {request.match_info['id']}"
        return self._failed(Failure(404, "fine_tune_not_found", text, param="fine_tune_id"))

    # --- how everything is answered

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return await self._guarded(super()._list)(request)

    def _guarded(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.hits.append((request.method, request.path.partition("/v1")[2]))
            if failure := self._unfit(request):
                return self._failed(failure)
            fault = next((each for each in self.faults if each.fits(request)), None)
            if fault is None:
                return await handler(request)
            if fault.times is not None:
                fault.times -= 1
            done = await handler(request) if fault.after else None
            if isinstance(fault.answer, Failure):
                return self._failed(fault.answer)
            if fault.answer == "hang":
                self.hung.set()
                await asyncio.Event().wait()
            if request.transport is not None:
                request.transport.close()
            return done or self._failed(BROKEN)

        return answer

    def _said(self, value: Object) -> web.Response:
        return web.json_response(value, headers=self._ids())

    def _tick(self) -> int:
        self._clock += 1
        return self._clock
