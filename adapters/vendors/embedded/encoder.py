"""The learned vectors, trained: a matrix that brings a question near the questions and the reply that belong together.

One matrix embeds questions and replies: a text's vector is the sum of its features' rows, scaled to length 1. It starts as a
random projection (Johnson and Lindenstrauss, 1984), in which cosines are about those of the texts' words, and is trained by
neighbourhood components analysis (Goldberger et al., 2004) with a temperature: a question, some of its features left out,
has to find the others that were answered alike, and its reply, among all the others. Adam (Kingma and Ba, 2015) moves the
rows that a batch touches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.vendors.embedded.learned import MAX_FEATURE_CHARS, MAX_FEATURES
from adapters.vendors.embedded.recall import Array, Bag

Numbers = NDArray[np.int64]

DIMENSIONS: Final = 64
_TEMPERATURE: Final = 0.1
_LEFT_OUT: Final = 0.3  # of the features of a question that looks for others
_ITSELF: Final = 0.3  # how often a question that has others may find itself
_COLUMNS: Final = 4_096  # the most texts that one batch is compared with
_CHUNK: Final = 256
_NEVER: Final = -1e9
_LEAST_SHARE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Bags:
    """Texts by their features: those of text n are ``ids[starts[n]:starts[n + 1]]``, said as much as ``values``."""

    ids: Numbers
    values: Array
    starts: Numbers

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, chosen: Sequence[int] | Numbers) -> Bags:
        """Some of the texts, in that order."""
        spans = [np.arange(self.starts[at], self.starts[at + 1]) for at in chosen]
        whole = np.concatenate(spans) if spans else np.zeros(0, dtype=np.int64)
        starts = np.cumsum([0, *map(len, spans)])
        return Bags(self.ids[whole], self.values[whole], starts)


def features_of(bags: Sequence[Bag]) -> tuple[str, ...]:
    """What is worth a vector: the ``MAX_FEATURES`` most frequent that two texts have; "" stands for nothing known."""
    counts = Counter(name for one in bags for name in one)
    shared = [name for name, count in counts.items() if count > 1 and len(name) <= MAX_FEATURE_CHARS]
    return ("", *sorted(sorted(shared, key=lambda name: (-counts[name], name))[:MAX_FEATURES]))


def bags_of(bags: Sequence[Bag], features: Sequence[str]) -> Bags:
    """The texts in numbers; one without a known feature has the first."""
    at = {name: number for number, name in enumerate(features)}
    ids: list[int] = []
    values: list[float] = []
    starts = [0]
    for one in bags:
        known = [(at[name], said) for name, said in one.items() if name in at] or [(0, 1.0)]
        ids.extend(number for number, _ in known)
        values.extend(said for _, said in known)
        starts.append(len(ids))
    return Bags(
        np.array(ids, dtype=np.int64), np.array(values, dtype=np.float32), np.array(starts, dtype=np.int64)
    )


def embed(texts: Bags, matrix: Array) -> tuple[Array, Array]:
    """Unit vectors of the texts, and the lengths that they had."""
    total = np.zeros((len(texts), matrix.shape[1]), dtype=np.float32)
    for first in range(0, len(texts), _CHUNK):
        last = min(first + _CHUNK, len(texts))
        low, high = texts.starts[first], texts.starts[last]
        rows = matrix[texts.ids[low:high]] * texts.values[low:high, None]
        total[first:last] = np.add.reduceat(rows, texts.starts[first:last] - low, axis=0)
    lengths = np.linalg.norm(total, axis=1, keepdims=True) + np.float32(1e-6)
    return total / lengths, lengths


class Encoder:
    """The matrix and what its training needs to go on: ``state`` gives all of it as arrays."""

    def __init__(self, questions: Bags, replies: Bags, kinds: Numbers, matrix: Array) -> None:
        """``kinds`` numbers the replies: equal ones have one number."""
        self._questions, self._replies, self._kinds = questions, replies, kinds
        self.matrix = matrix
        self._mean, self._square = np.zeros_like(matrix), np.zeros_like(matrix)
        self._steps = 0
        self._several = np.bincount(kinds, minlength=int(kinds.max()) + 1)[kinds] > 1

    def state(self) -> dict[str, NDArray[np.generic]]:
        """What ``restore`` takes."""
        return {
            "matrix": self.matrix.copy(),
            "mean": self._mean.copy(),
            "square": self._square.copy(),
            "steps": np.array(self._steps),
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go on from a ``state``. Raises ``KeyError`` or ``ValueError`` when it is none of this training."""
        parts = [np.array(state[name], dtype=np.float32) for name in ("matrix", "mean", "square")]
        if any(part.shape != self.matrix.shape for part in parts):
            raise ValueError("the state is of another training")
        self.matrix, self._mean, self._square = parts
        self._steps = int(state["steps"])

    def epoch(self, chance: np.random.Generator, batch: int, rate: float) -> list[float]:
        """Learn from each question once; the losses, in nats, of the batches."""
        count = len(self._questions)
        order = chance.permutation(count)
        asked, _ = embed(self._questions, self.matrix)
        said, _ = embed(self._replies, self.matrix)
        losses: list[float] = []
        for first in range(0, count, batch):
            chosen = order[first : first + batch]
            others = np.setdiff1d(np.arange(count), chosen)
            if len(others) + len(chosen) > _COLUMNS:
                others = np.sort(chance.choice(others, max(0, _COLUMNS - len(chosen)), replace=False))
            losses.append(self._batch(chance, chosen, others, asked[others], said[others], rate))
        return losses

    def loss(self, questions: Bags, kinds: Numbers, replies: Bags, reply_kinds: Numbers) -> float:
        """The mean loss, in nats, of questions that the matrix was not trained on.

        Those whose kind was taught look for it among the questions and replies that were; the others (kind -1, whose
        ``reply_kinds`` tell them apart) for their own reply among ``replies``.
        """
        vectors, _ = embed(questions, self.matrix)
        losses: list[float] = []
        taught = kinds >= 0
        if taught.any():
            same = kinds[taught][:, None] == self._kinds[None, :]
            for known in (self._questions, self._replies):
                scores = vectors[taught] @ embed(known, self.matrix)[0].T / _TEMPERATURE
                losses.extend((_shares(scores, same)[0] / 2).tolist())
            half = len(losses) // 2
            losses = [one + other for one, other in zip(losses[:half], losses[half:], strict=True)]
        if not taught.all():
            scores = vectors[~taught] @ embed(replies, self.matrix)[0].T / _TEMPERATURE
            same = reply_kinds[~taught][:, None] == reply_kinds[None, :]
            losses.extend(_shares(scores, same)[0].tolist())
        return float(np.mean(losses))

    def _batch(
        self,
        chance: np.random.Generator,
        chosen: Numbers,
        others: Numbers,
        asked: Array,
        said: Array,
        rate: float,
    ) -> float:
        whole, replies = self._questions.take(chosen), self._replies.take(chosen)
        kept = chance.random(len(whole.ids)) >= _LEFT_OUT
        partly = Bags(whole.ids, whole.values * kept, whole.starts)
        looking, looking_length = embed(partly, self.matrix)
        own, own_length = embed(whole, self.matrix)
        own_said, own_said_length = embed(replies, self.matrix)
        kinds = np.concatenate((self._kinds[chosen], self._kinds[others]))
        same = kinds[: len(chosen), None] == kinds[None, :]

        scores = np.concatenate((looking @ own.T, looking @ asked.T), axis=1) / _TEMPERATURE
        itself = ~self._several[chosen] | (chance.random(len(chosen)) < _ITSELF)
        at = np.arange(len(chosen))
        scores[at, at] = np.where(itself, scores[at, at], _NEVER)
        by_question, pull = _shares(scores, same)
        pull /= _TEMPERATURE * 2 * len(chosen)
        scores = np.concatenate((looking @ own_said.T, looking @ said.T), axis=1) / _TEMPERATURE
        by_reply, pull_said = _shares(scores, same)
        pull_said /= _TEMPERATURE * 2 * len(chosen)

        size = len(chosen)
        on_looking = pull[:, :size] @ own + pull[:, size:] @ asked
        on_looking += pull_said[:, :size] @ own_said + pull_said[:, size:] @ said
        self._move(
            (
                (partly, looking, looking_length, on_looking),
                (whole, own, own_length, pull[:, :size].T @ looking),
                (replies, own_said, own_said_length, pull_said[:, :size].T @ looking),
            ),
            rate,
        )
        return float((by_question + by_reply).mean() / 2)

    def _move(self, parts: Sequence[tuple[Bags, Array, Array, Array]], rate: float) -> None:
        ids: list[Numbers] = []
        changes: list[Array] = []
        for texts, unit, lengths, on_unit in parts:
            # Through the scaling to length 1: only what is across the vector turns it.
            on_total = (on_unit - unit * (unit * on_unit).sum(axis=1, keepdims=True)) / lengths
            ids.append(texts.ids)
            changes.append(np.repeat(on_total, np.diff(texts.starts), axis=0) * texts.values[:, None])
        rows = np.concatenate(ids)
        order = np.argsort(rows, kind="stable")
        touched, starts = np.unique(rows[order], return_index=True)
        slope = np.add.reduceat(np.concatenate(changes)[order], starts, axis=0)
        self._steps += 1
        mean = 0.9 * self._mean[touched] + 0.1 * slope
        square = 0.999 * self._square[touched] + 0.001 * slope**2
        self._mean[touched], self._square[touched] = mean, square
        size = np.sqrt(square / (1 - 0.999**self._steps)) + 1e-8
        self.matrix[touched] -= (rate * (mean / (1 - 0.9**self._steps)) / size).astype(np.float32)


def start(features: Sequence[str], rarity: Sequence[float], seed: int) -> Array:
    """The matrix before training: random rows, each as long as its feature is rare."""
    chance = np.random.default_rng([seed, 0])
    rows = chance.standard_normal((len(features), DIMENSIONS)).astype(np.float32) / np.float32(
        DIMENSIONS**0.5
    )
    return rows * np.array(rarity, dtype=np.float32)[:, None]


def _shares(scores: Array, same: NDArray[np.bool_]) -> tuple[Array, Array]:
    """For each row the loss, -ln of the softmax share of what is the same, and its slope by score."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    right = powers * same
    total, share = powers.sum(axis=1, keepdims=True), right.sum(axis=1, keepdims=True) + _LEAST_SHARE
    return -np.log(share / total)[:, 0], powers / total - right / share
