"""Whether a tuned model answers, and otherwise than the model it was tuned from: what is asked, and what is seen of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from adapters.vendors.base import BadRequest, Refused, Turn, VendorError
from storage import datasets, exchanges, people
from storage.database import Tx
from storage.datasets import Line, Split
from storage.errors import Missing
from storage.people import Author
from training.rows import Row, from_json, with_system

QUESTIONS: Final = 4
"""So many answers are compared."""

MOST: Final = 48
"""So many held-out questions are put to a model that does not know what to say to the first ones."""

SAID: Final = (
    "Hello! Who are you?",
    "What can you help me with?",
    "Tell me something about yourself in one sentence.",
    "What do you do when you do not know an answer?",
)
"""What is asked where there is nothing better."""

Source = Literal["held-out rows", "rows it was trained on", "recent questions", "fixed questions"]
Verdict = Literal["good", "same", "partly", "ignorant", "silent"]

_READ: Final = 1_000  # rows among which the questions are chosen


@dataclass(frozen=True, slots=True)
class Prompt:
    """A talk that a model is asked to go on with: it ends with a question. ``system`` is the prompt above it."""

    system: str
    turns: tuple[Turn, ...]

    @property
    def question(self) -> str:
        """What is asked."""
        return self.turns[-1].text


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a smoke test may ask, and where that is from."""

    prompts: tuple[Prompt, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said; ``known`` is False where it said no more than that it does not know."""

    text: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and what became of it; ``None`` where a model did not answer or was not asked."""

    question: str
    said: Said | None
    base_said: Said | None

    @property
    def reply(self) -> str | None:
        """What the model said."""
        return self.said.text if self.said else None

    @property
    def base_reply(self) -> str | None:
        """What the model said that it was tuned from."""
        return self.base_said.text if self.base_said else None

    @property
    def differs(self) -> bool | None:
        """Whether the replies differ in more than white space, or one of the models alone knew one.

        ``None`` where there is nothing to compare: one of them did not answer, or neither knew what to say.
        """
        if self.said is None or self.base_said is None or not (self.said.known or self.base_said.known):
            return None
        return self.said.known != self.base_said.known or (
            self.said.text.split() != self.base_said.text.split()
        )


@dataclass(frozen=True, slots=True)
class Smoke:
    """What a smoke test saw: of ``asked`` questions the model answered some, and knew what to say to some of these.

    ``samples`` are those that both models were asked. ``error`` is why the model did not answer, ``base_error`` why the base
    model did not.
    """

    model: str
    base_model: str
    samples: tuple[Sample, ...]
    source: Source
    asked: int
    answered: int
    known: int
    seconds: float
    error: str = ""
    base_error: str = ""

    @property
    def compared(self) -> int:
        """How many questions had two answers to compare."""
        return sum(sample.differs is not None for sample in self.samples)

    @property
    def differs(self) -> int:
        """How many of those the models answered differently."""
        return sum(sample.differs is True for sample in self.samples)

    @property
    def base_known(self) -> int:
        """To how many of those the base model knew what to say."""
        return sum(
            sample.base_said is not None and sample.base_said.known
            for sample in self.samples
            if sample.differs is not None
        )

    @property
    def verdict(self) -> Verdict:
        """``silent``: it never answers; ``ignorant``: it never knows what to say; ``partly``: it left some unanswered.

        ``same``: all its answers are those of the base model.
        """
        if not self.answered:
            return "silent"
        if not self.known:
            return "ignorant"
        if any(sample.said is None for sample in self.samples):
            return "partly"
        return "same" if self.compared and not self.differs else "good"

    @property
    def passed(self) -> bool:
        """Whether it answers, and was seen to answer otherwise than the base model."""
        return self.verdict == "good" and self.differs > 0


Asker = Callable[[str, Prompt], Awaitable[Said]]
"""Asks a model, as ``vendor:name``, without few-shot examples. Raises ``VendorError``, also when it says nothing."""


async def smoke(asker: Asker, model: str, base_model: str, stages: Sequence[Prompts]) -> Smoke:
    """Whether the model answers, and whether its answers differ from the base model's.

    The first questions of the first stage are asked. Only a model that does not know what to say to them is asked further
    ones, and those of the next stage where it knew nothing at all.
    """
    began = time.monotonic()
    heard: list[tuple[Prompts, list[tuple[Prompt, Said | VendorError]]]] = []
    for stage in stages:
        found = await _heard(asker, model, stage)
        heard.append((stage, found))
        first = found[0][1]
        if isinstance(first, VendorError) and not isinstance(first, BadRequest | Refused):
            break  # that was not about the question: it answers none
        if any(isinstance(said, Said) and said.known for _, said in found):
            break
    stage, found = next((each for each in heard if _knew(each[1])), heard[0])
    compared = [each for each in found if not (isinstance(each[1], Said) and not each[1].known)] or found
    compared = compared[:QUESTIONS]
    base: list[Said | VendorError | None] = [None] * len(compared)
    if any(isinstance(said, Said) for _, said in compared):
        base = [*await asyncio.gather(*(_asked(asker, base_model, prompt) for prompt, _ in compared))]
    every = [said for _, answers in heard for _, said in answers]
    return Smoke(
        model,
        base_model,
        tuple(
            Sample(prompt.question, _words(said), _words(of_base))
            for (prompt, said), of_base in zip(compared, base, strict=True)
        ),
        stage.source,
        asked=len(every),
        answered=sum(isinstance(said, Said) for said in every),
        known=_knew(found),
        seconds=time.monotonic() - began,
        error=_error(every),
        base_error=_error(base),
    )


async def _heard(asker: Asker, model: str, stage: Prompts) -> list[tuple[Prompt, Said | VendorError]]:
    """What the model says, until it knew what to say often enough, or always says something."""
    found = [(stage.prompts[0], await _asked(asker, model, stage.prompts[0]))]
    if isinstance(error := found[0][1], VendorError) and not isinstance(error, BadRequest | Refused):
        return found
    for at in range(0, len(stage.prompts), QUESTIONS):
        some = stage.prompts[max(at, 1) : at + QUESTIONS]
        found += zip(
            some, await asyncio.gather(*(_asked(asker, model, prompt) for prompt in some)), strict=True
        )
        if _knew(found) >= QUESTIONS or all(isinstance(said, VendorError) or said.known for _, said in found):
            break
    return found


def _knew(found: Sequence[tuple[Prompt, Said | VendorError]]) -> int:
    return sum(isinstance(said, Said) and said.known for _, said in found)


async def _asked(asker: Asker, model: str, prompt: Prompt) -> Said | VendorError:
    try:
        return await asker(model, prompt)
    except VendorError as error:
        return error


def _words(answer: Said | VendorError | None) -> Said | None:
    return answer if isinstance(answer, Said) else None


def _error(answers: Sequence[Said | VendorError | None]) -> str:
    return next((str(answer) for answer in answers if isinstance(answer, VendorError)), "")


def evaluated(seen: Smoke) -> dict[str, Any]:
    """What a release keeps of a smoke test: figures, and nobody's words."""
    return {
        "smoke": seen.verdict,
        "base_model": seen.base_model,
        "asked": seen.asked,
        "answered": seen.answered,
        "known": seen.known,
        "compared": seen.compared,
        "differs": seen.differs,
        "questions": seen.source,
        "seconds": round(seen.seconds, 2),
    }


# -- what is asked


def stages_for(
    tx: Tx, *, system: str, dataset_number: int | None = None, conversation_id: str | None = None
) -> tuple[Prompts, ...]:
    """What to ask, the best first: rows that the dataset held out, then rows that the model was trained on.

    Without these the last questions of a conversation, which whoever reads the answers may read, else fixed ones.
    ``system`` stands above what has no system prompt of its own. Words that nobody may learn from any more are not asked.
    """
    if dataset_number is not None and (found := _of_dataset(tx, dataset_number, system)):
        return found
    if conversation_id is not None:
        lines = exchanges.history(tx, conversation_id, limit=QUESTIONS)
        if asked := tuple(
            Prompt(system, (Turn("user", line.user_text),)) for line in lines if line.user_text.strip()
        ):
            return (Prompts(asked, "recent questions"),)
    return (Prompts(tuple(Prompt(system, (Turn("user", text),)) for text in SAID), "fixed questions"),)


def _of_dataset(tx: Tx, number: int, system: str) -> tuple[Prompts, ...]:
    try:
        dataset = datasets.by_number(tx, number)
    except Missing:
        return ()
    sides: tuple[tuple[Split, Source, int], ...] = (
        ("validation", "held-out rows", MOST),
        ("train", "rows it was trained on", QUESTIONS),
    )
    found: list[Prompts] = []
    for split, source, most in sides:
        lines = _spread(datasets.lines(tx, number, split=split, limit=_READ), most)
        rows = [from_json(line.content) for line in lines if _may_be_asked(tx, number, line)]
        if rows:
            above = dataset.system or system
            found.append(Prompts(tuple(_prompt(with_system(row, above)) for row in rows), source))
    return tuple(found)


def _spread(lines: Sequence[Line], most: int) -> list[Line]:
    """Up to so many of the rows, from all over, and of as many talks as there are."""
    before: Counter[str] = Counter()
    turns: list[tuple[int, Line]] = []
    for line in lines:
        turns.append((before[line.conversation], line))
        before[line.conversation] += 1
    ordered = [line for _, line in sorted(turns, key=lambda each: (each[0], each[1].position))]
    if len(ordered) <= most:
        return ordered
    return [ordered[at * len(ordered) // most] for at in range(most)]


def _may_be_asked(tx: Tx, number: int, line: Line) -> bool:
    authors = [
        Author(each.person_id, each.said_at) for each in datasets.authors_of(tx, number, line.position)
    ]
    return people.may_learn(tx, authors)


def _prompt(row: Row) -> Prompt:
    talk = [Turn("assistant" if turn.role == "assistant" else "user", turn.text) for turn in row.talk]
    return Prompt(row.system, tuple(talk))
