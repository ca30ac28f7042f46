"""A tuned model from the chat: listed, tried, activated, taken back; and what answers when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import Access, Answer, Button
from adapters.platforms.discord.controls import run_control
from adapters.vendors.base import (
    ChatRequest,
    Delta,
    Denied,
    Event,
    ModelNotFound,
    Refused,
    Unavailable,
    VendorError,
)
from bot.notices import DAY_MS
from storage import audit, avatars, clock, exchanges, ids, releases, runs, workspaces
from storage.database import Database, Tx
from storage.releases import Release
from storage.runs import NewRun, State
from tests.bot.test_notices import Stage as Notified
from tests.bot.test_notices import choose, told
from tests.bot.theatre import BOB, ELSEWHERE, FINISHED, HERE, PATIENCE, Scripted, Theatre, as_member, play

TRAINER = as_member(BOB, Access.TRAINER)
GONE = ModelNotFound("there is no such model", vendor="scripted")
DOWN = Unavailable("the server is on fire", vendor="scripted")
STEPS: tuple[State, ...] = ("uploading", "creating", "running", "succeeded")


@dataclass
class Cast(Scripted):
    """A vendor whose models differ: each says its own words, or fails."""

    says: dict[str, str | VendorError] = field(default_factory=dict[str, "str | VendorError"])

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        self.asked.append(request)
        said = self.says.get(request.model, f"I am {request.model}.")
        if isinstance(said, VendorError):
            raise said
        yield Delta(said)
        yield FINISHED

    def count(self, model: str) -> int:
        return sum(request.model == model for request in self.asked)


@pytest.fixture
def cast() -> Cast:
    return Cast(known=("one", "two", "tuned", "better"), ends={"one": "2027-03-01"})


@pytest.fixture
def notified() -> Notified:
    return Notified()


@pytest.fixture
async def theatre(
    database: Database, tmp_path: Path, cast: Cast, notified: Notified
) -> AsyncIterator[Theatre]:
    """An application with somebody in it, and models of one workspace that were tuned."""
    theatre = play(database, tmp_path, model=cast, patience=replace(PATIENCE, rest_after=3))
    theatre.services.notices.serve(notified)
    assert (await theatre.say("hello")).model == "scripted:one"
    await choose(theatre)
    await train(theatre, "tuned", checkpoints=[{"model": "tuned-1", "step": 10}])
    await train(theatre, "better")
    cast.asked.clear()
    yield theatre
    await theatre.services.notices.close()


async def train(theatre: Theatre, model: str, workspace: str = "guild", **result: Any) -> None:
    """A training run that succeeded."""

    def job(tx: Tx) -> None:
        found = workspaces.find(tx, "discord", workspace)
        assert found is not None
        new = NewRun(found.id, None, 99, "scripted", "sft", "one", ids.new_id(), {}, {}, None)
        run = runs.create(tx, new)
        for state in STEPS:
            changes: dict[str, Any] = {"model": model, **result} if state == "succeeded" else {}
            runs.changed(tx, run.id, state=state, next_at=None, **changes)

    await theatre.database.write(job)


async def history(theatre: Theatre) -> list[Release]:
    """The avatar's releases, oldest first."""

    def read(tx: Tx) -> list[Release]:
        workspace = workspaces.find(tx, "discord", "guild")
        assert workspace is not None
        (avatar,) = avatars.listed(tx, workspace.id)
        return releases.listed(tx, avatar.id)[::-1]

    return await theatre.database.read(read)


async def press(theatre: Theatre, answer: Answer, number: int = 0) -> Answer:
    button: Button = answer.buttons[number]
    values: dict[str, Any] = dict(button.args)
    return await theatre.command(button.command, who=TRAINER, **values)


async def activate(theatre: Theatre, model: str = "scripted:tuned") -> Answer:
    answer = await theatre.command("finetune activate", who=TRAINER, model=model, confirmed=True)
    assert answer.ok, answer.text
    return answer


async def back(theatre: Theatre, **values: Any) -> Answer:
    return await theatre.command("finetune rollback", who=TRAINER, confirmed=True, **values)


async def model_of(theatre: Theatre) -> str:
    """Which model answers the next message."""
    spoken = await theatre.say("hello again")
    assert spoken.status == "complete"
    await told(theatre)
    return spoken.model


def data(answer: Answer) -> Any:
    return answer.data


# Which models there are, and trying one


async def test_the_tuned_models_are_listed_and_no_others(theatre: Theatre) -> None:
    await activate(theatre)
    answer = await theatre.command("finetune models", who=TRAINER)
    found = data(answer)
    assert [each["model"] for each in found] == ["scripted:better", "scripted:tuned", "scripted:tuned-1"]
    assert [each["active_for"] for each in found] == [[], ["Guide"], []]
    assert [each["step"] for each in found] == [None, None, 10]
    assert {each["base_model"] for each in found} == {"scripted:one"}
    assert found[0]["shutdown_date"] == "2027-03-01"  # what it was tuned from ends, and it with that
    assert answer.table is not None
    assert answer.table.rows[1][:2] == ("Guide", "scripted:tuned")


async def test_models_are_listed_however_many_runs_came_after(theatre: Theatre) -> None:
    def more(tx: Tx) -> None:
        home = workspaces.find(tx, "discord", "guild")
        assert home is not None
        for _ in range(1000):
            new = NewRun(home.id, None, 99, "scripted", "sft", "one", ids.new_id(), {}, {}, None)
            runs.changed(tx, runs.create(tx, new).id, state="cancelled", next_at=None)

    await theatre.database.write(more)
    answer = await theatre.command("finetune models", who=TRAINER)
    assert {(each["model"], each["method"]) for each in data(answer)} >= {("scripted:tuned", "sft")}


async def test_a_vendor_that_does_not_tell_its_dates_does_not_hide_the_models(
    theatre: Theatre, cast: Cast
) -> None:
    cast.listing = Denied("the key is wrong", vendor="scripted")
    answer = await theatre.command("finetune models", who=TRAINER)
    assert "the key is wrong" in answer.text
    assert len(data(answer)) == 3


async def test_without_a_tuned_model_that_is_said(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    answer = await theatre.command("finetune models", who=TRAINER)
    assert (answer.ok, answer.data) == (True, [])
    assert "no tuned model yet" in answer.text
    refused = await theatre.command("finetune activate", who=TRAINER, model="scripted:two", confirmed=True)
    assert not refused.ok
    assert "chosen with `/model`" in refused.text


async def test_a_tuned_model_is_tried_beside_what_answers_now(theatre: Theatre, cast: Cast) -> None:
    answer = await theatre.command(
        "finetune try", who=TRAINER, model="scripted:tuned", message="Who are you?"
    )
    assert answer.private
    assert "> I am tuned." in answer.text
    assert "**scripted:one, which answers now**" in answer.text
    assert data(answer)["now"]["text"] == "I am one."
    assert {request.turns[-1].text for request in cast.asked} == {"Who are you?"}
    assert len(await history(theatre)) == 1
    assert await model_of(theatre) == "scripted:one"
    workspace = await theatre.database.read(lambda tx: workspaces.find(tx, "discord", "guild"))
    assert workspace is not None
    kept = await theatre.database.read(
        lambda tx: [each.user_text for each in exchanges.listed(tx, workspace.id, limit=10)]
    )
    assert "Who are you?" not in kept  # nothing of it is kept
    offered = await press(theatre, answer)
    assert offered.buttons
    assert offered.buttons[0].label == "Activate it"


async def test_trying_a_model_without_a_question_asks_it_one_that_is_at_hand(
    theatre: Theatre, cast: Cast
) -> None:
    answer = await theatre.command("finetune try", who=TRAINER, model="scripted:tuned")
    assert answer.ok, answer.text
    assert answer.text.startswith("One of the recent questions:\n> hello\n\n**scripted:tuned**")
    assert {request.turns[-1].text for request in cast.asked} == {"hello"}


async def test_what_was_said_in_the_smoke_test_is_shown_with_the_question_and_not_again(
    theatre: Theatre,
) -> None:
    asked = await theatre.command("finetune activate", who=TRAINER, model="scripted:tuned")
    assert "> I am tuned." in asked.text
    done = await press(theatre, asked)
    assert "answered 1 of 1 questions" in done.text
    assert "I am tuned." not in done.text
    at_once = await theatre.command("finetune activate", who=TRAINER, model="scripted:better", confirmed=True)
    assert "> I am better." in at_once.text


async def test_trying_a_model_that_is_gone_says_so(theatre: Theatre, cast: Cast) -> None:
    cast.says["tuned"] = GONE
    answer = await theatre.command("finetune try", who=TRAINER, model="scripted:tuned", message="Hm?")
    assert not answer.ok
    assert "there is no such model" in answer.text
    cast.says = {"one": GONE}
    answer = await theatre.command("finetune try", who=TRAINER, model="scripted:tuned", message="Hm?")
    assert answer.ok
    assert "which answers now** does not answer" in answer.text


async def test_models_of_another_workspace_are_not_there(theatre: Theatre, cast: Cast) -> None:
    await theatre.say("hello", place=ELSEWHERE)
    await train(theatre, "secret", workspace="another")
    assert "secret" not in str(data(await theatre.command("finetune models", who=TRAINER)))
    for command in ("finetune activate", "finetune try"):
        answer = await theatre.command(
            command, who=TRAINER, model="scripted:secret", message="Hi", confirmed=True
        )
        assert not answer.ok
        assert "No tuned model is named 'scripted:secret'" in answer.text
    cast.known = ("one", "secret", "tuned")
    assert "secret" not in str(data(await theatre.command("models", who=TRAINER)))
    chosen = await theatre.command("model", who=TRAINER, name="scripted:secret")
    assert not chosen.ok
    assert "scripted has no model 'secret'; near it" in chosen.text
    assert (await theatre.command("model", who=TRAINER, name="scripted:tuned")).ok


# Activating


async def test_activating_shows_the_smoke_test_and_asks(theatre: Theatre, cast: Cast) -> None:
    asked = await theatre.command("finetune activate", who=TRAINER, model="scripted:tuned", why="better")
    assert asked.ok
    assert "answered 1 of 1 questions; 1 of 1 answers differ from those of scripted:one" in asked.text
    assert "(recent questions" in asked.text
    assert "> I am tuned." in asked.text
    assert not any(request.shots for request in cast.asked)
    assert await model_of(theatre) == "scripted:one"
    done = await press(theatre, asked)
    assert done.ok
    assert "release 2" in done.text
    assert await model_of(theatre) == "scripted:tuned"
    first, second = await history(theatre)
    assert (second.why, second.prompt_version_id) == ("better", first.prompt_version_id)
    again = await press(theatre, asked)
    assert not again.ok
    assert len(await history(theatre)) == 2


async def test_what_was_decided_meanwhile_is_not_overruled(theatre: Theatre) -> None:
    asked = await theatre.command("finetune activate", who=TRAINER, model="scripted:tuned")
    await activate(theatre, "scripted:better")
    late = await press(theatre, asked)
    assert not late.ok
    assert "Release 1 is not active any more" in late.text
    assert await model_of(theatre) == "scripted:better"


LONG = "ft:gpt-4.1-mini-2025-04-14:" + "a-company-with-a-long-name" + ":counsel-sft-12:Babc123xyz"


def kept_over_a_restart(answer: Answer) -> None:
    """All that a button says is on the button, wherever it is shown and however long names are."""
    for button in answer.buttons:
        assert run_control("9" * 20, button.command, button.args), button.args
        assert run_control("9" * 20, button.command, button.args, sure=True), button.args


async def test_buttons_outlive_a_restart_however_long_names_are(theatre: Theatre) -> None:
    name = "Профессор Доуэль, который знает всё о птицах и рыбах"
    assert len(LONG) > 60
    assert (await theatre.command("avatar create", name=name, prompt="You know every bird.")).ok
    await train(theatre, LONG, checkpoints=[{"model": f"{LONG}:ckpt-step-120", "step": 120}])
    there = replace(HERE, avatar=name)
    for model in (f"scripted:{LONG}", f"scripted:{LONG}:ckpt-step-120"):
        tried = await theatre.command("finetune try", who=TRAINER, place=there, model=model, message="Hi")
        kept_over_a_restart(tried)
        asked = await press(theatre, tried)
        kept_over_a_restart(asked)
        assert f"Activate {model} for everybody" in asked.text
        done = await press(theatre, asked)
        assert done.text.endswith("goes back to release " + ("1." if model.endswith(LONG) else "2."))
        kept_over_a_restart(done)
        assert f"{name} answers with **{model}**" in done.text
    back = await press(theatre, done)
    kept_over_a_restart(back)
    assert "Go back to release 2" in back.text
    assert "repeats release 2" in (await press(theatre, back)).text
    assert (await theatre.say("hello", place=there)).model == f"scripted:{LONG}"
    assert await model_of(theatre) == "scripted:one"  # the avatar that answers here was never meant
    again = await press(theatre, back)
    assert "Release 3 is not active any more" in again.text


async def test_a_model_can_be_named_by_its_run(theatre: Theatre) -> None:
    found = {
        each["model"]: each["run"] for each in data(await theatre.command("finetune models", who=TRAINER))
    }
    run = found["scripted:tuned"]
    for named, model in ((f"run:{run}", "tuned"), (f"run:{run}:10", "tuned-1")):
        answer = await theatre.command("finetune try", who=TRAINER, model=named, message="Hi")
        assert f"**scripted:{model}**" in answer.text
    for wrong in (f"run:{run}:11", "run:999", "run:"):
        answer = await theatre.command("finetune try", who=TRAINER, model=wrong, message="Hi")
        assert f"No tuned model is named {wrong!r}" in answer.text
    answer = await theatre.command("finetune activate", who=TRAINER, model=f"run:{run}", asked="yes")
    assert "none of the questions that buttons answer" in answer.text
    answer = await theatre.command("finetune activate", who=TRAINER, model=f"run:{run}", asked="1-ffffff")
    assert "not there any more" in answer.text
    assert len(await history(theatre)) == 1


async def test_the_same_answers_are_warned_of_and_can_be_wanted(theatre: Theatre, cast: Cast) -> None:
    cast.says = {"tuned": "Just the same.", "one": "Just the  same."}
    asked = await theatre.command("finetune activate", who=TRAINER, model="scripted:tuned")
    assert "⚠️ All its answers are those of scripted:one" in asked.text
    assert asked.buttons[0].label == "Activate it all the same"
    without: dict[str, Any] = {**asked.buttons[0].args}
    without["asked"] = without["asked"].removesuffix("-anyway")  # as if it had been good when they were asked
    still = await theatre.command("finetune activate", who=TRAINER, **without)
    assert len(await history(theatre)) == 1
    assert (await press(theatre, still)).ok
    assert data(await theatre.command("finetune releases"))[0]["evaluated"]["smoke"] == "same"
    await back(theatre)
    answer = await activate(theatre)  # as with --yes
    assert "⚠️" in answer.text


async def test_a_model_that_does_not_answer_is_refused_whatever_is_said(theatre: Theatre, cast: Cast) -> None:
    cast.says["tuned"] = GONE
    answer = await theatre.command(
        "finetune activate", who=TRAINER, model="scripted:tuned", confirmed=True, anyway=True
    )
    assert not answer.ok
    assert answer.text == (
        "scripted:tuned does not answer: there is no such model. Nothing was changed; Guide answers with "
        "scripted:one as before."
    )
    assert len(await history(theatre)) == 1
    assert cast.count("tuned") == 1


async def test_a_script_is_not_asked_and_needs_to_say_yes(theatre: Theatre) -> None:
    theatre.app.__dict__.pop("_by_name", None)
    theatre.app._services = replace(theatre.services, interactive=False)  # pyright: ignore[reportPrivateUsage]
    for command in ("finetune activate", "finetune rollback"):
        answer = await theatre.command(command, who=TRAINER, model="scripted:tuned")
        assert not answer.ok
        assert "add `--yes` to say so" in answer.text
        await activate(theatre, "scripted:better" if command == "finetune activate" else "scripted:tuned")
    assert len(await history(theatre)) == 3


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("finetune models", {}),
        ("finetune try", {"model": "scripted:tuned", "message": "Hi"}),
        ("finetune activate", {"model": "scripted:tuned"}),
        ("finetune rollback", {}),
        ("finetune releases", {}),
    ],
)
async def test_all_of_it_is_for_trainers(theatre: Theatre, command: str, values: dict[str, Any]) -> None:
    reviewer = as_member(BOB, Access.REVIEWER)
    answer = await theatre.command(command, who=reviewer, confirmed=True, **values)
    assert not answer.ok
    assert len(await history(theatre)) == 1
    workspace = await theatre.database.read(lambda tx: workspaces.find(tx, "discord", "guild"))
    assert workspace is not None
    (entry,) = await theatre.database.read(lambda tx: audit.listed(tx, workspace.id, 1))
    assert (entry.action, entry.allowed) == (command, False)


async def test_the_next_message_on_every_replica_is_answered_by_it(
    theatre: Theatre, tmp_path: Path, cast: Cast
) -> None:
    replica = play(theatre.database, tmp_path, model=cast)
    for each in (theatre, replica):
        assert (await each.say("hello")).model == "scripted:one"
    await activate(theatre)
    for each in (replica, theatre):
        assert (await each.say("hello")).model == "scripted:tuned"
    await back(replica)
    for each in (theatre, replica):
        assert (await each.say("hello")).model == "scripted:one"


# Going back


async def test_going_back_shows_what_it_means_and_asks(theatre: Theatre) -> None:
    await activate(theatre)
    asked = await theatre.command("finetune rollback", who=TRAINER)
    assert asked.text == (
        "Guide answers by release 2, with scripted:tuned and prompt version 1. Go back to release 1, with scripted:one "
        "and prompt version 1, for everybody?"
    )
    assert await model_of(theatre) == "scripted:tuned"
    done = await press(theatre, asked)
    assert "release 3 repeats release 1" in done.text
    assert await model_of(theatre) == "scripted:one"
    twice = await press(theatre, asked)
    assert not twice.ok
    assert "Release 2 is not active any more" in twice.text


async def test_the_walk_back(theatre: Theatre) -> None:
    await activate(theatre)
    await activate(theatre, "scripted:better")
    said = [(await back(theatre)).text for _ in range(3)]
    assert "release 4 repeats release 2" in said[0]
    assert "release 5 repeats release 1" in said[1]
    assert "There is nothing before release 1" in said[2]
    assert (await back(theatre, to=3)).ok
    assert await model_of(theatre) == "scripted:better"
    answer = await theatre.command("finetune releases", who=TRAINER)
    found = data(answer)
    assert [(each["number"], each["repeats"], each["active"]) for each in found] == [
        (6, 3, True),
        (5, 1, False),
        (4, 2, False),
        (3, None, False),
        (2, None, False),
        (1, None, False),
    ]
    assert (found[3]["by"], found[3]["evaluated"]["answered"]) == ("Bob", found[3]["evaluated"]["asked"])
    assert answer.table is not None
    assert answer.table.rows[0][:3] == ("●", "6 (repeats 3)", "scripted:better")
    assert answer.table.rows[-1][2] == "scripted:one, the base model"


async def test_a_base_model_that_was_chosen_goes_back_too(theatre: Theatre) -> None:
    for name in ("scripted:two", "default"):
        assert (await theatre.command("model", who=TRAINER, name=name)).ok
    await activate(theatre)
    assert (await theatre.command("model", who=TRAINER, name="scripted:better")).ok
    answers = [await model_of(theatre)]
    for _ in range(4):
        assert (await back(theatre)).ok
        answers.append(await model_of(theatre))
    one, two = "scripted:one", "scripted:two"
    assert answers == ["scripted:better", "scripted:tuned", one, two, one]
    assert "There is nothing before release 1" in (await back(theatre)).text
    assert (await back(theatre, to=2)).ok
    assert await model_of(theatre) == two
    found = data(await theatre.command("finetune releases", who=TRAINER))
    assert [each["answers_with"] for each in found[-5:]][::-1] == [
        one,
        two,
        one,
        "scripted:tuned",
        "scripted:better",
    ]


async def test_a_prompt_that_was_activated_goes_back_too(theatre: Theatre) -> None:
    await activate(theatre)
    assert (await theatre.command("prompt edit", who=TRAINER, text="Be brief.")).ok
    assert (await back(theatre)).ok
    found = data(await theatre.command("finetune releases", who=TRAINER))
    assert [(each["model"], each["prompt_version"]) for each in found[:2]] == [
        ("scripted:tuned", 1),
        ("scripted:tuned", 2),
    ]


# When a released model does not answer


async def test_whoever_asks_gets_an_answer_and_the_admins_are_told_once(
    theatre: Theatre, cast: Cast, notified: Notified
) -> None:
    await activate(theatre)
    cast.says["tuned"] = GONE
    for _ in range(3):
        assert await model_of(theatre) == "scripted:one"
    ((_, notice),) = notified.told
    assert notice.text == (
        "scripted:tuned, with which release 2 of Guide answers, is gone: there is no such model. scripted:one answers "
        "in its place. `/finetune rollback` takes Guide back to the release before it."
    )
    clock.use(lambda: 4_000_000_000_000)
    try:
        assert await model_of(theatre) == "scripted:one"
    finally:
        clock.use(None)
    assert len(notified.told) == 1


async def test_of_two_replicas_one_tells(
    theatre: Theatre, tmp_path: Path, cast: Cast, notified: Notified
) -> None:
    await activate(theatre)
    replica = play(theatre.database, tmp_path, model=cast)
    replica.services.notices.serve(notified)
    cast.says["tuned"] = GONE
    found = await asyncio.gather(*(each.say("hello") for each in (theatre, replica, theatre, replica)))
    await told(theatre)
    assert {each.model for each in found} == {"scripted:one"}
    assert len(notified.told) == 1


async def test_one_that_fails_for_a_while_is_told_of_each_day(
    theatre: Theatre, cast: Cast, notified: Notified
) -> None:
    await activate(theatre)
    cast.says["tuned"] = DOWN
    now = clock.now()
    try:
        for after in (0, DAY_MS - 1, DAY_MS + 1):
            clock.use(lambda after=after: now + after)
            assert await model_of(theatre) == "scripted:one"
    finally:
        clock.use(None)
    assert len(notified.told) == 2
    assert "If it goes on, `/finetune rollback`" in notified.told[0][1].text


async def test_earlier_releases_answer_first_then_the_base_model_then_the_default(
    theatre: Theatre, cast: Cast
) -> None:
    assert (await theatre.command("model", name="scripted:two")).ok
    await activate(theatre, "scripted:tuned-1")
    await activate(theatre)
    await activate(theatre, "scripted:better")
    for gone, answers in (
        ("better", "scripted:tuned"),
        ("tuned", "scripted:tuned-1"),
        ("tuned-1", "scripted:two"),
        ("two", "scripted:one"),
    ):
        cast.says[gone] = GONE
        assert await model_of(theatre) == answers
    cast.says["one"] = GONE
    assert (await theatre.say("hello")).status == "failed"


async def test_what_was_taken_back_does_not_answer_in_its_place(theatre: Theatre, cast: Cast) -> None:
    await activate(theatre)
    await activate(theatre, "scripted:better")
    await back(theatre)
    cast.says["tuned"] = GONE
    cast.asked.clear()
    assert await model_of(theatre) == "scripted:one"
    assert cast.count("better") == 0


async def test_a_model_that_fails_alone_is_left_in_peace_and_its_vendor_is_not(
    theatre: Theatre, cast: Cast
) -> None:
    await activate(theatre)
    cast.says["tuned"] = DOWN
    cast.asked.clear()
    await asyncio.gather(*(theatre.say("hello") for _ in range(2)))
    for _ in range(5):
        assert await model_of(theatre) == "scripted:one"
    assert (cast.count("tuned"), cast.count("one")) == (3, 7)


async def test_one_that_is_gone_is_not_asked_at_every_message(theatre: Theatre, cast: Cast) -> None:
    await activate(theatre)
    cast.says["tuned"] = GONE
    cast.asked.clear()
    for _ in range(6):
        assert await model_of(theatre) == "scripted:one"
    assert cast.count("tuned") == 3


async def test_what_it_must_not_answer_is_not_tried_on_others(
    theatre: Theatre, cast: Cast, notified: Notified
) -> None:
    await activate(theatre)
    cast.says["tuned"] = Refused("not that", vendor="scripted")
    cast.asked.clear()
    assert (await theatre.say("hello")).status == "failed"
    await told(theatre)
    assert (cast.count("one"), notified.told) == (0, [])


async def test_when_nothing_answers_that_is_told(theatre: Theatre, cast: Cast, notified: Notified) -> None:
    await activate(theatre)
    cast.says = {"tuned": DOWN, "one": DOWN}
    assert (await theatre.say("hello")).status == "failed"
    await told(theatre)
    texts = sorted(notice.text for _, notice in notified.told)
    assert texts[0].startswith("scripted:one does not answer: the server is on fire.")
    assert "Nothing answered in its place." in texts[1]
