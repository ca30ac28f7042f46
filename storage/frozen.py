"""The records of datasets, which both storage/datasets.py and storage/lineage.py hand out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import orjson

from storage.database import Row, columns_of
from storage.training_schema import DatasetRow

Method = Literal["sft", "dpo", "kto"]
Origin = Literal["build", "import"]
Split = Literal["train", "validation"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A version of a dataset.

    ``number`` names it everywhere, ``version`` counts those of one name in a workspace, from 1. ``system`` is the system
    prompt in front of rows that have none. ``settings`` is what it was built by, ``report`` what was counted then.
    ``hash``, ``lines``, ``train`` and ``validation`` are of the dataset as it was frozen; ``erased`` of its rows are gone
    since, because somebody whose words they held had themselves forgotten. ``person_id`` is who built it.
    """

    id: str
    number: int
    workspace_id: str
    avatar_id: str | None
    name: str
    version: int
    method: Method
    origin: Origin
    system: str
    settings: Mapping[str, Any]
    report: Mapping[str, Any]
    hash: str
    lines: int
    train: int
    validation: int
    erased: int
    person_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a dataset, as ``NewLine`` has it."""

    position: int
    split: Split
    hash: str
    content: str
    conversation: str
    exchange_id: str | None
    example_id: str | None
    preference_id: str | None


COLUMNS = tuple(columns_of(DatasetRow, Dataset))
"""What ``record`` wants of a row, for other queries of datasets."""


def record(row: Row) -> Dataset:
    """A dataset from a row of ``COLUMNS``."""
    values = list(row)
    for at in _PARSED:
        values[at] = orjson.loads(values[at])
    return Dataset(*values)


_PARSED = tuple(at for at, each in enumerate(fields(Dataset)) if each.name in ("settings", "report"))
