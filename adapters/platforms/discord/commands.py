"""The declared commands as Discord's application commands, and what a person gave in them.

``declare`` only computes, so that what Discord will be told can be checked without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import discord

from adapters.platforms.base import Access, Command, Param, UserError
from adapters.platforms.commandline import complete_values, convert
from adapters.platforms.discord.options import Options
from adapters.platforms.usage import Value

RATE_MENU: Final = "Rate this reply"
TEACH_MENU: Final = "Teach this as an example"

CHOICES: Final = 25
NAME: Final = 32
DESCRIPTION: Final = 100
VALUE: Final = 100
"""Discord's limits: choices of a parameter, characters of a name, of a description and of a choice."""

_SUBCOMMAND, _STRING, _INTEGER, _BOOLEAN, _NUMBER = 1, 3, 4, 5, 10
_CHAT_INPUT, _MESSAGE = 1, 3
_TYPES = {"text": _STRING, "choice": _STRING, "integer": _INTEGER, "number": _NUMBER, "flag": _BOOLEAN}
_EVERYWHERE: Mapping[str, Any] = {"contexts": [0, 1], "integration_types": [0]}
_LARGEST = 2.0**53  # beyond this Discord's own clients round


def declare(commands: Sequence[Command], options: Options | None = None) -> list[dict[str, Any]]:
    """Everything that Discord is to offer: a command for each first word, and two for messages.

    Who sees a command follows from its level and ``options``; who may give it is decided anew on every call.
    """
    seen = _Seen(options or Options())
    groups: dict[str, list[Command]] = {}
    for command in commands:
        groups.setdefault(command.name.partition(" ")[0], []).append(command)
    declared = [
        _single(members[0], seen)
        if [each.name for each in members] == [word]
        else _group(word, members, seen)
        for word, members in groups.items()
    ]
    return [*declared, _menu(RATE_MENU, seen.by(Access.RATER)), _menu(TEACH_MENU, seen.by(Access.REVIEWER))]


@dataclass(frozen=True, slots=True)
class Given:
    """A command as a person gave it, in Discord's words: its name, its options, and the one being typed."""

    name: str
    options: Mapping[str, Any]
    focused: str = ""


def given(data: Mapping[str, Any]) -> Given:
    """What an interaction says was given."""
    name = str(data.get("name", ""))
    options: Sequence[Mapping[str, Any]] = data.get("options") or ()
    while options and options[0].get("type") in (1, 2):
        name = f"{name} {options[0]['name']}"
        options = options[0].get("options") or ()
    focused = next((str(each["name"]) for each in options if each.get("focused")), "")
    return Given(name, {str(each["name"]): each.get("value") for each in options}, focused)


def find(commands: Sequence[Command], name: str) -> Command | None:
    """The command of that name."""
    return next((command for command in commands if command.name == name), None)


def values_of(command: Command, options: Mapping[str, Any], *, partial: bool = False) -> dict[str, Value]:
    """The values of a call, each of its declared type and with defaults. Raises ``UserError``.

    What Discord should have checked is checked again: its declaration may be older than ours. With ``partial``, what
    is missing or wrong is left out, as while somebody is still typing.
    """
    values: dict[str, Value] = {}
    for param in command.params:
        raw = options.get(param.name)
        if raw is None:
            continue
        try:
            values[param.name] = _value(param, raw)
        except UserError:
            if not partial:
                raise
    return values if partial else complete_values(command, values)


def choices_of(proposed: Sequence[str]) -> list[dict[str, str]]:
    """Proposals for a value as Discord shows them; one that is too long for it cannot be chosen and is left out."""
    fitting = [each for each in dict.fromkeys(proposed) if 0 < len(each) <= VALUE]
    return [{"name": each, "value": each} for each in fitting[:CHOICES]]


class _Seen:
    """Which of Discord's permissions makes a command visible."""

    def __init__(self, options: Options) -> None:
        self._names = {
            Access.MEMBER: (),
            Access.RATER: (),
            Access.REVIEWER: options.reviewer,
            Access.TRAINER: options.trainer,
            Access.OWNER: options.owner,
        }

    def by(self, access: Access) -> str | None:
        """The permission that a member needs to see commands of this level; ``None`` for everybody.

        Discord hides a command from whoever lacks any of the permissions named. A level that goes by roles, or by one of
        several permissions, is therefore shown to all.
        """
        names = self._names[access]
        flag = discord.Permissions.VALID_FLAGS.get(names[0]) if len(names) == 1 else None
        return None if flag is None else str(flag)


def _single(command: Command, seen: _Seen) -> dict[str, Any]:
    return {
        "type": _CHAT_INPUT,
        "name": command.name[:NAME],
        "description": _short(command.help, DESCRIPTION),
        "options": _params(command),
        "default_member_permissions": seen.by(command.access),
        **_EVERYWHERE,
    }


def _group(word: str, members: Sequence[Command], seen: _Seen) -> dict[str, Any]:
    verbs = [each for each in members if " " in each.name]
    if len(verbs) < len(members):
        raise ValueError(f"/{word} is a command and a group of commands at once, which Discord cannot show")
    names = ", ".join(each.name.partition(" ")[2] for each in verbs)
    return {
        "type": _CHAT_INPUT,
        "name": word[:NAME],
        "description": _short(f"{word.capitalize()}: {names}", DESCRIPTION),
        "options": [
            {
                "type": _SUBCOMMAND,
                "name": each.name.partition(" ")[2][:NAME],
                "description": _short(each.help, DESCRIPTION),
                "options": _params(each),
            }
            for each in verbs
        ],
        "default_member_permissions": seen.by(min(each.access for each in verbs)),
        **_EVERYWHERE,
    }


def _menu(name: str, permission: str | None) -> dict[str, Any]:
    return {"type": _MESSAGE, "name": name, "default_member_permissions": permission, **_EVERYWHERE}


def _params(command: Command) -> list[dict[str, Any]]:
    """Discord wants the required ones first; otherwise they keep their order."""
    ordered = sorted(command.params, key=lambda param: not param.required)
    return [_param(param) for param in ordered]


def _param(param: Param) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "type": _TYPES[param.kind],
        "name": param.name[:NAME],
        "description": _short(param.help, DESCRIPTION),
        "required": param.required,
    }
    if param.kind == "choice":
        declared["choices"] = [{"name": each, "value": each} for each in param.choices[:CHOICES]]
    elif param.complete is not None and param.kind == "text":
        declared["autocomplete"] = True
    if param.kind in ("integer", "number"):
        whole = param.kind == "integer"
        for key, limit in (("min_value", param.minimum), ("max_value", param.maximum)):
            if limit is not None and abs(limit) < _LARGEST:
                declared[key] = int(limit) if whole else limit
    return declared


def _value(param: Param, raw: object) -> Value:
    if isinstance(raw, bool):
        return convert(param, "yes" if raw else "no")
    if param.kind == "integer" and isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return convert(param, str(raw))


def _short(text: str, longest: int) -> str:
    """Plain text of that length: Discord shows no Markdown here."""
    plain = " ".join(text.replace("`", "").split())
    plain = plain[:1].upper() + plain[1:]
    if len(plain) <= longest:
        return plain
    return plain[: longest - 1].rsplit(" ", 1)[0].rstrip(",;:.") + "…"
