"""The words of a dataset: what one row of it is, whatever method and vendor it is for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, cast, get_args

import orjson

Method = Literal["sft", "dpo", "kto"]
Role = Literal["system", "user", "assistant"]
Split = Literal["train", "validation"]

METHODS: Final[tuple[Method, ...]] = get_args(Method)


# A tuple, since there are several in each of perhaps a million rows: a frozen dataclass takes four times as long to make.
class Turn(NamedTuple):
    """Something said in the talk that a row shows."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to learn: a talk that ends with the user's message, and how it goes on.

    ``prompt`` may begin with one system turn; then users and assistants take turns, and a user is last. ``reply`` is what
    the assistant says then: the good one where ``rejected`` holds a worse one (dpo); one that is good or bad as ``label``
    says (kto); with neither, one to imitate (sft).
    """

    prompt: tuple[Turn, ...]
    reply: str
    rejected: str | None = None
    label: bool | None = None

    @property
    def method(self) -> Method:
        """What the row is for."""
        if self.rejected is not None:
            return "dpo"
        return "sft" if self.label is None else "kto"

    @property
    def system(self) -> str:
        """The system prompt, empty without one."""
        return self.prompt[0].text if self.prompt and self.prompt[0].role == "system" else ""

    @property
    def talk(self) -> tuple[Turn, ...]:
        """The prompt without the system turn."""
        return self.prompt[1:] if self.system else self.prompt

    @property
    def question(self) -> str:
        """The user's last message."""
        return self.prompt[-1].text if self.prompt else ""


def with_system(row: Row, system: str) -> Row:
    """The row under a system prompt; one that it has already stays."""
    if not system or row.system:
        return row
    return Row((Turn("system", system), *row.prompt), row.reply, row.rejected, row.label)


def to_json(row: Row) -> bytes:
    """The row as it is kept and hashed: one JSON object, its keys in order, UTF-8."""
    kept: dict[str, object] = {
        "prompt": [[turn.role, turn.text] for turn in row.prompt],
        "reply": row.reply,
    }
    if row.rejected is not None:
        kept["rejected"] = row.rejected
    if row.label is not None:
        kept["label"] = row.label
    return orjson.dumps(kept)


def from_json(data: bytes | str) -> Row:
    """The row that ``to_json`` wrote."""
    kept = orjson.loads(data)
    turns = cast(Sequence[tuple[Role, str]], kept["prompt"])
    prompt = tuple(Turn(role, text) for role, text in turns)
    return Row(prompt, kept["reply"], kept.get("rejected"), kept.get("label"))


def row_digest(content: bytes) -> bytes:
    """What names a row: the first 16 bytes of the SHA-256 of ``to_json``."""
    return hashlib.sha256(content).digest()[:16]


def row_hash(content: bytes) -> str:
    """The same as 32 hexadecimal digits."""
    return row_digest(content).hex()
