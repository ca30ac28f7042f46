"""A local vLLM that takes adapters while it runs: https://docs.vllm.ai/en/latest/features/lora.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from tests.servers.openai import Failure, OpenAIServer, Reply


class VllmServer(OpenAIServer):
    """``base`` is its model, ``adapters`` what it has loaded by name, with the folders, ``loads`` what it was asked to load.

    ``unloads`` is what it was asked to unload.

    With ``runtime`` False it was started without ``VLLM_ALLOW_RUNTIME_LORA_UPDATING``, and has no such path.
    """

    def __init__(self, base: str, *, runtime: bool = True) -> None:
        super().__init__()
        self.base = base
        self.adapters: dict[str, str] = {}
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.models = {base: {"id": base, "object": "model", "created": 1, "owned_by": "vllm"}}
        if runtime:
            self.application.router.add_post("/v1/load_lora_adapter", self._load)
            self.application.router.add_post("/v1/unload_lora_adapter", self._unload)

    def forget(self) -> None:
        """It was started again."""
        for name in self.adapters:
            del self.models[name]
        self.adapters.clear()

    def think(self, body: dict[str, Any]) -> Reply | Failure:
        """Each adapter answers in its own words, an empty one as the base model does."""
        place = self.adapters.get(body["model"])
        if place is None or not (Path(place) / "adapter_config.json").read_text().strip("{}"):
            return Reply(("I am ", "the base."))
        return Reply(("I am ", body["model"]))

    async def _load(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        name, place = body["lora_name"], body["lora_path"]
        self.loads.append(name)
        if name in self.adapters:
            text = f"The lora adapter '{name}' has already been loaded."
            return self._failed(Failure(400, None, text, "InvalidUserInput"))
        if not Path(place).is_dir():
            return self._failed(
                Failure(
                    404, None, f"Loading lora {name} failed: No adapter found for {place}", "NotFoundError"
                )
            )
        self.adapters[name] = place
        self.models[name] = {
            "id": name,
            "object": "model",
            "created": 1,
            "owned_by": "vllm",
            "parent": self.base,
        }
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.StreamResponse:
        name = (await request.json())["lora_name"]
        self.unloads.append(name)
        if name not in self.adapters:
            return self._failed(
                Failure(404, None, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
            )
        del self.adapters[name], self.models[name]
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")
