"""What a client hears from Discord, and whom it tells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import discord
import structlog

from adapters.platforms.base import Continuity, Host
from adapters.platforms.discord import interactions
from adapters.platforms.discord.catchup import Catchup
from adapters.platforms.discord.greeting import greet
from adapters.platforms.discord.hearing import Hearing
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import PLATFORM, owners_of
from adapters.platforms.discord.sending import Wire

log = structlog.get_logger()


class Events:
    """The events of one client, from its login to its end. None of them that fails ends the client."""

    def __init__(
        self,
        wire: Wire,
        intents: discord.Intents,
        host: Host,
        continuity: Continuity,
        options: Options,
        clock: Callable[[], int],
    ) -> None:
        self.wire = wire
        self._client = wire.client
        self._intents = intents
        self._host = host
        self._options = options
        self._clock = clock
        self._hearing = Hearing(wire, host, options)
        self._catchup = Catchup(wire, continuity, self._hearing, options, clock)
        self._busy: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._keeping: asyncio.Task[None] | None = None
        for handler in (
            self.setup_hook,
            self.on_ready,
            self.on_message,
            self.on_raw_message_edit,
            self.on_thread_create,
            self.on_guild_join,
            self.on_guild_remove,
            self.on_error,
            self.on_shard_ready,
            self.on_shard_resumed,
            self.on_shard_disconnect,
        ):
            self._client.event(handler)

    async def setup_hook(self) -> None:
        """After the login and before the connection."""
        application = self._client.application
        if application is not None:
            self._hearing.owners = owners_of(application)
            flags = application.flags
            if not (flags.gateway_message_content or flags.gateway_message_content_limited):
                # Asked for, it would keep us from connecting at all; mentions and direct messages come without.
                log.warning(
                    "message content intent is not enabled: only mentions and direct messages are read"
                )
                self._intents.message_content = False
        await interactions.attach(self._client, self._host, self._options, self._hearing.owners, self._clock)
        self._keeping = self.wire.start(self._catchup.keep())

    async def on_ready(self) -> None:
        """A session began; what was said before it, since the last one, did not come."""
        log.info("discord is ready", guilds=len(self._client.guilds), shards=self._client.shard_count)
        self._catchup.ready()

    async def on_shard_ready(self, shard_id: int) -> None:
        """One shard has a new session; after the first time nothing else tells of it."""
        self._catchup.ready(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """One shard goes on with its session."""
        self._catchup.up(shard_id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """One shard lost its connection."""
        self._catchup.down(shard_id)

    async def on_message(self, message: discord.Message) -> None:
        """Somebody said something."""
        if self._closing:
            return
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await self._hearing.hear(message)
        finally:
            self._busy.discard(task)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """Somebody changed what they said."""
        if self._options.regenerate_on_edit and not self._closing:
            await self._hearing.hear_edit(event.message)

    async def on_thread_create(self, thread: discord.Thread) -> None:
        """Somebody opened a thread, perhaps to go on with what the avatar said."""
        await self._hearing.hear_thread(thread)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """The avatar was brought into a server."""
        log.info("joined a server", guild=guild.id, members=guild.member_count)
        await greet(self.wire, self._host, guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The avatar was put out of a server."""
        log.info("left a server", guild=guild.id)
        await self._host.left(PLATFORM, str(guild.id))

    async def on_error(self, event_name: str, *args: object) -> None:
        """An event could not be handled; the next one can."""
        error = sys.exc_info()[1]
        log.exception("event failed", event_name=event_name, error=type(error).__name__)

    async def close(self, grace_seconds: float) -> None:
        """Hear nothing more; let what is being said be said, and leave."""
        self._closing = True
        if self._keeping is not None:
            self._keeping.cancel()
        try:
            async with asyncio.timeout(grace_seconds):
                if self._busy:
                    await asyncio.wait(self._busy)
                await self.wire.all_given()
        except TimeoutError:
            log.warning("replies are cut short", replies=len(self.wire.giving))
        left = (*self._busy, *self.wire.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if not self._client.is_closed():
            await self._client.close()
