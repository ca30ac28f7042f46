"""Ratings in the database: one row for each person, and the quality that follows."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import exchanges, ratings
from storage.database import Database, Tx
from storage.errors import Missing
from storage.exchanges import Exchange
from storage.people import Person
from storage.ratings import CAP, Applied, MarkEvent, Rating, Shrinkage, shrunken
from tests.stage import Stage, set_stage
from tests.storage.test_marks import events


async def rated(stage: Stage, person: Person, exchange: Exchange, *marks: MarkEvent) -> list[Applied]:
    def job(tx: Tx) -> list[Applied]:
        applied = [ratings.apply(tx, exchange.id, person.id, event) for event in marks]
        ratings.requality(tx, exchange.id)
        return applied

    return await stage.database.write(job)


async def asked(stage: Stage, person: Person) -> Exchange:
    return await stage.exchange(await stage.conversation(), person, "Why?", "Because.")


async def quality(stage: Stage, exchange: Exchange) -> tuple[float | None, int]:
    found = await stage.database.read(lambda tx: exchanges.get(tx, exchange.id))
    return found.quality, found.ratings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data(), history=st.lists(events(), min_size=1, max_size=6))
async def test_any_order_and_repetition_leaves_the_same_row(
    database: Database, data: st.DataObject, history: list[MarkEvent]
) -> None:
    shuffled = data.draw(st.permutations(history + history[:2]))
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    left: list[tuple[object, ...]] = []
    for marks in (history, shuffled):
        exchange = await asked(stage, ann)
        await rated(stage, ann, exchange, *marks)
        row = await database.read(lambda tx, id=exchange.id: ratings.of_person(tx, id, ann.id))
        assert row is not None
        left.append((*verdict(row), row.created_at, row.updated_at, await quality(stage, exchange)))
    assert left[0] == left[1]


def verdict(row: Rating) -> tuple[object, ...]:
    return row.stars, row.comment, row.better, row.better_by_reviewer


async def test_one_row_for_each_person(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    exchange = await asked(stage, ann)
    await rated(stage, ann, exchange, MarkEvent("stars", 1, 5), MarkEvent("stars", 2, 4))
    await rated(stage, bob, exchange, MarkEvent("stars", 1, 2))
    rows = await database.read(lambda tx: ratings.of_exchange(tx, exchange.id))
    assert {row.person_id: row.stars for row in rows} == {ann.id: 4, bob.id: 2}


async def test_what_changed_is_told(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    exchange = await asked(stage, ann)
    once, again, older = await rated(
        stage, ann, exchange, MarkEvent("stars", 2, 5), MarkEvent("stars", 2, 5), MarkEvent("stars", 1, 1)
    )
    assert (once.before, once.after.stars, once.changed) == (None, 5, True)
    assert (again.after.stars, again.changed) == (5, False)
    assert (older.after.stars, older.changed) == (5, False)


async def test_a_tombstone_counts_nowhere_and_outlives_late_events(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    exchange = await asked(stage, ann)
    await rated(stage, ann, exchange, MarkEvent("", 9, clear=True))
    await rated(stage, ann, exchange, MarkEvent("stars", 5, 5))
    assert await database.read(lambda tx: ratings.of_exchange(tx, exchange.id)) == []
    assert await quality(stage, exchange) == (None, 0)
    row = await database.read(lambda tx: ratings.of_person(tx, exchange.id, ann.id))
    assert row is not None
    assert row.empty


async def test_a_better_answer_keeps_when_it_was_said(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    exchange = await asked(stage, ann)
    better = MarkEvent("form", 3, rates=False, better=" So. ", by_reviewer=True)
    await rated(stage, ann, exchange, better, MarkEvent("stars", 9, 1))
    found = await database.read(lambda tx: ratings.betters(tx, exchange.id))
    assert [(each.person_id, each.text, each.by_reviewer, each.said_at) for each in found] == [
        (ann.id, "So.", True, 3)
    ]


async def test_an_exchange_that_is_gone_is_missing(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    with pytest.raises(Missing):
        await database.write(lambda tx: ratings.apply(tx, "gone", ann.id, MarkEvent("stars", 1, 5)))
    with pytest.raises(Missing):
        await database.write(lambda tx: ratings.requality(tx, "gone"))


async def test_quality_is_the_mean_drawn_toward_the_prior(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    exchange = await asked(stage, ann)
    await rated(stage, ann, exchange, MarkEvent("stars", 1, 5))
    assert await quality(stage, exchange) == (pytest.approx((0.5 + 1) / 2), 1)
    await rated(stage, bob, exchange, MarkEvent("stars", 1, 4))
    assert await quality(stage, exchange) == (pytest.approx((0.5 + 1 + 0.75) / 3), 2)
    standing = await database.read(lambda tx: ratings.standing(tx, exchange.id, Shrinkage(0.0, 2.0)))
    assert (standing.count, standing.mean) == (2, pytest.approx(4.5))
    assert standing.quality == pytest.approx(1.75 / 4)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20), st.floats(0, 1), st.floats(0.1, 10)
)
def test_quality_stays_between_the_votes_and_the_prior(
    votes: list[tuple[float, float]], prior: float, weight: float
) -> None:
    values = [prior, *(value for value, _ in votes)]
    assert min(values) - 1e-9 <= shrunken(votes, Shrinkage(prior, weight)) <= max(values) + 1e-9


async def test_somebody_who_rates_hundreds_has_a_bounded_say(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratings, "CAP", 2)
    stage = await set_stage(database)
    eager, bob = await stage.person("Eager"), await stage.person("Bob")
    rated_ones = [await asked(stage, bob) for _ in range(6)]
    for at, exchange in enumerate(rated_ones):
        await rated(stage, eager, exchange, MarkEvent("stars", at, 5))
    seen = [(await quality(stage, exchange))[0] or 0.0 for exchange in rated_ones]
    assert seen[0] == seen[1] == pytest.approx(0.75)
    assert seen[1:] == sorted(seen[1:], reverse=True)
    assert seen[5] == pytest.approx((0.5 + (2 / 6) ** 2) / (1 + (2 / 6) ** 2))
    await rated(stage, bob, rated_ones[5], MarkEvent("stars", 99, 1))
    assert (await quality(stage, rated_ones[5]))[0] == pytest.approx((0.5 + 1 / 9) / (2 + 1 / 9))


def test_all_votes_of_one_person_together_stay_below_twice_the_cap() -> None:
    assert sum(min(1.0, (CAP / k) ** 2) for k in range(1, 100_000)) < 2 * CAP


async def test_people_who_rate_at_the_same_moment_all_count(database: Database) -> None:
    stage = await set_stage(database)
    crowd = [await stage.person(f"Person {number}") for number in range(12)]
    exchange = await asked(stage, crowd[0])
    await asyncio.gather(*(rated(stage, person, exchange, MarkEvent("stars", 1, 5)) for person in crowd))
    assert await quality(stage, exchange) == (pytest.approx(12.5 / 13), 12)


async def test_two_processes_that_rate_at_the_same_moment_lose_nothing(database: Database) -> None:
    stage = await set_stage(database)
    crowd = [await stage.person(f"Person {number}") for number in range(12)]
    exchange = await asked(stage, crowd[0])
    other = await Database.open(database.url)
    try:
        sides = (stage, Stage(other, stage.workspace, stage.avatar))
        mark = MarkEvent("stars", 1, 5)
        ones = (rated(sides[number % 2], person, exchange, mark) for number, person in enumerate(crowd))
        await asyncio.gather(*ones)
    finally:
        await other.close()
    assert await quality(stage, exchange) == (pytest.approx(12.5 / 13), 12)


async def test_what_somebody_rated_last_is_found_with_what_was_asked(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    conversation = await stage.conversation()
    first, second, third, fourth = [
        await stage.exchange(conversation, ann, question, "So.")
        for question in ("One?", "Two?", "Three?", "Four?")
    ]
    await rated(stage, ann, first, MarkEvent("stars", 10, 4))
    await rated(stage, ann, second, MarkEvent("stars", 20, 1), MarkEvent("stars", 30))
    await rated(stage, bob, third, MarkEvent("stars", 40, 5))
    await rated(stage, ann, fourth, MarkEvent("form", 50, rates=False, comment="Hm."))
    found = await database.read(lambda tx: ratings.latest(tx, ann.id, 5))
    assert [(each.stars, each.comment, question) for each, question in found] == [
        (None, "Hm.", "Four?"),
        (4, "", "One?"),
    ]
    await rated(stage, ann, first, MarkEvent("stars", 60, 3))
    [(newest, question)] = await database.read(lambda tx: ratings.latest(tx, ann.id, 1))
    assert (newest.stars, question) == (3, "One?")
