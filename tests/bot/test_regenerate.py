"""A reply given again: in its own conversation, and as often as one likes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapters.platforms.base import Access
from storage import people
from storage.database import Database
from tests.bot.theatre import ADA, BOB, HERE, Seen, play


async def test_only_in_the_conversation_it_belongs_to(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    first = await theatre.say("hello")
    await theatre.command("new")
    for _ in range(2):
        again = await theatre.command("regenerate", seen=Seen(), exchange=first.exchange_id)
        assert (again.ok, "another conversation" in again.text) == (False, True)
        await theatre.say("something else")


async def test_it_goes_on_after_a_sibling_was_deleted(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    await theatre.say("hello", who=ADA)
    seen: list[object] = []
    for who in (replace(BOB, access=Access.REVIEWER), ADA):
        assert (await theatre.command("regenerate", who=who, seen=Seen())).ok
    scene = await theatre.services.scenes.find(HERE, BOB)
    await database.write(lambda tx: people.forget(tx, scene.person.id))
    for _ in range(2):
        answer = await theatre.command("regenerate", who=ADA, seen=Seen())
        assert isinstance(answer.data, dict)
        assert answer.data["reply"] == "Hello there"
        seen.append(answer.data["exchange_id"])
    assert len(set(seen)) == 2


async def test_by_whoever_joined_the_conversation_and_by_a_reviewer_of_it(
    database: Database, tmp_path: Path
) -> None:
    theatre = play(database, tmp_path)
    hers, his = replace(HERE, conversation="lobby:ada"), replace(HERE, conversation="lobby:bob")
    await theatre.say("hello", who=ADA, place=hers, seen=Seen(key="first"))
    joined = await theatre.say("me too", who=BOB, place=his, reply_to="first")
    for who, place in (
        (BOB, his),
        (replace(ADA, key="eve", name="Eve"), replace(HERE, conversation="lobby:eve")),
    ):
        again = await theatre.command(
            "regenerate", who=who, place=place, seen=Seen(), exchange=joined.exchange_id
        )
        assert again.ok, again.text
        assert [turn.text for turn in theatre.model.asked[-1].turns] == ["hello", "Hello there", "me too"]
    elsewhere = replace(HERE, channel="hall", conversation="hall:bob")
    again = await theatre.command(
        "regenerate", who=BOB, place=elsewhere, seen=Seen(), exchange=joined.exchange_id
    )
    assert (again.ok, "another conversation" in again.text) == (False, True)
