"""Avatars with their prompt versions and releases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from storage import avatars, prompts, releases
from storage.database import Database, Tx
from storage.errors import Duplicate, Missing
from tests.stage import set_stage


async def test_creating_one_writes_prompt_version_and_release_1(database: Database) -> None:
    stage = await set_stage(database)
    avatar = await database.write(
        lambda tx: avatars.create(
            tx,
            stage.workspace.id,
            "Bea",
            prompt="You are Bea.",
            tagline="hums",
            colour="#aabbcc",
            picture=b"\x89PNG",
            base_model="embedded:base",
            unknown="I do not know.",
            suggestions=["Who are you?", "Sing!"],
            auto_approve=True,
            person_id="somebody",
        )
    )

    def read(tx: Tx) -> None:
        assert avatars.get(tx, avatar.id) == avatar
        release = releases.current(tx, avatar.id)
        assert release == releases.get(tx, release.id)
        assert avatar.release_id == release.id
        assert (release.number, release.model, release.person_id) == (1, None, "somebody")
        assert release.base_model == "embedded:base"
        version = prompts.get(tx, release.prompt_version_id)
        assert (version.number, version.text, version.source) == (1, "You are Bea.", "hand")
        assert version.person_id == "somebody"

    await database.read(read)
    assert avatar.suggestions == ("Who are you?", "Sing!")
    assert (avatar.picture, avatar.auto_approve) == (b"\x89PNG", True)


async def test_names_differ_by_more_than_case(database: Database) -> None:
    stage, elsewhere = await set_stage(database), await set_stage(database)
    with pytest.raises(Duplicate, match="named ADA"):
        await database.write(lambda tx: avatars.create(tx, stage.workspace.id, "ADA", prompt="p"))
    found = await database.read(lambda tx: avatars.find(tx, stage.workspace.id, "aDa"))
    assert found == stage.avatar
    strasse = await database.write(lambda tx: avatars.create(tx, stage.workspace.id, "Straße", prompt="p"))
    assert await database.read(lambda tx: avatars.find(tx, stage.workspace.id, "STRASSE")) == strasse
    assert await database.read(lambda tx: avatars.find(tx, elsewhere.workspace.id, "Straße")) is None
    listed = await database.read(lambda tx: avatars.listed(tx, stage.workspace.id))
    assert [each.name for each in listed] == ["Ada", "Straße"]
    assert len(await database.read(lambda tx: prompts.listed(tx, stage.avatar.id))) == 1


async def test_updating_changes_what_was_named(database: Database) -> None:
    stage = await set_stage(database)
    id_ = stage.avatar.id
    changed = await database.write(
        lambda tx: avatars.update(tx, id_, name="ada", suggestions=["One?"], auto_activate=True)
    )
    assert (changed.name, changed.suggestions, changed.auto_activate) == ("ada", ("One?",), True)
    assert changed.release_id == stage.avatar.release_id
    assert await database.read(lambda tx: avatars.get(tx, id_)) == changed
    unset = await database.write(lambda tx: avatars.update(tx, id_, auto_activate=False))
    assert not unset.auto_activate
    await database.write(lambda tx: avatars.create(tx, stage.workspace.id, "Bea", prompt="p"))
    with pytest.raises(Duplicate):
        await database.write(lambda tx: avatars.update(tx, id_, name="BEA"))
    with pytest.raises(TypeError, match="release_id"):
        await database.write(lambda tx: avatars.update(tx, id_, release_id="x"))
    assert await database.read(lambda tx: avatars.get(tx, id_)) == unset


async def test_a_prompt_version_answers_once_a_release_names_it(database: Database) -> None:
    stage = await set_stage(database)
    id_ = stage.avatar.id
    second = await database.write(lambda tx: prompts.add(tx, id_, "Be brief.", source="learned"))
    assert (second.number, second.source) == (2, "learned")
    assert await database.read(lambda tx: prompts.find(tx, id_, 2)) == second
    assert await database.read(lambda tx: prompts.find(tx, id_, 3)) is None
    first = await database.read(lambda tx: releases.current(tx, id_))
    assert first.prompt_version_id != second.id

    released = await database.write(
        lambda tx: releases.add(
            tx, id_, model="openai:x", prompt_version_id=second.id, why="shorter", few_shot='{"count": 2}'
        )
    )
    assert (released.number, released.why, released.few_shot) == (2, "shorter", '{"count": 2}')

    def read(tx: Tx) -> None:
        assert releases.current(tx, id_) == released
        assert avatars.get(tx, id_).release_id == released.id
        assert releases.listed(tx, id_) == [released, first]
        assert [each.number for each in prompts.listed(tx, id_)] == [1, 2]

    await database.read(read)


async def test_numbers_are_not_given_twice_by_two_processes(database: Database) -> None:
    stage = await set_stage(database)
    other = await Database.open(database.url)
    try:
        versions = await asyncio.gather(
            *(each.write(lambda tx: prompts.add(tx, stage.avatar.id, "p")) for each in (database, other) * 8)
        )
        assert sorted(version.number for version in versions) == list(range(2, 18))
    finally:
        await other.close()


@pytest.mark.parametrize(
    "job",
    [
        lambda tx: avatars.get(tx, "none"),
        lambda tx: avatars.update(tx, "none", name="x"),
        lambda tx: prompts.get(tx, "none"),
        lambda tx: prompts.add(tx, "none", "p"),
        lambda tx: releases.get(tx, "none"),
        lambda tx: releases.current(tx, "none"),
        lambda tx: releases.add(tx, "none", model=None, prompt_version_id="none"),
    ],
)
async def test_what_is_not_there_is_missing(database: Database, job: Callable[[Tx], object]) -> None:
    with pytest.raises(Missing):
        await database.write(job)
