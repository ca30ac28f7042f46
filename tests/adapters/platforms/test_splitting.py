"""Long texts in messages: nothing is lost, nothing is broken, and what is posted stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.discord.notes import beginning, with_note
from adapters.platforms.splitting import LIMIT, split

PIECES = st.sampled_from(
    [
        "word ",
        "A sentence that says something. ",
        "\n",
        "\n\n",
        "- an item of a list\n",
        "1. first\n",
        "## Heading\n",
        "```python\n",
        "```\n",
        "```",
        "    indented()\n",
        "x" * 40,
        "[a link](https://example.org/a_(b)) ",
        "`code` ",
        "**bold words** ",
        "😀",
        "👩‍👩‍👧 ",
        "長い文章。",
        "Ünïcödé ",
    ]
)
TEXTS = st.lists(PIECES, max_size=120).map("".join)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def bare(text: str) -> str:
    """The text without white space and without fences, which are added where code is cut."""
    return re.sub(r"\s+|```(?:python)?", "", text)


@given(TEXTS, st.integers(60, 300))
def test_parts_carry_all_of_the_text_within_the_limit_and_close_their_code(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert "".join(map(bare, parts)) == bare(text)
    for part in parts:
        assert units(part) <= limit
        assert part.strip()
        assert len(re.findall("`{3,}", part)) % 2 == 0


@given(st.text(st.characters(), max_size=400), st.integers(60, 120))
def test_any_text_is_cut_without_loss(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(part.strip() and units(part) <= limit for part in parts)
    clean = re.sub("[\ud800-\udfff]", "\ufffd", text)
    assert re.sub(r"\s+|`", "", "".join(parts)) == re.sub(r"\s+|`", "", clean)


@given(TEXTS, st.integers(60, 200), st.data())
def test_a_part_stays_as_it_is_once_the_next_has_begun(text: str, limit: int, data: st.DataObject) -> None:
    whole = split(text, limit)
    grown = split(text[: data.draw(st.integers(0, len(text)))], limit)
    assert whole[: max(0, len(grown) - 1)] == grown[:-1]


def test_short_text_is_one_part() -> None:
    assert split("Hello.") == ["Hello."]
    assert split(" \n ") == []


def test_code_is_closed_and_opened_again_in_its_language() -> None:
    code = "\n".join(f"print({number})" for number in range(400))
    parts = split(f"Look:\n\n```python\n{code}\n```\nThat is all.")
    assert len(parts) == 3
    assert parts[0].startswith("Look:\n\n```python\nprint(0)\n")
    assert parts[0].endswith("\n```")
    assert parts[1].startswith("```python\nprint(")
    assert parts[2].endswith("print(399)\n```\nThat is all.")


def test_a_block_that_fits_into_the_next_part_is_kept_whole() -> None:
    block = "```js\n" + "\n".join(f"call({number});" for number in range(90)) + "\n```"
    parts = split("An introduction. " * 70 + "\n\n" + block)
    assert parts[1] == block


def test_lists_are_cut_between_their_items() -> None:
    items = [f"- item {number} goes on\n  over a second line" for number in range(80)]
    parts = split("\n".join(items))
    assert len(parts) == 2
    assert all(part.startswith("- item") and part.endswith("second line") for part in parts)


@pytest.mark.parametrize("lead", ["## How it is done", "This is how it is done:", "**How it is done:**"])
def test_what_introduces_code_stays_with_it(lead: str) -> None:
    block = f"{lead}\n\n```python\n" + "print('x')\n" * 90 + "```"
    parts = split("A word before it. " * 75 + "\n\n" + block)
    assert len(parts) == 2
    assert parts[1] == block


def test_a_heading_stays_with_what_it_is_above() -> None:
    text = "word " * 350 + "\n\n## What comes next\n\n" + "word " * 300
    first, second = split(text)
    assert first.endswith("word")
    assert second.startswith("## What comes next")


@pytest.mark.parametrize(
    "span", ["[the whole label](https://example.org)", "`a b c`", "**very bold words**", "||a secret here||"]
)
def test_what_belongs_together_in_a_line_is_not_cut(span: str) -> None:
    for before in range(LIMIT - 40, LIMIT):
        text = ("word " * LIMIT)[:before].rstrip() + " " + span + " and more" * 40
        assert any(span in part for part in split(text))


def test_characters_of_several_code_points_stay_whole() -> None:
    family = "👩‍👩‍👧"
    for part in split(family * 900):
        assert part.replace(family, "") == ""


def test_a_note_stands_in_small_type_below() -> None:
    assert with_note(["Text."], "stopped") == ["Text.\n-# stopped"]
    assert with_note(["x" * LIMIT], "a\nb") == ["x" * LIMIT, "-# a b"]
    assert with_note([], "stopped") == ["-# stopped"]
    assert with_note(["Text."], "") == ["Text."]


def test_the_beginning_of_a_file() -> None:
    shown = beginning("A first paragraph.\n\n" + "And then a great deal more. " * 50)
    assert shown.startswith("A first paragraph.")
    assert shown.endswith("-# The whole reply is in the file.")
    assert len(shown) < 500
