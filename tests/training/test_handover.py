"""Datasets as files in a folder that may hold something already."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.platforms.base import UserError
from storage.database import Database
from tests.stage import set_stage
from tests.training.runs_stage import dataset_of, lines, silent
from training.handover import CARD_NAME, export

FORMAT = "trl-sft"


async def test_a_card_takes_no_other_files_place(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    dataset = await dataset_of(database, stage.workspace.id, lines(12, 2))
    out = tmp_path / "out"
    out.mkdir()
    own = out / CARD_NAME
    own.write_text("# My project\n")
    with pytest.raises(UserError, match="name another folder"):
        await export(database, dataset, FORMAT, out, silent)
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [(CARD_NAME, "# My project\n")]

    own.unlink()
    await export(database, dataset, FORMAT, out, silent)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(first) == {CARD_NAME, f"train.{FORMAT}.jsonl", f"validation.{FORMAT}.jsonl"}
    await export(database, dataset, FORMAT, out, silent)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


async def test_an_export_without_rows_to_check_with_leaves_none_of_another(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    larger = await dataset_of(database, stage.workspace.id, lines(12, 2), name="larger")
    smaller = await dataset_of(database, stage.workspace.id, lines(12, 0), name="smaller")
    await export(database, larger, FORMAT, tmp_path / "out", silent)
    exported = await export(database, smaller, FORMAT, tmp_path / "out", silent)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in exported.files}
