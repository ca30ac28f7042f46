"""The buttons below a reply, and the grammar of what they carry, which outlives us and takes nothing else for ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.slack import controls
from adapters.platforms.slack.controls import NotOursError, Run
from adapters.platforms.slack.options import Options

EXCHANGE = "018f4a5e-0000-7000-8000-0123456789ab"
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
COMMANDS = st.from_regex(r"[a-z0-9_-]{1,20}( [a-z0-9_-]{1,20})?", fullmatch=True)


def test_a_reply_has_thumbs_and_a_button_to_try_again() -> None:
    context, row = controls.reply_blocks(EXCHANGE, Options())
    [thumbs] = context["elements"]
    assert (context["type"], thumbs["type"], thumbs["action_id"]) == (
        "context_actions",
        "feedback_buttons",
        "us1.rate",
    )
    assert thumbs["positive_button"]["value"] == f"up.{EXCHANGE}"
    assert thumbs["negative_button"]["value"] == f"down.{EXCHANGE}"
    [again] = row["elements"]
    assert (again["type"], again["action_id"], again["value"]) == ("button", "us1.again", EXCHANGE)


def test_no_buttons_where_the_operator_wants_none() -> None:
    assert controls.reply_blocks(EXCHANGE, Options(buttons=False)) == []


def test_the_stop_button_knows_who_asked_and_where() -> None:
    [row] = controls.stop_blocks(EXCHANGE, "U1", "C1:17.5")
    [button] = row["elements"]
    assert button["action_id"] == "us1.stop"
    assert controls.stop_of(button["value"]) == (EXCHANGE, "U1", "C1:17.5")


def test_thumbs_name_their_exchange() -> None:
    assert controls.thumb_of(f"up.{EXCHANGE}") == (True, EXCHANGE)
    assert controls.thumb_of(f"down.{EXCHANGE}") == (False, EXCHANGE)


def test_every_id_of_ours_is_known_whatever_its_version() -> None:
    for action_id in (controls.RATE, controls.AGAIN, f"{controls.RUN}.3", "us2.new", f"{controls.HOME}.1"):
        assert controls.OURS.fullmatch(action_id)
    assert not controls.OURS.fullmatch("vendor.us1.rate")


@given(
    st.builds(Run, TEXTS, COMMANDS, st.dictionaries(NAMES, TEXTS, max_size=4), st.booleans(), st.booleans())
)
def test_what_a_button_runs_is_read_as_it_was_written(run: Run) -> None:
    value = controls.run_value(run)
    assert len(value) <= controls.LONGEST
    if value:
        assert controls.run_of(value) == run


def test_what_does_not_fit_is_not_written() -> None:
    assert controls.run_value(Run("U1", "prompt edit", {"text": "long " * 400})) == ""


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "null",
        "[]",
        "{",
        '{"c":5}',
        '{"c":"../x","v":{}}',
        '{"c":"rate","v":[]}',
        '{"c":"rate","v":{"stars":5}}',
        '{"k":["x"]}',
        '{"p":1,"c":"rate"}',
    ],
)
def test_a_value_that_we_did_not_write_is_refused(forged: str) -> None:
    with pytest.raises(NotOursError):
        controls.run_of(forged)


@given(st.one_of(TEXTS, st.recursive(st.none() | TEXTS, st.lists).map(json.dumps)))
def test_nothing_else_goes_wrong_with_a_value(value: str) -> None:
    for read in (controls.run_of, controls.stop_of, controls.thumb_of, controls.exchange_of):
        try:
            read(value)
        except NotOursError:
            continue


def test_labels_are_cut_to_what_slack_shows() -> None:
    assert controls.plain("x" * 100)["text"] == "x" * 74 + "…"
    assert controls.plain("  ")["text"] == "…"
