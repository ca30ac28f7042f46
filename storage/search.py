"""Example retrieval: which approved examples of an avatar are most like what somebody just said.

The score is BM25 (Robertson and Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond*, 2009) with the
inverse document frequency of Lucene, ``ln(1 + (N - n + 0.5) / (n + 0.5))``, which is never negative. The collection is
what the asker may see: the examples of the avatar that are for everybody, and those of this one channel.

A search reads the postings of the rarest words first, and of a frequent word only the shortest documents, ``BUDGET``
postings in all; the best ``CANDIDATES`` of what it met are then scored exactly.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import log
from typing import TYPE_CHECKING

from orjson import dumps

from storage import search_tables as sql
from storage.database import Row, Tx, first
from storage.words import tokens as tokens

if TYPE_CHECKING:
    from storage.examples import Example

# The customary values, and the best of those tried on the development set (benchmarks/retrieval_quality.py).
K1 = 1.2  # how soon a word that occurs again stops adding
B = 0.75  # how much a long document is held against itself

BUDGET = 1_000  # postings
CANDIDATES = 200  # documents

# The share below which an answer is more often about something else (benchmarks/retrieval_quality.py).
FLOOR = 0.3


@dataclass(frozen=True, slots=True)
class Hit:
    """An example that was found. ``score`` is BM25, to compare hits of one search; ``share`` is what floors use."""

    example: Example
    score: float
    share: float  # 0..1: of the score that the query's own text would have as a document


def index(tx: Tx, number: int, avatar_id: str, text: str) -> None:
    """Make an example findable by ``text``, or refresh it: call again when its text or its audience changed.

    The audience is read from the example's row, which must be there.
    """
    index_many(tx, [(number, avatar_id, text)])


def index_many(tx: Tx, documents: Sequence[tuple[int, str, str]]) -> None:
    """``index`` for several (number, avatar id, text) at once: what an import calls."""
    numbers = _json([number for number, _, _ in documents])
    for row in tx.rows(sql.INDEXED, {"numbers": numbers}):
        unindex(tx, row[0])
    audiences: dict[int, str] = {row[0]: row[1] for row in tx.rows(sql.AUDIENCES, {"numbers": numbers})}
    scopes: dict[tuple[str, str], dict[int, list[str]]] = defaultdict(dict)
    for number, avatar_id, text in documents:
        scopes[avatar_id, audiences[number]][number] = tokens(text)
    # Always in one order, and the row of the scope before those of its terms: two replicas that write the same scopes
    # then wait for each other instead of dead-locking.
    for (avatar_id, audience), texts in sorted(scopes.items()):
        _add(tx, avatar_id, audience, texts)


def _add(tx: Tx, avatar_id: str, audience: str, texts: dict[int, list[str]]) -> None:
    """Put documents, by number, into one scope."""
    length = sum(map(len, texts.values()))
    added = {"avatar": avatar_id, "audience": audience, "documents": len(texts), "length": length}
    scope = tx.rows(sql.ADD_SCOPE, added)[0][0]
    frequencies = Counter[str]()
    for words in texts.values():
        frequencies.update(set(words))
    rows = tx.rows(sql.ADD_TERMS, {"scope": scope, "terms": _json(dict(sorted(frequencies.items())))})
    ids: dict[str, int] = {term: key for key, term in rows}
    tx.run_many(
        sql.ADD_POSTING,
        [
            {"term": ids[word], "length": len(words), "number": number, "count": count}
            for number, words in texts.items()
            for word, count in Counter(words).items()
        ],
    )
    tx.run_many(
        sql.ADD_DOCUMENT,
        [
            {
                "number": number,
                "scope": scope,
                "length": len(words),
                "terms": _packed([ids[word] for word in words]),
            }
            for number, words in texts.items()
        ],
    )


def unindex(tx: Tx, number: int, avatar_id: str = "", text: str = "") -> None:
    """Make an example unfindable; one that is not indexed is left alone. Its number says it all."""
    removed = first(tx, sql.REMOVE_DOCUMENT, {"number": number})
    if removed is None:
        return
    scope, length, packed = removed
    held = _json(sorted(set(_unpacked(packed))))
    tx.run(sql.REDUCE_SCOPE, {"scope": scope, "length": length})
    tx.run(sql.REMOVE_POSTINGS, {"terms": held, "length": length, "number": number})
    tx.run(sql.REDUCE_TERMS, {"terms": held})
    # The words themselves go with the last text that held them.
    tx.run(sql.REMOVE_TERMS, {"terms": held})
    tx.run(sql.REMOVE_SCOPE, {"scope": scope})


def search(tx: Tx, avatar_id: str, channel: str, query: str, *, limit: int = 8) -> list[Hit]:
    """Up to ``limit`` approved examples of the avatar that ``channel`` may see, best first.

    Any text will do as a query: it is words, never a syntax. Among equal scores the newest comes first.
    """
    words = Counter(tokens(query))
    if not words or limit < 1:
        return []
    asker = {"avatar": avatar_id, "channel": channel}
    scopes = tx.rows(sql.SCOPES, asker)
    if not scopes:
        return []
    found = tx.rows(sql.TERMS, {"scopes": _json([row[0] for row in scopes]), "terms": _json(list(words))})
    measure = _Measure(words, sum(row[1] for row in scopes), sum(row[2] for row in scopes), found)
    best = nlargest(
        limit, [(score, number) for number, score in _candidates(tx, measure, found, limit).items()]
    )
    if not best:
        return []
    from storage.examples import record  # which imports this module

    # The row decides in the end who may see it, whatever the index says.
    rows = tx.rows(sql.EXAMPLES, {**asker, "numbers": _json([number for _, number in best])})
    shown = {example.number: example for example in map(record, rows)}
    whole = measure.whole()
    return [Hit(shown[number], score, min(1.0, score / whole)) for score, number in best if number in shown]


class _Measure:
    """What one query is worth in one collection."""

    __slots__ = ("_idf", "_words", "gains", "per_word", "short")

    def __init__(self, words: Counter[str], documents: int, length: int, found: Sequence[Row]) -> None:
        self._words = words
        frequencies = Counter[str]()
        for term, _, holding in found:
            frequencies[term] += holding
        self._idf = {
            word: log(1 + (documents - frequencies[word] + 0.5) / (frequencies[word] + 0.5)) for word in words
        }
        # The share of a document's length in the divisor, as ``short + per_word * length``.
        average = max(1.0, length / max(1, documents))
        self.short, self.per_word = K1 * (1 - B), K1 * B / average
        # By the id of the term in its scope; a word that the query repeats weighs as often.
        self.gains: dict[int, float] = {key: words[term] * self._gain(term) for term, key, _ in found}

    def _gain(self, word: str) -> float:
        """What a word adds at most, were it said without end."""
        return self._idf[word] * (K1 + 1)

    def whole(self) -> float:
        """The score of a document that is the query's own text: words that the collection lacks count as well."""
        norm = self.short + self.per_word * self._words.total()
        return sum(count * self._gain(word) * count / (count + norm) for word, count in self._words.items())


def _candidates(tx: Tx, measure: _Measure, found: Sequence[Row], limit: int) -> dict[int, float]:
    """The exact scores, by number, of the documents that are worth comparing."""
    frequencies = Counter[str]()
    for term, _, holding in found:
        frequencies[term] += holding
    rarest = sorted(found, key=lambda row: (frequencies[row[0]], row[2]))
    wanted = {"terms": _json([row[1] for row in rarest]), "budget": BUDGET}
    # Written out, as these loops are most of what a search takes: gain * count / (count + norm of the length).
    gains, short, per_word = measure.gains, measure.short, measure.per_word
    scores: dict[int, float] = {}
    known = scores.get
    for term, length, number, count in tx.rows(sql.POSTINGS, wanted):
        scores[number] = known(number, 0.0) + gains[term] * count / (count + short + per_word * length)
    if sum(row[2] for row in found) <= BUDGET:
        return scores  # every posting was read: these are exact
    likely = nlargest(max(CANDIDATES, limit), scores, key=scores.__getitem__)
    exact: dict[int, float] = {}
    for number, length, packed in tx.rows(sql.DOCUMENTS, {"numbers": _json(likely)}):
        norm = short + per_word * length
        held = [term for term in _unpacked(packed) if term in gains]
        counts = dict.fromkeys(held, 1) if len(set(held)) == len(held) else Counter(held)
        exact[number] = sum([gains[term] * count / (count + norm) for term, count in counts.items()])
    return exact


def _json(value: object) -> str:
    return dumps(value).decode()


def _packed(ids: list[int]) -> bytes:
    return struct.pack(f"<{len(ids)}q", *ids)


def _unpacked(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}q", packed)
