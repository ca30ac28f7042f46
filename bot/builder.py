"""The process in which a dataset is built, so that nobody who talks to an avatar waits for it.

It is told what to do by one JSON object on its standard input, and tells how far it is, and what came of it, in JSON Lines
on its standard output. It ends when it is told to, and when whoever started it has gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import orjson

import bot.lean  # noqa: F401  # pyright: ignore[reportUnusedImport] - before anything that imports structlog
from adapters.platforms.base import UserError
from adapters.vendors.base import VendorError
from bot.settings import DatasetSettings
from storage import candidates, people
from storage.database import Database
from storage.errors import StorageError
from training.collect import Selection
from training.crew import worth
from training.datasets import Built, Order, build
from training.moderation import Moderation
from training.privacy import Redactor
from training.rows import to_json
from training.worker import GC

NICE = 10
"""How far the process stands back for those that answer people."""


def order_data(order: Order) -> dict[str, Any]:
    """An order as JSON can carry it."""
    data = asdict(order)
    data["selection"]["sources"] = sorted(order.selection.sources)
    return data


def order_of(data: Mapping[str, Any]) -> Order:
    """The order that ``order_data`` made."""
    selection: dict[str, Any] = {**data["selection"], "sources": frozenset(data["selection"]["sources"])}
    given: dict[str, Any] = {**data, "selection": Selection(**selection)}
    return Order(**given)


def built_data(built: Built) -> dict[str, Any]:
    """What a build came to, as JSON can carry it; the dataset by its number."""
    return {
        **{each.name: getattr(built, each.name) for each in fields(Built) if each.name != "dataset"},
        "number": built.dataset.number if built.dataset else None,
        "samples": [to_json(row).decode() for row in built.samples],
    }


def main() -> int:
    """Build what standard input orders. Returns the exit code: 0 also where the end is a sentence for the person."""
    with suppress(OSError):
        os.nice(NICE)
    gc.set_threshold(*GC)
    told = orjson.loads(sys.stdin.buffer.readline())
    return asyncio.run(_run(told))


async def _run(told: Mapping[str, Any]) -> int:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, task.cancel)
    # Nothing more comes in: what ends there is the process that wants to know.
    loop.add_reader(sys.stdin.fileno(), task.cancel)
    try:
        _say(await _built(told))
    except asyncio.CancelledError:
        return 1
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return 0


async def _built(told: Mapping[str, Any]) -> dict[str, Any]:
    from bot.app import moderator_of
    from bot.logs import set_up
    from bot.quarantine import Quarantine
    from bot.report import report
    from bot.settings import load

    configuration = load(Path(told["config"]) if told["config"] else None)
    set_up(configuration)
    try:
        database = await Database.open(told["database"])
        try:
            order = order_of(told["order"])
            moderator = moderator_of(configuration)
            quarantine = Quarantine(database, order.workspace_id)
            try:
                # What somebody rejected stays out, also where the moderation was turned off since.
                checks = moderator is not None or await quarantine.rejected()
                built = await build(
                    database,
                    order,
                    redactor=await _redactor(configuration.settings.datasets, database, order.workspace_id),
                    checker=Moderation(moderator, quarantine) if checks else None,
                    progress=_progress,
                    folder=Path(told["folder"]),
                    workers=await _workers(configuration.settings.datasets, database, order.avatar_id),
                )
            finally:
                if moderator is not None:
                    await moderator.close()
        finally:
            await database.close()
    except (UserError, StorageError, VendorError) as error:
        return {"sentence": str(error)}
    except Exception as error:  # noqa: BLE001 - logged, and told in one sentence
        return {"sentence": report(error)}
    return {"built": built_data(built)}


async def _workers(settings: DatasetSettings, database: Database, avatar_id: str) -> int:
    """How many processes read for this one."""
    if settings.privacy == "presidio":
        return 0  # its models take more memory than they are worth several times
    totals = await database.read(lambda tx: candidates.totals(tx, avatar_id))
    return worth(totals.exchanges, settings.workers)


async def _redactor(settings: DatasetSettings, database: Database, workspace_id: str) -> Redactor | None:
    """What replaces personal data, with the names of everybody in the workspace."""
    if settings.privacy == "off":
        return None
    names: list[str] = []
    after = ""
    while page := await database.read(lambda tx, after=after: people.names(tx, workspace_id, after=after)):
        names += [name for _, name in page]
        after = page[-1][0]
    if settings.privacy == "presidio":
        from training.presidio import PresidioRedactor

        return PresidioRedactor(settings.presidio_model, names, links=settings.links)
    return Redactor(names, links=settings.links)


async def _progress(text: str, done: float | None = None) -> None:
    _say({"progress": text, "done": done})


def _say(line: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
