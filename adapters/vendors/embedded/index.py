"""Finding, among very many trained pairs, the few worth scoring in full."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from adapters.vendors.base import Shot
from adapters.vendors.embedded.similarity import typo
from adapters.vendors.embedded.text import GROUPS, Lexicon

_BUDGET: Final = 20_000
_GROUP_SHARE: Final = 0.85


class Index:
    """An inverted index from stems and concepts to pairs; rare ones are looked at first, within a budget."""

    def __init__(self, pairs: Sequence[Shot], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        postings: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._lengths: list[float] = []
        for number, pair in enumerate(pairs):
            stems = set(lexicon.stems(pair.user))
            self._lengths.append(1.0 + sum(map(lexicon.weight, stems)))
            for one in stems:
                postings[one].append(number)
            for group in {group for one in stems for group in GROUPS.get(one, ())}:
                postings["=" + group].append(number)
        self._postings = dict(postings)
        # Words by first letter and length: where a mistyped word can only be.
        self._near: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for one in self._postings:
            if one and one[0] not in "=~":
                self._near[one[0], len(one)].append(one)

    def nearest(self, question: str, count: int = 48) -> list[int]:
        """Numbers of the pairs that share the most telling words with ``question``, at most ``count``, best first."""
        keys: dict[str, float] = {}
        for view in self._lexicon.prepare(question).views:
            for one, weight in view.weights.items():
                keys[one] = max(weight, keys.get(one, 0.0))
                for group in GROUPS.get(one, ()):
                    keys["=" + group] = max(weight * _GROUP_SHARE, keys.get("=" + group, 0.0))
                if one not in self._postings and one not in GROUPS:
                    for meant in self._meant(one):
                        keys[meant] = max(weight * _GROUP_SHARE, keys.get(meant, 0.0))
        found: defaultdict[int, float] = defaultdict(float)
        left = _BUDGET
        for key in sorted(
            (key for key in keys if key in self._postings), key=lambda key: len(self._postings[key])
        ):
            numbers = self._postings[key]
            if found and len(numbers) > left:
                # Too common to bring in new pairs; it still tells those apart that rarer words found.
                members = set(numbers[:_BUDGET])
                for number in found:
                    if number in members:
                        found[number] += keys[key]
                break
            for number in numbers[:left]:
                found[number] += keys[key]
            left -= len(numbers)
        lengths = self._lengths
        ranked = sorted(found, key=lambda number: (-found[number] * found[number] / lengths[number], number))
        return ranked[:count]

    def _meant(self, one: str) -> list[str]:
        if len(one) < 4:
            return []
        return [
            other
            for length in range(len(one) - 1, len(one) + 2)
            for other in self._near.get((one[0], length), ())[:2_000]
            if typo(one, other)
        ][:4]
