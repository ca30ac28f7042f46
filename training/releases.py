"""From a model to a release: tried out first, activated in one transaction, and taken back one release at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from adapters.platforms.base import UserError
from adapters.vendors.base import BadRequest, Refused, Turn, VendorError
from storage import audit, avatars, datasets, exchanges, releases
from storage.database import Tx
from storage.errors import Missing
from storage.releases import Release
from training.rows import Row, from_json, with_system

QUESTIONS: Final = 4
"""So many questions a smoke test asks."""

SAID: Final = (
    "Hello! Who are you?",
    "What can you help me with?",
    "Tell me something about yourself in one sentence.",
    "What do you do when you do not know an answer?",
)
"""What is asked where there is nothing better."""

Source = Literal["held-out rows", "recent questions", "fixed questions"]
Verdict = Literal["good", "same", "partly", "silent"]


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
    """What a smoke test asks, and where that is from."""

    prompts: tuple[Prompt, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and what became of it; ``None`` where a model did not answer or was not asked."""

    question: str
    reply: str | None
    base_reply: str | None

    @property
    def differs(self) -> bool | None:
        """Whether the replies differ in more than white space; ``None`` unless both are there."""
        if self.reply is None or self.base_reply is None:
            return None
        return self.reply.split() != self.base_reply.split()


@dataclass(frozen=True, slots=True)
class Smoke:
    """What a smoke test saw. ``error`` is why the model did not answer, ``base_error`` why the base model did not."""

    model: str
    base_model: str
    samples: tuple[Sample, ...]
    seconds: float
    error: str = ""
    base_error: str = ""

    @property
    def answered(self) -> int:
        """How many of the questions the model answered."""
        return sum(sample.reply is not None for sample in self.samples)

    @property
    def compared(self) -> int:
        """How many questions both models answered."""
        return sum(sample.differs is not None for sample in self.samples)

    @property
    def differs(self) -> int:
        """How many of those they answered differently."""
        return sum(sample.differs is True for sample in self.samples)

    @property
    def verdict(self) -> Verdict:
        """Whether it answers (``silent``: never), always (``partly``), and not like the base model (``same``)."""
        if not self.answered:
            return "silent"
        if self.answered < len(self.samples):
            return "partly"
        return "same" if self.compared and not self.differs else "good"


Asker = Callable[[str, Prompt], Awaitable[str]]
"""Asks a model, as ``vendor:name``, without few-shot examples. Raises ``VendorError``, also when it says nothing."""


async def smoke(asker: Asker, model: str, base_model: str, prompts: Sequence[Prompt]) -> Smoke:
    """Whether the model answers, and whether its answers differ from the base model's."""
    began = time.monotonic()
    first = await _asked(asker, model, prompts[0])
    if isinstance(first, VendorError) and not isinstance(first, BadRequest | Refused):
        sample = Sample(prompts[0].question, None, None)  # that was not about the question: it answers none
        return Smoke(model, base_model, (sample,), time.monotonic() - began, str(first))
    answers = [first, *await asyncio.gather(*(_asked(asker, model, prompt) for prompt in prompts[1:]))]
    base: list[str | VendorError | None] = [None] * len(prompts)
    if any(isinstance(answer, str) for answer in answers):
        base = [*await asyncio.gather(*(_asked(asker, base_model, prompt) for prompt in prompts))]
    samples = tuple(
        Sample(prompt.question, _words(answer), _words(of_base))
        for prompt, answer, of_base in zip(prompts, answers, base, strict=True)
    )
    return Smoke(model, base_model, samples, time.monotonic() - began, _error(answers), _error(base))


async def _asked(asker: Asker, model: str, prompt: Prompt) -> str | VendorError:
    try:
        return await asker(model, prompt)
    except VendorError as error:
        return error


def _words(answer: str | VendorError | None) -> str | None:
    return answer if isinstance(answer, str) else None


def _error(answers: Sequence[str | VendorError | None]) -> str:
    return next((str(answer) for answer in answers if isinstance(answer, VendorError)), "")


def prompts_for(
    tx: Tx, *, system: str, dataset_number: int | None = None, conversation_id: str | None = None
) -> Prompts:
    """What to ask: rows that the dataset held out, else the last questions of a conversation, else fixed ones.

    ``system`` stands above what has no system prompt of its own. The conversation is one that whoever reads the answers may
    read.
    """
    if dataset_number is not None and (found := _held_out(tx, dataset_number, system)):
        return Prompts(tuple(found), "held-out rows")
    if conversation_id is not None:
        lines = exchanges.history(tx, conversation_id, limit=QUESTIONS)
        if found := [
            Prompt(system, (Turn("user", line.user_text),)) for line in lines if line.user_text.strip()
        ]:
            return Prompts(tuple(found), "recent questions")
    return Prompts(tuple(Prompt(system, (Turn("user", text),)) for text in SAID), "fixed questions")


def _held_out(tx: Tx, number: int, system: str) -> list[Prompt]:
    try:
        dataset = datasets.by_number(tx, number)
    except Missing:
        return []
    lines = datasets.lines(tx, number, split="validation", limit=QUESTIONS)
    return [_prompt(with_system(from_json(line.content), dataset.system or system)) for line in lines]


def _prompt(row: Row) -> Prompt:
    talk = [Turn("assistant" if turn.role == "assistant" else "user", turn.text) for turn in row.talk]
    return Prompt(row.system, tuple(talk))


def evaluated(smoke: Smoke, source: Source) -> dict[str, Any]:
    """What a release keeps of a smoke test: figures, and nobody's words."""
    return {
        "smoke": smoke.verdict,
        "base_model": smoke.base_model,
        "asked": len(smoke.samples),
        "answered": smoke.answered,
        "compared": smoke.compared,
        "differs": smoke.differs,
        "questions": source,
        "seconds": round(smoke.seconds, 2),
    }


# -- releases


def activate(
    tx: Tx,
    workspace_id: str,
    avatar_id: str,
    model: str,
    *,
    evaluated: Mapping[str, Any],
    person_id: str | None = None,
    why: str = "",
    instead_of: int | None = None,
) -> Release:
    """The avatar answers with this model from the next message on, on every replica; prompt version and few-shot stay.

    ``instead_of`` is the release that was current when it was decided. Raises ``UserError`` where another one is meanwhile,
    or the model answers already.
    """
    now = _current(tx, avatar_id, instead_of)
    if now.model == model:
        raise UserError(f"{model} answers already: release {now.number}.")
    added = releases.add(
        tx,
        avatar_id,
        model=model,
        prompt_version_id=now.prompt_version_id,
        person_id=person_id,
        why=why,
        few_shot=now.few_shot,
        evaluated=orjson.dumps(evaluated).decode(),
    )
    detail = {"model": model, "release": added.number, "instead_of": now.number, "why": why, **evaluated}
    audit.write(
        tx,
        workspace_id,
        "finetune activate",
        person_id=person_id,
        target=avatars.get(tx, avatar_id).name,
        detail=detail,
    )
    return added


def aim(tx: Tx, now: Release, to: int | None = None) -> Release:
    """The release that a rollback repeats: the one before, or the one of this number. Raises ``UserError``."""
    if to is None:
        wanted = releases.before(tx, now)
        if wanted is None:
            as_ = f" (release {now.number} repeats it)" if now.repeats else ""
            raise UserError(f"There is nothing before release {now.root}{as_}, so nothing was changed.")
        return wanted
    wanted = releases.numbered(tx, now.avatar_id, to)
    if wanted is None:
        raise UserError(f"There is no release {to}; `/finetune releases` lists them.")
    if wanted.root == now.root:
        raise UserError(f"Release {to} answers already, so nothing was changed.")
    root = releases.numbered(tx, now.avatar_id, wanted.root)
    assert root is not None, "what is repeated is there"
    return root


def rollback(
    tx: Tx,
    workspace_id: str,
    avatar_id: str,
    *,
    to: int | None = None,
    person_id: str | None = None,
    why: str = "",
    instead_of: int | None = None,
) -> Release:
    """The avatar answers as it did by the release before, or by that of the number ``to``; the new release repeats it.

    ``instead_of`` is the release that was current when it was decided. Raises ``UserError`` where another one is meanwhile,
    or there is nothing to go back to.
    """
    now = _current(tx, avatar_id, instead_of)
    wanted = aim(tx, now, to)
    added = releases.add(
        tx,
        avatar_id,
        model=wanted.model,
        base_model=wanted.base_model,
        prompt_version_id=wanted.prompt_version_id,
        person_id=person_id,
        why=why,
        few_shot=wanted.few_shot,
        evaluated=wanted.evaluated,
        repeats=wanted.number,
    )
    detail = {"release": added.number, "instead_of": now.number, "repeats": wanted.number, "why": why}
    audit.write(
        tx,
        workspace_id,
        "finetune rollback",
        person_id=person_id,
        target=avatars.get(tx, avatar_id).name,
        detail=detail,
    )
    return added


def _current(tx: Tx, avatar_id: str, instead_of: int | None) -> Release:
    now = releases.held(tx, avatar_id)
    if instead_of is not None and now.number != instead_of:
        raise UserError(
            f"Release {instead_of} is not active any more: release {now.number} is, so nothing was changed. "
            "`/finetune releases` says what happened."
        )
    return now
