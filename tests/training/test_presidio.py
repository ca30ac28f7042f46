"""Presidio beside the rules, over pipelines of rules that are made here: nothing trained, nothing downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.platforms.base import UserError
from training.presidio import PIECE, PresidioRedactor
from training.privacy import Redactor

installed = find_spec("presidio_analyzer") is not None and find_spec("spacy") is not None
needs_presidio = pytest.mark.skipif(not installed, reason="needs the extra privacy, which is not installed")
KNOWN = {"Zelda": "PERSON", "Grace Hopper": "PERSON", "Lima": "GPE", "Acme Corp": "ORG", "Peruvians": "NORP"}

Pipeline = Callable[..., str]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Makes a spaCy pipeline that knows what it is told, in a folder."""

    def make(known: Mapping[str, str] = KNOWN, language: str = "en") -> str:
        spacy: Any = import_module("spacy")
        nlp = spacy.blank(language)
        if known:
            ruler = nlp.add_pipe("entity_ruler")
            ruler.add_patterns([{"label": label, "pattern": text} for text, label in known.items()])
        folder = tmp_path / language
        nlp.to_disk(folder)
        return str(folder)

    return make


@pytest.mark.skipif(installed, reason="the extra privacy is installed")
def test_without_the_extra_it_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"understudy\[privacy\]"):
        PresidioRedactor("en_core_web_sm")


@needs_presidio
def test_without_the_model_it_says_how_to_get_it() -> None:
    with pytest.raises(UserError, match="python -m spacy download no_such_model"):
        PresidioRedactor("no_such_model")


@needs_presidio
def test_each_entity_is_replaced_beside_what_the_rules_find(pipeline: Pipeline) -> None:
    scope = PresidioRedactor(pipeline()).scope()
    assert scope.redact("Zelda of Lima: z@x.org, Zelda") == "[name 1] of [location 1]: [email 1], [name 1]"
    assert scope.redact("Peruvians at Acme Corp") == "[group 1] at [organization 1]"


@needs_presidio
def test_one_name_has_one_placeholder_in_a_conversation_whoever_finds_it(pipeline: Pipeline) -> None:
    redactor = PresidioRedactor(pipeline(), ["Wilhelmina"])
    scope = redactor.scope()
    assert scope.redact("Zelda met Wilhelmina.") == "[name 1] met [name 2]."
    assert scope.redact("WILHELMINA met Grace Hopper and Zelda.") == "[name 2] met [name 3] and [name 1]."
    assert redactor.scope().redact("Grace Hopper") == "[name 1]"


@needs_presidio
def test_what_the_rules_claim_is_theirs_and_placeholders_stay(pipeline: Pipeline) -> None:
    known = {"zelda@x.org": "PERSON", "Zelda": "PERSON", "name 1": "ORG"}
    scope = PresidioRedactor(pipeline(known)).scope()
    text = scope.redact("Write to zelda@x.org, says [name 1], not to Zelda")
    assert text == "Write to [email 1], says [name 1], not to [name 2]"
    assert scope.redact(text) == text


@needs_presidio
def test_another_language_than_english_serves(pipeline: Pipeline) -> None:
    scope = PresidioRedactor(pipeline({"Jürgen": "PER", "Köln": "LOC"}, "de")).scope()
    assert scope.redact("Jürgen aus Köln") == "[name 1] aus [location 1]"


@needs_presidio
def test_a_model_that_knows_nothing_changes_nothing_of_what_the_rules_do(
    pipeline: Pipeline, shared: Path
) -> None:
    redactor, rules = PresidioRedactor(pipeline({})), Redactor()
    for line in (shared / "data" / "pii_spans.jsonl").read_bytes().splitlines():
        text = orjson.loads(line)["text"]
        assert redactor.scope().redact(text) == rules.scope().redact(text)


@needs_presidio
@pytest.mark.parametrize(
    "text", ["", " ", "👩‍👩‍👧 Zelda 🎉", "\0 Zelda \0", "\ud83d Zelda", "```\nZelda\n```"]
)
def test_any_text_can_be_looked_through(pipeline: Pipeline, text: str) -> None:
    assert PresidioRedactor(pipeline()).scope().redact(text) == text.replace("Zelda", "[name 1]")


@needs_presidio
def test_a_text_longer_than_spacy_takes_at_once_is_read_in_pieces(pipeline: Pipeline) -> None:
    spacy: Any = import_module("spacy")
    filler = "word " * (PIECE // 5)
    text = f"Zelda {filler}Zelda {filler}" * 26 + "in Lima"
    assert len(text) > spacy.blank("en").max_length
    redacted = PresidioRedactor(pipeline()).scope().redact(text)
    assert redacted == text.replace("Zelda", "[name 1]").replace("Lima", "[location 1]")
