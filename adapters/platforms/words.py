"""Words and quotes in a line that a person typed, straight quotes or curly ones, and never an error but an open quote."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.platforms.base import UserError

CLOSING = {'"': '"', "“": "”", "”": "”", "„": "“”"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word, its place in the line (``start``, ``end``), and whether quotes stood around it."""

    text: str
    start: int
    end: int
    quoted: bool = False


def words_of(line: str, limit: int) -> list[Word]:
    """The first words of a line, at most ``limit``."""
    words: list[Word] = []
    at = 0
    while len(words) < limit and (word := _bare(line, at)) is not None:
        words.append(word)
        at = word.end
    return words


def read_word(line: str, at: int) -> Word | None:
    """The next word from ``at`` on, or ``None`` at the end of the line."""
    start = _skip_space(line, at)
    if start >= len(line):
        return None
    if line[start] in CLOSING:
        return _quoted(line, start)
    if line[start] == "'":
        return _apostrophes(line, start) or _bare(line, start)
    return _bare(line, start)


def _skip_space(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _bare(line: str, at: int) -> Word | None:
    start = _skip_space(line, at)
    if start >= len(line):
        return None
    end = start
    while end < len(line) and not line[end].isspace():
        end += 1
    return Word(line[start:end], start, end)


def _quoted(line: str, start: int) -> Word:
    closing = CLOSING[line[start]]
    text: list[str] = []
    at = start + 1
    while at < len(line):
        mark = line[at]
        if mark == "\\" and line[at + 1 : at + 2] in {"\\", '"'}:
            text.append(line[at + 1])
            at += 2
            continue
        if mark in closing:
            return Word("".join(text), start, at + 1, quoted=True)
        text.append(mark)
        at += 1
    opened = " ".join(line[start : start + 20].split())
    raise UserError(f"The quote that begins at {opened} is not closed.")


def _apostrophes(line: str, start: int) -> Word | None:
    """A word in single quotes; ``'tis`` is none."""
    end = line.find("'", start + 1)
    while end != -1 and not (end + 1 == len(line) or line[end + 1].isspace()):
        end = line.find("'", end + 1)
    return None if end == -1 else Word(line[start + 1 : end], start, end + 1, quoted=True)
