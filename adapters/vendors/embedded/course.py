"""One training from its lessons to an artefact, epoch by epoch; the same lessons and seed give the same bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.vendors.base import Shot
from adapters.vendors.embedded import blend, encoder, strangers
from adapters.vendors.embedded.artefact import Artefact, base
from adapters.vendors.embedded.blend import Probe
from adapters.vendors.embedded.exam import Exam, exam
from adapters.vendors.embedded.learned import Mix
from adapters.vendors.embedded.lessons import Lesson
from adapters.vendors.embedded.recall import Bag, Meaning, Words, bag, dot, packed
from adapters.vendors.embedded.similarity import features, logistic
from adapters.vendors.embedded.text import Lexicon

_KEPT_BACK: Final = 0.15  # of the lessons, to learn the mix and the floor from
_MOST_KEPT_BACK: Final = 80
_OWN_HELD: Final = 0.1
_CACHE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. ``rate`` is Adam's step.

    It stops early after ``patience`` epochs in each of which the held-out loss fell by less than the share ``gain`` below
    the best.
    """

    epochs: int = 12
    batch: int = 64
    rate: float = 0.04
    seed: int = 42
    patience: int = 2
    gain: float = 0.01

    def better(self, loss: float, best: float) -> bool:
        """Whether a loss is enough below the best to go on for."""
        return loss < best * (1 - self.gain)


@dataclass(frozen=True, slots=True)
class Epoch:
    """After ``number`` epochs: mean losses in nats (of training ``None`` before the first), and hit@1, 0..1."""

    number: int
    train_loss: float | None
    loss: float
    hit: float


def split(lessons: Sequence[Lesson]) -> tuple[list[Lesson], list[Lesson]]:
    """Lessons to train on, and a tenth to hold out, for whoever has no validation rows; by a hash of their texts."""
    count = max(1, round(len(lessons) * _OWN_HELD))
    held = set(sorted(lessons, key=_lot)[:count])
    return [one for one in lessons if one not in held], [one for one in lessons if one in held]


class Course:
    """A training. ``restore`` brings one of the same lessons to where another was when it gave its ``state``."""

    def __init__(self, lessons: Sequence[Lesson], held: Sequence[Lesson], plan: Plan) -> None:
        self.plan = plan
        self.lessons = list(lessons)
        taught = set(self.lessons)
        self.held = [one for one in held if one not in taught]
        self.exam: Exam = exam(self.lessons, self.held)
        self.pairs = tuple(Shot(one.question, one.reply, one.id) for one in self.lessons)
        self._base = base()
        self._lexicon = Lexicon(cache_size=_CACHE)
        self._asked = [self._bag(one.question) for one in self.lessons]
        self._said = [self._bag(one.reply) for one in self.lessons]
        self._words = Words(self._asked, self._said), Words(self._said, self._asked)
        self._prepare_encoder()
        self._prepare_probes()
        self.batches = -(-len(self._trained) // plan.batch)

    def _bag(self, text: str) -> Bag:
        return bag(self._lexicon, text)

    def _prepare_encoder(self) -> None:
        self._kept = kept_back(self.lessons)
        kept = set(self._kept)
        self._trained = [at for at in range(len(self.lessons)) if at not in kept]
        self._features = encoder.features_of([*self._asked, *self._said])
        kinds: dict[str, int] = {}
        numbers = [kinds.setdefault(self.lessons[at].key, len(kinds)) for at in self._trained]
        self._encoder = encoder.Encoder(
            self._bags([self._asked[at] for at in self._trained]),
            self._bags([self._said[at] for at in self._trained]),
            np.array(numbers, dtype=np.int64),
            encoder.start(
                self._features, [self._words[0].rarity(name) for name in self._features], self.plan.seed
            ),
        )
        own: dict[str, int] = {}
        questions = self.exam.questions
        self._held_bags = self._bags([self._bag(one.question) for one in questions])
        self._held_replies = self._bags([self._bag(one.reply) for one in questions])
        self._held_kinds = np.array([kinds.get(one.key, -1) for one in questions], dtype=np.int64)
        self._own_kinds = np.array([own.setdefault(one.key, len(own)) for one in questions], dtype=np.int64)

    def _prepare_probes(self) -> None:
        weights = self._base.weights
        self._inside = Probe(
            [self.lessons[at] for at in self._kept],
            self.lessons,
            self._lexicon,
            weights,
            self._words,
            self._bag,
            itself=self._kept,
        )
        lines = [
            *strangers.everyday(),
            *strangers.rewritten(self.lessons, self._lexicon, self.plan.seed),
        ]
        self._strange = Probe(
            # No reply is empty: none of them is right.
            [Lesson(line, "") for line in lines],
            self.lessons,
            self._lexicon,
            weights,
            self._words,
            self._bag,
        )
        if self.exam.pools:
            self._choice = Choice(self.exam, self._lexicon, weights.logit, self._words[0], self._bag)
        else:
            self._outside = Probe(
                self.exam.questions, self.lessons, self._lexicon, weights, self._words, self._bag
            )

    def _bags(self, bags: Sequence[Bag]) -> encoder.Bags:
        return encoder.bags_of(bags, self._features)

    def epoch(self, number: int) -> Epoch:
        """Train for one epoch, counted from 1; 0 only measures. Epochs are numbered without a gap."""
        losses: list[float] = []
        if number:
            chance = np.random.default_rng([self.plan.seed, number])
            losses = self._encoder.epoch(chance, self.plan.batch, self.plan.rate)
        loss = self._encoder.loss(self._held_bags, self._held_kinds, self._held_replies, self._own_kinds)
        self._settle()
        return Epoch(number, float(np.mean(losses)) if losses else None, loss, self._hit())

    def _settle(self) -> None:
        """The mix that goes with the vectors as they are now."""
        # The vectors as they will be read: in bytes.
        self._learned = packed(self._features, self._encoder.matrix, Mix())
        self._meaning = Meaning.of(self._learned)
        self._sides = self._meaning.vectors(self._asked), self._meaning.vectors(self._said)
        self._told = self._inside.ask(self._meaning, *self._sides, wrong_too=True)
        self._mix = blend.fit(self._told)

    def _hit(self) -> float:
        if self.exam.pools:
            found = self._choice.hits(self._mix, self._meaning)
        else:
            found = blend.hits(self._mix, self._outside.ask(self._meaning, *self._sides))
        return sum(found) / len(found)

    def artefact(self, name: str, made: Mapping[str, object]) -> Artefact:
        """The model as it is after the epoch that was last."""
        weights = self._base.weights
        strange = self._strange.ask(self._meaning, *self._sides)
        mix = blend.levelled(self._mix, self._told, strange, weights.floor)
        return Artefact(name, weights, self.pairs, made=made, learned=replace(self._learned, mix=mix))

    def untrained(self, name: str, made: Mapping[str, object]) -> Artefact:
        """The base model that has the same pairs to answer from."""
        return Artefact(name, self._base.weights, self.pairs, made=made)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """What ``restore`` takes; no text is in it."""
        return self._encoder.state()

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go on from there. Raises ``KeyError`` or ``ValueError`` when it is no state of this training."""
        self._encoder.restore(state)
        self._settle()


class Choice:
    """Questions that choose among replies, put again and again while vectors change."""

    def __init__(
        self,
        exam: Exam,
        lexicon: Lexicon,
        logit: Callable[[Sequence[float]], float],
        words: Words,
        bag: Callable[[str], Bag],
    ) -> None:
        self._asked = [bag(one.question) for one in exam.questions]
        self._pools = exam.pools
        self._bags = {reply: bag(reply) for pool in exam.pools for reply in pool}
        weighed = {reply: words.weighed(one) for reply, one in self._bags.items()}
        self._static: list[NDArray[np.float64]] = []
        for one, asked, pool in zip(exam.questions, self._asked, exam.pools, strict=True):
            own = words.weighed(asked)
            near = [dot(own, weighed[reply]) for reply in pool]
            logits = [logit(features(lexicon, one.question, reply, reply)) for reply in pool]
            self._static.append(np.array([logits, near, near], dtype=np.float64).T)

    def hits(self, mix: Mix, meaning: Meaning) -> list[bool]:
        """Whether each question finds its own reply first."""
        replies = {reply: meaning.vector(one) for reply, one in self._bags.items()}
        found: list[bool] = []
        for asked, pool, static in zip(self._asked, self._pools, self._static, strict=True):
            near = np.stack([replies[reply] for reply in pool]) @ meaning.vector(asked)
            rows = np.column_stack((static, near, near, np.ones(len(pool))))
            scores = [logistic(float(value)) for value in rows @ blend.weights_of(mix)]
            found.append(all(score < scores[0] for score in scores[1:]))
        return found


def kept_back(lessons: Sequence[Lesson]) -> list[int]:
    """Numbers of the lessons that teach the mix and no vector, in order: first such as leave another with their reply."""
    wanted = min(_MOST_KEPT_BACK, int(len(lessons) * _KEPT_BACK))
    left = Counter(one.key for one in lessons)
    order = sorted(range(len(lessons)), key=lambda at: _lot(lessons[at]))
    chosen: list[int] = []
    for at in order:
        if len(chosen) < wanted and left[lessons[at].key] > 1:
            left[lessons[at].key] -= 1
            chosen.append(at)
    taken = set(chosen)
    chosen += [at for at in order if at not in taken][: wanted - len(chosen)]
    return sorted(chosen)


def _lot(lesson: Lesson) -> str:
    return hashlib.sha256(lesson.id.encode()).hexdigest()
