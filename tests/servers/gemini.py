"""A local Gemini: the Developer API (with a key) and the Agent Platform (with a project), as the contracts have them.

A test says what comes next with ``server.script.append(Reply(...))`` or ``Failure(...)``; without a script each question
gets ``server.reply``, and each list of models what is in ``server.models``.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aiohttp import web

from tests.servers.loopback import Loopback, Stream

WORDS: Final = (
    "The wifi password ",
    "is on the ",
    "white board ",
    "in the kitchen. ",
    "It is blue — ",
    "世界 🙂",
)
PROJECT: Final = "understudy-tests"
LOCATION: Final = "us-central1"
ENDPOINT: Final = f"projects/{PROJECT}/locations/{LOCATION}/endpoints/4321"
CHAT_MODELS: Final = ("gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.5-flash-lite", "gemma-3-27b-it")
OTHER_MODELS: Final = {"gemini-embedding-001": ("embedContent",), "imagen-4.0-generate-001": ("predict",)}
_ASK: Final = "{model:[^/:]+}:{method:generateContent|streamGenerateContent}"
_FIELDS: Final = ("contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "labels",
                  "cachedContent", "continuationToken")  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer in ``pieces``, each an event and a write of its own, after ``thoughts``, which are nobody's to see.

    ``before`` is awaited before the first byte, ``pauses[n]`` before piece ``n`` (``len(pieces)``: before the end).
    ``cut_after`` closes the socket after that many pieces; ``raw`` replaces all events by these writes. ``finish`` None
    leaves the finish reason out and ``usage`` None the usage, which it amends otherwise. ``blocked`` is the reason why the
    prompt got no candidate; ``token`` asks, with the finish CONTINUATION, to be sent with the next request.
    """

    pieces: Sequence[str] = WORDS
    thoughts: Sequence[str] = ()
    finish: str | None = "STOP"
    usage: Mapping[str, Any] | None = field(default_factory=dict[str, Any])
    blocked: str | None = None
    token: str | None = None
    before: asyncio.Event | None = None
    pauses: Mapping[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])
    cut_after: int | None = None
    raw: Sequence[bytes] | None = None
    content_type: str = "text/event-stream"


@dataclass(frozen=True)
class Failure:
    """An error of the service; ``body`` replaces the error object by these bytes, as a proxy in between would."""

    code: int
    status: str
    message: str = "Something went wrong."
    details: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    content_type: str = "application/json"

    @property
    def error(self) -> dict[str, Any]:
        """The object that the service sends."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error | ({"details": [dict(one) for one in self.details]} if self.details else {})}


def info(reason: str) -> dict[str, Any]:
    """A ``google.rpc.ErrorInfo``."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def over_quota(quota: str, value: str = "20", *, retry: str | None = "37s") -> Failure:
    """What the service says when the quota with the id ``quota`` is used up; ``retry`` is the delay that it asks for."""
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": quota,
        "quotaDimensions": {"model": "gemini-2.5-flash", "location": "global"},
        "quotaValue": value,
    }
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
    ]
    if retry is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry})
    message = "You exceeded your current quota, please check your plan and billing details."
    return Failure(429, "RESOURCE_EXHAUSTED", message, details)


INVALID_KEY: Final = Failure(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
                             [info("API_KEY_INVALID")])  # fmt: skip
NO_KEY: Final = Failure(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established "
                        "identity). Please use API Key or other form of API consumer identity to call it.")  # fmt: skip
NO_TOKEN: Final = Failure(401, "UNAUTHENTICATED", "Request is missing required authentication credential. Expected OAuth 2 "
                          "access token, login cookie or other valid authentication credential.")  # fmt: skip
FORBIDDEN: Final = Failure(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource (or it "
                           "may not exist).", [info("IAM_PERMISSION_DENIED")])  # fmt: skip
PER_MINUTE: Final = over_quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "5")
PER_DAY: Final = over_quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20")
NO_CREDITS: Final = Failure(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio to "
                            "manage your project and billing.")  # fmt: skip
EXHAUSTED: Final = Failure(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.")
TOO_LONG: Final = Failure(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens "
                          "allowed (1048576).")  # fmt: skip
NOT_HERE: Final = Failure(
    400,
    "FAILED_PRECONDITION",
    "User location is not supported for the API use without a billing account linked.",
)
BROKEN: Final = Failure(500, "INTERNAL", "An internal error has occurred. Please retry.")
OVERLOADED: Final = Failure(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def no_model(name: str) -> Failure:
    """What the service says of a model that it does not have."""
    message = f"{name} is not found for API version v1, or is not supported for generateContent. "
    message += "Call ModelService.ListModels to see the list of available models and their supported methods."
    return Failure(404, "NOT_FOUND", message)


def bad(message: str) -> Failure:
    """What the service says of a request that breaks a rule."""
    return Failure(400, "INVALID_ARGUMENT", message)


def hang() -> Reply:
    """An answer that never begins: set its ``before`` to release it."""
    return Reply(before=asyncio.Event())


class GeminiServer(Loopback):
    """The service on loopback; ``url`` is the base URL for a client, for both flavours.

    ``requests`` holds the decoded bodies of questions and ``paths`` their paths; ``asked`` is set when one comes, ``began``
    when an answer's first byte is written and ``closed`` when a client leaves an answer before its end. ``key`` and
    ``token``, when set, are the only ones that are taken. ``listing`` is an error for the list of models, ``lists`` how
    often a page of it was given, ``most`` the longest page, ``refused_token`` an error for who signs in at ``/token``.
    """

    def __init__(self, *, recording: bool = True, key: str | None = None, token: str | None = None) -> None:
        super().__init__(service="google", recording=recording)
        self.key = key
        self.token = token
        self.reply = Reply()
        self.script: deque[Reply | Failure] = deque()
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.queries: list[Mapping[str, str]] = []
        self.models: dict[str, dict[str, Any]] = {name: model(name) for name in CHAT_MODELS}
        self.models |= {name: model(name, methods) for name, methods in OTHER_MODELS.items()}
        self.endpoints = {ENDPOINT}
        self.listing: Failure | None = None
        self.lists = 0
        self.most = 1000
        self.refused_token: str | None = None
        self.asked = asyncio.Event()
        self.began = asyncio.Event()
        self.closed = asyncio.Event()
        self._answers = 0
        add = self.application.router
        add.add_get("/{version:v1|v1beta}/models", self._list)
        add.add_get("/{version:v1|v1beta}/models/{model}", self._get)
        add.add_post("/{version:v1|v1beta}/models/" + _ASK, self._with_key)
        add.add_get("/v1beta1/publishers/google/models", self._list_published)
        place = "/{version:v1|v1beta1}/projects/{project}/locations/{location}"
        add.add_post(f"{place}/publishers/google/models/{_ASK}", self._with_project)
        add.add_post(f"{place}/endpoints/{_ASK}", self._with_project)
        add.add_post("/token", self._token)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._runner is not None
        assert self._runner.server is not None
        # A client that goes away ends the handler, which is how ``closed`` is known at once.
        self._runner.server.handler_cancellation = True
        return self

    async def _list(self, request: web.Request) -> web.StreamResponse:
        failure = self._no_key(request) or self.listing
        return failed(failure) if failure else self._page(request, "models", list(self.models.values()))

    async def _list_published(self, request: web.Request) -> web.StreamResponse:
        failure = self._no_token(request) or self.listing
        names = [f"publishers/google/models/{name}" for name in self.models]
        published = [{"name": name, "versionId": "001", "launchStage": "GA"} for name in names]
        return failed(failure) if failure else self._page(request, "publisherModels", published)

    def _page(self, request: web.Request, name: str, rows: list[dict[str, Any]]) -> web.Response:
        self.lists += 1
        start = int(request.query.get("pageToken", "0"))
        end = start + min(int(request.query.get("pageSize", "50")), self.most)
        page: dict[str, Any] = {name: rows[start:end]}
        return web.json_response(page | ({"nextPageToken": str(end)} if end < len(rows) else {}))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["model"]
        if failure := self._no_key(request):
            return failed(failure)
        return web.json_response(self.models[name]) if name in self.models else failed(no_model(name))

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if self.refused_token is not None:
            told = {"error": self.refused_token, "error_description": "Token has been expired or revoked."}
            return web.json_response(told, status=400)
        return web.json_response(
            {"access_token": self.token or "fresh", "expires_in": 3599, "token_type": "Bearer"}
        )

    async def _with_key(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["model"]
        methods = self.models.get(name, {}).get("supportedGenerationMethods", ())
        known = "generateContent" in methods
        return await self._ask(request, self._no_key(request), None if known else no_model(f"models/{name}"))

    async def _with_project(self, request: web.Request) -> web.StreamResponse:
        name = request.path.split("/", 2)[2].rpartition(":")[0]
        known = name in self.endpoints or (
            "/publishers/" in name and request.match_info["model"] in self.models
        )
        missing = Failure(404, "NOT_FOUND", f"Publisher Model `{name}` was not found.")
        return await self._ask(request, self._no_token(request), None if known else missing)

    async def _ask(
        self, request: web.Request, denied: Failure | None, missing: Failure | None
    ) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.asked.set()
        self.paths.append(request.path)
        self.queries.append(dict(request.query))
        name = request.match_info["model"]
        if failure := denied or missing or _invalid(body, name):
            return failed(failure)
        answer = self.script.popleft() if self.script else self.reply
        if isinstance(answer, Failure):
            return failed(answer)
        self._answers += 1
        try:
            if answer.before is not None:
                await answer.before.wait()
            events = list(_events(answer, body, name, f"response-{self._answers}"))
            if request.match_info["method"] == "streamGenerateContent" and request.query.get("alt") == "sse":
                return await self._streamed(request, answer, events)
            whole = _merged(events)
            return web.json_response(whole if request.match_info["method"] == "generateContent" else [whole])
        except (asyncio.CancelledError, ConnectionError):
            self.closed.set()
            raise

    async def _streamed(self, request: web.Request, answer: Reply, events: list[dict[str, Any]]) -> Stream:
        response = Stream(content_type=answer.content_type)
        await response.prepare(request)
        writes = [event(value) for value in events] if answer.raw is None else list(answer.raw)
        first = len(answer.thoughts) if answer.raw is None else 0
        for number, data in enumerate(writes, -first):
            if answer.cut_after == number:
                break
            if number in answer.pauses:
                await answer.pauses[number].wait()
            await response.write(data)
            self.began.set()
        if answer.cut_after is not None:
            assert request.transport is not None
            request.transport.close()
            return response
        if (last := len(writes) - first) in answer.pauses:
            await answer.pauses[last].wait()
        await response.write_eof()
        return response

    def _no_key(self, request: web.Request) -> Failure | None:
        self.headers.append(dict(request.headers))
        given = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not given:
            return NO_KEY
        return INVALID_KEY if self.key is not None and given != self.key else None

    def _no_token(self, request: web.Request) -> Failure | None:
        self.headers.append(dict(request.headers))
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return NO_TOKEN if not given or (self.token is not None and given != self.token) else None


def failed(failure: Failure) -> web.Response:
    """The error as the service sends it."""
    body = failure.body if failure.body is not None else json.dumps(failure.error, indent=2).encode()
    headers = {"Content-Type": failure.content_type, **failure.headers}
    return web.Response(status=failure.code, body=body, headers=headers)


def model(name: str, methods: Sequence[str] = ("generateContent", "countTokens")) -> dict[str, Any]:
    """A model as the list has it."""
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": f"{name}, as it is known on loopback.",
        "inputTokenLimit": 131_072 if name.startswith("gemma") else 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": list(methods),
        "temperature": 1,
        "maxTemperature": 2,
        "topP": 0.95,
        "topK": 64,
    }


def _invalid(body: dict[str, Any], name: str) -> Failure | None:
    """What the service refuses before it asks the model: the rules that clients trip over."""
    for unknown in sorted(set(body) - set(_FIELDS)):
        return bad(f'Invalid JSON payload received. Unknown name "{unknown}": Cannot find field.')
    if not body.get("contents"):
        return bad("* GenerateContentRequest.contents: contents is not specified")
    before = "model"
    for at, content in enumerate(body["contents"]):
        if content.get("role") not in ("user", "model"):
            return bad("Please use a valid role: user, model.")
        if content["role"] == before:
            return bad("Please ensure that multiturn requests alternate between user and model.")
        before = content["role"]
        if not content.get("parts"):
            return bad(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.")
        for number, part in enumerate(content["parts"]):
            if not part.get("text") and not part.get("inlineData"):
                where = f"contents[{at}].parts[{number}].data"
                return bad(
                    f"* GenerateContentRequest.{where}: required oneof field 'data' must have one initialized field"
                )
    if "systemInstruction" in body and name.startswith("gemma-3"):
        return bad(f"Developer instruction is not enabled for models/{name}")
    return None


def event(value: Mapping[str, Any]) -> bytes:
    """One server-sent event, with the line ends of the service."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n\r\n"


def _events(answer: Reply, body: dict[str, Any], name: str, id: str) -> Iterator[dict[str, Any]]:
    """One for each thought, one for each piece, the last of which carries the end; one at least."""
    about = {"modelVersion": name, "responseId": id}
    if answer.blocked is not None:
        yield {"promptFeedback": {"blockReason": answer.blocked}} | _usage(answer, body, 0) | about
        return
    parts: list[dict[str, Any]] = [{"text": text, "thought": True} for text in answer.thoughts]
    parts += [{"text": text} for text in answer.pieces]
    for number, part in enumerate(parts or [{}], 1):
        candidate: dict[str, Any] = {"index": 0}
        if part:
            candidate["content"] = {"role": "model", "parts": [part]}
        if number >= len(parts):
            candidate |= {"finishReason": answer.finish} if answer.finish is not None else {}
            candidate |= {"continuationToken": answer.token} if answer.token is not None else {}
        written = max(0, min(number, len(parts)) - len(answer.thoughts))
        yield {"candidates": [candidate]} | _usage(answer, body, written) | about


def _usage(answer: Reply, body: dict[str, Any], written: int) -> dict[str, Any]:
    if answer.usage is None:
        return {}
    read, thought = len(json.dumps(body["contents"])) // 4, 7 * len(answer.thoughts)
    usage: dict[str, Any] = {"promptTokenCount": read, "totalTokenCount": read + written + thought}
    usage |= {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}]}
    usage |= {"candidatesTokenCount": written} if written else {}
    usage |= {"thoughtsTokenCount": thought} if thought else {}
    return {"usageMetadata": usage | dict(answer.usage)}


def _merged(events: list[dict[str, Any]]) -> dict[str, Any]:
    whole = dict(events[-1])
    if "candidates" in whole:
        parts = [part for one in events for part in one["candidates"][0].get("content", {}).get("parts", [])]
        whole["candidates"] = [whole["candidates"][0] | {"content": {"role": "model", "parts": parts}}]
    return whole
