"""Before a vendor shuts a model down, the admins of the workspaces that use it are warned, a few times and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.platforms.base import Answer, Continuity, Host, Place, UserError
from adapters.vendors.base import Unavailable
from bot import schedule
from bot.schedule import Schedule, shutdown_dates, warn, warn_of_shutdowns
from bot.services import Services
from storage import clock, releases
from storage.database import Database
from tests.bot.theatre import ADA, ELSEWHERE, HERE, Scripted, Theatre, play

TODAY = date(2030, 3, 15)


def on(day: date, hour: int = 12) -> None:
    """It is that day."""
    moment = datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC)
    clock.use(lambda: round(moment.timestamp() * 1000))


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    on(TODAY)
    yield
    clock.use(None)


@dataclass
class Stage:
    """A platform that keeps what it is told to say, by workspace."""

    name: str = "discord"
    away: Exception | None = None
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, host: Host, continuity: Continuity) -> None:
        """There is nobody to serve."""

    async def tell(
        self, place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        if self.away is not None:
            raise self.away
        self.told.append((place.workspace, answer.text))
        self.heard.set()
        return str(len(self.told))

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def theatre(database: Database, tmp_path: Path, stage: Stage) -> Theatre:
    """Two workspaces, each with a channel for notices, that answer with scripted:one, which nobody shuts down yet."""
    theatre = play(database, tmp_path)
    theatre.services.notices.serve(stage)
    for place in (HERE, ELSEWHERE):
        assert (await theatre.command("notices", place=place, where="here")).ok
    return theatre


def ends(model: Scripted, days: int, name: str = "one") -> date:
    """The model is shut down in so many days."""
    day = TODAY + timedelta(days=days)
    model.ends = {**model.ends, name: day.isoformat()}
    return day


async def rounds(services: Services) -> list[int]:
    """The job, as often as it may happen to run."""
    return [await warn_of_shutdowns(services) for _ in range(3)]


# When


async def test_admins_are_warned_as_the_day_comes_near(theatre: Theatre, stage: Stage) -> None:
    end = ends(theatre.model, 90)
    warned: list[tuple[int, str]] = []
    for left in range(90, -3, -1):
        on(end - timedelta(days=left), hour=left % 24)
        await rounds(theatre.services)
        warned += [(left, text) for workspace, text in stage.told if workspace == "guild"]
        stage.told.clear()
    assert [left for left, _ in warned] == [60, 30, 7, 1]
    assert warned[0][1] == (
        "scripted:one will be shut down by its vendor on 2030-06-13, in 60 days. "
        "Choose another with `/model`; `/models` lists those there are."
    )
    assert "in 1 day. " in warned[-1][1]


@pytest.mark.parametrize(
    ("left", "said"), [(45, "in 45 days"), (8, "in 8 days"), (0, "today"), (-400, "was shut down")]
)
async def test_who_learns_of_it_late_is_warned_once(
    theatre: Theatre, stage: Stage, left: int, said: str
) -> None:
    end = ends(theatre.model, left)
    assert await rounds(theatre.services) == [2, 2, 2]
    assert [workspace for workspace, _ in stage.told] == ["guild", "another"]
    assert all(said in text for _, text in stage.told)
    assert (str(end) in stage.told[0][1]) is (left != 0)


@pytest.mark.parametrize("left", [61, 1000])
async def test_what_is_far_off_is_not_told(theatre: Theatre, stage: Stage, left: int) -> None:
    ends(theatre.model, left)
    assert await rounds(theatre.services) == [0, 0, 0]
    assert stage.told == []


async def test_another_day_is_another_warning(theatre: Theatre, stage: Stage) -> None:
    ends(theatre.model, 30)
    await rounds(theatre.services)
    ends(theatre.model, 20)
    await rounds(theatre.services)
    assert len(stage.told) == 4


async def test_replicas_warn_once(theatre: Theatre, stage: Stage, tmp_path: Path) -> None:
    ends(theatre.model, 30)
    replica = play(theatre.database, tmp_path, model=theatre.model)
    replica.services.notices.serve(stage)
    await asyncio.gather(*(warn_of_shutdowns(each.services) for each in (theatre, replica, theatre)))
    assert sorted(workspace for workspace, _ in stage.told) == ["another", "guild"]


async def test_a_warning_that_could_not_be_given_is_given_the_next_time(
    theatre: Theatre, stage: Stage
) -> None:
    ends(theatre.model, 30)
    stage.away = UserError("Discord is not connected.")
    await rounds(theatre.services)
    stage.away = None
    await rounds(theatre.services)
    assert len(stage.told) == 2


async def test_one_channel_that_fails_keeps_no_other_from_its_warning(
    theatre: Theatre, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(theatre.model, 30)
    tell = stage.tell

    async def unsteady(place: Place, answer: Answer) -> None:
        if place.workspace == "guild":
            raise RuntimeError("out of order")
        await tell(place, answer)

    monkeypatch.setattr(stage, "tell", unsteady)
    await warn_of_shutdowns(theatre.services)
    assert [workspace for workspace, _ in stage.told] == ["another"]


async def test_without_a_channel_it_is_in_the_log(theatre: Theatre, stage: Stage) -> None:
    ends(theatre.model, 30)
    assert (await theatre.command("notices", where="off")).ok
    with capture_logs() as logs:
        await warn_of_shutdowns(theatre.services)
    assert [each["workspace"] for each in logs if each["event"] == "notice"] == ["Guild"]
    assert [workspace for workspace, _ in stage.told] == ["another"]


# Whom


async def test_who_uses_it_by_default_is_warned(theatre: Theatre, stage: Stage) -> None:
    ends(theatre.model, 30)
    assert (await theatre.command("model", name="scripted:two", place=ELSEWHERE)).ok
    await warn_of_shutdowns(theatre.services)
    assert [workspace for workspace, _ in stage.told] == ["guild"]


async def test_who_has_chosen_it_for_an_avatar_is_warned(theatre: Theatre, stage: Stage) -> None:
    ends(theatre.model, 30, "two")
    assert (await theatre.command("avatar create", name="Bruno", prompt="You are Bruno.")).ok
    await warn_of_shutdowns(theatre.services)
    assert stage.told == []
    bruno = replace(HERE, avatar="Bruno")
    assert (await theatre.command("model", name="scripted:two", place=bruno)).ok
    await warn_of_shutdowns(theatre.services)
    assert [workspace for workspace, _ in stage.told] == ["guild"]


async def test_who_has_released_it_is_warned(theatre: Theatre, stage: Stage) -> None:
    ends(theatre.model, 30, "two")
    ends(theatre.model, 30, "three")
    scene = await theatre.services.scenes.find(HERE, ADA)

    def release(tx: Any) -> None:
        prompt, of = scene.release.prompt_version_id, "scripted:three"
        releases.add(tx, scene.avatar.id, model="scripted:two", base_model=of, prompt_version_id=prompt)

    await theatre.database.write(release)
    await warn_of_shutdowns(theatre.services)
    ((workspace, text),) = stage.told  # the base model does not answer while the release names one
    assert (workspace, text.split()[0]) == ("guild", "scripted:two")


async def test_everybody_uses_the_fallbacks(theatre: Theatre, stage: Stage) -> None:
    ends(theatre.model, 30, "two")
    settings = theatre.services.configuration.settings
    models = settings.models.model_copy(update={"fallback": ("scripted:two", "nobody:else")})
    configuration = theatre.services.configuration.model_copy(
        update={"settings": settings.model_copy(update={"models": models})}
    )
    services = replace(theatre.services, configuration=configuration)
    await rounds(services)
    assert [(workspace, text.split()[0]) for workspace, text in stage.told] == [
        ("guild", "scripted:two"),
        ("another", "scripted:two"),
    ]


# What is known


async def test_what_a_vendor_tells_wrongly_hides_nothing_else(theatre: Theatre) -> None:
    theatre.model.known = ["zero", "one", "two"]
    theatre.model.ends = {"zero": "soon", "one": "2030-06-01", "two": "2030-07-01"}
    assert await shutdown_dates(theatre.services) == {
        "scripted:one": date(2030, 6, 1),
        "scripted:two": date(2030, 7, 1),
    }


async def test_a_vendor_that_does_not_answer_hides_no_other(database: Database, tmp_path: Path) -> None:
    other = Scripted(name="other", ends={"one": "2030-06-01"})
    silent = Scripted(listing=Unavailable("away", vendor="scripted"))
    theatre = play(database, tmp_path, model=silent, others={"other": other})
    assert await shutdown_dates(theatre.services) == {"other:one": date(2030, 6, 1)}


async def test_the_list_of_models_says_when_they_end(theatre: Theatre) -> None:
    theatre.model.ends = {"two": "2030-06-01"}
    answer = await theatre.command("models")
    assert answer.table is not None
    column = answer.table.columns.index("shut down on")
    listed = {row[1]: row[column] for row in answer.table.rows if row[1].startswith("scripted:")}
    assert listed == {"scripted:one": "", "scripted:two": "2030-06-01"}
    assert isinstance(answer.data, list)
    assert {each["model"]: each["shutdown_date"] for each in answer.data}["scripted:two"] == "2030-06-01"


# The clockwork


async def test_it_starts_and_stops_and_leaves_nothing_behind(theatre: Theatre) -> None:
    before = asyncio.all_tasks()
    plan = Schedule(theatre.services)
    plan.stop()  # before it began there is nothing to stop
    plan.start()
    plan.stop()
    await asyncio.sleep(0)
    plan.stop()
    assert asyncio.all_tasks() == before


async def test_the_first_look_is_soon(
    theatre: Theatre, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FIRST_SECONDS", 0)
    ends(theatre.model, 30)
    plan = Schedule(theatre.services)
    plan.start()
    async with asyncio.timeout(30):
        await stage.heard.wait()
    plan.stop()
    await asyncio.sleep(0)


async def test_a_look_that_is_going_on_ends_with_it(
    theatre: Theatre, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FIRST_SECONDS", 0)
    ends(theatre.model, 30)
    before, begun, ended = asyncio.all_tasks(), asyncio.Event(), asyncio.Event()

    async def tell(
        place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    monkeypatch.setattr(stage, "tell", tell)
    plan = Schedule(theatre.services)
    plan.start()
    async with asyncio.timeout(30):
        await begun.wait()
        plan.stop()
        await ended.wait()
        while asyncio.all_tasks() != before:
            await asyncio.sleep(0)


async def test_a_process_that_ends_while_it_warns_has_not_failed(theatre: Theatre) -> None:
    begun = asyncio.Event()

    async def endless(_services: Services) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    warning = asyncio.create_task(warn(endless, theatre.services))
    await begun.wait()
    warning.cancel()
    await asyncio.wait([warning])
    assert not warning.cancelled()
    assert warning.exception() is None


async def test_admins_who_cannot_be_warned_for_want_of_the_database_are_warned_another_time(
    database: Database, tmp_path: Path
) -> None:
    theatre = play(database, tmp_path)
    await theatre.app.close()
    with capture_logs() as logs:
        await warn(warn_of_shutdowns, theatre.services)
    assert [(each["event"], each["job"]) for each in logs] == [("admins not warned", "warn_of_shutdowns")]
