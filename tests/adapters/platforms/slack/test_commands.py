"""Commands as people give them: behind a slash, said in a thread, by buttons and forms; each answered where it fits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import (
    Access,
    Answer,
    Call,
    Command,
    Field,
    Param,
    UserError,
)
from adapters.platforms.slack import commands
from adapters.platforms.usage import format_line
from bot.commands import every_command
from bot.services import Services
from tests.adapters.platforms.discord.interactive import FakeHost, command
from tests.adapters.platforms.slack.interactive import ADMIN, MEMBER, world

KNOWN = every_command(cast("Services", None))
NAME = Param("name", "its name", required=True)
PROMPT = Param("prompt", "who it is", required=True, rest=True, long=True)
Run = Callable[[Call], Awaitable[Answer]]


class Registry(FakeHost):
    """A host with the commands of the real registry, none of which does anything but tell that it ran."""

    @property
    def commands(self) -> tuple[Command, ...]:
        async def ran(call: Call) -> Answer:
            return Answer(f"{call.command} ran.")

        return tuple(
            Command(each.name, each.help, ran, each.access, each.params, each.confirm, each.private)
            for each in KNOWN
        )


def doing(name: str, run: Run | Answer, **more: Any) -> FakeHost:
    return FakeHost(own=(command(name, run, **more),))


# Reading


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_every_command_of_the_registry_is_read_as_it_is_written(known: Command) -> None:
    samples: dict[str, Any] = {
        "text": "two words",
        "integer": 1,
        "number": 1.5,
        "flag": True,
    }
    values = {
        p.name: p.choices[0]
        if p.kind == "choice"
        else min(samples[p.kind], p.maximum)
        if p.maximum is not None
        else samples[p.kind]
        for p in known.params
    }
    line = commands.line_of("/understudy", format_line(known, values).removeprefix("/"))
    given = commands.read(KNOWN, line)
    assert (given.command.name, given.values, given.missing) == (known.name, values, ())


def test_curly_quotes_and_what_slack_escapes_are_read() -> None:
    line = commands.line_of("/understudy", " avatar create name:Bob prompt:“You are &lt;Bob&gt; &amp; kind” ")
    assert commands.read(KNOWN, line).values == {"name": "Bob", "prompt": "You are <Bob> & kind"}


def test_what_is_missing_is_no_mistake() -> None:
    found = commands.read(KNOWN, "avatar create Bob")
    assert (found.values, found.missing) == ({"name": "Bob"}, ("prompt",))


def test_nothing_behind_the_slash_is_a_call_for_help() -> None:
    assert commands.line_of("/understudy", "  ") == "help"
    assert commands.line_of("/understudy", "/help") == "help"
    assert commands.line_of("/finetune", "") == "help finetune"
    assert commands.line_of("/finetune", "help") == "help finetune"
    assert commands.line_of("/finetune", "Help launch") == "help finetune launch"
    assert commands.line_of("/understudy", "finetune help") == "help finetune"
    assert commands.line_of("/finetune", "launch dataset:support") == "finetune launch dataset:support"
    assert commands.line_of("/finetune", "finetune runs") == "finetune runs"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("help", "help"),
        (" Help ", "help"),
        ("help rate", "help rate"),
        ("help finetune", "help finetune"),
        ("Help avatar create", "help avatar create"),
        ("help rate my haiku", None),
        ("/finetune help", "help finetune"),
        ("/understudy finetune", "help finetune"),
        ("/rate 5", "rate 5"),
        ("/avatar list", "avatar list"),
        ("/understudy rate 5", "rate 5"),
        ("/understudy", "help"),
        ("/avatr list", "avatr list"),
        ("/finetune launch", "finetune launch"),
        ("help me with this, please", None),
        ("rate my haiku", None),
        ("new ideas?", None),
        ("/etc/hosts is broken", None),
        ("/ what", None),
        ("/tmp is full", None),
        ("What does /rate do?", None),
        ("", None),
    ],
)
def test_a_command_is_told_from_speech(said: str, line: str | None) -> None:
    assert commands.command_in(said, cast("Any", Registry())) == line


@given(st.text(max_size=60).filter(lambda text: not text.strip().startswith("/")))
def test_speech_without_a_slash_is_never_a_command_but_help(text: str) -> None:
    names = {each.name for each in KNOWN} | commands.first_words(KNOWN)
    word, *rest = text.casefold().split() or [""]
    expected = "help" if word == "help" and not rest else None
    if word == "help" and " ".join(rest) in names:
        expected = f"help {' '.join(rest)}"
    assert commands.command_in(text, cast("Any", Registry())) == expected


@given(st.text(max_size=80))
def test_whatever_is_typed_is_read_or_refused_in_a_sentence(text: str) -> None:
    with suppress(UserError):
        assert commands.read(KNOWN, commands.line_of("/understudy", text)).command in KNOWN


# Behind a slash


async def test_a_command_is_acknowledged_and_answered_to_the_person_alone() -> None:
    host = doing("history", Answer("Nothing yet; `/history 5` shows more.", fields=(Field("Rated", "3"),)))
    async with world(host) as there:
        assert await there.slash("history") == ""
        told = there.last
        assert (told.method, told.said["response_type"]) == ("respond", "ephemeral")
        assert told.text == "Nothing yet; `/understudy history 5` shows more.\n\n- **Rated:** 3"
        assert host.calls[-1].place.conversation == "C1"
        assert not there.slack.of("chat.postMessage")


@pytest.mark.parametrize("name", [each.name for each in KNOWN if not each.confirm])
async def test_every_command_of_the_registry_can_be_given(name: str) -> None:
    host = Registry()
    known = next(each for each in host.commands if each.name == name)
    given: dict[str, Any] = {p.name: p.choices[0] if p.choices else "1" for p in known.params if p.required}
    async with world(host) as there:
        await there.slash(format_line(known, given), person=ADMIN)
        if name == "regenerate":
            return
        assert there.last.text == f"{name} ran."
        assert host.calls[-1].who.access == Access.OWNER


async def test_a_mistake_names_the_nearest_and_offers_help() -> None:
    host = Registry()
    async with world(host) as there:
        await there.slash("avater list")
        assert there.last.text == (
            "⚠️ There is no command `/understudy avater`; did you mean `/understudy avatar list`?"
        )
        assert list(there.last.buttons) == ["All commands"]
        await there.slash("rate 9")
        await there.press(there.last.buttons["How it is used"])
        assert host.calls[-1].values == {"command": "rate"}


async def test_the_other_slash_tells_that_there_is_nothing_to_tune_yet() -> None:
    async with world(FakeHost()) as there:
        await there.slash("launch dataset:support", command="/finetune")
        assert there.last.text.startswith("There is nothing to fine-tune with yet")


async def test_the_other_slash_carries_its_group_once_there_is_one() -> None:
    host = doing("finetune launch", Answer("Launched."), params=(Param("dataset", "which", required=True),))
    async with world(host) as there:
        await there.slash("launch dataset:support", command="/finetune")
        assert host.calls[-1].values == {"dataset": "support"}
        assert there.last.text == "Launched."


async def test_who_may_not_is_refused_by_the_host_whatever_they_gave() -> None:
    host = Registry()
    async with world(host) as there:
        await there.slash("avatar create")
        assert not there.slack.of("views.open")
        assert host.audited[-1].command == "avatar create"
        assert there.last.text == "⚠️ `/understudy avatar create` is for a trainer or above."


async def test_an_admin_who_is_none_any_more_is_refused_at_once() -> None:
    host = Registry()
    async with world(host) as there:
        await there.slash("models", person=ADMIN)
        assert there.last.text == "models ran."
        asked = len(there.slack.of("users.info"))
        await there.slash("models", person=ADMIN)
        assert len(there.slack.of("users.info")) > asked


# What is missing


async def test_a_form_asks_for_what_is_missing_and_holds_what_was_given() -> None:
    host = doing("avatar create", Answer("Created."), params=(NAME, PROMPT))
    async with world(host) as there:
        await there.slash("avatar create Bob")
        name, prompt = there.form["blocks"]
        assert name["element"]["initial_value"] == "Bob"
        assert "initial_value" not in prompt["element"]
        await there.send(
            there.form,
            name={"type": "plain_text_input", "value": "Bob"},
            prompt={"type": "plain_text_input", "value": "You are Bob."},
        )
        assert host.calls[-1].values == {"name": "Bob", "prompt": "You are Bob."}
        assert (there.last.method, there.last.text) == ("respond", "Created.")


async def test_a_form_proposes_what_there_is_as_far_as_it_is_found_in_time() -> None:
    never = asyncio.Event()

    async def many(call: Call, typed: str) -> list[str]:
        return [f"dataset-{number}:1" for number in range(40)]

    async def late(call: Call, typed: str) -> list[str]:
        await never.wait()
        return ["too late"]

    async def none(call: Call, typed: str) -> list[str]:
        raise UserError("There is no avatar here.")

    async def broken(call: Call, typed: str) -> list[str]:
        raise OSError("The disk is gone.")

    params = (
        Param("dataset", "which", required=True, complete=many),
        Param("vendor", "where", complete=late),
        Param("avatar", "whose", complete=none),
        Param("run", "what was", complete=broken),
        Param("model", "what", complete=many),
    )
    async with world(doing("finetune launch", Answer("Done."), params=params)) as there:
        await there.slash("finetune launch model:base")
        dataset, *others = (block["element"] for block in there.form["blocks"])
        shown = dataset["placeholder"]["text"]
        assert shown.startswith("Such as dataset-0:1, dataset-1:1, dataset-2:1")
        assert 130 < len(shown) <= 150
        assert len(others) == 4
        assert not any("placeholder" in each for each in others)


async def test_mistakes_in_a_form_are_shown_in_it() -> None:
    params = (Param("number", "which", "integer", required=True, minimum=1), NAME)
    host = doing("prompt activate", Answer("Done."), params=params)
    async with world(host) as there:
        await there.slash("prompt activate")
        answer = await there.send(there.form, number={"type": "number_input", "value": "0"})
        assert answer["response_action"] == "errors"
        assert set(answer["errors"]) == {"in.number", "in.name"}
        assert host.calls == []


async def test_a_form_that_comes_too_late_is_offered_by_a_button() -> None:
    host = doing("avatar create", Answer("Created."), params=(NAME, PROMPT))
    async with world(host) as there:
        there.slack.refused["views.open"] = "expired_trigger_id"
        await there.slash("avatar create Bob")
        assert there.last.text == "`/understudy avatar create` needs `prompt:`."
        del there.slack.refused["views.open"]
        await there.press(there.last.buttons["Fill it in …"])
        assert there.form["blocks"][0]["element"]["initial_value"] == "Bob"


# In threads


async def test_in_a_thread_a_command_is_said_and_answered_there() -> None:
    host = doing("rate it", Answer("Noted; `/rate none` takes it back."))
    async with world(host) as there:
        await there.interactions.typed(
            "rate it", channel="C1", person=MEMBER, thread="8.000800", message="9.1"
        )
        told = there.last
        assert (told.method, told.said["user"], told.said["thread_ts"]) == (
            "chat.postEphemeral",
            MEMBER,
            "8.000800",
        )
        assert told.text == "Noted; `@Understudy /rate none` takes it back."
        assert host.calls[-1].place.conversation == "C1:8.000800"


async def test_in_a_thread_a_button_opens_the_form() -> None:
    host = doing("avatar create", Answer("Created."), params=(NAME, PROMPT))
    async with world(host) as there:
        await there.interactions.typed(
            "avatar create Bob", channel="C1", person=MEMBER, thread="8.0", message="9.1"
        )
        await there.press(there.last.buttons["Fill it in …"], thread="8.0")
        assert there.form["blocks"][0]["element"]["initial_value"] == "Bob"


async def test_in_direct_messages_it_is_answered_by_a_message_that_stays() -> None:
    host = doing("history", Answer("Nothing yet."))
    async with world(host) as there:
        await there.interactions.typed("history", channel="D1", person=MEMBER, thread="8.0", message="9.1")
        assert (there.last.method, there.last.said["thread_ts"]) == ("chat.postMessage", "8.0")
