"""Alpaca's lines: instruction, input, output.

Source: https://github.com/tatsu-lab/stanford_alpaca#data-release and the fields as
https://huggingface.co/datasets/tatsu-lab/alpaca describes them: ``input`` is context for the instruction, and may be empty.

The format has one question: rows of several turns are unfit. It has no place for a system prompt, which is left out, since
every avatar has one. (Trainers that read ``system`` and ``history`` beside these three each do it their own way, so neither
is written nor read.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from training.formats.base import Found, Limits, Unfit, as_text, keys, make_row
from training.rows import Row

LIMITS: Final = Limits()


def write(row: Row) -> object:
    """The line's object, without the system prompt. Raises ``Unfit`` for a talk of several turns."""
    if sum(turn.role != "system" for turn in row.prompt) > 1:
        raise Unfit("alpaca has one turn only")
    return {"instruction": row.question, "input": "", "output": row.reply}


def read(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line; an ``input`` that is not empty follows the instruction after a blank line."""
    keys(line, "", found, ("instruction", "output"), ("input",))
    asked = as_text(line["instruction"], "instruction", found) if "instruction" in line else None
    reply = as_text(line["output"], "output", found) if "output" in line else None
    more = as_text(line.get("input", ""), "input", found, empty=True)
    question = f"{asked}\n\n{more}" if more else (asked or "")
    found.texts, found.replies = [question], [reply or ""]
    make_row([("user", question)], reply or "", found)
