"""The declared commands as people give them on Slack: behind a slash, or said to the avatar in a thread."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.platforms.base import Command, Host
from adapters.platforms.commandline import convert, nearest, parse
from adapters.platforms.slack.markup import unescape
from adapters.platforms.usage import Value

SLASH: Final = "/understudy"
FINETUNE: Final = "/finetune"
GROUP: Final = "finetune"
"""The group of commands that has a slash command of its own."""

_TYPED = re.compile(r"/([A-Za-z]+)(?=\s|\Z)")
_OWN = (SLASH.removeprefix("/"),)
_HELP = "help"


@dataclass(frozen=True, slots=True)
class Given:
    """A command with the values that were given and the defaults; ``missing`` are those that it needs besides."""

    command: Command
    values: Mapping[str, Value]
    missing: tuple[str, ...] = ()


def command_in(text: str, host: Host) -> str | None:
    """The command that something said to the avatar is, without its slash; ``None`` for ordinary speech.

    ``text`` is without the mention. It is one when it is ``help``, alone or before the name of a command or a group of
    them, or begins with a slash and a word that is the first of a command or nearly so.
    """
    said = text.strip()
    words = said.casefold().split()
    if words[:1] == [_HELP]:
        named = " ".join(words[1:])
        if not named or named in first_words(host.commands) or find(host.commands, named):
            return " ".join(words)
    found = _TYPED.match(said)
    if found is None:
        return None
    word = found[1].lower()
    if word in _OWN:
        return _helped(said[found.end() :].strip().removeprefix("/")) or _HELP
    known = first_words(host.commands) | {GROUP}
    if word in known or nearest(word, sorted(known)):
        return _helped(said[1:])
    return None


def first_words(commands: Sequence[Command]) -> frozenset[str]:
    """The first word of every command."""
    return frozenset(command.name.partition(" ")[0] for command in commands)


def line_of(slash: str, text: str) -> str:
    """What was typed behind a slash command, as one line of the grammar that all platforms share."""
    line = unescape(text).strip().removeprefix("/")
    word = line.split(" ", 1)[0].lower()
    if slash == FINETUNE and word != GROUP:
        line = f"{GROUP} {line}"
    elif word in _OWN:
        line = line.partition(" ")[2].strip().removeprefix("/")
    return _helped(line.strip()) or _HELP


def _helped(line: str) -> str:
    """The line, or what a call for help with a group is, which has no command of that name."""
    group, _, rest = line.partition(" ")
    word, _, named = rest.strip().partition(" ")
    if group.lower() != GROUP or word.lower() not in ("", _HELP):
        return line
    return f"{_HELP} {GROUP} {named.strip()}".strip()


def read(commands: Sequence[Command], line: str) -> Given:
    """The command in a line, however much of what it needs is missing. Raises ``UserError`` for any other mistake."""
    relaxed = [_relaxed(command) for command in commands]
    found, values = parse(relaxed, line)
    command = next(each for each in commands if each.name == found.name)
    missing = tuple(
        param.name for param in command.params if param.required and values.get(param.name) in (None, "")
    )
    return Given(command, values, missing)


def find(commands: Sequence[Command], name: str) -> Command | None:
    """The command of that name."""
    return next((command for command in commands if command.name == name), None)


def meant(commands: Sequence[Command], line: str) -> str:
    """The command that a line with a mistake in it begins with, or nothing."""
    words = line.lower().split()[:2]
    names = {command.name for command in commands}
    return next((name for name in (" ".join(words), *words[:1]) if name in names), "")


def with_defaults(command: Command, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with the defaults of those that were not given."""
    defaults = {param.name: param.default for param in command.params if param.default is not None}
    return {**defaults, **values}


def written(values: Mapping[str, Value]) -> dict[str, str]:
    """Values as a button or a form carries them."""
    return {
        name: ("yes" if value else "no") if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }


def typed_values(command: Command, given: Mapping[str, str]) -> dict[str, Value]:
    """The values that a button carries, each of its declared type. Raises ``UserError``."""
    params = {param.name: param for param in command.params}
    return {name: convert(params[name], text) for name, text in given.items() if name in params}


def _relaxed(command: Command) -> Command:
    if not any(param.required for param in command.params):
        return command
    return replace(command, params=tuple(replace(param, required=False) for param in command.params))
