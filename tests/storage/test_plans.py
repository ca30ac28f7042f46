"""What is asked with each message or at each start takes an index, however much there is.

SQLite takes a partial index only where the query repeats its condition word for word.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from storage import conversations, examples, exchanges, owed
from storage.database import Statement


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (examples._PINNED, "ix_example_pinned"),
        (owed._LISTED, "ix_exchange_held"),
        (exchanges._BY_REPLY, "ix_exchange_reply"),
        (exchanges._LATEST, "ix_exchange_conversation"),
        (exchanges._HISTORY, "ix_exchange_conversation"),
        (exchanges._HISTORY, "ix_exchange_sibling"),
        (exchanges._SIBLINGS, "ix_exchange_sibling"),
        (conversations._CURRENT, "ix_conversation_open"),
    ],
)
def test_it_takes_its_index(statement: Statement, index: str, empty_sqlite: Path) -> None:
    names = ("workspace", "conversation", "avatar", "channel", "reply", "root", "key")
    asked: dict[str, object] = {**{f"of_{name}": "x" for name in names}, "most": 1, "until": 1}
    sql, params = statement.sqlite(asked)
    connection = sqlite3.connect(empty_sqlite)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
    connection.close()
    steps = [row[3] for row in plan]
    assert any(index in step for step in steps), steps
    assert not any(step.startswith("SCAN") and index not in step for step in steps), steps
