"""Tables on Slack: real ones where they are narrow, else columns side by side in a code block, within the usual width."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.platforms.base import Table
from adapters.platforms.tables import Drawn, csv_of, filled
from adapters.platforms.tables import drawn as columns_of

__all__ = ["Drawn", "csv_of", "drawn"]

_COLUMNS = 8
_ROWS = 60
_GAP = 3
# Slack breaks the lines of a cell by itself, as far as there are not too many of them.
_CELL = 64
_BROKEN = 30
_WIDE = 130
_CLUTTER = re.compile(r"([\\|*_~\[\]<>])")
_WHOLE = "_Everything is in table.csv._"


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
    found = columns_of(table, limit)
    if found.whole:
        return found
    return Drawn(f"{found.block.rpartition('```')[0]}```\n\n{_WHOLE}", False)


def _line(cell: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in cell).split())


def _narrow(rows: Sequence[Sequence[str]]) -> bool:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return max(widths) <= _CELL and sum(min(width, _BROKEN) + _GAP for width in widths) <= _WIDE


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = [[_escaped(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(cell: str) -> str:
    """A cell that is nothing but its text, with what stands in it as code."""
    plain = _CLUTTER.sub(r"\\\1", cell) or " "
    return plain if plain.count("`") % 2 == 0 else plain.replace("`", "\\`")
