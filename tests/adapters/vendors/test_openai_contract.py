"""What goes over the wire, both ways, is what OpenAI's own contract allows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.vendors.base import ChatRequest, Image, Shot, Turn, VendorError
from adapters.vendors.openai import Endpoint, chat_model
from tests.servers import openai as server_module
from tests.servers.loopback import Exchange
from tests.servers.openai import OpenAIServer, Reply

SCRIPT = (
    Reply(),
    Reply(finish="length"),
    Reply(finish="content_filter"),
    Reply(refusal=("I cannot ", "go on.")),
    Reply(usage=None),
    server_module.RATE_LIMITED,
    server_module.TOO_LONG,
    server_module.BROKEN,
)
TURNS = (
    Turn("user", "What is this?", (Image(b"\x89PNG\r\n", "image/png"),)),
    Turn("assistant", "A picture.", (Image(b"\xff\xd8", "image/jpeg"),)),
    Turn("user", "", (Image(b"\xff\xd8", "image/jpeg"),)),
    Turn("user", "And \ud800 this?"),
)
REQUESTS = (
    ChatRequest("gpt-4o-mini", "You are kind.", TURNS, (Shot("Q", "A"),), temperature=0.7, max_output_tokens=300),
    ChatRequest("gpt-5-mini", "", (Turn("user", ""),), temperature=0.2, max_output_tokens=5),
    ChatRequest("gpt-4.1-mini", "", TURNS[-1:]),
)  # fmt: skip


@pytest.fixture
def checker(shared: Path) -> Path:
    """The program that knows the official contracts."""
    path = shared / "contracts" / "check_contract.py"
    if not path.is_file():
        pytest.skip("needs the official contracts in ../shared/contracts, which are not beside this checkout")
    pytest.importorskip("jsonschema", reason="the contracts' checker needs jsonschema")
    return path


async def exchanges() -> list[Exchange]:
    """What the real client and the local server say to each other in every kind of call."""
    async with OpenAIServer() as server:
        for dialect in ("openai", "compatible"):
            model = chat_model(Endpoint(api_key="sk-test", base_url=f"{server.url}/v1", dialect=dialect))
            for request in REQUESTS:
                for answer in SCRIPT:
                    server.script.clear()
                    server.script.append(answer)
                    try:
                        _ = [event async for event in model.stream(request)]
                    except VendorError:
                        pass  # what is judged is the exchange
            await model.models()
            await model.close()
        return server.exchanges


async def test_every_exchange_keeps_the_contract(checker: Path, tmp_path: Path) -> None:
    found = await exchanges()
    assert {exchange["status"] for exchange in found} == {200, 400, 429, 500}
    recording = tmp_path / "openai.jsonl"
    recording.write_text("".join(json.dumps(exchange) + "\n" for exchange in found), "utf-8")
    run = subprocess.run([sys.executable, str(checker), str(recording)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(found)} exchanges" in run.stderr


async def test_a_wrong_field_would_be_noticed(checker: Path, tmp_path: Path) -> None:
    first = (await exchanges())[0]
    first["request_body"]["max_completion_token"] = first["request_body"].pop("max_completion_tokens")
    recording = tmp_path / "openai.jsonl"
    recording.write_text(json.dumps(first) + "\n", "utf-8")
    run = subprocess.run([sys.executable, str(checker), str(recording)], capture_output=True, text=True)
    assert run.returncode == 1
    assert "max_completion_token: not a documented property" in run.stdout
