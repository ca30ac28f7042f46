"""What tests that train share: the mark that keeps them out of ``make test``, a tiny model, and the end of a process."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import select
import subprocess
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.vendors.local import Options
from adapters.vendors.local.folder import JobFolder
from adapters.vendors.local.tuner import LIBRARIES, LocalTuner
from adapters.vendors.tuning import Hyperparameters, Job, Method, Plan, Split, TrainingFile
from tests.train import tiny

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when the libraries are imported
HERE = Path(__file__).parent
SECONDS = 240
KEY = "0199aa00-0000-7000-8000-00000000abcd"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, and say what is missing where the extra is."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.train)
            item.add_marker(pytest.mark.timeout(SECONDS))
            item.add_marker(
                pytest.mark.filterwarnings("default")
            )  # those of torch and its friends are not ours
            if missing:
                item.add_marker(pytest.mark.skip(f"needs {', '.join(missing)}: make test-train"))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model without a chat template."""
    return tiny.make(tmp_path_factory.mktemp("model") / "tiny")


class Trains:
    """The real tuner on real processes. ``run`` gives a job that has been created."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.root = folder / "jobs"
        self.model = model
        self.options = Options(self.root, {"tiny": str(model)}, max_length=128)
        self._tails: list[subprocess.Popen[str]] = []

    @property
    def job(self) -> JobFolder:
        """The folder of the job."""
        return JobFolder(self.root, KEY)

    def tuner(self, **job: object) -> LocalTuner:
        """Another tuner on the same folder, as after a restart, with keys for job.json."""
        options = Options(self.root, {"tiny": str(self.model)}, max_length=128, job=job, context_tokens=256)
        return LocalTuner(options)

    async def run(self, method: Method, tuner: LocalTuner, *, rows: int = 12, epochs: int = 2) -> Job:
        """Start a job on ``rows`` rows, three rows a step."""
        uploaded = {split: await tuner.upload(self.file(method, split, rows), KEY) for split in _SPLITS}
        chosen = Hyperparameters(epochs, 3, 5e-3)
        plan = Plan(KEY, "counsel-2", method, "tiny", uploaded["train"], uploaded["validation"], chosen)
        return await tuner.create(plan)

    def file(self, method: Method, split: Split, rows: int) -> TrainingFile:
        """Rows of a method."""
        found = tiny.rows(method, rows) if split == "train" else tiny.rows(method, 4, 100)
        path = tiny.write(self.folder / f"{split}.jsonl", found)
        return TrainingFile(path, split, len(found), 20 * len(found), path.stat().st_size)

    @contextmanager
    def ending(self) -> Generator[int]:
        """The process, which is gone when this is left."""
        pid = int(self.job.process["pid"])
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it was quick
            yield pid
            return
        try:
            yield pid
            assert select.select([handle], [], [], SECONDS)[0], "the process has not ended"
        finally:
            os.close(handle)

    async def ended(self) -> Job:
        """The job when its process is gone."""

        def wait() -> None:
            with self.ending():
                pass

        await asyncio.to_thread(wait)
        found = await self.tuner().poll(KEY)
        assert found.ended, found
        return found

    async def until(self, words: str, times: int = 1) -> None:
        """Some events with these words have been told."""

        def wait() -> None:
            path = self.job.path / "events.jsonl"
            path.touch()
            # It ends with the process.
            command = ["tail", "-n", "+1", "-f", f"--pid={self.job.process['pid']}", path]
            tail = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self._tails.append(tail)
            assert tail.stdout is not None
            seen = 0
            for line in tail.stdout:
                seen += words in line
                assert "error" not in line, line
                if seen == times:
                    return
            raise AssertionError(f"it ended before it said {words!r}: {self.job.last_words()}")

        await asyncio.to_thread(wait)

    def close(self) -> None:
        """End what goes on."""
        for tail in self._tails:
            tail.kill()
            tail.communicate()
        if self.job.process.get("pid") is not None and self.job.status.get("state") not in {
            "succeeded",
            "failed",
            "cancelled",
        }:
            self.job.ask("cancel")


_SPLITS: tuple[Split, ...] = ("train", "validation")


@pytest.fixture
async def trains(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trains]:
    """A folder for jobs and a model for them; nothing is looked for on the network."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    running = Trains(tmp_path, model)
    yield running
    running.close()
