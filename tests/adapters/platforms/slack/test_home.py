"""App Home: what waits there, what is kept of the person, and for admins how things stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from adapters.platforms.base import Access, Answer, Field, Table, Welcome, Who
from adapters.platforms.slack import controls
from adapters.platforms.slack.home import BLOCKS, Facts, view
from bot.commands import every_command
from bot.services import Services

KNOWN = every_command(cast("Services", None))
MEMBER = Facts(
    "U0",
    Who("U1", "Ada", Access.RATER),
    KNOWN,
    Welcome("Guide", "I show you around.", suggestions=("What is this?",), status="fake:echo · text"),
    Answer(
        "What you say is kept. `/privacy show` tells.",
        fields=(Field("Kept", "3 exchanges"), Field("Change it", "`/privacy consent`")),
        data={"consent": "unset"},
    ),
)
OWNER = replace(
    MEMBER,
    who=Who("U2", "Bea", Access.OWNER),
    stats=Answer("**Guide**", fields=(Field("Examples", "2 in use, 1 to review"),)),
    model=Answer("Guide answers with fake:echo."),
    check=Answer(
        "", table=Table(("", "what", "in plain words"), (("hint", "notices", "give `/notices here`"),))
    ),
)


def texts(made: dict[str, Any]) -> str:
    """All that can be read there."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in cast("dict[str, Any]", node).items():
                if key == "text" and isinstance(value, str):
                    found.append(value)
                else:
                    walk(value)
        elif isinstance(node, list):
            for each in cast("list[Any]", node):
                walk(each)

    walk(made)
    return "\n".join(found)


def doors(made: dict[str, Any]) -> dict[str, Any]:
    return {
        element["text"]["text"]: element
        for block in made["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    }


def test_a_member_sees_who_waits_and_what_is_kept() -> None:
    made = view(MEMBER)
    said = texts(made)
    assert made["type"] == "home"
    assert "Hello, I am Guide" in said
    assert "I show you around. I am an AI." in said
    assert "mention <@U0> in a channel" in said
    assert "• What is this?" in said
    assert "*Kept*\n3 exchanges" in said
    assert "`/understudy privacy show`" in said
    assert "Change it" not in said
    assert "How things stand" not in said


def test_the_choices_are_those_that_are_open() -> None:
    asked = doors(view(MEMBER))
    assert list(asked) == ["You may learn from me", "No, do not", "Delete all of mine"]
    assert MEMBER.privacy is not None
    given = replace(MEMBER, privacy=replace(MEMBER.privacy, data={"consent": "given"}))
    assert list(doors(view(given))) == ["Take my yes back", "Delete all of mine"]
    withdrawn = replace(MEMBER, privacy=replace(MEMBER.privacy, data={"consent": "withdrawn"}))
    assert list(doors(view(withdrawn))) == ["You may learn from me", "Delete all of mine"]


def test_what_cannot_be_undone_is_confirmed_there() -> None:
    button = doors(view(MEMBER))["Delete all of mine"]
    assert button["style"] == "danger"
    assert button["confirm"]["text"]["text"].endswith("This cannot be undone.")
    assert controls.run_of(button["value"]).sure


def test_admins_see_how_things_stand_and_the_doors_they_may_open() -> None:
    made = view(OWNER)
    said = texts(made)
    assert "Guide answers with fake:echo." in said
    assert "*Examples*\n2 in use, 1 to review" in said
    assert "💡 *notices* · give `/understudy notices here`" in said
    assert {"Examples to review", "New avatar …", "Models"} <= set(doors(made))
    reviewer = replace(OWNER, who=Who("U3", "Cy", Access.REVIEWER))
    assert "New avatar …" not in doors(view(reviewer))
    assert "Examples to review" in doors(view(reviewer))


def test_doors_lead_to_commands_there_are() -> None:
    names = {command.name for command in KNOWN}
    for button in doors(view(OWNER)).values():
        assert controls.run_of(button["value"]).command in names


def test_what_was_done_stands_on_top() -> None:
    made = view(replace(MEMBER, note="Thank you: `/privacy withdraw` takes it back."))
    assert made["blocks"][0]["text"]["text"] == "Thank you: `/understudy privacy withdraw` takes it back."


def test_it_is_there_without_an_avatar() -> None:
    assert "Nobody waits here yet" in texts(view(replace(MEMBER, welcome=None)))


def test_it_stays_within_slacks_limits() -> None:
    long = "word " * 2_000
    facts = replace(
        OWNER,
        welcome=Welcome(long, long, suggestions=(long,) * 9, status=long),
        privacy=Answer(long, fields=tuple(Field("name", long) for _ in range(60)), data={}),
        note=long,
    )
    made = view(facts)
    assert len(made["blocks"]) <= BLOCKS
    for block in made["blocks"]:
        if block["type"] == "section":
            assert len(block.get("text", {}).get("text", "")) <= 3_000
            assert len(block.get("fields", ())) <= 10
            assert all(len(each["text"]) <= 2_000 for each in block.get("fields", ()))
        if block["type"] == "header":
            assert len(block["text"]["text"]) <= 150
    ids = [
        element["action_id"]
        for block in made["blocks"]
        for element in block.get("elements", ())
        if "action_id" in element
    ]
    assert len(set(ids)) == len(ids)
