"""kill -9 at each step boundary of a launch, then go on: ``python -m tests.training.runs_crash URL DATABASE WORKSPACE``.

The boundaries are the durable writes and the answers of the vendor. For each of them a process is forked that launches a
run and is killed there, and then another one that is given the same order and ends it; a line of JSON says what came of it.
The processes are forked from one that has all imports behind it, and share nothing but the database and the vendor.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from adapters.vendors.openai import Endpoint
from adapters.vendors.openai.tuner import OpenAITuner
from adapters.vendors.tuning import Tuner
from storage import clock, runs
from storage.database import Database, Job
from training.runs import Order, RunLimits, Runs

T = TypeVar("T")

KEY = "sk-proj-Zq8yTq1rXs0aVbN3"
MODEL = "gpt-4o-mini-2024-07-18"
LANES = 4
_TICK_MS, _LATER_MS = 11 * 60_000, 12 * 3_600_000
_TICKS = 60


class Countdown:
    """Kills this process at one of the boundaries; at none with 0."""

    def __init__(self, at: int, note: Path) -> None:
        self._left = at
        self._note = note

    def passed(self, what: str) -> None:
        """One more boundary is behind us."""
        self._left -= 1
        if self._left == 0:
            self._note.write_text(what)
            os.kill(os.getpid(), signal.SIGKILL)


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


async def _at_once(seconds: float) -> None:
    """The vendor is on this machine."""


async def _silent(text: str, done: float | None = None) -> None:
    """Nobody looks."""


async def live(base_url: str, database: Path, workspace: str, at: int, later: int) -> dict[str, object]:
    """Give the order and tick until nothing is left to do; what came of it."""
    passed = later
    clock.use(lambda: time.time_ns() // 1_000_000 + passed)
    countdown = Countdown(at, database.with_suffix(".note"))
    opened = await Database.open(f"sqlite+aiosqlite:///{database}")
    tuner = OpenAITuner(Endpoint(api_key=KEY, base_url=base_url, dialect="openai"), pause=_at_once)
    counted = cast(Tuner, CountedTuner(tuner, countdown))
    made = Runs(
        cast(Database, CountedDatabase(opened, countdown)),
        lambda _: counted,
        RunLimits(),
        database.with_suffix(".files"),
        chance=lambda: 0.5,
    )
    order = Order(workspace, 1, "openai", MODEL, once=database.stem, confirmed_shutdown=True)
    run = await made.prepare(order, _silent)
    for _ in range(_TICKS):
        await made.tick()
        run = await made.get(run.id)
        if run.next_at is None:
            break
        passed += _TICK_MS
    every = await opened.read(lambda tx: runs.listed(tx, workspace))
    await made.close()
    await tuner.close()
    await opened.close()
    left = sorted(each.name for each in database.with_suffix(".files").iterdir())
    return {
        "key": run.key,
        "state": run.state,
        "resting": run.next_at is None,
        "job": run.job_id,
        "model": run.model,
        "runs": len(every),
        "uploaded": len(run.uploaded),
        "left": left,
        "error": run.error,
    }


def forked(*arguments: Any) -> tuple[int, dict[str, object]]:
    """``live`` in a process of its own: the signal that ended it, or 0, and what came of it."""
    database: Path = arguments[1]
    result = database.with_suffix(".result")
    pid = os.fork()
    if pid == 0:
        _child(result, arguments)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status), {}
    if os.WEXITSTATUS(status):
        sys.exit("a child failed")
    return 0, json.loads(result.read_text())


def _child(result: Path, arguments: tuple[Any, ...]) -> NoReturn:
    code = 1
    try:
        result.write_text(json.dumps(asyncio.run(live(*arguments))))
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        # Whatever happens, this process is no second parent.
        sys.stderr.flush()
        os._exit(code)


def lane(number: int, base_url: str, pristine: Path, workspace: str, folder: Path) -> None:
    """Every ``LANES``-th boundary, until there are no more."""
    killed = int(signal.SIGKILL)
    at = number
    while killed:
        database = folder / f"{at}.db"
        shutil.copy(pristine, database)
        where = f"{base_url}/v1"
        killed, _ = forked(where, database, workspace, at, 0)
        _, found = forked(where, database, workspace, 0, _LATER_MS)
        note = database.with_suffix(".note")
        found |= {"at": at, "killed": killed, "after": note.read_text() if note.exists() else "the end"}
        os.write(1, json.dumps(found).encode() + b"\n")  # in one piece, beside those of the other lanes
        at += LANES


def main() -> None:
    """All boundaries, several at a time: they mostly wait for the disk."""
    base_url, pristine, workspace = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        lanes: list[int] = []
        for number in range(1, LANES + 1):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    lane(number, base_url, pristine, workspace, Path(folder))
                    code = 0
                finally:
                    os._exit(code)
            lanes.append(pid)
        ends = [os.waitpid(pid, 0)[1] for pid in lanes]
    if any(ends):
        sys.exit("a lane failed")


if __name__ == "__main__":
    main()
