"""The dataset card: its header is YAML, and it says nothing of names, people or dates."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from training.card import CardFacts, card
from training.formats import file_name

FACTS = CardFacts(
    "sft",
    "ab" * 32,
    {"train": 900, "validation": 100},
    "openai-sft",
    {
        "method": "sft",
        "stars": 4.0,
        "sources": ["exchange"],
        "since": "2026-01-01",
        "prompt_version": 3,
        "name": "Secret",
        "privacy": "rules",
    },
    {
        "left_out": {"flagged": 2, "duplicate": 1234},
        "after": {"languages": {"en": 0.9, "de": 0.1, "unknown": 0.0}, "refusals": 0.015, "distance": 0.8},
    },
)


def header(text: str) -> dict[str, object]:
    """What a header says whose lists and keys stand on lines of their own; nested ones as they are."""
    opening, head, _ = text.split("---\n", 2)
    assert opening == ""
    found: dict[str, object] = {}
    last: list[object] = []
    for line in head.splitlines():
        if line.startswith("- "):
            last.append(_scalar(line[2:]))
        elif line.startswith(" "):
            key, separator, value = line.strip().removeprefix("- ").partition(":")
            assert separator
            assert key.isidentifier()
            last.append((key, _scalar(value.strip())))
        else:
            key, separator, value = line.partition(":")
            assert separator
            assert key.isidentifier()
            assert key not in found
            last = []
            found[key] = _scalar(value.strip()) if value else last
    return found


def _scalar(text: str) -> object:
    return json.loads(text) if text.startswith('"') else text


def test_the_header_names_the_files_that_lie_beside_it() -> None:
    paths = re.findall(r'path: "(.*)"', card(FACTS))
    assert paths == [file_name("openai-sft", "train"), file_name("openai-sft", "validation")]


def test_the_header_has_hugging_faces_keys() -> None:
    found = header(card(FACTS))
    assert found["language"] == ["de", "en"]
    assert (found["license"], found["license_name"]) == ("other", "private")
    assert found["task_categories"] == ["text-generation"]
    assert found["size_categories"] == ["1K<n<10K"]
    assert found["tags"] == ["understudy", "sft"]
    info = found["dataset_info"]
    assert isinstance(info, list)
    assert ("num_examples", "900") in info
    assert ("split", "validation") in (found["configs"] or ())  # type: ignore[operator]


def test_the_card_counts_and_says_what_was_left_out() -> None:
    text = card(FACTS)
    assert "| train | 900 |" in text
    assert "| duplicate | 1,234 |\n| flagged | 2 |" in text
    assert "replies that refuse: 1.5%" in text
    assert "replaced by rules" in text
    assert "Consent".casefold() in text.casefold()


def test_neither_name_nor_date_is_in_it() -> None:
    text = card(FACTS)
    assert "Secret" not in text
    assert "2026" not in text
    other = replace(FACTS, settings={**FACTS.settings, "name": "Other", "since": "2020-02-02"})
    assert card(other) == text


def test_a_dataset_that_nothing_is_known_of_has_a_card() -> None:
    text = card(CardFacts("kto", "00", {"train": 3, "validation": 0}, "trl-kto"))
    assert "language" not in header(text)
    assert header(text)["size_categories"] == ["n<1K"]
    assert "split: validation" not in text
    assert "is not known" in text
