"""What is asked with each message, at each start or for each page takes an index, however much there is.

SQLite takes a partial index only where the query repeats its condition word for word.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from storage import (
    candidates,
    conversations,
    datasets,
    examples,
    exchanges,
    lineage,
    owed,
    people,
    runs,
    talks,
    tuned_models,
    verdicts,
)
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
        (talks._TALKS, "ix_conversation_avatar"),
        (talks._TALKS, "ix_exchange_conversation"),
        (talks._EXCHANGES, "ix_exchange_conversation"),
        (talks._EXCHANGES, "ix_example_exchange"),
        (candidates._PAIRS, "ix_example_lone"),
        (candidates._PREFERRED, "ix_preference_avatar"),
        *(
            (total, f"COVERING INDEX {index}")
            for total, index in zip(
                candidates._TOTALS,
                (
                    "ix_conversation_avatar",
                    "ix_exchange_avatar",
                    "ix_exchange_rated",
                    "ix_example_avatar",
                    "ix_preference_avatar",
                ),
                strict=True,
            )
        ),
        (datasets._LINES, "PRIMARY KEY"),
        (datasets._COUNT_HOLDING, "ix_dataset_author_person"),
        (datasets._DROP_LINES_HOLDING, "PRIMARY KEY (dataset_number=? AND position=?)"),
        (datasets._DROP_AUTHORS_WITH, "PRIMARY KEY (dataset_number=? AND position=?)"),
        (lineage._OF_PERSON, "ix_dataset_author_person"),
        (lineage._OF_EXCHANGE, "ix_dataset_line_exchange"),
        (lineage._OF_EXAMPLE, "ix_dataset_line_example"),
        (lineage._UNCONSENTED, "PRIMARY KEY"),
        (people._NAMED, "autoindex_person_2"),
        (verdicts._QUARANTINED, "ix_verdict_flagged"),
        (verdicts._REJECTED, "ix_verdict_flagged"),
        (verdicts._EMPTY_HOLDING, "ix_verdict_author_person"),
        (tuned_models._MADE, "PRIMARY KEY (vendor=? AND model=?)"),
        (runs._CLAIMABLE, "ix_training_run_next"),
        (runs._TOTALS, "ix_training_run_workspace"),
        (runs._UNENDED, "ix_training_run_workspace"),
    ],
)
def test_it_takes_its_index(statement: Statement, index: str, empty_sqlite: Path) -> None:
    names = "workspace conversation avatar channel reply root key person exchange example split number position vendor host"
    asked: dict[str, object] = {f"of_{name}": "x" for name in names.split()}
    asked |= {
        "most": 1,
        "until": 1,
        "after": "x",
        "ids": ["x", "y"],
        "names": ["x", "y"],
        "numbers": [1, 2],
        "since": 1,
    }
    asked |= {"now": 1, "beyond": 1, "ahead": 1}
    sql, params = statement.sqlite(asked)
    connection = sqlite3.connect(empty_sqlite)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
    connection.close()
    steps = [row[3] for row in plan]
    assert any(index in step for step in steps), steps
    assert not any(step.startswith("SCAN") and index not in step for step in steps), steps
