"""Every platform at once: what one of them cannot do ends all of them with a sentence, and all of them are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.platforms.base import Answer, Continuity, Host, Place, UserError
from bot.app import FACES
from bot.faces import Face, ready
from bot.serve import serve_all
from bot.settings import Configuration, Secrets, Settings, load
from storage import clock
from storage.database import Database
from tests.bot.theatre import HERE, Theatre, play

Run = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Stage:
    """A platform that serves until it is closed or cancelled, or does as it is told."""

    name: str
    does: Run | None = None
    closes: Run | None = None
    log: list[str] = field(default_factory=list[str])
    host: Host | None = None
    continuity: Continuity | None = None
    running: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[Place] = field(default_factory=list[Place])

    async def run(self, host: Host, continuity: Continuity) -> None:
        self.host, self.continuity = host, continuity
        self.log.append("run")
        self.running.set()
        try:
            await (self.does() if self.does else self.done.wait())
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise

    async def tell(
        self, place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        self.told.append(place)
        return str(len(self.told))

    async def close(self) -> None:
        self.log.append("closed")
        if self.closes:
            await self.closes()


def face(stage: Stage) -> Face:
    return Face(stage.name, (), lambda _configuration: stage)


def failing(error: Exception) -> Run:
    async def fail() -> None:
        raise error

    return fail


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path)


async def serve(theatre: Theatre, *stages: Stage) -> int:
    before = asyncio.all_tasks()
    try:
        return await serve_all(theatre.app, theatre.services.configuration, [face(each) for each in stages])
    finally:
        assert asyncio.all_tasks() == before


async def test_what_a_platform_cannot_do_is_the_sentence_at_the_end(theatre: Theatre) -> None:
    good = Stage("good")

    async def fail() -> None:
        await good.running.wait()
        raise UserError("Discord does not know the token.")

    bad = Stage("bad", fail)
    with pytest.raises(UserError, match=r"^Discord does not know the token\.$") as caught:
        await serve(theatre, bad, good)
    assert caught.value.__cause__ is None
    assert bad.log == ["run", "closed"]
    assert good.log == ["run", "cancelled", "closed"]


async def test_of_several_sentences_one_is_said(theatre: Theatre) -> None:
    inner = ExceptionGroup("inner", [UserError("first"), UserError("second")])
    with pytest.raises(UserError, match=r"^first$"):
        await serve(theatre, Stage("bad", failing(ExceptionGroup("outer", [inner, UserError("third")]))))


async def test_of_several_platforms_one_is_heard(theatre: Theatre) -> None:
    stages = [Stage(name, failing(UserError(f"{name} cannot"))) for name in ("one", "two")]
    with pytest.raises(UserError, match=r"^one cannot$"):
        await serve(theatre, *stages)
    assert [each.log[-1] for each in stages] == ["closed", "closed"]


async def test_another_error_is_not_taken_for_a_sentence(theatre: Theatre) -> None:
    good, bad = Stage("good"), Stage("bad", failing(RuntimeError("out of order")))
    with pytest.raises(ExceptionGroup) as caught:
        await serve(theatre, good, bad)
    assert caught.group_contains(RuntimeError, match="out of order")
    assert good.log[-2:] == ["cancelled", "closed"]


async def test_a_platform_that_does_not_close_keeps_no_other_from_it(theatre: Theatre) -> None:
    bad = Stage("bad", failing(UserError("no")), closes=failing(RuntimeError("stuck")))
    good = Stage("good")
    with capture_logs() as lines, pytest.raises(UserError, match=r"^no$"):
        await serve(theatre, bad, good)
    assert good.log[-1] == "closed"
    assert [line["platform"] for line in lines if line["event"] == "platform not closed"] == ["bad"]


async def test_being_stopped_closes_all(theatre: Theatre) -> None:
    stages = [Stage("one"), Stage("two")]
    serving = asyncio.create_task(serve(theatre, *stages))
    for each in stages:
        await each.running.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert [each.log for each in stages] == [["run", "cancelled", "closed"]] * 2


async def test_platforms_that_end_by_themselves_end_it(theatre: Theatre) -> None:
    stages = [Stage("one"), Stage("two")]
    serving = asyncio.create_task(serve(theatre, *stages))
    for each in stages:
        await each.running.wait()
        assert not serving.done()
        each.done.set()
    assert await serving == 0
    assert [each.log for each in stages] == [["run", "closed"]] * 2


async def test_each_platform_gets_the_application_and_can_tell_admins(theatre: Theatre) -> None:
    stage = Stage("discord")
    assert (await theatre.command("notices", where="here")).ok
    workspace = (await theatre.services.scenes.find(HERE, theatre.app.terminal_who())).workspace

    async def warn() -> None:
        await theatre.services.notices.warn(workspace, "about", "Mind the gap.")

    stage.does = warn
    assert await serve(theatre, stage) == 0
    assert (stage.host, stage.continuity) == (theatre.app, theatre.app)
    assert [place.channel for place in stage.told] == [HERE.channel]


async def test_every_process_knows_when_a_platform_was_last_connected(
    theatre: Theatre, tmp_path: Path
) -> None:
    replica = play(theatre.database, tmp_path)
    assert await replica.app.last_seen("discord") is None
    try:
        for at in (1_700_000_000_000, 1_700_000_060_000):
            clock.use(lambda at=at: at)
            await theatre.app.seen("discord")
            assert await replica.app.last_seen("discord") == at
    finally:
        clock.use(None)
    assert await replica.app.last_seen("slack") is None


# Which


def configured(**secrets: str) -> Configuration:
    return Configuration(
        settings=Settings(), secrets=Secrets.model_validate(secrets), data_dir=Path(), source=None
    )


MADE = (
    Face("Discord", ("DISCORD_TOKEN",), lambda _configuration: Stage("discord")),
    Face("Slack", ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"), lambda _configuration: Stage("slack")),
)
SLACK = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1"}


@pytest.mark.parametrize("secrets", [{}, {"slack_bot_token": "xoxb-1"}, {"openai_api_key": "sk-1"}])
def test_with_nothing_to_serve_it_says_what_is_missing(secrets: dict[str, str]) -> None:
    with pytest.raises(UserError) as caught:
        ready(configured(**secrets), MADE)
    said = str(caught.value)
    assert "DISCORD_TOKEN for Discord" in said
    assert "SLACK_BOT_TOKEN and SLACK_APP_TOKEN for Slack" in said
    assert "`understudy chat`" in said


@pytest.mark.parametrize(
    ("secrets", "names"),
    [
        ({"discord_token": "t"}, ["Discord"]),
        (SLACK, ["Slack"]),
        (SLACK | {"discord_token": "t"}, ["Discord", "Slack"]),
        ({"discord_token": "t", "slack_app_token": "xapp-1"}, ["Discord"]),
    ],
)
def test_what_has_all_of_its_variables_is_served(secrets: dict[str, str], names: list[str]) -> None:
    assert [each.name for each in ready(configured(**secrets), MADE)] == names


def test_what_cannot_be_served_yet_says_so() -> None:
    with pytest.raises(UserError, match="cannot serve Slack yet"):
        ready(configured(**SLACK), (*MADE[:1], Face("Slack", MADE[1].needs)))


def test_a_variable_that_is_empty_is_not_set(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"):
        monkeypatch.setenv(name, "")
    with pytest.raises(UserError, match="There is no platform to serve"):
        ready(load(), MADE)


def test_discord_is_made_of_its_settings() -> None:
    (found,) = ready(configured(discord_token="t"), FACES)
    assert found.make is not None
    assert found.make(configured(discord_token="t")).name == "discord"
    with pytest.raises(UserError, match="DISCORD_TOKEN"):
        found.make(configured())
