"""Tables as code blocks: columns side by side, cells wrapped, within the width that a chat shows.

Where that would break the words that people copy, such as the names of models, each row is a list of its cells instead, as
far as all of them have room. A column of which no row has anything is left out.
"""

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
_LONGEST_WORD = 48  # an id that people copy
_HEIGHTS = (4, 2, 1)
_AIRY = 2
_MOST = 60
_SPARE = WIDTH + 80  # the rule, and what is said of rows that are left out
_GAP = "  "
_NUMBER = re.compile(r"[-+−]?[$€]?[\d,. ]*\d ?[%a-zA-Z]{0,3}")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A table as it is shown; ``whole`` is False where something of it had to be left out."""

    block: str
    whole: bool


def filled(table: Table) -> Table:
    """The table without the columns of which no row has anything, each row as long as the headings."""
    kept = [
        at for at in range(len(table.columns)) if any(at < len(row) and row[at].strip() for row in table.rows)
    ]
    rows = (tuple(row[at] if at < len(row) else "" for at in kept) for row in table.rows)
    return Table(tuple(table.columns[at] for at in kept), tuple(rows))


def drawn(table: Table, limit: int) -> Drawn:
    """The table as a code block of at most ``limit`` characters: better every row in short than a few in full."""
    table = filled(table)
    if not table.columns:
        return Drawn("-# There is nothing to list.", True)
    columns = [
        [_plain(cell) for cell in column] for column in zip(table.columns, *table.rows[:_MOST], strict=True)
    ]
    widths = _widths(columns)
    if len(table.rows) <= _MOST and _breaks(columns, widths):
        block = f"```\n{_listed(columns, WIDTH)}\n```"
        if len(block) <= limit:
            return Drawn(block, True)
    right = [all(_NUMBER.fullmatch(cell) or cell in {"", "-"} for cell in column[1:]) for column in columns]
    head, rows = _rows(columns, widths, right, limit - _SPARE)
    text, shown = _stacked(head, rows, limit - _SPARE)
    left = len(table.rows) - shown
    if left:
        text += f"\n… and {left} more {'row' if left == 1 else 'rows'}"
    whole = not left and all(row.whole for row in rows)
    note = "" if whole else "\n-# Everything is in table.csv."
    return Drawn(f"```\n{text}\n```{note}", whole)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row in lines; ``whole`` is False where a cell was cut."""

    lines: tuple[str, ...]
    whole: bool

    @property
    def size(self) -> int:
        # Rows of several lines run into each other without some air between them.
        return sum(len(line) + 1 for line in self.lines) + (len(self.lines) > _AIRY)


def _rows(
    columns: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool], room: int
) -> tuple[_Row, Sequence[_Row]]:
    """Head and rows, their cells as high as there is room for."""
    for high in _HEIGHTS:
        head, *rows = (_row(cells, widths, right, high) for cells in zip(*columns, strict=True))
        if head.size + sum(row.size for row in rows) <= room or high == _HEIGHTS[-1]:
            return head, rows
    raise AssertionError("the last height is taken as it is")


def _stacked(head: _Row, rows: Sequence[_Row], room: int) -> tuple[str, int]:
    """Head, rule and as many rows as there is room for; and how many those are."""
    lines = [*head.lines, "─" * max(map(_width, (line for row in (head, *rows) for line in row.lines)))]
    used, airy = head.size, any(len(row.lines) > _AIRY for row in rows)
    for number, row in enumerate(rows):
        used += row.size
        if used > room:
            return "\n".join(lines), number
        lines += ["", *row.lines] if airy and number else row.lines
    return "\n".join(lines), len(rows)


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


def listed(table: Table, width: int) -> str:
    """A table that is too wide for so many columns without breaking words, as a list of lists; empty where it is not."""
    table = filled(table)
    columns = [[_plain(cell) for cell in column] for column in zip(table.columns, *table.rows, strict=True)]
    least = sum(max(1, each) for each in _words(columns)) + len(_GAP) * (len(columns) - 1)
    return _listed(columns, width) if least > width else ""


def _listed(columns: Sequence[Sequence[str]], width: int) -> str:
    """Each row as lines of heading and cell, what is empty left out."""
    side = max(_width(column[0]) for column in columns)
    rows: list[str] = []
    for row in zip(*(column[1:] for column in columns), strict=True):
        lines: list[str] = []
        for column, cell in zip(columns, row, strict=True):
            wrapped = _wrapped(cell, max(width - side - len(_GAP), _NARROWEST)) if cell else []
            heads = [column[0], *[""] * len(wrapped)]
            lines += [
                f"{_padded(head, side, False)}{_GAP}{line}"
                for head, line in zip(heads, wrapped, strict=False)
            ]
        rows.append("\n".join(lines))
    return "\n\n".join(row for row in rows if row)


def _words(columns: Sequence[Sequence[str]]) -> list[int]:
    """How wide the longest word of each column is, as far as it is one that people copy."""
    longest = (
        max((_width(word) for cell in column for word in cell.split()), default=1) for column in columns
    )
    return [min(word, _LONGEST_WORD) for word in longest]


def _breaks(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> bool:
    """Whether columns of these widths break words."""
    return any(word > width for word, width in zip(_words(columns), widths, strict=True))


def _widths(columns: Sequence[Sequence[str]]) -> list[int]:
    """The widest columns give way until all of them fit; first those that need not break a word for it."""
    widths = [min(WIDTH, max(1, *map(_width, column))) for column in columns]
    whole = [min(width, max(_NARROWEST, word)) for width, word in zip(widths, _words(columns), strict=True)]
    room = WIDTH - len(_GAP) * (len(widths) - 1)
    for floors in (whole, [min(width, _NARROWEST) for width in widths]):
        while sum(widths) > room:
            wide = [at for at, width in enumerate(widths) if width > floors[at]]
            if not wide:
                break
            widths[max(wide, key=lambda at: widths[at])] -= 1
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], high: int) -> _Row:
    """One row, its cells at most so many lines high."""
    wrapped: list[list[str]] = []
    whole = True
    for cell, width in zip(cells, widths, strict=True):
        lines = _wrapped(cell, width)
        if len(lines) > high:
            lines = [*lines[: high - 1], _cut(" ".join(lines[high - 1 :]), width)]
            whole = False
        wrapped.append(lines)
    made: list[str] = []
    for at in range(max(map(len, wrapped))):
        parts = [
            _padded(lines[at] if at < len(lines) else "", width, to_right)
            for lines, width, to_right in zip(wrapped, widths, right, strict=True)
        ]
        made.append(_GAP.join(parts).rstrip())
    return _Row(tuple(made), whole)


def _wrapped(cell: str, width: int) -> list[str]:
    if _width(cell) <= width:
        return [cell]
    if _width(cell) == len(cell):
        return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
    lines, line = list[str](), ""
    for mark in cell:  # wide characters, of scripts that break anywhere
        if _width(line + mark) > width:
            lines.append(line)
            line = ""
        line += mark
    return [*lines, line]


def _cut(line: str, width: int) -> str:
    line = line[:width]
    while line and _width(line) >= width:
        line = line[:-1]
    return line.rstrip() + "…"


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
