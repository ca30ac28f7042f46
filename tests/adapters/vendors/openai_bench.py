"""OpenAI's bench: the real client on a local OpenAI that trains."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from adapters.vendors.openai import Endpoint
from adapters.vendors.openai.tuner import OpenAITuner
from adapters.vendors.tuning import Method, Split, TrainingFile
from tests.adapters.vendors.tuner_contract import Lack, Trouble, questions, training_file
from tests.servers.openai import BROKEN, Failure
from tests.servers.openai_tuning import TOO_FAST, Fault, TuningServer

KEY = "sk-proj-Zq8yTq1rXs0aVbN3"


async def at_once(seconds: float) -> None:
    """Waits for nothing: the pause between two attempts in tests."""


class OpenAIBench:
    """``server`` is a test's own to move; ``dialect`` openai stands for OpenAI itself."""

    base_model = "gpt-4o-mini-2024-07-18"
    method: Method = "sft"
    lacks: frozenset[Lack] = frozenset()

    def __init__(self, server: TuningServer, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._made: list[OpenAITuner] = []

    @property
    def files(self) -> Sequence[str]:
        return [id for id, file in self.server.files.items() if file["purpose"] == "fine-tune"]

    @property
    def jobs(self) -> Sequence[str]:
        return list(self.server.jobs)

    def tuner(self) -> OpenAITuner:
        endpoint = Endpoint(api_key=KEY, base_url=f"{self.server.url}/v1", dialect="openai")
        self._made.append(OpenAITuner(endpoint, pause=at_once))
        return self._made[-1]

    def file(self, split: Split) -> TrainingFile:
        pairs = questions(12) if split == "train" else questions(3, first=50)
        rows = [
            {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
            for asked, said in pairs
        ]
        return training_file(self._folder / f"{split}.jsonl", rows, split)

    async def run(self, job_id: str) -> None:
        self.server.queue(job_id)
        self.server.run(job_id)

    async def succeed(self, job_id: str) -> None:
        self.server.succeed(job_id)

    async def fail(self, job_id: str, why: str) -> None:
        self.server.fail(job_id, why)

    async def say(self, job_id: str, word: str) -> None:
        self.server.say(job_id, word)

    async def vanish(self, job_id: str) -> None:
        self.server.vanish(job_id)

    def outage(self) -> AbstractContextManager[None]:
        return self.trouble("500")

    def asked(self, job_id: str) -> int:
        """How often the job was asked for."""
        return self.server.hits.count(("GET", f"/fine_tuning/jobs/{job_id}"))

    @contextmanager
    def trouble(self, kind: Trouble) -> Generator[None]:
        """Within it whatever is asked gets this answer, or none at all; told to wait, for a quarter of an hour."""
        answers: Mapping[Trouble, Failure | Literal["hang"]] = {
            "500": BROKEN,
            "429": replace(TOO_FAST, headers={"Retry-After": "900"}),
            "hang": "hang",
        }
        fault = Fault(answers[kind], times=None)
        self.server.faults.append(fault)
        try:
            yield
        finally:
            self.server.faults.remove(fault)

    async def close(self) -> None:
        for tuner in self._made:
            await tuner.close()


@asynccontextmanager
async def bench(folder: Path) -> AsyncGenerator[OpenAIBench]:
    """A bench with a server of its own."""
    async with TuningServer(key=KEY) as server:
        opened = OpenAIBench(server, folder)
        try:
            yield opened
        finally:
            await opened.close()
