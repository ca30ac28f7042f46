"""Every platform whose token is set, at once, until the process is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from adapters.platforms.base import Platform, UserError
from bot.collector import steady
from bot.faces import Face
from bot.host import Application
from bot.schedule import Schedule
from bot.settings import Configuration

log = structlog.get_logger()


async def serve_all(app: Application, configuration: Configuration, faces: Sequence[Face]) -> int:
    """Serve until cancelled; one platform that fails takes the others down, so that a supervisor notices."""
    platforms = [face.make(configuration) for face in faces if face.make]
    schedule = Schedule(app.services)
    try:
        with steady():
            await _serve(app, platforms, schedule)
    except* UserError as errors:
        raise _first(errors) from None
    finally:
        schedule.stop()
        closed = await asyncio.gather(*(platform.close() for platform in platforms), return_exceptions=True)
        for platform, error in zip(platforms, closed, strict=True):
            if isinstance(error, Exception):
                log.error("platform not closed", platform=platform.name, exc_info=error)
    return 0


async def _serve(app: Application, platforms: Sequence[Platform], schedule: Schedule) -> None:
    async with asyncio.TaskGroup() as group:
        for platform in platforms:
            log.info("platform starts", platform=platform.name)
            app.services.notices.serve(platform)
            group.create_task(platform.run(app, app), name=platform.name)
        schedule.start()


def _first(errors: BaseExceptionGroup[UserError]) -> UserError:
    """The first of them: one sentence is what somebody at a terminal can act on."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, UserError)
    return found
