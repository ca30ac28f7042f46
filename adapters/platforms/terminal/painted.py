"""One command at a terminal, outside a chat: painted, with a progress bar and the questions that belong to the answer."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from adapters.platforms.base import Answer, Command, UserError
from adapters.platforms.terminal.dialog import Dialog
from adapters.platforms.terminal.keyboard import Questions
from adapters.platforms.terminal.plain import for_shell
from adapters.platforms.terminal.progress import ProgressLine
from adapters.platforms.terminal.screen import Screen
from adapters.platforms.terminal.session import Session
from adapters.platforms.usage import Value


async def run_here(
    session: Session,
    command: Command,
    values: dict[str, Value],
    *,
    confirmed: bool,
    folder: Path,
    pictures: Path,
) -> Answer:
    """Run ``command``, show its answer and what that asks; returns the first answer. Raises ``UserError``."""
    screen = Screen(Console(highlight=False), folder, pictures)
    commands = {each.name: each for each in session.host.commands}
    answers: list[Answer] = []

    async def run(chosen: Command, given: dict[str, Value]) -> Answer:
        progress = ProgressLine(sys.stderr)
        reply = screen.reply(await session.host.welcome(session.place))
        call = session.call(chosen.name, given, progress, confirmed=confirmed or bool(chosen.confirm))
        try:
            answer = await session.host.command(call, reply)
        finally:
            progress.clear()
            reply.close()
        answers.append(answer)
        return for_shell(answer, commands)

    dialog = Dialog(screen, Questions(), session.host.commands, run)
    await dialog.command(command, values, confirmed=confirmed)
    if not answers:
        raise UserError("Nothing was changed.")
    return answers[0]
