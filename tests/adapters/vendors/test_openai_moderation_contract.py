"""What moderating says over the wire, both ways, is what OpenAI's own contract allows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.vendors.base import VendorError
from adapters.vendors.openai import Endpoint
from adapters.vendors.openai.moderation import BATCH, OpenAIModerator
from tests.servers.loopback import Exchange
from tests.servers.openai import INVALID_KEY, Failure, OpenAIServer

AT_ONCE = {"retry-after-ms": "1"}


@pytest.fixture
def checker(shared: Path) -> Path:
    """The program that knows the official contracts."""
    path = shared / "contracts" / "check_contract.py"
    if not path.is_file():
        pytest.skip("needs the official contracts in ../shared/contracts, which are not beside this checkout")
    pytest.importorskip("jsonschema", reason="the contracts' checker needs jsonschema")
    return path


async def exchanges() -> list[Exchange]:
    """What the real client and the local server say to each other: verdicts of both kinds, in batches, and refusals."""
    async with OpenAIServer() as server:
        for model in ("omni-moderation-latest", "omni-moderation-none"):
            judge = OpenAIModerator(Endpoint(api_key="sk-test", base_url=f"{server.url}/v1"), model)
            for failures in ((), (Failure(429, headers=AT_ONCE),), (INVALID_KEY,), (Failure(400),)):
                server.moderation_failures.extend(failures)
                try:
                    await judge.judge(["Hello", "You idiot", "half \ud83d", *["fine"] * BATCH])
                except VendorError:
                    pass  # what is judged is the exchange
                server.moderation_failures.clear()
            await judge.close()
        return server.exchanges


def judged(checker: Path, folder: Path, found: Sequence[Exchange]) -> subprocess.CompletedProcess[str]:
    recording = folder / "openai.jsonl"
    recording.write_text("".join(json.dumps(exchange) + "\n" for exchange in found), "utf-8")
    return subprocess.run([sys.executable, str(checker), str(recording)], capture_output=True, text=True)


async def test_every_exchange_keeps_the_contract(checker: Path, tmp_path: Path) -> None:
    found = await exchanges()
    assert {exchange["status"] for exchange in found} == {200, 400, 401, 404, 429}
    assert {exchange["url"].rpartition("/v1")[2] for exchange in found} == {"/moderations"}
    run = judged(checker, tmp_path, found)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(found)} exchanges" in run.stderr


async def test_a_wrong_field_would_be_noticed(checker: Path, tmp_path: Path) -> None:
    first = next(each for each in await exchanges() if each["status"] == 200)
    first["response_body"]["results"][0]["flaged"] = first["response_body"]["results"][0].pop("flagged")
    run = judged(checker, tmp_path, [first])
    assert run.returncode == 1
    assert "flagged" in run.stdout
