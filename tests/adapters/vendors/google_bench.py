"""Google's bench: the real clients on a local Agent Platform that tunes, and a local Cloud Storage."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from google.oauth2.credentials import Credentials

from adapters.vendors.google import Endpoint
from adapters.vendors.google.tuner import GoogleTuner
from adapters.vendors.tuning import Method, Split, TrainingFile
from tests.adapters.vendors.tuner_contract import Lack, Trouble, questions, training_file
from tests.servers import gcs
from tests.servers.gcs import BUCKET, StorageServer
from tests.servers.gemini import BROKEN, EXHAUSTED, LOCATION, PROJECT, Failure
from tests.servers.gemini_tuning import TuningServer
from tests.servers.google_faults import Fault

TOKEN = "signed-in"


async def at_once(seconds: float) -> None:
    """Waits for nothing: the pause between two attempts in tests."""


class GoogleBench:
    """``server`` and ``storage`` are a test's own to move."""

    base_model = "gemini-3.5-flash-lite"
    lacks: frozenset[Lack] = frozenset()

    def __init__(
        self, server: TuningServer, storage: StorageServer, folder: Path, method: Method = "sft"
    ) -> None:
        self.server = server
        self.storage = storage
        self.method: Method = method
        self._folder = folder
        self._made: list[GoogleTuner] = []

    @property
    def files(self) -> Sequence[str]:
        return self.storage.names

    @property
    def jobs(self) -> Sequence[str]:
        return list(self.server.jobs)

    def endpoint(self, **more: Any) -> Endpoint:
        """The account of this bench."""
        given: dict[str, Any] = {
            "project": PROJECT,
            "tuning_location": LOCATION,
            "bucket": BUCKET,
            "base_url": self.server.url,
            "storage_url": self.storage.url,
            "credentials": Credentials(token=TOKEN),
        }
        return Endpoint(**(given | more))

    def tuner(self, adapter_size: int | None = None, **more: Any) -> GoogleTuner:
        self._made.append(GoogleTuner(self.endpoint(**more), adapter_size=adapter_size, pause=at_once))
        return self._made[-1]

    def file(self, split: Split) -> TrainingFile:
        pairs = questions(20) if split == "train" else questions(3, first=50)
        if self.method == "dpo":
            rows = [
                {
                    "contents": [_said("user", asked)],
                    "completions": [
                        {"score": 1.0, "completion": _said("model", told)},
                        {"score": 0.0, "completion": _said("model", "No idea.")},
                    ],
                }
                for asked, told in pairs
            ]
        else:
            rows = [{"contents": [_said("user", asked), _said("model", told)]} for asked, told in pairs]
        return training_file(self._folder / f"{split}.jsonl", rows, split)

    async def run(self, job_id: str) -> None:
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
        last = job_id.rpartition("/")[2]
        hits = self.server.trouble.hits
        return sum(method == "GET" and path.endswith(f"/tuningJobs/{last}") for method, path in hits)

    @contextmanager
    def trouble(self, kind: Trouble) -> Generator[None]:
        """Within it whatever is asked gets this answer, or none at all; told to wait, for a quarter of an hour."""
        wait = {"Retry-After": "900"}
        answers: Mapping[Trouble, tuple[Failure | Literal["hang"], Failure | Literal["hang"]]] = {
            "500": (BROKEN, gcs.BROKEN),
            "429": (replace(EXHAUSTED, headers=wait), replace(gcs.TOO_FAST, headers=wait)),
            "hang": ("hang", "hang"),
        }
        tuning, files = (Fault(answer, times=None) for answer in answers[kind])
        self.server.trouble.faults.append(tuning)
        self.storage.trouble.faults.append(files)
        try:
            yield
        finally:
            self.server.trouble.faults.remove(tuning)
            self.storage.trouble.faults.remove(files)

    async def close(self) -> None:
        for tuner in self._made:
            await tuner.close()


def _said(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"text": text}]}


@asynccontextmanager
async def bench(folder: Path, method: Method = "sft") -> AsyncGenerator[GoogleBench]:
    """A bench with servers of its own."""
    async with (
        StorageServer(token=TOKEN) as storage,
        TuningServer(token=TOKEN, storage=storage) as server,
    ):
        opened = GoogleBench(server, storage, folder, method)
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def preferences(folder: Path) -> AsyncGenerator[GoogleBench]:
    """The same for jobs that learn from preferences."""
    async with bench(folder, "dpo") as opened:
        yield opened
