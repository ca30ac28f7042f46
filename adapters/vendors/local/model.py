"""``LocalModels``: models that were tuned on this machine answer, through a server beside it or in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.vendors import estimate
from adapters.vendors.base import (
    ChatRequest,
    Delta,
    Event,
    ModelInfo,
    ModelNotFound,
    Turn,
)
from adapters.vendors.local.folder import job_folders
from adapters.vendors.local.options import VENDOR, Options
from adapters.vendors.local.tuner import folder_of

if TYPE_CHECKING:
    from adapters.vendors.local.inprocess import Engine
    from adapters.vendors.local.served import Served

COMPARED_TOKENS: Final = 48


@dataclass(frozen=True, slots=True)
class Weights:
    """What a model's name stands for: the base model's folder or name, and the folder of the adapter, None for the base."""

    base: str
    adapter: Path | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What an adapter changes: how many of ``prompts`` are answered in other words than the base model's, at temperature 0.

    ``logits`` is the largest difference of the scores for the first token of an answer; None where a server answers, which
    does not tell. ``changes`` is False when the adapter does nothing that can be seen.
    """

    prompts: int
    answers: int
    logits: float | None = None

    @property
    def changes(self) -> bool:
        """Whether anything differs."""
        return self.answers > 0 or bool(self.logits)


class LocalModels:
    """The ``ChatModel`` of this machine: base models as the options name them, tuned ones as their jobs do."""

    def __init__(self, options: Options) -> None:
        self._options = replace(options, root=options.root.absolute())
        self._engine: Engine | None = None
        self._server: Served | None = None

    @property
    def vendor(self) -> str:
        """``local``."""
        return VENDOR

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Answer, token by token. Raises ``ModelNotFound``, ``Unavailable``, ``NotConfigured`` without the extra."""
        weights = await asyncio.to_thread(self._weights, request.model)
        if self._options.serve_url:
            events = self._served().stream(request, weights)
        else:
            events = self._in_process().stream(request, weights)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    def count_tokens(self, model: str, text: str) -> int:
        """``estimate.count_tokens``."""
        return estimate.count_tokens(text)

    def context_tokens(self, model: str) -> int:
        """As the options say; in this process a longer conversation loses its oldest turns."""
        return self._options.context_tokens

    def sees(self, model: str) -> bool:
        """No."""
        return False

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """Nobody is paid."""
        return 0.0

    async def models(self) -> Sequence[ModelInfo]:
        """The base models and the tuned ones whose weights are there."""
        found = [ModelInfo(name, description=place) for name, place in self._options.models.items()]
        return (*found, *await asyncio.to_thread(self._tuned))

    async def difference(self, model: str, prompts: Sequence[str], system: str = "") -> Difference:
        """What a tuned model says to ``prompts`` beside its base model, at temperature 0 and without examples.

        An adapter can load and change nothing: ask before a release. Raises as ``stream``.
        """
        weights = await asyncio.to_thread(self._weights, model)
        requests = [
            ChatRequest(model, system, (Turn("user", prompt),), temperature=0.0, max_output_tokens=COMPARED_TOKENS)
            for prompt in prompts
        ]  # fmt: skip
        if self._options.serve_url:
            plain = Weights(weights.base)
            pairs = [
                (
                    await _said(self._served().stream(each, weights)),
                    await _said(self._served().stream(each, plain)),
                )
                for each in requests
            ]
            return Difference(len(pairs), sum(tuned != base for tuned, base in pairs))
        answers, logits = await self._in_process().compare(requests, weights)
        return Difference(len(requests), answers, logits)

    async def close(self) -> None:
        """Give back connections and memory."""
        if self._server is not None:
            await self._server.close()
        if self._engine is not None:
            await self._engine.close()
        self._server = self._engine = None

    def _weights(self, model: str) -> Weights:
        if (place := self._options.models.get(model)) is not None:
            return Weights(_expanded(place))
        folder = folder_of(self._options.root, model)
        adapter = folder.adapter(model) if folder is not None else None
        if folder is None or adapter is None:
            text = f"{VENDOR} has no model {model}: its weights are not in {self._options.root}"
            raise ModelNotFound(text, vendor=VENDOR)
        # Under the place that it was trained from: that of the settings may be another by now.
        return Weights(str(folder.job["base_model"]), adapter)

    def _tuned(self) -> list[ModelInfo]:
        return [
            ModelInfo(each.model, description=f"{each.job.get('base')} tuned by {each.job.get('method')}")
            for each in job_folders(self._options.root)
            if each.status.get("state") == "succeeded" and each.adapter(each.model) is not None
        ]

    def _in_process(self) -> Engine:
        if self._engine is None:
            from adapters.vendors.local.inprocess import Engine

            self._engine = Engine(self._options.context_tokens)
        return self._engine

    def _served(self) -> Served:
        if self._server is None:
            from adapters.vendors.local.served import Served

            self._server = Served(self._options)
        return self._server


async def _said(events: AsyncGenerator[Event]) -> str:
    return "".join([event.text async for event in events if isinstance(event, Delta)])


def _expanded(place: str) -> str:
    return str(Path(place).expanduser().absolute()) if place.startswith(("/", ".", "~")) else place
