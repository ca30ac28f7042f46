"""Candidates on disk while a dataset is built, so that memory stays small whatever their number.

What decides which of them stay (quality, fingerprints, the side of the split) is kept as plain numbers, some forty bytes for
each; their words are in a file that is written once and read once, two lines for each: what a report and the dataset need to
know of the row, and the row itself as it is frozen, which nobody has to take apart again.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

from storage.people import Author
from training.collect import Candidate, Graded, context_of
from training.quality import Look
from training.rows import Row, from_json, row_digest, to_json

_HASH: Final = 16  # bytes of a row's hash
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Staged:
    """A candidate as it comes back: its row as bytes and the hash of these, where it is from and how it looks."""

    content: bytes
    hash: str
    group: str
    authors: tuple[Author, ...]
    exchange_id: str | None
    example_id: str | None
    preference_id: str | None
    look: Look

    @property
    def row(self) -> Row:
        """The row."""
        return from_json(self.content)

    def said(self) -> tuple[str, str]:
        """The question and the reply."""
        row = self.row
        return row.question, row.reply


class Staging:
    """Takes candidates in, and gives them back in the same order."""

    def __init__(self, folder: Path, validation: float) -> None:
        self._path = folder / "candidates"
        self._file = self._path.open("wb")
        self._hashes = (folder / "hashes").open("w+b")
        self._validation = validation
        self.quality = array("f")
        self.fingerprint = array("Q")  # of the row
        self.context = array("Q")  # of what stands before the reply
        self.asker = array("Q")
        self.validation = array("b")
        self.label = array("b")

    def __len__(self) -> int:
        return len(self.quality)

    def add(self, candidate: Candidate, look: Look) -> None:
        """One more."""
        content = to_json(candidate.row)
        digest = row_digest(content)
        self._hashes.write(digest)
        of = (
            digest.hex(),
            candidate.group,
            [(author.person_id, author.said_at) for author in candidate.authors],
            candidate.exchange_id,
            candidate.example_id,
            candidate.preference_id,
        )
        self._file.write(b"%b\n%b\n" % (orjson.dumps((*of, *look)), content))
        self.quality.append(candidate.quality)
        self.fingerprint.append(int.from_bytes(digest[:8]))
        self.context.append(int.from_bytes(context_of(candidate.row.prompt)[:8]))
        self.asker.append(_number(candidate.asker))
        self.validation.append(is_held_out(candidate.group, self._validation))
        self.label.append(bool(candidate.row.label))

    def hashes(self) -> Iterator[bytes]:
        """The rows' hashes, sixteen bytes each, in order."""
        self._hashes.seek(0)
        while block := self._hashes.read(_HASH * 4096):
            for at in range(0, len(block), _HASH):
                yield block[at : at + _HASH]

    def staged(self, kept: Iterable[bool]) -> Iterator[Staged]:
        """Those candidates of which ``kept`` says so, in order."""
        self._file.flush()
        with self._path.open("rb") as file:
            for wanted in kept:
                of, content = file.readline(), file.readline()
                if wanted:
                    yield _staged(of, content.removesuffix(b"\n"))

    def close(self) -> None:
        """Let go of the files."""
        self._file.close()
        self._hashes.close()


def is_held_out(group: str, share: float) -> bool:
    """Whether a conversation is on the side of validation: its own doing, whatever else there is."""
    return _number(group) < int(share * 2**64)


def _staged(of: bytes, content: bytes) -> Staged:
    digest, group, authors, exchange, example, preference, *look = orjson.loads(of)
    written = tuple(Author(person, at) for person, at in authors)
    return Staged(content, digest, group, written, exchange, example, preference, Look(*look))


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


@lru_cache(maxsize=1024)
def _number(text: str) -> int:
    """Eight bytes that stand for a text, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


class Comparing:
    """Rated replies on disk, found again by the context that they answer: what dpo compares."""

    def __init__(self, folder: Path) -> None:
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
        self._waiting.append((graded.context, graded.mean, _dump(graded.candidate)))
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
