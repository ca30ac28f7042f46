"""Trying a tuned model out before it answers anybody: what was seen, in figures and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.commands.talk import shorten
from bot.finetuning import takenback
from bot.models import Models
from bot.rehearsal import Rehearsal
from bot.settings import Settings
from storage import datasets, prompts, releases
from storage.avatars import Avatar
from storage.database import Tx
from storage.errors import Missing
from storage.prompts import PromptVersion
from storage.releases import Release
from storage.runs import Tuned
from training.smoke import QUESTIONS, Prompts, Sample, Smoke, evaluated, smoke, stages_for


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked on behalf of an avatar: ``now`` is its release, ``version`` the prompt of that.

    ``lost`` is what was taken back of the rows that the model was made with, ``remark`` what else to know of it.
    """

    avatar: Avatar
    tuned: Tuned
    now: Release
    version: PromptVersion
    stages: tuple[Prompts, ...]
    lost: takenback.TakenBack
    remark: str = ""

    @property
    def model(self) -> str:
        """The model, as ``vendor:name``."""
        return f"{self.tuned.vendor}:{self.tuned.model}"

    @property
    def questions(self) -> int:
        """How many are asked at first."""
        return min(len(self.stages[0].prompts), QUESTIONS)


def plan(tx: Tx, avatar: Avatar, tuned: Tuned, conversation_id: str | None = None) -> Plan:
    """What to ask; the conversation is one that whoever reads the answers may read."""
    now = releases.current(tx, avatar.id)
    version = prompts.get(tx, now.prompt_version_id)
    stages = stages_for(
        tx, system=version.text, dataset_number=tuned.dataset_number, conversation_id=conversation_id
    )
    under = _trained_under(tx, tuned)
    remark = ""
    if isinstance(under, int) and under != version.number:
        remark = f"It was trained under prompt version {under}, and version {version.number} is active."
    return Plan(avatar, tuned, now, version, stages, takenback.of(tx, tuned), remark)


def _trained_under(tx: Tx, tuned: Tuned) -> object:
    try:
        return datasets.by_number(tx, tuned.dataset_number).settings.get("prompt_version")
    except Missing:
        return None


async def carried_out(plan: Plan, models: Models, settings: Settings) -> Smoke:
    """What the model says, beside the one that it was tuned from."""
    rehearsal = Rehearsal(models, settings, unknown=plan.avatar.unknown)
    return await smoke(
        rehearsal.answer, plan.model, f"{plan.tuned.vendor}:{plan.tuned.base_model}", plan.stages
    )


def kept(plan: Plan, seen: Smoke) -> dict[str, Any]:
    """What a release keeps of it."""
    return {"run": plan.tuned.run_number, "step": plan.tuned.step, **evaluated(seen)}


# -- words


def figures(seen: Smoke) -> str:
    """What was seen, as it follows the name of the model."""
    if seen.known < seen.answered:
        text = f"knew what to say to {seen.known} of {seen.asked} questions"
    else:
        text = f"answered {seen.answered} of {seen.asked} questions"
    if seen.compared:
        text += f"; {seen.differs} of {seen.compared} answers differ from those of {seen.base_model}"
        if seen.base_known < seen.compared:
            text += f", which knew what to say to {seen.base_known or 'none'} of them"
    return text


def doubts(plan: Plan, seen: Smoke) -> list[str]:
    """What speaks against the model."""
    found: list[str] = []
    if seen.verdict == "partly":
        found.append(f"It left some unanswered: {seen.error}")
    if seen.verdict == "ignorant":
        found.append(
            "It did not know what to say to any of them, so nothing can be seen of its training: it answers only what it "
            "was trained on or is shown."
        )
    if seen.verdict == "same":
        found.append(
            f"All its answers are those of {seen.base_model}: the training changed nothing that shows, or the vendor does "
            "not serve the tuned model."
        )
    if seen.known and not seen.compared:
        found.append(
            f"It could not be compared with {seen.base_model}: {seen.base_error or 'no answer of both'}"
        )
    return [*found, plan.lost.sentence] if plan.lost else found


def shown(samples: Sequence[Sample]) -> list[str]:
    """Questions with what both models said to them."""
    return [
        f"> **{shorten(each.question, 160)}**\n> {shorten(each.reply or '(no answer)', 240)}"
        + (
            f"\n> before: {shorten(each.base_reply, 240)}"
            if each.base_reply is not None and each.differs
            else ""
        )
        for each in samples
    ]
