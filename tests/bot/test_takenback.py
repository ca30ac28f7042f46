"""Models that were made with words which people take back: they are told so, and so are the admins, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import Access, Answer, Who
from bot.schedule import warn_of_what_was_taken_back
from storage import datasets, ids, people, runs
from storage.database import Database, Tx
from storage.datasets import NewDataset, NewLine
from storage.people import Author
from storage.runs import NewRun, State
from tests.bot.test_notices import Stage as Notified
from tests.bot.test_notices import choose
from tests.bot.theatre import BOB, HERE, Scripted, Theatre, as_member, play
from training.rows import Row, Turn, row_hash, to_json

TRAINER = as_member(BOB, Access.TRAINER)
CAROL, DORA = Who("carol", "Carol", Access.RATER), Who("dora", "Dora", Access.RATER)
SUCCEEDED: tuple[State, ...] = ("uploading", "creating", "running", "succeeded")


@pytest.fixture
def notified() -> Notified:
    return Notified()


@pytest.fixture
async def theatre(database: Database, tmp_path: Path, notified: Notified) -> AsyncIterator[Theatre]:
    """An application with a model that was made with 2 rows of Carol's, 1 of Dora's and 3 of nobody's, and another."""
    theatre = play(database, tmp_path, model=Scripted(known=("one", "tuned", "old")))
    theatre.services.notices.serve(notified)
    for who in (BOB, CAROL, DORA):
        assert (await theatre.say("hello", who=who)).status == "complete"
        assert (await theatre.command("privacy consent", who=who)).ok
    carol, dora = [(await theatre.services.scenes.find(HERE, who)).person.id for who in (CAROL, DORA)]
    await made(
        theatre, "tuned", [(carol,), (carol, dora), (), (), ()], checkpoints=[{"model": "tuned-1", "step": 1}]
    )
    await made(theatre, "old", [()])
    yield theatre
    await theatre.services.notices.close()


async def made(theatre: Theatre, model: str, rows: list[tuple[str, ...]], **result: Any) -> None:
    """A training run that made this model with rows of these people."""
    scene = await theatre.services.scenes.find(HERE, BOB)

    def job(tx: Tx) -> None:
        number = datasets.begin(tx, NewDataset(scene.workspace.id, scene.avatar.id, model, "sft"))
        lines: list[NewLine] = []
        for at, by in enumerate(rows):
            content = to_json(Row((Turn("user", f"{model} {at}?"),), "So."))
            said = [max(people.get(tx, each).given_at or 0, 1) for each in by]
            authors = tuple(Author(each, when) for each, when in zip(by, said, strict=True))
            lines.append(NewLine(at, "train", row_hash(content), content.decode(), f"{at}", authors))
        datasets.add(tx, number, lines)
        datasets.finish(tx, number, hash="h", report={}, train=len(rows), validation=0)
        new = NewRun(
            scene.workspace.id, scene.avatar.id, number, "scripted", "sft", "one", ids.new_id(), {}, {}, None
        )
        run = runs.create(tx, new)
        for state in SUCCEEDED:
            changes: dict[str, Any] = {"model": model, **result} if state == "succeeded" else {}
            runs.changed(tx, run.id, state=state, next_at=None, **changes)

    await theatre.database.write(job)


async def done(theatre: Theatre, command: str, who: Who, **values: Any) -> Answer:
    answer = await theatre.command(command, who=who, **values)
    assert answer.ok, answer.text
    return answer


async def marks(theatre: Theatre) -> dict[str, tuple[int, int]]:
    found: Any = (await done(theatre, "finetune models", TRAINER)).data
    return {each["model"].partition(":")[2]: (each["forgotten"], each["withdrawn"]) for each in found}


UNMARKED = {"tuned": (0, 0), "tuned-1": (0, 0), "old": (0, 0)}


async def test_who_is_forgotten_is_told_what_remains_and_the_admins_what_to_do(
    theatre: Theatre, notified: Notified
) -> None:
    await choose(theatre)
    assert await marks(theatre) == UNMARKED
    kept: Any = await done(theatre, "privacy show", CAROL)
    assert kept.data["models"] == 1
    assert "1 model was trained on them" in kept.fields[1].value
    answer = await done(theatre, "privacy delete", CAROL, confirmed=True)
    assert answer.text.endswith(
        "I do not know you any more. 1 model that was trained on your words before cannot unlearn them: the admins "
        "are told, so that they train anew without you and delete it."
    )
    assert await marks(theatre) == UNMARKED | {"tuned": (2, 0), "tuned-1": (2, 0)}
    ((_, notice),) = notified.told
    found: Any = (await done(theatre, "finetune models", TRAINER)).data
    number = found[-1]["run"]
    assert notice.text == (
        f"scripted:tuned and 1 more of training run {number} was made with 2 rows of people who have since asked to be "
        "forgotten, and cannot forget them: build a new version of the dataset (`/finetune build`), launch it, activate "
        "what comes of it, and delete the old model with `/finetune discard`."
    )
    assert "carol" not in notice.text.lower()
    listed = await done(theatre, "finetune models", TRAINER)
    assert listed.table is not None
    assert [row[-1] for row in listed.table.rows] == ["", "2 forgotten", "2 forgotten"]
    assert "a model cannot forget" in listed.text
    for _ in range(2):
        assert await warn_of_what_was_taken_back(theatre.services) == 1
    assert len(notified.told) == 1  # once
    asked = await done(theatre, "finetune activate", TRAINER, model="scripted:tuned")
    assert "⚠️ It was made with 2 rows of people who have since asked to be forgotten." in asked.text
    assert asked.buttons[0].label == "Activate it all the same"
    other = await done(theatre, "privacy delete", DORA, confirmed=True)
    assert "cannot unlearn" not in other.text  # her row went with Carol's


async def test_who_withdraws_is_told_and_the_admins_as_soon_as_they_can_be(
    theatre: Theatre, notified: Notified
) -> None:
    answer = await done(theatre, "privacy withdraw", DORA)
    assert "1 model that was trained on your words before cannot unlearn them" in answer.text
    assert await marks(theatre) == UNMARKED | {"tuned": (0, 1), "tuned-1": (0, 1)}
    assert notified.told == []  # nobody has said where
    await choose(theatre)
    await done(theatre, "finetune activate", TRAINER, model="scripted:tuned", confirmed=True)
    assert await warn_of_what_was_taken_back(theatre.services) == 1
    ((_, notice),) = notified.told
    assert (
        "with 1 row of people who do not agree to that any more, cannot forget it and answers for Guide:"
        in notice.text
    )
    await done(theatre, "privacy delete", DORA, confirmed=True)
    assert await marks(theatre) == UNMARKED | {"tuned": (1, 0), "tuned-1": (1, 0)}
    assert "1 row of people who have since asked to be forgotten" in notified.told[-1][1].text
    assert (await theatre.command("privacy withdraw", who=CAROL)).ok
    assert "1 row of people who have since asked to be forgotten and 1 row of people who do not" in (
        notified.told[-1][1].text
    )
    declined = await done(theatre, "privacy decline", BOB)
    assert declined.text == (
        "Fine: your ratings count, and nothing you write is learnt from. `/privacy consent` changes that."
    )
