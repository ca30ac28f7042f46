"""A model is tried out before it answers anybody; releases are made and repeated in one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from adapters.platforms.base import UserError
from adapters.vendors.base import ModelNotFound, Refused, Turn, Unavailable, VendorError
from storage import audit, clock, datasets, releases
from storage.database import Database, Tx
from storage.datasets import NewDataset, NewLine
from storage.releases import Release
from tests.stage import Stage, set_stage
from training.releases import (
    QUESTIONS,
    SAID,
    Prompt,
    Prompts,
    activate,
    aim,
    evaluated,
    prompts_for,
    rollback,
    smoke,
)
from training.rows import Row, row_hash, to_json
from training.rows import Turn as RowTurn

Says = Callable[[str], str] | VendorError


class Stand:
    """Models that say what they are told to; ``asked`` keeps who was asked what."""

    def __init__(self, **models: Says) -> None:
        self.models: Mapping[str, Says] = models
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, model: str, prompt: Prompt) -> str:
        self.asked.append((model, prompt.question))
        says = self.models[model]
        if isinstance(says, VendorError):
            raise says
        return says(prompt.question)


def prompts(*questions: str) -> list[Prompt]:
    return [Prompt("Be brief.", (Turn("user", question),)) for question in questions]


async def test_a_model_that_answers_otherwise_than_its_base_is_good() -> None:
    stand = Stand(tuned=lambda text: f"Tuned {text}", base=lambda text: f"Base {text}")
    seen = await smoke(stand, "tuned", "base", prompts("a", "b", "c"))
    assert (seen.verdict, seen.answered, seen.compared, seen.differs) == ("good", 3, 3, 3)
    assert seen.samples[1].reply == "Tuned b"
    assert seen.samples[1].base_reply == "Base b"
    kept = evaluated(seen, "held-out rows")
    assert (kept["smoke"], kept["differs"], kept["questions"]) == ("good", 3, "held-out rows")
    assert not any("Tuned" in str(value) for value in kept.values())  # figures, and nobody's words


@pytest.mark.parametrize(
    ("base", "verdict", "differs"),
    [
        (lambda text: f" Hello\n{text} ", "same", 0),
        (lambda text: "Hello b" if text == "b" else "Good day", "good", 1),
    ],
)
async def test_white_space_is_no_difference(base: Callable[[str], str], verdict: str, differs: int) -> None:
    stand = Stand(tuned=lambda text: f"Hello {text}", base=base)
    seen = await smoke(stand, "tuned", "base", prompts("a", "b"))
    assert (seen.verdict, seen.compared, seen.differs) == (verdict, 2, differs)


async def test_a_model_that_is_gone_is_asked_once_and_its_base_never() -> None:
    stand = Stand(tuned=ModelNotFound("no such model", vendor="v"), base=str)
    seen = await smoke(stand, "tuned", "base", prompts("a", "b", "c"))
    assert (seen.verdict, seen.error, seen.answered) == ("silent", "no such model", 0)
    assert stand.asked == [("tuned", "a")]


async def test_a_question_that_is_refused_is_about_that_question() -> None:
    def careful(text: str) -> str:
        if text == "a":
            raise Refused("not that", vendor="v")
        return f"Careful {text}"

    seen = await smoke(Stand(tuned=careful, base=str), "tuned", "base", prompts("a", "b", "c"))
    assert (seen.verdict, seen.answered, seen.compared, seen.error) == ("partly", 2, 2, "not that")
    assert [sample.differs for sample in seen.samples] == [None, True, True]


async def test_what_cannot_be_compared_is_said() -> None:
    stand = Stand(tuned=str, base=Unavailable("down", vendor="v"))
    seen = await smoke(stand, "tuned", "base", prompts("a", "b"))
    assert (seen.verdict, seen.compared, seen.base_error) == ("good", 0, "down")


# What is asked


async def held_out(database: Database, stage: Stage, validation: int) -> int:
    """A dataset with rows to train on and to check with; its number."""
    new = NewDataset(stage.workspace.id, stage.avatar.id, "Demo", "sft", "Be kind.")

    def job(tx: Tx) -> int:
        number = datasets.begin(tx, new)
        lines: list[NewLine] = []
        for at in range(3 + validation):
            talk = (RowTurn("user", "Hi"), RowTurn("assistant", "Hello"), RowTurn("user", f"Question {at}?"))
            content = to_json(Row(talk, "Reply"))
            split = "train" if at < 3 else "validation"
            lines.append(NewLine(at, split, row_hash(content), content.decode(), f"talk {at}", ()))
        datasets.add(tx, number, lines)
        datasets.finish(tx, number, hash="h", report={}, train=3, validation=validation)
        return number

    return await database.write(job)


async def test_held_out_rows_are_asked_first(database: Database) -> None:
    stage = await set_stage(database)
    number = await held_out(database, stage, QUESTIONS + 2)
    found = await database.read(lambda tx: prompts_for(tx, system="Else.", dataset_number=number))
    assert found.source == "held-out rows"
    assert [prompt.question for prompt in found.prompts] == [
        f"Question {at}?" for at in range(3, 3 + QUESTIONS)
    ]
    first = found.prompts[0]
    assert (first.system, first.turns[1]) == ("Be kind.", Turn("assistant", "Hello"))


async def test_else_recent_questions_else_fixed_ones(database: Database) -> None:
    stage = await set_stage(database)
    number = await held_out(database, stage, 0)
    conversation, ann = await stage.conversation(), await stage.person("Ann")

    async def found() -> Prompts:
        return await database.read(
            lambda tx: prompts_for(
                tx, system="Be Ada.", dataset_number=number, conversation_id=conversation.id
            )
        )

    nothing = await found()
    assert (nothing.source, [each.question for each in nothing.prompts]) == ("fixed questions", list(SAID))
    for at in range(QUESTIONS + 1):
        await stage.exchange(conversation, ann, f"How {at}?", "So.")
    recent = await found()
    assert recent.source == "recent questions"
    assert [each.question for each in recent.prompts] == [f"How {at}?" for at in range(1, QUESTIONS + 1)]
    assert {each.system for each in recent.prompts} == {"Be Ada."}
    gone = await database.read(lambda tx: prompts_for(tx, system="", dataset_number=number + 1000))
    assert gone.source == "fixed questions"


# Releases


async def made(database: Database, stage: Stage, model: str, **other: Any) -> Release:
    return await database.write(
        lambda tx: activate(
            tx, stage.workspace.id, stage.avatar.id, model, evaluated={"answered": 4}, **other
        )
    )


async def back(database: Database, stage: Stage, **other: Any) -> Release:
    return await database.write(lambda tx: rollback(tx, stage.workspace.id, stage.avatar.id, **other))


async def test_activating_is_a_release_and_an_entry_in_the_audit(database: Database) -> None:
    stage = await set_stage(database)
    added = await made(database, stage, "v:tuned", person_id="ann", why="it is better")
    assert (added.number, added.model, added.person_id, added.why) == (2, "v:tuned", "ann", "it is better")
    assert orjson.loads(added.evaluated) == {"answered": 4}
    assert await database.read(lambda tx: releases.current(tx, stage.avatar.id)) == added
    (entry,) = await database.read(lambda tx: audit.listed(tx, stage.workspace.id, 1))
    assert (entry.action, entry.target, entry.person_id) == ("finetune activate", "Ada", "ann")
    assert (entry.detail["model"], entry.detail["instead_of"]) == ("v:tuned", 1)
    with pytest.raises(UserError, match="v:tuned answers already: release 2"):
        await made(database, stage, "v:tuned")


async def test_of_two_who_decide_at_once_the_second_is_told(database: Database) -> None:
    stage = await set_stage(database)
    await made(database, stage, "v:one", instead_of=1)
    with pytest.raises(UserError, match="Release 1 is not active any more: release 2 is"):
        await made(database, stage, "v:two", instead_of=1)
    with pytest.raises(UserError, match="not active any more"):
        await back(database, stage, instead_of=1)
    assert len(await database.read(lambda tx: releases.listed(tx, stage.avatar.id))) == 2


async def test_what_fails_on_the_way_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await set_stage(database)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as context:
        context.setattr(audit, "write", broken)
        with pytest.raises(RuntimeError):
            await made(database, stage, "v:tuned")
    (only,) = await database.read(lambda tx: releases.listed(tx, stage.avatar.id))
    assert await database.read(lambda tx: releases.current(tx, stage.avatar.id)) == only


async def test_going_back_goes_back_one_at_a_time_until_there_is_nothing(database: Database) -> None:
    stage = await set_stage(database)
    await made(database, stage, "v:two")
    await made(database, stage, "v:three")
    fourth = await back(database, stage, person_id="ann", why="it was rude")
    assert (fourth.number, fourth.repeats, fourth.model, fourth.why) == (4, 2, "v:two", "it was rude")
    assert orjson.loads(fourth.evaluated) == {"answered": 4}
    fifth = await back(database, stage)
    assert (fifth.number, fifth.repeats, fifth.model) == (5, 1, None)
    with pytest.raises(UserError, match=r"There is nothing before release 1 \(release 5 repeats it\)"):
        await back(database, stage)
    entry = (await database.read(lambda tx: audit.listed(tx, stage.workspace.id, 10)))[1]
    assert (entry.action, entry.detail["repeats"]) == ("finetune rollback", 2)


async def test_going_back_to_a_named_one(database: Database) -> None:
    stage = await set_stage(database)
    for model in ("v:two", "v:three", "v:four"):
        await made(database, stage, model)
    fifth = await back(database, stage, to=2)
    assert (fifth.model, fifth.repeats) == ("v:two", 2)
    sixth = await back(database, stage, to=4)
    assert (sixth.model, sixth.repeats) == ("v:four", 4)
    seventh = await back(database, stage, to=5)
    assert (seventh.model, seventh.repeats) == ("v:two", 2)  # never a repeat of a repeat
    with pytest.raises(UserError, match="Release 5 answers already"):
        await back(database, stage, to=5)
    with pytest.raises(UserError, match="There is no release 99"):
        await back(database, stage, to=99)
    now = await database.read(lambda tx: releases.current(tx, stage.avatar.id))
    assert (await database.read(lambda tx: aim(tx, now))).number == 1
    assert now.created_at <= clock.now()
