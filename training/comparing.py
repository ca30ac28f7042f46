"""Rated replies on disk while a dataset for dpo is built, found again by the context that they answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import orjson

from storage.people import Author
from training.collect import Candidate, Graded
from training.rows import from_json, to_json
from training.staging import is_held_out

_BATCH: Final = 500


class Comparing:
    """Takes rated replies in and tells which can be compared: those on one side of the split, ``validation`` of all."""

    def __init__(self, folder: Path, validation: float) -> None:
        self._validation = validation
        self._connection = sqlite3.connect(folder / "graded", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(
            "CREATE TABLE graded (number INTEGER PRIMARY KEY, context BLOB, mean REAL, line BLOB)"
        )
        self._connection.execute("BEGIN")
        self._waiting: list[tuple[bytes, float, bytes]] = []

    def add(self, graded: Graded) -> None:
        """One more rated reply."""
        # No reply of a conversation that is held out is compared with one that is trained on.
        side = b"v" if is_held_out(graded.candidate.group, self._validation) else b"t"
        self._waiting.append((graded.context + side, graded.mean, _dump(graded.candidate)))
        if len(self._waiting) >= _BATCH:
            self._flush()

    def pairs(self) -> Iterator[tuple[Graded, Graded]]:
        """The best and the worst reply to each context that has two of different ratings, in the order of coming."""
        self._flush()
        self._connection.execute("CREATE INDEX by_context ON graded (context, mean)")
        groups = self._connection.execute(
            "SELECT context FROM graded GROUP BY context HAVING min(mean) < max(mean) ORDER BY min(number)"
        )
        one = "SELECT mean, line FROM graded WHERE context = ? ORDER BY mean {0}, number LIMIT 1"
        for (context,) in groups:
            best, worst = (
                self._connection.execute(one.format(way), (context,)).fetchone() for way in ("DESC", "ASC")
            )
            yield (
                Graded(context, best[0], _load(best[1])),
                Graded(context, worst[0], _load(worst[1])),
            )

    def lone(self) -> int:
        """How many replies have nothing to be compared with; asked after ``pairs``."""
        with closing(
            self._connection.execute(
                "SELECT coalesce(sum(many), 0) FROM (SELECT count(*) AS many FROM graded GROUP BY context"
                " HAVING min(mean) = max(mean))"
            )
        ) as found:
            return int(found.fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _flush(self) -> None:
        self._connection.executemany(
            "INSERT INTO graded (context, mean, line) VALUES (?, ?, ?)", self._waiting
        )
        self._waiting.clear()


def _load(line: bytes) -> Candidate:
    content, group, authors, asker, raters, quality, source, exchange, example, preference = orjson.loads(
        line
    )
    return Candidate(
        from_json(content),
        group,
        tuple(Author(person, at) for person, at in authors),
        asker,
        tuple(raters),
        quality,
        source,
        exchange,
        example,
        preference,
    )


def _dump(candidate: Candidate) -> bytes:
    return orjson.dumps(
        (
            to_json(candidate.row).decode(),
            candidate.group,
            [(author.person_id, author.said_at) for author in candidate.authors],
            candidate.asker,
            candidate.raters,
            candidate.quality,
            candidate.source,
            candidate.exchange_id,
            candidate.example_id,
            candidate.preference_id,
        )
    )
