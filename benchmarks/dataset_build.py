"""How fast rated exchanges become a dataset and its files, in how much memory, and what that does to the chat meanwhile.

    python -m benchmarks.dataset_build [--sizes 100000,1000000] [--floor-python PATH] [--folder DIR]
    python -m benchmarks.dataset_build --chat 100000
    python -m benchmarks.dataset_build --cancel 1000000

What is measured is what ``finetune build`` and ``finetune export`` do: a process of its own that reads, replaces personal
data, compares all rows, weighs them and freezes them with their lineage (``bot.builder``), then the files in OpenAI's
format, checked as before an upload. The material is that of ``benchmarks.dataset_material``; ``--folder`` keeps it for the
next time.

The floor is ``benchmarks/dataset_floor.py``, a script on `datasets` and datasketch, in a Python that has these two:

    python -m venv FLOOR; FLOOR/bin/pip install datasets datasketch
    python -m benchmarks.dataset_build --floor-python FLOOR/bin/python

It runs right after ours on the same database, up to ``--floor-most`` exchanges; beyond, its time for each of them is taken
to stay what it was. ``--chat`` lets 16 people talk on a local Discord (``benchmarks.discord_path``) before, during and after
a build in the very database of their bot; ``--cancel`` stops a build while it reads, compares and freezes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from benchmarks import dataset_material as material
from benchmarks.discord_path import DiscordStack

RATE_PROMISED: Final = 2.0
MEMORY_PROMISED: Final = 500.0  # MB
FLAT_PROMISED: Final = 1.15  # times the memory for ten times the rows
OVERHEAD_PROMISED: Final = 2.0
STOP_PROMISED: Final = 10.0  # seconds
GONE_SECONDS: Final = 120.0  # in which the rows of a build that was stopped are taken away behind it
PATIENCE: Final = 1800.0  # seconds for a build to come as far as it is to be stopped
USERS: Final = 16
NICE: Final = 10  # as `bot.builder` stands back: the export and the floor have as little of a busy machine

Verdict = tuple[str, float, str, bool]


class Phases:
    """A build's own words on how far it is, as they come."""

    def __init__(self, seen: Callable[[str, float], None] = lambda phase, done: None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.phase = "start"
        self.told = 0
        self._seen = seen
        self._last = time.perf_counter()

    async def __call__(self, text: str, done: float | None = None) -> None:
        """Progress, as a build tells it."""
        self.told += 1
        now = time.perf_counter()
        self.seconds[self.phase] += now - self._last
        self._last = now
        for word, phase in (
            ("read", "read"),
            ("Looking", "compare"),
            ("frozen", "freeze"),
            ("Asking", "check"),
        ):
            if word in text:
                self.phase = phase
        self._seen(self.phase, done or 0.0)
        print(f"\r{text:<70}", end="", file=sys.stderr, flush=True)


def order_of(path: Path, name: str = "bench") -> Any:
    """The order that ``/finetune build method:sft`` makes of the settings as they are."""
    from adapters.vendors.estimate import count_tokens
    from bot.settings import load
    from storage import clock
    from training.collect import Selection
    from training.datasets import Order

    limits = load().settings.datasets
    workspace, avatar = material.where(path)
    selection = Selection(
        method="sft",
        until=clock.now(),
        stars=limits.stars,
        least_characters=limits.least_characters,
        history=limits.history_exchanges,
        max_tokens=limits.max_tokens,
        system_tokens=count_tokens(material.PROMPT),
    )
    return Order(workspace, avatar, name, None, selection, material.PROMPT)


async def build(path: Path, phases: Phases) -> Any:
    """As the application builds: in a process of its own."""
    from bot.building import Builds
    from bot.settings import load
    from storage.database import Database

    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    builds = Builds(load(), database)
    try:
        return await builds.build(order_of(path), phases)
    finally:
        await builds.close()
        await database.close()


# -- speed and memory


def one(path: Path) -> dict[str, Any]:
    """Build and write, in this process and one that it starts."""
    from storage.database import Database
    from training.handover import export

    os.environ["UNDERSTUDY_DATA_DIR"] = str(path.parent)
    phases = Phases()
    memory = Memory()
    began = time.perf_counter()
    built = asyncio.run(build(path, phases))
    building = time.perf_counter() - began
    build_mb = memory.peaks()
    phases.seconds[phases.phase] += building - sum(phases.seconds.values())
    build_cpu = _cpu(resource.RUSAGE_CHILDREN)
    before = _cpu(resource.RUSAGE_SELF)
    memory = Memory(own=True)

    async def write() -> Any:
        database = await Database.open(f"sqlite+aiosqlite:///{path}")
        try:
            return await export(database, built.dataset, "openai-sft", path.parent / "files", phases)
        finally:
            await database.close()

    began = time.perf_counter()
    os.nice(NICE)
    written = asyncio.run(write())
    print(file=sys.stderr)
    exporting = time.perf_counter() - began
    assert sum(written.rows.values()) == built.train + built.validation
    export_mb = memory.peaks()
    export_cpu = _cpu(resource.RUSAGE_SELF) - before + _cpu(resource.RUSAGE_CHILDREN) - build_cpu - memory.cpu
    return {
        "rows": built.train + built.validation, "left_out": built.report["left_out"], "build_s": building,
        "export_s": exporting, "build_cpu": build_cpu, "export_cpu": export_cpu, "build_mb": build_mb,
        "export_mb": export_mb, "phases": dict(phases.seconds), "told": phases.told,
        "problems": written.problems[:3],
    }  # fmt: skip


class Memory:
    """The most memory that all processes below this one hold together, and this one too where it is its ``own``.

    Looked at twice a second. What several of them share counts once (PSS of Linux), the page cache not at all.
    """

    def __init__(self, *, own: bool = False) -> None:
        self._own = own
        self._peak = 0
        self.cpu = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def peaks(self) -> float:
        """The peak in MB; it is looked at no more."""
        self._over.set()
        self._thread.join()
        return self._peak / 1024

    def _look(self) -> None:
        while not self._over.wait(0.5):
            every = _below(os.getpid())
            self._peak = max(self._peak, sum(map(_held, [*every, os.getpid()] if self._own else every)))
        self.cpu = time.thread_time()  # of the looking itself


def _below(pid: int) -> list[int]:
    """The processes that a process started, and those that these did."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_below(child)]
    return found


def _held(pid: int) -> int:
    """KB."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def apart(folder: Path, size: int) -> dict[str, Any]:
    """Ours in processes of its own, on a copy of the material."""
    place = folder / "run"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        shutil.copyfile(folder / f"material-{size}.db", place / "understudy.db")
        command = [sys.executable, "-m", "benchmarks.dataset_build", "--one", str(place / "understudy.db")]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(place)


def floor(python: str, folder: Path, size: int) -> dict[str, Any]:
    """The script of others on the same material."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        script = Path(__file__).with_name("dataset_floor.py").absolute()
        command = [python, "-P", str(script), str(folder / f"material-{size}.db"), place]
        done = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=place,
            env={**os.environ, "HF_HOME": place, "HF_HUB_OFFLINE": "1"},
            preexec_fn=lambda: os.nice(NICE),
        )
        return json.loads(done.stdout.splitlines()[-1])


def speed(folder: Path, sizes: Sequence[int], python: str | None, most: int) -> list[Verdict]:
    """Exchanges a second and memory, at each size."""
    verdicts: list[Verdict] = []
    peaks: dict[int, float] = {}
    beside: tuple[float, float] | None = None
    load = os.getloadavg()[0]
    print("| exchanges | | rows | wall s | exchanges/s | CPU µs each | peak MB | phases, s |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for size in sizes:
        material.make(folder / f"material-{size}.db", size)
        found = apart(folder, size)
        wall, cpu = found["build_s"] + found["export_s"], found["build_cpu"] + found["export_cpu"]
        peaks[size] = max(found["build_mb"], found["export_mb"])
        _row(
            size,
            "ours",
            found["rows"],
            (wall, cpu, peaks[size]),
            {**found["phases"], "export": found["export_s"]},
        )
        print(
            f"build {found['build_s']:.1f} s, {found['build_cpu']:.1f} s of CPU, {found['build_mb']:.0f} MB; export "
            f"{found['export_s']:.1f} s, {found['export_cpu']:.1f} s of CPU, {found['export_mb']:.0f} MB; progress told "
            f"{found['told']} times; left out {found['left_out']}; {found['problems']}",
            file=sys.stderr,
        )
        if python and size <= most:
            other = floor(python, folder, size)
            _row(
                size,
                "floor",
                other["rows"],
                (other["seconds"], other["cpu"], other["peak_mb"]),
                other["phases"],
            )
            beside = other["seconds"] / size, other["cpu"] / size
        if beside is not None:
            about = "" if size <= most else ", the floor as at fewer"
            ratio = beside[0] * size / wall
            verdicts.append(
                (
                    f"rate beside the floor at {size:,}{about}",
                    ratio,
                    f"≥ {RATE_PROMISED:g}",
                    ratio >= RATE_PROMISED,
                )
            )
            verdicts.append((f"the same by CPU at {size:,}{about}", beside[1] * size / cpu, "", True))
        verdicts.append(
            (f"peak MB at {size:,}", peaks[size], f"≤ {MEMORY_PROMISED:g}", peaks[size] <= MEMORY_PROMISED)
        )
    if len(sizes) > 1:
        growth = peaks[sizes[-1]] / peaks[sizes[0]]
        name = f"peak at {sizes[-1]:,} over that at {sizes[0]:,}"
        verdicts.append((name, growth, f"≤ {FLAT_PROMISED:g}", growth <= FLAT_PROMISED))
    print(f"\nload of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    return verdicts


def _row(
    size: int, name: str, rows: int, spent: tuple[float, float, float], phases: Mapping[str, float]
) -> None:
    wall, cpu, peak = spent
    told = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in phases.items())
    print(
        f"| {size:,} | {name} | {rows:,} | {wall:.1f} | {size / wall:,.0f} | {cpu / size * 1e6:.0f} | {peak:.0f} | {told} |",
        flush=True,
    )


# -- the chat meanwhile


def chat(folder: Path, size: int) -> list[Verdict]:
    """How long replies take with and without a build in the same database."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        DiscordStack("ours", Path(place), users=USERS, rooms=USERS, pin=True) as stack,
    ):
        stack.fill()
        path = stack.data / "understudy.db"
        asyncio.run(material.add(path, size))
        os.environ["UNDERSTUDY_DATA_DIR"] = str(stack.data)
        stack.start_bot()
        stack.load(20, USERS)
        times = asyncio.run(_meanwhile(stack, path))
    print(f"\n| {USERS} at once | replies | p50 ms | p95 ms | p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for phase, found in times.items():
        cuts = quantiles(found, n=100)
        print(f"| {phase} | {len(found)} | {median(found):.0f} | {cuts[94]:.0f} | {cuts[98]:.0f} |")
    quiet = quantiles(times.pop("quiet"), n=100)[98]
    busy = quantiles([each for found in times.values() for each in found], n=100)[98]
    ratio = busy / quiet
    return [
        (
            f"p99 of a reply while {size:,} are built, beside before",
            ratio,
            f"≤ {OVERHEAD_PROMISED:g}",
            ratio <= OVERHEAD_PROMISED,
        )
    ]


async def _meanwhile(stack: DiscordStack, path: Path) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)

    async def talk(exchanges: int, phase: Callable[[], str]) -> None:
        began = phase()
        found = await asyncio.to_thread(stack.load, exchanges, USERS)
        if found["unanswered"]:
            raise RuntimeError(f"{found['unanswered']} questions were not answered")
        times[began if began == phase() else f"{began}, {phase()}"].extend(found["times_ms"])

    await talk(60, lambda: "quiet")
    phases = Phases()
    building = asyncio.create_task(build(path, phases))
    while not building.done():
        await talk(10, lambda: phases.phase)
    await building
    print(file=sys.stderr)
    await talk(60, lambda: "quiet")
    return times


# -- stopping it


def cancel(folder: Path, size: int) -> list[Verdict]:
    """How long a build takes to end and to leave nothing, in each of its phases."""
    source = folder / f"material-{size}.db"
    material.make(source, size)
    verdicts: list[Verdict] = []
    for phase, least in (("read", 0.1), ("compare", 0.0), ("freeze", 0.9)):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place) / "understudy.db"
            shutil.copyfile(source, path)
            os.environ["UNDERSTUDY_DATA_DIR"] = place
            answered, found, rows, gone = asyncio.run(_cancelled(path, phase, least))
            found += len(list(Path(place).glob("building-*")))
        name = f"s to stop while it {phase}s at {size:,}"
        verdicts.append((name, answered, f"≤ {STOP_PROMISED:g}", answered <= STOP_PROMISED))
        verdicts.append(("datasets and files left then", found, "0", not found))
        if rows:
            name = f"s more until {rows:,} rows are gone that nobody finds"
            verdicts.append((name, gone, f"≤ {GONE_SECONDS:g}", gone <= GONE_SECONDS))
    return verdicts


async def _cancelled(path: Path, phase: str, least: float) -> tuple[float, int, int, float]:
    """Seconds until it has stopped; what is found and what rows are there then, and seconds until none is."""
    from bot.building import Builds
    from bot.settings import load
    from storage.database import Database

    there = asyncio.Event()

    def seen(now: str, done: float) -> None:
        if now == phase and done >= least:
            there.set()

    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    builds = Builds(load(), database)
    try:
        building = asyncio.create_task(builds.build(order_of(path), Phases(seen)))
        waiting = asyncio.create_task(there.wait())
        await asyncio.wait((building, waiting), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if building.done() or not there.is_set():
            raise RuntimeError(f"the build was not there within {PATIENCE} s, or over too soon")
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        building.cancel()
        with suppress(asyncio.CancelledError):
            await building
        answered = time.perf_counter()
        print(file=sys.stderr)
        found, rows = _left(path, "SELECT count(*) FROM dataset WHERE status = 'ready'"), _left(path, _ROWS)
        await asyncio.to_thread(_wait_until_gone, path)
        return answered - began, found, rows, time.perf_counter() - answered
    finally:
        await builds.close()
        await database.close()


_ROWS: Final = "SELECT (SELECT count(*) FROM dataset) + (SELECT count(*) FROM dataset_line)"


def _wait_until_gone(path: Path) -> None:
    until = time.monotonic() + 2 * GONE_SECONDS
    while _left(path, "SELECT count(*) FROM dataset") and time.monotonic() < until:  # which goes last
        time.sleep(0.1)


def _left(path: Path, sql: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(sql).fetchone()[0])


def told(verdicts: Sequence[Verdict]) -> bool:
    """Print what was promised; whether it was kept."""
    print("\n| promised | wanted | seen | |\n| --- | --- | --- | --- |")
    for name, seen, wanted, kept in verdicts:
        print(f"| {name} | {wanted} | {seen:.2f} | {'kept' if kept else 'MISSED'} |")
    return all(kept for *_, kept in verdicts)


def main() -> int:
    """Measure what is asked and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--floor-python", help="a Python that has datasets and datasketch")
    parser.add_argument(
        "--floor-most", type=int, default=100_000, help="beyond that the floor is extrapolated"
    )
    parser.add_argument("--folder", type=Path, help="where the material is kept (default: nowhere)")
    parser.add_argument(
        "--chat", type=int, metavar="EXCHANGES", help="measure replies beside a build instead"
    )
    parser.add_argument(
        "--cancel", type=int, metavar="EXCHANGES", help="measure how soon a build stops instead"
    )
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one)))
        return 0
    with tempfile.TemporaryDirectory() as kept:
        folder: Path = given.folder or Path(kept)
        folder.mkdir(exist_ok=True)
        if given.chat:
            verdicts = chat(folder, given.chat)
        elif given.cancel:
            verdicts = cancel(folder, given.cancel)
        else:
            sizes = sorted(map(int, given.sizes.split(",")))
            verdicts = speed(folder, sizes, given.floor_python, given.floor_most)
    return 0 if told(verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
