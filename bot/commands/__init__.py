"""One module per group of commands; each is declared once, and every platform gets it."""

from __future__ import annotations

from adapters.platforms.base import Command
from bot.commands import (
    avatars,
    check,
    examples,
    finetune,
    insight,
    model,
    notices,
    privacy,
    prompts,
    talk,
    transfer,
)
from bot.services import Services


def every_command(services: Services) -> tuple[Command, ...]:
    """All commands, in the order in which help lists them. Raises ``ValueError`` when a name is taken twice."""
    groups = (talk, avatars, prompts, examples, insight, model, privacy, transfer, finetune, notices, check)
    found = [command for group in groups for command in group.commands(services)]
    every = (talk.help_command(lambda: every), *found)
    names = [command.name for command in every]
    if len(set(names)) != len(names):
        raise ValueError(f"A command is declared twice: {sorted(names)}")
    return every
