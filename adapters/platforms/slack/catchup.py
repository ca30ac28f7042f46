"""What an outage left behind: replies that are owed, looked for and given.

Messages that were missed are not searched for: Slack delivers again what nobody acknowledged, and lets few apps read the
histories of channels more than once a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from slack_sdk.errors import SlackApiError

from adapters.platforms.base import Continuity, Unsent
from adapters.platforms.slack.finals import find_posted
from adapters.platforms.slack.places import PLATFORM, parts_of, target_of
from adapters.platforms.slack.posted import Posted
from adapters.platforms.slack.replies import SlackReply
from adapters.platforms.slack.sending import Wire, error_code, until_done

log = structlog.get_logger()

_OWED_AT_ONCE = 8


class Catchup:
    """Keeps note of when the app was connected, and gives what earlier processes owe."""

    def __init__(self, wire: Wire, continuity: Continuity, connected: Callable[[], Awaitable[bool]]) -> None:
        self._wire = wire
        self._continuity = continuity
        self._connected = connected
        self._owed = asyncio.Semaphore(_OWED_AT_ONCE)

    async def keep(self) -> None:
        """Note that we are connected, and give what is owed, until cancelled."""
        while True:
            if await self._connected():
                await self._touch()
            await asyncio.sleep(self._wire.tempo.touch)

    async def _touch(self) -> None:
        try:
            await self._continuity.seen(PLATFORM)
            for unsent in await self._continuity.unsent(PLATFORM):
                self._wire.start(self._resume(unsent))
        except Exception as error:
            log.exception("continuity not kept", error=type(error).__name__)

    async def _resume(self, unsent: Unsent) -> None:
        async with self._owed:
            try:
                posted = await self._posted(unsent)
                reply = SlackReply(
                    self._wire,
                    unsent.place,
                    unsent.trigger,
                    exchange_id=unsent.exchange_id,
                    posted=posted,
                )
                try:
                    spoken = await self._continuity.resume(unsent, reply)
                finally:
                    reply.stop_typing()
                log.info(
                    "owed reply given",
                    exchange=unsent.exchange_id,
                    status=spoken.status,
                    found=len(posted),
                )
            except Exception as error:
                log.exception("owed reply not given", exchange=unsent.exchange_id, error=type(error).__name__)

    async def _posted(self, unsent: Unsent) -> Sequence[Posted]:
        channel_id, thread_ts = target_of(unsent.place)
        after = parts_of(unsent.trigger)[1]
        try:
            return await until_done(
                self._wire,
                "looking",
                lambda: find_posted(self._wire, channel_id, thread_ts, after, unsent.exchange_id),
            )
        except SlackApiError as error:
            log.warning(
                "channel of an owed reply cannot be read", channel=channel_id, error=error_code(error)
            )
            return ()
