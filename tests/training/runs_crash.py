"""kill -9 at each step boundary of a launch, then go on.

    python -m tests.training.runs_crash VENDOR DATABASE WORKSPACE [--every N] [ADDRESS ...]

The boundaries are the durable writes and the answers of the vendor; where the vendor is on this machine, also each step in
its folder: a file that is written, renamed or deleted, a process that is started. For each of them a process is forked that
launches a run and is killed there, and then another one that is given the same order and ends it. After that the same again
with two crashes: the process that goes on is killed at one of its own first boundaries, and a third one ends it. A line of
JSON for each says what came of it. With ``--every`` only each N-th boundary is taken.

The processes are forked from one that has all imports behind it, and share nothing but the database and the vendor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from adapters.vendors.tuning import Hyperparameters, Tuner
from storage import clock, runs
from storage.database import Database, Job
from tests.training.runs_sides import SIDES, Side
from training.runs import Order, RunLimits, Runs

T = TypeVar("T")

LANES = 4
SECOND = 9
"""The second crash comes at one of so many boundaries."""

_TICK_MS, _LATER_MS = 11 * 60_000, 12 * 3_600_000
_TICKS = 60
_STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen"}
_WRITES = os.O_WRONLY | os.O_RDWR


class Countdown:
    """Kills this process at one of the boundaries; at none with 0."""

    def __init__(self, at: int, note: Path) -> None:
        self._left = at
        self._note = note
        self._started = 0

    def passed(self, what: str) -> None:
        """One more boundary is behind us."""
        self._left -= 1
        if self._left == 0:
            self._left = -1  # the note is a file too
            self._note.write_text(what)
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, folder: Path) -> None:
        """From now on each step in the folder is a boundary, before it is taken."""
        root = f"{folder}{os.sep}"

        def hook(event: str, given: tuple[Any, ...]) -> None:
            if event == "open":
                path, writes = given[0], bool(given[2] & _WRITES)
            elif event in _STEPS:
                path, writes = (root if event == "subprocess.Popen" else given[0]), True
            else:
                return
            place = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
            # A lock that is opened changes nothing.
            name = place.rpartition(os.sep)[2]
            if writes and place.startswith(root) and not name.startswith(("lock", ".tuner")):
                after = f", {self._started} started" if self._started else ""
                self.passed(f"before {event} {re.sub(r'[0-9a-z_]{8}$|[0-9]+', '', name)}{after}")
                self._started += event == "subprocess.Popen"

        sys.addaudithook(hook)


class CountedDatabase:
    """A database whose every durable write is a boundary."""

    def __init__(self, database: Database, countdown: Countdown) -> None:
        self._database, self._countdown = database, countdown

    async def read(self, job: Job[T]) -> T:
        return await self._database.read(job)

    async def write(self, job: Job[T]) -> T:
        done = await self._database.write(job)
        self._countdown.passed(f"write of {getattr(job, '__qualname__', '')}")
        return done


class CountedTuner:
    """A tuner whose every answer is a boundary."""

    def __init__(self, tuner: Tuner, countdown: Countdown) -> None:
        self._tuner, self._countdown = tuner, countdown

    def __getattr__(self, name: str) -> Any:
        found: Any = getattr(self._tuner, name)
        if not callable(found):
            return found
        ask = cast(Callable[..., Awaitable[object]], found)

        async def asked(*args: object, **more: object) -> object:
            answer = await ask(*args, **more)
            self._countdown.passed(f"answer to {name}")
            return answer

        return asked


async def _silent(text: str, done: float | None = None) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class Launch:
    """One order at one vendor, on a database of its own."""

    vendor: str
    side: Side
    where: Sequence[str]
    database: Path
    workspace: str

    async def live(self, at: int, crashes: int) -> dict[str, object]:
        """Give the order and tick until nothing is left to do; what came of it. Killed at the boundary ``at``, but 0.

        ``crashes`` came before: this is so much later.
        """
        side, far, files = self.side, self.database.with_suffix(".far"), self.database.with_suffix(".files")
        far.mkdir(exist_ok=True)
        passed = crashes * _LATER_MS
        clock.use(lambda: time.time_ns() // 1_000_000 + passed)
        countdown = Countdown(at, self._note(crashes))
        opened = await Database.open(f"sqlite+aiosqlite:///{self.database}")
        tuner = side.tuner(self.where, far)
        if side.here:
            countdown.watch(far)
        counted = cast(Tuner, CountedTuner(tuner, countdown))
        database = cast(Database, CountedDatabase(opened, countdown))
        made = Runs(database, lambda _: counted, RunLimits(), files, host="here", chance=lambda: 0.5)
        order = Order(
            self.workspace,
            1,
            self.vendor,
            side.base_model,
            Hyperparameters(epochs=1),
            once=self.database.stem,
            confirmed_shutdown=True,
        )
        run = await made.prepare(order, _silent)
        for _ in range(_TICKS):
            await made.tick()
            run = await made.get(run.id)
            if run.next_at is None:
                break
            side.settle(far)
            passed += _TICK_MS
        every = await opened.read(lambda tx: runs.listed(tx, self.workspace))
        await made.close()
        await tuner.close()
        await opened.close()
        return {
            "key": run.key,
            "state": run.state,
            "resting": run.next_at is None,
            "job": run.job_id,
            "model": run.model,
            "runs": len(every),
            "uploaded": len(run.uploaded),
            "left": sorted(each.name for each in files.iterdir()),
            "jobs": await side.jobs(self.where, far, run.key),
            "left there": await side.left(self.where, far, run.key),
            "trainers": side.trainers(far),
            "error": run.error,
        }

    def forked(self, at: int, crashes: int) -> tuple[int, dict[str, object]]:
        """``live`` in a process of its own: the signal that ended it, or 0, and what came of it."""
        result = self.database.with_suffix(".result")
        pid = os.fork()
        if pid == 0:
            self._child(result, at, crashes)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return os.WTERMSIG(status), {}
        if os.WEXITSTATUS(status):
            sys.exit("a child failed")
        return 0, json.loads(result.read_text())

    def crashed(self, boundaries: Sequence[int]) -> dict[str, object]:
        """What came of a launch that was killed at each of these boundaries in turn, and then ended."""
        killed = [self.forked(at, crashes)[0] for crashes, at in enumerate(boundaries)]
        _, found = self.forked(0, len(boundaries))
        notes = [self._note(crashes) for crashes in range(len(boundaries))]
        after = [note.read_text() if note.exists() else "the end" for note in notes]
        return found | {"at": boundaries[0], "crashes": len(boundaries), "killed": killed, "after": after}

    def _note(self, crashes: int) -> Path:
        return self.database.with_suffix(f".note{crashes}")

    def _child(self, result: Path, at: int, crashes: int) -> NoReturn:
        code = 1
        try:
            result.write_text(json.dumps(asyncio.run(self.live(at, crashes))))
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            # Whatever happens, this process is no second parent.
            sys.stderr.flush()
            os._exit(code)


def lane(number: int, asked: argparse.Namespace, side: Side, folder: Path) -> None:
    """Every ``LANES``-th of the boundaries that are asked for, until there are no more."""
    for crashes in (1, 2):
        at = 1 + (crashes - 1) * (asked.every // 2) + number * asked.every
        killed = True
        while killed:
            name = f"{asked.vendor}-{crashes}-{at}"
            shutil.copy(asked.database, folder / f"{name}.db")
            launch = Launch(asked.vendor, side, asked.address, folder / f"{name}.db", asked.workspace)
            found = launch.crashed([at, *([1 + at % SECOND] if crashes == 2 else [])])
            killed = cast(list[int], found["killed"])[0] != 0
            os.write(1, json.dumps(found).encode() + b"\n")  # in one piece, beside those of the other lanes
            at += LANES * asked.every


def main() -> None:
    """All boundaries, several at a time: they mostly wait for the disk."""
    parser = argparse.ArgumentParser()
    parser.add_argument("vendor", choices=sorted(SIDES))
    parser.add_argument("database", type=Path)
    parser.add_argument("workspace")
    parser.add_argument("address", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    side = SIDES[asked.vendor]()
    with tempfile.TemporaryDirectory() as folder:
        lanes: list[int] = []
        for number in range(LANES):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    lane(number, asked, side, Path(folder))
                    code = 0
                finally:
                    os._exit(code)
            lanes.append(pid)
        ends = [os.waitpid(pid, 0)[1] for pid in lanes]
    if any(ends):
        sys.exit("a lane failed")


if __name__ == "__main__":
    main()
