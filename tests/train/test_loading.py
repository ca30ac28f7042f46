"""The ``datasets`` library finds the same columns in both files of each format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.train.exported import files
from training.formats import FORMATS

datasets: Any = pytest.importorskip("datasets", reason="the train extra is not installed")

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]  # of libraries, not of ours


@pytest.mark.parametrize("name", FORMATS)
def test_both_files_load_with_the_same_columns(tmp_path: Path, name: str) -> None:
    paths = files(tmp_path, name)
    data_files = {split: str(path) for split, path in paths.items()}
    loaded = datasets.load_dataset("json", data_files=data_files, cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].features == loaded["validation"].features
    for split, path in paths.items():
        lines = path.read_bytes().splitlines()
        assert loaded[split].num_rows == len(lines)
        assert set(loaded[split].column_names) == set(orjson.loads(lines[0]))
        assert _without_gaps(loaded[split][0]) == orjson.loads(lines[0])


def _without_gaps(value: Any) -> Any:
    """The value without what stands for a key that is absent."""
    if isinstance(value, dict):
        return {key: _without_gaps(each) for key, each in value.items() if each is not None}
    return [_without_gaps(each) for each in value] if isinstance(value, list) else value
