"""Builds whatever lies in the folder that somebody works in, and when the process that runs them ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from adapters.platforms.base import Call, UserError
from bot.schedule import sweep
from storage import clock, datasets, verdicts, workspaces
from storage.database import Database, Tx
from storage.datasets import NewDataset
from storage.verdicts import Verdict
from tests.bot.theatre import ADA, HERE, play
from training.collect import Selection
from training.datasets import Built, Order


async def test_a_project_that_has_modules_of_our_names_is_not_run(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theatre = play(database, tmp_path)
    for package in ("bot", "storage", "training"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('this is not ours')\n")
    monkeypatch.chdir(tmp_path)
    answer = await theatre.command("finetune build", who=ADA, dry_run=True)
    assert "Nothing was frozen." in answer.text, answer.text


async def test_what_is_being_built_is_stopped_before_the_process_ends(
    database: Database, tmp_path: Path
) -> None:
    theatre = play(database, tmp_path)
    reading = asyncio.Event()

    async def progress(text: str, done: float | None = None) -> None:
        if text != "Beginning":  # which is said before there is a process
            reading.set()
            await asyncio.Event().wait()

    call = Call("finetune build", HERE, ADA, {"method": "sft", "dry_run": True}, progress, clock.now())
    building = asyncio.create_task(theatre.app.command(call))
    await reading.wait()
    await theatre.app.close()
    assert "was stopped; nothing of it was kept" in (await building).text
    assert not list(tmp_path.glob("building-*"))
    later = await Database.open(database.url)
    try:
        assert not await later.read(lambda tx: datasets.abandoned(tx, 2**62))
    finally:
        await later.close()


async def test_a_process_that_ends_while_it_sweeps_has_not_failed(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    sweeping = asyncio.create_task(sweep(theatre.services))
    await asyncio.sleep(0)
    assert sweeping.cancel()
    await asyncio.wait([sweeping])
    assert not sweeping.cancelled()
    assert sweeping.exception() is None
    await theatre.app.close()


async def test_who_waits_for_leftovers_is_told_of_no_other_dataset(
    database: Database, tmp_path: Path
) -> None:
    theatre = play(database, tmp_path)
    builds, told = theatre.services.builds, list[str]()

    async def progress(text: str, done: float | None = None) -> None:
        told.append(text)

    async def ordered(name: str) -> asyncio.Task[Built]:
        order = Order("w", "a", name, None, Selection("sft", 1))
        building = asyncio.create_task(builds.build(order, progress))
        for _ in range(2):  # until it waits for its seat
            await asyncio.sleep(0)
        return building

    sweeping = asyncio.create_task(sweep(theatre.services))
    first = await ordered("first")
    assert told == []
    second = await ordered("second")
    assert told == ["Another dataset is being built; this one is next"]
    for name, building in (("first", first), ("second", second)):
        assert builds.stop("w", name)
        with pytest.raises(UserError, match="was stopped"):
            await building
    await sweeping
    await theatre.app.close()


async def test_leftovers_are_taken_away_by_the_clock(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    assert (await theatre.command("finetune datasets", who=ADA)).ok  # the workspace is there
    now, day = clock.now(), 86_400_000

    def leave(tx: Tx, at: int) -> int:
        clock.use(lambda: at)
        try:
            (home,) = workspaces.listed(tx)
            return datasets.begin(tx, NewDataset(home.id, None, "first", "sft"))
        finally:
            clock.use(None)

    old, fresh = [await database.write(lambda tx, at=at: leave(tx, at)) for at in (now - 2 * day, now)]
    folders = [tmp_path / "building-old", tmp_path / "building-fresh"]
    for folder in folders:
        folder.mkdir()
        (folder / "lines-0").write_text("what people wrote")
    os.utime(folders[0], (0, (now - 2 * day) / 1000))
    said = [
        Verdict("01", False, (), False, now - 91 * day),
        Verdict("02", False, (), False, now - 89 * day),
        Verdict("03", True, ("hate",), False, now - 91 * day),
        *(Verdict(f"{number:04x}", False, (), False, 0) for number in range(1_200)),
    ]
    await database.write(lambda tx: verdicts.put(tx, "w", said))
    await sweep(theatre.services)
    assert await database.read(lambda tx: datasets.abandoned(tx, 2**62)) == [fresh]
    assert old != fresh
    assert [folder.exists() for folder in folders] == [False, True]
    assert set(await database.read(lambda tx: verdicts.known(tx, "w", [each.hash for each in said]))) == {
        "02",
        "03",
    }
    await theatre.app.close()
