"""What a crash leaves in the folder of training runs: files with what people wrote, which nobody is going to use."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from storage import clock, runs
from storage.database import Database

SCRATCH: Final = "check-"
HOME: Final = "run-"
_OLD_MS: Final = 6 * 3_600_000  # whoever checks an order has ended by then


def home(number: int, key: str) -> str:
    """The name of the folder of a run."""
    return f"{HOME}{number}-{key[:8]}"


async def sweep(database: Database, folder: Path) -> int:
    """Delete the folders of checks and runs that are over; how many. Raises ``StorageError``."""
    found = await asyncio.to_thread(_old, folder)
    if not found:
        return 0
    busy = await database.read(runs.busy)
    over = [path for path in found if not path.name.startswith(HOME) or _number(path) not in busy]
    for path in over:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
    return len(over)


def _old(folder: Path) -> list[Path]:
    before = (clock.now() - _OLD_MS) / 1000
    try:
        return [path for path in folder.iterdir() if _ours(path) and path.stat().st_mtime < before]
    except OSError:
        return []  # there is no folder yet, or another process was quicker


def _ours(path: Path) -> bool:
    return path.name.startswith(SCRATCH) or _number(path) is not None


def _number(path: Path) -> int | None:
    word = path.name.removeprefix(HOME).partition("-")[0]
    return int(word) if path.name.startswith(HOME) and word.isdecimal() else None
