"""Forms: what they ask within Discord's limits, and what comes back of them."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.platforms.base import Answer, Button, Call, Form, Param, ParamKind
from adapters.platforms.discord import forms
from adapters.platforms.discord.forms import Target
from tests.adapters.platforms.discord.interactive import EXCHANGE, FakeHost, command, world

LARGEST = Target("e" * 36)


async def test_every_form_is_within_the_limits() -> None:
    inputs = (
        Param("text", "x" * 200, long=True, required=True, default="y"),
        Param("many", "which", "choice", choices=tuple(map(str, range(60)))),
        Param("few", "which", "choice", choices=("a", "b"), default="b"),
        Param("flag", "whether", "flag"),
        Param("number", "how many", "integer", required=True),
        Param("sixth", "one too many"),
    )
    for sheet in (
        forms.what_was_wrong(LARGEST),
        forms.rate(LARGEST),
        forms.teach(LARGEST, "z" * 9_000),
        forms.sheet_of(Form("A title that goes on for longer than a title may", "x", inputs), "us1.run.0.x"),
    ):
        made: Any = sheet.to_dict()
        assert len(made["title"]) <= 45
        assert len(made["custom_id"]) <= 100
        assert 1 <= len(made["components"]) <= 5
        for label in made["components"]:
            assert len(label["label"]) <= 45
            assert len(label.get("description") or "") <= 100
            assert len(label["component"].get("options") or ()) <= 25
            assert len(label["component"].get("value") or "") <= 4_000


async def test_required_inputs_come_first_when_not_all_fit() -> None:
    inputs = (*(Param(f"p{number}", "may") for number in range(5)), Param("must", "must", required=True))
    made: Any = forms.sheet_of(Form("Form", "x", inputs), "us1.run.0.x").to_dict()
    assert [each["component"]["custom_id"] for each in made["components"]] == ["must", "p0", "p1", "p2", "p3"]


def test_what_was_filled_in_is_read_whatever_it_is_wrapped_in() -> None:
    sent = {
        "components": [
            {"type": 18, "component": {"type": 21, "custom_id": "reason", "value": "wrong"}},
            {"type": 18, "component": {"type": 3, "custom_id": "which", "values": ["b"]}},
            {"type": 1, "components": [{"type": 4, "custom_id": "comment", "value": "  two\nlines "}]},
            {"type": 18, "component": {"type": 23, "custom_id": "flag", "value": False}},
            {"type": 18, "component": {"type": 4, "custom_id": "empty", "value": " "}},
            {"type": 18, "component": {"type": 21, "custom_id": "unset", "value": None}},
            {"type": 10, "id": 7},
        ]
    }
    assert forms.filled(sent) == {"reason": "wrong", "which": "b", "comment": "two\nlines", "flag": "no"}


@pytest.mark.parametrize(
    ("values", "comment"),
    [
        ({}, ""),
        ({"reason": "wrong"}, "wrong"),
        ({"reason": "other"}, ""),
        ({"reason": "wrong", "comment": "It is 7."}, "wrong: It is 7."),
        ({"reason": "other", "comment": "It is 7."}, "It is 7."),
    ],
)
def test_reason_and_comment_are_one_remark(values: dict[str, str], comment: str) -> None:
    assert forms.comment_of(values) == comment


def test_spaces_and_line_ends_are_no_change() -> None:
    assert forms.digest("a  b\r\nc ") == forms.digest("a b\nc")
    assert forms.digest("a b c") != forms.digest("a b d")


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("integer", "12", 12),
        ("number", "1.5", 1.5),
        ("text", "a\nb", "a\nb"),
        ("flag", True, True),
        ("choice", "b", "b"),
    ],
)
async def test_an_answers_form_runs_its_command_with_what_was_filled_in(
    kind: ParamKind, typed: Any, value: object
) -> None:
    async def fill(call: Call) -> Answer:
        return Answer(f"{call.values['name']!r} for {call.text('exchange')}")

    param = Param("name", "the value", kind, required=True, choices=("a", "b") if kind == "choice" else ())
    form = Form("Fill it in", "fill", (param,), {"exchange": EXCHANGE})
    fill_in = command("fill", fill, params=(param, Param("exchange", "which")))
    host = FakeHost(own=(command("start", Answer("A form.", form=form)), fill_in))
    async with world(host) as it:
        ann = it.member("ann")
        started = await ann.slash(it.channel, "start")
        assert started.response is not None
        opened = await ann.click(started.response, label="Fill it in …")
        sent = await ann.submit_modal(opened, {"name": typed})
        assert sent.ephemeral
        assert sent.response is not None
        assert sent.response.content == f"{value!r} for {EXCHANGE}"


async def test_what_does_not_fit_a_parameter_is_said() -> None:
    param = Param("count", "how many", "integer", required=True, minimum=1)
    form = Form("Fill it in", "fill", (param,))
    host = FakeHost(
        own=(
            command("start", Answer("A form.", form=form)),
            command("fill", Answer("Done."), params=(param,)),
        )
    )
    async with world(host) as it:
        ann = it.member("ann")
        started = await ann.slash(it.channel, "start")
        opened = await ann.click(started.response, label="Fill it in …")
        sent = await ann.submit_modal(opened, {"count": "many"})
        assert sent.ephemeral
        assert sent.response is not None
        assert sent.response.content.startswith("⚠️ `count:` is a whole number")
        assert [call.command for call in host.calls] == ["start"]


async def test_a_button_beside_a_form_still_runs() -> None:
    form = Form("Fill it in", "fill", (Param("name", "which"),))
    answer = Answer("Either.", form=form, buttons=(Button("Leave it", "privacy show"),))
    async with world(FakeHost(own=(command("start", answer), command("fill", Answer("Done."))))) as it:
        ann = it.member("ann")
        started = await ann.slash(it.channel, "start")
        pressed = await ann.click(started.response, label="Leave it")
        assert pressed.response is not None
        assert pressed.response.content == "Kept: nothing."
