"""A local OpenAI: chat completions, streamed and whole, and the models, as the official contract has them.

A test says what comes next with ``server.script.append(Reply(...))`` or ``Failure(...)``; without a script each question
gets ``server.reply``. ``python -m tests.servers.openai --port 0`` serves benchmarks: any model, an instant stream.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
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
CREATED: Final = 1_790_000_000
CHAT_MODELS: Final = ("gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini")
OTHER_MODELS: Final = (
    "text-embedding-3-small", "whisper-1", "tts-1", "dall-e-3", "gpt-image-1", "omni-moderation-latest", "sora-2",
)  # fmt: skip
SHUTDOWN: Final = {"gpt-4.1-mini": "2027-01-14", "gpt-4o-mini": "2027-01-14"}
_CATEGORIES: Final = (
    "hate", "hate/threatening", "harassment", "harassment/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
_REASONING: Final = ("gpt-5", "o1", "o3", "o4")


@dataclass(frozen=True)
class Reply:
    """An answer in ``pieces``, each an event and a write of its own.

    ``before`` is awaited before the first byte, ``pauses[n]`` before piece ``n`` (``len(pieces)``: before the end).
    ``cut_after`` closes the socket after that many pieces; ``raw`` replaces all events by these writes. ``finish`` None
    leaves the finish reason out, ``usage`` None the usage and ``done`` False the last line.
    """

    pieces: Sequence[str] = WORDS
    refusal: Sequence[str] = ()
    finish: str | None = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=dict[str, Any])
    done: bool = True
    before: asyncio.Event | None = None
    pauses: Mapping[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])
    cut_after: int | None = None
    raw: Sequence[bytes] | None = None
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Failure:
    """An error of the service; ``body`` replaces the error object by these bytes, as a proxy in between would."""

    status: int
    code: str | None = None
    message: str = "Something went wrong."
    type: str = "invalid_request_error"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    inner: Mapping[str, Any] | None = None


INVALID_KEY: Final = Failure(401, "invalid_api_key", "Incorrect API key provided: sk-no***key. You can find your API key "
                             "at https://platform.openai.com/account/api-keys.")  # fmt: skip
RATE_LIMITED: Final = Failure(429, "rate_limit_exceeded", "Rate limit reached for gpt-5-mini on requests per min (RPM): "
                              "Limit 3, Used 3, Requested 1.", "requests", headers={"Retry-After": "20"})  # fmt: skip
OUT_OF_QUOTA: Final = Failure(429, "insufficient_quota", "You exceeded your current quota, please check your plan and "
                              "billing details.", "insufficient_quota")  # fmt: skip
TOO_LONG: Final = Failure(400, "context_length_exceeded", "This model's maximum context length is 128000 tokens. However, "
                          "your messages resulted in 130001 tokens.", param="messages")  # fmt: skip
POLICY: Final = Failure(
    400, "content_policy_violation", "Your request was rejected as a result of our safety system."
)
AZURE_FILTER: Final = Failure(400, "content_filter", "The response was filtered due to the prompt triggering Azure "
                              "OpenAI's content management policy.", param="prompt",
                              inner={"code": "ResponsibleAIPolicyViolation"})  # fmt: skip
BROKEN: Final = Failure(
    500, None, "The server had an error while processing your request. Sorry!", "server_error"
)
OVERLOADED: Final = Failure(503, None, "The engine is currently overloaded, try again later.", "server_error")


def no_model(name: str) -> Failure:
    """What the service says of a model that it does not have."""
    return Failure(
        404, "model_not_found", f"The model `{name}` does not exist or you do not have access to it."
    )


def hang() -> Reply:
    """An answer that never begins: set its ``before`` to release it."""
    return Reply(before=asyncio.Event())


class OpenAIServer(Loopback):
    """The service on loopback; ``url`` + ``/v1`` is the base URL for a client.

    ``requests`` holds the decoded bodies of chat completions. ``asked`` is set by the first of them, ``began`` when an
    answer's first byte is written and ``closed`` when a client leaves an answer before its end. ``key``, when set, is the
    only key that is taken.
    """

    def __init__(self, *, recording: bool = True, key: str | None = None) -> None:
        super().__init__(service="openai", recording=recording)
        self.key = key
        self.reply = Reply()
        self.script: deque[Reply | Failure] = deque()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.queries: list[Mapping[str, str]] = []
        self.models: dict[str, dict[str, Any]] = {name: _model(name) for name in CHAT_MODELS + OTHER_MODELS}
        # Texts with one of these words are flagged as harassment; a failure here comes before an answer.
        self.harmful: set[str] = {"idiot"}
        self.moderation_failures: deque[Failure] = deque()
        self.moderated: list[dict[str, Any]] = []
        self.asked = asyncio.Event()
        self.began = asyncio.Event()
        self.closed = asyncio.Event()
        self._answers = 0
        for base in ("/v1", "/openai/v1"):  # Azure has the same API at the second
            self.application.router.add_post(f"{base}/chat/completions", self._chat)
            self.application.router.add_post(f"{base}/moderations", self._moderate)
            self.application.router.add_get(f"{base}/models", self._list)
            self.application.router.add_get(f"{base}/models/{{name:.+}}", self._retrieve)

    @property
    def connections(self) -> int:
        """How many clients' connections are open."""
        assert self._runner is not None
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._runner is not None
        assert self._runner.server is not None
        # A client that goes away ends the handler, which is how ``closed`` is known at once.
        self._runner.server.handler_cancellation = True
        return self

    def think(self, body: dict[str, Any]) -> Reply | Failure:
        """What comes where the script says nothing; a subclass may look at the question."""
        return self.reply

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if failure := self._unfit(request):
            return self._failed(failure)
        return web.json_response({"object": "list", "data": list(self.models.values())}, headers=self._ids())

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if failure := self._unfit(request):
            return self._failed(failure)
        if name not in self.models:
            return self._failed(
                Failure(404, "model_not_found", f"The model '{name}' does not exist", param="model")
            )
        return web.json_response(self.models[name], headers=self._ids())

    async def _moderate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.moderated.append(body)
        if failure := self._unfit(request):
            return self._failed(failure)
        if self.moderation_failures:
            return self._failed(self.moderation_failures.popleft())
        if body.get("model", "omni-moderation-latest") not in self.models:
            return self._failed(no_model(body["model"]))
        given = body.get("input")
        texts: list[Any] = [given] if isinstance(given, str) else given
        if not texts or not all(isinstance(text, str) for text in texts):
            return self._failed(Failure(400, None, "'$.input' is invalid.", param="input"))
        results = [_moderation(any(word in text for word in self.harmful)) for text in texts]
        answer = {"id": "modr-00000001", "model": "omni-moderation-latest", "results": results}
        return web.json_response(answer, headers=self._ids())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.asked.set()
        if failure := self._unfit(request) or _invalid(body):
            return self._failed(failure)
        if body["model"] not in self.models:
            return self._failed(no_model(body["model"]))
        answer = self.script.popleft() if self.script else self.think(body)
        if isinstance(answer, Failure):
            return self._failed(answer)
        try:
            if answer.before is not None:
                await answer.before.wait()
            if not body.get("stream"):
                return web.json_response(_whole(answer, body, self._id()), headers=self._ids())
            return await self._streamed(request, answer, body)
        except (asyncio.CancelledError, ConnectionError):
            self.closed.set()
            raise

    async def _streamed(self, request: web.Request, answer: Reply, body: dict[str, Any]) -> Stream:
        response = Stream(content_type=answer.content_type)
        response.headers.update(self._ids() | dict(answer.headers))
        await response.prepare(request)
        if answer.raw is None:
            first, pieces, last = _events(answer, body, self._id())
        else:
            first, pieces, last = b"", answer.raw, b""
        if first:
            await response.write(first)
            self.began.set()
        for number, piece in enumerate(pieces):
            if answer.cut_after == number:
                break
            if number in answer.pauses:
                await answer.pauses[number].wait()
            await response.write(piece)
            self.began.set()
        if answer.cut_after is not None:
            assert request.transport is not None
            request.transport.close()
            return response
        if len(pieces) in answer.pauses:
            await answer.pauses[len(pieces)].wait()
        if last:
            await response.write(last)
        await response.write_eof()
        return response

    def _unfit(self, request: web.Request) -> Failure | None:
        self.headers.append(request.headers)
        self.queries.append(request.query)
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given and "api-key" not in request.headers:
            return Failure(401, None, "You didn't provide an API key.")
        return INVALID_KEY if self.key is not None and given != self.key else None

    def _failed(self, failure: Failure) -> web.Response:
        headers = {**self._ids(), **failure.headers}
        if failure.body is not None:
            return web.Response(status=failure.status, body=failure.body, headers=headers)
        error: dict[str, Any] = {
            "message": failure.message,
            "type": failure.type,
            "param": failure.param,
            "code": failure.code,
        }
        if failure.inner is not None:
            error |= {"innererror": dict(failure.inner)}
        return web.json_response({"error": error}, status=failure.status, headers=headers)

    def _id(self) -> str:
        return f"chatcmpl-{self._answers:08d}"

    def _ids(self) -> dict[str, str]:
        self._answers += 1
        return {
            "x-request-id": f"req_{self._answers:032x}",
            "openai-version": "2020-10-01",
            "openai-processing-ms": "1",
        }


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system",
            "shutdown_date": SHUTDOWN.get(name)}  # fmt: skip


def _moderation(flagged: bool) -> dict[str, Any]:
    return {
        "flagged": flagged,
        "categories": {name: flagged and name == "harassment" for name in _CATEGORIES},
        "category_scores": {name: 0.9 if flagged and name == "harassment" else 0.001 for name in _CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


def _invalid(body: dict[str, Any]) -> Failure | None:
    """What the service refuses before it looks at the model: the rules that clients trip over."""
    name = body.get("model")
    if not isinstance(name, str) or not name:
        return Failure(400, None, "you must provide a model parameter")
    if not body.get("messages"):
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        return Failure(400, "empty_array", message, param="messages")
    if not name.startswith(_REASONING):
        return None
    if "max_tokens" in body:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. "
        message += "Use 'max_completion_tokens' instead."
        return Failure(400, "unsupported_parameter", message, param="max_tokens")
    if body.get("temperature") not in (None, 1):
        message = f"Unsupported value: 'temperature' does not support {body['temperature']} with this model. "
        message += "Only the default (1) value is supported."
        return Failure(400, "unsupported_value", message, param="temperature")
    return None


def _usage(answer: Reply, body: dict[str, Any]) -> dict[str, Any]:
    tokens_in = len(json.dumps(body["messages"])) // 4
    tokens_out = len(answer.pieces) + len(answer.refusal)
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                      "rejected_prediction_tokens": 0},
        **(answer.usage or {}),
    }  # fmt: skip


def _whole(answer: Reply, body: dict[str, Any], id: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(answer.pieces) or None,
               "refusal": "".join(answer.refusal) or None, "annotations": []}  # fmt: skip
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish or "stop"}
    return {"id": id, "object": "chat.completion", "created": CREATED, "model": body["model"], "choices": [choice],
            "usage": _usage(answer, body), "service_tier": "default"}  # fmt: skip


def event(value: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _events(answer: Reply, body: dict[str, Any], id: str) -> tuple[bytes, list[bytes], bytes]:
    """The event with the role, one for each piece, and the end."""
    with_usage = bool((body.get("stream_options") or {}).get("include_usage")) and answer.usage is not None

    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        value = {"id": id, "object": "chat.completion.chunk", "created": CREATED, "model": body["model"],
                 "service_tier": "default", "choices": choices}  # fmt: skip
        return event(value | ({"usage": None} if with_usage else {}) | more)

    def choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    first = chunk(choice({"role": "assistant", "content": "", "refusal": None}))
    pieces = [chunk(choice({"content": piece})) for piece in answer.pieces]
    pieces += [chunk(choice({"refusal": piece})) for piece in answer.refusal]
    last = chunk(choice({}, answer.finish)) if answer.finish is not None else b""
    if with_usage:
        last += chunk([], usage=_usage(answer, body))
    return first, pieces, last + (b"data: [DONE]\n\n" if answer.done else b"")


class InstantServer(OpenAIServer):
    """The same service for benchmarks: records nothing and streams bytes that were made before."""

    def __init__(self, chunks: int, *, port: int = 0) -> None:
        super().__init__(recording=False)
        self._wanted = port
        self.reply = Reply(pieces=tuple(_words(chunks)))
        body = {"model": "gpt-5-mini", "messages": [{}], "stream_options": {"include_usage": True}}
        first, pieces, last = _events(self.reply, body, "chatcmpl-0")
        self._first = first
        # Already framed as HTTP chunks: what is left to do for a piece is one write to the socket.
        self._frames = [b"%x\r\n%b\r\n" % (len(data), data) for data in (*pieces, last)]

    @property
    def url(self) -> str:
        """The wanted port where there is one."""
        return f"http://127.0.0.1:{self._wanted}" if self._wanted else super().url

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if self._wanted:
            assert self._runner is not None
            await web.TCPSite(self._runner, "127.0.0.1", self._wanted).start()
        return self

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if b'"stream":true' not in raw and b'"stream": true' not in raw:
            return web.json_response(_whole(self.reply, json.loads(raw), "chatcmpl-0"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "x-request-id": "req_0"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(self._first)
        transport = request.transport
        for frame in self._frames:
            if transport is None or transport.is_closing():
                break
            transport.write(frame)
        return response


def _words(count: int) -> Iterator[str]:
    for number in range(count):
        yield ("Well,", " I", " would", " say", " so", " —", " probably", ".")[number % 8]


async def _serve(port: int, chunks: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with InstantServer(chunks, port=port) as server:
        print(server.url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--chunks", type=int, default=60)
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.chunks))
