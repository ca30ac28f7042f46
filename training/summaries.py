"""Summaries of any number of things in bounded memory: what is frequent, how sizes are spread, which replies conflict."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

from training.duplicates import normalise, words

COUNTERS: Final = 1_000
QUESTIONS: Final = 20_000
SAMPLES: Final = 5

_CLIPPED: Final = 300
_ALIKE: Final = 0.3  # word sets of two replies with less in common say different things


@dataclass(frozen=True, slots=True)
class Spread:
    """Of how something is spread: exact up to 1,024, within 1.1 % above; the maximum is exact."""

    median: int
    p90: int
    max: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A question with two replies that have little in common, each cut to 300 characters."""

    question: str
    one: str
    other: str


class Frequent:
    """How often the most frequent of many keys came, in bounded memory (Misra and Gries, "Finding repeated elements", 1982).

    A count is never too high, and too low by at most the number of all that came over ``counters`` + 1; while there are
    fewer distinct keys than counters it is exact.
    """

    def __init__(self, counters: int = COUNTERS) -> None:
        self._most = counters
        self._counts: dict[str, int] = {}

    def see(self, key: str) -> None:
        """Count it."""
        counts = self._counts
        if key in counts:
            counts[key] += 1
        elif len(counts) < self._most:
            counts[key] = 1
        else:
            self._counts = {each: count - 1 for each, count in counts.items() if count > 1}

    def top(self) -> list[tuple[str, int]]:
        """The keys that are left with their counts, the most frequent first."""
        return sorted(self._counts.items(), key=lambda each: (-each[1], each[0]))


class Lengths:
    """A histogram: sizes up to 1,024 one by one, longer ones in 64 steps for each doubling."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._max = 0

    def see(self, size: int) -> None:
        """Count one of this size."""
        self._counts[size if size <= 1024 else 1024 + math.ceil(64 * math.log2(size / 1024))] += 1
        self._max = max(self._max, size)

    def spread(self) -> Spread:
        """How the sizes are spread; zeros if there was none."""
        return Spread(self._quantile(0.5), self._quantile(0.9), self._max)

    def _quantile(self, share: float) -> int:
        wanted, seen = math.ceil(share * self._counts.total()), 0
        for step, count in sorted(self._counts.items()):
            seen += count
            if seen >= wanted:
                return step if step <= 1024 else min(self._max, round(1024 * 2 ** ((step - 1024) / 64)))
        return 0


@dataclass(slots=True)
class _Asked:
    question: str
    reply: str
    other: str = ""


class Conflicts:
    """Replies to the same question, of as many questions as fit: those with the lowest hashes.

    That is distinct sampling (Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries", 2001):
    each time that there are too many questions, half of them are forgotten and are not taken up again.
    """

    def __init__(self, most: int = QUESTIONS) -> None:
        self._most = most
        self._asked: dict[int, _Asked] = {}
        self._limit = 1 << 64

    def wants(self, key: int) -> bool:
        """Whether replies to the question of this hash are of interest."""
        return key < self._limit

    def see(self, key: int, question: str, reply: str) -> None:
        """Take a reply into account; ``key`` is a hash of 64 bits of what it is a reply to."""
        if key >= self._limit:
            return
        known = self._asked.get(key)
        if known is None:
            self._asked[key] = _Asked(question[:_CLIPPED], reply[:_CLIPPED])
            while len(self._asked) > self._most:
                self._limit //= 2
                self._asked = {each: asked for each, asked in self._asked.items() if each < self._limit}
        elif not known.other and known.reply != reply[:_CLIPPED]:
            one, other = set(words(normalise(known.reply))), set(words(normalise(reply[:_CLIPPED])))
            if len(one & other) < _ALIKE * len(one | other):
                known.other = reply[:_CLIPPED]

    def found(self) -> tuple[int, tuple[Conflict, ...]]:
        """How many questions have replies that differ, and some of them."""
        bad = sorted((key, asked) for key, asked in self._asked.items() if asked.other)
        samples = tuple(Conflict(asked.question, asked.reply, asked.other) for _, asked in bad[:SAMPLES])
        return round(len(bad) * ((1 << 64) / self._limit)), samples
