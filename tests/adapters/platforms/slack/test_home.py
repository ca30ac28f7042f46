"""App Home: what waits there, what is kept of the person, and for admins how things stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from adapters.platforms.base import Access, Answer, Call, Command, Field, Param, Table, Welcome, Who
from adapters.platforms.slack import controls
from adapters.platforms.slack.home import BLOCKS, DOORS, Facts, view
from bot.commands import every_command
from bot.services import Services
from tests.adapters.platforms.discord.interactive import FakeHost, command
from tests.adapters.platforms.slack.interactive import ADMIN, MEMBER, world

KNOWN = every_command(cast("Services", None))
THEIRS = Facts(
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
    THEIRS,
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
    made = view(THEIRS)
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
    asked = doors(view(THEIRS))
    assert list(asked) == ["You may learn from me", "No, do not", "Delete all of mine"]
    assert THEIRS.privacy is not None
    given = replace(THEIRS, privacy=replace(THEIRS.privacy, data={"consent": "given"}))
    assert list(doors(view(given))) == ["Take my yes back", "Delete all of mine"]
    withdrawn = replace(THEIRS, privacy=replace(THEIRS.privacy, data={"consent": "withdrawn"}))
    assert list(doors(view(withdrawn))) == ["You may learn from me", "Delete all of mine"]


def test_what_cannot_be_undone_is_confirmed_there() -> None:
    button = doors(view(THEIRS))["Delete all of mine"]
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
    assert {door.command for door in DOORS} <= names
    for button in doors(view(OWNER)).values():
        assert controls.run_of(button["value"]).command in names


def test_what_was_trained_is_told_by_the_newest_of_each() -> None:
    run = {"run": 2, "dataset": "desk:3", "state": "running", "done": 0.4, "ended_at": None}
    facts = replace(
        OWNER,
        datasets=Answer(data=[{"dataset": "desk:3", "train": 1_440}, {"dataset": "desk:2", "train": 9}]),
        runs=Answer(data=[run]),
        releases=Answer(data=[{"answers_with": "embedded:base", "prompt_version": 1}]),
    )
    said = texts(view(facts))
    assert "*Datasets*\n2 · `desk:3`, 1,440 rows to train on" in said
    assert "*Training runs*\n1 · run 2 on `desk:3`: running, 40%" in said
    assert "*Releases*\n1 · `embedded:base` answers, with prompt version 1" in said
    ended = {**run, "dataset": None, "state": "failed", "ended_at": 5}
    said = texts(view(replace(facts, datasets=Answer(data=[]), runs=Answer(data=[ended]))))
    assert "*Datasets*\nnone yet" in said
    assert "run 2 on `a deleted dataset`: failed" in said
    assert "Training runs" not in texts(view(THEIRS))


def test_what_was_done_stands_on_top() -> None:
    made = view(replace(THEIRS, note="Thank you: `/privacy withdraw` takes it back."))
    assert made["blocks"][0]["text"]["text"] == "Thank you: `/understudy privacy withdraw` takes it back."


def test_it_is_there_without_an_avatar() -> None:
    assert "Nobody waits here yet" in texts(view(replace(THEIRS, welcome=None)))


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


# As it is published


class Homely(FakeHost):
    """A host that knows what was agreed to."""

    consent: str = "unset"

    @property
    def commands(self) -> tuple[Command, ...]:
        async def show(call: Call) -> Answer:
            return Answer("Kept.", fields=(Field("Kept", "3 exchanges"),), data={"consent": self.consent})

        async def consent(call: Call) -> Answer:
            self.consent = "given"
            return Answer("Thank you; `/privacy withdraw` takes it back.")

        async def delete(call: Call) -> Answer:
            self.consent = "unset"
            return Answer("Deleted.")

        table = Table(("no.", "question"), (("1", "Why?"),))
        return (
            command("privacy show", show),
            command("privacy consent", consent),
            command("privacy withdraw", Answer("Taken back.")),
            command("privacy delete", delete, confirm="Delete for good?"),
            command("stats", Answer(fields=(Field("Exchanges", "12"),)), access=Access.REVIEWER),
            command("examples list", Answer("1 example.", table=table), access=Access.REVIEWER),
            command(
                "avatar create",
                Answer("Created."),
                access=Access.TRAINER,
                params=(Param("name", "its name", required=True),),
            ),
        )


OPENED = {"type": "app_home_opened", "user": MEMBER, "channel": f"D{MEMBER}", "tab": "home"}


async def test_it_is_published_when_somebody_opens_it() -> None:
    async with world(Homely()) as there:
        await there.event(OPENED)
        [published] = there.slack.of("views.publish")
        assert published.said["user_id"] == MEMBER
        assert "*Kept*\n3 exchanges" in texts(published.said["view"])
        assert "How things stand" not in texts(published.said["view"])
        await there.event(OPENED | {"tab": "messages"})
        assert len(there.slack.of("views.publish")) == 1


async def test_admins_see_more() -> None:
    async with world(Homely()) as there:
        await there.event(OPENED | {"user": ADMIN})
        assert "*Exchanges*\n12" in texts(dict(there.home))
        assert "New avatar …" in doors(dict(there.home))


async def test_a_choice_is_taken_and_shown_at_once() -> None:
    host = Homely()
    async with world(host) as there:
        await there.event(OPENED)
        await there.press(doors(dict(there.home))["You may learn from me"], home=True, view={"hash": "h1"})
        assert there.slack.of("views.publish")[-1].said["hash"] == "h1"
        assert texts(dict(there.home)).startswith("Thank you; `/understudy privacy withdraw` takes it back.")
        assert "Take my yes back" in doors(dict(there.home))
        assert not there.slack.of("chat.postMessage")


async def test_what_slack_confirmed_is_done() -> None:
    host = Homely()
    async with world(host) as there:
        await there.event(OPENED)
        await there.press(doors(dict(there.home))["Delete all of mine"], home=True)
        assert next(call for call in host.calls if call.command == "privacy delete").confirmed
        assert texts(dict(there.home)).startswith("Deleted.")


async def test_a_long_answer_comes_in_the_messages() -> None:
    async with world(Homely()) as there:
        await there.event(OPENED | {"user": ADMIN})
        await there.press(doors(dict(there.home))["All examples"], home=True, person=ADMIN)
        [posted] = there.slack.of("chat.postMessage")
        assert posted.said["channel"] == ADMIN
        assert "| 1 | Why? |" in posted.text
        assert texts(dict(there.home)).startswith("I have answered under *Messages*.")


async def test_a_door_with_something_to_fill_in_opens_a_form() -> None:
    host = Homely()
    async with world(host) as there:
        await there.event(OPENED | {"user": ADMIN})
        await there.press(doors(dict(there.home))["New avatar …"], home=True, person=ADMIN)
        name = {"type": "plain_text_input", "value": "Bob"}
        await there.send(there.form, person=ADMIN, name=name)
        assert next(call for call in host.calls if call.command == "avatar create").values == {"name": "Bob"}
        assert there.last.text == "Created."
        assert len(there.slack.of("views.publish")) == 2


async def test_a_door_is_shut_to_who_may_not_pass() -> None:
    host = Homely()
    value = controls.run_value(controls.Run("", "examples list"))
    async with world(host) as there:
        await there.press({"action_id": "us1.home.1", "value": value}, home=True)
        assert host.audited[-1].command == "examples list"
        assert texts(dict(there.home)).startswith("⚠️ `/understudy examples list` is for a reviewer or above.")


async def test_what_changed_meanwhile_is_looked_up_again() -> None:
    async with world(Homely()) as there:
        await there.event(OPENED)
        there.slack.conflicts = 1
        await there.press(doors(dict(there.home))["You may learn from me"], home=True, view={"hash": "old"})
        refused, taken = there.slack.of("views.publish")[-2:]
        assert refused.said["hash"] == "old"
        assert "hash" not in taken.said
        assert "Take my yes back" in doors(dict(taken.said["view"]))
