"""People, and the one gate of consent."""

from __future__ import annotations

import pytest

from storage import people, workspaces
from storage.database import Database
from storage.errors import Missing
from storage.people import Author, Person
from tests.stage import Stage, set_stage


async def test_a_person_is_one_row_in_each_workspace(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    ann = await stage.person("Ann")
    assert (ann.consent, ann.given_at, ann.asked_at) == ("unset", None, None)
    assert await stage.person("Ann") == ann
    assert (await other.person("Ann")).id != ann.id


async def test_a_changed_name_is_kept_up(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    await database.write(lambda tx: people.ensure(tx, stage.workspace.id, "ann", "Anna"))
    assert (await stage.now(ann)).name == "Anna"
    await database.write(lambda tx: people.ensure(tx, stage.workspace.id, "ann", ""))
    assert (await stage.now(ann)).name == "Anna"


async def test_somebody_unknown_is_missing(database: Database) -> None:
    with pytest.raises(Missing):
        await database.read(lambda tx: people.get(tx, "nobody"))
    assert await database.read(lambda tx: people.find(tx, "nowhere", "nobody")) is None


async def test_people_are_found_by_name_whatever_its_case_and_alphabet(database: Database) -> None:
    stage = await set_stage(database)
    for key, name in (
        ("1", "Émile"),
        ("2", "ANN"),
        ("3", "ann"),
        ("4", "Groß"),
        ("import:5", "Ann"),
        ("6", ""),
    ):
        await database.write(lambda tx, key=key, name=name: people.ensure(tx, stage.workspace.id, key, name))

    async def called(name: str) -> list[str]:
        found = await database.read(lambda tx: people.called(tx, stage.workspace.id, name))
        return [person.key for person in found]

    assert await called("émile") == await called("ÉMILE") == ["1"]
    assert await called("Ann") == ["2", "3"]
    assert await called("GROSS") == ["4"]
    assert await called("Anna") == await called("") == []


async def may(stage: Stage, *authors: tuple[Person, int]) -> bool:
    wanted = [Author(person.id, said_at) for person, said_at in authors]
    return await stage.database.read(lambda tx: people.may_learn(tx, wanted))


async def test_opt_in_needs_everyones_yes_for_when_they_said_it(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob", agrees=True)
    assert await may(stage)
    assert await may(stage, (bob, 5))
    assert not await may(stage, (ann, 5))
    assert not await may(stage, (bob, 5), (ann, 5))
    await database.write(lambda tx: people.give_consent(tx, ann.id, at=20, covers_from=10))
    assert await may(stage, (bob, 5), (ann, 10))
    assert not await may(stage, (ann, 9))
    assert not await may(stage, (ann, 12), (ann, 9))
    assert not await database.read(lambda tx: people.may_learn(tx, [Author("deleted", 12)]))


async def test_opt_out_learns_until_somebody_says_no(database: Database) -> None:
    stage = await set_stage(database, policy="opt-out")
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    assert await may(stage, (ann, 5), (bob, 5))
    await database.write(lambda tx: people.withdraw_consent(tx, ann.id, at=20))
    assert not await may(stage, (bob, 5), (ann, 5))
    assert await may(stage, (bob, 5))
    await database.write(lambda tx: workspaces.set_consent(tx, stage.workspace.id, "opt-in"))
    assert not await may(stage, (bob, 5))


async def test_what_was_taken_back_stays_taken_back(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    await database.write(lambda tx: people.withdraw_consent(tx, ann.id, at=20))
    assert not await may(stage, (ann, 5))
    await database.write(lambda tx: people.give_consent(tx, ann.id, at=30, covers_from=10))
    assert not await may(stage, (ann, 15))
    assert await may(stage, (ann, 20))


async def test_a_second_yes_covers_no_less_than_the_first(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    await database.write(lambda tx: people.give_consent(tx, ann.id, at=11, covers_from=10))
    await database.write(lambda tx: people.give_consent(tx, ann.id, at=50, covers_from=50))
    assert await may(stage, (ann, 10))


async def test_asked_is_remembered_once(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    await database.write(lambda tx: people.mark_asked(tx, ann.id, 5))
    await database.write(lambda tx: people.mark_asked(tx, ann.id, 9))
    asked = await stage.now(ann)
    assert (asked.asked_at, asked.consent) == (5, "unset")
