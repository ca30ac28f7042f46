"""Remarks in Discord's small type, below what is said."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.platforms.splitting import LIMIT, split, tidy, units

_SHORT = 400


def with_note(parts: Sequence[str], note: str, limit: int = LIMIT) -> list[str]:
    """The parts with a remark in small type below the last, or by itself where there is no room."""
    made = list(parts)
    if not note:
        return made
    small = "-# " + " ".join(tidy(note).split())[: limit // 2]
    if made and units(made[-1]) + 1 + units(small) <= limit:
        made[-1] += "\n" + small
    else:
        made.append(small)
    return made


def beginning(text: str) -> str:
    """How a text begins that comes as a file."""
    return split(text, _SHORT)[0] + "\n-# The whole reply is in the file."
