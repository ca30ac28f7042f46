"""What a model is asked before and after training: questions that it was not trained on, and what a right answer is.

Where five held-out questions or more have a reply that others were trained with, those are asked, and the right answer is
that reply: the model chooses among all pairs that it was trained on. Elsewhere every reply is of its own, as in open talk,
and no trained pair could be right: then a question is shown its own reply among ``CHOICES`` and has to find it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.vendors.base import Shot
from adapters.vendors.embedded.lessons import Lesson
from adapters.vendors.embedded.model import Loaded

CHOICES: Final = 20
MOST_ASKED: Final = 300
MOST_CHOOSING: Final = 60
LEAST_TAUGHT: Final = 5


@dataclass(frozen=True, slots=True)
class Exam:
    """``pools`` holds, for each of the questions, the replies to choose from, its own first; none where all are."""

    questions: tuple[Lesson, ...]
    pools: tuple[tuple[str, ...], ...] = ()

    @property
    def words(self) -> str:
        """What is asked, for people."""
        count = f"{len(self.questions)} held-out question{'s' if len(self.questions) != 1 else ''}"
        if self.pools:
            return f"{count}, each of which has to find its own reply among {max(map(len, self.pools))}"
        return f"{count} whose reply others were trained with"


@dataclass(frozen=True, slots=True)
class Marks:
    """Of ``asked`` questions ``first`` had the right answer first and ``eight`` among the first eight.

    ``answered`` were above the model's floor, ``right`` of them the right one; both 0 where replies were chosen from pools.
    """

    asked: int
    first: int
    eight: int
    answered: int = 0
    right: int = 0

    @property
    def hit(self) -> float:
        """The share that had the right answer first, 0..1."""
        return self.first / self.asked if self.asked else 0.0


def exam(taught: Sequence[Lesson], held: Sequence[Lesson]) -> Exam:
    """What can be asked with these held-out lessons; always the same for the same lessons."""
    keys = {one.key for one in taught}
    known = [one for one in held if one.key in keys]
    if len(known) >= LEAST_TAUGHT:
        return Exam(tuple(sorted(known, key=_lot)[:MOST_ASKED]))
    asked = sorted(held, key=_lot)[:MOST_CHOOSING]
    replies = list(dict.fromkeys(one.reply for one in (*asked, *sorted(taught, key=_lot))))
    pools: list[tuple[str, ...]] = []
    for one in asked:
        others = [reply for reply in replies if reply != one.reply]
        # Each question meets others than its neighbour does.
        first = replies.index(one.reply) % max(1, len(others))
        pools.append((one.reply, *[*others[first:], *others[:first]][: CHOICES - 1]))
    return Exam(tuple(asked), tuple(pools))


def measure(model: Loaded, exam: Exam) -> Marks:
    """How a model does, asked as it is asked when it answers."""
    first = eight = answered = right = 0
    for at, one in enumerate(exam.questions):
        if exam.pools:
            # A reply alone: it stands for the question too, so that the base model has its words to go by.
            scores = [model.likeness(one.question, Shot(reply, reply)) for reply in exam.pools[at]]
            better = sum(score >= scores[0] for score in scores[1:])
            first, eight = first + (better == 0), eight + (better < 8)
            continue
        found = model.ranked(one.question)
        fits = [Lesson("", match.shot.assistant).key == one.key for match in found[:8]]
        ok = bool(fits) and fits[0]
        first, eight = first + ok, eight + any(fits)
        if found and found[0].score >= model.artefact.weights.floor:
            answered, right = answered + 1, right + ok
    return Marks(len(exam.questions), first, eight, answered, right)


def _lot(lesson: Lesson) -> str:
    return hashlib.sha256(lesson.id.encode()).hexdigest()
