"""Tokens are counted exactly where a tokenizer is at hand, and estimated with a stated error elsewhere."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.vendors.estimate import count_tokens
from training import tokens
from training.rows import Row, Turn

ANY = st.text(st.characters(codec=None), max_size=60)
TALK = (Turn("system", "You know rivers."), Turn("user", "Where does this one go?"))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is remembered of other tests."""
    tokens.counter.cache_clear()
    yield
    tokens.counter.cache_clear()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tokenizer is installed."""
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name in ("bpe_openai", "tokenizers"):
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(tokens.importlib, "import_module", absent)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("vendor", ["openai", "google", "trl", "alpaca"])
def test_without_a_tokenizer_there_is_an_estimate_with_its_error(vendor: str) -> None:
    counter = tokens.counter(vendor, "gpt-4o")
    assert (counter.name, counter.exact, counter.error) == ("estimate", False, 0.25)
    assert counter.count("hello") == count_tokens("hello")


@pytest.mark.usefixtures("bare")
def test_a_folder_without_the_library_is_estimated(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    assert not tokens.counter("local", str(tmp_path)).exact


def test_a_folder_without_a_tokenizer_is_estimated(tmp_path: Path) -> None:
    assert not tokens.counter("local", str(tmp_path)).exact
    assert not tokens.counter("local", "meta/some-model").exact


def test_a_row_is_all_its_texts_with_what_stands_around_each() -> None:
    counter = tokens.Counter("letters", True, 0.0, 4, len)
    assert counter.talk([]) == 0
    assert counter.talk(["ab", "c"]) == 3 + 8
    prompt = sum(len(turn.text) + 4 for turn in TALK)
    assert counter.row(Row(TALK, "to sea")) == prompt + 6 + 4
    assert counter.row(Row(TALK, "to sea", rejected="no")) == prompt + 6 + 4 + 2 + 4
    assert counter.row(Row(TALK, "to sea", label=False)) == prompt + 6 + 4


@given(text=ANY, more=ANY)
def test_the_estimate_takes_any_text_and_never_falls(text: str, more: str) -> None:
    count = tokens.counter("nobody").count
    assert 0 <= count(text) <= count(text + more)


# -- with bpe-openai


@pytest.fixture
def bpe() -> Any:
    return pytest.importorskip("bpe_openai", reason="the tokens extra is not installed")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("", "o200k_base"),
        ("gpt-4o-2024-08-06", "o200k_base"),
        ("gpt-4.1-mini-2025-04-14", "o200k_base"),
        ("ft:gpt-4.1-2025-04-14:acme::x", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125:acme::x", "cl100k_base"),
    ],
)
def test_openai_is_counted_with_its_own_vocabulary(bpe: Any, model: str, name: str) -> None:
    counter = tokens.counter("openai", model)
    assert (counter.name, counter.exact, counter.error) == (name, True, 0.0)


def test_the_counts_are_those_of_openai(bpe: Any) -> None:
    old, new = tokens.counter("openai", "gpt-4"), tokens.counter("openai", "gpt-4o")
    # Of examples/How_to_count_tokens_with_tiktoken.ipynb in OpenAI's cookbook, which shows cl100k_base.
    assert old.count("antidisestablishmentarianism") == 6
    assert old.count("2 + 2 = 4") == 7
    assert old.count("お誕生日おめでとう") == 9
    assert old.count("tiktoken is great!") == 6
    assert (new.count(""), new.count("hello world"), new.count("<|endoftext|>")) == (0, 2, 7)


def test_the_overhead_is_that_of_openais_cookbook(bpe: Any) -> None:
    """The notebook's example: 129 prompt tokens by its function and by the API, for gpt-4-0613 and others.

    Four of its messages have a name, which adds one to the tokens of the name; the last three prime the reply.
    """
    named = ("example_user", "example_assistant")
    said = [
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        "New synergies will help drive top-line growth.",
        "Things working well together will increase revenue.",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        "Let's talk later when we're less busy about how to do better.",
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    ]
    counter = tokens.counter("openai", "gpt-4-0613")
    names = 2 * sum(counter.count(name) + 1 for name in named)
    assert counter.talk(said) + names + 3 == 129


@given(text=ANY)
def test_any_text_can_be_counted_exactly(text: str) -> None:
    pytest.importorskip("bpe_openai", reason="the tokens extra is not installed")
    count = tokens.counter("openai").count(text)
    assert 0 <= count <= len(text.encode("utf-8", "replace"))


def test_a_text_of_a_million_characters_is_counted_in_pieces(bpe: Any) -> None:
    assert tokens.counter("openai").count("word " * 300_000) == pytest.approx(300_000, abs=6)


# -- with a model's folder


def test_the_tokenizer_of_a_folder_is_used(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="the train extra is not installed")
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "where": 2, "does": 3, "it": 4, "go": 5}
    model = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    folder = tmp_path / "rivers-1b"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(model))
    counter = tokens.counter("local", str(folder))
    assert (counter.name, counter.exact, counter.error) == ("rivers-1b", True, 0.0)
    assert (
        counter.count("Where does it go") == 4
    )  # what begins a text belongs to the template, not to the text
    assert counter.count("") == 0
    assert counter.count("where \ud800") == 2


def test_a_folder_with_a_broken_tokenizer_is_estimated_and_told_of(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="the train extra is not installed")
    (tmp_path / "tokenizer.json").write_text("{")
    with capture_logs() as logs:
        assert not tokens.counter("local", str(tmp_path)).exact
    assert [(each["log_level"], each["path"]) for each in logs] == [
        ("warning", str(tmp_path / "tokenizer.json"))
    ]
    assert "EOF" in logs[0]["error"]
