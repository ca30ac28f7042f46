"""Datasets that are being built: each in a process of its own, told of where it was ordered, and stopped on demand.

The tables of datasets are loaded when there is one to build: whoever only talks does not wait for them.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from adapters.platforms.base import Progress, UserError
from bot.settings import Configuration
from storage import clock, ids
from storage.database import Database, Tx
from storage.errors import StorageError
from training.environment import environment

if TYPE_CHECKING:
    from training.datasets import Built, Order

log = structlog.get_logger()

AT_ONCE = 1
"""Builds that run at the same time; further ones wait."""
_STOP_SECONDS = 10.0
_CLEAR_SECONDS = 2.0
_CLOSE_SECONDS = 5.0
# What is unfinished after so long was left by a process that is gone: others may be building at the same time.
_GONE_MS = 86_400_000
_KEPT = "building-"
_LONGEST_LINE = 16 * 1024 * 1024  # the last one holds the samples


@dataclass(slots=True)
class _Running:
    order: Order
    task: asyncio.Task[Any]
    stopped: bool = False


class Builds:
    """Runs builds and knows those that are running."""

    def __init__(self, configuration: Configuration, database: Database) -> None:
        self._configuration = configuration
        self._database = database
        self._seats = asyncio.Semaphore(AT_ONCE)
        self._running: dict[tuple[str, str], _Running] = {}
        self._clearing: set[asyncio.Task[None]] = set()

    def running(self, workspace_id: str) -> Sequence[str]:
        """The names of the datasets that are being built in a workspace."""
        return [each.order.name for (owner, _), each in self._running.items() if owner == workspace_id]

    def stop(self, workspace_id: str, name: str) -> bool:
        """Stop the build of this name; False when there is none."""
        found = self._running.get((workspace_id, name.casefold()))
        if found is None:
            return False
        found.stopped = True
        found.task.cancel()
        return True

    async def close(self) -> None:
        """Stop every build, and wait until nothing is left of them, or nothing that anybody finds."""
        for each in self._running.values():
            each.stopped = True
            each.task.cancel()
        if tasks := [each.task for each in self._running.values()]:
            await asyncio.wait(tasks)
        if self._clearing:  # of several hundred thousand rows some may be left, which are `abandoned`
            await asyncio.wait(self._clearing, timeout=_CLOSE_SECONDS)

    async def build(self, order: Order, progress: Progress) -> Built:
        """Build a dataset. Nothing is left of it when the caller is cancelled. Raises ``UserError``."""
        key = (order.workspace_id, order.name.casefold())
        if key in self._running:
            raise UserError(f"{order.name} is being built already; `/finetune cancel {order.name}` stops it.")
        running = self._running[key] = _Running(order, asyncio.create_task(self._wait(order, progress)))
        try:
            return await running.task
        except asyncio.CancelledError:
            if not running.stopped:
                running.task.cancel()
                with suppress(asyncio.CancelledError):
                    await running.task
                raise
            raise UserError(f"The build of {order.name} was stopped; nothing of it was kept.") from None
        finally:
            del self._running[key]

    async def _wait(self, order: Order, progress: Progress) -> Built:
        if self._seats.locked() and len(self._running) > AT_ONCE:  # else it is being swept
            await progress("Another dataset is being built; this one is next", None)
        async with self._seats:
            await self._sweep()
            return await self._run(order, progress)

    async def sweep(self) -> None:
        """Take away what builds that were killed have left; what is still being built here is nothing of that."""
        if not self._seats.locked():
            async with self._seats:
                await self._sweep()

    async def _sweep(self) -> None:
        from storage import datasets
        from training.freezing import discard

        begun = clock.now() - _GONE_MS
        for number in await self._database.read(lambda tx: datasets.abandoned(tx, begun)):
            await discard(self._database, number)
        await asyncio.to_thread(_sweep, self._configuration.data_dir, begun)

    async def _run(self, order: Order, progress: Progress) -> Built:
        await progress("Beginning", 0.0)
        order = replace(order, id=ids.new_id())
        # Ours and not the process's own: who is killed clears nothing away.
        with TemporaryDirectory(prefix=_KEPT, dir=self._configuration.data_dir) as folder:
            try:
                end, code = await self._asked(order, progress, folder)
            except asyncio.CancelledError:
                # It may have finished while somebody was still being told how far it is.
                await asyncio.shield(self._clear(order))
                raise
        if "built" in end:
            return await self._built(end["built"])
        if "sentence" in end:
            raise UserError(end["sentence"])
        log.error("build broke off", dataset=order.name, code=code)
        await self._clear(order)
        how = f"was killed (signal {-code}), perhaps for want of memory" if code < 0 else "broke off"
        raise UserError(f"The build of {order.name} {how}; nothing of it was kept, and the log may say why.")

    async def _clear(self, order: Order) -> None:
        """Take away what a process had written that was stopped or killed, finished or not."""
        from storage import datasets
        from training.freezing import discard

        def hide(tx: Tx) -> int | None:
            number = datasets.number_of(tx, order.id)
            return None if number is None or datasets.delete(tx, number) else number

        number = await self._database.write(hide)
        if number is None:
            return

        async def take_away() -> None:
            try:
                await discard(self._database, number)
            except StorageError as error:
                log.warning("build left behind", dataset=order.name, error=str(error))

        # Nobody finds it any more: of a large one the rest is taken away behind the back of whoever stopped it.
        clearing = asyncio.create_task(take_away())
        self._clearing.add(clearing)
        clearing.add_done_callback(self._clearing.discard)
        await asyncio.wait([clearing], timeout=_CLEAR_SECONDS)

    async def _asked(self, order: Order, progress: Progress, folder: str) -> tuple[Mapping[str, Any], int]:
        """The last thing that the process said, and its exit code."""
        from bot.builder import order_data

        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.builder",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
            limit=_LONGEST_LINE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        source = self._configuration.source
        told = {
            "config": str(source) if source else None,
            # Not as an argument: an address may hold a password, and arguments are for everybody to see.
            "database": self._database.url,
            "folder": folder,
            "order": order_data(order),
        }
        try:
            process.stdin.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
            await process.stdin.drain()
            end: Mapping[str, Any] = {}
            async for line in process.stdout:
                end = orjson.loads(line)
                if "progress" in end:
                    await progress(end["progress"], end["done"])
            code = await process.wait()
        finally:
            await _end(process)
        return end, code

    async def _built(self, data: Mapping[str, Any]) -> Built:
        from storage import datasets
        from training.datasets import Built
        from training.rows import from_json

        number = data["number"]
        dataset = None
        if number is not None:
            dataset = await self._database.read(lambda tx: datasets.by_number(tx, number))
        return Built(
            dataset,
            data["new"],
            data["hash"],
            data["train"],
            data["validation"],
            data["report"],
            tuple(from_json(each) for each in data["samples"]),
        )


def _sweep(data_dir: Path, before: int) -> None:
    for left in data_dir.glob(f"{_KEPT}*"):
        with suppress(OSError):
            if left.stat().st_mtime * 1000 < before:
                shutil.rmtree(left, ignore_errors=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait for the process to clear up after itself; not for ever."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(process.wait()), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
