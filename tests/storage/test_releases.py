"""Releases: a history that going back walks through, one at a time, and never toggles."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from storage import avatars, ids, prompts, releases, runs, tuned_models
from storage.database import Database, Tx
from storage.errors import Missing
from storage.releases import Release
from storage.runs import NewRun
from tests.stage import Stage, set_stage


async def release(database: Database, stage: Stage, model: str, repeats: int | None = None) -> Release:
    def job(tx: Tx) -> Release:
        prompt = releases.current(tx, stage.avatar.id).prompt_version_id
        return releases.add(tx, stage.avatar.id, model=model, prompt_version_id=prompt, repeats=repeats)

    return await database.write(job)


async def back(database: Database, stage: Stage) -> int | None:
    """Go back by one; which release that repeats."""

    def job(tx: Tx) -> int | None:
        wanted = releases.before(tx, releases.held(tx, stage.avatar.id))
        if wanted is None:
            return None
        added = releases.add(
            tx,
            stage.avatar.id,
            model=wanted.model,
            prompt_version_id=wanted.prompt_version_id,
            repeats=wanted.root,
        )
        return added.repeats

    return await database.write(job)


async def test_a_release_keeps_what_was_seen_of_it(database: Database) -> None:
    stage = await set_stage(database)

    def job(tx: Tx) -> Release:
        prompt = prompts.listed(tx, stage.avatar.id)[0]
        return releases.add(
            tx, stage.avatar.id, model="openai:x", prompt_version_id=prompt.id, evaluated='{"answered": 4}'
        )

    added = await database.write(job)
    assert (added.number, added.repeats, added.root) == (2, None, 2)
    assert added.evaluated == '{"answered": 4}'
    assert await database.read(lambda tx: releases.current(tx, stage.avatar.id)) == added
    assert await database.read(lambda tx: releases.numbered(tx, stage.avatar.id, 2)) == added
    assert await database.read(lambda tx: releases.numbered(tx, stage.avatar.id, 3)) is None
    with pytest.raises(Missing):
        await database.write(lambda tx: releases.held(tx, "no such avatar"))


async def test_going_back_walks_and_never_toggles(database: Database) -> None:
    stage = await set_stage(database)
    for model in ("openai:two", "openai:three"):
        await release(database, stage, model)
    assert [await back(database, stage) for _ in range(4)] == [2, 1, None, None]
    history = await database.read(lambda tx: releases.listed(tx, stage.avatar.id))
    assert [(each.number, each.model, each.repeats) for each in history] == [
        (5, None, 1),
        (4, "openai:two", 2),
        (3, "openai:three", None),
        (2, "openai:two", None),
        (1, None, None),
    ]


async def test_what_is_new_after_going_back_goes_back_to_where_one_was(database: Database) -> None:
    stage = await set_stage(database)
    for model in ("openai:two", "openai:three"):
        await release(database, stage, model)
    assert await back(database, stage) == 2
    await release(database, stage, "openai:five")
    now = await database.read(lambda tx: releases.current(tx, stage.avatar.id))
    found = await database.read(lambda tx: releases.earlier(tx, now))
    assert [each.number for each in found] == [2, 1]
    assert [await back(database, stage) for _ in range(3)] == [2, 1, None]


async def test_the_walk_is_the_chain_and_ends_whatever_was_done(database: Database) -> None:
    stage = await set_stage(database)

    async def story(steps: list[int | None]) -> None:
        for step in steps:
            if step is None:
                await back(database, stage)
                continue
            wanted = await database.read(lambda tx, step=step: releases.numbered(tx, stage.avatar.id, step))
            if wanted is None:
                await release(database, stage, f"openai:{step}")
            else:
                await release(database, stage, wanted.model or "", wanted.root)
        now = await database.read(lambda tx: releases.current(tx, stage.avatar.id))
        chain = await database.read(lambda tx: releases.earlier(tx, now))
        roots = [now.root, *(each.root for each in chain)]
        assert roots == sorted(set(roots), reverse=True)
        assert [each.repeats for each in chain] == [None] * len(chain)
        for number in roots[1:]:
            assert await back(database, stage) == number
        assert await back(database, stage) is None

    chance = Random(7)
    for _ in range(12):
        await story([chance.choice((None, chance.randint(1, 12))) for _ in range(chance.randint(0, 6))])


async def test_of_two_who_go_back_at_once_each_goes_one_step(database: Database) -> None:
    stage = await set_stage(database)
    for model in ("openai:two", "openai:three", "openai:four"):
        await release(database, stage, model)
    other = await Database.open(database.url)
    try:
        steps = await asyncio.gather(*(back(each, stage) for each in (database, other)))
    finally:
        await other.close()
    assert sorted(each or 0 for each in steps) == [2, 3]


async def test_an_avatar_says_whether_a_model_may_be_activated_by_itself(database: Database) -> None:
    stage = await set_stage(database)
    assert not stage.avatar.auto_activate
    changed = await database.write(lambda tx: avatars.update(tx, stage.avatar.id, auto_activate=True))
    assert changed.auto_activate
    assert await database.read(lambda tx: avatars.get(tx, stage.avatar.id)) == changed


async def test_a_model_belongs_to_the_workspaces_whose_runs_made_it(database: Database) -> None:
    here, there = await set_stage(database), await set_stage(database)
    for stage, model in ((here, "mine"), (here, "ours"), (there, "ours"), (there, "theirs")):
        name = f"{model}-{here.workspace.id}"

        def job(tx: Tx, stage: Stage = stage, name: str = name) -> None:
            new = NewRun(stage.workspace.id, None, 1, "openai", "sft", "base", ids.new_id(), {}, {}, None)
            run = runs.create(tx, new)
            runs.changed(
                tx, run.id, model=name, checkpoints=[{"model": f"{name}-1", "step": 1}], next_at=None
            )

        await database.write(job)

    def going(tx: Tx) -> None:
        run = runs.create(
            tx, NewRun(there.workspace.id, None, 1, "openai", "sft", "base", ids.new_id(), {}, {}, None)
        )
        at = [{"model": f"early-{here.workspace.id}", "step": 1}]
        runs.changed(tx, run.id, checkpoints=at, next_at=None)

    await database.write(going)
    end = here.workspace.id
    asked = [f"{model}-{end}{step}" for model in ("mine", "ours", "theirs", "early") for step in ("", "-1")]
    models = ["nonsense", *(f"{vendor}:{name}" for vendor in ("openai", "google") for name in asked)]

    async def elsewhere() -> set[str]:
        return set(await database.read(lambda tx: tuned_models.elsewhere(tx, end, models)))

    assert await elsewhere() == {
        f"openai:theirs-{end}",
        f"openai:theirs-{end}-1",
        f"openai:early-{end}",
    }

    def deleted(tx: Tx) -> None:
        (run,) = [each for each in runs.listed(tx, there.workspace.id) if each.model == f"theirs-{end}"]
        runs.changed(tx, run.id, model="")

    await database.write(deleted)
    assert await elsewhere() == {f"openai:theirs-{end}-1", f"openai:early-{end}"}


async def test_whose_models_are_is_found_for_more_than_one_query_asks_for(database: Database) -> None:
    here, there = await set_stage(database), await set_stage(database)
    names = [f"{here.workspace.id}-{number}" for number in range(1_200)]

    def job(tx: Tx) -> None:
        new = NewRun(there.workspace.id, None, 1, "openai", "sft", "base", ids.new_id(), {}, {}, None)
        at = [{"model": names[-1], "step": 1}]
        runs.changed(tx, runs.create(tx, new).id, model=names[0], checkpoints=at, next_at=None)

    await database.write(job)
    models = [f"openai:{name}" for name in names]
    for stage, found in ((here, {models[0], models[-1]}), (there, set[str]())):
        home = stage.workspace.id
        assert await database.read(lambda tx, home=home: tuned_models.elsewhere(tx, home, models)) == found
