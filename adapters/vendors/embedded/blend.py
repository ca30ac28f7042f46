"""How much the learned cosines weigh beside the base similarity: a logistic regression on questions that were kept back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.vendors.embedded.fit import floor_for
from adapters.vendors.embedded.learned import Mix
from adapters.vendors.embedded.lessons import Lesson
from adapters.vendors.embedded.recall import Array, Bag, Meaning, Words, nearest
from adapters.vendors.embedded.similarity import Weights, features, logistic, same
from adapters.vendors.embedded.text import Lexicon

Real = NDArray[np.float64]

#: Where nothing is kept back that could tell: see benchmarks/embedded_tuning.py.
PRIOR: Final = Mix(0.3, 4.0, 2.5, 1.2, 0.9, -1.0)
_STRENGTH: Final = 3.0  # of the prior, in pairs
_PRECISION: Final = 0.95
_ENOUGH: Final = 20  # questions that a mix or a floor can be told from
_LEAST: Final = 0.3  # the lowest floor, before the constant is moved
_SLACK: Final = 0.02  # of the strange lines: what some of them say may well be taught
_MARGIN: Final = 0.001  # more than rounding
_CLEARLY: Final = 0.1
_UNANSWERABLE: Final = 0.5  # what a question without its answer counts for beside one with it
_CERTAIN: Final = 30.0
_SCALES: Final = np.array([4.0, 0.5, 0.5, 0.5, 0.5, 1.0])  # so that all columns are about as large
_STEPS: Final = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """A question before the pairs that may answer it: ``rows`` as ``Probe`` makes them, and which are ``right``."""

    numbers: tuple[int, ...]
    rows: Real
    right: NDArray[np.bool_]


class Probe:
    """Questions that are put to the pairs again and again while vectors change; what stays is worked out once."""

    def __init__(
        self,
        questions: Sequence[Lesson],
        pairs: Sequence[Lesson],
        lexicon: Lexicon,
        weights: Weights,
        words: tuple[Words, Words],
        bag: Callable[[str], Bag],
        *,
        itself: Sequence[int] | None = None,
    ) -> None:
        """``itself`` gives the number of each question among the pairs, where it is one of them: it is not asked then."""
        self.questions = questions
        self._pairs = pairs
        self._lexicon, self._weights = lexicon, weights
        self._bags = [bag(one.question) for one in questions]
        weighed = [words[0].weighed(one) for one in self._bags]
        self._words = [np.stack([side.against(one) for side in words], axis=1) for one in weighed]
        keys = [pair.key for pair in pairs]
        self._right = [
            np.array([key == own for key in keys], dtype=np.bool_) for own in (q.key for q in questions)
        ]
        self._open = np.ones((len(questions), len(pairs)), dtype=np.bool_)
        if itself is not None:
            self._open[np.arange(len(questions)), list(itself)] = False
        self._logits: dict[tuple[int, int], float] = {}

    def ask(self, meaning: Meaning, asked: Array, said: Array, *, wrong_too: bool = False) -> list[Asked]:
        """Each question before its candidates; ``asked`` and ``said`` are the vectors of the pairs' two sides.

        ``wrong_too`` adds the candidates that there would be if no pair were right.
        """
        vectors = meaning.vectors(self._bags)
        found: list[Asked] = []
        for at, (words, right) in enumerate(zip(self._words, self._right, strict=True)):
            columns = np.concatenate(
                (words, np.stack((asked @ vectors[at], said @ vectors[at]), axis=1)), axis=1
            )
            numbers = _among(columns, self._open[at])
            if wrong_too:
                numbers = np.union1d(numbers, _among(columns, self._open[at] & ~right))
            logits = [self._logit(at, int(number)) for number in numbers]
            rows = np.column_stack((logits, columns[numbers], np.ones(len(numbers)))).astype(np.float64)
            found.append(Asked(tuple(int(number) for number in numbers), rows, right[numbers]))
        return found

    def _logit(self, at: int, number: int) -> float:
        known = self._logits.get((at, number))
        if known is None:
            question, pair = self.questions[at].question, self._pairs[number]
            if same(self._lexicon, question, pair.question):
                known = _CERTAIN
            else:
                known = self._weights.logit(features(self._lexicon, question, pair.question, pair.reply))
            self._logits[at, number] = known
        return known


def _among(columns: Array, open_: NDArray[np.bool_]) -> NDArray[np.intp]:
    numbers = np.flatnonzero(open_)
    return numbers[nearest(columns[numbers])]


def weights_of(mix: Mix) -> Real:
    """The mix in the order of a candidate's columns."""
    return np.array(
        [mix.base, mix.question_words, mix.reply_words, mix.question_meaning, mix.reply_meaning, mix.bias]
    )


def logits(mix: Mix, asked: Asked) -> Real:
    """The logit of each candidate."""
    found = asked.rows @ weights_of(mix)
    return np.where(asked.rows[:, 0] >= _CERTAIN, _CERTAIN, found)


def hits(mix: Mix, probes: Sequence[Asked]) -> list[bool]:
    """Whether the best candidate of each question is right."""
    return [len(one.right) > 0 and bool(one.right[int(np.argmax(logits(mix, one)))]) for one in probes]


def fit(probes: Sequence[Asked], prior: Mix = PRIOR) -> Mix:
    """The mix under which right candidates are most probable, near the prior where there is little to tell from.

    Each question counts the same, its right candidates half and the others half; weights are never negative. Projected
    accelerated gradient descent (Beck and Teboulle, 2009) on all of it: nothing is random.
    """
    told = [one for one in probes if one.right.any() and not one.right.all()]
    if len(told) < _ENOUGH:
        return prior
    rows = np.concatenate([one.rows for one in told]) * _SCALES
    rows[:, 0] = np.minimum(rows[:, 0], 10 * _SCALES[0])
    labels = np.concatenate([one.right for one in told]).astype(np.float64)
    share = np.concatenate(
        [np.where(one.right, 0.5 / one.right.sum(), 0.5 / (~one.right).sum()) for one in told]
    )
    middle = weights_of(prior) / _SCALES
    shrink = _STRENGTH * np.array([1, 1, 1, 1, 1, 0.05]) * _SCALES**2 / 16
    rate = 1.0 / (
        0.25 * float(np.linalg.eigvalsh((rows * share[:, None]).T @ rows)[-1]) + float(shrink.max())
    )
    at = look = middle.copy()
    momentum = 1.0
    for _ in range(_STEPS):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(rows @ look, -60, 60)))
        step = look - rate * (rows.T @ (share * (predicted - labels)) + shrink * (look - middle))
        step[:-1] = np.maximum(step[:-1], 0.0)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        look, at, momentum = step + (momentum - 1) / following * (step - at), step, following
    return Mix(*(round(float(value), 6) for value in at * _SCALES))


def levelled(mix: Mix, probes: Sequence[Asked], strange: Sequence[Asked], base: float) -> Mix:
    """The mix with the constant with which ``base``, the base similarity's own floor, is the right floor for it too.

    Three things bound it from below. Lines that have nothing to do with what is taught (``strange``) get a reply no more
    often than from the base similarity, but for one in fifty. Nor do the questions of ``probes`` when they are asked
    without the pairs that answer them. Asked with them, at least 95 % of the best candidates are right, where that can be
    told; above that the floor is half-way to where nine tenths of the right candidates are.
    """
    own = _logit(base)
    found = max(_least(mix, probes, base), _level(mix, strange, own, int(_SLACK * len(strange))))
    return replace(mix, bias=round(mix.bias - found + own, 6))


def _least(mix: Mix, probes: Sequence[Asked], base: float) -> float:
    """The logit that the questions that were kept back ask for."""
    lowest = _logit(_LEAST)
    without = [_unanswered(one) for one in probes if not one.right.all()]
    if not without:
        return max(lowest, _logit(base))
    found = max(lowest, _level(mix, without, _logit(base), 0))
    scores: list[float] = []
    right: list[int] = []
    importance: list[float] = []
    for one in probes:
        ranked = logits(mix, one)
        best = int(np.argmax(ranked))
        scores.append(logistic(float(ranked[best])))
        right.append(int(one.right[best]))
        importance.append(1.0)
    if sum(right) < _ENOUGH:
        return found
    for one in without:
        scores.append(logistic(float(logits(mix, one).max())))
        right.append(0)
        importance.append(_UNANSWERABLE)
    found = max(found, _logit(floor_for(scores, right, precision=_PRECISION, importance=importance)))
    # Where what is right lies clearly above, the floor is half-way: what nobody thought of is nearer to the wrong.
    clear = _logit(float(np.quantile([score for score, ok in zip(scores, right) if ok], _CLEARLY)))
    return max(found, (clear + found) / 2)


def _unanswered(one: Asked) -> Asked:
    """The question without the candidates that are right."""
    wrong = ~one.right
    return Asked(
        tuple(number for number, kept in zip(one.numbers, wrong, strict=True) if kept),
        one.rows[wrong],
        one.right[wrong],
    )


def _level(mix: Mix, asked: Sequence[Asked], base: float, slack: int) -> float:
    """The lowest logit that no more of the questions reach, but ``slack``, than reach ``base`` by the base similarity."""
    ranked = sorted((float(logits(mix, one).max()) for one in asked), reverse=True)
    allowed = slack + sum(float(one.rows[:, 0].max()) >= base for one in asked)
    return ranked[allowed] + _MARGIN if allowed < len(ranked) else -_CERTAIN


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))
