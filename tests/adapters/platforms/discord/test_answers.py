"""What a command says, as messages: within Discord's limits, pinging nobody, with buttons that last."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Answer, Button, Call, Field, File, Table
from adapters.platforms.discord import controls
from adapters.platforms.discord.answers import Kept, Payload, Step, payload, press_id, question
from adapters.platforms.tables import WIDTH, drawn
from tests.adapters.platforms.discord.interactive import ASK, EXCHANGE, FakeHost, command, world


def only(shown: Payload) -> Any:
    [part] = shown.parts
    return part


def test_text_facts_and_a_refusal() -> None:
    fields = (Field("Kept", "3 exchanges"), Field("The rule here", "opt-in"))
    assert only(payload(Answer("Yours.", fields=fields))).content == (
        "Yours.\n\n**Kept** · 3 exchanges\n**The rule here** · opt-in"
    )
    assert only(payload(Answer("No such avatar.", ok=False))).content == "⚠️ No such avatar."


def test_nothing_to_say_is_no_message() -> None:
    assert payload(Answer(data={"exchange_id": "e"})).parts == ()


def test_a_table_is_a_code_block_with_aligned_columns() -> None:
    table = Table(("", "name", "examples"), (("●", "Guide", "12"), ("", "Bob", "3")))
    assert only(payload(Answer(table=table))).content == (
        "```\n   name   examples\n──────────────────\n●  Guide        12\n   Bob           3\n```"
    )


def test_long_cells_are_wrapped_and_what_is_left_out_is_in_a_file() -> None:
    rows = tuple((str(number), "words " * 30, "日本語" * 40) for number in range(50))
    part = only(payload(Answer("All of them.", table=Table(("no.", "question", "answer"), rows))))
    assert len(part.content) <= 2_000
    assert "… and" in part.content
    assert "-# Everything is in table.csv." in part.content
    [file] = part.files
    read = list(csv.reader(io.StringIO(file.data.decode())))
    assert read == [["no.", "question", "answer"], *map(list, rows)]


def test_a_spreadsheet_takes_no_formula_from_a_table() -> None:
    table = Table(("a", "b"), (('=HYPERLINK("x")', "-5"), ("@x" * 400, "+1")))
    [file] = only(payload(Answer(table=table))).files
    [_, first, second] = csv.reader(io.StringIO(file.data.decode()))
    assert first == ['\'=HYPERLINK("x")', "-5"]
    assert second[0].startswith("'@x")


def test_words_of_people_do_not_end_the_code_block() -> None:
    block = drawn(Table(("said",), (("```\n@everyone ```js",), ("``` ````",))), 1_000).block
    assert block.count("```") == 2


_cells = st.text(max_size=120)


@given(
    st.integers(1, 9).flatmap(
        lambda width: st.lists(st.lists(_cells, min_size=width, max_size=width), max_size=30)
    )
)
def test_any_table_fits(rows: list[list[str]]) -> None:
    columns = tuple(f"column {number}" for number in range(len(rows[0]) if rows else 3))
    table = drawn(Table(columns, tuple(map(tuple, rows))), 1_700)
    assert len(table.block) <= 1_700
    assert all(len(line) <= WIDTH + 3 for line in table.block.splitlines() if not line.startswith("-#"))


def test_a_long_answer_is_split_and_a_longer_one_comes_as_a_file() -> None:
    shown = payload(Answer("One sentence. " * 300, buttons=(Button("Go", "help"),)))
    assert [bool(part.buttons) for part in shown.parts] == [False, False, True]
    assert all(len(part.content) <= 2_000 for part in shown.parts)
    part = only(payload(Answer("One sentence. " * 800)))
    assert part.content.endswith("-# The whole of it is in answer.md.")
    assert part.files[0].data.decode() == ("One sentence. " * 800).strip()


def test_files_and_pictures_are_attached_under_harmless_names() -> None:
    answer = Answer(
        "Here.",
        picture=File("../../chart.png", b"png"),
        files=(File("a/b\\c:d?.jsonl", b"{}"), File("..", b"")),
    )
    assert [file.filename for file in only(payload(answer)).uploads()] == ["chart.png", "c_d_.jsonl", "file"]


def test_a_file_that_is_too_large_is_named_instead() -> None:
    part = only(payload(Answer("Here.", files=(File("export.jsonl", b"x" * 3_000_000),)), upload=2_000_000))
    assert part.files == ()
    assert part.content == "Here.\n⚠️ export.jsonl has 3 MB, which is more than Discord lets me post."


def test_many_files_go_over_several_messages() -> None:
    shown = payload(Answer("Here.", files=tuple(File(f"{number}.txt", b"x") for number in range(23))))
    assert [len(part.files) for part in shown.parts] == [10, 10, 3]


def test_the_raw_message_pings_nobody_and_has_rows_of_five() -> None:
    part = only(payload(Answer("@everyone", buttons=tuple(Button(str(n), "help") for n in range(7))), "42"))
    assert part.body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert [len(row["components"]) for row in part.body["components"]] == [5, 2]


def test_buttons_that_fit_say_everything_themselves() -> None:
    part = only(payload(ASK, 10**19))
    ids = [press.custom_id for press in part.buttons]
    assert ids[0] == f"us1.run.{10**19}.privacy consent?exchange={EXCHANGE}"
    assert all(len(each) <= controls.LONGEST for each in ids)


def test_buttons_that_do_not_fit_are_kept_for_a_while() -> None:
    kept = Kept(size=2)
    steps = [Step("import", {"path": "x" * 100 + str(number)}) for number in range(3)]
    keys = [press_id(step, "1", kept).split(".")[3] for step in steps]
    assert [kept.get(key) for key in keys] == [None, steps[1], steps[2]]
    again = Kept()
    assert press_id(steps[1], "1", again) == press_id(steps[1], "1", kept)


def test_a_confirmation_is_not_what_a_plain_button_of_the_same_command_is() -> None:
    step = Step("privacy delete", {"x": "y" * 100})
    sure, _ = question("Really?", step, "1").buttons
    assert sure.custom_id != press_id(step, "1")


async def test_a_kept_button_runs_and_after_a_restart_says_that_it_is_over() -> None:
    async def echo(call: Call) -> Answer:
        return Answer(f"{len(call.text('exchange'))} characters")

    host = FakeHost(own=(command("long", echo, params=FakeHost().commands[0].params),))
    async with world(host) as it:
        ann = it.member("ann")
        part = only(payload(Answer("?", buttons=(Button("Go", "long", {"exchange": "x" * 300}),)), ann.id))
        message = await it.post(part.body)
        pressed = await ann.click(message, label="Go")
        assert pressed.response is not None
        assert pressed.response.content == "300 characters"

        for id, todo in (("us1.kept.0.abc123", "the command"), ("us1.kept.0.abc123.long", "`/long`")):
            gone = await it.post({"content": "?", "components": [controls.row(controls.button("Go", id))]})
            pressed = await ann.click(gone, label="Go")
            assert pressed.response is not None
            assert pressed.response.content == (
                f"This button is from before I was started again. Give {todo} once more, please."
            )


def test_what_is_kept_names_its_command_where_that_fits() -> None:
    step = Step("finetune discard", {"model": "x" * 100}, sure=True)
    found = controls.KEPT.fullmatch(press_id(step, "1" * 19))
    assert found is not None
    assert found["command"] == "finetune discard"
    found = controls.KEPT.fullmatch(press_id(Step("a" * 32 + " " + "b" * 32, {"x": "y" * 99}), "1" * 19))
    assert found is not None
    assert found["command"] is None


async def test_a_question_below_a_public_message_answers_its_owner_only() -> None:
    async with world() as it:
        ann, bob = it.member("ann"), it.member("bob")
        offer = await it.post(only(payload(ASK, ann.id)).body)

        refused = await bob.click(offer, label="Yes")
        assert refused.ephemeral
        assert refused.response is not None
        assert refused.response.content == "This question is for somebody else."
        assert it.host.calls == []

        shown = await ann.click(offer, label="What is kept?")
        assert shown.response is not None
        assert shown.response.ephemeral
        assert it.last.components

        taken = await ann.click(offer, label="Yes")
        [thanks] = taken.followups
        assert thanks.ephemeral
        assert thanks.content == "Thank you: I may learn."
        asked = await it.env.bot.get_channel(it.channel.id).fetch_message(offer.id)  # type: ignore[union-attr]
        assert asked.components == []


async def test_nothing_that_is_said_pings_anybody() -> None:
    async with world(FakeHost(own=(command("shout", Answer("@everyone <@1> <@&2>", private=False)),))) as it:
        told = await it.member("ann").slash(it.channel, "shout")
        assert [each.content for each in told.followups] == ["@everyone <@1> <@&2>"]
        assert it.last.mention_everyone is False
        assert it.last.mentions == []
        sent = [each.json for each in it.env.http_requests if each.json and "content" in each.json]
        assert all(body["allowed_mentions"]["parse"] == [] for body in sent)


@pytest.mark.parametrize("text", ["`", "``", "```", "````", "a`b``c```d"])
def test_backticks_never_make_a_fence(text: str) -> None:
    assert drawn(Table(("x",), ((text,),)), 500).block.count("```") == 2


def test_names_that_people_copy_stay_whole_and_empty_columns_are_left_out() -> None:
    columns = ("answers for", "model", "tuned from", "dataset", "method", "trained")
    names = [f"embedded:desk-sft-1-1-6669c881-epoch-{number}" for number in (1, 2)]
    rows = tuple(("", name, "embedded:base", "desk-sft:1", "sft", "2026-11-21 17:02") for name in names)
    block = drawn(Table(columns, rows), 2_000).block
    assert all(f"model       {name}\n" in block for name in names)
    assert "answers for" not in block
    assert block.count("\n\n") == 1
    short = drawn(Table(columns, rows * 20), 2_000)  # what has no room as lists are columns again
    assert short.block.count("answers for") == 0
    assert "─" in short.block
