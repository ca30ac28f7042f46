"""The program between a local Slack and a local OpenAI whose model imitates the examples that it is shown."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from storage.database import Database
from tests.end_to_end.stage import KEY, MODEL, Imitator
from tests.servers.slack import Channel, Interaction, Member, Message, SlackServer, Team, View
from tests.service import Service

T = TypeVar("T")
Transport = Literal["socket", "http"]
SECONDS = 30.0
_manifests: dict[Transport, dict[str, Any]] = {}
_READY = "slack is ready"


@dataclass
class Stage:
    """Where it plays."""

    slack: SlackServer
    openai: Imitator
    team: Team
    channel: Channel
    service: Service
    transport: Transport

    async def start(self) -> None:
        """Let the program serve, and wait until it hears."""
        before = self.service.log.count(_READY)
        await self.service.start()
        await self.logged(_READY, before + 1)
        if self.transport == "http":
            port = re.findall(r'"port": (\d+)', self.service.log)[-1]
            assert await self.slack.endpoint.use(f"http://127.0.0.1:{port}/slack/events")

    async def logged(self, words: str, count: int = 1) -> None:
        """Wait until the program has noted something so often."""
        await self.comes(lambda: self.service.log.count(words) >= count)

    async def comes(self, look: Callable[[], T | None], seconds: float = SECONDS) -> T:
        """What is found at last, also where no change in Slack tells of it."""
        ends = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < ends, f"{self.slack.dump()}\n{self.service.log[-4000:]}"
            await asyncio.sleep(0.01)
        return found

    def said(self, where: Channel | None = None) -> list[Message]:
        """What the bot said in a channel, also to one person alone, oldest first."""
        return (where or self.channel).of(self.team.bot)

    def public(self, where: Channel | None = None) -> list[Message]:
        """What the bot said in a channel for all to read, oldest first."""
        return [each for each in self.said(where) if each.ephemeral_for is None]

    async def replied(self, count: int = 1, *, where: Channel | None = None) -> Message:
        """The newest of the bot's replies, once there are so many, none of which still grows."""

        def done() -> Message | None:
            said = self.said(where)
            whole = [each for each in said if not each.streaming and "↻ Try again" in each.labels]
            growing = any(each.streaming or "Stop" in each.labels for each in said)
            return whole[-1] if len(whole) >= count and not growing else None

        return await self.comes(done)

    async def gives(self, person: Member, line: str, channel: Channel | None = None) -> Interaction:
        """Somebody types ``/understudy`` and a command; wait until they, or all in the channel, were told something."""
        where = channel or self.channel
        before = len(self.public(where))
        asked = await person.slash("/understudy", line, where)
        assert not asked.failure, (line, asked.failure)
        await self.comes(lambda: told(asked.text) or asked.modal or len(self.public(where)) > before)
        return asked

    async def form(self, asked: Interaction) -> View:
        """The form that something opened."""
        return await self.comes(lambda: asked.modal)

    async def database(self) -> Database:
        """What the program keeps; to be closed."""
        return await Database.open(f"sqlite+aiosqlite:///{self.service.data_dir / 'understudy.db'}")


def told(text: str) -> bool:
    """Whether there is more to read than that something is being done."""
    return bool(text.strip()) and text.strip() not in {"-# …", "…"}


@asynccontextmanager
async def set_stage(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    *,
    transport: Transport = "socket",
    team_name: str = "Birds",
    start: bool = True,
) -> AsyncGenerator[Stage]:
    """A workspace with one channel, and the program as its own manifest installs it; at the end nothing of it is left."""
    async with SlackServer() as slack, Imitator() as openai:
        team = slack.team(team_name)
        environment = {
            "SLACK_BOT_TOKEN": team.token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "UNDERSTUDY_SLACK__API_URL": slack.api_url,
            "UNDERSTUDY_SLACK__TRANSPORT": transport,
            "UNDERSTUDY_SLACK__HTTP_PORT": "0",
            "UNDERSTUDY_SLACK__EDIT_SECONDS": "0.05",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{openai.url}/v1",
            "UNDERSTUDY_MODELS__DEFAULT": MODEL,
            "UNDERSTUDY_MODELS__RETRY_SECONDS": "0.01",
        }
        service = Service(folder / "data", {**environment, **(settings or {})})
        stage = Stage(slack, openai, team, team.channel("general"), service, transport)
        slack.install(await _manifest(service, transport))
        try:
            if start:
                await stage.start()
            yield stage
            assert not slack.unknown_methods
        finally:
            await service.stop()


async def _manifest(service: Service, transport: Transport) -> dict[str, Any]:
    """What the program prints for Slack; the same for every stage."""
    if transport not in _manifests:
        code, printed = await service.command("slack", "manifest")
        assert code == 0, printed
        _manifests[transport] = json.loads(printed)
    return _manifests[transport]
