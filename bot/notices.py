"""Warnings for a workspace's admins, in the channel that they chose for it, each said once in a while."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from adapters.platforms.base import Answer, Place, Platform, UserError
from adapters.vendors.base import BadRequest, Refused, VendorError
from bot.errors import for_admin
from storage import clock, moments
from storage.database import Database
from storage.errors import StorageError
from storage.workspaces import Workspace

log = structlog.get_logger()

HOUR_MS = 60 * 60 * 1000


class Notices:
    """Tells admins what they should know. A platform joins with ``serve`` once it runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._platforms: dict[str, Platform] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def serve(self, platform: Platform) -> None:
        """From now on admins of its workspaces can be told."""
        self._platforms[platform.name] = platform

    def vendor_failed(self, workspace: Workspace, model: str, error: VendorError) -> None:
        """Warn of a model that does not answer, in the background, at most once an hour for each sort of failure."""
        if isinstance(error, BadRequest | Refused):
            return  # it was about that message
        sentence = for_admin(error, model)
        name = f"vendor:{model}:{type(error).__name__}"
        self._later(self.warn(workspace, name, sentence, again_after=HOUR_MS))

    async def warn(
        self, workspace: Workspace, name: str, sentence: str, *, again_after: int | None = None
    ) -> None:
        """Say it in the workspace's channel for notices, unless ``name`` was said before, or less than so many ms ago."""
        platform = self._platforms.get(workspace.platform)
        if platform is None or not workspace.notices:
            log.warning("notice", workspace=workspace.name, about=name, sentence=sentence)
            return
        moment = f"notice:{workspace.id}:{name}"
        place = Place(platform.name, workspace.key, workspace.notices, workspace.notices)
        try:
            if await self._database.write(
                lambda tx: moments.claim(tx, moment, clock.now(), again_after=again_after)
            ):
                try:
                    await platform.tell(place, Answer(sentence, ok=False))
                except Exception:
                    if again_after is None:  # what is said only once has to arrive that once
                        await self._database.write(lambda tx: moments.forget(tx, moment))
                    raise
        except (StorageError, UserError) as error:
            log.warning("notice not told", workspace=workspace.name, about=name, error=str(error))
        except Exception:
            log.exception("notice failed", workspace=workspace.name, about=name)

    async def close(self) -> None:
        """Give up what is still being told."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
