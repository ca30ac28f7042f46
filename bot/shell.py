"""What the command line sets going: a chat, one reply, one command, or every platform until stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from adapters.platforms.base import Answer, Command, UserError
from adapters.platforms.terminal.session import Session
from adapters.platforms.usage import Value
from bot.app import FACES, Application, discord_invite, open_application, slack_manifest
from bot.collector import loaded
from bot.faces import ready
from bot.report import report
from bot.services import Services
from bot.settings import Configuration
from storage import clock
from storage.ids import new_id

if TYPE_CHECKING:
    from bot.schedule import Schedule

DONE, FAILED, MISUSED, TERMINATED = 0, 1, 2, 143
SETTLED_SECONDS = 2.0


@cache
def declared() -> tuple[Command, ...]:
    """The commands as they are declared, for help and for reading the command line; none of them can be run."""
    from bot.commands import every_command

    return every_command(cast(Services, None))  # a declaration only keeps the services for the day it is run


def chat(configuration: Configuration, *, avatar: str, message: str | None, as_json: bool) -> int:
    """A conversation, or one reply when there is a message or something is piped in."""
    if message is None and not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        return _run(configuration, lambda app: _sit(app, configuration, avatar), interactive=True)
    from adapters.platforms.terminal.piped import answer_once, checked_message, read_message

    if message is None and sys.stdin.isatty():
        raise UserError("There is nothing to answer; give a message with --message, or pipe one in.")
    text = checked_message(message) if message is not None else read_message(sys.stdin.buffer)
    return _run(
        configuration,
        lambda app: answer_once(_session(app, avatar), text, as_json=as_json, out=sys.stdout, err=sys.stderr),
    )


def command(
    configuration: Configuration,
    declaration: Command,
    values: Mapping[str, Value],
    *,
    avatar: str,
    as_json: bool,
    confirmed: bool,
) -> int:
    """One command of the registry."""
    pictures = _pictures(configuration)
    alone = as_json or not (sys.stdin.isatty() and sys.stdout.isatty())
    if declaration.confirm and not confirmed and alone:
        raise UserError(f"{declaration.confirm} Add --yes to say so; nothing was done.")

    async def run(app: Application) -> int:
        session = _session(app, avatar)
        if alone:
            return await _command_alone(
                session, declaration, values, pictures, as_json=as_json, confirmed=confirmed
            )
        return await _command_here(session, declaration, values, pictures, confirmed=confirmed)

    return _run(configuration, run, interactive=not alone)


def serve(configuration: Configuration) -> int:
    """Every platform whose token is set, until SIGTERM or Ctrl-C."""
    from bot.serve import serve_all

    faces = ready(configuration, FACES)
    return _run(configuration, lambda app: serve_all(app, configuration, faces), interactive=True, fast=True)


def manifest(configuration: Configuration, url: str) -> int:
    """Print the manifest from which a Slack app is made."""
    sys.stdout.write(slack_manifest(configuration, declared(), url))
    return DONE


def invite(configuration: Configuration) -> int:
    """Print the address at which somebody can add the bot to a Discord server."""
    sys.stdout.write(asyncio.run(discord_invite(configuration)) + "\n")
    return DONE


def _session(app: Application, avatar: str) -> Session:
    return Session(app, app.terminal_place(avatar), app.terminal_who(), clock.now, new_id, report)


async def _sit(app: Application, configuration: Configuration, avatar: str) -> int:
    from adapters.platforms.terminal.chat import sit_down

    history = configuration.data_dir / "terminal_history"
    schedule: list[Schedule] = []

    def watch() -> None:
        from bot.schedule import Schedule

        schedule.append(Schedule(app.services, warns=False))
        schedule[0].start()

    # Once somebody sits and reads: the scheduler takes a while to load.
    later = asyncio.get_running_loop().call_later(SETTLED_SECONDS, watch)
    session = _session(app, avatar)
    try:
        return await sit_down(
            session,
            history=history,
            folder=Path.cwd(),
            pictures=_pictures(configuration),
            err=sys.stderr,
            news=_news(app, session),
        )
    finally:
        later.cancel()
        for each in schedule:
            each.stop()


async def _news(app: Application, session: Session) -> AsyncGenerator[str, None]:
    """What is said unasked in a chat."""
    await asyncio.sleep(SETTLED_SECONDS)  # what this needs takes a while to load
    from bot.finetuning.endings import endings

    async for line in endings(app.services.database, session.place):
        yield line


async def _command_alone(
    session: Session,
    declaration: Command,
    values: Mapping[str, Value],
    pictures: Path,
    *,
    as_json: bool,
    confirmed: bool,
) -> int:
    """Into a pipe: plain text or JSON, and no questions."""
    from adapters.platforms.terminal.plain import (
        PlainReply,
        answer_data,
        answer_text,
        for_shell,
        keep_picture,
        save,
    )
    from adapters.platforms.terminal.progress import ProgressLine

    progress = ProgressLine(sys.stderr)
    reply = PlainReply(sys.stdout, sys.stderr, live=False, silent=as_json)
    answer = await session.host.command(
        session.call(declaration.name, values, progress, confirmed=confirmed), reply
    )
    progress.clear()
    commands = {each.name: each for each in session.host.commands}
    answer = for_shell(answer, commands)
    if as_json:
        sys.stdout.write(json.dumps(answer_data(answer), ensure_ascii=False, default=str) + "\n")
    elif text := answer_text(answer, commands):
        sys.stdout.write(text + "\n")
    if answer.picture is not None and not as_json:
        sys.stderr.write(f"Saved {keep_picture(answer.picture, pictures)}\n")
    for file in answer.files:
        sys.stderr.write(f"Saved {save(file, Path.cwd())}\n")
    return _code(answer)


async def _command_here(
    session: Session,
    declaration: Command,
    values: Mapping[str, Value],
    pictures: Path,
    *,
    confirmed: bool,
) -> int:
    """On a terminal: painted, with the questions that belong to an answer."""
    from adapters.platforms.terminal.painted import run_here

    answer = await run_here(
        session, declaration, dict(values), confirmed=confirmed, folder=Path.cwd(), pictures=pictures
    )
    return _code(answer, told=True)


def _pictures(configuration: Configuration) -> Path:
    """Where pictures are put: whoever looks at one time and again does not fill the folder that they are in."""
    return configuration.data_dir / "pictures"


def _code(answer: Answer, *, told: bool = False) -> int:
    if not answer.ok and answer.text and not told:
        from adapters.platforms.terminal.plain import clean

        sys.stderr.write(f"understudy: {clean(answer.text).strip()}\n")
    return DONE if answer.ok else FAILED


def _run(
    configuration: Configuration,
    work: Callable[[Application], Awaitable[int]],
    *,
    interactive: bool = False,
    fast: bool = False,
) -> int:
    """Open the application, do the work, close it: also when SIGTERM or Ctrl-C comes in between."""
    terminated = False

    async def whole() -> int:
        task = asyncio.current_task()
        assert task is not None

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        app = await open_application(configuration, interactive=interactive)
        loaded()
        try:
            return await work(app)
        finally:
            await app.close()

    with asyncio.Runner(loop_factory=_uvloop() if fast else None) as runner:
        try:
            return runner.run(whole())
        except asyncio.CancelledError:
            if terminated:
                return TERMINATED
            raise


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
