"""Tables as code blocks: columns side by side, cells wrapped, within the width that a chat shows."""

from __future__ import annotations

import csv
import io
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.platforms.base import Table

WIDTH = 76
_NARROWEST = 5
_LINES = 4
_GAP = "  "
_NUMBER = re.compile(r"[-+−]?[$€]?[\d,. ]*\d ?[%a-zA-Z]{0,3}")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A table as it is shown; ``whole`` is False where something of it had to be left out."""

    block: str
    whole: bool


def drawn(table: Table, limit: int) -> Drawn:
    """The table as a code block of at most ``limit`` characters."""
    if not table.rows:
        return Drawn("-# There is nothing to list.", True)
    cells = [[_plain(cell) for cell in row] for row in (table.columns, *table.rows)]
    kept = [at for at in range(len(table.columns)) if any(at < len(row) and row[at] for row in cells)]
    columns = [[row[at] if at < len(row) else "" for row in cells] for at in kept]
    widths = _widths([max(map(_width, column)) for column in columns])
    right = [all(_NUMBER.fullmatch(cell) or cell in {"", "-"} for cell in column[1:]) for column in columns]
    whole = True
    lines: list[str] = []
    size = 0
    for number in range(len(cells)):
        wrapped, complete = _row([column[number] for column in columns], widths, right)
        whole = whole and complete
        if number == 1:
            wrapped.insert(0, "─" * min(WIDTH, sum(widths) + len(_GAP) * (len(widths) - 1)))
        more = sum(len(line) + 1 for line in wrapped)
        if size + more > limit - 80 and number > 1:
            left = len(cells) - number
            lines.append(f"… and {left} more {'row' if left == 1 else 'rows'}")
            whole = False
            break
        lines += wrapped
        size += more
    note = "" if whole else "\n-# Everything is in table.csv."
    text = "\n".join(lines)
    return Drawn(f"```\n{text}\n```{note}", whole)


def csv_of(table: Table) -> bytes:
    """The whole table, for a spreadsheet; what looks like a formula is text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows([[_harmless(cell) for cell in row] for row in table.rows])
    return out.getvalue().encode("utf-8", "replace")


def _harmless(cell: str) -> str:
    return (
        f"'{cell}" if cell[:1] in set("=+-@\t\r") and not _NUMBER.fullmatch(cell) and len(cell) > 1 else cell
    )


def _plain(cell: str) -> str:
    """One line that stays inside of the block."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in cell).split())
    return re.sub("`(?=`)", "`\N{ZERO WIDTH SPACE}", line)


def _widths(natural: Sequence[int]) -> list[int]:
    """The widest columns give way until all of them fit."""
    widths = [max(1, width) for width in natural]
    room = WIDTH - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widest = max(widths)
        second = max((width for width in widths if width < widest), default=_NARROWEST)
        several = widths.count(widest)
        step = max(1, min(widest - max(second, _NARROWEST), -(-(sum(widths) - room) // several)))
        widths = [width - step if width == widest else width for width in widths]
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> tuple[list[str], bool]:
    """The lines of one row, and whether all of it is there."""
    wrapped: list[list[str]] = []
    whole = True
    for cell, width in zip(cells, widths, strict=True):
        lines = _wrapped(cell, width)
        if len(lines) > _LINES:
            lines = [*lines[: _LINES - 1], _cut(lines[_LINES - 1], width)]
            whole = False
        wrapped.append(lines)
    made: list[str] = []
    for at in range(max(map(len, wrapped))):
        parts = [
            _padded(lines[at] if at < len(lines) else "", width, to_right)
            for lines, width, to_right in zip(wrapped, widths, right, strict=True)
        ]
        made.append(_GAP.join(parts).rstrip())
    return made, whole


def _wrapped(cell: str, width: int) -> list[str]:
    if _width(cell) <= width:
        return [cell]
    if _width(cell) == len(cell):
        return textwrap.wrap(cell, width) or [""]
    lines, line = list[str](), ""
    for mark in cell:  # wide characters, of scripts that break anywhere
        if _width(line + mark) > width:
            lines.append(line)
            line = ""
        line += mark
    return [*lines, line]


def _cut(line: str, width: int) -> str:
    while line and _width(line) >= width:
        line = line[:-1]
    return line + "…"


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * max(0, width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    """How many columns a text takes where every letter has the same width."""
    if text.isascii():
        return len(text)
    return sum(_mark_width(mark) for mark in text)


def _mark_width(mark: str) -> int:
    if (
        unicodedata.combining(mark)
        or mark in "\N{ZERO WIDTH SPACE}\N{VARIATION SELECTOR-16}\N{ZERO WIDTH JOINER}"
    ):
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1
