"""The chat of a person with an avatar, in a terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

from rich.console import Console

from adapters.platforms.base import Answer, Call, Command, Mark, UserError, Welcome
from adapters.platforms.commandline import parse
from adapters.platforms.terminal.dialog import Dialog
from adapters.platforms.terminal.keyboard import Commands, Keyboard, history_at
from adapters.platforms.terminal.progress import ProgressLine
from adapters.platforms.terminal.screen import Screen, ScreenReply
from adapters.platforms.terminal.session import Session
from adapters.platforms.usage import Value

T = TypeVar("T")

STARS = {"+": 5, "-": 1, "−": 1, "👍": 5, "👎": 1, "1": 1, "2": 2, "3": 3, "4": 4, "5": 5}
_POOR = 2  # from here down it is worth asking what was wrong


async def _leave(call: object) -> Answer:
    return Answer()


QUIT = Command("quit", "Leave the chat.", _leave)


class Chat:
    """One sitting. ``session`` may change place when another avatar is chosen."""

    def __init__(self, session: Session, screen: Screen, err: TextIO) -> None:
        self.session = session
        self._screen = screen
        self._err = err
        self._welcome = Welcome("")
        self._last_exchange = ""
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._leaving = False
        self._news: list[str] = []

    # -- what comes by itself

    async def tell(self, line: str, keyboard: Keyboard) -> None:
        """Say something unasked: above what is being typed, or before the next line where something else is going on."""
        self._news.append(line)
        await keyboard.above(self._tell_news)

    def _tell_news(self) -> None:
        for line in self._news:
            self._screen.paragraph(line)
            self._screen.gap()
        self._news.clear()

    # -- what the keyboard shows

    def commands(self) -> list[Command]:
        """Every command that can be typed here."""
        return [*self.session.host.commands, QUIT]

    def status(self) -> str:
        """The line at the bottom."""
        return f"{self._welcome.avatar}  ·  {self._welcome.status}"

    def reminder(self) -> str:
        """What an empty line could be used for."""
        if self._last_exchange:
            return "write, or rate with + − or 1–5"
        return "Tab or a number for a suggestion" if self._welcome.suggestions else ""

    def suggestions(self) -> tuple[str, ...]:
        """Questions to begin with; none any more once there is a reply."""
        return () if self._last_exchange else self._welcome.suggestions

    def call_for(self, command: Command, values: dict[str, Value]) -> Call:
        """A call that was not given yet, for parameters that propose values."""
        return self.session.call(command.name, values, ProgressLine(self._err))

    # -- the sitting

    async def run(self, keyboard: Keyboard) -> int:
        """Talk until the person leaves; returns the exit code. Raises ``UserError`` for an unknown avatar."""
        self._welcome = await self.session.host.welcome(self.session.place)
        self._screen.greet(self._welcome)
        with keyboard.sitting():
            return await self._sit(keyboard)

    async def _sit(self, keyboard: Keyboard) -> int:
        warned = False
        while not self._leaving:
            self._screen.gap()
            try:
                line = await keyboard.line(self._tell_news)
            except EOFError:
                break
            except KeyboardInterrupt:
                if warned:
                    break
                warned = True
                self._screen.hint("Ctrl-C once more, or Ctrl-D, leaves.")
                continue
            warned = False
            if line.strip():
                await self._take(line.strip(), keyboard)
        return 0

    async def _take(self, text: str, keyboard: Keyboard) -> None:
        try:
            await self._handle(text, keyboard)
        except UserError as error:
            self._screen.problem(str(error))
        except Exception as error:  # noqa: BLE001 - it is logged under the reference that the person is told
            self._screen.problem(self.session.report(error))

    async def _handle(self, text: str, keyboard: Keyboard) -> None:
        if text in STARS:
            if self._last_exchange:
                await self._rate(STARS[text], keyboard)
                return
            chosen = self._suggested(text)
            if not chosen:
                raise UserError(
                    "There is no reply here yet to rate; /rate rates the last one of an earlier sitting."
                )
            self._screen.hint(chosen)
            text = chosen
        if text in {"/quit", "/exit", "/q"}:
            self._leaving = True
        elif text.startswith("/"):
            command, values = parse(self.commands(), text)
            await self._command(command, values, keyboard)
        else:
            await self._say(text, keyboard)

    def _suggested(self, text: str) -> str:
        known = self.suggestions()
        return known[int(text) - 1] if text.isdecimal() and int(text) <= len(known) else ""

    # -- talking

    async def _say(self, text: str, keyboard: Keyboard) -> None:
        reply = self._screen.reply(self._welcome)
        reply.begin()
        try:
            spoken = await self._interruptible(
                self.session.host.speak(self.session.message(text), reply), keyboard
            )
        finally:
            reply.close()
        if spoken is None:
            self._screen.hint("Stopped.")
            return
        if spoken.status == "taught":
            self._screen.paragraph(spoken.text)
        elif spoken.status in {"declined", "repeated"}:
            self._screen.problem(spoken.text or "This message was answered before.")
        if spoken.offer is not None:
            await self._dialog(keyboard).offer(replace(spoken.offer, text=""), question=spoken.offer.text)
        self._replied(reply)

    def _replied(self, reply: ScreenReply) -> None:
        if reply.end is None:
            return
        first = not self._last_exchange
        self._last_exchange = reply.end.exchange_id
        if first:
            self._screen.gap()
            self._screen.hint("Was that good?  + or − or 1–5 rates it  ·  /why  ·  /regenerate")

    async def _interruptible(self, work: Coroutine[Any, Any, T], keyboard: Keyboard) -> T | None:
        """Run ``work`` while Ctrl-C stops the reply, and a second one the waiting; ``None`` when it was cut off."""
        self._interrupted = False
        self._task = task = asyncio.ensure_future(work)
        try:
            with keyboard.listening(self._interrupt), _signals(self._interrupt):
                return await task
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            return None
        finally:
            self._task = None

    def _interrupt(self) -> None:
        if not self._interrupted and self.session.host.stop_speaking(self.session.place):
            self._interrupted = True
        elif self._task is not None:
            self._interrupted = True
            self._task.cancel()

    # -- rating

    async def _rate(self, stars: int, keyboard: Keyboard) -> None:
        exchange_id = self._last_exchange
        answer = await self._mark(self.session.rating(exchange_id, stars))
        if answer.ok and stars <= _POOR:
            comment = await self._asked("What was wrong? (Enter to skip)", keyboard)
            better = (
                await self._asked("A better answer? (Enter to skip)", keyboard)
                if comment is not None
                else None
            )
            if comment or better:
                second = await self._mark(self.session.remark(exchange_id, comment or None, better or None))
                answer = (
                    second
                    if second.buttons or not answer.buttons
                    else replace(second, buttons=answer.buttons)
                )
        await self._dialog(keyboard).show(answer)

    async def _asked(self, question: str, keyboard: Keyboard) -> str | None:
        """What is said about a poor reply. A command typed there is not an answer to learn: it ends the questions."""
        said = await keyboard.questions.ask(question)
        if said and any(said.split()[0] == f"/{command.name.split()[0]}" for command in self.commands()):
            self._screen.hint(f"{said.split()[0]} was not taken as an answer; type it again to run it.")
            return None
        return said

    async def _mark(self, mark: Mark) -> Answer:
        return await self.session.host.mark(mark)

    # -- commands

    async def _command(self, command: Command, values: dict[str, Value], keyboard: Keyboard) -> None:
        await self._dialog(keyboard).command(command, values)
        if command.name == "avatar use" and self.session.place.avatar:
            # The person chose again; the name given when the chat was opened has had its time.
            self.session = replace(self.session, place=replace(self.session.place, avatar=""))
        before = self._welcome
        self._welcome = await self.session.host.welcome(self.session.place)
        if self._welcome.avatar != before.avatar:
            self._last_exchange = ""
            self._screen.gap()
            self._screen.greet(self._welcome)

    def _dialog(self, keyboard: Keyboard) -> Dialog:
        return Dialog(
            self._screen,
            keyboard.questions,
            self.commands(),
            lambda c, v: self._run(c, v, keyboard),
            keyboard.next,
        )

    async def _run(self, command: Command, values: dict[str, Value], keyboard: Keyboard) -> Answer:
        """The command's answer; what it makes the avatar say appears as it comes."""
        reply = self._screen.reply(self._welcome)
        progress = ProgressLine(self._err)
        call = self.session.call(command.name, values, progress, confirmed=bool(command.confirm))
        try:
            answer = await self._interruptible(self.session.host.command(call, reply), keyboard)
        finally:
            progress.clear()
            reply.close()
        self._replied(reply)
        return answer or Answer("Stopped.", ok=False)


async def sit_down(
    session: Session,
    *,
    history: Path,
    folder: Path,
    pictures: Path,
    err: TextIO,
    news: AsyncIterable[str] | None = None,
) -> int:
    """Open the chat in this terminal and stay until the person leaves; returns the exit code.

    Files are put into ``folder`` and pictures into ``pictures``; ``news`` are lines that are said unasked.
    """
    chat = Chat(session, Screen(Console(highlight=False), folder, pictures), err)
    keyboard = Keyboard(
        Commands(chat.commands, chat.call_for),
        history_at(history),
        status=chat.status,
        reminder=chat.reminder,
        suggestions=chat.suggestions,
    )
    listening = asyncio.create_task(_listen(chat, keyboard, news)) if news is not None else None
    try:
        return await chat.run(keyboard)
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _listen(chat: Chat, keyboard: Keyboard, news: AsyncIterable[str]) -> None:
    async for line in news:
        await chat.tell(line, keyboard)


@contextmanager
def _signals(interrupt: Any) -> Generator[None]:
    """SIGINT from elsewhere is Ctrl-C too, where the loop can listen for it."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, interrupt)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
