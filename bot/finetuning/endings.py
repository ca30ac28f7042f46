"""For somebody who sits at a terminal: one line for each training run that has ended, whoever watched it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final

import structlog

from adapters.platforms.base import Place
from adapters.platforms.usage import quote
from bot.finetuning import standing
from bot.statuses import View, view_of
from storage import clock, runs, workspaces
from storage.database import Database, Tx
from storage.errors import StorageError

log = structlog.get_logger()

SECONDS: Final = 3.0
"""It is looked so often."""

_LOOKED_AT: Final = 20  # of the newest runs

Pause = Callable[[float], Coroutine[Any, Any, None]]


async def endings(
    database: Database, place: Place, *, pause: Pause = asyncio.sleep
) -> AsyncGenerator[str, None]:
    """A line for each run of the place's workspace that ends from now on; ends with whoever listens."""
    since, said = clock.now(), set[str]()
    while True:
        await pause(SECONDS)
        try:
            found = await database.read(lambda tx: _ended(tx, place, since))
        except StorageError as error:
            log.warning("training runs not looked at", error=str(error))
            continue
        for view in found:
            if view.run.id not in said:
                said.add(view.run.id)
                yield line_of(view)


def line_of(view: View) -> str:
    """How a run has ended, and the command that goes on from there."""
    run = view.run
    text = standing.end_of(run, view.dataset, view.avatar, view.losses, view.about).text
    if view.about.unasked is not None:
        return text
    if run.state == "succeeded" and run.model:
        whose = f" avatar:{quote(view.avatar)}" if view.avatar else ""
        return (
            f"{text} `/finetune activate {run.vendor}:{run.model}{whose}` shows what it says and asks first."
        )
    return f"{text} `/finetune logs {run.number}` says what happened."


def _ended(tx: Tx, place: Place, since: int) -> list[View]:
    """The runs that have ended since, the oldest first."""
    workspace = workspaces.find(tx, place.platform, place.workspace)
    if workspace is None:
        return []
    newest = runs.listed(tx, workspace.id, limit=_LOOKED_AT)
    # Those that are told first may still decide about its model.
    found = [
        run for run in newest if run.ended_at is not None and run.ended_at >= since and run.told == run.state
    ]
    return [view_of(tx, run.id) for run in reversed(found)]
