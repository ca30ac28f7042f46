"""Where an avatar answers everything: known at once where it was chosen, and soon in every other process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.platforms.base import Access, Answer, Place
from bot.listening import FRESH_SECONDS, Listening
from storage.database import Database
from storage.errors import Unusable
from tests.bot.theatre import BOB, ELSEWHERE, HERE, Theatre, as_member, play

OTHER = replace(HERE, channel="hall", conversation="hall")
THREAD = replace(HERE, channel="thread", conversation="thread")


@dataclass
class Clock:
    """Seconds that pass only when told to."""

    at: float = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path)


async def use(theatre: Theatre, always_on: str = "", place: Place = HERE) -> Answer:
    answer = await theatre.command("avatar use", place=place, name="Guide", always_on=always_on or None)
    assert answer.ok
    return answer


async def test_nobody_listens_unasked(theatre: Theatre) -> None:
    assert not await theatre.app.listens(HERE)
    await use(theatre)
    assert not await theatre.app.listens(HERE)
    assert not await theatre.app.listens(replace(HERE, workspace="unheard of"))


async def test_what_is_chosen_counts_at_once(theatre: Theatre) -> None:
    assert not await theatre.app.listens(HERE)  # known by now, as it will be again below
    answer = await use(theatre, "yes")
    assert "everything that is said in this channel" in answer.text
    assert await theatre.app.listens(HERE)
    assert "everything" not in (await use(theatre, "no")).text
    assert not await theatre.app.listens(HERE)


async def test_what_was_known_counts_while_the_database_is_away(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use(theatre, "yes")
    clock = Clock()
    listening = Listening(theatre.database, clock)
    assert await listening.at(HERE)

    async def away(job: object) -> object:
        raise Unusable("The database is away.")

    monkeypatch.setattr(theatre.database, "read", away)
    clock.at += FRESH_SECONDS
    assert await listening.at(HERE)
    assert not await Listening(theatre.database, clock).at(HERE)
    monkeypatch.undo()
    await use(theatre, "no")
    assert not await listening.at(HERE)


async def test_another_avatar_in_the_channel_listens_as_the_first_did(theatre: Theatre) -> None:
    await use(theatre, "yes")
    await theatre.command("avatar create", name="Bruno", prompt="You are Bruno.")
    assert (await theatre.command("avatar use", name="Bruno")).ok
    assert await theatre.app.listens(HERE)


async def test_it_holds_for_that_channel_only(theatre: Theatre) -> None:
    await use(theatre, "yes")
    assert not await theatre.app.listens(OTHER)
    await use(theatre, "yes", OTHER)
    await use(theatre, "no")
    assert (await theatre.app.listens(HERE), await theatre.app.listens(OTHER)) == (False, True)


@pytest.mark.parametrize("place", [ELSEWHERE, replace(HERE, platform="slack")])
async def test_it_holds_for_that_workspace_only(theatre: Theatre, place: Place) -> None:
    await use(theatre, "yes")
    assert not await theatre.app.listens(place)
    await use(theatre, place=place)
    assert not await theatre.app.listens(place)


async def test_a_closed_thread_hangs_on_its_channel(theatre: Theatre) -> None:
    thread = replace(THREAD, private=True, parent=HERE.channel)
    await use(theatre, "yes")
    assert await theatre.app.listens(thread)
    assert not await theatre.app.listens(THREAD)
    assert not await theatre.app.listens(replace(thread, parent=OTHER.channel))


async def test_another_process_knows_it_soon(theatre: Theatre) -> None:
    clock = Clock()
    replica = Listening(theatre.database, clock)
    assert not await replica.at(HERE)
    await use(theatre, "yes")
    clock.at += FRESH_SECONDS - 0.1
    assert not await replica.at(HERE)
    clock.at += 0.1
    assert await replica.at(HERE)
    await use(theatre, "no")
    assert await replica.at(HERE)
    clock.at += FRESH_SECONDS
    assert not await replica.at(HERE)


async def test_a_change_is_told_of_one_workspace(theatre: Theatre) -> None:
    replica = Listening(theatre.database, Clock())
    for place in (HERE, ELSEWHERE):
        assert not await replica.at(place)
        await use(theatre, "yes", place)
    replica.changed(replace(HERE, channel="any"))
    assert (await replica.at(HERE), await replica.at(ELSEWHERE)) == (True, False)


async def test_it_is_read_once_and_not_for_every_message(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    read = theatre.database.read

    async def counted(*args: object) -> object:
        reads.append(args)
        return await read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(theatre.database, "read", counted)
    replica = Listening(theatre.database, Clock())
    for place in (HERE, OTHER, THREAD, HERE):
        await replica.at(place)
    assert len(reads) == 1


async def test_a_change_while_it_is_read_is_not_missed(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Listening(theatre.database, Clock())
    read = theatre.database.read

    async def overtaken(*args: object) -> object:
        found = await read(*args)  # type: ignore[arg-type]
        monkeypatch.undo()
        await use(theatre, "yes")
        replica.changed(HERE)
        return found

    monkeypatch.setattr(theatre.database, "read", overtaken)
    await replica.at(HERE)
    assert await replica.at(HERE)


async def test_a_workspace_that_was_left_is_read_anew(theatre: Theatre, database: Database) -> None:
    replica = play(database, Path())
    assert not await replica.app.listens(HERE)
    await use(theatre, "yes")
    await replica.app.left("discord", HERE.workspace)
    assert await replica.app.listens(HERE)


async def test_only_a_trainer_may_choose_it(theatre: Theatre) -> None:
    bob = as_member(BOB, Access.REVIEWER)
    assert not (await theatre.command("avatar use", who=bob, name="Guide", always_on="yes")).ok
    assert not await theatre.app.listens(HERE)
