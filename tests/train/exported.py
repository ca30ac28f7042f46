"""Files as the export writes them, of rows of each shape that a dataset has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from training.formats import FORMATS, file_name, render
from training.rows import Row, Split, Turn

SPLITS: tuple[Split, ...] = ("train", "validation")
REAL = os.environ.get("EXPORTED_DATASETS", "")
"""A folder with one folder per format, each written by ``understudy finetune export``: used in place of these rows."""


def files(folder: Path, name: str) -> dict[Split, Path]:
    """The two files of a format: those that were exported, or written here."""
    if REAL and (Path(REAL) / name).is_dir():
        return {split: Path(REAL) / name / file_name(name, split) for split in SPLITS}
    paths: dict[Split, Path] = {}
    for split in SPLITS:
        paths[split] = folder / file_name(name, split)
        lines = [render(name, row) for row in _rows(name, 4 if split == "validation" else 16)]
        paths[split].write_bytes(b"".join(line + b"\n" for line in lines))
    return paths


def _rows(name: str, many: int) -> Iterator[Row]:
    """Rows for a format. The first ones to train on have one turn, those to check with have several."""
    for number in range(many):
        asked = Turn("user", f"Where does the {number}th river go? 🌊\u2028مرحبا")
        talk = (asked,)
        if name != "alpaca":
            talk = (Turn("system", "You know rivers."), asked)
            if many < 8 or number > 2:
                talk = (*talk, Turn("assistant", "Which one?"), Turn("user", f"Number {number}."))
        row = Row(talk, f"To sea {number}.\n\0")
        match FORMATS[name].method:
            case "dpo":
                yield replace(row, rejected="No idea.")
            case "kto":
                yield replace(row, label=number % 2 == 0)
            case "sft":
                yield row
