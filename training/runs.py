"""Training runs: from a dataset to a tuned model, whatever crashes on the way.

A run is a state machine that is written down before it acts: prepared → uploading → creating → the states of the vendor →
succeeded, failed or cancelled. ``tick`` takes the runs that are due, each in the hands of one process at a time, and does
what can be done now. A creation whose outcome nobody lived to see is looked for by the run's key, with patience, before
another one is made. training/launching.py has the steps until there is a job, training/watching.py those after it.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from adapters.platforms.base import Progress, UserError
from adapters.vendors.base import VendorError
from adapters.vendors.tuning import Tuner
from storage import clock, ids, run_history, runs
from storage.database import Database, Tx
from storage.errors import Missing, StorageError
from storage.run_history import Loss, Told
from storage.runs import LeaseLost, Run, Totals, Tuned, Wish
from training import hosts
from training.desk import CALL_SECONDS, Desk, Observer, log
from training.hosts import Elsewhere
from training.launching import Launching
from training.leftovers import SCRATCH, sweep
from training.ordering import Confirm as Confirm
from training.ordering import Draft as Draft
from training.ordering import Order as Order
from training.ordering import Orders
from training.ordering import Prices as Prices
from training.refusals import RunLimits as RunLimits
from training.refusals import month_begin
from training.watching import Watching
from training.wishes import Wishes

LEASE_MS: Final = 120_000
AT_ONCE: Final = 16
"""Runs that one process has in hand at a time."""

OF_A_VENDOR: Final = 8
"""Of those, the most at one vendor: one that hangs does not hold up the others."""

_SWEEP_MS: Final = 3_600_000
_STEPS: Final = 50  # without a pause between them; more are none that make sense

Pause = Callable[[float], Coroutine[Any, Any, None]]


def no_prices(vendor: str, model: str) -> Prices:
    """Nothing is known."""
    del vendor, model
    return Prices()


class Runs:
    """The training runs of all workspaces.

    ``tuners`` gives the tuner of a vendor or raises ``VendorError``; ``vendors`` are those that may be recommended.
    ``folder`` is where files wait for their upload, and ``host`` names this one (training/hosts.py). ``chance`` is a number
    from 0 to 1, for jitter; ``pause`` waits so many seconds between two renewals of a lease; ``call_seconds`` is how long a
    vendor may take to answer.
    """

    def __init__(
        self,
        database: Database,
        tuners: Callable[[str], Tuner],
        limits: RunLimits,
        folder: Path,
        *,
        host: str,
        vendors: Sequence[str] = (),
        prices: Callable[[str, str], Prices] = no_prices,
        chance: Callable[[], float] = random.random,
        pause: Pause = asyncio.sleep,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self.limits = limits
        self._database = database
        self._tuners = tuners
        self._folder = folder
        self._pause = pause
        self._orders = Orders(database, tuners, limits, vendors, prices, host)
        self._observers: list[Observer] = []
        self._desk = Desk(database, tuners, limits, prices, folder, chance, self._observers, call_seconds)
        self._launching, self._watching = Launching(self._desk), Watching(self._desk)
        self._wishes = Wishes(self._desk, host)
        self._holder = ids.new_id()
        self._host = host
        self._beaten: int | None = None
        self._going: dict[str, asyncio.Task[None]] = {}
        self._vendors: dict[str, str] = {}
        self._swept: int | None = None

    def on_change(self, observer: Observer) -> None:
        """Tell ``observer`` of what changes; its errors are logged, and a state that it did not learn is told again."""
        self._observers.append(observer)

    # -- launching

    async def check(self, order: Order, progress: Progress) -> Draft:
        """What the order comes to and why it would be refused: nothing is launched. Raises ``UserError``."""
        async with self._scratch() as folder:
            return await self._orders.draft(order, folder, progress)

    async def prepare(self, order: Order, progress: Progress) -> Run:
        """A run that ``tick`` or ``advance`` launches; the same one for the same ``order.once``.

        Raises ``UserError`` with the first reason against it, ``Confirm`` where it has to be confirmed once more.
        """
        key = order.key()
        if (there := await self._database.read(lambda tx: runs.by_key(tx, key))) is not None:
            return there
        async with self._scratch() as folder:
            draft = await self._orders.draft(order, folder, progress)
            if draft.refusals:
                # The same click may have made it meanwhile, and then it is its own reason.
                if (there := await self._database.read(lambda tx: runs.by_key(tx, key))) is not None:
                    return there
                raise UserError(draft.refusals[0])
            if draft.confirm and not order.confirmed_shutdown:
                raise Confirm(draft.confirm, draft.base_model.name)
            run, new = await self._database.write(lambda tx: self._orders.placed(tx, draft, key))
            if new:
                # Only a favour to the next step, which writes them itself where they are missing.
                with suppress(OSError):
                    await asyncio.to_thread(folder.rename, self._desk.home(run))
        if new:
            with suppress(LeaseLost):  # somebody has begun with it, and tells
                return await self._desk.tell(run, None)
        return run

    # -- going on

    async def tick(self, now: int | None = None, *, seconds: float | None = None) -> int:
        """Do what is due now (milliseconds; the clock's without); how many runs that was. Raises ``StorageError``.

        Returns once all of them have taken their steps, or after ``seconds`` (``limits.poll_seconds`` without), when what
        takes longer, such as a large upload, goes on by itself.
        """
        if self._swept is None or abs(clock.now() - self._swept) > _SWEEP_MS:
            self._swept = clock.now()
            await sweep(self._database, self._folder)
        moment = clock.now() if now is None else now
        until = time.monotonic() + (self.limits.poll_seconds if seconds is None else seconds)
        begun: set[str] = set()
        while taken := [run for run in await self._taken(moment) if run.id not in self._going]:
            again = not begun.isdisjoint(run.id for run in taken)
            begun |= {run.id for run in taken}
            tasks = [self._begin(run) for run in taken]
            done, slow = await asyncio.wait(tasks, timeout=max(until - time.monotonic(), 0))
            if slow or again or any(task.cancelled() for task in done):
                break  # what was cancelled was put out, and begins nothing more
        return len(begun)

    async def _taken(self, moment: int) -> list[Run]:
        """Runs that are due, as many as there is room for here."""
        room = max(AT_ONCE - len(self._going), 0)
        in_hand = Counter(self._vendors[id] for id in self._going)

        def take(tx: Tx) -> list[Run]:
            self._beat(tx)
            return runs.claim(
                tx,
                moment,
                self._holder,
                host=self._host,
                lease_ms=LEASE_MS,
                limit=room,
                of_a_vendor=OF_A_VENDOR,
                in_hand=in_hand,
            )

        return await self._database.write(take)

    async def advance(self, run: Run) -> Run:
        """Do what can be done for this run now, due or not, and return it as it is then.

        Nothing happens while another process has it in hand. Raises ``StorageError``.
        """
        if (going := self._going.get(run.id)) is not None:
            await asyncio.wait([going])

        def take(tx: Tx) -> Run | None:
            self._beat(tx)
            return runs.claim_one(tx, run.id, clock.now(), self._holder, host=self._host, lease_ms=LEASE_MS)

        taken = await self._database.write(take)
        if taken is not None and run.id not in self._going:
            await asyncio.wait([self._begin(taken)])
        return await self.get(run.id)

    def _beat(self, tx: Tx) -> None:
        """Say now and then that this host is there."""
        now = clock.now()
        if self._beaten is None or abs(now - self._beaten) >= hosts.BEAT_MS:
            hosts.beat(tx, self._host)
            self._beaten = now

    async def close(self) -> None:
        """Stop what goes on here; it is continued by whoever comes next."""
        tasks = list(self._going.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, run: Run) -> asyncio.Task[None]:
        task = asyncio.create_task(self._work(run), name=f"training-run-{run.number}")
        self._going[run.id], self._vendors[run.id] = task, run.vendor
        task.add_done_callback(lambda _: self._done(run.id))
        return task

    def _done(self, run_id: str) -> None:
        self._going.pop(run_id, None)
        self._vendors.pop(run_id, None)

    async def _work(self, run: Run) -> None:
        """All steps that can be taken now, under a lease that is renewed meanwhile."""
        stepping = asyncio.create_task(self._steps(run))
        renewing = asyncio.create_task(self._renew(run, stepping))
        try:
            await stepping
        except LeaseLost:
            log.info("a training run went into other hands", run=run.number)
        except asyncio.CancelledError:
            stepping.cancel()
            await asyncio.wait([stepping])
            raise
        except StorageError as error:
            log.error("a step of a training run was not written", run=run.number, error=str(error))
        except Exception:  # noqa: BLE001 (it is logged, and the other runs go on)
            log.exception("a training run could not go on", run=run.number)
            await self._put_off(run)
        finally:
            renewing.cancel()
            with suppress(StorageError):
                await asyncio.shield(
                    self._database.write(lambda tx: runs.release_lease(tx, run.id, self._holder))
                )

    async def _steps(self, run: Run) -> None:
        if run.told != run.state and not run.ended:
            run = await self._desk.tell(run, run)
        for _ in range(_STEPS):
            if run.ended or run.live:
                run = await self._watching.step(run)
            else:
                run = await self._launching.step(run)
            if run.next_at is None or run.next_at > clock.now():
                return
        log.warning("a training run does not come to rest", run=run.number, state=run.state)
        await self._put_off(run)

    async def _renew(self, run: Run, stepping: asyncio.Task[None]) -> None:
        while True:
            await self._pause(LEASE_MS / 3000)
            try:
                until = clock.now() + LEASE_MS
                held = await self._database.write(
                    lambda tx, until=until: runs.renew(tx, run.id, self._holder, until)
                )
            except StorageError as error:
                log.warning("a lease was not renewed", run=run.number, error=str(error))
                continue
            if not held:
                stepping.cancel()
                return

    async def _put_off(self, run: Run) -> None:
        """An error of ours: the run is tried again later, not at once and for ever."""

        def write(tx: Tx) -> None:
            now = runs.get(tx, run.id)
            count = now.failures + 1
            later = clock.now() + self._desk.wait(now.quiet, count)
            trouble = "Something went wrong here; the log has the details."
            runs.changed(tx, run.id, holder=self._holder, failures=count, trouble=trouble, next_at=later)

        with suppress(StorageError):
            await self._database.write(write)

    # -- wishes

    async def wish(self, run: Run, wish: Wish) -> Run:
        """Have a run cancelled, paused or resumed: at its next step, which is due now. Raises ``UserError``.

        One that is on a host which may be gone for good is given up when it is to be cancelled.
        """
        return await self._wishes.wish(run, wish)

    # -- looking

    async def get(self, run_id: str) -> Run:
        """The run. Raises ``Missing``."""
        return await self._database.read(lambda tx: runs.get(tx, run_id))

    async def numbered(self, workspace_id: str, number: int) -> Run:
        """The workspace's run of this number. Raises ``UserError``."""
        try:
            return await self._database.read(lambda tx: runs.numbered(tx, workspace_id, number))
        except Missing:
            raise UserError(
                f"There is no training run {number}; `/finetune jobs` lists those there are."
            ) from None

    async def listed(self, workspace_id: str) -> list[Run]:
        """The workspace's runs, the newest first."""
        return await self._database.read(lambda tx: runs.listed(tx, workspace_id))

    async def elsewhere(self, found: Sequence[Run]) -> dict[str, Elsewhere]:
        """Those of the runs that another host has, by id, with where they are."""

        def look(tx: Tx) -> dict[str, Elsewhere]:
            known = {run.id: hosts.elsewhere(tx, run, self._host) for run in found}
            return {id: where for id, where in known.items() if where is not None}

        return await self._database.read(look)

    async def history(self, run: Run) -> tuple[list[Told], list[Loss]]:
        """What was told of a run, the oldest first, and its losses by split and step."""
        return await self._database.read(
            lambda tx: (run_history.events(tx, run.id), run_history.points(tx, run.id))
        )

    async def totals(self, workspace_id: str) -> Totals:
        """What the workspace's runs of this month came to."""
        return await self._database.read(lambda tx: runs.totals(tx, workspace_id, month_begin()))

    async def models(self, workspace_id: str) -> list[Tuned]:
        """The models that the workspace's runs made, with their checkpoints."""
        return await self._database.read(lambda tx: runs.models(tx, workspace_id))

    async def posted(self, run: Run, message: str) -> Run:
        """Note the platform's id of the message that tells of the run."""
        return await self._database.write(lambda tx: runs.changed(tx, run.id, message=message))

    async def goes_with(self, tuned: Tuned) -> tuple[str, ...]:
        """What is deleted with a model: itself first, and with what a run came to its checkpoints."""
        return _goes_with(await self.get(tuned.run_id), tuned.model)

    async def delete_model(self, tuned: Tuned) -> Elsewhere | None:
        """Delete a model at its vendor, and what goes with it; what is gone is not listed any more.

        Nor is what is on a host that may be gone for good: that host is returned, as a copy may lie there. Raises
        ``UserError`` with what the vendor did not delete.
        """
        run = await self.get(tuned.run_id)
        where = (await self.elsewhere([run])).get(run.id)
        if where is not None and not where.lost:
            raise UserError(
                f"{tuned.vendor}:{tuned.model} is kept on {where.host}: delete it there, with `understudy finetune discard`."
            )
        names = _goes_with(run, tuned.model)
        gone, left = (set(names), None) if where is not None else await self._deleted(run, names)

        def write(tx: Tx) -> None:
            now = runs.get(tx, run.id)
            checkpoints = [each for each in now.checkpoints if each["model"] not in gone]
            runs.changed(tx, run.id, model="" if now.model in gone else now.model, checkpoints=checkpoints)

        if gone:
            await self._database.write(write)
        if left is not None:
            raise left
        return where

    async def _deleted(self, run: Run, names: Sequence[str]) -> tuple[set[str], UserError | None]:
        """Which of these models of a run the vendor has deleted, one after the other, and why it went no further."""
        gone: set[str] = set()
        for name in names:
            try:
                await self._desk.ask(run, self._tuners(run.vendor).delete_model(name))
            except VendorError as error:
                return gone, UserError(f"{run.vendor}:{name} was not deleted: {error}")
            gone.add(name)
        return gone, None

    @asynccontextmanager
    async def _scratch(self) -> AsyncGenerator[Path]:
        """A folder that is gone afterwards."""

        def make() -> Path:
            self._folder.mkdir(parents=True, exist_ok=True)
            return Path(mkdtemp(prefix=SCRATCH, dir=self._folder))

        try:
            folder = await asyncio.to_thread(make)
        except OSError as error:
            raise UserError(f"{self._folder} cannot be written: {error.strerror}.") from error
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _goes_with(run: Run, model: str) -> tuple[str, ...]:
    checkpoints = [str(each["model"]) for each in run.checkpoints] if model == run.model else []
    return tuple(dict.fromkeys((model, *checkpoints)))
