"""What a crash left unanswered: answered where people can still be reached, else closed with a reason.

An exchange is in the care of the process that accepted it until its reply is shown. When that process is gone, another one
that serves the same platform adopts it. In the terminal nobody waits any more: there the row is closed as interrupted, so
that no accepted message stays without an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from bot.conversation import FLEETING
from storage import clock, exchanges, holders, owed, workspaces
from storage.database import Database, Tx
from storage.exchanges import Exchange
from storage.holders import Holder

log = structlog.get_logger()

BEAT_SECONDS = 10
# Three missed beats: a process on another host that is silent for that long is taken for dead.
TRUST_MS = 30_000
# Nobody expects an answer to what they said a day ago.
LATE_MS = 24 * 60 * 60 * 1000
# What this process accepted, is not working on and has not shown for so long, it has given up on.
STRAY_MS = 60_000
REASON = "interrupted: Understudy stopped before the reply was complete"


class Recovery:
    """Tells other processes that this one lives, and takes care of what those that do not have left."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.holder: Holder = holders.this_process()
        self._task: asyncio.Task[None] | None = None
        self._adopted: dict[str, int] = {}

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
        """Close what processes that are gone left and nobody can be told any more."""
        if not await self._database.read(lambda tx: _work(tx, self.holder)):
            return 0
        closed = await self._database.write(lambda tx: _close(tx, self.holder))
        if closed:
            log.warning("closed what a stopped process left", exchanges=closed)
        return closed

    async def adopt(self, platform: str, busy: Callable[[], frozenset[str]]) -> list[Exchange]:
        """Take over what is owed on a platform: of processes that are gone, and what this one has given up on.

        ``busy`` tells the exchanges that this process is working on.
        """
        stray = clock.now() - STRAY_MS
        # What was just handed out is in good hands, though nobody may have begun with it.
        self._adopted = {id_: at for id_, at in self._adopted.items() if at >= stray}
        working = busy() | self._adopted.keys()
        if not await self._database.read(lambda tx: _owed(tx, self.holder, platform, working)):
            return []
        taken = await self._database.write(lambda tx: _adopt(tx, self.holder, platform, working))
        fresh = [each for each in taken if each.id not in busy() | self._adopted.keys()]
        self._adopted |= {each.id: clock.now() for each in fresh}
        return fresh

    async def end(self) -> None:
        """Stop announcing; what this process still owes is for the next one."""
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


def _hopeless(tx: Tx, me: Holder, alive: set[str]) -> list[Exchange]:
    """What is owed by nobody else alive to nobody who could still be told."""
    late = clock.now() - LATE_MS

    def over(each: Exchange) -> bool:
        if each.created_at < late:
            return each.holder == me.id or each.holder not in alive
        return each.holder not in alive and _platform(tx, each) == FLEETING

    return [each for each in owed.listed(tx) if over(each)]


def _platform(tx: Tx, exchange: Exchange) -> str:
    return workspaces.get(tx, exchange.workspace_id).platform


def _work(tx: Tx, me: Holder) -> bool:
    alive, gone = _gone(tx, me)
    return bool(gone) or bool(_hopeless(tx, me, alive))


def _close(tx: Tx, me: Holder) -> int:
    alive, gone = _gone(tx, me)
    now = clock.now()
    closed = 0
    for each in _hopeless(tx, me, alive):
        if not exchanges.interrupt(tx, each.id, REASON, now):
            owed.shown(tx, each.workspace_id, each.id)
        closed += 1
    for holder in gone:
        holders.drop(tx, holder)
    return closed


def _owed(tx: Tx, me: Holder, platform: str, busy: frozenset[str]) -> list[Exchange]:
    alive, _ = _gone(tx, me)
    stray = clock.now() - STRAY_MS

    def ours(each: Exchange) -> bool:
        if each.holder == me.id:
            return each.created_at < stray and each.id not in busy
        return each.holder not in alive

    return [each for each in owed.listed(tx) if ours(each) and _platform(tx, each) == platform]


def _adopt(tx: Tx, me: Holder, platform: str, busy: frozenset[str]) -> list[Exchange]:
    return [each for each in _owed(tx, me, platform, busy) if owed.adopt(tx, each, me.id)]
