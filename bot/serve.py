"""Every platform whose token is set, at once, until the process is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from adapters.platforms.base import Host, Platform, UserError
from bot.settings import Configuration

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Face:
    """A platform that can be served: the variables it needs, and how it is made (imported only then)."""

    name: str
    needs: tuple[str, ...]
    make: Callable[[Configuration], Platform] | None = None


# A platform's adapter joins by naming how it is made.
FACES = (
    Face("Discord", ("DISCORD_TOKEN",)),
    Face("Slack", ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN")),
)


def configured(configuration: Configuration, faces: tuple[Face, ...] = FACES) -> tuple[Face, ...]:
    """The platforms whose variables are all set. Raises ``UserError`` when there is nothing to serve."""
    secrets = configuration.secrets
    ready = tuple(
        face for face in faces if all(getattr(secrets, name.lower(), None) is not None for name in face.needs)
    )
    if not ready:
        needs = ", or ".join(f"{' and '.join(face.needs)} for {face.name}" for face in faces)
        raise UserError(
            f"There is no platform to serve: set {needs}, then run again; `understudy chat` needs nothing."
        )
    missing = [face.name for face in ready if face.make is None]
    if missing:
        raise UserError(
            f"This version cannot serve {' and '.join(missing)} yet; `understudy chat` works here."
        )
    return ready


async def serve_all(host: Host, configuration: Configuration, faces: tuple[Face, ...] = FACES) -> int:
    """Serve until cancelled; one platform that fails takes the others down, so that a supervisor notices."""
    platforms = [face.make(configuration) for face in configured(configuration, faces) if face.make]
    try:
        async with asyncio.TaskGroup() as group:
            for platform in platforms:
                log.info("platform starts", platform=platform.name)
                group.create_task(platform.run(host), name=platform.name)
    finally:
        await asyncio.gather(*(platform.close() for platform in platforms), return_exceptions=True)
    return 0
