"""The local Discord, seen through the real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import discord
import pytest
from discord import app_commands

from tests.servers.discord import Channel, DiscordServer, Guild, Message, Person
from tests.servers.discord.pointing import point_discord_at

Heard = Callable[["Bot", discord.Message], Awaitable[None]]


class Bot(discord.Client):
    """A client that keeps what it hears, and answers with what a test gives it."""

    def __init__(self, *, on: Heard | None = None, **options: bool) -> None:
        intents = discord.Intents.default()
        intents.message_content = options.pop("content", True)
        intents.members = options.pop("members", False)
        super().__init__(intents=intents, guild_ready_timeout=0.02)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[discord.Message] = []
        self.marks: list[discord.RawReactionActionEvent] = []
        self.events: list[str] = []
        self._on = on

    async def on_message(self, message: discord.Message) -> None:
        if message.author == self.user:
            return
        self.heard.append(message)
        if self._on is not None:
            await self._on(self, message)

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.marks.append(event)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self.marks.append(event)

    async def on_socket_event_type(self, name: str) -> None:
        self.events.append(name)

    async def up(self, running: asyncio.Task[None]) -> None:
        """Wait until it is ready, or raise what it died of."""
        ready = asyncio.create_task(self.wait_for("ready"))
        await asyncio.wait((ready, running), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if running.done():
            await running

    @property
    def said(self) -> list[str]:
        return [message.content for message in self.heard]


Start = Callable[[Bot], Awaitable[Bot]]


class Birds:
    """A server with one guild, one channel and two people."""

    def __init__(self, world: DiscordServer) -> None:
        self.world = world
        self.guild: Guild = world.guild("Birds")
        self.general: Channel = self.guild.channel("general")
        self.ada: Person = self.guild.member("Ada")
        self.bob: Person = self.guild.member("Bob")

    async def answer(self, text: str) -> Message:
        """The bot's message with this text."""
        await self.world.until(lambda: [m for m in self.general.of(self.world.bot) if m.shown == text])
        return next(m for m in self.general.of(self.world.bot) if m.shown == text)


@pytest.fixture
async def birds() -> AsyncIterator[Birds]:
    async with DiscordServer() as world:
        point_discord_at(world.url)
        yield Birds(world)
        assert not world.unknown_routes


@pytest.fixture
async def start(birds: Birds) -> AsyncIterator[Start]:
    running: list[tuple[Bot, asyncio.Task[None]]] = []

    async def begin(bot: Bot) -> Bot:
        await bot.login(birds.world.token)
        task = asyncio.create_task(bot.connect())
        running.append((bot, task))
        await bot.up(task)
        return bot

    yield begin
    for bot, task in running:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


async def test_says_and_is_answered(birds: Birds, start: Start) -> None:
    async def reply(_: Bot, message: discord.Message) -> None:
        async with message.channel.typing():
            sent = await message.reply(f"hello {message.author.display_name}", mention_author=False)
        await sent.edit(content="hello again")

    bot = await start(Bot(on=reply))
    said = await birds.ada.says(birds.general, "good morning", mention=birds.world.bot)
    answer = await birds.answer("hello again")
    assert bot.heard[0].mentions == [bot.user]
    assert (answer.type, answer.reference, answer.revisions) == (19, said, ["hello Ada"])
    assert not answer.pings
    assert birds.general.transcript().splitlines() == [
        f"Ada: <@{birds.world.bot.id}> good morning",
        f"Understudy ↳ Ada: '<@{birds.world.bot.id}> good morning': hello again (edited)",
    ]
