"""The program between a local Discord and a local OpenAI whose model imitates the examples that it is shown."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.discord import Channel, DiscordServer, Guild, Message, NotPossible
from tests.servers.openai import Failure, OpenAIServer, Reply
from tests.service import Service

MODEL = "openai:gpt-5-mini"
TOKEN = "bot-token"
KEY = "sk-local-1234567890"


class Imitator(OpenAIServer):
    """A model that gives the answer of an example whose question it is asked, else what ``otherwise`` says."""

    def __init__(self) -> None:
        super().__init__(key=KEY)
        self.otherwise: Callable[[str], Reply | Failure] = lambda _question: Reply()

    def think(self, body: dict[str, Any]) -> Reply | Failure:
        messages = body["messages"]
        question = messages[-1]["content"]
        for asked, answer in zip(messages[-3::-1], messages[-2::-1], strict=False):
            if (asked["role"], answer["role"]) == ("user", "assistant") and asked["content"] == question:
                return Reply(re.findall(r"\S+\s*", answer["content"]))
        return self.otherwise(question)


@dataclass
class Stage:
    """Where it plays."""

    discord: DiscordServer
    openai: Imitator
    guild: Guild
    channel: Channel
    service: Service

    async def ready(self) -> None:
        """Wait until the program has seen every server and looked for what it missed."""
        await self.discord.until(lambda: "discord is ready" in self.service.log, 30)

    async def offered(self, command: str) -> None:
        """Wait until Discord knows the commands of the program."""

        def known() -> bool:
            try:
                return bool(self.discord.commands.find(self.channel, command))
            except NotPossible:
                return False

        await self.discord.until(known, 30)

    async def replied(self, count: int = 1, *, seconds: float = 15, where: Channel | None = None) -> Message:
        """The newest of the bot's messages, once there are so many, none of which still grows."""
        channel = where or self.channel

        def done() -> Message | None:
            said = channel.of(self.discord.bot)
            growing = any("⏹" in label or "Stop" in label for each in said for label in each.labels)
            return said[-1] if len(said) >= count and not growing and said[-1].labels else None

        return await self.discord.until(done, seconds)


@asynccontextmanager
async def set_stage(
    folder: Path, settings: Mapping[str, str] | None = None, *, start: bool = True
) -> AsyncGenerator[Stage]:
    """A guild with one channel, and the program connected to it; at the end nothing of it is left."""
    async with DiscordServer(TOKEN) as discord, Imitator() as openai:
        guild = discord.guild("Copper Lane")
        environment = {
            "DISCORD_TOKEN": TOKEN,
            "UNDERSTUDY_DISCORD__API_URL": f"{discord.url}/api/v10",
            "UNDERSTUDY_DISCORD__EDIT_SECONDS": "0.2",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{openai.url}/v1",
            "UNDERSTUDY_MODELS__DEFAULT": MODEL,
            "UNDERSTUDY_MODELS__RETRY_SECONDS": "0.01",
        }
        service = Service(folder / "data", {**environment, **(settings or {})})
        stage = Stage(discord, openai, guild, guild.channel("general"), service)
        if start:
            await service.start()
        try:
            if start:
                await discord.connected(30)
            yield stage
        finally:
            await service.stop()
