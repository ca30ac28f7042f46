"""A chat in a terminal says of each training run that it has ended, whoever watched it, and of none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.platforms.base import Place
from adapters.vendors.tuning import Point, Status
from bot.finetuning.endings import endings
from storage import clock, workspaces
from storage.database import Database
from tests.databases import database, empty_postgres, empty_sqlite
from tests.training.runs_stage import Hands, World, world
from training.runs import Runs

__all__ = ["database", "empty_postgres", "empty_sqlite"]


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
async def here(database: Database, tmp_path: Path, hands: Hands) -> World:
    return await world(database, tmp_path, hands)


async def ends(here: World, runs: Runs, status: Status) -> None:
    run = await here.launched(runs)
    here.far.losses = [Point(1, "validation", 2.0, 0.25), Point(9, "validation", 1.0, 0.75)]
    here.far.move(status)
    await here.rest(runs, run)


async def test_each_run_that_ends_is_told_once_with_what_comes_next(here: World, hands: Hands) -> None:
    runs = here.runs()
    await ends(here, runs, "succeeded")  # before anybody listens
    hands.now += 1
    looks: asyncio.Queue[None] = asyncio.Queue()
    workspace = await here.database.read(lambda tx: workspaces.get(tx, here.workspace_id))
    place = Place(workspace.platform, workspace.key, "terminal", "terminal")

    async def pause(seconds: float) -> None:
        await looks.get()

    listening = endings(here.database, place, pause=pause)
    heard: list[str] = []

    async def listen() -> None:
        async for line in listening:
            heard.append(line)  # noqa: PERF401 - it is read while more comes

    task = asyncio.create_task(listen())
    looks.put_nowait(None)
    await ends(here, runs, "succeeded")
    await ends(here, runs, "failed")
    for _ in range(3):
        looks.put_nowait(None)
    while looks.qsize() or len(heard) < 2:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await runs.close()
    good, bad = heard
    assert good.startswith("✅ Training run 2 on ")
    assert "accuracy 25% at step 1, 75% at step 9" in good
    assert "`/finetune activate vendor:tuned-job-1` shows what it says and asks first." in good
    assert bad.startswith("❌ Training run 3 on ")
    assert bad.endswith("`/finetune logs 3` says what happened.")
