"""Tables on Slack: real ones where they are narrow, else a list with an item for each row.

Columns side by side in a code block would be broken on a phone, where a line of code has room for half of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.platforms.base import Table
from adapters.platforms.tables import Drawn, csv_of, filled

__all__ = ["Drawn", "csv_of", "drawn"]

_COLUMNS = 8
_ROWS = 60
_GAP = 3
# Slack breaks the lines of a cell by itself, as far as there are not too many of them.
_CELL = 64
_BROKEN = 30
_WIDE = 130
# So few columns need no headings to be understood.
_FEW = 3
# The cells of a column stand on lines of their own where one of them is this long; one is cut where it is longer still.
_LONG = 36
_LONGEST = 400
_CLUTTER = re.compile(r"([\\|*_~\[\]<>])")
_WHOLE = "_Everything is in table.csv._"
_SPARE = 100  # what is said of rows that are left out


def drawn(table: Table, limit: int) -> Drawn:
    """The table as Markdown of at most ``limit`` characters; what had to be left out is in a file beside it."""
    table = filled(table)
    if not table.columns:
        return Drawn("_There is nothing to list._", True)
    rows = [[_line(cell) for cell in row] for row in (table.columns, *table.rows)]
    if len(table.columns) <= _COLUMNS and len(rows) <= _ROWS and _narrow(rows):
        text = _markdown(rows)
        if len(text) <= limit:
            return Drawn(text, True)
    return _listed(rows, limit)


def _line(cell: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in cell).split())


def _narrow(rows: Sequence[Sequence[str]]) -> bool:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return max(widths) <= _CELL and sum(min(width, _BROKEN) + _GAP for width in widths) <= _WIDE


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = [[_escaped(cell, bars=True) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listed(rows: Sequence[Sequence[str]], limit: int) -> Drawn:
    """As many rows as there is room for, each an item of a list."""
    head, *rest = rows
    apart = [any(len(cell) > _LONG for cell in column) for column in zip(*rest, strict=True)]
    items: list[str] = []
    room, whole = limit - _SPARE, True
    for row in rest:
        cells = [_cut(cell) for cell in row]
        item = _item(head, cells, apart) if len(head) > _FEW else _short_item(cells)
        room -= len(item) + 1
        if room < 0:
            break
        whole = whole and cells == list(row)
        items.append(item)
    text, left = "\n".join(items), len(rest) - len(items)
    if left:
        text += f"\n\n… and {left} more {'row' if left == 1 else 'rows'}."
    if left or not whole:
        text += f"\n\n{_WHOLE}"
    return Drawn(text, not left and whole)


def _item(head: Sequence[str], cells: Sequence[str], apart: Sequence[bool]) -> str:
    """The cells with their headings, those of some columns ``apart`` on lines of their own."""
    lines: list[list[str]] = [[]]
    for name, cell, alone in zip(head, cells, apart, strict=True):
        if not cell:
            continue
        said = f"**{_escaped(name)}** {_escaped(cell)}" if name else f"**{_escaped(cell)}**"
        if alone:
            lines += [[said], []]
        else:
            lines[-1].append(said)
    # Two spaces at its end break a line within an item.
    return "- " + "  \n  ".join(" · ".join(line) for line in lines if line)


def _short_item(cells: Sequence[str]) -> str:
    *names, last = [_escaped(cell) for cell in cells if cell] or [" "]
    return f"- **{' · '.join(names)}** — {last}" if names else f"- {last}"


def _cut(cell: str) -> str:
    return cell if len(cell) <= _LONGEST else f"{cell[: _LONGEST - 1].rstrip()}…"


def _escaped(cell: str, *, bars: bool = False) -> str:
    """A cell that is nothing but its text, with what stands in it as code; there only ``bars`` end a cell all the same."""
    if cell.count("`") % 2:
        return _CLUTTER.sub(r"\\\1", cell).replace("`", "\\`")
    parts = cell.split("`")
    parts[::2] = [_CLUTTER.sub(r"\\\1", part) for part in parts[::2]]
    if bars:
        parts[1::2] = [part.replace("|", "\\|") for part in parts[1::2]]
    return "`".join(parts) or " "
