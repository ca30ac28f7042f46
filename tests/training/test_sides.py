"""What a dataset is made of stays where it is: the same again gives the same, one more rating changes what it must, and a
conversation is on one side of the split, whatever is built of it and however it grows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from storage import preferences, ratings
from storage.conversations import Conversation
from storage.database import Database
from storage.datasets import Line, lines
from storage.exchanges import Exchange
from storage.marks import MarkEvent
from storage.people import Author, Person
from storage.preferences import NewPreference
from tests.stage import Stage, set_stage
from tests.training.helpers import chat, dumped
from training.collect import Selection
from training.datasets import Built, Order, build
from training.imports import Order as Import
from training.imports import import_file
from training.rows import METHODS, Method, from_json
from training.staging import is_held_out

HELD_OUT = 0.3
HISTORY = 3
TALKS, TURNS = 12, 7


async def silent(text: str, done: float | None = None) -> None:
    """Nobody watches."""


async def rate(stage: Stage, said: Exchange, person: Person, stars: int | None) -> None:
    stage.at += 1
    event = MarkEvent("stars", stage.at, stars)
    await stage.database.write(
        lambda tx: (ratings.apply(tx, said.id, person.id, event), ratings.requality(tx, said.id))
    )


async def made(stage: Stage, method: Method, name: str = "") -> Built:
    selection = Selection(method, 2**62, history=HISTORY)
    order = Order(
        stage.workspace.id,
        stage.avatar.id,
        name or method,
        None,
        selection,
        validation=HELD_OUT,
        near=1.0,  # rows of tests resemble each other
    )
    return await build(stage.database, order, progress=silent)


async def frozen(stage: Stage, built: Built) -> Sequence[Line]:
    assert built.dataset is not None
    number = built.dataset.number
    return await stage.database.read(lambda tx: lines(tx, number))


class Cast:
    """Talks, each longer than what a row shows of it, where every question is answered twice and both answers are rated."""

    def __init__(self, stage: Stage, person: Person) -> None:
        self.stage, self.person = stage, person
        self.talks: list[Conversation] = []
        self.said: dict[str, int] = {}

    async def talk(self) -> None:
        number = len(self.talks)
        self.talks.append(await self.stage.conversation(f"talk {number}"))
        for turn in range(TURNS):
            await self.ask(number, turn)

    async def ask(self, number: int, turn: int) -> tuple[Exchange, Exchange]:
        """A question of a talk with a bad and then a good answer."""
        stage, here = self.stage, self.talks[number]
        words = " ".join(f"w{number}x{turn}x{each}" for each in range(8))
        bad = await stage.exchange(here, self.person, f"Question {turn} of {number}?", f"No idea: {words}")
        good = await stage.exchange(
            here, self.person, f"Question {turn} of {number}?", f"Yes: {words}", sibling_of=bad.id
        )
        for said, stars in ((bad, 1), (good, 5)):
            self.said[said.id] = number
            await rate(stage, said, self.person, stars)
        return bad, good

    def sides(self, found: Sequence[Line]) -> Mapping[int, set[str]]:
        """On which sides of the split each talk is."""
        sides: dict[int, set[str]] = defaultdict(set)
        for line in found:
            assert line.exchange_id is not None
            sides[self.said[line.exchange_id]].add(line.split)
        return sides


@pytest.fixture
async def cast(database: Database) -> Cast:
    stage = await set_stage(database)
    cast = Cast(stage, await stage.person("Ann", agrees=True))
    for _ in range(TALKS):
        await cast.talk()
    return cast


@pytest.mark.parametrize("method", METHODS)
async def test_a_conversation_is_on_one_side_and_stays_there(cast: Cast, method: Method) -> None:
    first = await frozen(cast.stage, await made(cast.stage, method))
    before = cast.sides(first)
    held_out = [is_held_out(talk.id, HELD_OUT) for talk in cast.talks]
    assert before == {at: {"validation" if held_out[at] else "train"} for at in range(TALKS)}
    for _ in range(3):
        await cast.talk()
    for number in range(TALKS):
        await cast.ask(number, TURNS)  # the talks go on
    grown = await frozen(cast.stage, await made(cast.stage, method))
    after = cast.sides(grown)
    assert len(after) == TALKS + 3
    assert all(len(sides) == 1 for sides in after.values()), after
    assert {number: after[number] for number in before} == before
    placed = {line.hash: line.split for line in grown}
    assert {line.hash: placed[line.hash] for line in first} == {line.hash: line.split for line in first}


async def test_a_conversation_is_on_the_same_side_whatever_is_built_of_it(cast: Cast) -> None:
    sft, dpo, kto = [cast.sides(await frozen(cast.stage, await made(cast.stage, each))) for each in METHODS]
    assert sft == dpo == kto


async def test_replies_are_compared_across_conversations_of_one_side_alone(cast: Cast) -> None:
    """One question was asked in each of many talks, and each reply has another rating."""
    stage, began = cast.stage, len(cast.talks)
    for number in range(began, began + 20):
        cast.talks.append(await stage.conversation(f"talk {number}"))
        said = await stage.exchange(
            cast.talks[number], cast.person, "Again?", f"It is number {number} in a row."
        )
        cast.said[said.id] = number
        await rate(stage, said, cast.person, 1 + number % 5)
    sides = cast.sides(await frozen(stage, await made(stage, "sft")))
    found = await frozen(stage, await made(stage, "dpo"))
    compared = [from_json(line.content) for line in found if "Again?" in line.content]
    assert len(compared) == 1  # those to check with would repeat what is trained on
    for row in compared:
        for reply in (row.reply, row.rejected or ""):
            number = int(reply.split()[3])
            assert sides.get(number, {"train"}) == {"train"}
            assert not is_held_out(cast.talks[number].id, HELD_OUT)


async def test_a_better_answer_is_on_the_side_of_its_conversation(cast: Cast) -> None:
    stage = cast.stage
    for id_ in cast.said:
        new = NewPreference(
            stage.workspace.id, stage.avatar.id, (("user", f"Of {id_}?"),), f"It is better now, {id_}.",
            "No idea at all.", (Author(cast.person.id, 1),), "better", id_, id_,
        )  # fmt: skip
        await stage.database.write(lambda tx, new=new: preferences.put(tx, new))
    found = await frozen(stage, await made(stage, "dpo"))
    assert sum(line.preference_id is not None for line in found) == len(cast.said)
    assert all(len(sides) == 1 for sides in cast.sides(found).values())


@pytest.mark.parametrize("method", METHODS)
async def test_the_same_again_is_the_same_to_the_last_byte(cast: Cast, method: Method) -> None:
    first, second = [await made(cast.stage, method) for _ in range(2)]
    other = await made(cast.stage, method, "another name")
    assert first.hash == second.hash == other.hash
    assert (first.new, second.new, other.new) == (True, False, True)

    def plain(found: Sequence[Line]) -> list[Any]:
        return [(line.split, line.hash, line.content, line.conversation) for line in found]

    assert plain(await frozen(cast.stage, first)) == plain(await frozen(cast.stage, other))


@pytest.mark.parametrize("method", METHODS)
async def test_one_more_rating_changes_its_own_row_alone(cast: Cast, method: Method) -> None:
    bad, good = await cast.ask(4, TURNS)
    for said in (bad, good):
        await rate(cast.stage, said, cast.person, None)
    before = await frozen(cast.stage, await made(cast.stage, method))
    await rate(cast.stage, bad, cast.person, 1)
    await rate(cast.stage, good, cast.person, 5)
    after = await frozen(cast.stage, await made(cast.stage, method))

    def kept(found: Sequence[Line]) -> dict[str | None, tuple[str, str]]:
        return {line.exchange_id: (line.split, line.hash) for line in found}

    more = kept(after).keys() - kept(before).keys()
    assert more == ({bad.id, good.id} if method == "kto" else {good.id})
    assert {id_: of for id_, of in kept(after).items() if id_ not in more} == kept(before)


async def test_one_file_gives_one_dataset_wherever_it_is_imported(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    talks = [
        chat(f"talk {number}", *((f"Question {turn} of {number}?", f"Yes, it is indeed {number} and {turn}.", 5, None)
                                 for turn in range(HISTORY + 2)))
        for number in range(40)
    ]  # fmt: skip
    preferred = [
        {
            "pair_id": f"p{number}",
            "prompt": f"Which of {number}?",
            "chosen": f"It is the {number}th of all of them.",
            "rejected": "No.",
        }
        for number in range(40)
    ]
    path.write_bytes(dumped(*talks, *preferred))
    hashes: list[dict[str, str]] = []
    for _ in range(2):
        stage = await set_stage(database)
        person = await stage.person("Owner", agrees=True)
        await import_file(
            database, Import(path, stage.workspace.id, stage.avatar.name, person.id, 1_000), silent
        )
        built = {method: await made(stage, method) for method in METHODS}
        sizes = {method: (each.train, each.validation) for method, each in built.items()}
        assert all(train and held_out for train, held_out in sizes.values()), sizes
        hashes.append({method: each.hash for method, each in built.items()})
    assert hashes[0] == hashes[1]
