"""Activating a tuned model without a person's word, for avatars that are set so, and only if it passes its smoke test.

Told of each run that succeeds, before anybody else is, so that what is said of the run says this too. It may be told again
after a crash, and by several processes: the decision and the release are one transaction, which is made once for each run.
"""

from __future__ import annotations

from typing import Final

import structlog

from bot.finetuning import trial
from bot.models import Models
from bot.settings import Settings
from storage import avatars, clock, releases, run_history, runs
from storage.database import Database, Tx
from storage.errors import Missing
from storage.run_history import Told
from storage.runs import Run
from training.releases import activate
from training.smoke import Smoke

log = structlog.get_logger()

EVENT: Final = "understudy-unasked"
"""The id, among what was told of a run, of what was decided about its model."""


class Automatic:
    """An observer of training runs."""

    def __init__(self, database: Database, models: Models, settings: Settings) -> None:
        self._database = database
        self._models = models
        self._settings = settings

    async def __call__(self, run: Run, before: Run | None) -> None:
        """Decide about the model of a run that has succeeded. Raises ``StorageError``; it is told again then."""
        del before
        if run.state != "succeeded" or not run.model or run.told == run.state:
            return
        plan = await self._database.read(lambda tx: _plan(tx, run))
        if plan is None:
            return
        seen = await trial.carried_out(plan, self._models, self._settings)
        told = await self._database.write(lambda tx: _settled(tx, run, plan, seen))
        if told is not None:
            log.info("a tuned model was decided about unasked", run=run.number, said=told.message)


def outcome(tx: Tx, run: Run) -> Told | None:
    """What was decided about the model of a run without a person's word; a warning where it was not activated."""
    return run_history.event(tx, run.id, EVENT)


def _plan(tx: Tx, run: Run) -> trial.Plan | None:
    """What to ask; ``None`` where nobody wants that, or it is decided."""
    if run.avatar_id is None or outcome(tx, run) is not None:
        return None
    try:
        avatar = avatars.get(tx, run.avatar_id)
    except Missing:
        return None
    made = [each for each in runs.models(tx, run.workspace_id) if each.run_id == run.id]
    tuned = next((each for each in made if each.model == run.model), None)
    if not avatar.auto_activate or tuned is None:
        return None
    plan = trial.plan(tx, avatar, tuned)
    return None if plan.now.model == plan.model else plan  # somebody was faster


def _settled(tx: Tx, run: Run, plan: trial.Plan, seen: Smoke) -> Told | None:
    """Activate the model or not, and keep why; ``None`` where that was done meanwhile."""
    now = releases.held(tx, plan.avatar.id)
    if outcome(tx, run) is not None:
        return None
    name, model = plan.avatar.name, plan.model
    if against := _against(tx, plan, seen, now.number):
        sentence = f"{name} was not given {model} by itself: {against} `/finetune activate` tries it again and asks you."
        told = Told(EVENT, clock.now(), "warning", sentence)
    else:
        added = activate(
            tx,
            run.workspace_id,
            plan.avatar.id,
            model,
            evaluated=trial.kept(plan, seen),
            person_id=run.person_id,
            why=f"automatic: training run {run.number} has succeeded",
        )
        sentence = (
            f"{name} answers with {model} by itself from now on, as it is set: release {added.number}. It "
            f"{trial.figures(seen)} ({seen.source}). "
            f"{plan.remark}{' ' if plan.remark else ''}`/finetune rollback` goes back to release {now.root}."
        )
        told = Told(EVENT, clock.now(), "info", sentence)
    run_history.add_events(tx, run.id, [told])
    return told


def _against(tx: Tx, plan: trial.Plan, seen: Smoke, number: int) -> str:
    """Why the model is not activated by itself; empty where nothing speaks against it."""
    if not avatars.get(tx, plan.avatar.id).auto_activate:
        return "that was turned off meanwhile."
    if number != plan.now.number:
        return f"release {number} was made while it was tried out."
    if seen.verdict == "silent":
        return f"it does not answer: {seen.error.rstrip('.')}."
    doubts = trial.doubts(plan, seen)
    if seen.passed and not doubts:
        return ""
    return " ".join((f"it {trial.figures(seen)} ({seen.source}).", *doubts))
