"""Warnings for a workspace's admins, in the channel that they chose for it, each said once in a while."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from adapters.platforms.base import Answer, Place, Platform, UserError
from adapters.vendors.base import BadRequest, ModelNotFound, Refused, VendorError
from bot.errors import for_admin, for_admin_of_release
from bot.scenes import Scene
from storage import clock, moments
from storage.database import Database
from storage.errors import StorageError
from storage.workspaces import Workspace

log = structlog.get_logger()

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS


class Notices:
    """Tells admins what they should know. A platform joins with ``serve`` once it runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._platforms: dict[str, Platform] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def serve(self, platform: Platform) -> None:
        """From now on admins of its workspaces can be told."""
        self._platforms[platform.name] = platform

    def platform(self, name: str) -> Platform | None:
        """The platform of this name, once it is served by this process."""
        return self._platforms.get(name)

    def vendor_failed(self, workspace: Workspace, model: str, error: VendorError) -> None:
        """Warn of a model that does not answer, in the background, at most once an hour for each sort of failure."""
        if isinstance(error, BadRequest | Refused):
            return  # it was about that message
        sentence = for_admin(error, model)
        name = f"vendor:{model}:{type(error).__name__}"
        self._later(self.warn(workspace, name, sentence, again_after=HOUR_MS))

    def release_failed(self, scene: Scene, error: VendorError, instead: str) -> None:
        """Warn of a release whose model does not answer, and say what answers instead, if anything does.

        Of a model that is gone once, of one that fails at most once a day.
        """
        if isinstance(error, BadRequest | Refused):
            return
        release, gone = scene.release, isinstance(error, ModelNotFound)
        sentence = for_admin_of_release(
            error,
            scene.avatar.name,
            release.number,
            release.model or "",
            instead,
        )
        name = f"release:{release.id}:{'gone' if gone else 'failing'}"
        self._later(self.warn(scene.workspace, name, sentence, again_after=None if gone else DAY_MS))

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
