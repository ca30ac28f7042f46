"""Builds whatever lies in the folder that somebody works in."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.database import Database
from tests.bot.theatre import ADA, play


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
