"""What a dataset can be built from: talks, pairs and preferences, page by page, each with whether it may be learnt from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import candidates, examples, people, preferences, ratings
from storage.candidates import Improved, Linked, Pair, Preferred, Said, Talk, Totals
from storage.database import Database
from storage.examples import NewExample
from storage.exchanges import Exchange
from storage.people import Author, Person
from storage.preferences import NewPreference
from storage.ratings import MarkEvent
from tests.stage import Stage, set_stage

EVER = 2**62


async def talks(stage: Stage, *, after: str = "", limit: int = 100, until: int = EVER) -> list[Talk]:
    return await stage.database.read(
        lambda tx: candidates.talks(tx, stage.avatar.id, after=after, limit=limit, until=until)
    )


async def rate(
    stage: Stage, exchange: Exchange, person: Person, stars: int | None, **said: str | bool
) -> None:
    event = MarkEvent("stars", 2000, stars, **said)  # type: ignore[arg-type]
    await stage.database.write(
        lambda tx: (
            ratings.apply(tx, exchange.id, person.id, event),
            ratings.requality(tx, exchange.id),
        )
    )


async def put(stage: Stage, new: NewExample) -> examples.Example:
    return await stage.database.write(lambda tx: examples.put(tx, new))


def pair(stage: Stage, *authors: Author, source: str = "hand", status: str = "approved") -> NewExample:
    return NewExample(
        stage.workspace.id,
        stage.avatar.id,
        "How tall?",
        "330 metres.",
        authors,
        status=status,  # type: ignore[arg-type]
        source=source,
    )


async def test_a_talk_holds_its_exchanges_with_what_decides_about_them(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob")
    here = await stage.conversation("here", private=True)
    first = await stage.exchange(here, ann, "How tall is the tower?", "Tall.")
    again = await stage.exchange(here, bob, "How tall is the tower?", "330 metres.", sibling_of=first.id)
    second = await stage.exchange(here, bob, "And the zoo?", "I do not know.", known=False)
    await rate(stage, first, bob, 2)
    await rate(stage, first, ann, 5)
    await rate(stage, again, ann, None, comment="fine")
    await rate(stage, second, ann, None, better="Beside the museum.", by_reviewer=True)
    await rate(stage, second, bob, None, better="Nowhere.")
    quality = (await database.read(lambda tx: ratings.standing(tx, first.id))).quality

    (talk,) = await talks(stage)
    assert (talk.id, talk.key, talk.private, talk.channel) == (here.id, "here", True, "here")
    one, two, three = talk.exchanges
    assert one == Said(
        id=first.id,
        person_id=ann.id,
        user_text="How tall is the tower?",
        reply_text="Tall.",
        created_at=first.created_at,
        said_at=first.created_at,
        origin="chat",
        known=True,
        quality=quality,
        mean=3.5,
        raters=tuple(sorted([(ann.id, 5), (bob.id, 2)])),
        better=(),
        sibling_of=None,
        prompt_version_id=None,
        may_learn=True,
        example=None,
    )
    # The question that was answered again is still hers, and as old.
    assert (two.id, two.person_id, two.sibling_of, two.may_learn) == (again.id, ann.id, first.id, True)
    assert (two.created_at, two.said_at) == (again.created_at, first.created_at)
    assert (two.mean, two.raters) == (None, ())
    assert (three.person_id, three.known, three.may_learn) == (bob.id, False, False)
    assert three.better == (Improved(ann.id, "Beside the museum.", True, 2000),)  # he agreed to nothing
    assert (three.mean, three.raters) == (None, ())


async def test_the_example_of_an_exchange_comes_with_it(database: Database) -> None:
    stage = await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob")
    here = await stage.conversation()
    asked = await stage.exchange(here, ann, "How tall?", "Tall.")
    new = NewExample(
        stage.workspace.id,
        stage.avatar.id,
        "How tall?",
        "Tall.",
        (Author(ann.id, 5),),
        audience="here",
        source="exchange",
        source_key=asked.id,
        exchange_id=asked.id,
        conversation_id=here.id,
    )
    made = await put(stage, new)
    linked = Linked(made.id, "proposed", False, "exchange", "How tall?", "Tall.", "here", (), True)
    assert (await talks(stage))[0].exchanges[0].example == linked

    await database.write(lambda tx: examples.edit(tx, made.id, None, "330 metres.", author=Author(bob.id, 9)))
    await database.write(lambda tx: examples.set_status(tx, made.id, "approved", reviewed=True))
    edited = (await talks(stage))[0].exchanges[0].example
    words = (Author(ann.id, 5), Author(bob.id, 9))
    assert edited == Linked(
        made.id, "approved", True, "exchange", "How tall?", "330 metres.", "here", words, False
    )
    # Of two, what a person decided counts; a better answer is a pair of its own.
    await put(stage, replace(new, source="import", status="approved"))
    better = await put(stage, replace(new, source="better", status="approved", source_key="b"))
    found = await talks(stage)
    assert found[0].exchanges[0].example == edited
    pairs = await database.read(lambda tx: candidates.pairs(tx, stage.avatar.id, until=EVER))
    assert [each.id for each in pairs] == [better.id]
    by_id = await database.read(lambda tx: candidates.talks_of(tx, [here.id, "nothing"], until=EVER))
    assert by_id == {here.id: found[0]}
    assert await database.read(lambda tx: candidates.talks_of(tx, [], until=EVER)) == {}
    assert await database.read(lambda tx: candidates.talks_of(tx, [here.id], until=0)) == {}


async def test_talks_come_page_by_page_and_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    ann, stranger = await stage.person("Ann"), await other.person("Ann")
    await other.exchange(await other.conversation(), stranger, "Elsewhere?", "Yes.")
    ids: list[str] = []
    for key, count in (("a", 2), ("b", 1), ("c", 4), ("d", 1)):
        conversation = await stage.conversation(key)
        ids.append(conversation.id)
        for number in range(count):
            asked = await stage.exchange(conversation, ann, f"{key}{number}?", "Yes.")
            await rate(stage, asked, ann, 4)
    await stage.conversation("silent")

    async def pages(limit: int) -> list[list[tuple[str, int]]]:
        found: list[list[tuple[str, int]]] = []
        after = ""
        while page := await talks(stage, after=after, limit=limit):
            found.append([(talk.id, len(talk.exchanges)) for talk in page])
            after = page[-1].id
        return found

    every = list(zip(ids, (2, 1, 4, 1), strict=True))
    assert await pages(100) == [every]
    assert await pages(3) == [every[:3], every[3:]]
    monkeypatch.setattr("storage.talks.MOST", 3)  # a talk that is longer than a page comes whole, alone
    assert await pages(100) == [every[:2], every[2:3], every[3:]]
    assert [said.user_text for said in (await talks(stage, after=ids[1]))[0].exchanges] == [
        f"c{number}?" for number in range(4)
    ]


async def test_what_was_said_or_made_later_is_not_there_yet(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    here = await stage.conversation()
    first = await stage.exchange(here, ann, "One?", "Yes.")
    await stage.exchange(here, ann, "Two?", "Yes.")
    await stage.exchange(await stage.conversation("there"), ann, "Three?", "Yes.")
    (talk,) = await talks(stage, until=first.created_at)
    assert [said.user_text for said in talk.exchanges] == ["One?"]
    made = await put(stage, pair(stage, Author(ann.id, 5)))

    async def until(at: int) -> list[Pair]:
        return await database.read(lambda tx: candidates.pairs(tx, stage.avatar.id, until=at))

    assert await until(made.created_at - 1) == []
    assert len(await until(made.created_at)) == 1


async def test_exchanges_of_one_moment_have_one_order(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    here = await stage.conversation()
    ids: list[str] = []
    for number in range(5):
        stage.at = 5000
        ids.append((await stage.exchange(here, ann, f"{number}?", "Yes.")).id)
    (talk,) = await talks(stage)
    assert [said.id for said in talk.exchanges] == sorted(ids)


async def test_pairs_are_what_no_exchange_carries(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    ann, bob = await stage.person("Ann", agrees=True), await stage.person("Bob")
    await put(other, pair(other))
    hers = await put(stage, replace(pair(stage, Author(ann.id, 5)), audience="here", reviewed=True))
    both = await put(stage, pair(stage, Author(ann.id, 5), Author(bob.id, 4), source="teach"))
    guide = await put(stage, pair(stage, source="guide"))
    loose = await put(stage, pair(stage, Author(ann.id, 5), source="import"))
    for status in ("proposed", "rejected", "withdrawn"):
        await put(stage, pair(stage, status=status))

    async def page(after: str = "", limit: int = 500) -> list[Pair]:
        return await database.read(
            lambda tx: candidates.pairs(tx, stage.avatar.id, after=after, limit=limit, until=EVER)
        )

    found = await page()
    assert [each.id for each in found] == [hers.id, both.id, guide.id, loose.id]
    assert found[0] == Pair(
        id=hers.id,
        user_text="How tall?",
        assistant_text="330 metres.",
        source="hand",
        exchange_id=None,
        conversation_id=None,
        audience="here",
        quality=1.0,
        reviewed=True,
        authors=(Author(ann.id, 5),),
        may_learn=True,
        created_at=hers.created_at,
    )
    assert (found[1].authors, found[1].may_learn) == ((Author(bob.id, 4), Author(ann.id, 5)), False)
    assert (found[2].authors, found[2].may_learn) == ((), True)
    assert [each.id for each in await page(limit=2)] == [hers.id, both.id]
    assert [each.id for each in await page(after=both.id)] == [guide.id, loose.id]


async def test_preferences_come_with_everyones_consent(database: Database) -> None:
    stage = await set_stage(database, policy="opt-out")
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    context = (("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"))
    for key, authors in (("a", (Author(ann.id, 5),)), ("b", (Author(ann.id, 5), Author(bob.id, 6)))):
        new = NewPreference(
            stage.workspace.id, stage.avatar.id, context, "Because.", "No idea.", authors, "import", key
        )
        await database.write(lambda tx, new=new: preferences.put(tx, new))

    async def page(after: str = "") -> list[Preferred]:
        return await database.read(
            lambda tx: candidates.preferred(tx, stage.avatar.id, after=after, limit=1, until=EVER)
        )

    (one,) = await page()
    (two,) = await page(one.id)
    assert await page(two.id) == []
    assert (one.context, one.chosen, one.rejected) == (context, "Because.", "No idea.")
    assert (one.source, one.exchange_id, one.authors) == ("import", None, (Author(ann.id, 5),))
    assert (one.may_learn, two.may_learn) == (True, True)
    # His withdrawal would take the preference away; here he says no elsewhere, before this one is put.
    await database.write(lambda tx: people.withdraw_consent(tx, bob.id, at=9))
    await database.write(lambda tx: preferences.put(tx, new))
    (later,) = await page(one.id)
    assert (later.may_learn, [author.person_id for author in later.authors]) == (False, [ann.id, bob.id])


async def test_consent_of_a_question_is_that_of_its_moment(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann")
    here = await stage.conversation()
    early = await stage.exchange(here, ann, "Early?", "Yes.")
    late = await stage.exchange(here, ann, "Late?", "Yes.")
    await stage.exchange(here, ann, "Early?", "No.", sibling_of=early.id)
    await database.write(
        lambda tx: people.give_consent(tx, ann.id, at=late.created_at, covers_from=late.created_at)
    )
    (talk,) = await talks(stage)
    assert [(said.user_text, said.may_learn) for said in talk.exchanges] == [
        ("Early?", False),
        ("Late?", True),
        ("Early?", False),
    ]


async def test_totals_count_what_is_there(database: Database) -> None:
    stage, other = await set_stage(database), await set_stage(database)
    ann = await stage.person("Ann")
    here = await stage.conversation()
    rated = await stage.exchange(here, ann, "One?", "Yes.")
    await stage.exchange(here, ann, "Two?", "Yes.")
    await rate(stage, rated, ann, 4)
    await put(stage, pair(stage))
    await put(stage, pair(stage, status="proposed"))
    new = NewPreference(
        stage.workspace.id, stage.avatar.id, (("user", "Why?"),), "So.", "No.", (), "import", "k"
    )
    await database.write(lambda tx: preferences.put(tx, new))
    assert await database.read(lambda tx: candidates.totals(tx, stage.avatar.id)) == Totals(1, 2, 1, 1, 1)
    assert await database.read(lambda tx: candidates.totals(tx, other.avatar.id)) == Totals(0, 0, 0, 0, 0)
