"""Reading what others kept: lines of a file become conversations, preferences and examples, or a reason why not.

Nothing here writes. A line is recognised by its keys: ``turns`` (a rated conversation), ``chosen`` and ``rejected`` (a
preference), ``messages`` (OpenAI's chat lines) or ``example`` (what ``export`` writes for a pair without an exchange).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from storage.imported import (
    Imported,
    ImportedConversation,
    ImportedExample,
    ImportedPair,
    ImportedPreference,
    Verdict,
)

_THUMBS = {1: 5, 0: None, -1: 1}
_PATTERNS = ("greeting", "question", "statement", "joke", "story")
_PREAMBLE = ("system", "developer")  # instructions before the talk: the avatar has a prompt of its own


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one line holds: a record, or the reason why not; and what in it was left out."""

    record: Imported | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


class _Bad(Exception):
    """The line cannot be read; ``str()`` says why."""


def parse_line(line: bytes) -> Parsed:
    """Read one line. Never raises: what cannot be read comes back as a reason."""
    notes: list[str] = []
    try:
        return Parsed(_record(_loads(line), notes), "", tuple(notes))
    except _Bad as bad:
        return Parsed(None, str(bad), ())


def _loads(line: bytes) -> dict[str, object]:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Bad(f"not UTF-8 at byte {error.start + 1}") from error
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _Bad(f"broken JSON at column {error.colno}: {error.msg}") from error
    if not isinstance(value, dict):
        raise _Bad(f"{_kind(value)} where an object is needed")
    return cast(dict[str, object], value)


def _record(line: dict[str, object], notes: list[str]) -> Imported:
    if "turns" in line:
        return _conversation(line, notes)
    if "chosen" in line or "rejected" in line:
        return _preference(line)
    if "messages" in line:
        return _chat(line, notes)
    if "example" in line:
        return _example(line)
    keys = ", ".join(repr(_short(key)) for key in list(line)[:5])
    needed = 'needs "turns", "messages", or "prompt" with "chosen" and "rejected"'
    raise _Bad(f"unknown shape with keys {keys}: {needed}" if keys else f"an empty object: {needed}")


# -- conversations


@dataclass(frozen=True, slots=True)
class _Turn:
    role: str
    text: str
    verdicts: tuple[Verdict, ...] = ()
    fit: bool = True


def _conversation(line: dict[str, object], notes: list[str]) -> ImportedConversation:
    scale = line.get("rating_scale")
    if scale not in ("thumbs", "stars5", None):
        raise _Bad(f'rating_scale is {_shown(scale)}, not "thumbs", "stars5" or null')
    turns = [_turn(each, at, scale) for at, each in enumerate(_listed(line, "turns"))]
    name = _name(line, "conversation_id")
    key = name or "hash:" + _digest([(turn.role, turn.text) for turn in turns])
    return ImportedConversation(
        key, _pairs(turns, notes), _flag(line, "consent", True), _flag(line, "private", False)
    )


def _chat(line: dict[str, object], notes: list[str]) -> ImportedConversation:
    turns = [_turn(each, at, None) for at, each in enumerate(_listed(line, "messages"))]
    key = "chat:" + _digest([(turn.role, turn.text) for turn in turns])
    return ImportedConversation(
        key, _pairs(turns, notes), _flag(line, "consent", True), _flag(line, "private", False)
    )


def _turn(value: object, at: int, scale: object) -> _Turn:
    where = f"turn {at + 1}"
    if not isinstance(value, dict):
        raise _Bad(f"{where}: {_kind(value)} where an object is needed")
    turn = cast(dict[str, object], value)
    role = turn.get("role")
    if role in _PREAMBLE and at == 0:
        return _Turn("system", _text(turn.get("content"), where))
    if role not in ("user", "assistant"):
        raise _Bad(f'{where}: role is {_shown(role)}, not "user" or "assistant"')
    return _Turn(
        str(role),
        _text(turn.get("content"), where),
        _verdicts(turn, where, scale),
        _flag(turn, "example", True),
    )


def _verdicts(turn: dict[str, object], where: str, scale: object) -> tuple[Verdict, ...]:
    """The verdict in the turn itself comes first; ``ratings`` holds those of further raters, as export writes them."""
    found = [_verdict(turn, where, scale)]
    more = turn.get("ratings")
    if more is not None:
        if not isinstance(more, list) or not all(isinstance(each, dict) for each in cast(list[object], more)):
            raise _Bad(f"{where}: ratings is not a list of objects")
        found += [_verdict(each, where, scale) for each in cast(list[dict[str, object]], more)]
    while found and found[-1] == Verdict(None):
        found.pop()
    return tuple(found)


def _verdict(of: dict[str, object], where: str, scale: object) -> Verdict:
    comment = of.get("comment")
    if comment is not None and not isinstance(comment, str):
        raise _Bad(f"{where}: comment is {_kind(comment)}, not text")
    return Verdict(_stars(of.get("rating"), where, scale), _clean(comment or "", where).strip())


def _stars(rating: object, where: str, scale: object) -> int | None:
    if rating is None:
        return None
    if isinstance(rating, float) and rating.is_integer():
        rating = int(rating)
    if isinstance(rating, bool) or not isinstance(rating, int | float):
        raise _Bad(f"{where}: rating is {_kind(rating)}, not a number")
    if scale is None:
        raise _Bad(f"{where}: a rating without a rating_scale")
    if scale == "thumbs" and rating in _THUMBS:
        return _THUMBS[int(rating)]
    if scale == "stars5" and rating in (1, 2, 3, 4, 5):
        return int(rating)
    allowed = "-1, 0 or 1" if scale == "thumbs" else "1 to 5"
    raise _Bad(f"{where}: rating {_shown(rating)} is outside of the scale {scale} ({allowed})")


def _pairs(turns: Sequence[_Turn], notes: list[str]) -> tuple[ImportedPair, ...]:
    """Every reply with the message before it; what cannot be paired is noted."""
    pairs: list[ImportedPair] = []
    asked: list[str] = []
    for at, turn in enumerate(turns):
        where = f"turn {at + 1}"
        if turn.role == "system":
            continue
        if turn.role == "user":
            if turn.verdicts:
                notes.append(f"{where}: a rating of a user's message is not kept")
            if turn.text.strip():
                asked.append(turn.text)
            else:
                notes.append(f"{where}: empty content")
            continue
        if not asked:
            notes.append(f"{where}: a reply without a user's message before it")
        elif not turn.text.strip():
            notes.append(f"{where}: empty content")
        else:
            pairs.append(ImportedPair(len(pairs), "\n".join(asked), turn.text, turn.verdicts, turn.fit))
        asked = []
    if asked:
        notes.append(f"turn {len(turns)}: a message without a reply")
    if not pairs:
        reason = "no user's message that is followed by a reply"
        raise _Bad(f"{reason} ({notes[0]})" if notes else reason)
    return tuple(pairs)


# -- preferences and examples -----------------------------------------------------------------------------------------


def _preference(line: dict[str, object]) -> ImportedPreference:
    _must_consent(line)
    prompt = line.get("prompt")
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    turns = [_turn(each, at, None) for at, each in enumerate(_items(prompt, "prompt"))]
    context = tuple((turn.role, turn.text) for turn in turns if turn.role != "system")
    if not context or context[-1][0] != "user":
        raise _Bad("prompt does not end with a user's message")
    chosen, rejected = _reply(line, "chosen"), _reply(line, "rejected")
    if not all(text.strip() for text in (context[-1][1], chosen, rejected)):
        raise _Bad("prompt, chosen or rejected is empty")
    if chosen == rejected:
        raise _Bad("chosen and rejected are the same")
    name = _name(line, "pair_id")
    key = (
        "pair:" + name
        if name
        else "pair-hash:" + _digest([*context, ("chosen", chosen), ("rejected", rejected)])
    )
    return ImportedPreference(key, context, chosen, rejected)


def _reply(line: dict[str, object], name: str) -> str:
    """A reply as text, or as a list with the one message that says it."""
    value = line.get(name)
    if isinstance(value, list) and len(cast(list[object], value)) == 1:
        value = cast(list[object], value)[0]
    if isinstance(value, dict):
        value = cast(dict[str, object], value).get("content")
    return _text(value, name)


def _example(line: dict[str, object]) -> ImportedExample:
    _must_consent(line)
    value = line["example"]
    if not isinstance(value, dict):
        raise _Bad(f"example is {_kind(value)}, not an object")
    example = cast(dict[str, object], value)
    user, assistant = _text(example.get("user"), "user"), _text(example.get("assistant"), "assistant")
    if not user.strip() or not assistant.strip():
        raise _Bad("user or assistant is empty")
    pattern, quality = example.get("pattern", "statement"), example.get("quality", 1.0)
    if pattern not in _PATTERNS:
        raise _Bad(f"pattern is {_shown(pattern)}, not one of {', '.join(_PATTERNS)}")
    if isinstance(quality, bool) or not isinstance(quality, int | float) or not 0 <= quality <= 1:
        raise _Bad(f"quality is {_shown(quality)}, not a number from 0 to 1")
    key = "example:" + _digest([("user", user), ("assistant", assistant)])
    return ImportedExample(key, user, assistant, str(pattern), float(quality), _flag(line, "private", False))


# -- values -----------------------------------------------------------------------------------------------------------


def _listed(line: dict[str, object], name: str) -> list[object]:
    return _items(line.get(name), name)


def _items(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise _Bad(f"{name} is {_kind(value)}, not a list")
    if not value:
        raise _Bad(f"{name} is empty")
    return cast(list[object], value)


def _text(value: object, where: str) -> str:
    """Text, or OpenAI's list of text parts."""
    if isinstance(value, list):
        parts: list[str] = []
        for part in cast(list[object], value):
            text = cast(dict[str, object], part).get("text") if isinstance(part, dict) else None
            if not isinstance(text, str):
                raise _Bad(f"{where}: content has a part that is not text")
            parts.append(text)
        value = "\n".join(parts)
    if not isinstance(value, str):
        raise _Bad(f"{where}: content is {_kind(value)}, not text")
    return _clean(value, where)


def _clean(text: str, where: str) -> str:
    if "\0" in text:  # Postgres keeps no such text
        raise _Bad(f"{where}: holds a NUL character")
    return text


def _name(line: dict[str, object], name: str) -> str:
    """The file's own name of the line; a long one is shortened to a hash, as database keys are."""
    value = line.get(name)
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Bad(f"{name} is {_kind(value)}, not text")
    text = _clean(str(value), name)
    return text if len(text) <= 200 else "hash:" + hashlib.sha256(text.encode()).hexdigest()


def _flag(line: dict[str, object], name: str, usual: bool) -> bool:
    value = line.get(name, usual)
    if not isinstance(value, bool):
        raise _Bad(f"{name} is {_kind(value)}, not true or false")
    return value


def _must_consent(line: dict[str, object]) -> None:
    """A conversation is kept without consent, if not learnt from; a pair is there only to be learnt from."""
    if not _flag(line, "consent", True):
        raise _Bad("the file says that it must not be learnt from")


def _digest(parts: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:32]


def _kind(value: object) -> str:
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        type(None): "missing",
    }
    return kinds.get(type(value), "a number")


def _shown(value: object) -> str:
    return _short(orjson.dumps(value).decode()) if value is not None else "missing"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
