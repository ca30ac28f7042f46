"""Whose words a history holds: consent is asked of those who wrote them, not of who had a reply given again."""

from __future__ import annotations

from storage import exchanges
from storage.database import Database
from tests.stage import set_stage


async def test_a_question_answered_again_stays_its_askers(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann, bob = await stage.conversation(), await stage.person("Ann"), await stage.person("Bob")
    first = await stage.exchange(talk, ann, "a?", "a1")
    await stage.exchange(talk, bob, "a?", "a2", sibling_of=first.id)
    (line,) = await database.read(lambda tx: exchanges.history(tx, talk.id, limit=9))
    assert (line.reply_text, line.person_id, line.created_at) == ("a2", ann.id, first.created_at)


async def test_what_was_answered_again_later_was_there_before(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann, bob = await stage.conversation(), await stage.person("Ann"), await stage.person("Bob")
    first = await stage.exchange(talk, ann, "a?", "a1")
    second = await stage.exchange(talk, bob, "b?", "b1")
    await stage.exchange(talk, ann, "a?", "a2", sibling_of=first.id)
    found = await database.read(lambda tx: exchanges.history(tx, talk.id, limit=9, before=second.created_at))
    assert [(line.reply_text, line.person_id) for line in found] == [("a1", ann.id)]
