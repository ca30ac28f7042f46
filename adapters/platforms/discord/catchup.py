"""What an outage left behind: messages that were missed, found in the history of channels, and replies that are owed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import aiohttp
import discord
import structlog

from adapters.platforms.base import Continuity, Unsent
from adapters.platforms.discord.hearing import Hearing
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import PLATFORM, target_of
from adapters.platforms.discord.posted import Posted, find_posted
from adapters.platforms.discord.replies import DiscordReply
from adapters.platforms.discord.sending import Wire, until_done

log = structlog.get_logger()

# A dead connection is noticed only after a while, in which it is taken for a living one.
_OVERLAP_MS = 120_000
_ROOMS = 200
_ROOMS_AT_ONCE = 4
_OWED_AT_ONCE = 8
_ANSWERED_WITHIN = 900.0

Readable = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread


class Catchup:
    """Keeps note of when the client was connected, and makes up for when it was not."""

    def __init__(
        self,
        wire: Wire,
        continuity: Continuity,
        hearing: Hearing,
        options: Options,
        clock: Callable[[], int],
    ) -> None:
        self._wire = wire
        self._client = wire.client
        self._continuity = continuity
        self._hearing = hearing
        self._options = options
        self._clock = clock
        self._down: set[int | None] = {None}
        # Processes that share the shards miss messages each for themselves: none speaks for the others.
        shards = options.shard_ids
        self._part = (
            f"{PLATFORM}:{','.join(map(str, shards))} of {options.shard_count}" if shards else PLATFORM
        )
        self._owed = asyncio.Semaphore(_OWED_AT_ONCE)
        self._searching: asyncio.Task[None] | None = None
        self._again = False

    async def keep(self) -> None:
        """Note that we are connected, and give what is owed, until cancelled."""
        while True:
            if not self._down:
                await self._touch()
            await asyncio.sleep(self._wire.tempo.touch)

    def up(self, shard: int | None) -> None:
        """A connection is there, and everything that was said meanwhile has come or is searched for."""
        self._down.discard(shard)

    def down(self, shard: int | None) -> None:
        """A connection is gone."""
        self._down.add(shard)

    def ready(self, shard: int | None = None) -> None:
        """A new session began, of one shard or of all: what was said since the last one did not come."""
        if shard is None and None not in self._down:
            return  # each shard has told of itself
        self._down.discard(shard)
        if None in self._down:
            return  # the first of several shards; once all are there they are searched together
        if self._searching is None:
            self._searching = self._wire.start(self._search())
        else:
            self._again = True

    async def _touch(self) -> None:
        try:
            # While we search, what was missed is not here yet: a crash now must begin where we began.
            if self._searching is None:
                await self._continuity.seen(self._part)
            for unsent in await self._continuity.unsent(PLATFORM):
                self._wire.start(self._resume(unsent))
        except Exception as error:
            log.exception("continuity not kept", error=type(error).__name__)

    # Messages that were missed

    async def _search(self) -> None:
        try:
            while True:
                self._again = False
                await self._catch_up()
                if not self._again:
                    break
        except Exception as error:
            log.exception("missed messages not found", error=type(error).__name__)
        finally:
            self._searching = None
        # Whoever runs for less than one beat is remembered too, and what is owed need not wait for it.
        if not self._down:
            await self._touch()

    async def _catch_up(self) -> None:
        last = await self._continuity.last_seen(self._part)
        if last is None or self._options.missed_minutes <= 0 or self._options.missed_messages <= 0:
            return
        since = max(last - _OVERLAP_MS, self._clock() - self._options.missed_minutes * 60_000)
        after = max(0, (since - discord.utils.DISCORD_EPOCH) << 22)
        rooms = self._rooms(after)
        started = time.monotonic()
        slots = asyncio.Semaphore(_ROOMS_AT_ONCE)
        counts = await asyncio.gather(*(self._room(room, after, slots) for room in rooms))
        log.info(
            "missed messages looked for",
            rooms=len(rooms),
            answered=sum(counts),
            seconds=round(time.monotonic() - started, 1),
        )

    def _rooms(self, after: int) -> Sequence[discord.abc.Messageable]:
        """Where something may have been said to us since, the latest first."""
        found: list[Readable] = []
        for guild in self._client.guilds:
            rooms = (*guild.text_channels, *guild.voice_channels, *guild.stage_channels, *guild.threads)
            found += [
                room for room in rooms if (room.last_message_id or 0) > after and _can_read(room, guild)
            ]
        found.sort(key=lambda room: room.last_message_id or 0, reverse=True)
        if len(found) > _ROOMS:
            log.warning("not every channel is looked through", channels=len(found), looked_through=_ROOMS)
        directs = [self._client.get_partial_messageable(each) for each in self._hearing.directs]
        return [*directs, *found[:_ROOMS]]

    async def _room(self, room: discord.abc.Messageable, after: int, slots: asyncio.Semaphore) -> int:
        """Answer what was missed in one channel; how many messages that were."""
        try:
            async with slots:
                missed = await until_done(self._wire, "reading", lambda: self._unanswered(room, after))
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.warning("channel not looked through", error=type(error).__name__)
            return 0
        return sum([await self._hear(message) for message in missed])

    async def _unanswered(self, room: discord.abc.Messageable, after: int) -> list[discord.Message]:
        """What was said in a channel since and has no reply of ours, oldest first."""
        me = self._client.user
        assert me is not None
        said: list[discord.Message] = []
        answered: set[int | None] = set()
        async for message in room.history(limit=self._options.missed_messages):
            if message.id <= after:
                break
            if message.author.id == me.id and message.reference is not None:
                answered.add(message.reference.message_id)
            else:
                said.append(message)
        return [message for message in reversed(said) if message.id not in answered]

    async def _hear(self, message: discord.Message) -> bool:
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN):
                return await self._hearing.hear_missed(message)
        except Exception as error:
            log.exception("missed message not answered", message=message.id, error=type(error).__name__)
            return False

    # Replies that are owed

    async def _resume(self, unsent: Unsent) -> None:
        async with self._owed:
            try:
                posted = await self._posted(unsent)
                reply = DiscordReply(
                    self._client,
                    self._options,
                    unsent.place,
                    unsent.trigger.partition(":")[0],
                    unsent.place.conversation.partition("/")[2],
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
        channel_id = target_of(unsent.place)
        try:
            return await until_done(
                self._wire,
                "looking",
                lambda: find_posted(self._client, channel_id, unsent.trigger, unsent.exchange_id),
            )
        except discord.HTTPException as error:
            log.warning("channel of an owed reply cannot be read", channel=channel_id, status=error.status)
            return ()


def _can_read(room: Readable, guild: discord.Guild) -> bool:
    if isinstance(room, discord.Thread) and room.parent is None:
        return False  # discord.py cannot tell what is permitted there, and raises
    permissions = room.permissions_for(guild.me)
    return permissions.view_channel and permissions.read_message_history
