"""Fitting the similarity to labelled pairs: pure functions, used to make ``base.json`` and by whoever trains.

numpy is imported here and nowhere on the path of a reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.vendors.embedded.similarity import FEATURES, SIGNS, Weights, features
from adapters.vendors.embedded.text import Lexicon

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """``question`` beside ``candidate``, a question that was answered with ``answer``; ``weight`` is its importance."""

    question: str
    candidate: str
    answer: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Epoch:
    """One step of a fit: the weights so far (the floor not yet calibrated) and the mean log loss in nats."""

    number: int
    weights: Weights
    loss: float


def matrix(pairs: Sequence[Pair], lexicon: Lexicon | None = None) -> Array:
    """One row of features for each pair."""
    lexicon = lexicon or Lexicon()
    rows = [features(lexicon, pair.question, pair.candidate, pair.answer) for pair in pairs]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))


def log_loss(weights: Weights, rows: Array, labels: Array, importance: Array | None = None) -> float:
    """Mean negative log likelihood, in nats, of ``labels`` (0 or 1)."""
    logits = rows @ np.array(weights.values) + weights.bias
    losses = np.logaddexp(0.0, logits) - labels * logits
    return float(np.average(losses, weights=importance))


def epochs(
    rows: Array,
    labels: Array,
    importance: Array | None = None,
    *,
    start: Weights | None = None,
    l2: float = 0.0003,
    count: int = 1_000,
) -> Iterator[Epoch]:
    """Logistic regression with L2 and the signs of ``SIGNS``, step by step, so that a caller may watch and stop.

    Projected accelerated gradient descent (Nesterov's momentum; Beck and Teboulle 2009) on the whole batch: nothing in it
    is random. Raises ``ValueError`` when there is nothing to fit.
    """
    if not len(rows) or len(rows) != len(labels) or not 0 < labels.sum() < len(labels):
        raise ValueError("fitting needs pairs of both kinds, and one label for each pair")
    share = (np.ones(len(labels)) if importance is None else importance) / (
        len(labels) if importance is None else importance.sum()
    )
    inputs = np.hstack([rows, np.ones((len(rows), 1))])
    signs = np.array([*SIGNS, 0])
    at = np.zeros(inputs.shape[1]) if start is None else np.array([*start.values, start.bias])
    shrink = np.array([l2] * len(SIGNS) + [0.0])
    # The curvature of the loss is at most a quarter of the largest eigenvalue of the inputs' second moment.
    rate = 1.0 / (0.25 * float(np.linalg.eigvalsh((inputs * share[:, None]).T @ inputs)[-1]) + l2)
    look, momentum = at.copy(), 1.0
    for number in range(1, count + 1):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(inputs @ look, -60, 60)))
        step = look - rate * (inputs.T @ (share * (predicted - labels)) + shrink * look)
        step = np.where(signs * step < 0, 0.0, step)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        look, at, momentum = step + (momentum - 1) / following * (step - at), step, following
        weights = Weights(tuple(float(value) for value in at[:-1]), float(at[-1]), 0.5)
        yield Epoch(number, weights, log_loss(weights, rows, labels, importance))


def fit(
    pairs: Sequence[Pair],
    labels: Sequence[int],
    *,
    lexicon: Lexicon | None = None,
    precision: float = 0.95,
    l2: float = 0.0003,
    count: int = 1_000,
) -> Weights:
    """Weights and floor from pairs labelled 1 (the answer fits) or 0.

    The floor here is calibrated on the same pairs; whoever has pairs to spare calibrates it on those with ``floor_for``.
    Raises ``ValueError`` when one of the labels is missing.
    """
    rows, wanted = matrix(pairs, lexicon), np.array(labels, dtype=np.float64)
    importance = np.array([pair.weight for pair in pairs], dtype=np.float64)
    weights: Weights | None = None
    for epoch in epochs(rows, wanted, importance, l2=l2, count=count):
        weights = epoch.weights
    assert weights is not None  # epochs() yields or raises
    scores = [weights.probability(row) for row in rows.tolist()]
    return replace(
        weights, floor=floor_for(scores, labels, precision=precision, importance=importance.tolist())
    )


def floor_for(
    scores: Sequence[float],
    labels: Sequence[int],
    *,
    precision: float = 0.95,
    importance: Sequence[float] | None = None,
) -> float:
    """The lowest floor at and above which at least ``precision`` of the pairs are labelled 1.

    Where no floor is good enough the answer is one just above every wrong pair, at most 0.999.
    """
    ranked = sorted(zip(scores, labels, importance or [1.0] * len(scores), strict=True), reverse=True)
    right = total = 0.0
    floor: float | None = None
    for position, (score, label, weight) in enumerate(ranked):
        right, total = right + label * weight, total + weight
        last_of_ties = position + 1 == len(ranked) or ranked[position + 1][0] < score
        if last_of_ties and total and right / total >= precision:
            floor = score
    if floor is None:
        floor = max((score for score, label, _ in ranked if not label), default=0.5) + 1e-6
    return min(max(floor, 1e-6), 0.999)
