"""One module per group of commands; each is declared once, and every platform gets it."""

from __future__ import annotations

from adapters.platforms.base import Command
from bot.services import Services


def every_command(services: Services) -> tuple[Command, ...]:
    """All commands, in the order in which help lists them. Raises ``ValueError`` when a name is taken twice."""
    from bot.commands import avatars, check, examples, insight, model, privacy, prompts, talk
    from bot.commands.transfer import transfer_commands

    async def resolve(call: object) -> object:
        raise AssertionError

    groups = (talk, avatars, prompts, examples, insight, model, privacy, check)
    found = [command for group in groups for command in group.commands(services)]
    found.extend(transfer_commands(services))
    names = [command.name for command in found]
    if len(set(names)) != len(names):
        raise ValueError(f"A command is declared twice: {sorted(names)}")
    return (talk.help_command(lambda: tuple(found)), *found)
