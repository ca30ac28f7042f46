"""The jobs that run by the clock, on APScheduler: training runs are watched, admins warned, and leftovers taken away.

Admins are warned of models that will be shut down, and of those that were made with words which were taken back since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.vendors.base import VendorError
from bot.collector import settle
from bot.finetuning import takenback
from bot.quarantine import forget_old
from bot.services import Services
from storage import avatars, clock, releases, workspaces
from storage.database import Tx
from storage.errors import StorageError
from storage.workspaces import Workspace

log = structlog.get_logger()

# Days before the end at which admins are warned.
WARNINGS = (60, 30, 7, 1)
# Not at once: the platforms connect first, so that a warning that is due finds its channel.
FIRST_SECONDS = 60
# Training runs that are due are looked for so often; when one is due says the run.
TICK_SECONDS = 2


class Schedule:
    """Starts the jobs and stops them. ``warns`` is False where no platform is served: nobody could be told."""

    def __init__(self, services: Services, *, warns: bool = True) -> None:
        self._services = services
        self._warns = warns
        # However late a job comes, it comes once.
        once = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=once)

    def start(self) -> None:
        """From now on, on the running event loop."""
        soon = datetime.now(UTC) + timedelta(seconds=FIRST_SECONDS)
        services, add = [self._services], self._scheduler.add_job
        if self._warns:
            # Said once for each threshold whoever says it: replicas and restarts may all run the job.
            for job in (warn_of_shutdowns, warn_of_what_was_taken_back):
                add(warn, "interval", args=[job, *services], days=1, next_run_time=soon)
            # After what the others load when they first run.
            add(collect, "interval", hours=1, next_run_time=soon + timedelta(seconds=FIRST_SECONDS))
        add(sweep, "interval", args=services, hours=1, next_run_time=soon)
        add(watch_runs, "interval", args=[*services, TICK_SECONDS], seconds=TICK_SECONDS)
        self._scheduler.start()

    def stop(self) -> None:
        """Start no more jobs; one that runs now is cancelled, and its work is for the next start."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


async def collect() -> None:
    """Collect what nobody needs any more: on the event loop, where what is thrown away may still want to close something."""
    settle()


async def warn(job: Callable[[Services], Awaitable[int]], services: Services) -> None:
    """Do a job that warns admins, as far as that can be done now."""
    try:
        await job(services)
    except asyncio.CancelledError:
        return  # the process ends; whoever comes next warns
    except StorageError as error:
        log.warning("admins not warned", job=job.__name__, error=str(error))


async def watch_runs(services: Services, seconds: float | None = None) -> int:
    """Do what is due of the training runs; how many that was. Replicas share them by leases.

    What takes longer than ``seconds`` goes on by itself.
    """
    try:
        # What runs need takes a while to load, and whoever talks meanwhile is not kept waiting.
        await asyncio.to_thread(import_module, "training.runs")
        return await services.runs.tick(seconds=seconds)
    except asyncio.CancelledError:
        return 0  # the process ends; the scheduler would call that an error
    except StorageError as error:
        log.warning("training runs not watched", error=str(error))
        return 0


async def sweep(services: Services) -> None:
    """Take away what builds left that were killed, and what the moderation said so long ago that it is asked again."""
    try:
        await services.builds.sweep()
        await forget_old(services.database)
    except asyncio.CancelledError:
        return  # the process ends, and whoever comes next goes on with it
    except StorageError as error:
        log.warning("leftovers not taken away", error=str(error))


async def warn_of_what_was_taken_back(services: Services) -> int:
    """Tell the admins of models that were made with rows which people took back; how many training runs made these.

    They are told when it happens; here again where they could not be, such as before a channel for notices was chosen.
    """
    every = await services.database.read(workspaces.listed)
    return sum([await takenback.warn(services, each) for each in every])


async def warn_of_shutdowns(services: Services) -> int:
    """Tell the admins of each workspace which of its models will be shut down soon; how many warnings were due."""
    dates = await shutdown_dates(services)
    today = datetime.fromtimestamp(clock.now() / 1000, UTC).date()
    used = await services.database.read(lambda tx: _used(tx, services))
    due = 0
    for workspace, models in used:
        for model in models:
            ends = dates.get(model)
            threshold = _threshold(ends, today) if ends else None
            if ends is None or threshold is None:
                continue
            due += 1
            await services.notices.warn(
                workspace, f"shutdown:{model}:{ends}:{threshold}", _sentence(model, ends, today)
            )
    return due


async def shutdown_dates(services: Services) -> Mapping[str, date]:
    """The models, as ``vendor:name``, whose vendors have announced their end."""
    found: dict[str, date] = {}
    for vendor in services.models.vendors:
        try:
            chat, _ = services.models.find(f"{vendor}:any")
            known = await chat.models()
        except VendorError as error:
            log.warning("shutdown dates not known", vendor=vendor, error=str(error))
            continue
        for each in known:
            try:
                if each.shutdown_date:
                    found[f"{vendor}:{each.name}"] = date.fromisoformat(each.shutdown_date)
            except ValueError:
                log.warning("no date", model=f"{vendor}:{each.name}", shutdown_date=each.shutdown_date)
    return found


def _used(tx: Tx, services: Services) -> list[tuple[Workspace, list[str]]]:
    """The models that each workspace answers with, and the fallbacks, which are everybody's."""
    chosen = services.configuration.settings.models
    found: list[tuple[Workspace, list[str]]] = []
    for workspace in workspaces.listed(tx):
        models = [
            releases.current(tx, avatar.id).answers_with(chosen.default)
            for avatar in avatars.listed(tx, workspace.id)
        ]
        if models:
            found.append((workspace, list(dict.fromkeys((*models, *chosen.fallback)))))
    return found


def _threshold(ends: date, today: date) -> int | None:
    """The smallest of ``WARNINGS`` that is not past; ``None`` while the end is far."""
    left = (ends - today).days
    return next((days for days in sorted(WARNINGS) if left <= days), None)


def _sentence(model: str, ends: date, today: date) -> str:
    left = (ends - today).days
    todo = "Choose another with `/model`; `/models` lists those there are."
    if left < 0:
        return f"{model} was shut down by its vendor on {ends}. {todo}"
    if left == 0:
        return f"{model} is shut down by its vendor today. {todo}"
    return f"{model} will be shut down by its vendor on {ends}, in {left} {'day' if left == 1 else 'days'}. {todo}"
