"""``Google``: asks Gemini and Gemma, streams what they say, and counts what it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import aiohttp

from adapters.vendors import prices
from adapters.vendors.base import ChatRequest, Delta, Event, Finished, ModelInfo, ModelNotFound, Usage
from adapters.vendors.estimate import count_tokens
from adapters.vendors.google import wire
from adapters.vendors.google.client import Clients
from adapters.vendors.google.endpoint import Endpoint
from adapters.vendors.google.errors import Teller

if TYPE_CHECKING:
    from google.genai.types import Model

LIST_SECONDS: Final = 60
IMAGE_TOKENS: Final = 258
_PAGE: Final = 1000
_RESPONSES: Final = 8
# The Agent Platform pauses long answers and gives the rest to who asks for it.
_CONTINUATION: Final = "CONTINUATION"
_DRAIN_SECONDS: Final = 2.0
_FILTERED: Final = frozenset(
    "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT "
    "IMAGE_RECITATION".split()
)
# The Agent Platform does not say what a model of its list is for.
_NOT_FOR_CHAT: Final = ("embedding", "-tts", "-live", "-audio", "computer-use")


class Google:
    """The ``ChatModel`` of one endpoint; ``clock`` tells seconds, for how long a list of models is good."""

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._clients = Clients(endpoint)
        self._listing = asyncio.Lock()
        self._listed: tuple[float, Sequence[ModelInfo]] | None = None
        self._limits: dict[str, int] = {}

    @property
    def vendor(self) -> str:
        """The endpoint's ``vendor``."""
        return self._endpoint.vendor

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Answer as the model does; closing the generator closes the connection. Raises ``VendorError``."""
        answer = _Answer(self._teller(request.model))
        for _ in range(_RESPONSES):
            body = wire.body(request, answer.token)
            answer.begin()
            response, until = await self._clients.open(answer.teller, body)
            try:
                events = wire.Events()
                while data := await self._read(response, answer, until):
                    until = None
                    for payload in events.feed(data):
                        if text := answer.take(payload):
                            yield Delta(text)
                if not answer.ended:
                    for payload in events.end():
                        if text := answer.take(payload):
                            yield Delta(text)
            finally:
                response.close()
            if not answer.token:
                break
        yield Finished(reason=answer.reason(), usage=self._usage(request, answer))

    def count_tokens(self, model: str, text: str) -> int:
        """An estimate: Google's own count is a call."""
        return count_tokens(text)

    def context_tokens(self, model: str) -> int:
        """The model's own limit once ``models`` has seen it, else the endpoint's ``context_tokens``."""
        return self._limits.get(model.removeprefix("models/"), self._endpoint.context_tokens)

    def sees(self, model: str) -> bool:
        """Gemini sees, and Gemma from 3 on."""
        return wire.sees(model)

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """By the endpoint's price table."""
        return prices.cost(self._endpoint.prices, model, tokens_in, tokens_out)

    async def models(self) -> Sequence[ModelInfo]:
        """The models that can chat, at most a minute old. Raises ``VendorError``."""
        async with self._listing:
            now = self._clock()
            if self._listed is None or not 0 <= now - self._listed[0] < LIST_SECONDS:
                self._listed = (now, await self._list())
            return self._listed[1]

    async def close(self) -> None:
        """Give back connections."""
        await self._clients.close()

    async def _read(self, response: aiohttp.ClientResponse, answer: _Answer, until: float | None) -> bytes:
        """The next bytes, by the loop's time ``until`` or before the silence is too long; none at the end."""
        limit = _DRAIN_SECONDS if answer.ended else self._endpoint.silence_seconds
        try:
            async with asyncio.timeout_at(until) if until is not None else asyncio.timeout(limit):
                return await response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            if answer.ended:
                return b""  # all that counts has been said
            raise (answer.teller.raised(exc) or exc) from None

    async def _list(self) -> Sequence[ModelInfo]:
        teller = self._teller("the list of models")
        client = await self._clients.get(teller)
        try:
            async with asyncio.timeout(self._endpoint.connect_seconds + self._endpoint.first_seconds):
                listed = await client.aio.models.list(config={"page_size": _PAGE})
                found = [self._info(model) async for model in listed]
        except Exception as exc:
            error = teller.raised(exc)
            if error is None:
                raise
            if isinstance(error, ModelNotFound):
                error = teller.not_configured("its address serves no list of models; check the base URL")
            raise error from None
        return [info for info in found if info is not None]

    def _info(self, model: Model) -> ModelInfo | None:
        """What is known of a listed model, ``None`` when it cannot chat."""
        name = (model.name or "").rpartition("models/")[2]
        if self._endpoint.project:
            chats = name.startswith(("gemini", "gemma")) and not any(word in name for word in _NOT_FOR_CHAT)
        else:
            chats = "generateContent" in (model.supported_actions or ())
        if not name or not chats:
            return None
        if model.input_token_limit:
            self._limits[name] = model.input_token_limit
        return ModelInfo(name, model.description or model.display_name or "", sees=wire.sees(name))

    def _usage(self, request: ChatRequest, answer: _Answer) -> Usage:
        read, written = answer.count("promptTokenCount"), answer.count("candidatesTokenCount")
        tokens_in = _tokens_in(request) if read is None else read
        tokens_out = count_tokens("".join(answer.said)) if written is None else written
        tokens_out += answer.count("thoughtsTokenCount") or 0  # billed as output
        cached = min(answer.count("cachedContentTokenCount") or 0, tokens_in)
        model = request.model.removeprefix("models/")
        cost = prices.cost(self._endpoint.prices, model, tokens_in, tokens_out, cached)
        return Usage(tokens_in, tokens_out, cost)

    def _teller(self, model: str) -> Teller:
        return Teller(self._endpoint.vendor, model, self._endpoint.api_key)


class _Answer:
    """What has come of an answer so far."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.said: list[str] = []
        self.finish = ""
        self.blocked = ""
        self.token = ""
        self.usages: list[Mapping[str, Any]] = []

    def begin(self) -> None:
        """Another response follows."""
        self.finish = self.token = ""
        self.usages.append({})

    def take(self, payload: bytes) -> str:
        """The text of the event to show now. Raises ``VendorError``."""
        try:
            chunk = wire.chunk(payload)
        except ValueError:
            raise self.teller.unavailable("an event of its answer cannot be read") from None
        if chunk.error is not None:
            raise self.teller.status(None, chunk.error)
        if chunk.usage:
            self.usages[-1] = chunk.usage
        if chunk.text:
            self.said.append(chunk.text)
        self.finish = chunk.finish or self.finish
        self.blocked = chunk.blocked or self.blocked
        self.token = chunk.token if chunk.finish == _CONTINUATION else ""
        return chunk.text

    @property
    def ended(self) -> bool:
        """Whether the service has said how it ended."""
        return bool(self.finish or self.blocked)

    def reason(self) -> Literal["stop", "length", "filtered"]:
        """How it ended. Raises ``Refused`` for a filter before any text, ``Unavailable`` for no end or no good one."""
        if self.blocked or self.finish in _FILTERED:
            if not self.said:
                raise self.teller.refused(self.blocked or self.finish)
            return "filtered"
        if self.finish == "STOP":
            return "stop"
        if self.finish == "MAX_TOKENS" or (self.finish and self.said):
            return "length"
        raise self.teller.unavailable(
            f"it ended with {self.finish}" if self.finish else "its answer broke off"
        )

    def count(self, name: str) -> int | None:
        """A number of tokens over all responses, ``None`` when the service gave none."""
        given = [
            usage[name] for usage in self.usages if isinstance(usage.get(name), int) and usage[name] >= 0
        ]
        return sum(given) if given else None


def _tokens_in(request: ChatRequest) -> int:
    texts = [request.system, *(turn.text for turn in request.turns)]
    texts += [text for shot in request.shots for text in (shot.user, shot.assistant)]
    return sum(map(count_tokens, texts)) + IMAGE_TOKENS * sum(len(turn.images) for turn in request.turns)
