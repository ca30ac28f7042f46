"""How fast duplicates are found among many texts, and in how much memory.

    python -m benchmarks.duplicates [--sizes 100000,1000000] [--folder DIR]

Texts of some sixty words drawn as chat is (benchmarks/retrieval.py), a tenth of them said before word for word, a tenth with
one word changed, one in fifty the same greeting. Each size is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.retrieval import vocabulary
from training.duplicates import Duplicates

SEED = 20261121
WORDS = 60


def texts(count: int) -> Iterator[str]:
    """The same ones for the same count."""
    random = np.random.default_rng(SEED)
    known = vocabulary()
    weights = 1 / (np.arange(len(known)) + 2.7)
    steps = np.cumsum(weights / weights.sum())
    last = "hello"
    while count > 0:
        some = min(count, 10_000)
        count -= some
        picked = known[np.minimum(np.searchsorted(steps, random.random((some, WORDS))), len(known) - 1)]
        for kind, row in zip(random.random(some), picked):
            if kind < 0.1:
                yield last
            elif kind < 0.2:
                yield last.rsplit(" ", 1)[0] + " indeed"
            elif kind < 0.22:
                yield "Hi!"
            else:
                last = " ".join(row)
                yield last


def measured(size: int, folder: Path) -> dict[str, float]:
    """Seconds for adding and for grouping, without the time that making the texts takes."""
    began = time.perf_counter()
    for _ in texts(size):
        pass
    making = time.perf_counter() - began
    with Duplicates(folder) as duplicates:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        for text in texts(size):
            duplicates.add(text)
        adding = time.perf_counter() - began - making
        began = time.perf_counter()
        groups = duplicates.groups()
        grouping = time.perf_counter() - began
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "add_s": adding,
        "group_s": grouping,
        "kept": float(np.count_nonzero(groups == np.arange(size))),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "start_mb": before / 1024,
        "disk_mb": disk / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            print(json.dumps(measured(arguments.one, Path(folder))))
        return
    print(
        f"{'texts':>10} {'add µs':>8} {'group s':>8} {'texts/s':>9} {'kept':>10} {'peak MB':>8} {'disk MB':>8}"
    )
    for size in map(int, arguments.sizes.split(",")):
        command = [sys.executable, "-m", "benchmarks.duplicates", "--one", str(size)]
        if arguments.folder:
            command += ["--folder", str(arguments.folder)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rate = size / (found["add_s"] + found["group_s"])
        print(
            f"{size:>10,} {found['add_s'] / size * 1e6:>8.1f} {found['group_s']:>8.1f} {rate:>9,.0f} "
            f"{found['kept']:>10,.0f} {found['peak_mb']:>8.0f} {found['disk_mb']:>8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
