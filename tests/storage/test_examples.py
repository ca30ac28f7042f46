"""Examples: put, decided on, and findable exactly while they are approved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from storage import avatars, clock, examples, search
from storage.database import Database, Tx
from storage.errors import Missing
from storage.examples import Example, NewExample
from storage.people import Author
from tests.stage import Stage, set_stage

HARBOUR = "When does the harbour open?"


def pair(stage: Stage, said: str = HARBOUR, **changes: Any) -> NewExample:
    new = NewExample(stage.workspace.id, stage.avatar.id, said, "At six.", (), status="approved")
    return replace(new, **changes)


async def put(stage: Stage, new: NewExample) -> Example:
    return await stage.database.write(lambda tx: examples.put(tx, new))


async def found(stage: Stage, words: str = "harbour", channel: str = "") -> list[str]:
    hits = await stage.database.read(lambda tx: search.search(tx, stage.avatar.id, channel, words))
    return [hit.example.id for hit in hits]


async def test_one_put_is_there_as_it_was_put(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    new = pair(
        stage,
        authors=(Author(ann.id, 7), Author(ann.id, 9)),
        audience="dm",
        pattern="question",
        quality=0.75,
        status="proposed",
        reviewed=True,
        pinned=True,
        source="better",
        source_key="key",
        exchange_id="exchange",
        conversation_id="conversation",
    )
    made = await put(stage, new)
    for name in NewExample.__slots__:
        if name != "authors":
            assert getattr(made, name) == getattr(new, name), name
    assert await database.read(lambda tx: examples.get(tx, made.id)) == made
    # Somebody is named once, with what they said first.
    assert await database.read(lambda tx: examples.authors(tx, made.id)) == [Author(ann.id, 7)]
    assert await database.read(lambda tx: examples.of_exchange(tx, "exchange")) == [made]


async def test_without_a_key_each_is_another(database: Database) -> None:
    stage = await set_stage(database)
    one, two = await put(stage, pair(stage)), await put(stage, pair(stage))
    assert one.id != two.id
    assert one.source_key == one.id


async def test_putting_again_brings_it_up_to_date(database: Database, request: pytest.FixtureRequest) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    first = await put(stage, pair(stage, authors=(Author(ann.id, 1),), source_key="k"))
    request.addfinalizer(lambda: clock.use(None))
    clock.use(lambda: first.updated_at + 5)
    after = await put(
        stage,
        pair(stage, "Where is the museum?", authors=(Author(bob.id, 2),), source_key="k", quality=0.25),
    )
    assert (after.id, after.number, after.created_at) == (first.id, first.number, first.created_at)
    assert (after.user_text, after.quality, after.updated_at) == (
        "Where is the museum?",
        0.25,
        first.updated_at + 5,
    )
    assert await database.read(lambda tx: examples.authors(tx, first.id)) == [Author(bob.id, 2)]
    assert await found(stage) == []
    assert await found(stage, "museum") == [first.id]


async def test_what_a_person_decided_stays(database: Database) -> None:
    stage = await set_stage(database)
    made = await put(stage, pair(stage, audience="dm", source_key="k"))

    def decide(tx: Tx) -> None:
        examples.set_status(tx, made.id, "rejected", reviewed=True)
        examples.set_audience(tx, made.id, "")
        examples.set_pinned(tx, made.id, True)

    await database.write(decide)
    again = await put(stage, pair(stage, "Other words", audience="dm", source_key="k", quality=0.5))
    assert (again.status, again.reviewed, again.user_text) == ("rejected", True, HARBOUR)
    assert (again.audience, again.pinned, again.quality) == ("", True, 0.5)


async def test_what_nobody_decided_keeps_only_its_place(database: Database) -> None:
    stage = await set_stage(database)
    made = await put(stage, pair(stage, audience="dm", source_key="k"))
    await database.write(lambda tx: examples.set_audience(tx, made.id, ""))
    await database.write(lambda tx: examples.set_pinned(tx, made.id, True))
    again = await put(stage, pair(stage, audience="dm", source_key="k", status="withdrawn"))
    assert (again.status, again.audience, again.pinned) == ("withdrawn", "", True)


async def test_exactly_the_approved_ones_are_found(database: Database) -> None:
    stage = await set_stage(database)
    made = await put(stage, pair(stage, status="proposed"))
    assert await found(stage) == []
    for status, there in (("approved", True), ("withdrawn", False), ("approved", True), ("rejected", False)):
        await database.write(
            lambda tx, status=status: examples.set_status(tx, made.id, status, reviewed=False)  # type: ignore[arg-type]
        )
        assert await found(stage) == ([made.id] if there else [])


async def test_the_audience_decides_who_finds_it(database: Database) -> None:
    stage = await set_stage(database)
    made = await put(stage, pair(stage, audience="dm"))
    assert await found(stage, channel="general") == []
    assert await found(stage, channel="dm") == [made.id]
    await database.write(lambda tx: examples.set_audience(tx, made.id, ""))
    assert await found(stage, channel="general") == [made.id]


async def test_an_edit_is_found_in_its_new_words_and_has_its_author(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    made = await put(stage, pair(stage, authors=(Author(ann.id, 1),)))
    edited = await database.write(
        lambda tx: examples.edit(tx, made.id, "Where is the museum?", None, author=Author(bob.id, 2))
    )
    assert (edited.user_text, edited.assistant_text, edited.reviewed) == (
        "Where is the museum?",
        "At six.",
        True,
    )
    assert await found(stage) == []
    assert await found(stage, "museum") == [made.id]
    assert await database.read(lambda tx: examples.authors(tx, made.id)) == [
        Author(ann.id, 1),
        Author(bob.id, 2),
    ]


async def test_a_removed_one_is_gone_and_its_number_with_it(database: Database) -> None:
    stage = await set_stage(database)
    made = await put(stage, pair(stage))
    await database.write(lambda tx: examples.remove(tx, made.id))
    assert await found(stage) == []
    assert await database.read(lambda tx: examples.authors(tx, made.id)) == []
    for job in (
        lambda tx: examples.get(tx, made.id),
        lambda tx: examples.remove(tx, made.id),
        lambda tx: examples.set_status(tx, made.id, "approved", reviewed=True),
    ):
        with pytest.raises(Missing):
            await database.write(job)
    assert (await put(stage, pair(stage))).number > made.number


async def test_many_are_put_at_once_and_the_last_of_a_key_counts(database: Database) -> None:
    stage = await set_stage(database)
    old = await put(stage, pair(stage, source_key="3", source="import"))
    new = [pair(stage, f"harbour {number}", source="import", source_key=f"{number}") for number in range(5)]
    new.append(pair(stage, "harbour again", source="import", source_key="4"))
    assert await database.write(lambda tx: examples.put_many(tx, new)) == 5
    listed = await database.read(lambda tx: examples.listed(tx, stage.avatar.id, limit=10))
    assert {each.user_text for each in listed} == {
        *(f"harbour {number}" for number in range(4)),
        "harbour again",
    }
    assert len({each.number for each in listed}) == 5
    assert old.id in {each.id for each in listed}
    assert set(await found(stage)) == {each.id for each in listed}
    assert await database.write(lambda tx: examples.put_many(tx, [])) == 0


async def test_listing_counting_and_looking_up(database: Database) -> None:
    stage = await set_stage(database)
    made = [
        await put(stage, pair(stage, f"Question 100% {number}", status=status))  # type: ignore[arg-type]
        for number, status in enumerate(["approved", "proposed", "approved", "rejected"])
    ]
    odd = await put(stage, pair(stage, "plain", assistant_text="under_score"))
    id_ = stage.avatar.id

    def read(tx: Tx) -> None:
        assert examples.listed(tx, id_, limit=10) == [odd, *made[::-1]]
        assert examples.listed(tx, id_, limit=2, offset=1) == [made[3], made[2]]
        assert examples.listed(tx, id_, status="proposed", limit=10) == [made[1]]
        assert examples.listed(tx, id_, query="QUESTION 100%", limit=10) == made[::-1]
        assert examples.listed(tx, id_, query="r_s", limit=10) == [
            odd
        ]  # a sign of LIKE is a sign like any other
        assert examples.count(tx, id_) == 5
        assert examples.count(tx, id_, "approved", query="question") == 2
        assert examples.count(tx, "none") == 0
        assert examples.numbered(tx, id_, odd.number) == odd
        assert examples.numbered(tx, "none", odd.number) is None
        assert examples.many(tx, [odd.id, "gone", made[0].id]) == [odd, made[0]]
        assert examples.many(tx, []) == []

    await database.read(read)


async def test_the_stable_block(database: Database) -> None:
    stage = await set_stage(database)
    everywhere = await put(stage, pair(stage, pinned=True))
    here = await put(stage, pair(stage, pinned=True, audience="dm"))
    await put(stage, pair(stage, pinned=True, status="rejected"))
    await put(stage, pair(stage))
    other = await database.write(lambda tx: avatars.create(tx, stage.workspace.id, "Bea", prompt="p"))
    await put(stage, pair(stage, pinned=True, avatar_id=other.id))
    for channel, expected in (("dm", [everywhere, here]), ("general", [everywhere])):
        assert await database.read(lambda tx, c=channel: examples.pinned(tx, stage.avatar.id, c)) == expected
