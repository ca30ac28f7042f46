"""How commands are written: their usage and help, and a command with its values as a person would type it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from adapters.platforms.base import Command, Param

Value: TypeAlias = str | int | float | bool | None


_TYPED = re.compile(r"`/([a-z]+(?: [a-z]+)*)((?: [^`]*)?)`")
_WITHIN = re.compile(r"(?<=[^\W_])_(?=[^\W_])")


@dataclass(frozen=True, slots=True)
class Style:
    """How commands and parameters are written where the person types."""

    before: str = "/"
    named: str = "{}:"

    def command(self, name: str) -> str:
        """The command as it is typed."""
        return f"`{self.before}{name}`"

    def param(self, name: str) -> str:
        """The parameter as it is typed."""
        return f"`{self.written(name)}`"

    def written(self, name: str) -> str:
        """The parameter's name as it is typed; the shell's options have dashes within."""
        return self.named.format(_WITHIN.sub("-", name) if self.named.startswith("--") else name)


CHAT = Style()
SHELL = Style(before="understudy ", named="--{}")


def limits(param: Param) -> str:
    """The limits of a number, in words."""
    low, high = param.minimum, param.maximum
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if low is not None:
        return f" of at least {low:g}"
    return f" of at most {high:g}" if high is not None else ""


def format_line(command: Command, values: Mapping[str, Value]) -> str:
    """The command in the chat's grammar, such that ``parse`` gives the same values."""
    parts = [f"/{command.name}"]
    for param in command.params:
        value = values.get(param.name)
        if value is not None:
            parts.append(f"{param.name}:{quote(_written(value))}")
    return " ".join(parts)


def format_argv(command: Command, values: Mapping[str, Value]) -> list[str]:
    """The command as the shell's words, such that ``parse`` gives the same values."""
    words = command.name.split(" ")
    for param in command.params:
        value = values.get(param.name)
        if value is not None:
            words.append(f"{SHELL.written(param.name)}={_written(value)}")
    return words


def as_in_shell(text: str, commands: Mapping[str, Command]) -> str:
    """``text`` with the chat's commands that it names in backticks as they are typed in a shell."""

    def typed(found: re.Match[str]) -> str:
        words, values = found[1].split(" "), found[2]
        for many in range(len(words), 0, -1):
            name = " ".join(words[:many])
            if (command := commands.get(name)) is not None:
                rest = "".join(f" {word}" for word in words[many:]) + values
                for param in command.params:
                    rest = rest.replace(f" {CHAT.written(param.name)}", f" {SHELL.written(param.name)} ")
                return f"`{SHELL.before}{name}{rest}`"
        return found[0]

    return _TYPED.sub(typed, text)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def quote(text: str) -> str:
    """``text`` as one word of the chat's grammar."""
    if text and not any(mark.isspace() or mark in "\"'\\“”„" for mark in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def usage(command: Command, style: Style = CHAT) -> str:
    """One line: the command and its parameters, the optional ones in brackets."""
    parts = [f"{style.before}{command.name}"]
    for param in command.params:
        if param.kind == "flag":
            shown = style.written(param.name) + ("yes" if style is CHAT else "")
        elif style is CHAT:
            shown = f"{param.name}:…"
        else:
            shown = f"{style.written(param.name)} {param.name.upper()}"
        parts.append(shown if param.required else f"[{shown}]")
    return " ".join(parts)


def command_help(command: Command, style: Style = CHAT) -> str:
    """What a command does and takes, as Markdown."""
    lines = [f"`{usage(command, style)}`", "", command.help]
    if command.params:
        lines.append("")
    for param in command.params:
        facts = [param.help.rstrip(".")]
        if param.choices:
            facts.append("one of " + ", ".join(param.choices))
        if within := limits(param):
            facts.append("a number" + within)
        if param.default not in (None, "", False):
            facts.append(f"{_written(param.default)} unless given")
        lines.append(f"- {style.param(param.name)} — {'; '.join(facts)}")
    return "\n".join(lines)


def help_table(commands: Sequence[Command], style: Style = CHAT) -> str:
    """Every command with its help, as Markdown."""
    return "\n".join(f"- `{style.before}{command.name}` — {command.help}" for command in commands)
