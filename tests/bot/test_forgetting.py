"""Being forgotten: everything of a person goes, and what rests on it."""

from __future__ import annotations

import pytest

from adapters.platforms.base import Access, Mark, Place, Who
from bot.feedback import Feedback
from storage import audit, examples, exchanges, people, preferences, ratings, search
from storage.database import Database
from storage.errors import Missing
from storage.people import Person
from tests.stage import set_stage

PLACE = Place("discord", "guild", "here", "here")
WHO = Who("key", "name")


async def test_forgetting_takes_everything_of_a_person_and_nothing_else(database: Database) -> None:
    stage = await set_stage(database, auto_approve=True)
    feedback = Feedback(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob", agrees=True)
    alone, shared = await stage.conversation("alone"), await stage.conversation("shared")
    hers = await stage.exchange(alone, ann, "How tall is the tower?", "As tall as you like.")
    his = await stage.exchange(shared, bob, "Where is the museum?", "By the river.")
    after = await stage.exchange(shared, ann, "And the zoo?", "Beside it.")
    again = await stage.exchange(shared, bob, "And the zoo?", "Next to it.", sibling_of=after.id)

    async def rate(person: Person, exchange: exchanges.Exchange, **change: object) -> None:
        mark = Mark(PLACE, WHO, "stars", 5000, **change)  # type: ignore[arg-type]
        await feedback.mark(stage.workspace, person, Access.RATER, exchange, mark)

    await rate(bob, hers, stars=5)
    await rate(ann, hers, rates=False, better="330 metres.")
    await rate(ann, his, stars=5)
    await rate(bob, his, rates=False, better="On the island.")
    await database.write(lambda tx: audit.write(tx, stage.workspace.id, "looked", person_id=ann.id))
    found = await database.read(lambda tx: search.search(tx, stage.avatar.id, "", "tower", limit=8))
    assert len(found) == 2

    held = await database.read(lambda tx: people.held(tx, ann.id))
    assert (held.exchanges, held.ratings, held.examples, held.preferences) == (2, 2, 2, 1)
    forgotten = await database.write(lambda tx: people.forget(tx, ann.id))

    assert (forgotten.exchanges, forgotten.ratings) == (3, 3)  # the repeated question is hers too
    assert (forgotten.examples, forgotten.preferences) == (2, 1)
    assert await database.read(lambda tx: search.search(tx, stage.avatar.id, "", "tower", limit=8)) == []
    with pytest.raises(Missing):
        await stage.now(ann)
    for gone in (hers, after, again):
        with pytest.raises(Missing):
            await database.read(lambda tx, gone=gone: exchanges.get(tx, gone.id))
    kept = await database.read(lambda tx: exchanges.get(tx, his.id))
    assert (kept.quality, kept.ratings) == (None, 0)  # it was her rating that carried it
    rest = await database.read(lambda tx: examples.of_exchange(tx, his.id))
    assert {example.source: example.status for example in rest} == {
        "exchange": "withdrawn",
        "better": "approved",
    }
    assert await database.read(lambda tx: preferences.count(tx, stage.avatar.id)) == 1
    assert len(await database.read(lambda tx: ratings.of_exchange(tx, his.id))) == 1
    entries = await database.read(lambda tx: audit.listed(tx, stage.workspace.id, 10))
    assert [(entry.action, entry.person_id) for entry in entries if entry.action == "looked"] == [
        ("looked", None)
    ]


async def test_forgetting_stops_at_the_workspace(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    here, there = await stage.person("Ann"), await other.person("Ann")
    exchange = await other.exchange(await other.conversation(), there, "Hello", "Hello.")
    await database.write(lambda tx: people.forget(tx, here.id))
    assert await other.now(there) == there
    assert await database.read(lambda tx: exchanges.get(tx, exchange.id)) == exchange
