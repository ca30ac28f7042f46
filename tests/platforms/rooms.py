"""A room of each platform with the application behind it: one person who owns the place, as they use it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from adapters.platforms.discord.options import Options as DiscordOptions
from adapters.platforms.discord.platform import Discord
from adapters.platforms.terminal.chat import Chat
from adapters.platforms.terminal.keyboard import Commands, Keyboard, history_at
from adapters.platforms.terminal.screen import Screen
from adapters.platforms.terminal.session import Session
from adapters.platforms.usage import Value, format_line
from bot.report import report
from storage import clock
from storage.ids import new_id
from tests.bot.theatre import Theatre
from tests.servers.discord import Channel, DiscordServer, Message, NotPossible, Permission, Person

Values = Mapping[str, Value]


class Room(Protocol):
    """What a person does; each gives the text that they read in answer.

    ``agree`` answers the question for consent where it comes: yes, no, or ``None`` where none is expected.
    """

    @property
    def key(self) -> tuple[str, str]:
        """The platform, and its id of the workspace."""
        ...

    async def says(self, text: str, *, agree: bool | None = None) -> str:
        """Say something to the avatar."""
        ...

    async def rates(self, stars: int | None, *, agree: bool | None = None) -> str:
        """Rate the last reply, or take the rating back."""
        ...

    async def gives(
        self, command: str, values: Values | None = None, *, confirm: bool = False, until: str = ""
    ) -> str:
        """Give a command; ``confirm`` goes on where it asks first, ``until`` is in the last message of a long answer."""
        ...

    async def stops(self, text: str, begun: asyncio.Event) -> str:
        """Say something and stop the reply once it has ``begun``; what is left of it."""
        ...


class TerminalRoom:
    """Keys into a pipe, a screen that is a string; each step is a sitting of its own."""

    key = ("terminal", "local")

    def __init__(self, theatre: Theatre, folder: Path) -> None:
        self._theatre = theatre
        self._folder = folder

    async def says(self, text: str, *, agree: bool | None = None) -> str:
        return await self._sit(text + "\r" + _answer(agree))

    async def rates(self, stars: int | None, *, agree: bool | None = None) -> str:
        return await self._sit(f"/rate {'none' if stars is None else stars}\r" + _answer(agree))

    async def gives(
        self, command: str, values: Values | None = None, *, confirm: bool = False, until: str = ""
    ) -> str:
        declared = next(each for each in self._theatre.app.commands if each.name == command)
        return await self._sit(format_line(declared, dict(values or {})) + "\r" + ("y\r" if confirm else ""))

    async def stops(self, text: str, begun: asyncio.Event) -> str:
        async def interrupt() -> None:
            await begun.wait()
            assert self._theatre.app.stop_speaking(self._theatre.app.terminal_place())

        _, seen = await asyncio.gather(interrupt(), self.says(text))
        return seen

    async def _sit(self, typed: str) -> str:
        app, out = self._theatre.app, io.StringIO()
        session = Session(app, app.terminal_place(), app.terminal_who(), clock.now, new_id, report)
        with create_pipe_input() as keys:
            chat = Chat(
                session, Screen(Console(file=out, width=200, color_system=None), self._folder), io.StringIO()
            )
            keyboard = Keyboard(
                Commands(chat.commands, chat.call_for),
                history_at(self._folder / "history"),
                status=chat.status,
                reminder=chat.reminder,
                suggestions=chat.suggestions,
                source=keys,
                output=DummyOutput(),
            )
            keys.send_text(typed + "\x04")
            assert await chat.run(keyboard) == 0
        return out.getvalue()


def _answer(agree: bool | None) -> str:
    return "" if agree is None else "y\r" if agree else "n\r"


class DiscordRoom:
    """A channel of a local Discord; what is said mentions the bot."""

    def __init__(self, world: DiscordServer, channel: Channel, person: Person) -> None:
        self._world = world
        self._channel = channel
        self._person = person
        assert channel.guild is not None
        self.key = ("discord", str(channel.guild.id))

    async def says(self, text: str, *, agree: bool | None = None) -> str:
        before = len(self._said())
        await self._person.says(self._channel, text, mention=self._world.bot)
        answer = await self._world.until(lambda: self._finished(before), 15)
        return f"{answer.shown}\n{await self._agreed(answer, agree)}"

    async def rates(self, stars: int | None, *, agree: bool | None = None) -> str:
        asked = await self._person.types_command(
            "rate", {"stars": "none" if stars is None else str(stars)}, channel=self._channel
        )
        answer = await asked.reply()
        return f"{answer.shown}\n{await self._agreed(answer, agree)}"

    async def gives(
        self, command: str, values: Values | None = None, *, confirm: bool = False, until: str = ""
    ) -> str:
        await self._world.until(lambda: self._offered(command), 15)
        before = len(self._said())
        given = {name: value for name, value in (values or {}).items() if value is not None}
        asked = await self._person.types_command(command, given, channel=self._channel)
        if command == "regenerate":
            return (await self._world.until(lambda: self._finished(before), 15)).shown
        if confirm:
            question = await asked.reply()
            await self._person.clicks(question, "Yes, go on")
            await self._world.until(
                lambda: _told(question.shown) and "cannot be undone" not in question.shown
            )
            return question.shown
        await self._world.until(lambda: _told(asked.content) and until in asked.content)
        return asked.content

    async def stops(self, text: str, begun: asyncio.Event) -> str:
        await self._person.says(self._channel, text, mention=self._world.bot)
        await begun.wait()
        await self._world.until(lambda: self._said() and "Stop" in self._said()[-1].labels)
        await self._person.clicks(self._said()[-1], "Stop")
        return (await self._world.until(lambda: self._finished(0), 15)).shown

    def _said(self) -> list[Message]:
        return self._channel.of(self._world.bot)

    def _finished(self, before: int) -> Message | None:
        said = self._said()
        growing = any("Stop" in each.labels for each in said)
        return said[-1] if len(said) > before and not growing else None

    def _offered(self, command: str) -> bool:
        try:
            return bool(self._world.commands.find(self._channel, command.split()[0]))
        except NotPossible:
            return False

    async def _agreed(self, question: Message, agree: bool | None) -> str:
        if agree is None:
            return ""
        # Below what the avatar says for all to see, the question is a message of its own.
        if "Yes" not in question.labels:
            question = await self._world.until(
                lambda: next((m for m in self._said() if "Yes" in m.labels), None)
            )
        before = question.shown
        pressed = await self._person.clicks(question, "Yes" if agree else "No")
        await self._world.until(lambda: _told(pressed.content) or question.shown != before)
        return f"{question.shown}\n{pressed.content}"


def _told(shown: str) -> bool:
    """Whether there is more to read than that something is being done."""
    return bool(shown) and shown not in {"-# …", "…"}


@asynccontextmanager
async def terminal(theatre: Theatre, folder: Path) -> AsyncGenerator[Room]:
    """The terminal."""
    yield TerminalRoom(theatre, folder)


@asynccontextmanager
async def discord(theatre: Theatre, folder: Path) -> AsyncGenerator[Room]:
    """A local Discord that the platform is connected to."""
    async with DiscordServer() as world:
        guild = world.guild("Copper Lane")
        channel = guild.channel("general")
        owner = guild.member("Ada", permissions=Permission.ADMINISTRATOR)
        platform = Discord(
            world.token, DiscordOptions(api_url=f"{world.url}/api/v10", edit_seconds=0.05), clock.now
        )
        serving = asyncio.create_task(platform.run(theatre.app, theatre.app))
        try:
            await world.connected()
            yield DiscordRoom(world, channel, owner)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


ROOMS = {"terminal": terminal, "discord": discord}
