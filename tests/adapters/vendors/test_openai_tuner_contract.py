"""What tuning says over the wire, both ways, is what OpenAI's own contract allows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.vendors.base import VendorError
from adapters.vendors.tuning import Hyperparameters, Plan
from tests.adapters.vendors.openai_bench import bench
from tests.servers.loopback import Exchange
from tests.servers.openai_tuning import TOO_FAST, Fault

KEY = "0199aa00-0000-7000-8000-00000000abcd"
MODEL = "gpt-4.1-mini-2025-04-14"
CHOSEN = Hyperparameters(epochs=3, batch_size=8, learning_rate=0.5, beta=0.2)
OPERATIONS = {
    "GET /models", "DELETE /models/{}", "POST /files", "GET /files", "GET /files/{}/content", "DELETE /files/{}",
    "POST /fine_tuning/jobs", "GET /fine_tuning/jobs", "GET /fine_tuning/jobs/{}", "GET /fine_tuning/jobs/{}/events",
    "GET /fine_tuning/jobs/{}/checkpoints", "POST /fine_tuning/jobs/{}/cancel", "POST /fine_tuning/jobs/{}/pause",
    "POST /fine_tuning/jobs/{}/resume",
}  # fmt: skip


@pytest.fixture
def checker(shared: Path) -> Path:
    """The program that knows the official contracts."""
    path = shared / "contracts" / "check_contract.py"
    if not path.is_file():
        pytest.skip("needs the official contracts in ../shared/contracts, which are not beside this checkout")
    pytest.importorskip("jsonschema", reason="the contracts' checker needs jsonschema")
    return path


async def exchanges(folder: Path) -> list[Exchange]:
    """What the real client and the local server say to each other in everything that a tuner does, and in its troubles."""
    async with bench(folder) as opened:
        server, tuner = opened.server, opened.tuner()
        await tuner.capabilities()
        train = await tuner.upload(opened.file("train"), KEY)
        validation = await tuner.upload(opened.file("validation"), KEY)
        plan = Plan(KEY, "counsel-2", "sft", MODEL, train, validation, CHOSEN)
        first = await tuner.create(plan)
        for each in (
            replace(plan, method="dpo"),
            replace(plan, validation=None, hyperparameters=Hyperparameters()),
        ):
            await tuner.cancel((await tuner.create(each)).id)
        for wrong in (replace(plan, base_model="gpt-9"), replace(plan, train=replace(train, id="file-9"))):
            with pytest.raises(VendorError):
                await tuner.create(wrong)
        server.wound_down = True
        with pytest.raises(VendorError):
            await tuner.create(plan)
        await tuner.find(KEY)
        await tuner.find("nobody")
        for turn in (server.queue, server.run):
            turn(first.id)
            await tuner.poll(first.id)
        await tuner.pause(first.id)
        await tuner.poll(first.id)
        await tuner.resume(first.id)
        for number in range(120):
            server.tell(first.id, f"Said {number}", level="warn")
        await tuner.events(first.id)
        server.faults += [Fault(TOO_FAST), Fault()]
        server.succeed(first.id)
        model = (await tuner.poll(first.id)).model
        await tuner.metrics(first.id)
        await tuner.cancel(first.id)
        await tuner.delete_model(model)
        await tuner.delete_model(model)
        await tuner.delete_file(train.id)
        await tuner.delete_file(train.id)
        with pytest.raises(VendorError):
            await tuner.poll("ftjob-9")
        server.fail((_another(server.jobs)), "No row is good.")
        await tuner.poll(_another(server.jobs))
        return server.exchanges


def _another(jobs: Mapping[str, object]) -> str:
    """The id of the job that was created last."""
    return list(jobs)[-1]


async def test_every_exchange_keeps_the_contract(checker: Path, tmp_path: Path) -> None:
    found = await exchanges(tmp_path)
    assert {exchange["status"] for exchange in found} >= {200, 400, 403, 404, 429, 500}
    recording = tmp_path / "openai.jsonl"
    recording.write_text("".join(json.dumps(exchange) + "\n" for exchange in found), "utf-8")
    run = subprocess.run([sys.executable, str(checker), str(recording)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(found)} exchanges, {len(OPERATIONS)} operations" in run.stderr


async def test_a_wrong_field_would_be_noticed(checker: Path, tmp_path: Path) -> None:
    found = next(each for each in await exchanges(tmp_path) if each["url"].endswith("/jobs"))
    found["request_body"]["sufix"] = found["request_body"].pop("suffix")
    recording = tmp_path / "openai.jsonl"
    recording.write_text(json.dumps(found) + "\n", "utf-8")
    run = subprocess.run([sys.executable, str(checker), str(recording)], capture_output=True, text=True)
    assert run.returncode == 1
    assert "sufix: not a documented property" in run.stdout
