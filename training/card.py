"""The dataset card that lies beside exported files: Markdown under a YAML header, as on Hugging Face.

It depends on the rows and on how they were chosen alone: not on the dataset's name, nor on when or by whom it was built.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from training.formats import file_name
from training.rows import Method, Split

_TASKS: Final[Mapping[Method, str]] = {
    "sft": "to imitate: each row is a talk and the reply that was liked",
    "dpo": "to prefer: each row is a talk with a chosen and a rejected reply",
    "kto": "to judge: each row is a talk, a reply, and whether it was liked",
}
_SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# What says who, when or under which name, which the files must not depend on. Days that bound a selection say so too.
_KEPT_SETTINGS: Final = (
    "method", "stars", "min_quality", "least_characters", "sources", "history_exchanges", "max_tokens", "max",
    "validation", "person_share", "near_duplicates", "privacy", "moderation",
)  # fmt: skip
_CODE: Final = range(2, 4)
_TITLE: Final = "Rated chat, "


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is written from.

    ``rows`` are those of the files, by split. ``settings`` is what the dataset was chosen by and ``report`` what was counted
    then, as the dataset keeps them; of both only what is known to say nothing of names, people and dates is used.
    """

    method: Method
    hash: str
    rows: Mapping[Split, int]
    format: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])


def card(facts: CardFacts) -> str:
    """The card, ending in a line break; the same facts give the same text.

    The header's keys are those of Hugging Face's dataset card metadata: https://huggingface.co/docs/hub/datasets-cards.
    """
    return f"---\n{_header(facts)}---\n\n{_body(facts)}"


def is_card(begins: str) -> bool:
    """Whether a text that begins so is a card, of whatever rows."""
    return begins.startswith(f'---\npretty_name: "{_TITLE}')


def _q(text: str) -> str:
    """A string as YAML takes it: JSON's are YAML's too, in ASCII."""
    return json.dumps(text)


def _header(facts: CardFacts) -> str:
    total = sum(facts.rows.values())
    size = next((name for most, name in _SIZES if total < most), "n>1M")
    lines = [f"pretty_name: {_q(_title(facts))}"]
    if languages := _languages(facts.report):
        lines += ["language:", *(f"- {_q(each)}" for each in languages)]
    lines += ["license: other", 'license_name: "private"', "task_categories:", "- text-generation"]
    lines += ["size_categories:", f"- {_q(size)}", "tags:", '- "understudy"', f"- {_q(facts.method)}"]
    splits: list[Split] = [split for split in _SPLITS if facts.rows.get(split)]
    if splits:
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {_q(file_name(facts.format, split))}"]
        lines += ["dataset_info:", "  splits:"]
        for split in splits:
            lines += [f"  - name: {split}", f"    num_examples: {facts.rows[split]}"]
    return "\n".join(lines) + "\n"


def _title(facts: CardFacts) -> str:
    return f"{_TITLE}{facts.method}, {facts.hash[:12]}"


def _after(report: Mapping[str, Any]) -> Mapping[str, Any]:
    found = report.get("after")
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {}


def _languages(report: Mapping[str, Any]) -> list[str]:
    found = _after(report).get("languages")
    if not isinstance(found, Mapping):
        return []
    known = [str(each) for each in cast(Mapping[object, object], found)]
    return sorted(each for each in known if each.isascii() and each.isalpha() and len(each) in _CODE)


def _body(facts: CardFacts) -> str:
    counts = [f"| {split} | {facts.rows.get(split, 0):,} |" for split in _SPLITS]
    parts = [
        f"# {_title(facts)}",
        (
            "Exchanges of people with a chat avatar, chosen by how people rated them. Made "
            f"{_TASKS[facts.method]} ({facts.method}). The files are in the format {facts.format}."
        ),
        "\n".join(["## Rows", "", "| split | rows |", "| --- | ---: |", *counts]),
        f"SHA-256 of the content, of all formats: `{facts.hash}`.",
    ]
    if chosen := [
        f"- {_word(key)}: {_value(facts.settings[key])}" for key in _KEPT_SETTINGS if key in facts.settings
    ]:
        parts.append("\n".join(["## How the rows were chosen", "", *chosen]))
    if left := _left_out(facts.report):
        parts.append("\n".join(["## What was left out", "", "| because | rows |", "| --- | ---: |", *left]))
    if told := _statistics(_after(facts.report)):
        parts.append("\n".join(["## Statistics", "", *told]))
    parts += [_LICENCE, _privacy(facts.settings), _LINEAGE]
    return "\n\n".join(parts) + "\n"


def _word(key: str) -> str:
    return key.replace("_", " ")


def _value(value: object) -> str:
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list | tuple) else str(value)


def _left_out(report: Mapping[str, Any]) -> list[str]:
    found = report.get("left_out")
    if not isinstance(found, Mapping):
        return []
    counted = cast(Mapping[str, int], found)
    return [f"| {reason} | {counted[reason]:,} |" for reason in sorted(counted)]


def _statistics(after: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, what in (("refusals", "replies that refuse"), ("multi_turn", "rows of several turns")):
        if isinstance(share := after.get(key), int | float):
            lines.append(f"- {what}: {share:.1%}")
    for key, what in (
        ("positive", "liked"),
        ("negative", "disliked"),
        ("conflicts", "questions with conflicting replies"),
    ):
        if (many := after.get(key)) and isinstance(many, int):
            lines.append(f"- {what}: {many:,}")
    if isinstance(distance := after.get("distance"), int | float):
        lines.append(f"- mean distance of two replies (0 alike, 1 different): {distance:.2f}")
    return lines


_LICENCE: Final = (
    "## Licence and consent\n\nNo licence is given: the words belong to the people who wrote them. They agreed that the "
    "avatar learns from them, or their workspace's policy lets it until they object; that is not an agreement to publish. "
    "Rows brought in from files are as whoever brought them in answers for."
)
_LINEAGE: Final = (
    "## Lineage\n\nEach row is traced to the exchange, the example and the people that it came from in the database that "
    "it was exported from, where a person's wish to be forgotten deletes it. Copies of these files are not reached by that."
)


def _privacy(settings: Mapping[str, Any]) -> str:
    how = {
        "rules": "Personal data was replaced by rules; what no rule knows may be left.",
        "presidio": "Personal data was replaced by rules and by Presidio; some may be left.",
        "off": "Personal data was not replaced: the rows hold it as it was written.",
    }.get(str(settings.get("privacy")), "Whether personal data was replaced is not known.")
    return f"## Personal data\n\n{how}"
