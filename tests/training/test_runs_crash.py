"""A launch that is killed anywhere, once or twice, goes on where it was, and there is one job at the vendor."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from tests.conftest import ROOT
from tests.servers import gemini_tuning, openai_tuning
from tests.servers.gcs import StorageServer
from tests.training.runs_sides import KEY, TOKEN
from tests.training.runs_stage import Hands, world

# Of two neighbours one is killed once, and the other one twice: `python -m tests.training.runs_crash` does both at all.
EVERY = 2
LAUNCHING = {"write of Runs.prepare", "write of Desk.record", "answer to upload", "answer to create"}
AFTERWARDS = {"answer to poll", "answer to events", "answer to delete_file"}
# On this machine the creation starts a process that trains: that it is there and nobody knows its number is the worst of it.
NOT_YET_NOTED = {f"before {step} .process.json..new, 1 started" for step in ("open", "os.rename")}


async def killed(vendor: str, folder: Path, pristine: Path, *addresses: str) -> list[dict[str, Any]]:
    """What came of the launches that were killed, at every boundary once or twice."""
    path = folder / "understudy.db"
    shutil.copy(pristine, path)
    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    made = await world(database, folder, Hands(), rows=20, validation=3)
    await database.close()
    arguments = [vendor, str(path), made.workspace_id, *addresses, "--every", str(EVERY)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.training.runs_crash", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return [json.loads(line) for line in said.decode().splitlines()]


def check(found: Sequence[dict[str, Any]]) -> set[str]:
    """One job each, that the run went on with to its end, and nothing that lies about; where they were killed."""
    for each in found:
        assert (each["state"], each["resting"], each["runs"]) == ("succeeded", True, 1), each
        assert (each["uploaded"], each["left"], each["left there"]) == (0, [], []), each
        assert (len(each["jobs"]), each["trainers"]) in {(1, None), (1, 1)}, each
        assert all(number in {0, signal.SIGKILL} for number in each["killed"]), each
        assert (each["killed"][0] == 0) == (each["after"][0] == "the end"), each
    end = min(each["at"] for each in found if not each["killed"][0])
    assert set(range(1, end)) <= {each["at"] for each in found}, "no boundary is left out"
    assert sum(each["killed"] == [signal.SIGKILL] * 2 for each in found) > 4
    return {after.partition(".<locals>")[0] for each in found for after in each["after"]}


@pytest.mark.timeout(300)
async def test_at_openai(tmp_path: Path, empty_sqlite: Path) -> None:
    async with openai_tuning.TuningServer(key=KEY, recording=False) as server:
        server.by_itself = True
        found = await killed("openai", tmp_path, empty_sqlite, server.url)
        assert len(server.jobs) == len(found)
        assert not [file for file in server.files.values() if file["purpose"] == "fine-tune"]
    assert check(found) >= LAUNCHING | AFTERWARDS


@pytest.mark.timeout(300)
async def test_at_google(tmp_path: Path, empty_sqlite: Path) -> None:
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(StorageServer(token=TOKEN, recording=False))
        server = gemini_tuning.TuningServer(token=TOKEN, storage=storage, recording=False)
        await stack.enter_async_context(server)
        server.by_itself = True
        found = await killed("google", tmp_path, empty_sqlite, server.url, storage.url)
        assert len(server.jobs) == len(found)
        assert not storage.names
    assert check(found) >= LAUNCHING | AFTERWARDS


@pytest.mark.timeout(300)
async def test_on_this_machine(tmp_path: Path, empty_sqlite: Path) -> None:
    found = await killed("local", tmp_path, empty_sqlite)
    after = check(found)
    assert after >= LAUNCHING | AFTERWARDS
    assert after & NOT_YET_NOTED, after


@pytest.mark.timeout(300)
async def test_of_the_embedded_model(tmp_path: Path, empty_sqlite: Path) -> None:
    found = await killed("embedded", tmp_path, empty_sqlite)
    after = check(found)
    assert after >= LAUNCHING | AFTERWARDS
    assert "before os.rename .worker.json., 1 started" in after, after
