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

from adapters.platforms.base import Answer, Call, Command, Param
from adapters.platforms.discord.options import Options as DiscordOptions
from adapters.platforms.discord.platform import Discord
from adapters.platforms.slack.manifest import manifest
from adapters.platforms.slack.options import Options as SlackOptions
from adapters.platforms.slack.platform import Slack
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
from tests.servers.slack import Channel as SlackChannel
from tests.servers.slack import Member, SlackServer
from tests.servers.slack import Message as SlackMessage

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
                session,
                Screen(Console(file=out, width=200, color_system=None), self._folder, self._folder),
                io.StringIO(),
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
        await self._world.until(lambda: _told(asked.content) and until in asked.content, 60)
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


class SlackRoom:
    """A thread of a local Slack, begun by a mention; commands are given in it by the mention form."""

    def __init__(self, world: SlackServer, channel: SlackChannel, person: Member) -> None:
        self._world = world
        self._channel = channel
        self._person = person
        self._thread: SlackMessage | None = None
        self.key = ("slack", channel.team.id)

    async def says(self, text: str, *, agree: bool | None = None) -> str:
        before = len(self._seen())
        if self._thread is None:
            self._thread = await self._person.says(self._channel, text, mention=self._world.bot)
        else:
            await self._person.says(self._channel, text, thread=self._thread)
        answer = await self._answer(before)
        return f"{answer.shown}\n{await self._agreed(answer, agree)}"

    async def rates(self, stars: int | None, *, agree: bool | None = None) -> str:
        answer = await self._given("rate", {"stars": "none" if stars is None else str(stars)})
        return f"{answer.shown}\n{await self._agreed(answer, agree)}"

    async def gives(
        self, command: str, values: Values | None = None, *, confirm: bool = False, until: str = ""
    ) -> str:
        before = len(self._seen())
        answer = await self._given(command, values or {})
        if confirm:
            question = answer.shown
            await self._person.clicks(answer, "Yes, go on")
            await self._world.until(lambda: answer.shown != question or len(self._seen()) > before + 1, 15)
            answer = await self._answer(before)
        await self._world.until(lambda: until in self._since(before), 60)
        return self._since(before)

    async def stops(self, text: str, begun: asyncio.Event) -> str:
        before = len(self._seen())
        self._thread = await self._person.says(self._channel, text, mention=self._world.bot)
        await begun.wait()
        await self._given("stop", {})
        await self._world.until(lambda: "stopped" in self._since(before), 15)
        return self._since(before)

    async def _given(self, command: str, values: Values) -> SlackMessage:
        declared = Command(command, "", _nothing, params=tuple(Param(name, "") for name in values))
        line = format_line(declared, dict(values))
        before = len(self._seen())
        await self._person.says(self._channel, line, mention=self._world.bot, thread=self._thread)
        return await self._answer(before)

    def _seen(self) -> list[SlackMessage]:
        return [each for each in self._channel.seen_by(self._person) if each.author is self._world.bot]

    def _since(self, before: int) -> str:
        return "\n".join(each.shown for each in self._seen()[before:])

    async def _answer(self, before: int) -> SlackMessage:
        def done() -> bool:
            fresh = self._seen()[before:]
            return bool(fresh) and all(_told(each.shown) and not each.streaming for each in fresh)

        await self._world.until(done, 60)
        return self._seen()[-1]

    async def _agreed(self, question: SlackMessage, agree: bool | None) -> str:
        if agree is None:
            return ""
        await self._world.until(lambda: any("Yes" in each.labels for each in self._seen()), 15)
        question = next(each for each in self._seen() if "Yes" in each.labels)
        # The buttons go first; the answer to them takes the question's place, or stands below it.
        before, asked = len(self._seen()), question.shown.split("\n[", 1)[0].strip()
        await self._person.clicks(question, "Yes" if agree else "No")
        await self._world.until(lambda: len(self._seen()) > before or asked not in question.shown, 15)
        return f"{question.shown}\n{self._since(before)}"


async def _nothing(_call: Call) -> Answer:
    return Answer()


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


@asynccontextmanager
async def slack(theatre: Theatre, folder: Path) -> AsyncGenerator[Room]:
    """A local Slack that the platform is connected to by a socket."""
    async with SlackServer() as world:
        options = SlackOptions(api_url=world.api_url, edit_seconds=0.02)
        world.install(manifest(theatre.app.commands, options))
        team = world.team()
        platform = Slack(world.bot_token, world.app_token, world.signing_secret, options, clock.now)
        serving = asyncio.create_task(platform.run(theatre.app, theatre.app))
        try:
            await world.connected()
            yield SlackRoom(world, team.channel("general"), team.owner)
        finally:
            await platform.close()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


ROOMS = {"terminal": terminal, "discord": discord, "slack": slack}
