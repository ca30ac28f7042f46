"""Conversation, ratings and commands, the same wherever people talk."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.vendors.base import QuotaExhausted
from storage import examples, exchanges, people, ratings, workspaces
from storage.database import Database
from storage.exchanges import Exchange
from storage.people import Person
from tests.bot.theatre import Theatre, play
from tests.databases import empty_sqlite
from tests.platforms.rooms import ROOMS, Room

__all__ = ["empty_sqlite"]


@dataclass
class House:
    """A room, and what the application keeps of it."""

    room: Room
    theatre: Theatre

    async def exchanges(self) -> list[Exchange]:
        """All of them, oldest first."""

        def read(tx: object) -> list[Exchange]:
            workspace = workspaces.find(tx, *self.room.key)  # type: ignore[arg-type]
            return exchanges.listed(tx, workspace.id, limit=100)[::-1] if workspace else []  # type: ignore[arg-type]

        return await self.theatre.database.read(read)

    async def person(self) -> Person:
        """Who talks here."""
        last = (await self.exchanges())[-1]
        return await self.theatre.database.read(lambda tx: people.get(tx, last.person_id))

    def turns(self) -> list[str]:
        """What the model was shown of the conversation with the last question."""
        return [turn.text for turn in self.theatre.model.asked[-1].turns]


@pytest.fixture(params=list(ROOMS))
async def house(request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path) -> AsyncIterator[House]:
    """The application, and a person at each of its platforms."""
    shutil.copy(empty_sqlite, tmp_path / "understudy.db")
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'understudy.db'}")
    theatre = play(database, tmp_path)
    async with ROOMS[request.param](theatre, tmp_path) as room:
        yield House(room, theatre)
    await theatre.app.close()


async def test_a_question_is_answered_and_the_next_one_knows_of_it(house: House) -> None:
    assert "Hello there" in await house.room.says("Good morning")
    assert house.turns() == ["Good morning"]
    await house.room.says("And now?")
    assert house.turns() == ["Good morning", "Hello there", "And now?"]
    first, second = await house.exchanges()
    assert (first.user_text, first.reply_text, first.status) == ("Good morning", "Hello there", "complete")
    assert first.conversation_id == second.conversation_id


async def test_a_rating_can_be_given_changed_and_taken_back(house: House) -> None:
    await house.room.says("Good morning")
    assert "noted 5 of 5" in await house.room.rates(5, agree=False)
    assert "noted 2 of 5" in await house.room.rates(2)
    (exchange,) = await house.exchanges()
    found = await house.theatre.database.read(lambda tx: ratings.of_exchange(tx, exchange.id))
    assert [each.stars for each in found] == [2]
    assert "withdrawn" in await house.room.rates(None)
    assert (await house.exchanges())[0].ratings == 0


async def test_what_is_taught_with_consent_is_an_example_for_the_next_question(house: House) -> None:
    await house.room.says("What is the wifi password?")
    assert "may learn from what you write" in await house.room.says(
        "no, the answer is ask Mara at the desk", agree=True
    )
    await house.room.says("wifi password?")
    shots = [shot.assistant for shot in house.theatre.model.asked[-1].shots]
    assert "ask Mara at the desk" in shots
    assert "Mara" in await house.room.gives("why")


async def test_without_consent_nothing_is_learnt(house: House) -> None:
    await house.room.says("What is the wifi password?")
    await house.room.says("no, the answer is ask Mara at the desk", agree=False)
    await house.room.says("wifi password?")
    assert "ask Mara at the desk" not in [shot.assistant for shot in house.theatre.model.asked[-1].shots]
    assert (await house.person()).consent == "withdrawn"


async def test_a_reply_can_be_given_again(house: House) -> None:
    await house.room.says("Good morning")
    house.theatre.model.pieces = ["A better", " one"]
    assert "A better one" in await house.room.gives("regenerate")
    first, second = await house.exchanges()
    assert second.sibling_of == first.id


async def test_a_reply_can_be_stopped_and_stays_as_far_as_it_came(house: House) -> None:
    house.theatre.model.gate = asyncio.Event()  # never set
    seen = await house.room.stops("Tell me a long story", house.theatre.model.begun)
    assert "Hello" in seen
    assert "stopped" in seen
    (exchange,) = await house.exchanges()
    assert (exchange.status, exchange.reply_text) == ("cancelled", "Hello")


async def test_a_fresh_start_forgets_what_was_said(house: House) -> None:
    await house.room.says("Good morning")
    assert "fresh start" in await house.room.gives("new")
    await house.room.says("And now?")
    assert house.turns() == ["And now?"]


async def test_a_vendor_that_fails_is_told_kindly_with_a_reference(house: House) -> None:
    house.theatre.model.pieces = []
    house.theatre.model.failure = QuotaExhausted("insufficient_quota: $5.00", vendor="scripted")
    seen = await house.room.says("Good morning")
    (exchange,) = await house.exchanges()
    assert "used up what my model may cost" in seen
    assert exchange.reference in seen
    assert "insufficient_quota" not in seen


async def test_commands_are_the_same_words(house: House) -> None:
    made = await house.room.gives("avatar create", {"name": "Bob", "prompt": "You are Bob, who knows birds."})
    assert "Bob is here" in made
    assert "Bob" in await house.room.gives("avatar list")
    assert "Bob answers here" in await house.room.gives("avatar use", {"name": "Bob"})
    await house.room.says("Good morning")
    assert house.theatre.model.asked[-1].system == "You are Bob, who knows birds."
    assert "birds" in await house.room.gives("prompt show")


async def test_what_cannot_be_undone_is_asked_first(house: House) -> None:
    await house.room.says("Good morning")
    person = await house.person()
    await house.room.gives("privacy delete", confirm=True)
    now = await house.theatre.database.read(lambda tx: people.find(tx, person.workspace_id, person.key))
    assert now is None or now.id != person.id
    assert await house.exchanges() == []


async def test_help_lists_every_command(house: House) -> None:
    seen = await house.room.gives("help", until="check` — ")
    # On Slack all of them follow one slash command.
    assert all(
        f"{command.name}` — " in seen or f"/{command.name} " in seen for command in house.theatre.app.commands
    )


async def test_an_example_is_added_listed_and_removed(house: House) -> None:
    await house.room.says("Good morning")
    await house.room.gives("privacy consent")
    await house.room.gives("examples add", {"question": "What is the wifi password?", "answer": "Ask Mara."})
    assert "Ask Mara." in await house.room.gives("examples list", {"search": "Mara"})
    avatar_id = (await house.exchanges())[0].avatar_id
    found = await house.theatre.database.read(
        lambda tx: examples.listed(tx, avatar_id, status=None, limit=5, offset=0, query="Mara")
    )
    await house.room.gives("examples remove", {"number": found[0].number}, confirm=True)
    assert "no such examples" in await house.room.gives("examples list", {"search": "Mara"})


@pytest.mark.timeout(180)
@pytest.mark.parametrize("house", ["discord", "slack"], indirect=True)  # in a shell: the README's test
async def test_a_dataset_is_built_and_handed_over(house: House) -> None:
    await house.room.says("Good morning")
    built = await house.room.gives("finetune build", {"name": "first", "max": 30}, until="is frozen")
    assert "first:1 is frozen" in built.replace("*", "")
    assert "over the maximum" in built
    assert "first:1" in await house.room.gives("finetune datasets")
    values = {"dataset": "first", "format": "openai-sft"}
    exported = await house.room.gives("finetune export", values, until="They hold what people wrote")
    assert "first:1 is in the files below as openai-sft: 24 rows to train on" in exported
