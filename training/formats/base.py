"""What every format is made of: its limits, what is found in a line, and what no format carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from training.rows import Method, Role, Row, Turn


class Unfit(Exception):
    """A format cannot carry a row, or a line holds none; ``str()`` is the reason, always in the same words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a vendor allows; ``None`` where it names no limit. Tokens are those of the prompt and its longest reply.

    ``min_examples`` and ``max_examples`` are of the file to train on, ``max_validation`` of the one to check with.
    """

    min_examples: int | None = None
    max_examples: int | None = None
    max_validation: int | None = None
    tokens_per_example: int | None = None
    file_bytes: int | None = None


@dataclass(slots=True)
class Found:
    """What was read from one line.

    ``errors`` and ``warnings`` are (field, sentence). ``foreign`` says what the vendor takes but no row holds. ``texts``
    are those of the prompt and ``replies`` those it may go on with, for counting tokens.
    """

    errors: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    warnings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    foreign: str = ""
    texts: list[str] = field(default_factory=list[str])
    replies: list[str] = field(default_factory=list[str])
    row: Row | None = None
    label: bool | None = None

    def error(self, at: str, message: str) -> None:
        self.errors.append((at, message))

    def warn(self, at: str, message: str) -> None:
        self.warnings.append((at, message))


@dataclass(frozen=True, slots=True)
class Format:
    """One shape of file. ``write`` makes the line's object of a row, ``read`` finds what is in an object.

    ``lacks`` is what a row may have and a line has no place for.
    """

    name: str
    method: Method
    vendor: str
    help: str
    limits: Limits
    write: Callable[[Row], object]
    read: Callable[[Mapping[str, object], Found], None]
    lacks: str = ""


def check_row(row: Row, method: Method) -> None:
    """Raises ``Unfit`` for a row that no format carries."""
    if row.method != method or (row.rejected is not None and row.label is not None):
        raise Unfit(f"the row is not for {method}")
    if not row.prompt or row.prompt[-1].role != "user":
        raise Unfit("the prompt does not end with the user")
    if any(turn.role == "system" for turn in row.prompt[1:]):
        raise Unfit("a system message after the first message")
    if not all(turn.text.strip() for turn in row.prompt):
        raise Unfit("an empty message")
    if not row.reply.strip() or (row.rejected is not None and not row.rejected.strip()):
        raise Unfit("an empty reply")
    if row.reply == row.rejected:
        raise Unfit("the chosen and the rejected reply are the same")


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def keys(
    value: Mapping[str, object], at: str, found: Found, needed: Sequence[str], known: Sequence[str] = ()
) -> bool:
    """Note missing and unknown keys; False where one is missing."""
    for name in value:
        if name not in needed and name not in known:
            allowed = ", ".join(dict.fromkeys((*needed, *known)))
            found.error(join(at, name[:40]), f"unknown key; allowed here: {allowed}")
    missing = [name for name in needed if name not in value]
    for name in missing:
        found.error(join(at, name), "this key is missing")
    return not missing


def join(at: str, name: str) -> str:
    """The name of a field in another; a name that would break the line in which it is told is quoted."""
    if not name or not name.isprintable():
        name = ascii(name)
    return f"{at}.{name}" if at else name


def as_object(value: object, at: str, found: Found) -> Mapping[str, object] | None:
    if isinstance(value, dict):
        return cast(dict[str, object], value)
    found.error(at, f"{kind(value)} where an object is needed")
    return None


def as_list(value: object, at: str, found: Found, of: str = "") -> list[object] | None:
    """The value, where it is a list that is not empty; ``of`` says what it should hold."""
    if not isinstance(value, list):
        found.error(at, f"{kind(value)} where a list{of and ' of '}{of} is needed")
    elif not value:
        found.error(at, "an empty list where at least one is needed")
    else:
        return cast(list[object], value)
    return None


def as_text(value: object, at: str, found: Found, *, empty: bool = False) -> str | None:
    if not isinstance(value, str):
        found.error(at, f"{kind(value)} where text is needed")
        return None
    if not empty and not value.strip():
        found.error(at, "empty text")
    return value


def make_row(
    turns: Sequence[tuple[str, str]],
    reply: str,
    found: Found,
    *,
    rejected: str | None = None,
    label: bool | None = None,
) -> None:
    """Keep the row that a line holds, or why no row can hold it."""
    if found.errors or found.foreign:
        return
    row = Row(tuple(Turn(cast(Role, role), text) for role, text in turns), reply, rejected, label)
    try:
        check_row(row, row.method)
    except Unfit as unfit:
        found.foreign = str(unfit)
        return
    found.row = row
