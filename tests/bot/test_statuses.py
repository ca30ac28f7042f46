"""Training runs are told of in one message each, on Discord and on Slack, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.platforms.base import Answer, Place, Platform, UserError
from adapters.vendors.tuning import Point
from bot.statuses import PATIENCE_SECONDS, NotTold, Pause, Statuses, place_of
from storage import clock, moments, people
from storage.database import Database
from storage.runs import Run
from tests.adapters.platforms.discord import stage as on_discord
from tests.adapters.platforms.slack import stage as on_slack
from tests.databases import database, empty_postgres, empty_sqlite
from tests.training.runs_stage import Hands, World, silent, world
from training.runs import Runs

__all__ = ["database", "empty_postgres", "empty_sqlite"]

POINTS = [
    *(Point(step, "train", 2.0 / step) for step in range(1, 41)),
    Point(20, "validation", 0.91, 0.7),
    Point(40, "validation", 0.83, 0.75),
]
HERE = {"platform": "stub", "workspace": "W", "channel": "C", "conversation": "C/42"}


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


async def at_once(seconds: float) -> None:
    """No time passes between two changes of a message."""


# -- real clients against local servers


@dataclass
class Street:
    """A platform with one channel in which Ada launches runs."""

    name: str
    workspace: str
    channel: str
    ada: str
    platform: Callable[[], Platform]
    messages: Callable[[], list[str]]
    pictures: Callable[[], list[bytes]]
    pinged: Callable[[], list[str]]
    delete: Callable[[], None]
    lose: Callable[[], object]
    transcript: Callable[[], str]
    restart: Callable[[], Any]

    @property
    def place(self) -> dict[str, str]:
        own = f"{self.channel}/{self.ada}" if self.name == "discord" else self.channel
        return {
            "platform": self.name,
            "workspace": self.workspace,
            "channel": self.channel,
            "conversation": own,
        }


@asynccontextmanager
async def discord_street() -> AsyncGenerator[Street]:
    async with on_discord.stage() as s:

        async def restart() -> None:
            await s.stop()
            s.world.forget_nonces()
            await s.start()

        def mine() -> list[Any]:
            return [each for each in s.general.of(s.world.bot) if not each.deleted]

        yield Street(
            "discord",
            str(s.guild.id),
            str(s.general.id),
            str(s.ada.id),
            lambda: s.platform or pytest.fail("it is not started"),
            lambda: [each.content for each in mine()],
            lambda: [file.data for each in mine() for file in each.attachments],
            lambda: [str(user.id) for each in mine() for user in (each.pings.users if each.pings else ())],
            lambda: s.world.delete(mine()[0]),
            lambda: s.world.faults.lose("POST", r"/messages", times=1),
            s.general.transcript,
            restart,
        )


@asynccontextmanager
async def slack_street() -> AsyncGenerator[Street]:
    async with on_slack.stage() as s:

        async def restart() -> None:
            await s.stop()
            await s.start()

        def mine() -> list[Any]:
            return s.world.channels[s.general].of(s.world.bot)

        def pictures() -> list[bytes]:
            blocks = [block for each in mine() for block in each.blocks if block["type"] == "image"]
            return [s.world.files[block["slack_file"]["id"]].data for block in blocks]

        yield Street(
            "slack",
            s.team,
            s.general,
            s.ada,
            lambda: s.platform or pytest.fail("it is not started"),
            lambda: [each.shown for each in mine()],
            pictures,
            lambda: [user.id for each in mine() for user in each.pings.users],
            lambda: s.world.delete(mine()[0]),
            lambda: s.fails("chat.postMessage", "!"),
            s.world.channels[s.general].transcript,
            restart,
        )


@pytest.fixture(params=["discord", "slack"])
async def street(request: pytest.FixtureRequest) -> AsyncGenerator[Street]:
    async with discord_street() if request.param == "discord" else slack_street() as made:
        yield made


@dataclass
class Process:
    """One process that has runs in hand and tells of them."""

    runs: Runs
    statuses: Statuses

    async def close(self) -> None:
        await self.runs.close()
        await self.statuses.close()


def process(
    here: World,
    platform: Platform,
    *,
    every: float = 0.0,
    patience: float = PATIENCE_SECONDS,
    pause: Pause = at_once,
) -> Process:
    made = here.runs()
    found = {platform.name: platform}
    statuses = Statuses(here.database, found.get, every=every, patience=patience, pause=pause)
    made.on_change(statuses)
    return Process(made, statuses)


async def launched(here: World, by: Process, place: dict[str, str], person: str = "ann") -> Run:
    who = await here.database.write(lambda tx: people.ensure(tx, here.workspace_id, person, "Ada"))
    run = await by.runs.prepare(here.order(place=place, person_id=who.id), silent)
    await by.statuses.settled()
    return run


async def after(here: World, by: Process, run: Run) -> Run:
    run = await here.after(by.runs, run, 60_000)
    await by.statuses.settled()
    return run


async def test_a_run_is_one_message_from_its_launch_to_its_end(
    database: Database, tmp_path: Path, hands: Hands, street: Street
) -> None:
    here = await world(database, tmp_path, hands)
    by = process(here, street.platform())
    run = await launched(here, by, street.place, street.ada)
    [first] = street.messages()
    assert "It begins in a moment." in first
    run = await after(here, by, run)
    assert "It waits for its turn at vendor." in street.messages()[0]
    assert street.pictures() == []
    here.far.move("running", done=0.43, ends_at=hands.now + 13 * 60_000)
    here.far.losses = POINTS
    run = await after(here, by, run)
    [message] = street.messages()
    print(street.transcript())
    for words in (
        "being trained at vendor",
        "43%",
        "about 12 minutes left",
        "estimated at",
        "0.830 validation",
    ):
        assert words in message
    [picture] = street.pictures()
    assert Image.open(io.BytesIO(picture)).size == (1200, 600)
    assert street.pinged() == []
    here.far.losses = [*POINTS, Point(60, "validation", 0.8)]
    here.far.move("succeeded", cost=0.31)
    run = await here.rest(by.runs, run)
    await by.statuses.settled()
    print(street.transcript())
    status, end = street.messages()
    assert "It has succeeded" in status
    assert "0.800 validation at step 60" in status
    assert "Training run" in end
    assert "has succeeded" in end
    assert street.pinged() == [street.ada]
    assert len(street.pictures()) == 1
    assert street.pictures() != [picture]
    for label in ("Try it", "Activate …"):
        assert street.transcript().count(label) == 2
    assert (run.state, run.told) == ("succeeded", "succeeded")
    await by.close()


async def test_a_process_that_is_killed_while_it_posts_has_posted_once(
    database: Database, tmp_path: Path, hands: Hands, street: Street
) -> None:
    here = await world(database, tmp_path, hands)
    first = process(here, Killed(street.platform()))
    run = await launched(here, first, street.place, street.ada)
    assert (len(street.messages()), (await first.runs.get(run.id)).message) == (1, "")
    await first.close()
    # What was being posted when the process went is forgotten with it only after a while.
    await database.write(lambda tx: moments.put(tx, f"posting:run/{run.id}", clock.now()))
    await street.restart()
    second = process(here, street.platform())
    run = await after(here, second, run)
    for _ in range(4):
        run = await after(here, second, run)
    [message] = street.messages()
    assert "waits for its turn" in message
    here.far.move("failed", error="The rows are not of one language")
    for _ in range(3):
        run = await after(here, second, run)
    third = process(here, street.platform())
    await third.statuses(run, run)
    await third.statuses.settled()
    assert [("has failed" in each) for each in street.messages()] == [True, True]
    assert street.pinged() == [street.ada]
    await second.close()


async def test_a_message_that_somebody_deleted_is_posted_again(
    database: Database, tmp_path: Path, hands: Hands, street: Street
) -> None:
    here = await world(database, tmp_path, hands)
    by = process(here, street.platform())
    run = await after(here, by, await launched(here, by, street.place, street.ada))
    street.delete()
    street.lose()
    here.far.move("running", done=0.1)
    before = run.message
    run = await after(here, by, run)
    [message] = street.messages()
    assert "10%" in message
    assert (await by.runs.get(run.id)).message not in ("", before)
    await by.close()


@dataclass
class Killed:
    """A platform that posts, while whoever asked for it does not live to hear of it."""

    inner: Platform

    @property
    def name(self) -> str:
        return self.inner.name

    async def run(self, host: Any, continuity: Any) -> None:
        """It runs already."""

    async def tell(self, place: Place, answer: Answer, **other: str) -> str:
        await self.inner.tell(place, answer, **other)
        raise ConnectionError("killed")

    async def close(self) -> None:
        """It is closed by others."""


# -- how often, by whom, and when it goes wrong


class Stub:
    """A platform that keeps what it is told, and fails with what is put into ``fails``."""

    name = "stub"

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str]]] = []
        self.fails: list[Exception] = []
        self.gate: asyncio.Event | None = None

    async def run(self, host: Any, continuity: Any) -> None:
        """There is nobody to serve."""

    async def tell(self, place: Place, answer: Answer, **other: str) -> str:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise self.fails.pop(0)
        self.told.append((answer.text.partition("\n")[2], other))
        return other.get("instead_of") or str(len(self.told))

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
async def here(database: Database, tmp_path: Path, hands: Hands) -> World:
    return await world(database, tmp_path, hands)


async def test_progress_waits_and_a_new_state_does_not(here: World) -> None:
    stub, waited = Stub(), list[float]()

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    by = process(here, stub, every=15.0, pause=pause)
    run = await launched(here, by, HERE)
    run = await after(here, by, run)
    here.far.move("running", done=0.1)
    run = await after(here, by, run)
    assert waited == []
    for done in (0.2, 0.3):
        here.far.move("running", done=done)
        run = await after(here, by, run)
    assert waited == [15.0, 15.0]
    here.clock.now += 3 * 3_600_000
    here.far.move("running", done=0.4)
    run = await after(here, by, run)
    assert waited[2] == pytest.approx(3 * 180 + 15, abs=15)
    assert "40%" in stub.told[-1][0]
    assert {other.get("instead_of") for _, other in stub.told[1:]} == {"1"}
    await by.close()


async def test_many_changes_are_one_change_of_the_message(here: World) -> None:
    stub, go_on = Stub(), asyncio.Event()

    async def pause(seconds: float) -> None:
        await go_on.wait()

    by = process(here, stub, every=15.0, pause=pause)
    run = await launched(here, by, HERE)
    here.far.move("running", done=0.1)
    await here.after(by.runs, run, 60_000)
    here.far.move("running", done=0.1)
    await here.after(by.runs, run, 60_000)
    said = len(stub.told)
    for done in (0.2, 0.3, 0.4):
        here.far.move("running", done=done)
        await here.after(by.runs, run, 60_000)
    assert len(stub.told) == said
    go_on.set()
    await by.statuses.settled()
    assert [text.splitlines()[1] for text, _ in stub.told[said:]] == ["`▰▰▰▰▰▱▱▱▱▱▱▱` 40%"]
    await by.close()


async def test_what_somebody_wishes_is_seen_at_once(here: World) -> None:
    stub = Stub()
    by = process(here, stub, every=15.0, pause=lambda _: pytest.fail("it waits"))
    run = await after(here, by, await launched(here, by, HERE))
    await by.runs.wish(run, "cancel")
    await by.statuses.settled()
    assert "Somebody has cancelled it" in stub.told[-1][0]
    await by.close()


async def test_a_state_that_was_not_told_is_told_again(here: World) -> None:
    stub = Stub()
    by = process(here, stub)
    run = await after(here, by, await launched(here, by, HERE))
    here.far.move("succeeded")
    stub.fails = [ConnectionError("away"), ConnectionError("still away")]
    run = await here.rest(by.runs, run)
    await by.statuses.settled()
    assert "It has succeeded" in stub.told[-2][0]
    assert stub.told[-1][1]["pings"] == "ann"
    assert (run.told, stub.fails) == ("succeeded", [])
    ends = [other for _, other in stub.told if "pings" in other]
    assert len(ends) == 1
    await by.close()


async def test_a_run_goes_on_where_nobody_can_be_told(here: World) -> None:
    stub = Stub()
    by = process(here, stub)
    run = await after(here, by, await launched(here, by, HERE))
    here.far.move("succeeded")
    stub.fails = [UserError("I cannot write in that channel.") for _ in range(50)]
    run = await here.rest(by.runs, run)
    assert run.told == "succeeded"
    elsewhere = {"platform": "other", "workspace": "W", "channel": "C"}
    away = await after(here, by, await launched(here, by, elsewhere))
    assert (away.told, away.message) == ("prepared", "")  # for the process that serves it
    here.far.move("succeeded")
    away = await after(here, by, away)
    assert (away.state, away.told) == ("succeeded", "prepared")
    terminal = await after(here, by, await launched(here, by, {**elsewhere, "platform": "terminal"}))
    assert (terminal.told, terminal.message) == ("queued", "")
    await by.close()


async def test_a_platform_that_does_not_answer_holds_no_run_up_for_long(here: World) -> None:
    stub = Stub()
    by, hasty = process(here, stub), process(here, stub, patience=0)
    run = await after(here, by, await launched(here, by, HERE))
    stub.gate = asyncio.Event()
    here.far.move("running", done=0.2)
    run = await here.after(hasty.runs, run, 60_000)
    assert (run.state, run.told) == ("running", "queued")
    stub.gate.set()
    await hasty.statuses.settled()
    run = await after(here, by, run)
    assert run.told == "running"
    assert "20%" in stub.told[-1][0]
    await by.close()
    await hasty.close()


async def test_only_one_process_posts(here: World) -> None:
    stub, other = Stub(), Stub()
    stub.gate = asyncio.Event()
    first, second = process(here, stub), process(here, other)
    run = await first.runs.prepare(here.order(place=HERE), silent)
    while not await here.database.read(lambda tx: moments.get(tx, f"posting:run/{run.id}")):
        await asyncio.sleep(0)
    with pytest.raises(NotTold):
        await second.statuses(replace(run, told=""), run)
    assert other.told == []
    stub.gate.set()
    await first.statuses.settled()
    await second.statuses(run, run)
    await second.statuses.settled()
    assert [each.get("instead_of") for _, each in other.told] == ["1"]
    await first.close()
    await second.close()


def test_a_place_is_a_channel_on_a_platform(here: World) -> None:
    def of(place: dict[str, Any]) -> Place | None:
        made = Run(*([None] * len(Run.__slots__)))  # type: ignore[arg-type]
        return place_of(replace(made, place=place))

    assert of({}) is None
    assert of({**HERE, "platform": "terminal"}) is None
    assert of(HERE) == Place("stub", "W", "C", "C")
    threaded: dict[str, Any] = {**HERE, "conversation": "C:1.2", "private": True}
    assert of(threaded) == Place("stub", "W", "C", "C:1.2", True)
