"""What a crash left unanswered: found, and closed with a reason.

A pending exchange belongs to the process that accepted it. When that process is gone, nobody waits for the reply in the
terminal any more: the row is closed as interrupted, so that no accepted message stays without an end.
"""

from __future__ import annotations

import asyncio

import structlog

from storage import clock, exchanges, holders
from storage.database import Database, Tx
from storage.holders import Holder

log = structlog.get_logger()

BEAT_SECONDS = 10
# Three missed beats: a process on another host that is silent for that long is taken for dead.
TRUST_MS = 30_000
REASON = "interrupted: Understudy stopped before the reply was complete"


class Recovery:
    """Tells other processes that this one lives, and cleans up after those that do not."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.holder: Holder = holders.this_process()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> int:
        """Announce this process and close what dead ones left; the number of exchanges closed."""
        await self._database.write(lambda tx: holders.beat(tx, self.holder, clock.now() + TRUST_MS))
        return await self.sweep()

    def keep(self) -> None:
        """Go on announcing and sweeping until ``end``."""
        self._task = asyncio.create_task(self._run(), name="understudy-recovery")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._database.write(lambda tx: holders.beat(tx, self.holder, clock.now() + TRUST_MS))
                await self.sweep()
            except Exception:
                # The database may be back at the next beat; the log says that it was away.
                log.exception("heartbeat failed")

    async def sweep(self) -> int:
        """Close what processes that are gone left pending."""
        left = await self._database.read(lambda tx: _orphans(tx, self.holder))
        if not left:
            return 0
        closed = await self._database.write(lambda tx: _close(tx, self.holder))
        if closed:
            log.warning("closed what a stopped process left", exchanges=closed)
        return closed

    async def end(self) -> None:
        """Stop announcing; nothing of this process is pending any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._database.write(lambda tx: holders.drop(tx, self.holder.id))


def _gone(tx: Tx, me: Holder) -> tuple[set[str], set[str]]:
    """Ids of the processes that are alive, and of those that announced themselves and are gone."""
    now = clock.now()
    every = holders.listed(tx)
    alive = {each.id for each in every if each.id == me.id or holders.alive(each, now)}
    return alive, {each.id for each in every} - alive


def _orphans(tx: Tx, me: Holder) -> bool:
    alive, gone = _gone(tx, me)
    return bool(gone) or any(each.holder not in alive for each in exchanges.pending(tx))


def _close(tx: Tx, me: Holder) -> int:
    alive, gone = _gone(tx, me)
    now = clock.now()
    closed = sum(
        exchanges.interrupt(tx, each.id, REASON, now)
        for each in exchanges.pending(tx)
        if each.holder not in alive
    )
    for holder in gone:
        holders.drop(tx, holder)
    return closed
