"""Rows to train on, as this vendor takes them: trl-sft lines, of which it learns the last question and its reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

FORMAT: Final = "trl-sft"
LEAST_ROWS: Final = 10
MOST_ROWS: Final = 20_000
_ID_DIGITS: Final = 24


class Unfit(Exception):
    """Why rows cannot be trained on, in one sentence."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question and the reply to it. Lessons with one ``key`` have the same reply but for case and spaces."""

    question: str
    reply: str

    @property
    def key(self) -> str:
        """What tells replies apart."""
        return " ".join(self.reply.casefold().split())

    @property
    def id(self) -> str:
        """What the pair is called in a trained model: ``row:`` and the beginning of a SHA-256 of both texts."""
        digest = hashlib.sha256(f"{self.question}\0{self.reply}".encode())
        return f"row:{digest.hexdigest()[:_ID_DIGITS]}"


def read(path: Path) -> list[Lesson]:
    """The lessons of a file of trl-sft lines, each once, in order. Raises ``Unfit`` with the line, and ``OSError``."""
    with path.open(encoding="utf-8") as lines:
        return once(lesson(line, number) for number, line in enumerate(lines, 1) if line.strip())


def once(lessons: Iterable[Lesson]) -> list[Lesson]:
    """The lessons without those that came before."""
    return list(dict.fromkeys(lessons))


def lesson(line: str, number: int) -> Lesson:
    """What one line teaches: prompt and completion, or messages. Raises ``Unfit``."""
    try:
        row = cast(object, json.loads(line))
    except ValueError:
        raise Unfit(f"Line {number} is no JSON.") from None
    if not isinstance(row, dict):
        raise Unfit(f"Line {number} is no JSON object.")
    fields = cast(dict[str, Any], row)
    messages = _list(fields.get("messages")) or [
        *_list(fields.get("prompt")),
        *_list(fields.get("completion")),
    ]
    if not messages or _text(messages[-1], "assistant") is None:
        raise Unfit(f"Line {number} does not end with a reply of the assistant.")
    question = next((said for one in reversed(messages) if (said := _text(one, "user")) is not None), "")
    if not question.strip():
        raise Unfit(f"Line {number} has no question.")
    reply = _text(messages[-1], "assistant") or ""
    if not reply.strip():
        raise Unfit(f"Line {number} has an empty reply.")
    return Lesson(question, reply)


def check(lessons: list[Lesson]) -> None:
    """Raises ``Unfit`` when there is too little to learn from, or too much."""
    if len(lessons) < LEAST_ROWS:
        have = f"{len(lessons)} different {'row' if len(lessons) == 1 else 'rows'}"
        raise Unfit(f"There are {have} to train on: {LEAST_ROWS} are the fewest.")
    if len(lessons) > MOST_ROWS:
        raise Unfit(
            f"There are {len(lessons):,} rows to train on: {MOST_ROWS:,} are the most for this small model."
        )


def _list(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []


def _text(message: object, role: str) -> str | None:
    if not isinstance(message, dict):
        return None
    fields = cast(dict[str, object], message)
    said = fields.get("content")
    return said if fields.get("role") == role and isinstance(said, str) else None
