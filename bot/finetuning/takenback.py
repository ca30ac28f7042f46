"""Models that were made with words which people have taken back since: a model cannot forget a row, so admins are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from bot.services import Services
from storage import avatars, lineage, releases, runs
from storage.database import Tx
from storage.runs import Tuned
from storage.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How many of the rows that a model was made with people have taken back: ``forgotten`` ones are erased.

    ``withdrawn`` ones hold words of somebody who does not agree any more that they are learnt from.
    """

    forgotten: int
    withdrawn: int

    def __bool__(self) -> bool:
        return bool(self.forgotten or self.withdrawn)

    @property
    def text(self) -> str:
        """In a few words, for a table."""
        said = {"forgotten": self.forgotten, "withdrawn": self.withdrawn}
        return ", ".join(f"{count:,} {what}" for what, count in said.items() if count)

    @property
    def sentence(self) -> str:
        """What to know of the model."""
        whose: list[str] = []
        if self.forgotten:
            whose.append(f"{_rows(self.forgotten)} of people who have since asked to be forgotten")
        if self.withdrawn:
            whose.append(f"{_rows(self.withdrawn)} of people who do not agree to that any more")
        return f"It was made with {' and '.join(whose)}."


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def of(tx: Tx, tuned: Tuned) -> TakenBack:
    """What was taken back of the rows of this model."""
    return of_each(tx, [tuned])[tuned.run_id]


def of_each(tx: Tx, made: Sequence[Tuned]) -> dict[str, TakenBack]:
    """The same of several models, by the id of the run: checkpoints share it, and so do runs of one dataset."""
    withdrawn = lineage.unconsented_of(tx, (each.dataset_number for each in made))
    return {each.run_id: TakenBack(each.forgotten, withdrawn.get(each.dataset_number, 0)) for each in made}


async def warn(services: Services, workspace: Workspace) -> int:
    """Tell the admins of models that were made with what was taken back, once for each count; how many runs that are."""
    default = services.configuration.settings.models.default

    def read(tx: Tx) -> list[tuple[str, str]]:
        speakers: dict[str, list[str]] = {}
        for avatar in avatars.listed(tx, workspace.id):
            model = releases.current(tx, avatar.id).answers_with(default)
            speakers.setdefault(model, []).append(avatar.name)
        found: list[tuple[str, str]] = []
        every = runs.models(tx, workspace.id)
        taken_back = of_each(tx, every)
        for number, made in groupby(every, key=lambda each: each.run_number):
            models = list(made)
            if lost := taken_back[models[0].run_id]:
                name = f"taken back:{number}:{lost.forgotten}:{lost.withdrawn}"
                found.append((name, _notice(number, models, lost, speakers)))
        return found

    due = await services.database.read(read)
    for name, sentence in due:
        await services.notices.warn(workspace, name, sentence)
    return len(due)


def _notice(number: int, models: list[Tuned], lost: TakenBack, speakers: dict[str, list[str]]) -> str:
    names = [f"{each.vendor}:{each.model}" for each in models]
    who = ", ".join(name for model in names for name in speakers.get(model, ()))
    more = f" and {len(names) - 1} more of training run {number}" if len(names) > 1 else ""
    made = lost.sentence.removeprefix("It was ").rstrip(".")
    them = "it" if lost.forgotten + lost.withdrawn == 1 else "them"
    tail = f", cannot forget {them} and answers for {who}" if who else f", and cannot forget {them}"
    return (
        f"{names[0]}{more} was {made}{tail}: build a new version of the dataset (`/finetune build`), launch it, activate "
        "what comes of it, and delete the old model with `/finetune discard`."
    )
