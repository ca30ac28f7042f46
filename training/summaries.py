"""Summaries of any number of things: which values are frequent, how sizes are spread, which replies conflict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.sketches import normalise, words

QUESTIONS: Final = 20_000
SAMPLES: Final = 5

_CLIPPED: Final = 300
_ALIKE: Final = 0.3  # word sets of two replies with less in common say different things


@dataclass(frozen=True, slots=True)
class Spread:
    """How something is spread."""

    median: int
    p90: int
    max: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A question with two replies that have little in common, each cut to 300 characters."""

    question: str
    one: str
    other: str


def distinct(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each value once, in order; sorts ``values`` where they are, as there may be millions."""
    values.sort()
    return values[_first(values)]


def counted(values: NDArray[np.uint64], least: float = 0) -> list[tuple[int, int]]:
    """Each value but 0 that is there more than ``least`` times, and how often; sorts ``values`` where they are."""
    known, counts = _counts(values)
    often = counts > least
    return list(zip(known[often].tolist(), counts[often].tolist(), strict=True))


def most_frequent(values: NDArray[np.uint64]) -> int:
    """How often the value is there that is there most often, 0 aside; sorts ``values`` where they are."""
    return int(_counts(values)[1].max(initial=0))


def _counts(values: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    values.sort()
    values = values[np.searchsorted(values, np.uint64(1)) :]
    starts = np.flatnonzero(_first(values))
    return values[starts], np.diff(starts, append=len(values))


def _first(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of values in order are not the one before them."""
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def spread(sizes: NDArray[np.integer]) -> Spread:
    """How sizes are spread; zeros if there is none."""
    if not len(sizes):
        return Spread(0, 0, 0)
    at = [math.ceil(share * len(sizes)) - 1 for share in (0.5, 0.9)]
    median, p90 = np.partition(sizes, at)[at].tolist()
    return Spread(median, p90, int(sizes.max()))


@dataclass(slots=True)
class _Asked:
    question: str
    reply: str
    other: str = ""


class Conflicts:
    """Replies to the same question, of as many questions as fit: those with the lowest hashes.

    That is distinct sampling (Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries", 2001):
    as often as there are too many questions, half of the hashes are left out. ``known`` are the distinct hashes of 64 bits
    of all questions.
    """

    def __init__(self, known: NDArray[np.uint64], most: int = QUESTIONS) -> None:
        self._asked: dict[int, _Asked] = {}
        self._halved = 0
        while np.count_nonzero(self._within(known)) > most:
            self._halved += 1

    def wants(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether replies to the questions of these hashes are of interest."""
        return self._within(keys)

    def see(self, key: int, question: str, reply: str) -> None:
        """Take a reply into account; ``key`` is the hash of what it is a reply to, one that is wanted."""
        known = self._asked.get(key)
        if known is None:
            self._asked[key] = _Asked(question[:_CLIPPED], reply[:_CLIPPED])
        elif not known.other and known.reply != reply[:_CLIPPED]:
            one, other = set(words(normalise(known.reply))), set(words(normalise(reply[:_CLIPPED])))
            if len(one & other) < _ALIKE * len(one | other):
                known.other = reply[:_CLIPPED]

    def found(self) -> tuple[int, tuple[Conflict, ...]]:
        """How many questions have replies that differ, and some of them."""
        bad = sorted((key, asked) for key, asked in self._asked.items() if asked.other)
        samples = tuple(Conflict(asked.question, asked.reply, asked.other) for _, asked in bad[:SAMPLES])
        return len(bad) << self._halved, samples

    def _within(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return keys >> np.uint64(64 - self._halved) == 0 if self._halved else np.ones(len(keys), dtype=bool)
