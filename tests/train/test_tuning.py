"""Jobs from end to end on the CPU: they learn, they answer, they go on after a kill, and they say why they failed."""

from __future__ import annotations

import json
import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from adapters.vendors.base import ChatModel, ChatRequest, Finished, ModelNotFound, Turn
from adapters.vendors.local import chat_model
from adapters.vendors.tuning import Method
from tests.adapters.vendors.contract import CHECKS
from tests.train.conftest import KEY, Trains

QUESTIONS = ["What is 7 plus one?", "What is 300 plus one?"]


async def said(model: ChatModel, name: str, question: str) -> str:
    """A whole answer at temperature 0."""
    request = ChatRequest(name, "", (Turn("user", question),), temperature=0.0, max_output_tokens=40)
    return "".join([event.text async for event in model.stream(request) if not isinstance(event, Finished)])


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
async def test_a_model_is_tuned_and_answers(method: Method, trains: Trains) -> None:
    tuner = trains.tuner(merge=method == "sft")
    job = await trains.run(method, tuner, epochs=6 if method == "sft" else 3)
    assert job.status == "preparing"
    end = await trains.ended()
    assert (end.status, end.done, end.error) == ("succeeded", 1.0, ""), trains.job.last_words()
    assert end.trained_tokens
    points = await tuner.metrics(KEY)
    for split in ("train", "validation"):
        losses = [point.loss for point in points if point.split == split]
        assert losses[-1] < losses[0] - 0.01, (split, losses)
    assert [event.message for event in await tuner.events(KEY)][-1] == "Done"
    assert end.checkpoints
    assert all(checkpoint.loss is not None for checkpoint in end.checkpoints)
    status = trains.job.status
    assert status["memory_bytes"] > 10**7
    assert status["device"] == "the CPU"
    assert await tuner.seconds(trains.file(method, "train", 12), _none(), "tiny")

    models = chat_model(trains.options)
    try:
        names = [info.name for info in await models.models()]
        assert names == ["tiny", end.model]
        found = await models.difference(end.model, QUESTIONS)
        assert found.changes
        assert found.logits is not None
        assert found.logits > 0.01
        early = await models.difference(end.checkpoints[0].model, QUESTIONS[:1])
        assert early.logits
        assert early.logits != found.logits
        if method == "sft":
            assert found.answers == len(QUESTIONS)
            tuned = await said(models, end.model, QUESTIONS[0])
            assert tuned != await said(models, "tiny", QUESTIONS[0])
            assert tuned == await said(models, end.model, QUESTIONS[0]), (
                "the base model in between changes nothing"
            )
            assert tuned == await merged(trains, QUESTIONS[0])
            for check in CHECKS:
                await check(models, end.model)
            await tuner.delete_model(end.model)
            with pytest.raises(ModelNotFound):
                await said(models, end.model, QUESTIONS[0])
    finally:
        await models.close()


def _none() -> Any:
    return import_module("adapters.vendors.tuning").Hyperparameters()


async def merged(trains: Trains, question: str) -> str:
    """The same question to the merged model, by transformers alone."""
    whole = chat_model(
        type(trains.options)(trains.root / "none", {"merged": str(trains.job.path / "merged")})
    )
    try:
        return await said(whole, "merged", question)
    finally:
        await whole.close()


async def test_an_adapter_that_changes_nothing_is_found_out(trains: Trains) -> None:
    job = await trains.run("sft", trains.tuner(), epochs=1)
    end = await trains.ended()
    torch, safe = import_module("torch"), import_module("safetensors.torch")
    path = trains.job.path / "adapter" / "adapter_model.safetensors"
    safe.save_file({name: torch.zeros_like(each) for name, each in safe.load_file(path).items()}, path)
    models = chat_model(trains.options)
    try:
        found = await models.difference(end.model, QUESTIONS)
        assert (found.changes, found.answers, found.logits) == (False, 0, 0.0)
    finally:
        await models.close()
    assert job.id == KEY


async def test_a_killed_process_goes_on_from_its_checkpoint(trains: Trains) -> None:
    tuner = trains.tuner(save_seconds=0, evaluations=1)
    await trains.run("sft", tuner, rows=60, epochs=4)  # 80 steps
    await trains.until("Checkpoint at step", 3)
    with trains.ending() as pid:
        os.kill(pid, signal.SIGKILL)
    assert (await tuner.poll(KEY)).status == "running"
    end = await trains.ended()
    assert end.status == "succeeded", end
    messages = [event.message for event in await tuner.events(KEY)]
    begun = [message for message in messages if message.startswith("Training on")]
    assert len(begun) == 2
    step = int(begun[1].rpartition("from step ")[2])
    assert step >= 3
    assert f"Going on from the checkpoint of step {step}" in messages
    steps = [point.step for point in await tuner.metrics(KEY) if point.split == "train"]
    assert steps == list(range(1, 81)), "each step is told once, none is missing"
    tokens = [
        json.loads(line)["tokens"] for line in (trains.job.path / "metrics.jsonl").read_text().splitlines()
    ]
    assert tokens == sorted(tokens)


async def test_a_cancelled_one_leaves_a_checkpoint(trains: Trains) -> None:
    tuner = trains.tuner(evaluations=1)
    await trains.run("sft", tuner, rows=300, epochs=10)
    await trains.until("Training on")
    with trains.ending():
        assert (await tuner.pause(KEY)).status == "paused"
    held = await trains.tuner().poll(KEY)
    assert (held.status, held.said) == ("paused", "paused")
    assert len(held.checkpoints) == 1
    assert (await tuner.resume(KEY)).status in {"running", "preparing"}
    await trains.until("Going on from the checkpoint")
    with trains.ending():
        assert (await tuner.cancel(KEY)).status == "cancelling"
    end = await tuner.poll(KEY)
    assert (end.status, end.ended) == ("cancelled", True)
    assert (await tuner.events(KEY))[-1].message == "Cancelled"
    assert end.checkpoints
    assert end.checkpoints[-1].step >= held.checkpoints[0].step


async def test_several_processes_train_together(trains: Trains) -> None:
    """As on several GPUs, here on the CPU. They end together, too."""
    tuner = trains.tuner(processes=2, device="cpu", evaluations=1)
    await trains.run("sft", tuner, rows=300, epochs=10)
    await trains.until("Training on 2 processes on the CPU")
    with trains.ending():
        await tuner.pause(KEY)
    held = await tuner.poll(KEY)
    assert held.said == "paused", trains.job.last_words()
    assert len(held.checkpoints) == 1
    assert {point.step for point in await tuner.metrics(KEY)} <= set(range(1, 501))


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (
            "nobody/has-this",
            "The base model nobody/has-this is neither a folder here nor in the cache of Hugging Face",
        ),
        ("empty", "holds no model that can be loaded"),
    ],
)
async def test_a_base_model_that_is_not_there_is_told(
    base: str, why: str, trains: Trains, tmp_path: Path
) -> None:
    trains.model = Path(base)
    if base == "empty":
        trains.model = tmp_path / "empty"
        trains.model.mkdir()
    await trains.run("sft", trains.tuner())
    end = await trains.ended()
    assert end.status == "failed"
    assert why in end.error
    assert "\n" not in end.error


async def test_a_loss_that_is_no_number_is_told(trains: Trains) -> None:
    tuner = trains.tuner(lora={"alpha": 1e300})
    await trains.run("sft", tuner)
    end = await trains.ended()
    assert end.status == "failed"
    assert end.error.startswith("The loss is no number any more at step")
