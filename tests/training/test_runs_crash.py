"""A launch that is killed anywhere goes on where it was, and there is one job at the vendor."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

from storage.database import Database
from tests.conftest import ROOT
from tests.servers.openai_tuning import TuningServer
from tests.training.runs_crash import KEY, LANES
from tests.training.runs_stage import Hands, world


@pytest.mark.timeout(300)
async def test_a_launch_that_is_killed_anywhere_goes_on_and_makes_one_job(
    tmp_path: Path, empty_sqlite: Path
) -> None:
    path = tmp_path / "understudy.db"
    shutil.copy(empty_sqlite, path)
    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    made = await world(database, tmp_path, Hands(), rows=12, validation=2)
    await database.close()
    async with TuningServer(key=KEY, recording=False) as server:
        server.by_itself = True
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.training.runs_crash", server.url, str(path), made.workspace_id,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        found = [json.loads(line) for line in said.decode().splitlines()]
        jobs = [job["metadata"] for job in server.jobs.values()]
    for each in found:
        assert (each["state"], each["resting"], each["runs"]) == ("succeeded", True, 1), each
        assert (each["uploaded"], each["left"]) == (0, []), each
    assert {each["killed"] for each in found if each["after"] != "the end"} == {signal.SIGKILL}
    assert max(each["at"] for each in found if each["killed"]) == len(found) - LANES
    after = {each["after"] for each in found}
    assert {f"answer to {name}" for name in ("upload", "create", "poll", "delete_file")} <= after
    assert len(found) > 25
    assert len(jobs) == len(found)
    assert not [file for file in server.files.values() if file["purpose"] == "fine-tune"]
