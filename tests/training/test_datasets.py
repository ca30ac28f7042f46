"""Building datasets: what goes in, what is left out and why, and that the same material gives the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import UserError
from storage import datasets, examples, lineage, people, preferences, ratings
from storage.conversations import Conversation
from storage.database import Database
from storage.datasets import Line
from storage.examples import NewExample
from storage.exchanges import Exchange
from storage.people import Author, Person
from storage.preferences import NewPreference
from storage.ratings import MarkEvent
from tests.stage import Stage, set_stage
from training.collect import Selection
from training.datasets import Built, Order, build
from training.handover import may_leave
from training.privacy import Redactor
from training.rows import Method, Row, Turn, from_json
from training.staging import Staged

LONG = "a reply that is longer than twenty characters, number {0}"
EVER = 2**62
NO_NEIGHBOURS = 1.0  # rows of tests resemble each other


async def rate(stage: Stage, exchange: Exchange, person: Person, stars: int | None, better: str = "") -> None:
    source = "better" if better else "stars"
    stage.at += 1
    event = MarkEvent(source, stage.at, stars, better=better or None, by_reviewer=bool(better))
    await stage.database.write(
        lambda tx: (ratings.apply(tx, exchange.id, person.id, event), ratings.requality(tx, exchange.id))
    )


def order(stage: Stage, method: Method = "sft", name: str = "first", **changes: Any) -> Order:
    selection = Selection(method, EVER)
    fields = {key: changes.pop(key) for key in list(changes) if key in Selection.__dataclass_fields__}
    return replace(
        Order(
            stage.workspace.id, stage.avatar.id, name, None, replace(selection, **fields), near=NO_NEIGHBOURS
        ),
        **changes,
    )


async def silent(text: str, done: float | None = None) -> None:
    """Nobody watches."""


async def made(stage: Stage, wanted: Order, **more: Any) -> Built:
    return await build(stage.database, wanted, progress=silent, **more)


async def lines(stage: Stage, built: Built) -> list[Line]:
    assert built.dataset is not None
    number = built.dataset.number
    return await stage.database.read(lambda tx: datasets.lines(tx, number))


async def rows(stage: Stage, built: Built) -> list[Row]:
    return [from_json(line.content) for line in await lines(stage, built)]


def left_out(built: Built) -> Mapping[str, int]:
    return built.report["left_out"]


async def liked(stage: Stage, many: int, person: Person, talk: Conversation | None = None) -> list[Exchange]:
    """So many exchanges with five stars, each in a conversation of its own unless there is one."""
    found: list[Exchange] = []
    for number in range(many):
        here = talk or await stage.conversation(f"talk {number} of {person.name}")
        said = await stage.exchange(here, person, f"question {number} of {person.name}", LONG.format(number))
        await rate(stage, said, person, 5)
        found.append(said)
    return found


async def test_sft_takes_what_people_liked_under_the_talk_before_it(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    here = await stage.conversation()
    first, second, third = [
        await stage.exchange(here, ann, f"question {number}", LONG.format(number)) for number in range(3)
    ]
    for said, stars in ((first, 2), (second, 5), (third, 4)):
        await rate(stage, said, ann, stars)
    built = await made(stage, order(stage, system="You are Ada."))
    assert built.dataset is not None
    assert built.dataset.system == "You are Ada."
    before = (
        Turn("user", "question 0"),
        Turn("assistant", LONG.format(0)),
        Turn("user", "question 1"),
    )
    assert await rows(stage, built) == [
        Row(before, LONG.format(1)),
        Row((*before, Turn("assistant", LONG.format(1)), Turn("user", "question 2")), LONG.format(2)),
    ]
    assert left_out(built) == {"rated too low": 1}
    kept = await lines(stage, built)
    assert len({line.split for line in kept}) == 1  # a conversation is on one side
    assert [line.exchange_id for line in kept] == [second.id, third.id]


async def test_the_window_is_cut_from_the_left_and_the_reply_stays(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    here = await stage.conversation()
    said = [await stage.exchange(here, ann, f"question {n}", LONG.format(n)) for n in range(8)]
    await rate(stage, said[-1], ann, 5)
    (row,) = await rows(stage, await made(stage, order(stage, history=3)))
    assert [turn.text for turn in row.prompt if turn.role == "user"] == [f"question {n}" for n in range(4, 8)]
    (shorter,) = await rows(stage, await made(stage, order(stage, name="short", max_tokens=64)))
    assert 1 <= len(shorter.prompt) < len(row.prompt)
    assert shorter.prompt[-1].text == "question 7"
    assert shorter.reply == row.reply
    assert left_out(await made(stage, order(stage, name="none", max_tokens=10))) == {
        "not rated": 7,
        "too long": 1,
    }


async def test_words_of_who_did_not_agree_are_in_no_row(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob")
    here = await stage.conversation()
    await rate(stage, await stage.exchange(here, bob, "What does Bob say?", LONG.format(1)), ann, 5)
    await rate(stage, await stage.exchange(here, ann, "What does Ann say?", LONG.format(2)), ann, 5)
    alone = await stage.conversation("elsewhere")
    await rate(stage, await stage.exchange(alone, ann, "And alone?", LONG.format(3)), bob, 5)
    built = await made(stage, order(stage))
    assert [row.question for row in await rows(stage, built)] == ["And alone?"]
    assert left_out(built) == {"unconsented": 2}  # his own, and hers above which his stands
    await database.write(lambda tx: people.give_consent(tx, bob.id, at=1, covers_from=0))
    built = await made(stage, order(stage))
    assert built.dataset is not None
    assert (built.dataset.version, built.train + built.validation) == (2, 3)


async def test_what_was_said_in_private_stays_there_until_a_reviewer_widens_it(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    secret = await stage.conversation("closed", private=True)
    said = await stage.exchange(secret, ann, "Between us?", LONG.format(1))
    await rate(stage, said, ann, 5)
    assert left_out(await made(stage, order(stage))) == {"private": 1}
    new = NewExample(
        stage.workspace.id,
        stage.avatar.id,
        said.user_text,
        said.reply_text,
        (Author(ann.id, said.created_at),),
        status="approved",
        reviewed=True,
        source="exchange",
        source_key=said.id,
        exchange_id=said.id,
        conversation_id=secret.id,
    )
    await database.write(lambda tx: examples.put(tx, new))
    assert (await made(stage, order(stage))).report["candidates"] == 1


async def test_above_what_was_widened_stands_nothing_that_was_not(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    secret = await stage.conversation("closed", private=True)
    talk = [await stage.exchange(secret, ann, f"Question {at}?", LONG.format(at)) for at in range(4)]

    async def widen(exchange: Exchange, source: str, reply: str) -> None:
        new = NewExample(
            stage.workspace.id,
            stage.avatar.id,
            exchange.user_text,
            reply,
            (Author(ann.id, exchange.created_at),),
            status="approved",
            reviewed=True,
            source=source,
            source_key=f"{source}:{exchange.id}",
            exchange_id=exchange.id,
            conversation_id=secret.id,
        )
        await database.write(lambda tx: examples.put(tx, new))

    for exchange in (talk[0], talk[2], talk[3]):
        await widen(exchange, "exchange", exchange.reply_text)
    await widen(talk[1], "better", "a better reply than the one that was given")
    await widen(talk[2], "better", "another one that is better than what was said")
    above = {
        (row.question, row.reply): [turn.text for turn in row.prompt[:-1]]
        for row in await rows(stage, await made(stage, order(stage)))
    }
    assert above == {
        ("Question 0?", LONG.format(0)): [],
        ("Question 2?", LONG.format(2)): [],
        ("Question 3?", LONG.format(3)): ["Question 2?", LONG.format(2)],
        ("Question 1?", "a better reply than the one that was given"): ["Question 0?", LONG.format(0)],
        ("Question 2?", "another one that is better than what was said"): [],
    }


async def test_examples_and_better_answers_join_under_their_own_talk(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    here = await stage.conversation()
    await stage.exchange(here, ann, "Who are you?", LONG.format(0))
    wrong = await stage.exchange(here, ann, "How tall is it?", "I do not know that.")
    better = "It is 330 metres tall, antennas included."
    authors = (Author(ann.id, wrong.created_at),)
    common: dict[str, Any] = {"status": "approved", "authors": authors}
    ids = (stage.workspace.id, stage.avatar.id)
    await database.write(
        lambda tx: examples.put(
            tx,
            NewExample(
                *ids,
                "How tall is it?",
                better,
                source="better",
                source_key="b",
                exchange_id=wrong.id,
                conversation_id=here.id,
                **common,
            ),
        )
    )
    await database.write(
        lambda tx: examples.put(tx, NewExample(*ids, "Where is it?", LONG.format("by hand"), **common))
    )
    built = await made(stage, order(stage))
    found = {row.question: row for row in await rows(stage, built)}
    assert found["How tall is it?"].reply == better
    assert [turn.text for turn in found["How tall is it?"].prompt[:2]] == ["Who are you?", LONG.format(0)]
    assert len(found["Where is it?"].prompt) == 1
    only = await made(stage, order(stage, name="hand", sources=frozenset({"hand"})))
    assert [row.question for row in await rows(stage, only)] == ["Where is it?"]


async def test_dpo_compares_replies_to_the_same_context(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob", agrees=True)
    here, there = await stage.conversation("here"), await stage.conversation("there")
    first = await stage.exchange(here, ann, "Tell me a joke", LONG.format("dull"))
    again = await stage.exchange(here, ann, "Tell me a joke", LONG.format("funny"), sibling_of=first.id)
    other = await stage.exchange(there, bob, "What is love?", LONG.format("love"))
    third = await stage.conversation("third")
    same = await stage.exchange(third, ann, "  what is LOVE? ", LONG.format("nothing"))
    lone = await stage.exchange(there, bob, "And hate?", LONG.format("hate"))
    for said, stars in ((first, 2), (again, 5), (other, 4), (same, 1), (lone, 5)):
        await rate(stage, said, ann, stars)
    new = NewPreference(
        stage.workspace.id,
        stage.avatar.id,
        (("user", "Which?"),),
        LONG.format("this"),
        LONG.format("that"),
        (Author(bob.id, 5),),
        "import",
        "one",
    )
    await database.write(lambda tx: preferences.put(tx, new))
    built = await made(stage, order(stage, "dpo", validation=0.0))  # replies are compared within a side
    found = {row.question.strip().lower(): (row.reply, row.rejected) for row in await rows(stage, built)}
    assert found == {
        "tell me a joke": (LONG.format("funny"), LONG.format("dull")),
        "what is love?": (LONG.format("love"), LONG.format("nothing")),
        "which?": (LONG.format("this"), LONG.format("that")),
    }
    assert left_out(built) == {"no reply to compare with": 1}


async def test_kto_takes_thumbs_as_they_are(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    for number, stars in enumerate((5, 1, 3, None)):
        here = await stage.conversation(f"talk {number}")
        said = await stage.exchange(here, ann, f"question {number}", LONG.format(number))
        if stars:
            await rate(stage, said, ann, stars)
    built = await made(stage, order(stage, "kto"))
    assert [(row.question, row.label) for row in await rows(stage, built)] == [
        ("question 0", True),
        ("question 1", False),
    ]
    assert left_out(built) == {"not rated": 1, "undecided": 1}


async def test_the_same_material_is_the_same_dataset_whatever_its_name(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    await liked(stage, 30, ann)
    first, second = await made(stage, order(stage)), await made(stage, order(stage))
    other = await made(stage, order(stage, name="other"))
    assert first.hash == second.hash == other.hash
    assert (first.new, second.new, other.new) == (True, False, True)
    assert second.dataset == first.dataset
    assert await lines(stage, first) == await lines(stage, other)
    assert first.samples == other.samples
    assert len(first.samples) == 5


async def test_one_more_rating_adds_its_row_and_moves_no_other(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    said = await liked(stage, 60, ann)
    await rate(stage, said[7], ann, None)
    before = await lines(stage, await made(stage, order(stage, validation=0.3)))
    await rate(stage, said[7], ann, 5)
    after = await lines(stage, await made(stage, order(stage, validation=0.3)))

    def plain(found: Sequence[Line]) -> dict[str | None, tuple[str, str]]:
        return {line.exchange_id: (line.split, line.hash) for line in found}

    added = plain(after)
    added.pop(said[7].id)
    assert added == plain(before)
    assert {split for split, _ in added.values()} == {"train", "validation"}


async def test_no_talk_is_on_both_sides(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    for number in range(40):
        here = await stage.conversation(f"talk {number}")
        reply = f"{LONG.format(number)} " + " ".join(f"word{number * 50 + each}" for each in range(20))
        await rate(stage, await stage.exchange(here, ann, "The very same question?", reply), ann, 5)
    built = await made(stage, order(stage, validation=0.4))
    assert {line.split for line in await lines(stage, built)} == {"train"}
    assert left_out(built)["in training already"] == 40 - built.train > 0


async def test_duplicates_count_once_and_the_best_stays(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob", agrees=True)
    text = "The workshop is in the old mill by the river, second floor, and it opens at nine every day but Sunday."
    kept: list[str] = []
    for number, reply in enumerate((text, text, text.replace("nine", "ten"))):
        here = await stage.conversation(f"talk {number}")
        said = await stage.exchange(here, ann, "Where is the workshop that people talk about?", reply)
        for person in (ann, bob)[: 1 + (number == 1)]:
            await rate(stage, said, person, 5)
        kept.append(said.id)
    built = await made(stage, order(stage, near=0.7))
    assert [line.exchange_id for line in await lines(stage, built)] == [kept[1]]
    assert left_out(built) == {"duplicate": 1, "near duplicate": 1}


async def test_nobody_makes_up_a_dataset_alone_where_many_take_part(database: Database) -> None:
    stage = await set_stage(database)
    for name in ("Ann", "Bob", "Cem", "Dan", "Eve"):
        person = await stage.person(name, agrees=True)
        await liked(stage, 20 if name == "Ann" else 2, person)
    built = await made(stage, order(stage, person_share=0.3, person_share_from=5))
    assert left_out(built) == {"over one person's share": 17}
    best = await made(stage, order(stage, name="few", most=4, person_share=1.0))
    assert best.train + best.validation == 4
    assert left_out(best) == {"over the maximum": 24}


async def test_personal_data_is_replaced_the_same_way_throughout_a_talk(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    here = await stage.conversation()
    mail, other = "ann.lee@mail.test", "bob@mail.test"
    one = await stage.exchange(here, ann, f"I am {mail}, he is {other}", f"Hello {mail}, how can I help you?")
    two = await stage.exchange(here, ann, f"Write to {other}", f"I have written to {other} about it all.")
    bare = await stage.exchange(here, ann, "Which addresses?", f"{mail} {other}")
    for said in (one, two, bare):
        await rate(stage, said, ann, 5)
    built = await made(stage, order(stage), redactor=Redactor())
    found = await rows(stage, built)
    assert "@" not in "".join(line.content for line in await lines(stage, built))
    placeholder = found[1].reply.removeprefix("I have written to ").removesuffix(" about it all.")
    assert placeholder
    assert found[0].question.endswith(placeholder)
    assert found[1].question == f"Write to {placeholder}"
    assert left_out(built) == {"personal data": 1}  # nothing else is in that reply


async def test_what_the_moderation_flags_is_left_out(database: Database) -> None:
    class Strict:
        async def flagged(self, rows: Sequence[Staged]) -> set[str]:
            return {each.hash for each in rows if "number 3" in each.row.reply}

    stage = await set_stage(database)
    await liked(stage, 6, await stage.person("Ann", agrees=True))
    built = await made(stage, order(stage), checker=Strict())
    assert built.train + built.validation == 5
    assert left_out(built) == {"flagged": 1}


async def test_a_row_is_traced_to_its_people_and_they_to_their_rows(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob", agrees=True)
    here = await stage.conversation()
    await stage.exchange(here, bob, "Who begins?", LONG.format(0))
    said = await stage.exchange(here, ann, "Who goes on?", LONG.format(1))
    await rate(stage, said, bob, 5)
    built = await made(stage, order(stage))
    assert built.dataset is not None
    number = built.dataset.number
    traced = await database.read(lambda tx: lineage.authors_of(tx, number, 0))
    assert {each.person_id for each in traced} == {ann.id, bob.id}
    for person in (ann, bob):
        (line,) = await database.read(
            lambda tx, person=person: lineage.lines_of_person(tx, person.id, limit=9)
        )
        assert (line.name, line.version, line.position, line.exchange_id) == ("first", 1, 0, said.id)
    (line,) = await database.read(lambda tx: lineage.lines_of_exchange(tx, stage.workspace.id, said.id))
    assert line.number == number


async def test_what_somebody_takes_back_leaves_the_house_no_more(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob", agrees=True)
    await liked(stage, 3, ann)
    await liked(stage, 2, bob)
    built = await made(stage, order(stage))
    assert built.dataset is not None
    dataset = built.dataset
    await database.read(lambda tx: may_leave(tx, dataset))
    await database.write(lambda tx: people.withdraw_consent(tx, bob.id, at=9))
    with pytest.raises(UserError, match="2 rows hold words of people who no longer agree"):
        await database.read(lambda tx: may_leave(tx, dataset))
    await database.write(lambda tx: people.forget(tx, bob.id))
    now = await database.read(lambda tx: datasets.by_number(tx, dataset.number))
    assert now is not None
    assert len(await lines(stage, built)) == 3
    with pytest.raises(UserError, match="2 rows were deleted"):
        await database.read(lambda tx: may_leave(tx, now))
    again = await made(stage, order(stage))
    assert again.dataset is not None
    assert (again.dataset.version, again.dataset.lines) == (2, 3)


async def test_a_dry_run_and_a_build_of_nothing_freeze_nothing(database: Database) -> None:
    stage = await set_stage(database)
    nothing = await made(stage, order(stage))
    assert (nothing.dataset, nothing.train, nothing.samples) == (None, 0, ())
    await liked(stage, 3, await stage.person("Ann", agrees=True))
    dry = await made(stage, order(stage, dry_run=True))
    assert (dry.dataset, dry.train + dry.validation, len(dry.samples)) == (None, 3, 3)
    assert not await database.read(lambda tx: datasets.listed(tx, stage.workspace.id))


async def test_nothing_is_left_of_a_build_that_is_cancelled(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    await liked(stage, 5, await stage.person("Ann", agrees=True))
    kept = tmp_path / "kept"
    kept.mkdir()

    async def stopping(text: str, done: float | None = None) -> None:
        if "frozen" in text:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await build(database, order(stage), progress=stopping, folder=kept)
    assert not await database.read(lambda tx: datasets.listed(tx, stage.workspace.id))
    assert not await database.read(lambda tx: datasets.abandoned(tx, EVER))
    assert not list(kept.iterdir())
