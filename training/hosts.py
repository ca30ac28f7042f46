"""Which host has a training run, where the vendor trains on the machine that asks: no other one can know of the job.

A host is known by a word that is kept in the folder of its data, where its jobs are too: what moves with the data, as
a container's volume does, goes on wherever that is mounted. Each host says from time to time that it is there.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage import clock, ids, moments, run_history, runs
from storage.database import Database, Tx
from storage.runs import Illegal, Run
from training.desk import said

BEAT_MS: Final = 60_000
"""So often a host says that it is there."""

SILENT_MS: Final = 600_000
"""A host that said nothing for so long may be gone, and its runs may be given up from elsewhere."""

_FILE: Final = "host"
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}")


def identity(folder: Path) -> str:
    """The word of the host whose data is in ``folder``, such as ``trainer-1-3f2a9c``; made when it is first asked for.

    Raises ``OSError``.
    """
    path = folder / _FILE
    if (found := _read(path)) is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip(".-")[:60] or "host"
    word = ids.new_id()
    # Not by the number of the process: those of two containers that share a volume may both be the first.
    fresh = path.with_name(f".{_FILE}.{word}.new")
    fresh.write_text(f"{name}-{word[-6:]}\n")
    with suppress(OSError):  # of two processes that come at once, one names it
        os.link(fresh, path)
    if _read(path) is None:  # not every file system has links, and what was there may be no word of ours
        fresh.replace(path)
    else:
        fresh.unlink()
    return path.read_text().strip()


def _read(path: Path) -> str | None:
    try:
        word = path.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return word if _WORD.fullmatch(word) else None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A run that another host has: its word, and for how long nobody heard of that, in milliseconds; ``None`` if never."""

    host: str
    silent: int | None

    @property
    def lost(self) -> bool:
        """Whether the host may be gone for good."""
        return self.silent is None or self.silent > SILENT_MS


def beat(tx: Tx, host: str) -> None:
    """This host is there."""
    moments.put(tx, f"host:{host}", clock.now())


def elsewhere(tx: Tx, run: Run, here: str) -> Elsewhere | None:
    """Where the run is; ``None`` where it is anybody's, or that of the host ``here``."""
    if run.host in ("", here):
        return None
    last = moments.get(tx, f"host:{run.host}")
    return Elsewhere(run.host, None if last is None else max(0, clock.now() - last))


async def give_up(database: Database, run: Run, here: str) -> Run | None:
    """The run as cancelled, where its host may be gone for good; ``None`` otherwise.

    A host that comes back ends the job that it has, and deletes what was brought to it.
    """

    def write(tx: Tx) -> Run | None:
        now = runs.get(tx, run.id)
        where = elsewhere(tx, now, here)
        if now.ended or where is None or not where.lost:
            return None
        why = (
            f"{where.host}, where it was, is out of reach; should it come back, it stops the job that it has."
        )
        changed = runs.changed(
            tx,
            run.id,
            state="cancelled",
            wanted="",
            error=why,
            next_at=clock.now(),
            lease_by="",
            lease_until=None,
        )
        run_history.add_events(tx, run.id, [said(f"Given up: {why}", "warning")])
        return changed

    try:
        return await database.write(write)
    except Illegal:
        return None  # its host was there after all, and has just ended it
