"""What a command says, as one message: within Slack's limits, pinging nobody, with buttons that last."""

from __future__ import annotations

import csv
import io
import re
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Answer, Button, Field, File, Form, Param, Table
from adapters.platforms.slack import controls
from adapters.platforms.slack.answers import (
    MESSAGE,
    Kept,
    Says,
    Shown,
    Step,
    blocks,
    press,
    question,
    shown,
)
from adapters.platforms.slack.commands import first_words
from bot.commands import every_command
from bot.services import Services

KNOWN = every_command(cast("Services", None))
SAYS = Says("/understudy ", first_words(KNOWN))
ASK = Answer(
    "May I learn from what you write?",
    buttons=(
        Button("Yes", "privacy consent", {"exchange": "e1"}, style="good"),
        Button("No", "privacy decline"),
        Button("What is kept?", "privacy show"),
    ),
)


def row_of(message: Shown) -> Any:
    return message.blocks[-1]["elements"]


def test_text_facts_and_a_refusal() -> None:
    fields = (Field("Kept", "3 exchanges"), Field("The rule here", "opt-in"))
    assert shown(Answer("Yours.", fields=fields)).text == (
        "Yours.\n\n- **Kept:** 3 exchanges\n- **The rule here:** opt-in"
    )
    assert shown(Answer("No such avatar.", ok=False)).text == "⚠️ No such avatar."


def test_nothing_to_say_is_no_message() -> None:
    assert not shown(Answer(data={"exchange_id": "e"}))


def test_commands_are_written_as_they_are_given_here() -> None:
    answer = Answer("`/privacy withdraw` takes it back; `/etc/hosts` and `/finetune runs` stay.")
    assert shown(answer, says=SAYS).text == (
        "`/understudy privacy withdraw` takes it back; `/etc/hosts` and `/finetune runs` stay."
    )
    threaded = Says("@Understudy /", first_words(KNOWN), own="")
    assert shown(answer, says=threaded).text.startswith("`@Understudy /privacy withdraw`")


def test_a_narrow_table_is_a_real_one() -> None:
    table = Table(("", "name", "examples"), (("●", "Guide", "12"), ("", "a|b", "3")))
    assert shown(Answer(table=table)).text == (
        "|   | name | examples |\n| --- | --- | --- |\n| ● | Guide | 12 |\n|   | a\\|b | 3 |"
    )


def test_a_wide_table_is_a_list_that_a_phone_can_show() -> None:
    table = Table(
        ("", "no.", "by", "question"), (("●", "3", "Ada", "words " * 20), ("", "2", "", "Why *so*?"))
    )
    assert shown(Answer(table=table)).text == (
        f"- **●** · **no.** 3 · **by** Ada  \n  **question** {('words ' * 20).strip()}\n"
        "- **no.** 2  \n  **question** Why \\*so\\*?"
    )


def test_a_wide_table_of_few_columns_needs_no_headings() -> None:
    table = Table(
        ("", "what", "in plain words"), (("hint", "notices", f"give `/notices here` {'now ' * 20}or `a|b`"),)
    )
    assert shown(Answer(table=table), says=SAYS).text == (
        f"- **hint · notices** — give `/understudy notices here` {'now ' * 20}or `a|b`"
    )


def test_commands_in_a_table_are_written_as_they_are_given_here() -> None:
    table = Table(
        ("what", "hint"),
        (("notices", "give `/notices here`"), ("odd", "a ` and *b*"), ("code", "`a_b|c` _d_")),
    )
    lines = shown(Answer(table=table), says=SAYS).text.splitlines()
    assert lines[2:] == [
        "| notices | give `/understudy notices here` |",
        "| odd | a \\` and \\*b\\* |",
        "| code | `a_b\\|c` \\_d\\_ |",
    ]


def test_an_empty_table_says_so() -> None:
    assert shown(Answer(table=Table(("a", "b"), ()))).text == "_There is nothing to list._"


def test_what_a_table_leaves_out_is_in_a_file_without_formulas() -> None:
    rows = tuple((str(number), "words " * 60, '=HYPERLINK("x")') for number in range(200))
    message = shown(Answer("All of them.", table=Table(("no.", "question", "answer"), rows)))
    assert len(message.text) <= MESSAGE
    assert re.search(r"… and 1\d\d more rows\.\n\n_Everything is in table\.csv\._\Z", message.text)
    [file] = message.files
    read = list(csv.reader(io.StringIO(file.data.decode())))
    assert len(read) == 201
    assert read[1][2].startswith("'=")


def test_a_long_answer_is_a_beginning_and_a_file() -> None:
    message = shown(Answer("```\n" + "a line of code\n" * 2_000 + "```"))
    assert len(message.text) < MESSAGE
    assert message.text.count("```") == 2
    assert message.text.endswith("_The whole of it is in answer.md._")
    assert [file.name for file in message.files] == ["answer.md"]


def test_nobody_is_pinged() -> None:
    message = shown(Answer("<!channel> <@U123> @here", fields=(Field("<!here>", "<@U1>"),)))
    for ping in ("<!channel>", "<@U123>", "<!here>", "@here"):
        assert ping not in message.text
    assert "<" not in message.fallback


def test_a_question_is_settled_by_its_yes_or_no_and_is_for_one_person() -> None:
    runs = [controls.run_of(each["value"]) for each in row_of(shown(ASK, "U1"))]
    assert [(run.person, run.command, run.settles) for run in runs] == [
        ("U1", "privacy consent", True),
        ("U1", "privacy decline", True),
        ("U1", "privacy show", False),
    ]
    assert runs[0].values == {"exchange": "e1"}
    assert [each.get("style") for each in row_of(shown(ASK, "U1"))] == ["primary", None, None]


def test_blocks_are_for_everybody_unless_somebody_owns_them() -> None:
    assert controls.run_of(blocks(ASK)[-1]["elements"][0]["value"]).person == controls.ANYBODY
    assert controls.run_of(blocks(ASK, "U7")[-1]["elements"][0]["value"]).person == "U7"


def test_what_does_not_fit_into_a_button_is_kept_by_what_it_says() -> None:
    kept = Kept(2)
    step = Step("prompt edit", {"text": "word " * 900})
    made = press("Go", step, "U1", 4, kept=kept)
    assert made.action_id == "us1.kept.4"
    key = controls.run_of(made.value).key
    assert kept.get(key) == step
    for number in range(2):
        kept.put(Step("prompt edit", {"text": str(number)}))
    assert kept.get(key) is None


def test_a_form_is_offered_by_a_button() -> None:
    kept = Kept()
    form = Form("New avatar", "avatar create", (Param("name", "its name", required=True),))
    message = shown(Answer("Who?", form=form), "U1", kept=kept)
    [button] = message.buttons
    assert button.label == "New avatar …"
    step = kept.get(controls.run_of(button.value).key)
    assert step is not None
    assert step.form == form


def test_what_cannot_be_undone_is_asked_in_red() -> None:
    message = question("Delete everything?", Step("privacy delete", {}), "U1")
    yes, no = row_of(message)
    assert message.text == "⚠️ **Delete everything?**\n\nThis cannot be undone."
    assert (yes["text"]["text"], yes["style"]) == ("Yes, go on", "danger")
    assert controls.run_of(yes["value"]).sure
    assert no["action_id"] == controls.DROP


@given(
    st.text(max_size=13_000),
    st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80)), max_size=80),
    st.integers(0, 40),
    st.booleans(),
)
def test_every_answer_fits_into_one_message(
    text: str, rows: list[tuple[str, str]], buttons: int, ok: bool
) -> None:
    answer = Answer(
        text,
        table=Table(("a", "b"), tuple(rows)),
        files=(File("../../x.png", b"1"),),
        buttons=tuple(Button(f"Button {number}" * 9, "help") for number in range(buttons)),
        ok=ok,
    )
    message = shown(answer, says=SAYS)
    assert len(message.blocks) <= 50
    assert sum(len(block["text"]) for block in message.blocks if block["type"] == "markdown") <= 12_000
    for block in message.blocks:
        if block["type"] == "actions":
            assert len(block["elements"]) <= 25
            ids = [each["action_id"] for each in block["elements"]]
            assert len(set(ids)) == len(ids)
            assert all(
                len(each["value"]) <= 2_000 and len(each["text"]["text"]) <= 75 for each in block["elements"]
            )
    assert len(message.fallback) <= 6_000


def test_lines_stay_apart_where_slack_would_run_them_together() -> None:
    text = "One.\nTwo.\n- a\n- b\n> **asked**\n> said\n> more  \n> broken\n\n```\nx\ny\n```\nThe end."
    assert shown(Answer(text)).text == (
        "One.\n\nTwo.\n- a\n- b\n> **asked**\n>\n> said\n>\n> more  \n> broken\n\n```\nx\ny\n```\n\nThe end."
    )
