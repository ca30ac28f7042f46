"""Admins are warned where they chose, once in a while for each sort of failure, whoever finds out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.platforms.base import Access, Answer, Continuity, Host, Place, UserError
from adapters.vendors.base import (
    BadRequest,
    Denied,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    VendorError,
)
from bot.errors import for_admin, for_person
from bot.notices import HOUR_MS
from storage import clock, workspaces
from storage.database import Database
from tests.bot.theatre import ADA, BOB, ELSEWHERE, HERE, PATIENCE, Scripted, Theatre, as_member, play

NOW = 1_700_000_000_000
OFFICE = replace(HERE, channel="office", conversation="office")


@dataclass
class Stage:
    """A platform that keeps what it is told to say; with ``away`` it cannot be reached."""

    name: str = "discord"
    away: Exception | None = None
    told: list[tuple[Place, Answer]] = field(default_factory=list[tuple[Place, Answer]])

    async def run(self, host: Host, continuity: Continuity) -> None:
        """There is nobody to serve."""

    async def tell(
        self, place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        if self.away is not None:
            raise self.away
        self.told.append((place, answer))
        return str(len(self.told))

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    """A clock that stands."""
    clock.use(lambda: NOW)
    yield
    clock.use(None)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def theatre(database: Database, tmp_path: Path, stage: Stage) -> AsyncIterator[Theatre]:
    """An application whose model fails, with a platform on which admins can be told."""
    theatre = play(database, tmp_path)
    theatre.services.notices.serve(stage)
    theatre.model.pieces = []
    theatre.model.failure = QuotaExhausted("the budget of 5 dollars is spent", vendor="scripted")
    yield theatre
    await theatre.services.notices.close()


async def told(theatre: Theatre) -> None:
    """Until all that is being told is told."""
    here = asyncio.current_task()
    while others := [
        task for task in asyncio.all_tasks() if task is not here and "warn" in repr(task.get_coro())
    ]:
        await asyncio.wait(others)


async def fail(theatre: Theatre, place: Place = HERE) -> None:
    """A message that fails, and what admins are told of it."""
    assert (await theatre.say("hello", place=place)).status == "failed"
    await told(theatre)


async def choose(theatre: Theatre, where: str = "here", place: Place = OFFICE) -> None:
    assert (await theatre.command("notices", place=place, where=where)).ok


# Where


async def test_admins_are_warned_in_the_channel_that_they_chose(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    await fail(theatre)
    ((place, answer),) = stage.told
    assert place == Place("discord", "guild", "office", "office")
    assert answer == Answer(
        "scripted:one does not answer: the budget of 5 dollars is spent. "
        "Raise the budget at the vendor, or choose another model with `/model`.",
        ok=False,
    )


async def test_admins_learn_of_a_model_that_fails_also_where_another_answers(
    database: Database, tmp_path: Path, stage: Stage
) -> None:
    broken = Scripted(pieces=[], failure=Denied("the key is wrong", vendor="broken"))
    theatre = play(
        database,
        tmp_path,
        default="broken:one",
        others={"broken": broken},
        patience=replace(PATIENCE, fallback=("scripted:one",)),
    )
    theatre.services.notices.serve(stage)
    await choose(theatre)
    assert (await theatre.say("hello")).model == "scripted:one"
    await told(theatre)
    ((_, answer),) = stage.told
    assert answer.text.startswith("broken:one does not answer: the key is wrong.")
    await theatre.services.notices.close()


async def test_where_nothing_was_chosen_it_is_in_the_log(theatre: Theatre, stage: Stage) -> None:
    with capture_logs() as logs:
        await fail(theatre)
    assert stage.told == []
    (notice,) = [each for each in logs if each["event"] == "notice"]
    assert notice["workspace"] == "Guild"
    assert "the budget of 5 dollars is spent" in notice["sentence"]
    await choose(theatre)
    await fail(theatre)  # what was only logged was not told
    assert len(stage.told) == 1


async def test_the_choice_can_be_taken_back(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    await choose(theatre, "off")
    await fail(theatre)
    assert stage.told == []


async def test_each_workspace_is_told_in_its_own_channel(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    await choose(theatre, place=ELSEWHERE)
    await fail(theatre)
    await fail(theatre, ELSEWHERE)
    assert [(place.workspace, place.channel) for place, _ in stage.told] == [
        ("guild", "office"),
        ("another", "lobby"),
    ]


async def test_a_platform_that_is_not_served_is_not_told(theatre: Theatre, stage: Stage) -> None:
    slack = replace(HERE, platform="slack")
    await choose(theatre, place=slack)
    await fail(theatre, slack)
    assert stage.told == []


async def test_only_an_owner_chooses_and_not_in_a_terminal(theatre: Theatre) -> None:
    trainer = as_member(BOB, Access.TRAINER)
    assert not (await theatre.command("notices", who=trainer, where="here")).ok
    answer = await theatre.command("notices", place=theatre.app.terminal_place(), where="here")
    assert not answer.ok
    assert "in the log" in answer.text


@pytest.mark.parametrize(
    ("where", "state", "said"), [("here", "ok", "was chosen"), ("off", "hint", "`/notices here`")]
)
async def test_the_check_says_where(theatre: Theatre, where: str, state: str, said: str) -> None:
    await choose(theatre, where)
    answer = await theatre.command("check")
    assert answer.table is not None
    (row,) = [row for row in answer.table.rows if row[1] == "notices"]
    assert row[0] == state
    assert said in row[2]


# How often


async def test_once_an_hour_is_enough(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    for _ in range(3):
        await fail(theatre)
    assert len(stage.told) == 1
    clock.use(lambda: NOW + HOUR_MS)
    await fail(theatre)
    assert len(stage.told) == 1
    clock.use(lambda: NOW + HOUR_MS + 1)
    await fail(theatre)
    assert len(stage.told) == 2


async def test_another_sort_of_failure_or_another_model_is_told_too(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    await fail(theatre)
    theatre.model.failure = Denied("the key is wrong", vendor="scripted")
    await fail(theatre)
    assert (await theatre.command("model", name="scripted:two")).ok
    await fail(theatre)
    assert [answer.text.split(".")[0] for _, answer in stage.told] == [
        "scripted:one does not answer: the budget of 5 dollars is spent",
        "scripted:one does not answer: the key is wrong",
        "scripted:two does not answer: the key is wrong",
    ]


@pytest.mark.parametrize("kind", [BadRequest, Refused])
async def test_what_was_about_one_message_is_told_to_nobody(
    theatre: Theatre, stage: Stage, kind: type[VendorError]
) -> None:
    await choose(theatre)
    theatre.model.failure = kind("not that", vendor="scripted")
    await fail(theatre)
    assert stage.told == []


async def test_a_reply_that_breaks_off_is_told_too(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    theatre.model.pieces, theatre.model.failure = ["Hel"], Unavailable("the line is cut", vendor="scripted")
    assert (await theatre.say("hello")).status == "complete"
    await told(theatre)
    assert len(stage.told) == 1


async def test_of_two_replicas_one_warns(theatre: Theatre, stage: Stage, tmp_path: Path) -> None:
    await choose(theatre)
    replica = play(theatre.database, tmp_path, model=theatre.model)
    replica.services.notices.serve(stage)
    await asyncio.gather(*(each.say("hello", who=ADA) for each in (theatre, replica) for _ in range(2)))
    await told(theatre)
    assert len(stage.told) == 1


# When it cannot be told


async def test_a_platform_that_cannot_be_reached_does_no_harm(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    stage.away = UserError("I cannot write in that channel.")
    with capture_logs() as logs:
        await fail(theatre)
    (notice,) = [each for each in logs if each["event"] == "notice not told"]
    assert notice["error"] == "I cannot write in that channel."
    assert stage.told == []


async def test_what_a_platform_stumbles_over_does_no_harm(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    stage.away = RuntimeError("something else")
    with capture_logs() as logs:
        await fail(theatre)
    assert "notice failed" in {each["event"] for each in logs}


async def test_what_is_told_once_for_ever_is_told_again_when_it_could_not_be(
    theatre: Theatre, stage: Stage
) -> None:
    await choose(theatre)
    workspace = await theatre.database.read(lambda tx: workspaces.find(tx, "discord", "guild"))
    assert workspace is not None
    stage.away = UserError("Discord is not connected.")
    await theatre.services.notices.warn(workspace, "shutdown", "It will end.")
    stage.away = None
    for _ in range(2):
        await theatre.services.notices.warn(workspace, "shutdown", "It will end.")
    assert [answer.text for _, answer in stage.told] == ["It will end."]


async def test_closing_gives_up_what_is_being_told(theatre: Theatre, stage: Stage) -> None:
    await choose(theatre)
    gate, reached = asyncio.Event(), asyncio.Event()

    async def tell(
        place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        reached.set()
        await gate.wait()
        return ""

    stage.tell = tell
    await theatre.say("hello")
    await reached.wait()
    await theatre.services.notices.close()
    await told(theatre)
    assert stage.told == []


# The words

KINDS = (QuotaExhausted, RateLimited, Unavailable, Denied, ModelNotFound, NotConfigured, VendorError)
WORDS = "Error 4711: the vendor's own words."


@pytest.mark.parametrize("kind", KINDS)
def test_admins_read_the_vendors_words_and_what_to_do(kind: type[VendorError]) -> None:
    said = for_admin(kind(WORDS, vendor="scripted"), "scripted:one")
    assert said.startswith("scripted:one does not answer: Error 4711: the vendor's own words. ")
    todo = said.partition("own words. ")[2]
    assert todo.endswith(".")
    assert ".." not in said
    assert any(hint in todo for hint in ("`/model`", "models.fallback", "log"))


@pytest.mark.parametrize("kind", [*KINDS, BadRequest, Refused])
def test_people_read_neither(kind: type[VendorError]) -> None:
    said = for_person(kind(WORDS, vendor="scripted"), "scripted:one")
    assert "4711" not in said
    assert "own words" not in said
    assert said.endswith(".")
    assert ("scripted:one" in said) is (kind in {ModelNotFound, NotConfigured})
