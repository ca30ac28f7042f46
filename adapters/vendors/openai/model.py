"""``OpenAIChat``: one call of the official client for each answer, read as bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast

import httpx2
import openai
import orjson

from adapters.vendors import estimate
from adapters.vendors.base import ChatRequest, Delta, Event, Finished, ModelInfo, Usage
from adapters.vendors.openai import families
from adapters.vendors.openai.client import connect
from adapters.vendors.openai.endpoint import Endpoint
from adapters.vendors.openai.errors import TRANSPORT, Explainer, reported
from adapters.vendors.openai.wire import Answer, Habits, encode, number
from adapters.vendors.prices import cost

LIST_SECONDS: Final = 60.0

_LAST_BYTES_SECONDS: Final = 0.25
_MESSAGE_TOKENS: Final = 4  # what a message takes beside its text
_IMAGE_TOKENS: Final = 765  # a picture of 1024 x 1024 in GPT-4o's counting
# Compressed events would arrive late and cost time to unpack.
_STREAM_HEADERS: Final = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


class OpenAIChat:
    """The ``ChatModel`` of an endpoint. One attempt for each call: whoever asks decides whether to try again."""

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._explain = Explainer(endpoint)
        self._client = connect(endpoint)
        # Two keys at once are refused where a header is the key.
        without: dict[str, Any] = {"Authorization": openai.Omit()} if endpoint.key_is_header else {}
        self._plain: Any = {"headers": without}
        # This is not sent; left out, the client draws one from the system each time, and waits for its thread to go on.
        self._streamed: Any = {"headers": _STREAM_HEADERS | without, "idempotency_key": "none"}
        self._official = endpoint.speaks_openai(self._client.base_url.host)
        self._usual = Habits("max_completion_tokens" if self._official else "max_tokens")
        self._habits: dict[str, Habits] = {}
        self._clock = clock
        self._listed: tuple[float, Sequence[ModelInfo]] | None = None

    @property
    def vendor(self) -> str:
        """The endpoint's name, ``openai`` unless it was given another."""
        return self._endpoint.vendor

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Answer, one ``Delta`` for what one read from the network brings; closing closes the connection.

        Raises ``VendorError``; ``Unavailable`` also when the answer breaks off.
        """
        clock = asyncio.get_running_loop().time
        answer, said, body = Answer(), list[str](), b""
        limit = clock() + self._endpoint.first_seconds
        response = await self._open(request, limit)
        reader = response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()
        kind = response.headers.get("content-type", "")
        whole = "json" in kind
        try:
            if "html" in kind:
                what = "sent a web page instead of an answer: its base_url may be wrong"
                raise self._explain.unavailable(what, request.model)
            while not answer.done and (data := await self._read(reader, limit, answer, request.model)):
                limit = clock() + self._endpoint.silence_seconds
                if whole:
                    body += data
                elif text := answer.feed(data):
                    said.append(text)
                    yield Delta(text)
            if text := answer.whole(body) if whole else answer.end():
                said.append(text)
                yield Delta(text)
            yield self._finished(request, answer, "".join(said))
            await _read_out(reader)
        finally:
            await _close(reader, response)

    def count_tokens(self, model: str, text: str) -> int:
        """``estimate.count_tokens``: no tokenizer is at hand without a download."""
        return estimate.count_tokens(text)

    def context_tokens(self, model: str) -> int:
        """How many tokens of input the model's family takes, else what the endpoint says."""
        return families.context_tokens(model) or self._endpoint.context_tokens

    def sees(self, model: str) -> bool:
        """What the endpoint says, else whether the model's name is known to be shown images."""
        return families.sees(model) if self._endpoint.sees is None else self._endpoint.sees

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """By the endpoint's price table."""
        return cost(self._endpoint.prices, model, tokens_in, tokens_out)

    async def models(self) -> Sequence[ModelInfo]:
        """What the server lists, at most 60 seconds old; of OpenAI's own only those that chat. Raises ``VendorError``."""
        now = self._clock()
        if self._listed is None or now - self._listed[0] >= LIST_SECONDS:
            self._listed = (now, await self._list())
        return self._listed[1]

    async def close(self) -> None:
        """Close the connections; the model cannot be asked afterwards."""
        await self._client.close()

    async def _open(self, request: ChatRequest, limit: float) -> httpx2.Response:
        """The answer's beginning; what the model turns out not to take is left out then and from then on."""
        model = request.model
        tried: set[Habits] = set()
        while True:
            habits = self._habits.get(model, self._usual)
            tried.add(habits)
            content = encode(request, habits, official=self._official)
            try:
                async with asyncio.timeout_at(limit):
                    opened: object = await self._client.post(
                        "/chat/completions",
                        content=content,
                        cast_to=httpx2.Response,
                        stream=True,
                        stream_cls=openai.AsyncStream[object],
                        options=self._streamed,
                    )
                    # Asked to cast to a response, the client gives it out as it came, whatever its types say.
                    return cast("httpx2.Response", opened)
            except TRANSPORT as error:
                learnt = _learnt(habits, request, error)
                if learnt is None or learnt in tried:
                    # The client's own error repeats what the server said, at times with the key.
                    raise self._explain.of(error, model) from None
                self._habits[model] = learnt

    async def _read(self, reader: AsyncGenerator[bytes], limit: float, answer: Answer, model: str) -> bytes:
        """What has arrived, empty at the end."""
        try:
            async with asyncio.timeout_at(limit):
                return await anext(reader, b"")
        except TRANSPORT as error:
            if answer.finish is not None:  # all was said; only the count is missing
                return b""
            raise self._explain.of(error, model) from None

    def _finished(self, request: ChatRequest, answer: Answer, text: str) -> Finished:
        model = request.model
        if answer.error is not None:
            raise self._explain.of_event(answer.error, model)
        if answer.refused:
            raise self._explain.refused(model)
        if answer.malformed is not None:
            raise self._explain.unavailable("sent something that is no part of an answer: try again", model)
        if answer.finish is None and not answer.done:
            raise self._explain.unavailable("ended the answer before its end: try again", model)
        reasons: dict[str | None, Literal["length", "filtered"]]
        reasons = {"length": "length", "content_filter": "filtered"}
        return Finished(self._usage(request, answer, text), reasons.get(answer.finish, "stop"))

    def _usage(self, request: ChatRequest, answer: Answer, text: str) -> Usage:
        told = answer.usage
        details = told.get("prompt_tokens_details")
        cached = number(details.get("cached_tokens")) if isinstance(details, dict) else 0
        tokens_in = number(told.get("prompt_tokens")) or _tokens_in(request)
        tokens_out = number(told.get("completion_tokens")) or estimate.count_tokens(text)
        price = cost(self._endpoint.prices, request.model, tokens_in, tokens_out, min(cached, tokens_in))
        return Usage(tokens_in, tokens_out, price)

    async def _list(self) -> Sequence[ModelInfo]:
        what = "the list of models"
        try:
            async with asyncio.timeout(self._endpoint.first_seconds):
                response = await self._client.get("/models", cast_to=httpx2.Response, options=self._plain)
                body = orjson.loads(response.content)
                rows = body if isinstance(body, list) else body.get("data") or []
                return tuple(
                    self._info(row) for row in rows if not self._official or families.chats(row["id"])
                )
        except TRANSPORT as error:
            raise self._explain.of(error, what) from None
        except (ValueError, AttributeError, TypeError, LookupError):
            raise self._explain.unavailable("sent something else: its base_url may be wrong", what) from None

    def _info(self, row: Mapping[str, Any]) -> ModelInfo:
        name, owner = str(row["id"]), row.get("owned_by")
        known = isinstance(owner, str) and owner not in {"", "system", "openai", "openai-internal"}
        return ModelInfo(
            name,
            description=f"of {owner}" if known else "",
            sees=self.sees(name),
            shutdown_date=row.get("shutdown_date") or None,
        )


def _learnt(habits: Habits, request: ChatRequest, error: Exception) -> Habits | None:
    """The habits that avoid this error, None when it is about something else."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in {400, 422}:
        return None
    said = reported(error)
    if habits.usage and said.refuses("stream_options"):
        return replace(habits, usage=False)
    if habits.temperature and request.temperature is not None and said.refuses("temperature"):
        return replace(habits, temperature=False)
    if request.max_output_tokens is not None and said.refuses(habits.limit):
        other = "max_tokens" if habits.limit == "max_completion_tokens" else "max_completion_tokens"
        return replace(habits, limit=other)
    return None


def _tokens_in(request: ChatRequest) -> int:
    texts = [request.system, *(turn.text for turn in request.turns)]
    texts += [text for shot in request.shots for text in (shot.user, shot.assistant)]
    images = sum(len(turn.images) for turn in request.turns)
    return sum(map(estimate.count_tokens, texts)) + len(texts) * _MESSAGE_TOKENS + images * _IMAGE_TOKENS


async def _read_out(reader: AsyncGenerator[bytes]) -> None:
    """Take the last bytes, which leave the connection fit for the next call."""
    try:
        async with asyncio.timeout(_LAST_BYTES_SECONDS):
            async for _ in reader:
                pass
    except TRANSPORT:
        pass  # the answer is complete; the connection is closed instead


async def _close(reader: AsyncGenerator[bytes], response: httpx2.Response) -> None:
    try:
        await reader.aclose()
        await response.aclose()
    except TRANSPORT:
        pass  # the connection broke while it was closed, which closes it too
