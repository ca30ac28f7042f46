"""What people wish of a training run that goes on: that it is cancelled, paused or resumed."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from adapters.platforms.base import UserError
from adapters.vendors.base import VendorError
from storage import clock, run_history, runs
from storage.database import Tx
from storage.runs import LeaseLost, Run, Wish
from training import hosts
from training.desk import Desk, said
from training.hosts import Elsewhere

_ENDINGS: Final = {"succeeded": "succeeded", "failed": "failed", "cancelled": "was cancelled"}


class Wishes:
    """Writes down what is wished for, which whoever has the run in hand carries out; ``host`` is this one."""

    def __init__(self, desk: Desk, host: str) -> None:
        self._desk = desk
        self._host = host

    async def wish(self, run: Run, wish: Wish) -> Run:
        """Have it done at the run's next step, which is due now. Raises ``UserError``.

        A run on a host that may be gone for good is given up when it is to be cancelled.
        """
        changed = await hosts.give_up(self._desk.database, run, self._host) if wish == "cancel" else None
        if changed is None:
            changed = await self._written(run, wish)
        with suppress(LeaseLost):
            return await self._desk.tell(changed, run)
        return changed

    async def _written(self, run: Run, wish: Wish) -> Run:
        where = await self._desk.database.read(lambda tx: hosts.elsewhere(tx, run, self._host))
        # Another host's vendor may not even be set up here: it says itself what it cannot do.
        can = wish == "cancel" or where is not None or await self._pauses(run)

        def write(tx: Tx) -> Run:
            now = runs.get(tx, run.id)
            if now.ended:
                raise UserError(f"Run {now.number} has ended: it {_ENDINGS[now.state]}.")
            _possible(now, wish, where, can=can)
            changed = runs.changed(tx, run.id, wanted=wish, next_at=clock.now())
            run_history.add_events(tx, run.id, [said(f"Somebody wants to {wish} it.")] if wish else [])
            return changed

        return await self._desk.database.write(write)

    async def _pauses(self, run: Run) -> bool:
        try:
            return (await self._desk.ask(run, self._desk.tuners(run.vendor).capabilities())).pauses
        except VendorError as error:
            raise UserError(f"{run.vendor} cannot be asked now: {error}") from error


def _possible(now: Run, wish: Wish, where: Elsewhere | None, *, can: bool) -> None:
    """Raises ``UserError`` that says why not, and what to do."""
    if not can:
        raise UserError(f"{now.vendor} cannot hold a run; `/finetune cancel` ends it.")
    if wish != "cancel" and where is not None and where.lost:
        raise UserError(
            f"Run {now.number} is on the host {where.host}, which is out of reach; "
            f"`/finetune cancel {now.number}` gives it up."
        )
    if wish == "pause" and not now.live:
        raise UserError(f"Run {now.number} has not begun at {now.vendor} yet; `/finetune cancel` ends it.")
    if wish == "pause" and now.state == "paused":
        raise UserError(f"Run {now.number} is paused already.")
    if wish == "resume" and now.state != "paused" and now.wanted != "pause":
        raise UserError(f"Run {now.number} is not paused.")
    if now.wanted == "cancel" and wish != "cancel":
        raise UserError(f"Run {now.number} is being cancelled.")
