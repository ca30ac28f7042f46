"""The embedded vendor's bench: its real training, which the bench takes epoch by epoch instead of a process."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from adapters.vendors.embedded.jobs import Folder
from adapters.vendors.embedded.tuner import EmbeddedTuner
from adapters.vendors.embedded.worker import Work
from adapters.vendors.tuning import Method, Split, TrainingFile
from tests.adapters.vendors.tuner_contract import Lack, questions, training_file


class Hands:
    """``Workers`` that do nothing by themselves."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Work, Iterator[None]]] = {}
        self.starts: list[str] = []
        self._one = threading.Lock()  # as the lock of a job's folder: two tuners may want to start it at once

    def alive(self, folder: Folder) -> bool:
        return folder.id in self.held

    def start(self, folder: Folder) -> bool:
        with self._one:
            if folder.id in self.held:
                return False
            work = Work(folder)
            self.held[folder.id] = (work, work.run())
            self.starts.append(folder.id)
            folder.starting(0, folder.started() + 1)
        return True

    def step(self, job_id: str, count: int) -> None:
        """Go so many stops further: the first is where training begins, each other the end of an epoch."""
        for _ in range(count):
            next(self.held[job_id][1])

    def finish(self, job_id: str) -> None:
        """Go to the end."""
        for _ in self.held.pop(job_id)[1]:
            pass

    def drop(self, job_id: str) -> Work:
        """The worker is no more."""
        return self.held.pop(job_id)[0]


class EmbeddedBench:
    """``hands`` move the jobs."""

    base_model = "base"
    method: Method = "sft"
    # Its files are on this machine, and its words are our own.
    lacks: frozenset[Lack] = frozenset({"strange words", "outage"})

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.data = folder / "data"
        self.hands = Hands()

    @property
    def files(self) -> Sequence[str]:
        return [path.name for path in (self.data / "models-jobs" / "files").glob("*.jsonl")]

    @property
    def jobs(self) -> Sequence[str]:
        return [path.name for path in (self.data / "models-jobs" / "jobs").glob("job-*")]

    def tuner(self) -> EmbeddedTuner:
        return EmbeddedTuner(self.data, self.hands)

    def file(self, split: Split) -> TrainingFile:
        pairs = questions(12) if split == "train" else questions(3, first=50)
        rows = [
            {
                "prompt": [{"role": "user", "content": asked}],
                "completion": [{"role": "assistant", "content": said}],
            }
            for asked, said in pairs
        ]
        return training_file(self._folder / f"{split}.jsonl", rows, split)

    async def run(self, job_id: str) -> None:
        self.hands.step(job_id, 3)

    async def succeed(self, job_id: str) -> None:
        self.hands.finish(job_id)

    async def fail(self, job_id: str, why: str) -> None:
        self.hands.drop(job_id).fail(why)

    async def say(self, job_id: str, word: str) -> None:
        raise AssertionError("all its words are our own")

    async def vanish(self, job_id: str) -> None:
        self.hands.drop(job_id)
        shutil.rmtree(self.data / "models-jobs" / "jobs" / job_id)

    def outage(self) -> AbstractContextManager[object]:
        return nullcontext()


@asynccontextmanager
async def bench(folder: Path) -> AsyncGenerator[EmbeddedBench]:
    """A bench with a data directory of its own."""
    yield EmbeddedBench(folder)
