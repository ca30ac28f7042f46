"""Tuned models behind an OpenAI-compatible server on this machine or near it.

vLLM takes adapters while it runs: https://docs.vllm.ai/en/latest/features/lora.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import httpx2
import openai

from adapters.vendors.base import BadRequest, ChatRequest, Event, ModelNotFound, NotConfigured, VendorError
from adapters.vendors.local.options import VENDOR, Options
from adapters.vendors.openai import Endpoint, chat_model
from adapters.vendors.openai.client import connect
from adapters.vendors.openai.errors import TRANSPORT, Explainer, reported

if TYPE_CHECKING:
    from pathlib import Path

_ENABLE: Final = (
    "the server at serve_url takes no adapters: start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, "
    "or load them there under our names and set adapters to none"
)


class _Weights(Protocol):
    @property
    def base(self) -> str: ...
    @property
    def adapter(self) -> Path | None: ...


class Served:
    """One server. An adapter is brought to it when it is first asked for, and again when the server has forgotten it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        endpoint = _endpoint(options)
        self._chat = chat_model(endpoint)
        self._client = connect(endpoint)
        self._explain = Explainer(endpoint)
        self._brought: set[str] = set()

    async def stream(self, request: ChatRequest, weights: _Weights) -> AsyncGenerator[Event]:
        """Answer. Raises ``VendorError``."""
        name = request.model
        if weights.adapter is None:
            # vLLM calls a base model by the place that it was loaded from.
            served = replace(request, model=weights.base)
            async for event in self._chat.stream(served):
                yield event
            return
        if self._options.adapters == "vllm" and name not in self._brought:
            await self._bring(name, weights.adapter)
        silent = True
        try:
            async for event in self._chat.stream(request):
                silent = False
                yield event
            return
        except ModelNotFound:
            if self._options.adapters != "vllm" or not silent:
                raise
        # It was started again since.
        await self._bring(name, weights.adapter)
        async for event in self._chat.stream(request):
            yield event

    async def close(self) -> None:
        """Close the connections."""
        await self._chat.close()
        await self._client.close()

    async def _bring(self, name: str, adapter: Path) -> None:
        """Have the server load the adapter. Raises ``VendorError``."""
        root = self._options.root
        place = adapter
        if self._options.serve_folder:
            place = f"{self._options.serve_folder.rstrip('/')}/{adapter.relative_to(root).as_posix()}"
        try:
            await self._client.post(
                "/load_lora_adapter",
                body={"lora_name": name, "lora_path": str(place)},
                cast_to=httpx2.Response,
            )
        except TRANSPORT as error:
            if not _is_there_already(error):
                raise self._why(error, name, str(place)) from None
        self._brought.add(name)

    def _why(self, error: Exception, name: str, place: str) -> VendorError:
        if isinstance(error, openai.APIStatusError) and error.status_code in {404, 405}:
            told = reported(error)
            # Frameworks say this of a path that they do not have; vLLM names what it lacks.
            if not told.shaped or told.message.strip().lower() in {"not found", "method not allowed"}:
                return NotConfigured(_ENABLE, vendor=VENDOR)
        found = self._explain.of(error, name)
        if isinstance(found, BadRequest | ModelNotFound):
            return BadRequest(
                f"the server cannot load the adapter {name} from {place}: {found}", vendor=VENDOR
            )
        return found


def _endpoint(options: Options) -> Endpoint:
    return Endpoint(
        vendor=VENDOR,
        api_key=options.serve_key,
        base_url=options.serve_url,
        dialect="compatible",
        context_tokens=options.context_tokens,
        sees=False,
    )


async def unload(options: Options, model: str) -> None:
    """Have the server give up a tuned model and its checkpoints, as far as it has them. Raises ``VendorError``."""
    endpoint = _endpoint(options)
    client = connect(endpoint)

    async def there() -> list[str]:
        known = [each.id async for each in client.models.list()]
        return [name for name in known if name == model or name.startswith(f"{model}-step-")]

    try:
        found = await there()
        for name in found:
            with suppress(openai.NotFoundError):  # somebody was faster, or the server lets nobody
                await client.post("/unload_lora_adapter", body={"lora_name": name}, cast_to=httpx2.Response)
        if found and (left := await there()):
            raise NotConfigured(f"it does not give up {', '.join(left)}; {_ENABLE}", vendor=VENDOR)
    except TRANSPORT as error:
        raise Explainer(endpoint).of(error, model) from None
    finally:
        await client.close()


def _is_there_already(error: Exception) -> bool:
    """vLLM refuses an adapter that it has, which is what was wanted."""
    return isinstance(error, openai.APIStatusError) and "already" in str(error).lower()
