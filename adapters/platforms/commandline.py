"""Commands as people type them, turned into the data they are declared as, and back.

Two grammars share one meaning. The chat's: ``/avatar create name:Bob prompt:"You are Bob"``, and the shell's:
``understudy avatar create --name Bob``. In both, values without a name fill the parameters in declared order, and a
``rest`` parameter takes what is left, spaces and all. Everything here only computes; each mistake is a ``UserError`` of
one sentence that names the nearest known word.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from adapters.platforms.base import Command, Param, UserError
from adapters.platforms.usage import CHAT, SHELL, Style, Value, command_help, help_table, limits, usage
from adapters.platforms.words import CLOSING, Word, read_word, words_of

__all__ = ["command_help", "convert", "find", "help_table", "nearest", "parse", "unknown", "usage"]

Values: TypeAlias = dict[str, Value]

_YES = frozenset({"yes", "true", "on", "1", "y"})
_NO = frozenset({"no", "false", "off", "0", "n"})


def parse(commands: Sequence[Command], typed: str | Sequence[str]) -> tuple[Command, Values]:
    """The command that was typed and its values: a text in the chat's grammar, or the shell's list of words."""
    if isinstance(typed, str):
        body = typed.strip().removeprefix("/")
        head = [word.text for word in words_of(body, 2)]
        command, used = find(commands, head, CHAT)
        line = _Line(body)
        for _ in range(used):
            line.word()
        return command, _assign(command, line, CHAT)
    command, used = find(commands, list(typed[:2]), SHELL)
    return command, _assign(command, _Argv(command, list(typed[used:])), SHELL)


def find(commands: Sequence[Command], words: Sequence[str], style: Style = CHAT) -> tuple[Command, int]:
    """The command that ``words`` begin with, and how many of them are its name."""
    known = {command.name: command for command in commands}
    lowered = [word.lower() for word in words[:2]]
    for used in range(len(lowered), 0, -1):
        command = known.get(" ".join(lowered[:used]))
        if command is not None:
            return command, used
    raise UserError(_unknown_command(list(known), lowered, style))


def unknown(typed: str, commands: Sequence[Command], style: Style = CHAT) -> str:
    """The sentence for a name that no command has."""
    return _unknown_command([command.name for command in commands], typed.lower().split()[:2], style)


def _unknown_command(names: Sequence[str], words: Sequence[str], style: Style) -> str:
    if not words:
        return f"Which command? {style.command('help')} lists them."
    group = [name for name in names if name.split(" ")[0] == words[0] and " " in name]
    if group and len(words) == 1:
        verbs = ", ".join(name.split(" ", 1)[1] for name in group)
        return f"{style.command(words[0])} wants one more word: {verbs}."
    typed = " ".join(words)
    near = nearest(typed, group or names) or (group[0] if len(group) == 1 else "") or nearest(words[0], names)
    shown = style.command(_short(typed if group else words[0]))
    if near:
        return f"There is no command {shown}; did you mean {style.command(near)}?"
    return f"There is no command {shown}; {style.command('help')} lists them all."


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that is most like ``word``, or nothing."""
    matches = difflib.get_close_matches(word.lower()[:80], known, n=1, cutoff=0.6)
    return matches[0] if matches else ""


def _short(text: str) -> str:
    text = " ".join(text.split()).replace("`", "'")
    return text if len(text) <= 40 else text[:39] + "…"


# -- reading values -----------------------------------------------------------------------------------------------------


class _Source(Protocol):
    """The words after a command's name, in either grammar."""

    def word(self) -> Word | None:
        """The next word, or ``None`` at the end."""
        ...

    def value(self, name: str) -> str | None:
        """The word that is the value of the parameter whose name was just read, or ``None`` when it is missing."""
        ...

    def rest(self, command: Command) -> str:
        """All that is left; in the chat's grammar, what quotes enclose when only named values follow."""
        ...

    def back(self) -> None:
        """Unread the last word."""
        ...

    def named(self, word: Word, command: Command) -> tuple[str, str | None]:
        """``(name, value)`` when the word names a parameter; the name is empty when it does not."""
        ...


class _Line:
    """The chat's grammar: ``name:value``, quotes where a value has spaces; ``--name value`` is understood too."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._last = 0

    def word(self) -> Word | None:
        self._last = self._at
        word = read_word(self._text, self._at)
        if word is not None:
            self._at = word.end
        return word

    def value(self, name: str) -> str | None:
        word = self.word()
        return None if word is None else word.text

    def rest(self, command: Command) -> str:
        quoted = read_word(self._text, self._at) if self._opens_quote() else None
        if quoted is not None and quoted.quoted:
            ahead = read_word(self._text, quoted.end) if not self._opens_quote(quoted.end) else quoted
            if ahead is None or self._is_name(ahead, command):
                self._at = quoted.end
                return quoted.text
        left = self._text[self._at :].strip()
        self._at = len(self._text)
        return left

    def _opens_quote(self, at: int | None = None) -> bool:
        return self._text[self._at if at is None else at :].lstrip()[:1] in {*CLOSING, "'"}

    def back(self) -> None:
        self._at = self._last

    def named(self, word: Word, command: Command) -> tuple[str, str | None]:
        if word.quoted:
            return "", None
        raw = self._text[word.start : word.end]
        dashed = _dashed(raw)
        if dashed:
            return _split_dashed(dashed, command, CHAT)
        name, colon, value = raw.partition(":")
        if not colon or not name.isidentifier():
            return "", None
        param = _param(command, name)
        if param is None:
            near = nearest(name, [param.name for param in command.params])
            # "promt:Hello" is a slip; "note: ..." inside a free text is not.
            if near and not any(known.rest for known in command.params):
                raise UserError(_unknown_param(command, name, CHAT))
            return "", None
        self._at = word.start + len(name) + 1
        follows = self._text[self._at : self._at + 1]
        if not value and (not follows or follows.isspace()):
            ahead = read_word(self._text, self._at)
            if ahead is None or self._is_name(ahead, command):
                raise UserError(f"{CHAT.param(name)} is without a value.")
        return name, self.value(name) if param.kind == "flag" else None

    def _is_name(self, word: Word, command: Command) -> bool:
        raw = self._text[word.start : word.end]
        name, colon, _ = raw.partition(":")
        return not word.quoted and bool(colon) and _param(command, name) is not None


class _Argv:
    """The shell's grammar: ``--name value``, ``--name=value``, and ``--`` before values that begin with a dash."""

    def __init__(self, command: Command, words: list[str]) -> None:
        self._words = words
        self._at = 0
        self._plain = False

    def word(self) -> Word | None:
        if self._at < len(self._words) and self._words[self._at] == "--" and not self._plain:
            self._plain = True
            self._at += 1
        if self._at >= len(self._words):
            return None
        self._at += 1
        return Word(self._words[self._at - 1], 0, 0, quoted=self._plain)

    def value(self, name: str) -> str | None:
        if self._at >= len(self._words):
            return None
        self._at += 1
        return self._words[self._at - 1]

    def rest(self, command: Command) -> str:
        left = self._words[self._at :]
        self._at = len(self._words)
        return " ".join(left)

    def back(self) -> None:
        self._at -= 1

    def named(self, word: Word, command: Command) -> tuple[str, str | None]:
        dashed = "" if word.quoted else _dashed(word.text)
        return _split_dashed(dashed, command, SHELL) if dashed else ("", None)


def _dashed(text: str) -> str:
    """What follows ``--`` (or the dash that a phone makes of it), when it can be a name."""
    for dashes in ("--", "—", "–"):
        if text.startswith(dashes):
            body = text[len(dashes) :]
            return body if body[:1].isalpha() or body[:1] == "_" else ""
    return ""


def _split_dashed(body: str, command: Command, style: Style) -> tuple[str, str | None]:
    name, equals, value = body.partition("=")
    name = name.replace("-", "_") if _param(command, name) is None else name
    if _param(command, name) is None:
        if style is CHAT and any(param.rest for param in command.params):
            return "", None
        raise UserError(_unknown_param(command, name, style))
    return name, value if equals else None


def _param(command: Command, name: str) -> Param | None:
    lowered = name.lower()
    return next((param for param in command.params if param.name == lowered), None)


def _unknown_param(command: Command, name: str, style: Style) -> str:
    names = [param.name for param in command.params]
    near = nearest(name, names)
    if near:
        return f"{style.command(command.name)} has no {style.param(_short(name))}; did you mean {style.param(near)}?"
    if not names:
        return f"{style.command(command.name)} takes no {style.param(_short(name))}, or any other value."
    listed = ", ".join(style.param(known) for known in names)
    return f"{style.command(command.name)} has no {style.param(_short(name))}; it takes {listed}."


def _assign(command: Command, source: _Source, style: Style) -> Values:
    given: Values = {}
    before: Param | None = None
    while (word := source.word()) is not None:
        name, value = source.named(word, command)
        param = _param(command, name) if name else _next_open(command, given)
        if param is None:
            _extra(command, word, given, style)
            continue
        if param.name in given:
            raise UserError(f"{style.param(param.name)} is given twice.")
        if name:
            given[param.name] = _named_value(param, value, source, command, style)
        elif param.rest:
            source.back()
            given[param.name] = convert(param, source.rest(command), style)
        else:
            given[param.name] = _bare(param, word, style, given, before)
        before = param if name and param.kind == "text" else None
    return complete_values(command, given, style)


def _bare(param: Param, word: Word, style: Style, given: Values, before: Param | None) -> Value:
    """A value without a name; one that does not fit may be the rest of the named one ``before`` it."""
    try:
        return convert(param, word.text, style)
    except UserError as error:
        if before is None or word.quoted or style is not CHAT:
            raise
        whole = f'{before.name}:"{_short(f"{given[before.name]} {word.text}")}"'
        raise UserError(
            f"{error} Or is it one value: `{whole}`? Put quotes around a value with spaces."
        ) from None


def _next_open(command: Command, given: Values) -> Param | None:
    return next((p for p in command.params if p.kind != "flag" and p.name not in given), None)


def _extra(command: Command, word: Word, given: Values, style: Style) -> None:
    """A word that no parameter is open for: a flag by its bare name, or one too many."""
    flag = _param(command, word.text)
    if flag is not None and flag.kind == "flag" and flag.name not in given and not word.quoted:
        given[flag.name] = True
        return
    extra = _short(word.text)
    if not any(param.kind != "flag" for param in command.params):
        raise UserError(f"{style.command(command.name)} takes no value such as `{extra}`.")
    raise UserError(
        f"`{extra}` is one value too many for {style.command(command.name)}; put quotes around a value with spaces."
    )


def _named_value(param: Param, value: str | None, source: _Source, command: Command, style: Style) -> Value:
    if param.kind == "flag" and value is None:
        return True
    if value is None:
        value = source.rest(command) if param.rest else source.value(param.name)
    if value is None:
        raise UserError(f"{style.param(param.name)} is without a value.")
    return convert(param, value, style)


# -- values -------------------------------------------------------------------------------------------------------------


def convert(param: Param, text: str, style: Style = CHAT) -> Value:
    """``text`` as the parameter's type, within its choices and limits."""
    name = style.param(param.name)
    if param.kind == "choice":
        return _choice(param, text, name)
    if param.kind == "flag":
        if text.lower() in _YES | _NO:
            return text.lower() in _YES
        raise UserError(f"{name} is yes or no, not `{_short(text)}`.")
    if param.kind == "text":
        return text
    number = _number(param, text)
    if number is None:
        what = "a whole number" if param.kind == "integer" else "a number"
        raise UserError(f"{name} is {what}{limits(param)}, not `{_short(text)}`.")
    low, high = param.minimum, param.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise UserError(f"{name} is a number{limits(param)}, and `{_short(text)}` is not.")
    return number


def _number(param: Param, text: str) -> int | float | None:
    try:
        if param.kind == "integer":
            return int(text)
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _choice(param: Param, text: str, name: str) -> str:
    for choice in param.choices:
        if choice.lower() == text.lower():
            return choice
    near = nearest(text, param.choices)
    listed = ", ".join(param.choices)
    hint = f"; did you mean `{near}`?" if near else "."
    return _refuse(f"{name} is one of {listed}, not `{_short(text)}`{hint}")


def _refuse(sentence: str) -> str:
    raise UserError(sentence)


def complete_values(command: Command, given: Mapping[str, Value], style: Style = CHAT) -> Values:
    """``given`` with the defaults added; a required parameter that is missing is an error."""
    values = dict(given)
    for param in command.params:
        if param.name in values:
            continue
        if param.required:
            raise UserError(
                f"{style.command(command.name)} needs {style.param(param.name)} ({_lowered(param.help)}):"
                f" `{usage(command, style)}`"
            )
        if param.default is not None:
            values[param.name] = param.default
    return values


def _lowered(sentence: str) -> str:
    sentence = sentence.strip().rstrip(".")
    first = sentence.split(" ", 1)[0]
    return sentence if first.isupper() else sentence[:1].lower() + sentence[1:]
