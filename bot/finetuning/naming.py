"""What buttons say instead of long names: a platform may give them few characters to keep over a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from adapters.platforms.base import Call, UserError

_SHORT: Final = 20  # characters of a name, as it is written in an address
_ASKED: Final = re.compile(r"(\d{1,9})-([0-9a-f]{6})(-anyway)?")
_RUN: Final = re.compile(r"run:(\d{1,9})(?::(\d{1,9}))?")


def model_of_run(number: int, step: int | None = None) -> str:
    """A tuned model by its run, as in ``run:3``, or ``run:3:40`` for the checkpoint of step 40."""
    return f"run:{number}" if step is None else f"run:{number}:{step}"


def run_of(name: str) -> tuple[int, int | None] | None:
    """The run, and the step, that a model is named by."""
    match = _RUN.fullmatch(name)
    return (int(match[1]), int(match[2]) if match[2] else None) if match else None


def end_of_id(avatar_id: str) -> str:
    """What tells the avatars of a workspace apart."""
    return avatar_id[-6:]


def whom(avatar_id: str, name: str) -> str:
    """An avatar by its name, or as ``~1a2b3c`` by the end of its id where the name is long."""
    return name if len(quote(name)) <= _SHORT else f"~{end_of_id(avatar_id)}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody was asked before they said yes: an avatar, the release it had, and whether doubts were told.

    As text it is ``12-1a2b3c``, with ``-anyway`` where there were doubts.
    """

    release: int
    avatar: str
    anyway: bool = False

    def __str__(self) -> str:
        return f"{self.release}-{self.avatar}{'-anyway' if self.anyway else ''}"


def asked_of(call: Call) -> Asked | None:
    """The question that the call answers. Raises ``UserError``."""
    said = call.text("asked").strip()
    if not said:
        return None
    if (match := _ASKED.fullmatch(said)) is None:
        raise UserError("That is none of the questions that buttons answer; leave out `asked`.")
    return Asked(int(match[1]), match[2], bool(match[3]))
