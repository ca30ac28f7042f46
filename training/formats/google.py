"""Google's ``contents`` lines for supervised and for preference tuning.

Sources, all below https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/; docs/formats.md lists each rule:

- gemini-supervised-tuning-prepare: ``contents``, ``systemInstruction`` (its role is ignored), ``tools``, roles, parts;
- gemini-supervised-tuning: 131,072 tokens an example, 1 GB and 1,000,000 text examples a file, 5,000 to check with
  (the table of Gemini 2.5 Flash);
- gemini-preference-tuning-prepare: text only, the prompt ends with the user, two completions with the scores 1 and 0;
- gemini-preference-tuning: 131,072 tokens an example, 1 GB and 10,000,000 examples a file, 5,000 to check with.

That page writes ``system_instruction`` and the other ``systemInstruction``: both are read.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final, cast

from training.formats.base import Found, Limits, as_list, as_object, as_text, join, keys, make_row
from training.rows import Row

_GIGABYTE: Final = 1024**3
LIMITS_SFT: Final = Limits(
    max_examples=1_000_000, max_validation=5_000, tokens_per_example=131_072, file_bytes=_GIGABYTE
)
LIMITS_PREFERENCE: Final = Limits(
    max_examples=10_000_000, max_validation=5_000, tokens_per_example=131_072, file_bytes=_GIGABYTE
)

_SYSTEM: Final = ("systemInstruction", "system_instruction")
_NOT_TEXT: Final = "a part that is not text"
_OTHER: Final = ("functionCall", "functionResponse", "fileData", "inlineData")


def _said(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"text": text}]}


def _prompt(row: Row) -> tuple[dict[str, object], list[dict[str, object]]]:
    turns = list(row.prompt)
    head: dict[str, object] = {}
    if turns[0].role == "system":
        head["systemInstruction"] = _said("system", turns.pop(0).text)
    return head, [_said("model" if turn.role == "assistant" else "user", turn.text) for turn in turns]


def write_sft(row: Row) -> object:
    """The line's object."""
    head, contents = _prompt(row)
    return {**head, "contents": [*contents, _said("model", row.reply)]}


def write_preference(row: Row) -> object:
    """The line's object."""
    head, contents = _prompt(row)
    completions = [
        {"score": 1.0, "completion": _said("model", row.reply)},
        {"score": 0.0, "completion": _said("model", row.rejected or "")},
    ]
    return {**head, "contents": contents, "completions": completions}


def read_sft(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for supervised tuning."""
    keys(line, "", found, ("contents",), (*_SYSTEM, "tools", "toolConfig", "labels"))
    if line.get("tools"):
        found.foreign = "tools"
    turns = _turns(line, found)
    if not turns:
        return
    if turns[-1][0] not in ("assistant", ""):
        found.error(f"contents[{len(_contents(line)) - 1}].role", "the last content must be from the model")
    found.texts, found.replies = [text for _, text in turns[:-1]], [turns[-1][1]]
    make_row(turns[:-1], turns[-1][1], found)


def read_preference(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for preference tuning."""
    keys(line, "", found, ("contents", "completions"), _SYSTEM)
    turns = _turns(line, found)
    if turns and turns[-1][0] not in ("user", ""):
        found.error(f"contents[{len(_contents(line)) - 1}].role", "the last content must be from the user")
    scored: dict[float, str] = {}
    if "completions" in line:
        completions = as_list(line["completions"], "completions", found, "completions") or []
        if completions and len(completions) != 2:
            given = "1 completion" if len(completions) == 1 else f"{len(completions)} completions"
            found.error("completions", f"{given} where exactly two are needed")
        for at, each in enumerate(completions[:2]):
            _completion(each, f"completions[{at}]", found, scored)
    if len(scored) == 2 and scored[1] == scored[0] and not found.foreign:
        found.error("completions", "both completions are the same text, so none is preferred")
    if found.foreign == _NOT_TEXT:
        found.error("", "preference tuning takes text only, and a part is none")
    found.texts, found.replies = [text for _, text in turns], list(scored.values())
    make_row(turns, scored.get(1, ""), found, rejected=scored.get(0, ""))


def _completion(value: object, at: str, found: Found, scored: dict[float, str]) -> None:
    given = as_object(value, at, found)
    if given is None or not keys(given, at, found, ("score", "completion")):
        return
    role, text = _content(given["completion"], join(at, "completion"), found)
    if role == "user":
        found.error(join(at, "completion.role"), "a completion must be from the model")
    score = given["score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or score not in (0, 1):
        found.error(join(at, "score"), "a score is 1 for the preferred completion and 0 for the other")
    elif score in scored:
        found.error(join(at, "score"), "both completions have the same score: one must be 1, the other 0")
    else:
        scored[score] = text


def _contents(line: Mapping[str, object]) -> list[object]:
    """The contents of a line that has a list of them."""
    return cast(list[object], line["contents"])


def _turns(line: Mapping[str, object], found: Found) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    present = [name for name in _SYSTEM if name in line]
    if len(present) == 2:
        found.error(present[1], "the system instruction is there twice, in two spellings")
    for name in present[:1]:
        system = as_object(line[name], name, found)
        if system is not None:
            keys(system, name, found, ("parts",), ("role",))
            as_text(system.get("role", ""), join(name, "role"), found, empty=True)
            turns.append(
                (
                    "system",
                    _parts(system.get("parts"), join(name, "parts"), found) if "parts" in system else "",
                )
            )
    contents = as_list(line["contents"], "contents", found, "contents") if "contents" in line else None
    if contents is None:
        return []
    talk = [_content(each, f"contents[{at}]", found) for at, each in enumerate(contents)]
    if talk[0][0] == "assistant":
        found.warn("contents[0].role", "Google's documents show talks that begin with the user")
    for at, (before, after) in enumerate(itertools.pairwise(talk), 1):
        if before[0] == after[0]:
            found.warn(f"contents[{at}].role", "Google's documents show user and model taking turns")
    return turns + talk


def _content(value: object, at: str, found: Found) -> tuple[str, str]:
    content = as_object(value, at, found)
    if content is None:
        return "", ""
    keys(content, at, found, ("role", "parts"))
    role = {"user": "user", "model": "assistant"}.get(str(content.get("role")), "")
    if "role" in content and not role:
        found.error(join(at, "role"), 'unknown role; allowed are "user" and "model"')
    return role, _parts(content["parts"], join(at, "parts"), found) if "parts" in content else ""


def _parts(value: object, at: str, found: Found) -> str:
    texts: list[str] = []
    parts = as_list(value, at, found, "parts") or []
    for number, each in enumerate(parts):
        here = f"{at}[{number}]"
        part = as_object(each, here, found)
        if part is None:
            continue
        if any(name in part for name in _OTHER):
            found.foreign = _NOT_TEXT
        elif keys(part, here, found, ("text",)):
            texts.append(as_text(part["text"], join(here, "text"), found, empty=True) or "")
    text = "".join(texts)
    if len(texts) == len(parts) and parts and not text.strip():
        found.error(at, "empty text")
    return text
