"""How long one reply takes from the shell, beside importing three libraries that it cannot do without.

``python -m benchmarks.startup`` runs ``understudy chat --message hi`` on an initialised data directory and
``python -c "import sqlmodel, aiosqlite, pydantic_settings"`` in turn, as whole processes, and prints both medians and the
median of the ratios, pair by pair. The promise is at most 1.5.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

REPLY = [sys.executable, "-m", "bot", "chat", "--message", "hi"]
BASELINE = [sys.executable, "-c", "import sqlmodel, aiosqlite, pydantic_settings"]
PROMISED = 1.5


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "UNDERSTUDY_DATA_DIR": folder}
        for command in (REPLY, BASELINE):  # makes the database, warms the caches
            _seconds(command, environment)
        pairs = [(_seconds(REPLY, environment), _seconds(BASELINE, environment)) for _ in range(runs)]
    ratios = [reply / baseline for reply, baseline in pairs]
    print(f"| {'what':<28} | median | least | most |")
    print(f"| {'-' * 28} | ------ | ----- | ---- |")
    rows = (
        ("understudy chat --message, s", [reply for reply, _ in pairs]),
        ("three imports, s", [baseline for _, baseline in pairs]),
        ("ratio, pair by pair", ratios),
    )
    for name, values in rows:
        print(f"| {name:<28} | {statistics.median(values):6.2f} | {min(values):5.2f} | {max(values):4.2f} |")
    print(f"\npromised: at most {PROMISED}")


if __name__ == "__main__":
    main()
