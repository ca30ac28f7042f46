"""Builds whatever lies in the folder that somebody works in, and when the process that runs them ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.platforms.base import Call
from storage import clock, datasets
from storage.database import Database
from tests.bot.theatre import ADA, HERE, play


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
