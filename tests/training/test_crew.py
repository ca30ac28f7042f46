"""Workers: whoever reads, the same comes out; what goes wrong in one of them is told, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from adapters.platforms.base import UserError
from storage import datasets
from storage.database import Database
from storage.errors import StorageError
from tests.stage import Stage, set_stage
from tests.training.test_datasets import liked, made, order
from training.crew import MOST, WORTH, Crew, worth
from training.datasets import build
from training.duplicates import Duplicates
from training.privacy import Redactor
from training.reading import Reader, Source, Stretch, stretches
from training.rows import Method
from training.staging import Staging


def workers() -> list[int]:
    """The workers that this process has started and that have not ended."""
    own = ["pgrep", "-P", str(os.getpid()), "-f", "training[.]worker"]
    return [int(pid) for pid in subprocess.run(own, capture_output=True).stdout.split()]


@dataclass(frozen=True)
class Killing:
    """Replaces nothing in the process ``own``, and ends every other."""

    own: int

    def scope(self) -> Self:
        if os.getpid() != self.own:
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    def redact(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Waiting:
    """Says so in the pipe ``here`` when it is asked for anything, and then never answers."""

    here: Path

    def scope(self) -> Self:
        with self.here.open("w"):
            signal.pause()
        return self

    def redact(self, text: str) -> str:
        return text


async def talk_much(stage: Stage) -> None:
    for name in ("Ann", "Bob", "Cid"):
        person = await stage.person(name, agrees=True)
        await liked(stage, 7, person)
        await liked(stage, 3, person, await stage.conversation(f"a long talk of {name}"))
        here = await stage.conversation(f"unrated talk of {name}")
        await stage.exchange(here, person, "Is that all?", "Write to me at ada@example.org, please.")


@pytest.mark.parametrize("method", ["sft", "kto"])
async def test_whoever_reads_the_same_comes_out(database: Database, method: Method) -> None:
    stage = await set_stage(database)
    await talk_much(stage)
    wanted = order(stage, method, validation=0.4)
    alone = await made(stage, wanted, redactor=Redactor(["Ann"]))
    shared = await made(stage, wanted, redactor=Redactor(["Ann"]), workers=2)
    assert alone.new
    assert not shared.new  # it is the same dataset
    assert shared.report == alone.report
    assert shared.samples == alone.samples
    assert workers() == []


async def test_stretches_are_put_in_order(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    await talk_much(stage)
    source = Source(stage.avatar.id, order(stage).selection, Redactor(), 0.1, tmp_path)
    bounds = [part.upto for part in await stretches(database, stage.avatar.id, 2)]
    assert len(bounds) > 10
    assert bounds[-1] == ""

    def gathered(name: str) -> tuple[Staging, Duplicates]:
        folder = tmp_path / name
        folder.mkdir()
        return Staging(folder), Duplicates(folder)

    alone, compared_alone = gathered("alone")
    reader = Reader(database, replace(source, folder=alone.folder), 0)
    async for part in reader.talks(Stretch()):
        alone.take(part)
        for sketch in part.sketches:
            compared_alone.take(sketch)
    reader.close()

    shared, compared = gathered("shared")
    async with Crew(database.url, 3, replace(source, folder=shared.folder)) as crew:
        async for part in crew.parts(await stretches(database, stage.avatar.id, 2)):
            shared.take(part)
            for sketch in part.sketches:
                compared.take(sketch)
        assert len(workers()) == 3
        assert await crew.ask(os.getpid) in workers()
    assert workers() == []
    every = np.ones(len(alone), dtype=bool)
    assert len(alone) == 30
    assert list(shared.staged(every)) == list(alone.staged(every))
    assert list(shared.hashes()) == list(alone.hashes())
    assert shared.raters().tolist() == alone.raters().tolist()
    assert compared.groups().tolist() == compared_alone.groups().tolist()
    places = np.arange(len(alone))[::-3]
    assert list(shared.said(places)) == list(alone.said(places))
    for each in (compared, compared_alone):
        each.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_worker_that_is_killed_is_told_of(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    await talk_much(stage)

    with pytest.raises(
        UserError, match=r"was killed \(signal 9\), perhaps for want of memory; nothing of it was kept"
    ):
        await made(stage, order(stage), redactor=Killing(os.getpid()), folder=tmp_path, workers=2)
    assert workers() == []
    assert not await database.read(lambda tx: datasets.abandoned(tx, 2**62))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_goes_wrong_in_a_worker_is_told(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    source = Source(stage.avatar.id, order(stage).selection, None, 0.1, tmp_path)
    async with Crew("nosql://somewhere", 1, source) as crew:
        with pytest.raises(StorageError, match="keeps its data in SQLite or Postgres"):
            async for _ in crew.parts([Stretch(), Stretch()]):
                pass
    async with Crew(database.url, 1) as crew:
        with pytest.raises(StorageError, match="/nowhere/at/all cannot be used: No such file or directory"):
            await crew.ask(Path("/nowhere/at/all").read_bytes)
    async with Crew(database.url, 1) as crew:
        with pytest.raises(RuntimeError, match="invalid literal"):  # ours: it is logged with where it was
            await crew.ask(partial(int, "many"))
    assert workers() == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_project_that_has_modules_of_our_names_is_not_run(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("storage", "training"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('this is not ours')\n")
    monkeypatch.chdir(tmp_path)
    async with Crew(database.url, 1) as crew:
        assert await crew.ask(os.getpid) == workers()[0]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_workers_end_with_a_build_that_is_cancelled_while_they_read(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    await talk_much(stage)
    here = tmp_path / "here"
    os.mkfifo(here)
    building = asyncio.create_task(
        made(stage, order(stage), redactor=Waiting(here), folder=tmp_path, workers=2)
    )
    reading = await asyncio.to_thread(here.open)
    assert workers()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    reading.close()
    assert workers() == []
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_workers_end_with_a_build_that_is_cancelled_while_it_freezes(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    await talk_much(stage)
    there = asyncio.Event()

    async def progress(text: str, done: float | None = None) -> None:
        if text.endswith("frozen"):
            there.set()
            await asyncio.Event().wait()

    building = asyncio.create_task(
        build(database, order(stage), progress=progress, folder=tmp_path, workers=2)
    )
    await there.wait()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert workers() == []
    assert not await database.read(lambda tx: datasets.abandoned(tx, 2**62))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_how_many_are_worth_it() -> None:
    assert worth(0) == worth(2 * WORTH - 1, 4) == 0
    assert worth(2 * WORTH, 4) == 2
    assert worth(100 * WORTH, 3) == 3
    assert worth(100 * WORTH, 1) == 0  # one is no faster than none
    assert worth(10**9) <= MOST
