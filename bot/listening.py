"""In which channels an avatar answers everything, addressed or not. Asked for every message there is, so kept in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from adapters.platforms.base import Place
from storage import channels
from storage.database import Database
from storage.errors import StorageError

log = structlog.get_logger()

# What another replica changed is known here after this many seconds.
FRESH_SECONDS = 30.0


class Listening:
    """The always-on channels of each workspace."""

    def __init__(self, database: Database, now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._now = now
        self._known: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}
        self._changes = 0

    async def at(self, place: Place) -> bool:
        """Whether the channel, or the one that a closed thread hangs on, is listened to."""
        return not (await self._of(place.platform, place.workspace)).isdisjoint((place.channel, place.parent))

    async def _of(self, platform: str, workspace: str) -> frozenset[str]:
        read_at, found = self._known.get((platform, workspace), (float("-inf"), frozenset[str]()))
        if self._now() - read_at >= FRESH_SECONDS:
            before = self._changes
            try:
                found = await self._database.read(lambda tx: channels.always_on(tx, platform, workspace))
            except StorageError as error:
                # Who is addressed goes on, and tells the person what is the matter.
                log.warning("always-on channels not read", workspace=workspace, error=str(error))
                return found
            if before == self._changes:  # else what was read may be what was so before the change
                self._known[platform, workspace] = (self._now(), found)
        return found

    def changed(self, place: Place) -> None:
        """Something was chosen in this workspace, or it was left: what is known of it is read anew."""
        self._changes += 1
        self._known.pop((place.platform, place.workspace), None)
