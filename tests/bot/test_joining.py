"""Who answers an avatar's reply goes on with the conversation that it belongs to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from storage import conversations, exchanges
from storage.database import Database
from storage.exchanges import Exchange
from tests.bot.theatre import ADA, BOB, ELSEWHERE, HERE, Seen, Theatre, play

HERS = replace(HERE, conversation="lobby:ada")
HIS = replace(HERE, conversation="lobby:bob")


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path)


async def exchange(theatre: Theatre, id_: str) -> Exchange:
    return await theatre.database.read(lambda tx: exchanges.get(tx, id_))


def turns(theatre: Theatre) -> list[str]:
    return [turn.text for turn in theatre.model.asked[-1].turns]


async def begin(theatre: Theatre) -> Exchange:
    """Ada's own strand of talk in the lobby, with one reply in two messages."""
    spoken = await theatre.say("hello", who=ADA, place=HERS, seen=Seen(key="first second"))
    return await exchange(theatre, spoken.exchange_id)


@pytest.mark.parametrize("key", ["first", "second"])
async def test_a_message_that_answers_a_reply_joins_its_conversation(theatre: Theatre, key: str) -> None:
    hers = await begin(theatre)
    spoken = await theatre.say("me too", who=BOB, place=HIS, reply_to=key)
    joined = await exchange(theatre, spoken.exchange_id)
    assert joined.conversation_id == hers.conversation_id
    assert joined.person_id != hers.person_id
    assert turns(theatre) == ["hello", "Hello there", "me too"]


async def test_without_that_everybody_has_a_strand_of_their_own(theatre: Theatre) -> None:
    hers = await begin(theatre)
    spoken = await theatre.say("me too", who=BOB, place=HIS)
    assert (await exchange(theatre, spoken.exchange_id)).conversation_id != hers.conversation_id
    assert turns(theatre) == ["me too"]


@pytest.mark.parametrize(
    "place", [replace(HIS, channel="hall"), replace(ELSEWHERE, conversation="lobby:bob")]
)
async def test_no_conversation_is_joined_from_another_room(theatre: Theatre, place: object) -> None:
    hers = await begin(theatre)
    assert isinstance(place, type(HERE))
    spoken = await theatre.say("me too", who=BOB, place=place, reply_to="first")
    assert (await exchange(theatre, spoken.exchange_id)).conversation_id != hers.conversation_id
    assert turns(theatre) == ["me too"]


async def test_no_conversation_is_joined_that_has_ended(theatre: Theatre) -> None:
    hers = await begin(theatre)
    assert (await theatre.command("new", place=HERS)).ok
    spoken = await theatre.say("me too", who=BOB, place=HIS, reply_to="first")
    after = await exchange(theatre, spoken.exchange_id)
    assert after.conversation_id != hers.conversation_id
    joined = await theatre.database.read(lambda tx: conversations.get(tx, after.conversation_id))
    assert joined.key == HIS.conversation
    assert turns(theatre) == ["me too"]


async def test_what_answers_something_else_stays_where_it_is(theatre: Theatre) -> None:
    await begin(theatre)
    assert (await theatre.say("me too", who=BOB, place=HIS, reply_to="unknown")).status == "complete"
    assert turns(theatre) == ["me too"]


async def test_the_very_first_message_may_answer_something(theatre: Theatre) -> None:
    assert (await theatre.say("hello", reply_to="unknown")).status == "complete"


async def test_the_avatar_of_that_reply_answers(theatre: Theatre) -> None:
    hers = await begin(theatre)
    await theatre.command("avatar create", name="Bruno", prompt="You are Bruno.")
    await theatre.command("avatar use", name="Bruno", place=HIS)
    spoken = await theatre.say("and now?", who=BOB, place=HIS)
    assert spoken.avatar == "Bruno"
    spoken = await theatre.say("and you?", who=BOB, place=HIS, reply_to="first")
    assert spoken.avatar == "Guide"
    joined = await exchange(theatre, spoken.exchange_id)
    assert (joined.conversation_id, joined.avatar_id) == (hers.conversation_id, hers.avatar_id)
    assert turns(theatre) == ["hello", "Hello there", "and you?"]


async def test_an_avatar_that_got_another_name_still_answers(theatre: Theatre) -> None:
    await begin(theatre)
    await theatre.command("avatar create", name="Bruno", prompt="You are Bruno.")
    await theatre.command("avatar use", name="Bruno", place=HIS)
    await theatre.command("avatar edit", name="Guide", rename="Guido")
    spoken = await theatre.say("and you?", who=BOB, place=HIS, reply_to="first")
    assert spoken.avatar == "Guido"


async def test_an_answer_teaches_in_the_conversation_that_it_joins(theatre: Theatre) -> None:
    hers = await begin(theatre)
    spoken = await theatre.say("No, the answer is: good evening.", who=BOB, place=HIS, reply_to="first")
    assert (spoken.status, spoken.exchange_id) == ("taught", hers.id)


async def test_what_is_said_in_a_room_that_was_closed_since_is_kept_apart(theatre: Theatre) -> None:
    hers = await begin(theatre)
    spoken = await theatre.say("psst", who=BOB, place=replace(HIS, private=True), reply_to="first")
    assert (await exchange(theatre, spoken.exchange_id)).conversation_id != hers.conversation_id
    assert turns(theatre) == ["psst"]
