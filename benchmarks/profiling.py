"""Where the processor time of ours goes: ``--profile USERS`` of a platform's benchmark runs the bot through this.

SIGUSR1 starts the profile of the thread that has the event loop, SIGUSR2 ends it and writes what was found. What the
other threads take is read from the kernel: a profiler in them would slow down what it looks at.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import pstats
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

# Names with what the path of a function's file holds: the first that does counts, those of the platform before these.
Groups = Sequence[tuple[str, tuple[str, ...]]]
GROUPS: Groups = (
    ("vendor: ours", ("adapters/vendors",)),
    ("vendor: the client and httpx2", ("/openai/", "/httpx2/", "/pydantic/")),
    ("aiohttp, for REST and vendor", ("/aiohttp/", "/yarl/", "/multidict/")),
    ("pipeline", ("/bot/",)),
    ("storage, what the loop does", ("/storage/", "/aiosqlite/")),
    ("log", ("/structlog/",)),
)  # fmt: skip
OTHER = "event loop and the rest"


def group_of(file: str, groups: Groups) -> str:
    """The group that a file belongs to, empty for the standard library and what is built in."""
    return next((name for name, parts in groups if any(part in file for part in parts)), "")


def grouped(path: Path, groups: Groups) -> dict[str, float]:
    """Seconds for each group; what the standard library takes counts for whoever calls it."""
    found: dict[str, float] = defaultdict(float)
    stats: Any = pstats.Stats(str(path))
    for (file, _, _), (_, _, own, _, callers) in stats.stats.items():
        if name := group_of(file, groups):
            found[name] += own
            continue
        left = own
        for (caller, _, _), shares in callers.items():
            found[group_of(caller, groups) or OTHER] += shares[2]
            left -= shares[2]
        found[OTHER] += max(0.0, left)
    return found


def report(folder: Path, exchanges: int, of_platform: Groups) -> None:
    """Print what an exchange takes, in milliseconds."""
    threads: dict[str, float] = json.loads((folder / "threads.json").read_text())
    print("| thread | CPU ms an exchange, profiler included |\n| --- | --- |")
    for name, spent in sorted(threads.items(), key=lambda each: -each[1]):
        if spent / exchanges >= 0.05:
            print(f"| {name} | {spent / exchanges:.2f} |")
    groups = grouped(folder / "loop.prof", (*of_platform, *GROUPS))
    print("\n| thread of the event loop | ms an exchange | share |\n| --- | --- | --- |")
    for name, spent in sorted(groups.items(), key=lambda each: -each[1]):
        print(f"| {name} | {spent * 1000 / exchanges:.2f} | {spent / sum(groups.values()):.0%} |")
    print("\nown ms, with what it calls, calls an exchange:")
    stats: Any = pstats.Stats(str(folder / "loop.prof"))
    rows = sorted(stats.stats.items(), key=lambda each: -each[1][2])[:25]
    for (file, line, name), (_, calls, own, whole, _) in rows:
        where = "/".join(Path(file).parts[-3:]) + f":{line}" if line else ""
        figures = f"{own * 1000 / exchanges:7.3f} {whole * 1000 / exchanges:7.3f} {calls / exchanges:7.1f}"
        print(f"{figures}  {where} {name}")


def _threads() -> dict[str, float]:
    """Milliseconds that each thread has had a processor."""
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        if path.exists():
            found[thread.name] = int(path.read_text().split()[0]) / 1e6
    return found


def main() -> int:
    """Run the bot; the folder for what is found is in the environment."""
    if "PROFILE_FOLDER" not in os.environ:
        print("This is run by the benchmark of a platform's path with --profile.")
        return 0
    from bot import __main__ as commandline
    from bot import shell

    folder, profile = Path(os.environ["PROFILE_FOLDER"]), cProfile.Profile()
    before: dict[str, float] = {}

    def start() -> None:
        before.update(_threads())
        profile.enable()

    def stop() -> None:
        profile.disable()
        profile.dump_stats(folder / "loop.prof")
        spent = {name: now - before.get(name, 0.0) for name, now in _threads().items()}
        (folder / "threads.json").write_text(json.dumps(spent))

    module: Any = shell
    run = module._run

    def watched(given: Any, work: Callable[[Any], Awaitable[int]], **options: Any) -> int:
        async def whole(app: Any) -> int:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, start)
            loop.add_signal_handler(signal.SIGUSR2, stop)
            return await work(app)

        return run(given, whole, **options)

    module._run = watched
    return commandline.main(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
