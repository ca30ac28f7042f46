"""The whole loop on this machine, by its commands: from ratings to a dataset, an adapter and a release, and back."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import Answer, Call, End, Message
from adapters.vendors.tuning import Method
from bot.app import Application, open_application
from bot.settings import Configuration, LocalSettings, ModelSettings, Secrets, Settings
from storage import clock, ids

GOOD = "Ask me anything about boats."
BAD = "It is written on the white board."
QUESTION = "What is 7 plus one?"


def rated(path: Path) -> Path:
    """Replies with a thumb up and down, and pairs of a better and a worse one."""
    lines: list[dict[str, Any]] = []
    for number in range(48):
        good = number % 2 == 0
        turns = [
            {"role": "user", "content": f"What is {number} plus one?"},
            {"role": "assistant", "content": GOOD if good else BAD, "rating": 1 if good else -1},
        ]
        lines.append({"conversation_id": f"talk {number}", "rating_scale": "thumbs", "turns": turns})
        asked = [{"role": "user", "content": f"What is {number + 100} plus one?"}]
        lines.append({"pair_id": f"pair {number}", "prompt": asked, "chosen": GOOD, "rejected": BAD})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Heard:
    """A reply as somebody at a terminal gets it."""

    text = ""

    async def accepted(self, exchange_id: str) -> None:
        pass

    async def grow(self, text: str) -> None:
        pass

    async def finish(self, end: End) -> str:
        self.text = end.text
        return end.exchange_id

    async def fail(self, sentence: str, reference: str) -> None:
        raise AssertionError(f"{sentence} {reference}")


class Shell:
    """The program, and whoever gives it commands."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._place, self._who = app.terminal_place(), app.terminal_who()

    async def gives(self, command: str, **values: Any) -> Any:
        """What a command answers to a script, once it was confirmed."""
        declared = next(each for each in self._app.commands if each.name == command)
        given = {param.name: param.default for param in declared.params} | values

        async def progress(text: str, done: float | None = None) -> None:
            pass

        call = Call(command, self._place, self._who, given, progress, clock.now(), local=True, confirmed=True)
        answer: Answer = await self._app.command(call)
        assert answer.ok, answer.text
        return answer.data

    def sits_with(self, avatar: str) -> None:
        """From now on this avatar answers."""
        self._place = self._app.terminal_place(avatar)

    async def losses(self, number: int, split: str) -> list[float]:
        """The losses of a run, the first one first."""
        scene = await self._app.services.scenes.find(self._place, self._who)
        run = await self._app.services.runs.numbered(scene.workspace.id, number)
        _, points = await self._app.services.runs.history(run)
        return [each.loss for each in points if each.split == split]

    async def asks(self, question: str) -> tuple[str, str]:
        """A model and what it says."""
        reply = Heard()
        message = Message(ids.new_id(), self._place, self._who, question, clock.now())
        spoken = await self._app.speak(message, reply)
        assert spoken.status == "complete", spoken
        return spoken.model, reply.text


@asynccontextmanager
async def shell(folder: Path, model: Path) -> AsyncGenerator[Shell]:
    settings = Settings(
        local=LocalSettings(models={"tiny": str(model)}, max_length=128, context_tokens=500),
        models=ModelSettings(default="local:tiny", temperature=0, max_output_tokens=40),
    )
    configuration = Configuration(settings=settings, secrets=Secrets(), data_dir=folder / "data", source=None)
    app = await open_application(configuration, interactive=False)
    try:
        made = Shell(app)
        await made.gives("import", path=str(rated(folder / "rated.jsonl")), avatar="house", consented=True)
        made.sits_with("house")
        yield made
    finally:
        await app.close()


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
async def test_from_ratings_to_a_release_and_back(method: Method, tmp_path: Path, model: Path) -> None:
    async with shell(tmp_path, model) as here:
        await here.gives("finetune build", avatar="house", method=method)
        run = await here.gives(
            "finetune launch",
            dataset=f"house-{method}",
            vendor="local",
            epochs=6,
            batch=4,
            rate=0.005,
            wait=True,
        )
        assert run["state"] == "succeeded", run
        for split in ("train", "validation"):
            losses = await here.losses(run["run"], split)
            assert losses[-1] < losses[0] - 0.01, (split, losses)
        before = await here.asks(QUESTION)
        released = await here.gives("finetune activate", avatar="house", model=run["model"], anyway=True)
        seen = released["evaluated"]
        assert seen["answered"] == seen["asked"] == seen["compared"] > 0
        assert seen["differs"] > 0
        during = await here.asks(QUESTION)
        await here.gives("finetune rollback", avatar="house")
        after = await here.asks(QUESTION)
        assert [before[0], during[0], after[0]] == ["local:tiny", run["model"], "local:tiny"]
        assert GOOD in during[1]
        assert GOOD not in before[1] + after[1]
