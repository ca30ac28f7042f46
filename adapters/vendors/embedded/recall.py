"""How a trained model finds and compares: by the words in common, rare ones first, and by learned vectors.

numpy is imported here: whoever answers with the base model alone never waits for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.vendors.base import Shot
from adapters.vendors.embedded.learned import Learned, Mix
from adapters.vendors.embedded.text import Lexicon

Array = NDArray[np.float32]
Bag = Mapping[str, float]
Cosines = tuple[float, float, float, float]

CANDIDATES: Final = 16
_KEPT_TEXTS: Final = 2_048
# How much a feature of each kind weighs beside a stem of the same rarity: " " neighbours, "=" groups, "#" letter trigrams.
_KINDS: Final = {" ": 0.35, "=": 0.5, "#": 0.3}


def bag(lexicon: Lexicon, text: str) -> dict[str, float]:
    """The features of a text and how much they are said: stems, pairs of neighbours, concepts and letter trigrams."""
    whole = lexicon.prepare(text).whole
    found = {one: 1.0 + log(count) for one, count in Counter(whole.key).items()}
    found.update((f"{one} {other}", _KINDS[" "]) for one, other in sorted(whole.bigrams))
    found.update((f"={group}", _KINDS["="]) for group in sorted(whole.groups))
    found.update((f"#{three}", _KINDS["#"]) for three in sorted(whole.trigrams))
    return found


class Words:
    """Texts by their features, each weighed by ``ln(1 + N / (n + 0.5))``, where n of the N texts have it.

    A text that is asked for is weighed as these are; its cosine with each of them is what ``against`` gives.
    """

    def __init__(self, bags: Sequence[Bag], among: Iterable[Bag] = ()) -> None:
        frequencies = Counter[str]()
        texts = 0
        for one in (*bags, *among):
            texts += 1
            frequencies.update(one.keys())
        self._idf = {name: log(1 + texts / (count + 0.5)) for name, count in frequencies.items()}
        self._unknown = log(1 + texts / 0.5)
        self._size = len(bags)
        postings: dict[str, tuple[list[int], list[float]]] = {}
        for number, one in enumerate(bags):
            for name, value in self.weighed(one).items():
                numbers, values = postings.setdefault(name, ([], []))
                numbers.append(number)
                values.append(value)
        self._postings = {
            name: (np.array(numbers, dtype=np.intp), np.array(values, dtype=np.float32))
            for name, (numbers, values) in postings.items()
        }

    def rarity(self, name: str) -> float:
        """How much a feature weighs that is said once."""
        return self._idf.get(name, self._unknown)

    def weighed(self, one: Bag) -> dict[str, float]:
        """The text's unit vector, by feature."""
        values = {name: said * self._idf.get(name, self._unknown) for name, said in one.items()}
        length = sqrt(sum(value * value for value in values.values())) or 1.0
        return {name: value / length for name, value in values.items()}

    def against(self, one: Mapping[str, float]) -> Array:
        """The cosines, 0..1, of a ``weighed`` text with each of the texts, in order."""
        found = np.zeros(self._size, dtype=np.float32)
        for name, value in one.items():
            held = self._postings.get(name)
            if held is not None:
                found[held[0]] += held[1] * np.float32(value)
        return found


def dot(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The inner product of two vectors by feature."""
    if len(other) < len(one):
        one, other = other, one
    return sum(value * other[name] for name, value in one.items() if name in other)


class Meaning:
    """Learned vectors of texts."""

    def __init__(self, features: Sequence[str], matrix: Array) -> None:
        self._at = {name: row for row, name in enumerate(features)}
        self._matrix = matrix

    @classmethod
    def of(cls, learned: Learned) -> Meaning:
        """The vectors that an artefact keeps."""
        shape = (len(learned.features), learned.dimensions)
        rows = np.frombuffer(learned.rows, dtype=np.int8).reshape(shape).astype(np.float32)
        return cls(
            learned.features, rows * np.frombuffer(learned.scales, dtype="<f4").astype(np.float32)[:, None]
        )

    def vector(self, one: Bag) -> Array:
        """A unit vector; all zeros for a text of which no feature is known."""
        known = [(self._at[name], said) for name, said in one.items() if name in self._at]
        if not known:
            return np.zeros(self._matrix.shape[1], dtype=np.float32)
        total = (
            np.array([said for _, said in known], dtype=np.float32) @ self._matrix[[at for at, _ in known]]
        )
        length = float(np.linalg.norm(total))
        return total / np.float32(length) if length else total

    def vectors(self, bags: Sequence[Bag]) -> Array:
        """One row for each text."""
        rows = [self.vector(one) for one in bags]
        return np.stack(rows) if rows else np.zeros((0, self._matrix.shape[1]), dtype=np.float32)


def packed(features: Sequence[str], matrix: Array, mix: Mix) -> Learned:
    """The matrix as an artefact keeps it, each row in signed bytes times the scale that loses least."""
    scales = np.abs(matrix).max(axis=1) / np.float32(127)
    rows = np.rint(matrix / np.where(scales == 0, np.float32(1), scales)[:, None]).astype(np.int8)
    return Learned(tuple(features), matrix.shape[1], rows.tobytes(), scales.astype("<f4").tobytes(), mix)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A text prepared for comparison."""

    words: Mapping[str, float]
    meaning: Array


class Recall:
    """The pairs of a trained model, found by question and by reply."""

    def __init__(self, pairs: Sequence[Shot], learned: Learned, lexicon: Lexicon) -> None:
        asked = [bag(lexicon, pair.user) for pair in pairs]
        said = [bag(lexicon, pair.assistant) for pair in pairs]
        self._lexicon = lexicon
        self._asked, self._said = Words(asked, said), Words(said, asked)
        self._meaning = Meaning.of(learned)
        self._asked_meaning, self._said_meaning = self._meaning.vectors(asked), self._meaning.vectors(said)
        self._seen: Callable[[str], _Seen] = lru_cache(maxsize=_KEPT_TEXTS)(self._see)

    def nearest(self, question: str) -> list[tuple[int, Cosines]]:
        """(number, cosines) of the pairs that are nearest in any of the four ways, by number."""
        seen = self._seen(question)
        columns = np.stack(
            (
                self._asked.against(seen.words),
                self._said.against(seen.words),
                self._asked_meaning @ seen.meaning,
                self._said_meaning @ seen.meaning,
            ),
            axis=1,
        )
        found = nearest(columns)
        return [
            (number, (float(row[0]), float(row[1]), float(row[2]), float(row[3])))
            for number, row in zip(found.tolist(), columns[found], strict=True)
        ]

    def cosines(self, question: str, candidate: str, reply: str) -> Cosines:
        """How near a question is to one that was answered and to its reply, in the order of ``Mix``."""
        asked, known, said = self._seen(question), self._seen(candidate), self._seen(reply)
        return (
            dot(asked.words, known.words),
            dot(asked.words, said.words),
            float(asked.meaning @ known.meaning),
            float(asked.meaning @ said.meaning),
        )

    def _see(self, text: str) -> _Seen:
        one = bag(self._lexicon, text)
        return _Seen(self._asked.weighed(one), self._meaning.vector(one))


def nearest(columns: Array, count: int = CANDIDATES) -> NDArray[np.intp]:
    """Numbers of the rows that are among the ``count`` largest of any column, in ascending order."""
    if len(columns) <= count:
        return np.arange(len(columns))
    # A stable order, so that equal rows are chosen alike everywhere.
    best = np.argsort(-columns, axis=0, kind="stable")[:count]
    return np.unique(best)
