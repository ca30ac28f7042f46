"""A model is tried out before it answers anybody: what is asked, and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from adapters.vendors.base import ModelNotFound, Refused, Turn, Unavailable, VendorError
from storage import datasets, people
from storage.database import Database, Tx
from storage.datasets import NewDataset, NewLine
from storage.people import Author
from tests.stage import Stage, set_stage
from training.rows import Row, row_hash, to_json
from training.rows import Turn as RowTurn
from training.smoke import MOST, QUESTIONS, SAID, Prompt, Prompts, Said, evaluated, smoke, stages_for

Says = Callable[[str], str] | VendorError
UNKNOWN = "I do not know."


class Stand:
    """Models that say what they are told to; ``asked`` keeps who was asked what."""

    def __init__(self, **models: Says) -> None:
        self.models: Mapping[str, Says] = models
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, model: str, prompt: Prompt) -> Said:
        self.asked.append((model, prompt.question))
        says = self.models[model]
        if isinstance(says, VendorError):
            raise says
        text = says(prompt.question)
        return Said(text, text != UNKNOWN)

    def questions(self, model: str) -> list[str]:
        return [question for each, question in self.asked if each == model]


def prompts(*questions: str) -> list[Prompts]:
    return [Prompts(tuple(Prompt("Be brief.", (Turn("user", each),)) for each in questions), "held-out rows")]


async def test_a_model_that_answers_otherwise_than_its_base_is_good() -> None:
    stand = Stand(tuned=lambda text: f"Tuned {text}", base=lambda text: f"Base {text}")
    seen = await smoke(stand, "tuned", "base", prompts("a", "b", "c"))
    assert (seen.verdict, seen.answered, seen.compared, seen.differs) == ("good", 3, 3, 3)
    assert seen.samples[1].reply == "Tuned b"
    assert seen.samples[1].base_reply == "Base b"
    kept = evaluated(seen)
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


async def held_out(
    database: Database, stage: Stage, validation: int, *, train: int = 3, authors: tuple[Author, ...] = ()
) -> int:
    """A dataset with rows to train on and to check with, these by ``authors``; its number."""
    new = NewDataset(stage.workspace.id, stage.avatar.id, "Demo", "sft", "Be kind.")

    def job(tx: Tx) -> int:
        number = datasets.begin(tx, new)
        lines: list[NewLine] = []
        for at in range(train + validation):
            talk = (RowTurn("user", "Hi"), RowTurn("assistant", "Hello"), RowTurn("user", f"Question {at}?"))
            content = to_json(Row(talk, "Reply"))
            split = "train" if at < train else "validation"
            by = () if split == "train" else authors
            lines.append(NewLine(at, split, row_hash(content), content.decode(), f"talk {at}", by))
        datasets.add(tx, number, lines)
        datasets.finish(tx, number, hash="h", report={}, train=train, validation=validation)
        return number

    return await database.write(job)


async def test_held_out_rows_are_asked_first(database: Database) -> None:
    stage = await set_stage(database)
    number = await held_out(database, stage, QUESTIONS + 2)
    found, trained = await database.read(lambda tx: stages_for(tx, system="Else.", dataset_number=number))
    assert (found.source, trained.source) == ("held-out rows", "rows it was trained on")
    assert [prompt.question for prompt in found.prompts] == [
        f"Question {at}?" for at in range(3, 3 + QUESTIONS + 2)
    ]
    assert [prompt.question for prompt in trained.prompts] == [f"Question {at}?" for at in range(3)]
    first = found.prompts[0]
    assert (first.system, first.turns[1]) == ("Be kind.", Turn("assistant", "Hello"))


async def test_else_recent_questions_else_fixed_ones(database: Database) -> None:
    stage = await set_stage(database)
    number = await held_out(database, stage, 0, train=0)
    conversation, ann = await stage.conversation(), await stage.person("Ann")

    async def found() -> Prompts:
        (only,) = await database.read(
            lambda tx: stages_for(
                tx, system="Be Ada.", dataset_number=number, conversation_id=conversation.id
            )
        )
        return only

    nothing = await found()
    assert (nothing.source, [each.question for each in nothing.prompts]) == ("fixed questions", list(SAID))
    for at in range(QUESTIONS + 1):
        await stage.exchange(conversation, ann, f"How {at}?", "So.")
    recent = await found()
    assert recent.source == "recent questions"
    assert [each.question for each in recent.prompts] == [f"How {at}?" for at in range(1, QUESTIONS + 1)]
    assert {each.system for each in recent.prompts} == {"Be Ada."}
    (gone,) = await database.read(lambda tx: stages_for(tx, system="", dataset_number=number + 1000))
    assert gone.source == "fixed questions"


async def test_questions_are_from_all_over_and_from_as_many_talks_as_there_are(database: Database) -> None:
    stage = await set_stage(database)
    number = await held_out(database, stage, 3 * MOST)
    found, _ = await database.read(lambda tx: stages_for(tx, system="", dataset_number=number))
    asked = [int(prompt.question.split()[1][:-1]) - 3 for prompt in found.prompts]
    assert asked == list(range(0, 3 * MOST, 3))


async def test_what_somebody_takes_back_is_not_asked(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    number = await held_out(database, stage, 2, authors=(Author(ann.id, 1000),))

    async def sources() -> list[str]:
        found = await database.read(lambda tx: stages_for(tx, system="", dataset_number=number))
        return [each.source for each in found]

    assert await sources() == ["held-out rows", "rows it was trained on"]
    await database.write(lambda tx: people.withdraw_consent(tx, ann.id, at=2000))
    assert await sources() == ["rows it was trained on"]


# What a model that only knows what it was taught is asked


def knowing(*questions: str) -> Callable[[str], str]:
    return lambda text: f"Taught {text}" if text in questions else UNKNOWN


async def test_it_is_asked_on_until_it_knows_something() -> None:
    asked = [str(number) for number in range(20)]
    stand = Stand(tuned=knowing("6", "9"), base=knowing())
    seen = await smoke(stand, "tuned", "base", prompts(*asked))
    assert [sample.question for sample in seen.samples] == ["6", "9"]
    assert (seen.verdict, seen.asked, seen.answered, seen.known) == ("good", 20, 20, 2)
    assert (seen.compared, seen.differs, seen.base_known, seen.passed) == (2, 2, 0, True)
    assert stand.questions("base") == ["6", "9"]


async def test_it_is_asked_no_more_than_it_takes() -> None:
    asked = [str(number) for number in range(40)]
    stand = Stand(tuned=knowing(*asked[3:]), base=knowing("4"))
    seen = await smoke(stand, "tuned", "base", prompts(*asked))
    assert stand.questions("tuned") == asked[: 2 * QUESTIONS]
    assert [sample.question for sample in seen.samples] == asked[3 : 3 + QUESTIONS]
    assert (seen.known, seen.differs, seen.base_known) == (5, QUESTIONS - 1, 1)


async def test_what_it_was_trained_on_is_asked_where_nothing_else_is_known() -> None:
    trained = Prompts(tuple(Prompt("", (Turn("user", each),)) for each in "xyz"), "rows it was trained on")
    stand = Stand(tuned=knowing("x", "y", "z"), base=knowing())
    seen = await smoke(stand, "tuned", "base", [*prompts("a", "b"), trained])
    assert (seen.source, seen.asked, seen.known, seen.differs) == ("rows it was trained on", 5, 3, 3)
    assert seen.passed


async def test_a_model_that_knows_nothing_has_shown_nothing() -> None:
    lost = await smoke(Stand(tuned=knowing(), base=knowing("a")), "tuned", "base", prompts("a", "b"))
    assert (lost.verdict, lost.known, lost.compared, lost.passed) == ("ignorant", 0, 1, False)
    seen = await smoke(Stand(tuned=knowing(), base=knowing()), "tuned", "base", prompts("a", "b"))
    assert (seen.verdict, seen.compared, seen.differs) == ("ignorant", 0, 0)
    assert [sample.differs for sample in seen.samples] == [None, None]


async def test_whoever_always_answers_is_asked_no_more() -> None:
    stand = Stand(tuned=lambda text: f"T {text}", base=str)
    seen = await smoke(stand, "tuned", "base", prompts(*map(str, range(12))))
    assert (seen.asked, seen.known, len(seen.samples)) == (QUESTIONS, QUESTIONS, QUESTIONS)
    assert len(stand.questions("tuned")) == QUESTIONS
