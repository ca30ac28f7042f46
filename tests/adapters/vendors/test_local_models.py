"""Models that were tuned here, behind a server: adapters are brought to it, and proven to change something."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.vendors.base import (
    BadRequest,
    ChatModel,
    ChatRequest,
    Delta,
    ModelNotFound,
    NotConfigured,
    Turn,
    Unavailable,
)
from adapters.vendors.local import Options, chat_model
from adapters.vendors.local.model import LocalModels
from adapters.vendors.local.tuner import LocalTuner
from tests.adapters.vendors.contract import CHECKS
from tests.servers.vllm import VllmServer

BASE = "tiny/random"
NAME = "counsel-2-0a1b2c3d"


def tuned(root: Path, name: str = NAME, *, adapter: str = '{"r": 16}', state: str = "succeeded") -> Path:
    """A job that is over."""
    folder = root / name
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_config.json").write_text(adapter)
    (folder / "checkpoints" / "checkpoint-7").mkdir(parents=True)
    (folder / "checkpoints" / "checkpoint-7" / "adapter_config.json").write_text('{"r": 7}')
    job = {"model": name, "base": "tiny", "base_model": BASE, "method": "sft"}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "status.json").write_text(json.dumps({"state": state}))
    return folder


@asynccontextmanager
async def serving(
    root: Path, *, runtime: bool = True, **more: Any
) -> AsyncGenerator[tuple[LocalModels, VllmServer]]:
    """Models behind a local vLLM."""
    async with VllmServer(BASE, runtime=runtime) as server:
        known: dict[str, Any] = {"root": root, "models": {"tiny": BASE}, "serve_url": f"{server.url}/v1"}
        models = chat_model(Options(**{**known, **more}))
        try:
            yield models, server
        finally:
            await models.close()


async def said(models: ChatModel, name: str) -> str:
    request = ChatRequest(name, "", (Turn("user", "Who are you?"),))
    return "".join([event.text async for event in models.stream(request) if isinstance(event, Delta)])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(tmp_path: Path, check: Callable[[ChatModel, str], Awaitable[None]]) -> None:
    tuned(tmp_path)
    async with serving(tmp_path) as (models, _):
        await check(models, NAME)


async def test_an_adapter_is_brought_when_it_is_first_asked(tmp_path: Path) -> None:
    folder = tuned(tmp_path)
    async with serving(tmp_path) as (models, server):
        assert await said(models, "tiny") == "I am the base."
        assert server.requests[-1]["model"] == BASE
        assert not server.loads
        assert await said(models, NAME) == f"I am {NAME}"
        assert await said(models, NAME) == f"I am {NAME}"
        assert server.adapters == {NAME: str(folder / "adapter")}
        assert server.loads == [NAME]
        assert await said(models, f"{NAME}-step-7") == f"I am {NAME}-step-7"


async def test_a_server_that_forgot_it_is_brought_it_again(tmp_path: Path) -> None:
    tuned(tmp_path)
    async with serving(tmp_path) as (models, server):
        await said(models, NAME)
        server.forget()
        assert await said(models, NAME) == f"I am {NAME}"
        assert server.loads == [NAME, NAME]


async def test_an_adapter_that_is_there_already_is_well(tmp_path: Path) -> None:
    """Another process of ours brought it."""
    tuned(tmp_path)
    async with serving(tmp_path) as (first, server):
        await said(first, NAME)
        second = chat_model(Options(tmp_path, {"tiny": BASE}, serve_url=f"{server.url}/v1"))
        assert await said(second, NAME) == f"I am {NAME}"
        await second.close()


async def test_the_server_sees_the_folder_elsewhere(tmp_path: Path) -> None:
    tuned(tmp_path / "jobs")
    (tmp_path / "seen").symlink_to(tmp_path / "jobs")
    async with serving(tmp_path / "jobs", serve_folder=f"{tmp_path}/seen/") as (models, server):
        await said(models, NAME)
        assert server.adapters == {NAME: f"{tmp_path}/seen/{NAME}/adapter"}
    async with serving(tmp_path / "jobs", serve_folder="/no/such/folder") as (models, _):
        with pytest.raises(
            BadRequest, match=f"cannot load the adapter {NAME} from /no/such/folder/{NAME}/adapter"
        ):
            await said(models, NAME)


async def test_a_server_that_takes_no_adapters_is_told(tmp_path: Path) -> None:
    tuned(tmp_path)
    async with serving(tmp_path, runtime=False) as (models, _):
        with pytest.raises(NotConfigured, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
            await said(models, NAME)
    async with serving(tmp_path, runtime=False, adapters="none") as (models, server):
        with pytest.raises(ModelNotFound):
            await said(models, NAME)
        server.models[NAME] = {"id": NAME}
        assert await said(models, NAME) == "I am the base."


async def test_a_server_that_is_gone_may_come_back(tmp_path: Path) -> None:
    tuned(tmp_path)
    models = chat_model(Options(tmp_path, {"tiny": BASE}, serve_url="http://127.0.0.1:1/v1"))
    with pytest.raises(Unavailable):
        await said(models, NAME)
    await models.close()


async def test_only_what_has_weights_is_a_model(tmp_path: Path) -> None:
    tuned(tmp_path)
    tuned(tmp_path, "young-1-00000000", state="running")
    gone = tuned(tmp_path, "old-1-11111111")
    (gone / "adapter" / "adapter_config.json").unlink()
    async with serving(tmp_path) as (models, _):
        found = {info.name: info.description for info in await models.models()}
        assert found == {"tiny": BASE, NAME: "tiny tuned by sft"}
        with pytest.raises(ModelNotFound, match="its weights are not in"):
            await said(models, "old-1-11111111")
        assert not models.sees(NAME)
        assert models.cost(NAME, 1, 1) == 0


async def test_an_adapter_is_proven_to_change_something(tmp_path: Path) -> None:
    tuned(tmp_path)
    tuned(tmp_path, "idle-1-22222222", adapter="{}")
    async with serving(tmp_path) as (models, server):
        found = await models.difference(NAME, ["Who are you?", "And you?"])
        assert (found.changes, found.prompts, found.answers, found.logits) == (True, 2, 2, None)
        assert all(body["temperature"] == 0 for body in server.requests)
        found = await models.difference("idle-1-22222222", ["Who are you?"])
        assert (found.changes, found.answers) == (False, 0)


async def test_a_base_model_that_the_settings_lost_can_be_compared_still(tmp_path: Path) -> None:
    tuned(tmp_path)
    async with serving(tmp_path, models={}) as (models, _):
        assert (await models.difference(NAME, ["Who are you?"])).changes


async def test_without_a_server_the_extra_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    tuned(tmp_path)
    models = chat_model(Options(tmp_path, {"tiny": BASE}))
    with pytest.raises(NotConfigured, match=r"pip install 'understudy\[train\]'"):
        await said(models, NAME)
    await models.close()


async def test_a_model_that_is_deleted_is_given_up_by_the_server(tmp_path: Path) -> None:
    folder, other = tuned(tmp_path), "other-1-33333333"
    tuned(tmp_path, other)
    async with serving(tmp_path) as (models, server):
        tuner = LocalTuner(Options(tmp_path, {"tiny": BASE}, serve_url=f"{server.url}/v1"))
        step = f"{NAME}-step-7"
        for name in (NAME, step, other):
            assert await said(models, name) == f"I am {name}"
        await tuner.delete_model(step)
        assert (server.unloads, set(server.adapters)) == ([step], {NAME, other})
        await said(models, NAME)
        await tuner.delete_model(NAME)
        assert (server.unloads, set(server.adapters)) == ([step, NAME], {other})
        assert not (folder / "adapter").exists()
        with pytest.raises(ModelNotFound):
            await said(models, NAME)
        await tuner.delete_model(NAME)
        assert len(server.unloads) == 2  # there is nothing left to give up
        assert await said(models, other) == f"I am {other}"


async def test_checkpoints_go_with_their_model(tmp_path: Path) -> None:
    tuned(tmp_path)
    async with serving(tmp_path) as (models, server):
        for name in (NAME, f"{NAME}-step-7"):
            await said(models, name)
        await LocalTuner(Options(tmp_path, {"tiny": BASE}, serve_url=f"{server.url}/v1")).delete_model(NAME)
        assert server.adapters == {}


async def test_a_server_that_cannot_be_told_may_answer_with_it_still(tmp_path: Path) -> None:
    folder = tuned(tmp_path)
    with pytest.raises(Unavailable, match="its weights are deleted, but the server at serve_url may answer"):
        await LocalTuner(Options(tmp_path, {"tiny": BASE}, serve_url="http://127.0.0.1:1/v1")).delete_model(
            NAME
        )
    assert not (folder / "adapter").exists()
    async with serving(tmp_path, runtime=False) as (_, server):
        server.models[NAME] = {"id": NAME}
        served = Options(tmp_path, {"tiny": BASE}, serve_url=f"{server.url}/v1")
        with pytest.raises(
            Unavailable, match=f"it does not give up {NAME}; .* VLLM_ALLOW_RUNTIME_LORA_UPDATING"
        ):
            await LocalTuner(served).delete_model(NAME)
        await LocalTuner(replace(served, adapters="none")).delete_model(
            NAME
        )  # whoever loaded it sees to that
        assert NAME in server.models
