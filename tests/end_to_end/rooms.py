"""A channel in which somebody leads fine-tuning, the same for Discord and Slack: what is typed, pressed, read and seen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from storage import clock, people, workspaces
from storage.database import Database, Tx
from tests.end_to_end import desk, slack_stage
from tests.end_to_end import stage as discord_stage
from tests.servers.discord import Message as DiscordMessage
from tests.servers.discord import Permission
from tests.servers.slack import Message as SlackMessage
from training.imports import Order, import_file

T = TypeVar("T")
_PATIENCE_SECONDS = 60.0  # with a busy machine: how soon something is acknowledged is for other tests
_BUSY = ("⏳", "…", "-# …")


@dataclass(frozen=True)
class Screen:
    """What somebody reads at one moment: the words as the platform got them, and what is written on the buttons."""

    text: str
    labels: tuple[str, ...]
    message: Any

    def __str__(self) -> str:
        buttons = "  ".join(f"[ {label} ]" for label in self.labels)
        return f"{self.text}\n\n{buttons}" if buttons else self.text


class Room(Protocol):
    """Where it plays; Ada leads it, and Bob only talks there."""

    name: str

    async def gives(self, command: str, **values: str) -> Screen:
        """Ada gives a command; what she reads when it is done."""
        ...

    async def presses(self, screen: Screen, label: str) -> Screen:
        """Ada presses a button; what she reads when what it does is done."""
        ...

    async def asks(self, question: str) -> str:
        """Bob asks the avatar; its whole answer."""
        ...

    async def sees(self, words: str) -> Screen:
        """A message to all in the channel with these words, once it is there."""
        ...

    def history(self, screen: Screen) -> list[str]:
        """What a message said one after the other, the last at the end."""
        ...

    def pictures(self, screen: Screen) -> list[bytes]:
        """The pictures that stand in a message."""
        ...

    def pinged(self, screen: Screen) -> list[str]:
        """Who was notified by a message."""
        ...

    async def comes(self, look: Callable[[], T | None]) -> T:
        """What is found at last."""
        ...


class OnDiscord:
    """A server of Discord."""

    name = "discord"

    def __init__(self, stage: discord_stage.Stage) -> None:
        self._stage = stage
        self._ada = stage.guild.member("Ada", permissions=Permission.ADMINISTRATOR)
        self._bob = stage.guild.member("Bob")

    async def gives(self, command: str, **values: str) -> Screen:
        await self._stage.offered(command.split()[0])
        asked = await self._ada.types_command(command, values, channel=self._stage.channel)
        return await self._read(lambda: asked.messages)

    async def presses(self, screen: Screen, label: str) -> Screen:
        asked = await self._ada.clicks(screen.message, label)
        return await self._read(lambda: asked.messages)

    async def asks(self, question: str) -> str:
        before = len(self._said())
        await self._bob.says(self._stage.channel, question, mention=self._stage.discord.bot)

        def answered() -> str | None:
            new = self._said()[before:]
            return next((each.content for each in new if "👍" in each.labels), None)

        return await self.comes(answered)

    async def sees(self, words: str) -> Screen:
        return await self._read(lambda: [each for each in self._said() if words in each.content])

    def history(self, screen: Screen) -> list[str]:
        return [*screen.message.revisions, screen.message.content]

    def pictures(self, screen: Screen) -> list[bytes]:
        return [file.data for file in screen.message.attachments]

    def pinged(self, screen: Screen) -> list[str]:
        found = screen.message.pings
        return [user.name for user in found.users] if found is not None else []

    async def comes(self, look: Callable[[], T | None]) -> T:
        return await self._stage.discord.until(look, _PATIENCE_SECONDS)

    def _said(self) -> list[DiscordMessage]:
        said = self._stage.channel.of(self._stage.discord.bot)
        return [each for each in said if each.ephemeral_for is None and not each.deleted]

    async def _read(self, look: Callable[[], list[DiscordMessage]]) -> Screen:
        def settled() -> list[DiscordMessage] | None:
            found = [each for each in look() if not each.deleted]
            return (
                found if found and all(_settled(each.shown) or each.attachments for each in found) else None
            )

        found = await self.comes(settled)
        text = "\n".join(each.readable for each in found)
        files = [f"[file {file.name}]" for each in found for file in each.attachments]
        return Screen("\n".join([text, *files]), tuple(found[-1].labels), found[-1])


class OnSlack:
    """A workspace of Slack."""

    name = "slack"

    def __init__(self, stage: slack_stage.Stage) -> None:
        self._stage = stage
        self._ada = stage.team.member("Ada", admin=True)
        self._bob = stage.team.member("Bob")

    async def gives(self, command: str, **values: str) -> Screen:
        first, _, rest = command.partition(" ")
        own, line = ("/finetune", rest) if first == "finetune" else ("/understudy", command)
        given = (f'{name}:"{value}"' if " " in value else f"{name}:{value}" for name, value in values.items())
        alone, together = len(self._direct()), len(self._said())
        asked = await self._ada.slash(own, " ".join([line, *given]), self._stage.channel)
        assert not asked.failure, (command, asked.failure)
        return await self._read(lambda: [*asked.replies, *self._direct()[alone:]] or self._said()[together:])

    async def presses(self, screen: Screen, label: str) -> Screen:
        before = len(self._direct())
        revised = len(screen.message.revisions)
        asked = await self._ada.clicks(screen.message, label)
        assert not asked.failure, (label, asked.failure)

        def new() -> list[SlackMessage]:
            changed = [screen.message] if len(screen.message.revisions) > revised else []
            return [*asked.replies, *self._direct()[before:]] or changed

        return await self._read(new)

    async def asks(self, question: str) -> str:
        before = len(self._said())
        await self._bob.says(self._stage.channel, question, mention=self._stage.team.bot)

        def answered() -> str | None:
            new = self._said()[before:]
            return next((each.shown for each in new if "↻ Try again" in each.labels), None)

        return await self.comes(answered)

    async def sees(self, words: str) -> Screen:
        return await self._read(lambda: [each for each in self._said() if words in each.shown])

    def history(self, screen: Screen) -> list[str]:
        return [*screen.message.revisions, screen.message.shown]

    def pictures(self, screen: Screen) -> list[bytes]:
        blocks = [block for block in screen.message.blocks if block["type"] == "image"]
        return [self._stage.slack.files[block["slack_file"]["id"]].data for block in blocks]

    def pinged(self, screen: Screen) -> list[str]:
        return [user.name for user in screen.message.pings.users]

    async def comes(self, look: Callable[[], T | None]) -> T:
        return await self._stage.comes(look, _PATIENCE_SECONDS)

    def _said(self) -> list[SlackMessage]:
        return [each for each in self._stage.public() if not each.deleted]

    def _direct(self) -> list[SlackMessage]:
        return self._ada.direct.of(self._stage.team.bot)

    async def _read(self, look: Callable[[], list[SlackMessage]]) -> Screen:
        def settled() -> list[SlackMessage] | None:
            found = [each for each in look() if not each.deleted]
            return found if found and _settled(found[-1].shown) else None

        found = await self.comes(settled)
        # What stands in a Markdown block is shown as it is written there, to see what Slack makes of it.
        return Screen("\n--\n".join(each.shown for each in found), tuple(found[-1].labels), found[-1])


def _settled(text: str) -> bool:
    return bool(text.strip()) and not text.strip().startswith(_BUSY)


async def _stock(data_dir: Path, platform: str, workspace: str, file: Path) -> None:
    """What people there said and rated before: the conversations of a file, in the avatar ``desk``."""

    async def quietly(text: str, done: float | None = None) -> None:
        pass

    data_dir.mkdir(parents=True, exist_ok=True)
    database = await Database.open(f"sqlite+aiosqlite:///{data_dir / 'understudy.db'}")
    try:

        def prepare(tx: Tx) -> tuple[str, str]:
            found = workspaces.ensure(tx, platform, workspace, "Copper Lane", "opt-in")
            return found.id, people.ensure(tx, found.id, "import", "Import").id

        workspace_id, person_id = await database.write(prepare)
        await import_file(database, Order(file, workspace_id, desk.AVATAR, person_id, clock.now()), quietly)
    finally:
        await database.close()


@asynccontextmanager
async def room(
    platform: str, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Room]:
    """The whole program, served on ``discord`` or ``slack``, with the embedded model and the avatar ``desk``."""
    chosen = {
        "UNDERSTUDY_MODELS__DEFAULT": "embedded:base",
        "UNDERSTUDY_FINETUNE__POLL_SECONDS": "0.5",
        "UNDERSTUDY_FINETUNE__POLL_MOST_SECONDS": "1",
        **(settings or {}),
    }
    file = desk.write(folder / "desk.jsonl")
    if platform == "discord":
        async with discord_stage.set_stage(folder, chosen, start=False) as stage:
            await _stock(stage.service.data_dir, platform, str(stage.guild.id), file)
            stage.discord.interaction_deadline_s = _PATIENCE_SECONDS
            await stage.service.start()
            await stage.discord.connected(_PATIENCE_SECONDS)
            yield OnDiscord(stage)
    else:
        async with slack_stage.set_stage(folder, chosen, start=False) as stage:
            await _stock(stage.service.data_dir, platform, stage.team.id, file)
            stage.slack.deliveries.deadline_s = _PATIENCE_SECONDS
            await stage.start()
            yield OnSlack(stage)
