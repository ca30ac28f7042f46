"""How probable it is that the answer to one question answers another.

A pair of questions becomes a short vector of features, which logistic weights combine into a probability. Everything
here is plain Python: scoring the few examples of a request takes less time than importing numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.vendors.embedded.text import GROUPS, OPPOSITES, WEIGHTS, Lexicon, Prepared, word_trigrams
from adapters.vendors.embedded.vocabulary import STOP_WEIGHT

#: Names of the features in their order. ``question`` is what is asked now, ``candidate`` the question answered before;
#: swapping the two swaps the members of the pairs marked * and leaves the others, except ``answer_overlap``, as they are.
FEATURES: Final = (
    "coverage_question",  # * share of the question's weight that the candidate has
    "coverage_candidate",  # * share of the candidate's weight that the question has
    "coverage_both",  # harmonic mean of the two
    "trigrams",  # cosine of the sets of letter trigrams of all but stop words
    "bigrams",  # Dice coefficient of the sets of neighbouring stems
    "kind",  # 1 the same kind of question, 0 another kind, between when one does not say
    "length",  # smaller total weight over the larger
    "answer_overlap",  # share of what the candidate lacks that its answer has
    "anchor",  # weight of the most telling word in common
    "evidence",  # 1 - 1/(1 + weight in common)
    "missing_question",  # * weight of the question's most telling word that the candidate lacks
    "missing_candidate",  # * the same the other way round
    "substituted",  # the smaller of these two: one thing in the place of another
    "opposite",  # 1 when one says connect and the other disconnect, or only one of them says not
    "complete_question",  # * 1 when the candidate has every word of the question but stop words
    "complete_candidate",  # * the same the other way round
    "complete",  # 1 when both hold
    "other_kind",  # 1 when both say what kind of question they are and the kinds have nothing to do with each other
)
#: +1: more of it never lowers the probability; -1: never raises it; 0: free.
SIGNS: Final = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, -1)

_SAME_GROUP: Final = 0.85
_TYPO: Final = 0.8
_KINDS: Final[dict[frozenset[str], float]] = {
    frozenset(("how", "whether")): 0.6,
    frozenset(("what", "how")): 0.5,
    frozenset(("what", "price")): 0.6,
    frozenset(("whether", "price")): 0.4,
    frozenset(("what", "whether")): 0.5,
    frozenset(("when", "whether")): 0.2,
    frozenset(("where", "whether")): 0.2,
    frozenset(("how", "where")): 0.2,
    frozenset(("what", "age")): 0.4,
    frozenset(("what", "many")): 0.4,
    frozenset(("what", "definition")): 0.8,
    frozenset(("how", "definition")): 0.15,
    frozenset(("price", "definition")): 0.6,
    frozenset(("whether", "definition")): 0.3,
    frozenset(("age", "definition")): 0.4,
    frozenset(("many", "definition")): 0.4,
}
_UNSAID: Final = 0.7


@dataclass(frozen=True, slots=True)
class Weights:
    """A fitted similarity: ``values`` follow ``FEATURES``, ``floor`` is the probability from which a reply is given."""

    values: tuple[float, ...]
    bias: float
    floor: float

    def __post_init__(self) -> None:
        if len(self.values) != len(FEATURES):
            raise ValueError(f"{len(FEATURES)} weights are needed, not {len(self.values)}")
        if not all(map(math.isfinite, (*self.values, self.bias))):
            raise ValueError("weights must be finite numbers")
        if not 0.0 < self.floor <= 1.0:
            raise ValueError("the floor must be above 0 and at most 1")

    def logit(self, vector: Sequence[float]) -> float:
        """The weighted sum."""
        return self.bias + sum(weight * value for weight, value in zip(self.values, vector, strict=True))

    def probability(self, vector: Sequence[float]) -> float:
        """The logistic function of the weighted sum, 0..1."""
        return logistic(self.logit(vector))


def logistic(logit: float) -> float:
    """The probability, 0..1, of a logit."""
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))


def same(lexicon: Lexicon, question: str, candidate: str) -> bool | None:
    """Whether two texts are the same words; ``None`` where one has no words at all, and nothing can be said."""
    asked, known = lexicon.prepare(question).whole, lexicon.prepare(candidate).whole
    if not asked.key or not known.key:
        return None
    return asked.key == known.key and asked.negated == known.negated


def features(lexicon: Lexicon, question: str, candidate: str, answer: str = "") -> tuple[float, ...]:
    """The feature vector of a pair, in the order of ``FEATURES``, each in 0..1.

    A long text is compared whole and by the sentence in it that is likely to be its question; the best view counts.
    """
    best: tuple[float, Prepared, Prepared] | None = None
    for asked in lexicon.prepare(question).views:
        for known in lexicon.prepare(candidate).views:
            both = _harmonic(_coverage(asked, known)[0], _coverage(known, asked)[0])
            if best is None or both > best[0]:
                best = (both, asked, known)
    assert best is not None  # a text has at least the view of its whole
    return _vector(best[1], best[2], lexicon.prepare(answer).whole if answer else None)


def score(lexicon: Lexicon, weights: Weights, question: str, candidate: str, answer: str = "") -> float:
    """The probability, 0..1, that ``answer``, given to ``candidate``, answers ``question``; 1 for the same words."""
    equal = same(lexicon, question, candidate)
    if equal is None:
        return 0.0
    return 1.0 if equal else weights.probability(features(lexicon, question, candidate, answer))


def typo(one: str, other: str) -> bool:
    """Whether two words are likely to be one with a slip in it: one edit (two in eight letters or more) apart.

    A letter left out, put in, replaced or exchanged with its neighbour is an edit. Two words that are both known are two
    words: house is not mouse.
    """
    shorter, longer = sorted((len(one), len(other)))
    if shorter < 4 or one[0] == "~" or other[0] == "~" or not (one.isalpha() and other.isalpha()):
        return False
    if (one in WEIGHTS or one in GROUPS) and (other in WEIGHTS or other in GROUPS):
        return False
    allowed = 1 if shorter < 8 else 2
    if longer - shorter > allowed or longer > 40:
        return False
    if shorter < 6 and one[0] != other[0]:
        return False
    # Exchanged neighbours spoil four windows, every other edit fewer.
    if len(word_trigrams(one) & word_trigrams(other)) < max(1, shorter - 4 * allowed):
        return False
    return _distance(one, other) <= allowed


def _distance(one: str, other: str) -> int:
    """Edit distance with exchanged neighbours as one edit (optimal string alignment)."""
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0


def _coverage(asked: Prepared, known: Prepared) -> tuple[float, float, float, tuple[str, ...]]:
    """(share of the weight of ``asked`` that ``known`` has, that weight, the most telling hit, what is missing)."""
    total = hit = anchor = 0.0
    missing: list[str] = []
    for one, weight in asked.weights.items():
        if one in known.weights:
            found = 1.0
        elif not known.groups.isdisjoint(GROUPS.get(one, ())):
            found = _SAME_GROUP
        elif weight > STOP_WEIGHT and any(typo(one, other) for other in known.weights):
            found = _TYPO
        else:
            found = 0.0
            missing.append(one)
        total += weight
        hit += found * weight
        anchor = max(anchor, found * weight)
    return (hit / total if total else 0.0, hit, anchor, tuple(missing))


def _vector(asked: Prepared, known: Prepared, answer: Prepared | None) -> tuple[float, ...]:
    share_asked, common, anchor, missing_asked = _coverage(asked, known)
    share_known, common_known, anchor_known, missing_known = _coverage(known, asked)
    common, anchor = (common + common_known) / 2, min(anchor, anchor_known)
    lacking = max((asked.weights[one] for one in missing_asked), default=0.0)
    lacking_known = max((known.weights[one] for one in missing_known), default=0.0)
    complete_asked, complete_known = lacking <= STOP_WEIGHT, lacking_known <= STOP_WEIGHT
    kinds = _kinds(asked.kind, known.kind)
    return (
        share_asked,
        share_known,
        _harmonic(share_asked, share_known),
        _cosine(asked.trigrams, known.trigrams),
        2 * len(asked.bigrams & known.bigrams) / ((len(asked.bigrams) + len(known.bigrams)) or 1),
        kinds,
        min(asked.total, known.total) / (max(asked.total, known.total) or 1.0),
        _answered(asked, missing_asked, answer),
        min(1.0, anchor),
        1.0 - 1.0 / (1.0 + common),
        min(1.0, lacking),
        min(1.0, lacking_known),
        min(1.0, lacking, lacking_known),
        float(_opposed(asked, known)),
        float(complete_asked),
        float(complete_known),
        float(complete_asked and complete_known),
        float(kinds == 0.0),
    )


def _cosine(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


def _kinds(one: str, other: str) -> float:
    if one == other:
        return 1.0 if one else _UNSAID
    if not one or not other:
        return _UNSAID
    return _KINDS.get(frozenset((one, other)), 0.0)


def _answered(asked: Prepared, missing: Sequence[str], answer: Prepared | None) -> float:
    """How much of what the candidate lacks is said in its answer; nothing lacking counts as nothing to gain."""
    total = sum(asked.weights[one] for one in missing)
    if answer is None or not total:
        return 0.0
    return sum(asked.weights[one] for one in missing if one in answer.weights) / total


def _opposed(asked: Prepared, known: Prepared) -> bool:
    if asked.negated != known.negated:
        return True
    return any(
        not OPPOSITES[one].isdisjoint(known.weights) and OPPOSITES[one].isdisjoint(asked.weights)
        for one in asked.weights.keys() & OPPOSITES.keys()
        if one not in known.weights
    )
