"""Forms: made from what a command declares, filled in with what was given, checked where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Answer, Call, Command, Param
from adapters.platforms.slack import forms
from adapters.platforms.slack.answers import Kept
from adapters.platforms.slack.controls import NotOursError
from adapters.platforms.slack.forms import Origin, Target
from bot.commands import every_command
from bot.services import Services

KNOWN = every_command(cast("Services", None))
ORIGIN = Origin("C1", "17.5", "18.5", "https://hooks.slack.example/x")


async def run(call: Call) -> Answer:
    return Answer("done")


EVERYTHING = Command(
    "try out",
    "try everything",
    run,
    params=(
        Param("name", "what it is called", required=True),
        Param("story", "at length", long=True),
        Param("size", "how big", "choice", choices=("small", "large"), default="small"),
        Param("many", "one of many", "choice", choices=tuple(map(str, range(30)))),
        Param("loud", "whether loud", "flag"),
        Param("count", "how many", "integer", minimum=1, maximum=9, default=3),
        Param("share", "how much", "number"),
    ),
)


def inputs(view: Mapping[str, Any]) -> dict[str, Any]:
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}


def send(view: Mapping[str, Any], **said: dict[str, Any]) -> dict[str, Any]:
    """The form as Slack sends it."""
    values = {f"in.{name}": {"value": element} for name, element in said.items()}
    return {**view, "state": {"values": values}}


def test_every_kind_of_value_has_its_input() -> None:
    view = forms.asked(EVERYTHING, {"name": "Bob", "loud": "yes"}, ORIGIN)
    found = inputs(view)
    kinds = {name: block["element"]["type"] for name, block in found.items()}
    assert kinds == {
        "in.name": "plain_text_input",
        "in.story": "plain_text_input",
        "in.size": "radio_buttons",
        "in.many": "static_select",
        "in.loud": "checkboxes",
        "in.count": "number_input",
        "in.share": "number_input",
    }
    assert found["in.name"]["element"]["initial_value"] == "Bob"
    assert not found["in.name"]["optional"]
    assert found["in.story"]["element"]["multiline"]
    assert found["in.size"]["element"]["initial_option"]["value"] == "small"
    assert found["in.loud"]["element"]["initial_options"][0]["value"] == "yes"
    count = found["in.count"]["element"]
    assert (count["min_value"], count["max_value"], count["initial_value"]) == ("1", "9", "3")
    assert view["title"]["text"] == "Try out"


def test_nobody_is_asked_for_what_only_scripts_and_buttons_say() -> None:
    launch = next(command for command in KNOWN if command.name == "finetune launch")
    view = forms.asked(launch, {"once": "a word"}, ORIGIN)
    names = {name.removeprefix("in.") for name in inputs(view)}
    assert {"dataset", "epochs", "dry_run"} <= names
    assert not names & {"wait", "once", "asked"}
    assert forms.sent(view).fixed == {"once": "a word"}


def test_what_was_written_comes_back_with_where_it_was_asked() -> None:
    view = send(
        forms.asked(EVERYTHING, {}, ORIGIN),
        name={"type": "plain_text_input", "value": " Bob "},
        story={"type": "plain_text_input", "value": None},
        size={"type": "radio_buttons", "selected_option": {"value": "large"}},
        many={"type": "static_select", "selected_option": None},
        loud={"type": "checkboxes", "selected_options": []},
        count={"type": "number_input", "value": "7"},
    )
    sent = forms.sent(view)
    assert sent.origin == ORIGIN
    assert sent.command == "try out"
    assert sent.values == {"name": "Bob", "size": "large", "loud": "no", "count": "7"}


def test_mistakes_are_shown_at_their_input() -> None:
    wrong = forms.mistakes(EVERYTHING, {"count": "12", "share": "much", "size": "huge"})
    assert wrong == {
        "in.name": "This is needed.",
        "in.count": "count: is a number from 1 to 9, and 12 is not.",
        "in.share": "share: is a number, not much.",
        "in.size": "size: is one of small, large, not huge.",
    }


def test_a_text_that_an_input_cannot_hold_is_not_cut() -> None:
    kept = Kept()
    long = "word " * 900
    view = forms.asked(EVERYTHING, {"name": "Bob", "story": long}, ORIGIN, kept=kept)
    assert "in.story" not in inputs(view)
    assert len(view["private_metadata"]) <= 3_000
    assert forms.sent(view, kept=kept).fixed == {"story": long}
    with pytest.raises(NotOursError):
        forms.sent(view, kept=Kept())


def test_a_form_about_a_reply_knows_which() -> None:
    view = forms.what_was_wrong(Target("e1"), ORIGIN)
    assert view["notify_on_close"]
    assert list(inputs(view)) == ["in.reason", "in.comment", "in.better"]
    assert forms.sent(view).target == Target("e1")
    rate = forms.rate(Target(reply_key="C1:17.5"), ORIGIN)
    assert forms.sent(rate).target == Target(reply_key="C1:17.5")
    assert not inputs(rate)["in.stars"]["optional"]


def test_reason_and_comment_are_one_remark() -> None:
    assert forms.comment_of({"reason": "wrong", "comment": "It is 42."}) == "wrong: It is 42."
    assert forms.comment_of({"reason": "other", "comment": "Hm."}) == "Hm."
    assert forms.comment_of({}) == ""


def test_teaching_knows_what_was_said_and_takes_a_long_reply_as_it_is() -> None:
    view = forms.teach(Target("e1"), "So it is.", ORIGIN)
    assert inputs(view)["in.answer"]["element"]["initial_value"] == "So it is."
    assert forms.sent(view).digest == forms.digest(" So  it is.\n")
    long = forms.teach(Target("e1"), "x" * 4_000, ORIGIN)
    assert inputs(long) == {}
    assert long["blocks"][0]["type"] == "section"


def test_a_form_that_is_not_ours_is_refused() -> None:
    for metadata in ("", "x", "[]", "{}x", '{"o":[1,2,3,4,5]}', '{"o":7}'):
        with pytest.raises(NotOursError):
            forms.sent({"private_metadata": metadata})


@pytest.mark.parametrize("command", KNOWN, ids=lambda command: command.name)
@given(text=st.text(max_size=4_000))
def test_every_command_of_the_registry_has_a_form_within_limits(command: Command, text: str) -> None:
    given_values = {param.name: text for param in command.params if param.kind == "text"}
    view = forms.asked(command, given_values, ORIGIN)
    assert len(view["title"]["text"]) <= 24
    assert 1 <= len(view["blocks"]) <= 100
    assert len(view["private_metadata"]) <= 3_000
    for block in inputs(view).values():
        assert len(block["label"]["text"]) <= 2_000
        assert len(block["element"].get("initial_value", "")) <= 3_000
        assert all(len(option["text"]["text"]) <= 75 for option in block["element"].get("options", ()))
