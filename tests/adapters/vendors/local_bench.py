"""The local tuner's bench: the real tuner on real processes, in which a stand-in for the training does what it is told."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import shutil
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from adapters.vendors.local import Options
from adapters.vendors.local.folder import JobFolder, job_folders
from adapters.vendors.local.tuner import LocalTuner
from adapters.vendors.tuning import Method, Split, TrainingFile
from tests.adapters.vendors.tuner_contract import Lack, questions, training_file

SECONDS = 30

# It keeps to what adapters/vendors/local/train.py says of its files, and ends when the bench does.
STAND_IN = """
import fcntl, json, os, socket, sys, time
from pathlib import Path

here = Path.cwd()
lock = open("lock", "a")
fcntl.flock(lock, fcntl.LOCK_EX)
now = lambda: time.time_ns() // 1000000

def tell(**fields):
    try:
        fields = {**json.loads(Path("status.json").read_text()), **fields}
    except OSError:
        pass
    Path("status.new").write_text(json.dumps(fields))
    Path("status.new").replace("status.json")

def add(name, **fields):
    with open(name, "a") as file:
        file.write(json.dumps(fields) + "\\n")

def run(step):
    for number in range(step - 1, step + 1):
        add("events.jsonl", at=now(), level="info", message=f"Step {number}")
        for split in ("train", "validation"):
            add("metrics.jsonl", step=number, split=split, loss=4 / number, accuracy=0.5, epoch=number / 2)
        if not os.path.isdir(f"checkpoints/checkpoint-{number}"):
            os.makedirs(f"checkpoints/checkpoint-{number}")
        for each in ("adapter_config.json", "trainer_state.json"):
            Path(f"checkpoints/checkpoint-{number}", each).write_text("{}")
    tell(state="running", step=step, steps=4, done=step / 4, tokens=100 * step, ends_at=now() + 60000)
    tell(memory_bytes=3 << 30)

link = socket.create_connection(("127.0.0.1", PORT))
lines = link.makefile("rw")
lines.write(here.name + "\\n")
lines.flush()
for line in lines:
    word, _, rest = line.strip().partition(" ")
    if word == "run":
        run(2)
    elif word == "succeed":
        run(4)
        os.makedirs("adapter", exist_ok=True)
        Path("adapter/adapter_config.json").write_text("{}")
        add("events.jsonl", at=now(), level="info", message="Done")
        tell(state="succeeded", done=1.0, ends_at=None, seconds=8.0)
    elif word == "fail":
        tell(state="failed", error=rest)
    elif word == "secrets":
        rest = ",".join(sorted(name for name in os.environ if "TOKEN" in name or "KEY" in name))
    elif word == "die":
        print(rest, file=sys.stderr, flush=True)
        os._exit(9)
    lines.write((rest or "ok") + "\\n")
    lines.flush()
"""


class LocalBench:
    """``folder`` holds the jobs; each stand-in has called by the time that it is told something."""

    base_model = "tiny"
    method: Method = "sft"
    lacks: frozenset[Lack] = frozenset({"strange words", "outage"})

    def __init__(self, folder: Path, script: Path) -> None:
        self.folder = folder
        self.root = folder / "jobs"
        self.root.mkdir()
        self.script = script
        self._called: dict[str, asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}
        self._links: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._all: list[asyncio.StreamWriter] = []

    @property
    def files(self) -> Sequence[str]:
        found = (*self.root.glob("*/train.jsonl"), *self.root.glob("*/validation.jsonl"))
        return [f"{path.parent.name}/{path.stem}" for path in found]

    @property
    def jobs(self) -> Sequence[str]:
        return [each.key for each in job_folders(self.root)]

    def options(self, **changed: object) -> Options:
        """The settings of the tuner."""
        known: Mapping[str, object] = {"root": self.root, "models": {"tiny": "tiny/random", "other": "o/o"}}
        return Options(**{**known, **changed})  # pyright: ignore[reportArgumentType]

    def tuner(self, **changed: object) -> LocalTuner:
        return LocalTuner(self.options(**changed), script=self.script, libraries=())

    def file(self, split: Split) -> TrainingFile:
        pairs = questions(12) if split == "train" else questions(3, first=50)
        rows = [
            {
                "prompt": [{"role": "user", "content": asked}],
                "completion": [{"role": "assistant", "content": said}],
            }
            for asked, said in pairs
        ]
        return training_file(self.folder / f"{split}.jsonl", rows, split)

    async def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A stand-in has started."""
        self._all.append(writer)
        key = (await reader.readline()).decode().strip()
        self._calls(key).put_nowait((reader, writer))

    async def tell(self, key: str, word: str) -> str:
        """Have a stand-in do something, and wait for its word that it is done; empty when it died of it."""
        async with asyncio.timeout(SECONDS):
            calls = self._calls(key)
            if key not in self._links or not calls.empty():
                self._links[key] = await calls.get()
            reader, writer = self._links[key]
            writer.write(f"{word}\n".encode())
            await writer.drain()
            try:
                return (await reader.readline()).decode().strip()
            except ConnectionError:
                return ""

    async def begun(self, key: str) -> None:
        """A stand-in that was started has called; one that called before is not meant."""
        async with asyncio.timeout(SECONDS):
            self._links[key] = await self._calls(key).get()

    async def die(self, key: str, words: str = "") -> None:
        """Its process is gone, without a result."""
        with self.ending(key):
            assert not await self.tell(key, f"die {words}")

    @contextmanager
    def ending(self, key: str) -> Generator[None]:
        """The process is gone when this is left."""
        handle = os.pidfd_open(int(JobFolder(self.root, key).process["pid"]))
        try:
            yield
            assert select.select([handle], [], [], SECONDS)[0], "the process has not ended"
        finally:
            os.close(handle)

    async def run(self, job_id: str) -> None:
        await self.tell(job_id, "run")

    async def succeed(self, job_id: str) -> None:
        await self.tell(job_id, "succeed")

    async def fail(self, job_id: str, why: str) -> None:
        await self.tell(job_id, f"fail {why}")

    async def say(self, job_id: str, word: str) -> None:
        raise NotImplementedError

    async def vanish(self, job_id: str) -> None:
        shutil.rmtree(self.root / job_id)

    @contextmanager
    def outage(self) -> Generator[None]:
        raise NotImplementedError
        yield

    async def close(self) -> None:
        for writer in self._all:
            writer.close()
        for lock in self.root.glob("*/lock"):
            await asyncio.to_thread(_wait_for, lock)

    def _calls(self, key: str) -> asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        return self._called.setdefault(key, asyncio.Queue())


def _wait_for(lock: Path) -> None:
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


@asynccontextmanager
async def bench(folder: Path) -> AsyncGenerator[LocalBench]:
    """A bench with processes of its own, which end with it."""
    script = folder / "stand_in.py"
    opened = LocalBench(folder, script)
    server = await asyncio.start_server(opened.called, "127.0.0.1", 0)
    script.write_text(STAND_IN.replace("PORT", str(server.sockets[0].getsockname()[1])))
    try:
        yield opened
    finally:
        server.close()
        await opened.close()
