"""A platform on a local Discord, with a host that says what a test wants and remembers what it heard."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from adapters.platforms.base import (
    Answer,
    Call,
    Command,
    End,
    Mark,
    Message,
    Place,
    Reply,
    Spoken,
    Unsent,
    Welcome,
    Who,
)
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.platform import Discord
from adapters.platforms.discord.tempo import Tempo
from tests.servers.discord import PRIVILEGED, Channel, DiscordServer, Guild, Person
from tests.servers.discord import Message as Posted

TOKEN = "bot-token"
NOBODY = Who("0", "Nobody")
QUICK = Tempo(touch=0.05, retry=0.02, patience=20.0, ready=0.05, identify=0.0, grace=5.0)
OPTIONS = Options(edit_seconds=0.02, shard_count=1)

Speech = Callable[[Message, Reply], Awaitable[Spoken | End | str]]


async def echo(message: Message, reply: Reply) -> str:
    """Say back what was said."""
    return f"You said: {message.text}"


@dataclass
class Memory:
    """What outlives a process: which messages were accepted, which replies were given, and when it was connected."""

    exchanges: dict[str, str] = field(default_factory=dict[str, str])
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    given: dict[str, str] = field(default_factory=dict[str, str])
    owed: list[Unsent] = field(default_factory=list[Unsent])
    seen_at: int | None = None


class TalkingHost:
    """Accepts each message once, says what ``speech`` says, and keeps what it was told."""

    def __init__(self, memory: Memory | None = None, speech: Speech = echo) -> None:
        self.memory = memory or Memory()
        self.speech = speech
        self.messages: list[Message] = []
        self.repeated: list[str] = []
        self.calls: list[Call] = []
        self.marks: list[Mark] = []
        self.gone: list[str] = []
        self.noted: set[str] = set()
        self.always_on: set[str] = set()
        self.resumed: list[str] = []
        self.welcomed = Welcome("Guide", "I show you around.")

    @property
    def commands(self) -> Sequence[Command]:
        return ()

    async def welcome(self, place: Place) -> Welcome:
        return self.welcomed

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        if message.key in self.memory.exchanges:
            self.repeated.append(message.key)
            return Spoken("repeated")
        exchange = str(uuid.uuid4())
        self.memory.exchanges[message.key] = exchange
        self.memory.places[message.key] = message.place
        self.messages.append(message)
        await reply.accepted(exchange)
        return await self._speak(exchange, message, reply)

    async def _speak(self, exchange: str, message: Message, reply: Reply) -> Spoken:
        said = await self.speech(message, reply)
        if isinstance(said, Spoken):
            self.memory.given[exchange] = ""
            return replace(said, exchange_id=exchange)
        end = End(exchange, said) if isinstance(said, str) else replace(said, exchange_id=exchange)
        self.memory.given[exchange] = await reply.finish(end)
        return Spoken("complete", exchange, end.text)

    async def mark(self, mark: Mark) -> Answer:
        self.marks.append(mark)
        return Answer("Thank you.")

    async def command(self, call: Call, reply: Reply | None = None) -> Answer:
        self.calls.append(call)
        return Answer("Done.")

    def stop_speaking(self, place: Place, exchange_id: str = "") -> bool:
        return False

    async def listens(self, place: Place) -> bool:
        return place.channel in self.always_on

    async def left(self, platform: str, workspace: str) -> None:
        self.gone.append(workspace)

    # What a platform asks after an outage

    async def seen(self, platform: str) -> None:
        self.noted.add(platform)
        self.memory.seen_at = int(time.time() * 1000)

    async def last_seen(self, platform: str) -> int | None:
        return self.memory.seen_at

    async def unsent(self, platform: str) -> Sequence[Unsent]:
        owed, self.memory.owed = self.memory.owed, []
        return owed

    async def resume(self, unsent: Unsent, reply: Reply) -> Spoken:
        self.resumed.append(unsent.exchange_id)
        await reply.accepted(unsent.exchange_id)
        who = Message(unsent.trigger, unsent.place, NOBODY, "again", unsent.at)
        return await self._speak(unsent.exchange_id, who, reply)


class Stage:
    """A local Discord with one server, one channel, Ada who owns nothing, and a platform that serves there."""

    def __init__(self, world: DiscordServer, host: TalkingHost, options: Options, tempo: Tempo) -> None:
        self.world = world
        self.guild: Guild = world.guild("Birds")
        self.general: Channel = self.guild.channel("general")
        self.ada: Person = self.guild.member("Ada")
        self.host = host
        self.options = options
        self.tempo = tempo
        self.platform: Discord | None = None
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve, and wait until the platform has settled."""
        options = replace(self.options, api_url=self.world.url)
        self.platform = Discord(TOKEN, options, lambda: int(time.time() * 1000), tempo=self.tempo)
        before = self.host.memory.seen_at
        self.running = asyncio.create_task(self.platform.run(self.host, self.host))
        while self.host.memory.seen_at == before and not self.running.done():
            await asyncio.sleep(0.005)
        if self.running.done():
            await self.running

    async def stop(self) -> None:
        """Close the platform as a process does that is told to end."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
            self.running = None

    async def asks(self, text: str, files: Sequence[tuple[str, str | None, bytes]] = ()) -> Posted:
        """Ada mentions the avatar."""
        return await self.ada.says(self.general, text, mention=self.world.bot, attachments=files)

    async def replies(
        self, count: int = 1, channel: Channel | None = None, timeout: float = 10.0
    ) -> list[str]:
        """Wait until so many replies are finished, and give what the avatar has posted."""
        where = channel or self.general
        await self.world.until(lambda: len(self.host.memory.given) >= count, timeout)
        return [message.content for message in where.of(self.world.bot)]


@asynccontextmanager
async def stage(
    host: TalkingHost | None = None,
    options: Options = OPTIONS,
    tempo: Tempo = QUICK,
    intents: int = PRIVILEGED,
) -> AsyncGenerator[Stage]:
    """A stage whose platform is started."""
    async with DiscordServer(TOKEN, intents=intents) as server:
        made = Stage(server, host or TalkingHost(), options, tempo)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
