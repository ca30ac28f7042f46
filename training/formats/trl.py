"""TRL's conversational lines: prompt and completion (or messages), prompt with chosen and rejected, prompt with a label.

Source: https://huggingface.co/docs/trl/dataset_formats ("Overview of the dataset formats and types", conversational
column; read in docs/source/dataset_formats.md of https://github.com/huggingface/trl). Written as prompt and completion, so
that only the reply is trained on; ``messages`` are read too. That a system message stands first, and that no message and
no reply is empty or the same as the other, are rules of ours: chat templates refuse or drop what breaks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from training.formats.base import Found, Limits, as_list, as_object, as_text, join, keys, kind, make_row
from training.rows import Row

LIMITS: Final = Limits()

_ROLES: Final = ("system", "user", "assistant")


def _prompt(row: Row) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.text} for turn in row.prompt]


def _said(text: str | None) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text or ""}]


def write_sft(row: Row) -> object:
    """The line's object."""
    return {"prompt": _prompt(row), "completion": _said(row.reply)}


def write_dpo(row: Row) -> object:
    """The line's object."""
    return {"prompt": _prompt(row), "chosen": _said(row.reply), "rejected": _said(row.rejected)}


def write_kto(row: Row) -> object:
    """The line's object."""
    return {"prompt": _prompt(row), "completion": _said(row.reply), "label": row.label}


def read_sft(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for the SFTTrainer."""
    if "messages" not in line:
        keys(line, "", found, ("prompt", "completion"))
        turns, reply = _messages(line, "prompt", found), _reply(line, "completion", found)
        _finish(turns, (reply,), found)
        return
    keys(line, "", found, ("messages",))
    turns = _messages(line, "messages", found)
    if not turns:
        return
    if turns[-1][0] not in ("assistant", ""):
        found.error(f"messages[{len(turns) - 1}].role", "the last message must be from the assistant")
    _finish(turns[:-1], (turns[-1][1],), found)


def read_dpo(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for the DPOTrainer."""
    keys(line, "", found, ("prompt", "chosen", "rejected"))
    turns = _messages(line, "prompt", found)
    chosen, rejected = _reply(line, "chosen", found), _reply(line, "rejected", found)
    if chosen and chosen == rejected:
        found.error("rejected", "the same text as chosen, so nothing is preferred")
    _finish(turns, (chosen, rejected), found)


def read_kto(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for the KTOTrainer."""
    keys(line, "", found, ("prompt", "completion", "label"))
    turns, reply = _messages(line, "prompt", found), _reply(line, "completion", found)
    label = line.get("label")
    if isinstance(label, bool):
        found.label = label
    elif "label" in line:
        found.error("label", f"{kind(label)} where true or false is needed")
    _finish(turns, (reply,), found)


def _finish(turns: list[tuple[str, str]], replies: tuple[str, ...], found: Found) -> None:
    found.texts, found.replies = [text for _, text in turns], list(replies)
    rejected = replies[1] if len(replies) == 2 else None
    make_row(turns, replies[0], found, rejected=rejected, label=found.label)


def _reply(line: Mapping[str, object], name: str, found: Found) -> str:
    if name not in line:
        return ""
    turns = _messages(line, name, found)
    if len(turns) > 1:
        found.foreign = "a reply of several messages"
    elif turns and turns[0][0] not in ("assistant", ""):
        found.error(f"{name}[0].role", "a reply must be from the assistant")
    return turns[0][1] if turns else ""


def _messages(line: Mapping[str, object], name: str, found: Found) -> list[tuple[str, str]]:
    if name not in line:
        return []
    turns: list[tuple[str, str]] = []
    for number, each in enumerate(as_list(line[name], name, found, "messages") or []):
        at = f"{name}[{number}]"
        message = as_object(each, at, found)
        if message is None or not keys(message, at, found, ("role", "content")):
            turns.append(("", ""))
            continue
        role = message["role"]
        if not isinstance(role, str) or role not in _ROLES:
            found.error(join(at, "role"), f"unknown role; allowed are {', '.join(_ROLES)}")
            role = ""
        elif role == "system" and number:
            found.error(join(at, "role"), "a system message must be the first message")
        elif turns and turns[-1][0] == role:
            found.warn(join(at, "role"), "some chat templates refuse two messages of one role in a row")
        turns.append((role, as_text(message["content"], join(at, "content"), found) or ""))
    return turns
