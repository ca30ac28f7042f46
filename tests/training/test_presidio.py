"""Presidio beside the rules: what can be shown without a trained model."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import UserError
from training.presidio import PresidioRedactor

installed = find_spec("presidio_analyzer") is not None and find_spec("spacy") is not None


@pytest.mark.skipif(installed, reason="the extra privacy is installed")
def test_without_the_extra_it_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"understudy\[privacy\]"):
        PresidioRedactor("en_core_web_sm")


@pytest.mark.skipif(not installed, reason="needs the extra privacy, which is not installed")
def test_without_the_model_it_says_which() -> None:
    with pytest.raises(UserError, match="no_such_model"):
        PresidioRedactor("no_such_model")


@pytest.mark.skipif(not installed, reason="needs the extra privacy, which is not installed")
def test_entities_of_a_model_are_replaced_beside_the_rules(tmp_path: Path) -> None:
    spacy: Any = __import__("spacy")
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Zelda"}, {"label": "GPE", "pattern": "Lima"}])
    nlp.to_disk(tmp_path / "model")
    scope = PresidioRedactor(str(tmp_path / "model")).scope()
    assert scope.redact("Zelda of Lima: z@x.org, Zelda") == "[name 1] of [location 1]: [email 1], [name 1]"
