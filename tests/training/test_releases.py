"""Releases are made and repeated in one transaction each."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from adapters.platforms.base import UserError
from storage import audit, clock, releases
from storage.database import Database
from storage.releases import Release
from tests.stage import Stage, set_stage
from training.releases import activate, aim, rollback


async def made(database: Database, stage: Stage, model: str, **other: Any) -> Release:
    return await database.write(
        lambda tx: activate(
            tx, stage.workspace.id, stage.avatar.id, model, evaluated={"answered": 4}, **other
        )
    )


async def back(database: Database, stage: Stage, **other: Any) -> Release:
    return await database.write(lambda tx: rollback(tx, stage.workspace.id, stage.avatar.id, **other))


async def test_activating_is_a_release_and_an_entry_in_the_audit(database: Database) -> None:
    stage = await set_stage(database)
    added = await made(database, stage, "v:tuned", person_id="ann", why="it is better")
    assert (added.number, added.model, added.person_id, added.why) == (2, "v:tuned", "ann", "it is better")
    assert orjson.loads(added.evaluated) == {"answered": 4}
    assert await database.read(lambda tx: releases.current(tx, stage.avatar.id)) == added
    (entry,) = await database.read(lambda tx: audit.listed(tx, stage.workspace.id, 1))
    assert (entry.action, entry.target, entry.person_id) == ("finetune activate", "Ada", "ann")
    assert (entry.detail["model"], entry.detail["instead_of"]) == ("v:tuned", 1)
    with pytest.raises(UserError, match="v:tuned answers already: release 2"):
        await made(database, stage, "v:tuned")


async def test_of_two_who_decide_at_once_the_second_is_told(database: Database) -> None:
    stage = await set_stage(database)
    await made(database, stage, "v:one", instead_of=1)
    with pytest.raises(UserError, match="Release 1 is not active any more: release 2 is"):
        await made(database, stage, "v:two", instead_of=1)
    with pytest.raises(UserError, match="not active any more"):
        await back(database, stage, instead_of=1)
    assert len(await database.read(lambda tx: releases.listed(tx, stage.avatar.id))) == 2


async def test_what_fails_on_the_way_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await set_stage(database)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as context:
        context.setattr(audit, "write", broken)
        with pytest.raises(RuntimeError):
            await made(database, stage, "v:tuned")
    (only,) = await database.read(lambda tx: releases.listed(tx, stage.avatar.id))
    assert await database.read(lambda tx: releases.current(tx, stage.avatar.id)) == only


async def test_going_back_goes_back_one_at_a_time_until_there_is_nothing(database: Database) -> None:
    stage = await set_stage(database)
    await made(database, stage, "v:two")
    await made(database, stage, "v:three")
    fourth = await back(database, stage, person_id="ann", why="it was rude")
    assert (fourth.number, fourth.repeats, fourth.model, fourth.why) == (4, 2, "v:two", "it was rude")
    assert orjson.loads(fourth.evaluated) == {"answered": 4}
    fifth = await back(database, stage)
    assert (fifth.number, fifth.repeats, fifth.model) == (5, 1, None)
    with pytest.raises(UserError, match=r"There is nothing before release 1 \(release 5 repeats it\)"):
        await back(database, stage)
    entry = (await database.read(lambda tx: audit.listed(tx, stage.workspace.id, 10)))[1]
    assert (entry.action, entry.detail["repeats"]) == ("finetune rollback", 2)


async def test_going_back_to_a_named_one(database: Database) -> None:
    stage = await set_stage(database)
    for model in ("v:two", "v:three", "v:four"):
        await made(database, stage, model)
    fifth = await back(database, stage, to=2)
    assert (fifth.model, fifth.repeats) == ("v:two", 2)
    sixth = await back(database, stage, to=4)
    assert (sixth.model, sixth.repeats) == ("v:four", 4)
    seventh = await back(database, stage, to=5)
    assert (seventh.model, seventh.repeats) == ("v:two", 2)  # never a repeat of a repeat
    with pytest.raises(UserError, match="Release 5 answers already"):
        await back(database, stage, to=5)
    with pytest.raises(UserError, match="There is no release 99"):
        await back(database, stage, to=99)
    now = await database.read(lambda tx: releases.current(tx, stage.avatar.id))
    assert (await database.read(lambda tx: aim(tx, now))).number == 1
    assert now.created_at <= clock.now()
