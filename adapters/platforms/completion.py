"""What may follow what was typed of a command: names, parameters, choices, and what a parameter itself proposes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from adapters.platforms.base import Call, Command, Param, UserError
from adapters.platforms.commandline import find
from adapters.platforms.usage import Value, quote
from adapters.platforms.words import Word, read_word, words_of

CallFor: TypeAlias = Callable[[Command, dict[str, Value]], Call]


@dataclass(frozen=True, slots=True)
class Proposal:
    """``text`` to stand in place of the last ``replaces`` characters; ``note`` explains it."""

    text: str
    replaces: int
    note: str = ""


async def propose(commands: Sequence[Command], line: str, call_for: CallFor) -> list[Proposal]:
    """What may follow ``line``, which begins with a slash and ends at the cursor."""
    body = line.removeprefix("/")
    words = words_of(body, 2)
    if not words or (len(words) == 1 and not body[-1].isspace()):
        return _names(commands, body, len(line))
    try:
        command, used = find(commands, [word.text for word in words])
    except UserError:
        return _names(commands, body, len(line))
    if words[used - 1].end == len(body):
        return _names(commands, body, len(line))
    return await _values(command, body, words[used - 1].end, call_for)


def _names(commands: Sequence[Command], typed: str, length: int) -> list[Proposal]:
    begun = " ".join(typed.lower().split()) + (" " if typed[-1:].isspace() and typed.strip() else "")
    found = [command for command in commands if command.name.startswith(begun)]
    return [Proposal(f"/{command.name}", length, command.help) for command in found]


async def _values(command: Command, body: str, at: int, call_for: CallFor) -> list[Proposal]:
    given, last = _read(command, body, at)
    begun = body[last.start : last.end] if last is not None else ""
    name, colon, value = begun.partition(":")
    named = next((p for p in command.params if p.name == name.lower()), None) if colon else None
    if named is not None:
        return await _of_param(command, named, value, given, call_for)
    left = [param for param in command.params if param.name not in given]
    proposals: list[Proposal] = []
    positional = next((param for param in left if param.kind != "flag"), None)
    if positional is not None:
        proposals += await _of_param(command, positional, begun, given, call_for)
    for param in left:
        if param.name.startswith(begun.lower()):
            text = f"{param.name}:yes" if param.kind == "flag" else f"{param.name}:"
            proposals.append(Proposal(text, len(begun), param.help))
    return proposals


def _read(command: Command, body: str, at: int) -> tuple[dict[str, Value], Word | None]:
    """The values that are complete, as text, and the word at the cursor if there is one."""
    given: dict[str, Value] = {}
    try:
        while (word := read_word(body, at)) is not None:
            if word.end == len(body) and not word.quoted:
                return given, word
            name, colon, value = body[word.start : word.end].partition(":")
            param = next((p for p in command.params if p.name == name.lower()), None) if colon else None
            if param is not None and value[:1] in {'"', "“"}:
                word = read_word(body, word.start + len(name) + 1) or word
            elif param is None:
                value = word.text
                param = next((p for p in command.params if p.kind != "flag" and p.name not in given), None)
            if param is not None:
                given[param.name] = value
            at = word.end
    except UserError:  # inside an open quote nothing is proposed
        return {param.name: None for param in command.params}, None
    return given, None


async def _of_param(
    command: Command, param: Param, begun: str, given: dict[str, Value], call_for: CallFor
) -> list[Proposal]:
    plain = begun.lstrip("\"“'")
    if param.kind == "flag":
        known: Sequence[str] = ("yes", "no")
    elif param.choices:
        known = param.choices
    elif param.complete is not None:
        known = await param.complete(call_for(command, given), plain)
    else:
        return []
    found = [value for value in known if value.lower().startswith(plain.lower())]
    return [Proposal(quote(value), len(begun), param.help) for value in found]
