"""Datasets: built out of sight, frozen as versions, deleted in slices, and forgetting whom they must."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Text, bindparam, select, text, update

from storage import clock, datasets, lineage, people
from storage.database import Database, SqliteTx, Statement, Tx, first, table
from storage.datasets import Dataset, NewDataset, NewLine
from storage.errors import Missing
from storage.imports import Into
from storage.people import Author, Person
from storage.schema import PersonRow
from storage.sqlite import connect
from tests.stage import Stage, set_stage


def draft(stage: Stage, name: str = "Demo", *, person_id: str | None = None) -> NewDataset:
    return NewDataset(
        stage.workspace.id, stage.avatar.id, name, "sft", "You are Ada.", {"minimum": 4}, person_id
    )


def row(position: int, *authors: Author, **came_of: str) -> NewLine:
    split = "validation" if position % 3 == 2 else "train"
    return NewLine(position, split, f"{position:032x}", f'{{"n":{position}}}', "talk", authors, **came_of)


async def building(stage: Stage, *rows: NewLine, name: str = "Demo") -> int:
    number = await stage.database.write(lambda tx: datasets.begin(tx, draft(stage, name)))
    await stage.database.write(lambda tx: datasets.add(tx, number, rows))
    return number


async def finished(stage: Stage, number: int, hash: str = "abc", rows: int = 3) -> Dataset:
    return await stage.database.write(
        lambda tx: datasets.finish(
            tx, number, hash=hash, report={"left_out": {"short": 2}}, train=rows - 1, validation=1
        )
    )


async def built(stage: Stage, *rows: NewLine, name: str = "Demo", hash: str = "abc") -> Dataset:
    return await finished(stage, await building(stage, *rows, name=name), hash, len(rows))


async def left(database: Database, number: int) -> tuple[int, int, int]:
    """How many rows of each table there are still."""
    counts = (
        "SELECT count(*) FROM dataset WHERE number = :number",
        "SELECT count(*) FROM dataset_line WHERE dataset_number = :number",
        "SELECT count(*) FROM dataset_author WHERE dataset_number = :number",
    )

    def counted(tx: Tx) -> list[int]:
        return [tx.rows(Statement(text(each.replace(":number", str(number)))))[0][0] for each in counts]

    lines = await database.read(counted)
    return lines[0], lines[1], lines[2]


# -- building


async def test_it_is_found_once_it_is_finished(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    new = replace(draft(stage), person_id=ann.id)
    number = await database.write(lambda tx: datasets.begin(tx, new))
    rows = [row(at, Author(ann.id, 5), exchange_id=f"x{at}", example_id="e") for at in range(3)]
    await database.write(lambda tx: datasets.add(tx, number, rows[:2]))
    await database.write(lambda tx: datasets.add(tx, number, rows[2:]))
    of = stage.workspace.id
    assert await database.read(lambda tx: datasets.find(tx, of, "demo")) is None
    assert await database.read(lambda tx: datasets.listed(tx, of)) == []
    with pytest.raises(Missing):
        await database.read(lambda tx: datasets.by_number(tx, number))

    done = await finished(stage, number)
    assert (done.number, done.version, done.name, done.method, done.origin) == (
        number,
        1,
        "Demo",
        "sft",
        "build",
    )
    assert (done.lines, done.train, done.validation, done.erased) == (3, 2, 1, 0)
    assert (done.settings, done.report) == ({"minimum": 4}, {"left_out": {"short": 2}})
    assert (done.system, done.person_id, done.avatar_id) == ("You are Ada.", ann.id, stage.avatar.id)
    assert await database.read(lambda tx: datasets.find(tx, of, "DEMO")) == done
    assert await database.read(lambda tx: datasets.find(tx, of, "demo", 1)) == done
    assert await database.read(lambda tx: datasets.find(tx, of, "demo", 2)) is None
    assert await database.read(lambda tx: datasets.by_number(tx, number)) == done
    with pytest.raises(Missing):  # frozen
        await database.write(lambda tx: datasets.add(tx, number, [row(3)]))
    with pytest.raises(Missing):
        await finished(stage, number)
    with pytest.raises(Missing):
        await database.write(lambda tx: datasets.abandon(tx, number))


async def test_rows_come_back_in_order_and_by_side(database: Database) -> None:
    stage = await set_stage(database)
    dataset = await built(stage, *(row(at, preference_id="p") for at in (4, 0, 2, 1, 3)))
    number = dataset.number
    lines = await database.read(lambda tx: datasets.lines(tx, number))
    assert [each.position for each in lines] == [0, 1, 2, 3, 4]
    assert lines[1] == datasets.Line(1, "train", f"{1:032x}", '{"n":1}', "talk", None, None, "p")
    page = await database.read(lambda tx: datasets.lines(tx, number, after=1, limit=2))
    assert [each.position for each in page] == [2, 3]
    held_out = await database.read(lambda tx: datasets.lines(tx, number, split="validation"))
    assert [each.position for each in held_out] == [2]
    assert await database.read(lambda tx: datasets.line(tx, number, 1)) == lines[1]
    assert await database.read(lambda tx: datasets.line(tx, number, 9)) is None


async def test_versions_count_for_each_name_and_never_come_back(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    assert (await built(stage)).version == 1
    second = await built(stage, name="DEMO")
    assert second.version == 2
    assert (await built(stage, name="else")).version == 1
    assert (await built(other)).version == 1
    while not await database.write(lambda tx: datasets.delete(tx, second.number)):
        pass
    third = await built(stage)
    assert third.version == 3
    listed = await database.read(lambda tx: datasets.listed(tx, stage.workspace.id))
    assert [(each.name, each.version) for each in listed] == [("Demo", 3), ("else", 1), ("Demo", 1)]
    assert await database.read(lambda tx: datasets.find(tx, stage.workspace.id, "demo")) == third


async def test_two_that_finish_at_once_are_two_versions(database: Database) -> None:
    stage = await set_stage(database)
    beside = await Database.open(database.url)
    try:
        numbers = [await building(stage) for _ in range(6)]

        done = await asyncio.gather(
            *(
                (database, beside)[at % 2].write(
                    lambda tx, number=number: datasets.finish(
                        tx, number, hash="", report={}, train=0, validation=0
                    )
                )
                for at, number in enumerate(numbers)
            )
        )
    finally:
        await beside.close()
    assert sorted(each.version for each in done) == [1, 2, 3, 4, 5, 6]


# -- taking away


async def test_what_a_crash_left_is_named_and_goes_in_slices(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    clock.use(lambda: 1000)
    try:
        number = await building(stage, *(row(at, Author(ann.id, 5)) for at in range(5)))
        ready = await built(stage, row(0, Author(ann.id, 5)))
        clock.use(lambda: 2000)
        await building(stage, name="later")
    finally:
        clock.use(None)
    assert await database.read(lambda tx: datasets.abandoned(tx, 2000)) == [number]
    steps = [await database.write(lambda tx: datasets.abandon(tx, number, limit=2)) for _ in range(3)]
    assert steps == [False, False, True]
    assert await left(database, number) == (0, 0, 0)
    assert await left(database, ready.number) == (1, 1, 1)
    assert await database.write(lambda tx: datasets.abandon(tx, number))
    with pytest.raises(Missing):
        await database.write(lambda tx: datasets.add(tx, number, [row(9)]))


async def test_a_half_deleted_one_is_never_seen_and_can_be_finished_off(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    dataset = await built(stage, *(row(at, Author(ann.id, 5), exchange_id="x") for at in range(4)))
    number, of = dataset.number, stage.workspace.id
    assert not await database.write(lambda tx: datasets.delete(tx, number, limit=3))
    assert await left(database, number) == (1, 1, 1)
    assert await database.read(lambda tx: datasets.find(tx, of, "demo")) is None
    assert await database.read(lambda tx: datasets.listed(tx, of)) == []
    assert await database.read(lambda tx: datasets.datasets_of_person(tx, ann.id)) == []
    assert await database.read(lambda tx: datasets.lines_of_person(tx, ann.id, limit=9)) == []
    assert await database.read(lambda tx: datasets.lines_of_exchange(tx, of, "x")) == []
    assert await database.read(lambda tx: datasets.abandoned(tx, clock.now() + 1)) == [number]
    assert await database.write(lambda tx: datasets.abandon(tx, number))
    assert await left(database, number) == (0, 0, 0)
    assert await database.write(lambda tx: datasets.delete(tx, number))


# -- lineage


async def test_a_row_is_traced_to_its_people_and_they_to_their_rows(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob")
    both = (Author(bob.id, 3), Author(ann.id, 7))
    old = await built(
        stage,
        row(0, *both, exchange_id="x", example_id="e"),
        row(1, Author(bob.id, 8), exchange_id="y", preference_id="p"),
        row(2),
    )
    new = await built(stage, row(0, Author(ann.id, 7), exchange_id="x"))
    of = stage.workspace.id
    traced = await database.read(lambda tx: datasets.authors_of(tx, old.number, 0))
    assert traced == [
        datasets.Traced(bob.id, "Bob", "bob", 3, "unset"),
        datasets.Traced(ann.id, "Ann", "ann", 7, "given"),
    ]
    assert await database.read(lambda tx: datasets.authors_of(tx, old.number, 2)) == []

    assert await database.read(lambda tx: datasets.datasets_of_person(tx, ann.id)) == [(new, 1), (old, 1)]
    assert await database.read(lambda tx: datasets.datasets_of_person(tx, bob.id)) == [(old, 2)]
    hers = await database.read(lambda tx: datasets.lines_of_person(tx, ann.id, limit=9))
    assert hers == [
        datasets.PersonLine(new.number, "Demo", 2, 0, "train", "x", None, None),
        datasets.PersonLine(old.number, "Demo", 1, 0, "train", "x", "e", None),
    ]
    assert await database.read(lambda tx: datasets.lines_of_person(tx, ann.id, limit=1)) == hers[:1]
    place = hers[0].number, hers[0].position
    assert (
        await database.read(lambda tx: datasets.lines_of_person(tx, ann.id, limit=9, after=place)) == hers[1:]
    )
    his = await database.read(lambda tx: datasets.lines_of_person(tx, bob.id, limit=9))
    within = his[0].number, his[0].position
    assert (
        await database.read(lambda tx: datasets.lines_of_person(tx, bob.id, limit=9, after=within)) == his[1:]
    )
    assert [(each.position, each.preference_id) for each in his] == [(0, None), (1, "p")]
    assert await database.read(lambda tx: datasets.lines_of_exchange(tx, of, "x")) == hers
    assert await database.read(lambda tx: datasets.lines_of_example(tx, of, "e")) == hers[1:]
    assert await database.read(lambda tx: datasets.lines_of_exchange(tx, other.workspace.id, "x")) == []


# -- consent


async def test_the_rule_in_sql_is_the_rule_of_may_learn(database: Database) -> None:
    """Every policy and consent, said before, at and after what it covers; and somebody who is not there."""
    for policy in ("opt-in", "opt-out"):
        stage = await set_stage(database, policy=policy)
        whose: list[tuple[Person, int]] = []
        for consent, given_at in product(("unset", "given", "withdrawn"), (None, 5)):
            person = await stage.person(f"{consent} {given_at}")
            await database.write(
                lambda tx, id=person.id, consent=consent, given_at=given_at: tx.run(
                    _STATE, {"of_id": id, "new_consent": consent, "new_given": given_at}
                )
            )
            whose += [(person, at) for at in (4, 5, 6)]
        alone = [(Author(person.id, at),) for person, at in whose]
        pairs = [(a, b) for (a,), (b,) in product(alone[::2], alone[1::3]) if a.person_id != b.person_id]
        every: list[tuple[Author, ...]] = [(), *alone, *pairs]
        dataset = await built(stage, *(row(at, *authors) for at, authors in enumerate(every)))
        refused = await database.read(
            lambda tx, every=every: sum(not people.may_learn(tx, authors) for authors in every)
        )
        counted = await database.read(lambda tx, number=dataset.number: datasets.unconsented(tx, number))
        assert counted == refused
        assert 0 < refused < len(every)


_STATE = Statement(
    update(table(PersonRow))
    .where(table(PersonRow).c.id == bindparam("of_id"))
    .values(consent=bindparam("new_consent"), given_at=bindparam("new_given"))
)
_RULE = Statement(
    select(
        people.covering(
            bindparam("policy", type_=Text),
            bindparam("consent", type_=Text),
            bindparam("given_at", type_=BigInteger),
            bindparam("said_at", type_=BigInteger),
        )
    )
)
_times = st.integers(-3, 3) | st.integers(-(2**62), 2**62)


@given(
    policy=st.sampled_from(["opt-in", "opt-out"]),
    consent=st.sampled_from(["unset", "given", "withdrawn", None]),
    given_at=st.none() | _times,
    said_at=_times,
)
def test_the_rule_is_one(
    policy: str,
    consent: str | None,
    given_at: int | None,
    said_at: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    connection = connect(tmp_path_factory.getbasetemp() / "rule.db")
    asked = {"policy": policy, "consent": consent, "given_at": given_at, "said_at": said_at}
    found = first(SqliteTx(connection), _RULE, asked)
    connection.close()
    assert found is not None
    assert bool(found[0]) == people.covered(policy, consent, given_at, said_at)


@given(given_at=_times, said_at=_times, later=st.integers(0, 10))
def test_what_is_covered_stays_so_when_it_is_said_later(given_at: int, said_at: int, later: int) -> None:
    for policy in ("opt-in", "opt-out"):
        if people.covered(policy, "given", given_at, said_at):
            assert people.covered(policy, "given", given_at, said_at + later)
        assert not people.covered(policy, "withdrawn", given_at, said_at)
        assert not people.covered(policy, None, given_at, said_at)


async def test_a_withdrawal_leaves_the_rows_and_counts_them(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob", agrees=True)
    dataset = await built(stage, row(0, Author(ann.id, 5), Author(bob.id, 5)), row(1, Author(bob.id, 6)))
    number = dataset.number
    assert await database.read(lambda tx: datasets.unconsented(tx, number)) == 0
    await database.write(lambda tx: people.withdraw_consent(tx, ann.id, at=9))
    assert await database.read(lambda tx: datasets.unconsented(tx, number)) == 1
    await database.write(lambda tx: people.withdraw_consent(tx, bob.id, at=9))
    assert await database.read(lambda tx: datasets.unconsented(tx, number)) == 2
    other = await built(stage, row(2, Author(ann.id, 5)), name="Second")
    clean = await built(stage, row(3), name="Third")
    numbers = [number, other.number, clean.number, number]
    counted = await database.read(lambda tx: lineage.unconsented_of(tx, numbers))
    assert counted == {number: 2, other.number: 1}
    assert await database.read(lambda tx: lineage.unconsented_of(tx, [])) == {}
    assert await database.read(lambda tx: datasets.by_number(tx, number)) == dataset
    assert len(await database.read(lambda tx: datasets.lines(tx, number))) == 2


# -- forgetting


async def test_forgetting_takes_the_rows_with_somebodys_words(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    asked = await stage.exchange(await stage.conversation(), ann, "Hi", "Hello")
    rows = (
        row(0, Author(ann.id, 5), Author(bob.id, 5)),
        row(1, Author(bob.id, 5)),
        row(2, Author(bob.id, 5), exchange_id=asked.id),  # came of what she said, whoever wrote what is in it
        row(3),
    )
    one = await built(stage, *rows)
    two = await building(stage, *rows[:2])
    await database.write(lambda tx: datasets.begin(tx, draft(stage, "hers", person_id=ann.id)))
    assert (await database.read(lambda tx: people.held(tx, ann.id))).dataset_lines == 2
    forgotten = await database.write(lambda tx: people.forget(tx, ann.id))
    assert forgotten.dataset_lines == 3
    assert await left(database, one.number) == (1, 2, 1)
    assert await left(database, two) == (1, 1, 1)
    now = await database.read(lambda tx: datasets.by_number(tx, one.number))
    assert now == replace(one, erased=2)
    lines = await database.read(lambda tx: datasets.lines(tx, one.number))
    assert [each.position for each in lines] == [1, 3]
    assert (await finished(stage, two, rows=2)).erased == 1
    assert (await database.read(lambda tx: people.held(tx, bob.id))).dataset_lines == 2


async def test_who_built_it_is_not_known_after_they_are_forgotten(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    number = await database.write(lambda tx: datasets.begin(tx, draft(stage, person_id=ann.id)))
    await database.write(lambda tx: people.forget(tx, ann.id))
    assert (await finished(stage, number)).person_id is None


async def test_words_of_somebody_who_went_meanwhile_are_not_written(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    number = await building(stage)
    await database.write(lambda tx: people.forget(tx, ann.id))
    rows = [row(0, Author(ann.id, 5), Author(bob.id, 5)), row(1, Author(bob.id, 5))]
    await database.write(lambda tx: datasets.add(tx, number, rows))
    done = await finished(stage, number, rows=2)
    assert (done.lines, done.erased) == (2, 1)
    assert await left(database, number) == (1, 1, 1)


async def test_words_do_not_slip_in_while_somebody_goes(database: Database) -> None:
    stage = await set_stage(database)
    number = await building(stage)
    beside = await Database.open(database.url)
    try:
        for turn in range(8):
            ann = await stage.person(f"Ann {turn}")
            rows = [row(turn * 50 + at, Author(ann.id, 5)) for at in range(50)]
            await asyncio.gather(
                database.write(lambda tx, rows=rows: datasets.add(tx, number, rows)),
                beside.write(lambda tx, id=ann.id: people.forget(tx, id)),
            )
            assert await left(database, number) == (1, 0, 0)
    finally:
        await beside.close()
    assert (await finished(stage, number, rows=400)).erased == 400


# -- names


async def test_names_are_told_page_by_page_without_imported_people(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    for name in ("Cid", "Ann", "Bob"):
        await stage.person(name)
    await other.person("Dee")
    key = Into(stage.workspace.id, stage.avatar.id, 0).key("row")
    await database.write(lambda tx: people.ensure(tx, stage.workspace.id, key, "imported"))
    await database.write(lambda tx: people.ensure(tx, stage.workspace.id, "zed", ""))
    of = stage.workspace.id
    every = await database.read(lambda tx: people.names(tx, of))
    assert every == [("ann", "Ann"), ("bob", "Bob"), ("cid", "Cid")]
    assert await database.read(lambda tx: people.names(tx, of, limit=2)) == every[:2]
    assert await database.read(lambda tx: people.names(tx, of, after="bob", limit=2)) == every[2:]
