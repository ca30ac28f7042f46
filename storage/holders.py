"""Holders: the processes that are answering, so that others can tell a pending exchange from an abandoned one."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import bindparam, delete, select

from storage import ids
from storage.database import Statement, Tx, columns_of, table, upsert_into
from storage.schema import HolderRow


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: where it runs, since when (as its system tells), and until when others may believe that it does."""

    id: str
    host: str
    pid: int
    started: str
    until: int = 0


_holder = table(HolderRow)
_LISTED = Statement(select(*columns_of(HolderRow, Holder)).order_by(_holder.c.id))
_BEAT = upsert_into(HolderRow, on=["id"], update=["until"])
_DROP = Statement(delete(_holder).where(_holder.c.id == bindparam("of_id")))


def this_process() -> Holder:
    """A holder for the process that asks, with a fresh id."""
    return Holder(ids.new_id(), _host(), os.getpid(), _started(os.getpid()) or "")


def beat(tx: Tx, holder: Holder, until: int) -> None:
    """Tell the others that this process lives, to be believed until then."""
    where = {"host": holder.host, "pid": holder.pid, "started": holder.started}
    tx.run(_BEAT, {"id": holder.id, **where, "until": until})


def alive(holder: Holder, now: int) -> bool:
    """Whether the process still runs.

    On this host its system knows; of another host we believe the last beat.
    """
    if holder.host != _host() or not holder.started:
        return holder.until >= now
    return _started(holder.pid) == holder.started


def listed(tx: Tx) -> list[Holder]:
    """All that announced themselves and did not say goodbye."""
    return [Holder(*row) for row in tx.rows(_LISTED)]


def drop(tx: Tx, holder_id: str) -> None:
    """Forget a process that ended."""
    tx.run(_DROP, {"of_id": holder_id})


@lru_cache(maxsize=1)
def _host() -> str:
    """This host's name, and on Linux the namespace that its process numbers belong to: containers share names."""
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """When a process of this host began, in its system's own words; ``None`` when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        # The name of the program, in brackets, may hold spaces and brackets itself. A zombie does no work.
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else f"{_boot()} {rest[18]}"
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (a number)
    return answer.stdout.strip() or None


@lru_cache(maxsize=1)
def _boot() -> str:
    """Clock ticks since the start of the system mean nothing after the next one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
