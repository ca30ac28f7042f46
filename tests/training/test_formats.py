"""Any row becomes a line that its validator takes and that reads back as the same row, or is unfit with a reason.

And whatever stands in a file, the validator says what is wrong with it instead of breaking.
"""

from __future__ import annotations

import io
import json
import string
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from training.formats import FORMATS, Unfit, Verdict, fitting, parse, render, validate
from training.rows import METHODS, Role, Row, Turn, with_system

ODD = [
    "",
    " ",
    "\n\t ",
    "\0",
    "\ud800",
    "a\udfffb",
    "\ud83d\ude00",
    "👩‍👩‍👧",
    "مرحبا",
    "\u202eabc",
    "\u2028",
    "\ufeff",
    '"\\{}',
    "\r\n",
]
TEXT = st.sampled_from(ODD) | st.text(st.characters(codec=None), max_size=20)
GOOD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
ROLES: list[Role] = ["system", "user", "assistant"]
REASONS = {
    "a system message after the first message",
    "alpaca has one turn only",
    "an empty message",
    "an empty reply",
    "text that is not valid Unicode",
    "the chosen and the rejected reply are the same",
    "the prompt does not end with the user",
    "the row is not for dpo",
    "the row is not for kto",
    "the row is not for sft",
}
"""Each is said to the admin, and none shows words of people."""
TURN = st.builds(Turn, st.sampled_from(ROLES), TEXT | GOOD)
ANY_ROW = st.builds(
    Row,
    st.lists(TURN, max_size=6).map(tuple),
    TEXT | GOOD,
    st.none() | TEXT | GOOD,
    st.none() | st.booleans(),
)


@st.composite
def good_rows(draw: st.DrawFn) -> Row:
    """Rows that some format carries: maybe a system prompt, a talk in any order of speakers, a user last."""
    prompt = [Turn(draw(st.sampled_from(ROLES[1:])), draw(GOOD)) for _ in range(draw(st.integers(0, 4)))]
    prompt.append(Turn("user", draw(GOOD)))
    if draw(st.booleans()):
        prompt.insert(0, Turn("system", draw(GOOD)))
    reply = draw(GOOD)
    match draw(st.sampled_from(METHODS)):
        case "sft":
            return Row(tuple(prompt), reply)
        case "dpo":
            return Row(tuple(prompt), reply, rejected=draw(GOOD.filter(lambda text: text != reply)))
        case "kto":
            return Row(tuple(prompt), reply, label=draw(st.booleans()))


def fitted(name: str, row: Row) -> bytes | None:
    """The line of a row, or ``None`` where the format gives a reason why there is none."""
    try:
        return render(name, row)
    except Unfit as unfit:
        reason = str(unfit)
    event(reason)
    assert reason in REASONS
    return None


def carried(name: str, row: Row) -> Row:
    """The row as the format's lines carry it."""
    return replace(row, prompt=row.prompt[1:]) if FORMATS[name].lacks and row.system else row


@pytest.mark.parametrize("name", FORMATS)
@given(row=ANY_ROW | good_rows())
def test_any_row_round_trips_or_is_unfit(name: str, row: Row) -> None:
    line = fitted(name, row)
    if line is None:
        return
    event("fits")
    assert parse(name, line) == carried(name, row)
    assert b"\n" not in line
    verdict = validate(name, io.BytesIO(line + b"\n"), split="validation")
    assert verdict.ok, verdict.problems
    assert verdict.tokens > 0


@given(row=good_rows())
def test_a_good_row_fits_each_format_of_its_method(row: Row) -> None:
    for name in fitting(row.method):
        if name == "alpaca" and len(carried(name, row).prompt) > 1:
            continue
        assert parse(name, render(name, row)) == carried(name, row)


@given(row=good_rows(), system=GOOD)
def test_a_system_prompt_of_the_dataset_fits_too(row: Row, system: str) -> None:
    under = with_system(row, system)
    for name in fitting(row.method):
        if name == "alpaca" and len(carried(name, under).prompt) > 1:
            continue
        assert parse(name, render(name, under)) == carried(name, under)


FEWER = settings(max_examples=30)  # for each of eight formats, and each example is large
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from([0, 1, 1.0, "user", "text"])
)
WORDS = """messages role content weight name tools tool_calls function_call refusal tool_call_id input preferred_output
non_preferred_output contents parts text type systemInstruction system_instruction completions score completion prompt
chosen rejected label instruction output functions parallel_tool_calls id function arguments""".split()
SPEAKERS = st.sampled_from(
    ["system", "user", "assistant", "model", "tool", "function", "developer", "text", "image_url"]
)
JSON = st.recursive(
    SCALARS | SPEAKERS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)


def shaped(name: str) -> st.SearchStrategy[Any]:
    """Objects near to a good line of a format: one of its values, at any depth, is another."""
    row = Row(
        (Turn("system", "s"), Turn("user", "u"), Turn("assistant", "a"), Turn("user", "u")),
        "reply",
        "worse" if FORMATS[name].method == "dpo" else None,
        True if FORMATS[name].method == "kto" else None,
    )
    if name == "alpaca":
        row = Row(row.prompt[1:2], row.reply)
    good = orjson.loads(render(name, row))

    def change(value: Any, path: list[int], other: Any) -> Any:
        if not path or not isinstance(value, dict | list) or not value:
            return other
        copy: Any = value.copy()
        places: list[Any] = list(copy) if isinstance(value, dict) else list(range(len(copy)))
        at = places[path[0] % len(places)]
        copy[at] = change(copy[at], path[1:], other)
        return copy

    return st.builds(change, st.just(good), st.lists(st.integers(0, 9), max_size=6), JSON)


def parsed(name: str, line: bytes) -> Row | None:
    """The row of a line, or ``None`` where there is a reason that it has none."""
    try:
        return parse(name, line)
    except Unfit as unfit:
        reason = str(unfit)
    assert reason
    return None


def judged(name: str, content: bytes) -> Verdict:
    """The verdict on a file, once it has been seen that it says something of what is wrong and parses what is right."""
    verdict = validate(name, io.BytesIO(content), split="validation", most_problems=10_000)
    for problem in verdict.problems:
        assert 0 <= problem.line <= verdict.lines
        assert problem.message
        assert problem.message.isprintable()
        assert problem.field.isprintable()
    bad = {problem.line for problem in verdict.problems if problem.error}
    for number, line in enumerate(content.split(b"\n"), 1):
        row = parsed(name, line.rstrip(b"\r"))
        if row is not None:
            assert number not in bad
            assert row.method == FORMATS[name].method
            assert parse(name, render(name, row)) == row
    return verdict


@pytest.mark.parametrize("name", FORMATS)
@FEWER
@given(
    content=st.binary(max_size=60)
    | st.lists(JSON.map(lambda value: json.dumps(value).encode())).map(b"\n".join)
)
def test_no_file_breaks_a_validator(name: str, content: bytes) -> None:
    judged(name, content)


@pytest.mark.parametrize("name", FORMATS)
@FEWER
@given(data=st.data())
def test_no_line_near_a_good_one_breaks_a_validator(name: str, data: st.DataObject) -> None:
    value = data.draw(shaped(name))
    judged(name, json.dumps(value).encode())


@pytest.mark.parametrize("depth", [200, 300, 2_000])
@pytest.mark.parametrize("name", FORMATS)
def test_deep_nesting_is_refused_in_words(name: str, depth: int) -> None:
    line = b'{"x":' * depth + b"1" + b"}" * depth
    assert not judged(name, line).ok


@given(st.text(string.printable, max_size=50).map(str.encode))
def test_a_file_is_ok_only_with_lines(content: bytes) -> None:
    assert not judged("alpaca", content).ok
