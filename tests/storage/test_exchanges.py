"""Exchanges: accepted once, completed once, and found again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import exchanges, owed
from storage.conversations import Conversation
from storage.database import Database
from storage.errors import Missing
from storage.exchanges import Completion, Exchange, Pending
from storage.people import Person
from tests.stage import Stage, set_stage


def asked(stage: Stage, talk: Conversation, person: Person, key: str, **changes: object) -> Pending:
    pending = Pending(
        id=f"id of {key}",
        workspace_id=stage.workspace.id,
        conversation_id=talk.id,
        avatar_id=stage.avatar.id,
        person_id=person.id,
        message_key=key,
        user_text="Why?",
        holder="this process",
        reference="abc",
        created_at=5,
    )
    return replace(pending, **changes)  # type: ignore[arg-type]


def answered(id_: str, **changes: object) -> Completion:
    completion = Completion(
        id=id_,
        status="complete",
        reply_text="Because.",
        vendor="embedded",
        model="embedded:base",
        prompt_version_id="version",
        release_id="release",
        example_ids=("one", "two"),
        answered_from=("two",),
        tokens_in=7,
        tokens_out=9,
        cost=0.5,
        first_token_ms=11,
        latency_ms=13,
        error="",
        known=False,
        completed_at=17,
        example_scores=(0.25, 0.75),
    )
    return replace(completion, **changes)  # type: ignore[arg-type]


async def test_a_message_is_accepted_once(database: Database) -> None:
    stage = await set_stage(database)
    pending = asked(stage, await stage.conversation(), await stage.person("Ann"), "m1")
    assert await database.write(lambda tx: exchanges.begin(tx, pending))
    again = replace(pending, id="another", user_text="Something else")
    assert not await database.write(lambda tx: exchanges.begin(tx, again))
    found = await database.read(lambda tx: exchanges.by_message(tx, stage.workspace.id, "m1"))
    assert found is not None
    assert (found.id, found.user_text, found.status, found.origin) == ("id of m1", "Why?", "pending", "chat")
    assert (found.reply_text, found.example_ids, found.scores, found.known) == ("", (), {}, True)
    assert (found.holder, found.reference, found.completed_at, found.cost) == (
        "this process",
        "abc",
        None,
        None,
    )
    with pytest.raises(Missing):
        await database.read(lambda tx: exchanges.get(tx, "another"))


async def test_another_workspace_may_have_a_message_of_that_key(database: Database) -> None:
    for _ in range(2):
        stage = await set_stage(database)
        talk, ann = await stage.conversation(), await stage.person("Ann")
        pending = asked(stage, talk, ann, "m1", id=f"in {stage.workspace.id}")
        assert await database.write(lambda tx, pending=pending: exchanges.begin(tx, pending))


async def test_it_is_completed_once_with_its_provenance(database: Database) -> None:
    stage = await set_stage(database)
    pending = asked(stage, await stage.conversation(), await stage.person("Ann"), "m1")
    await database.write(lambda tx: exchanges.begin(tx, pending))
    done = answered(pending.id)
    assert await database.write(lambda tx: exchanges.complete(tx, done))
    late = answered(pending.id, reply_text="Too late")
    assert not await database.write(lambda tx: exchanges.complete(tx, late))
    assert not await database.write(lambda tx: exchanges.interrupt(tx, pending.id, "no", 1))
    found = await database.read(lambda tx: exchanges.get(tx, pending.id))
    for name in Completion.__slots__:
        assert getattr(found, name) == getattr(done, name), name
    assert found.scores == {"one": 0.25, "two": 0.75}


async def test_the_reply_is_found_by_its_key(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann = await stage.conversation(), await stage.person("Ann")
    for key in ("m1", "m2"):
        pending = asked(stage, talk, ann, key)
        await database.write(lambda tx, pending=pending: exchanges.begin(tx, pending))
    workspace = stage.workspace.id
    for number in (1, 2):
        done = answered(f"id of m{number}", holder="this process")
        await database.write(lambda tx, done=done: exchanges.complete(tx, done))
    assert len(await database.read(owed.listed)) == 2
    await database.write(lambda tx: owed.shown(tx, workspace, "id of m1", ["r1"]))
    await database.write(lambda tx: owed.shown(tx, workspace, "id of m2", ["r2", "r2b", "r2c"]))
    await database.write(lambda tx: owed.shown(tx, workspace, "id of m2", ["r2", "r2b"]))  # told once more
    assert await database.read(owed.listed) == []
    for key, owner in (("r1", "1"), ("r2", "2"), ("r2b", "2"), ("r2c", "2")):
        found = await database.read(lambda tx, key=key: exchanges.by_reply(tx, workspace, key))
        assert found is not None
        assert found.id == f"id of m{owner}"
    assert await database.read(lambda tx: exchanges.by_reply(tx, stage.workspace.id, "r3")) is None
    assert await database.read(lambda tx: exchanges.by_reply(tx, "elsewhere", "r1")) is None


async def test_what_is_pending_can_be_interrupted(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann = await stage.conversation(), await stage.person("Ann")
    for number in range(3):
        pending = asked(stage, talk, ann, f"m{number}", created_at=number)
        await database.write(lambda tx, pending=pending: exchanges.begin(tx, pending))
    await database.write(lambda tx: exchanges.complete(tx, answered("id of m1")))
    assert [each.message_key for each in await database.read(owed.pending)] == ["m0", "m2"]
    assert await database.write(lambda tx: exchanges.interrupt(tx, "id of m0", "it stopped", 99))
    assert not await database.write(lambda tx: exchanges.complete(tx, answered("id of m0")))
    found = await database.read(lambda tx: exchanges.get(tx, "id of m0"))
    assert (found.status, found.error, found.completed_at) == ("interrupted", "it stopped", 99)
    assert [each.message_key for each in await database.read(owed.pending)] == ["m2"]


async def test_any_text_stays_as_it_is(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann = await stage.conversation(), await stage.person("Ann")
    text = "'; DROP TABLE exchange; -- \u202e 🎭 " + "x" * 100_000
    said = await stage.exchange(talk, ann, text, text)
    assert (said.user_text, said.reply_text) == (text, text)
    nothing = await stage.exchange(talk, ann, "a\0b", "c")
    assert nothing.user_text == ("a\ufffdb" if database.postgres else "a\0b")  # Postgres has no place for it


async def lines(stage: Stage, talk: Conversation, limit: int = 10, before: int | None = None) -> list[str]:
    found = await stage.database.read(lambda tx: exchanges.history(tx, talk.id, limit=limit, before=before))
    return [line.reply_text for line in found]


async def test_history_is_what_was_replied_with_the_newest_of_siblings(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann = await stage.conversation(), await stage.person("Ann")
    first = await stage.exchange(talk, ann, "a?", "a1")
    await stage.exchange(talk, ann, "b?", "b1")
    await stage.exchange(talk, ann, "a?", "a2", sibling_of=first.id)
    await stage.exchange(talk, ann, "a?", "a3", sibling_of=first.id)
    third = await stage.exchange(talk, ann, "c?", "c1")
    await stage.exchange(await stage.conversation("elsewhere"), ann, "x?", "x1")
    for key, status, reply in (("f", "failed", ""), ("e", "failed", "half"), ("s", "cancelled", "")):
        pending = asked(stage, talk, ann, key, created_at=stage.at, sibling_of=third.id)
        await database.write(lambda tx, pending=pending: exchanges.begin(tx, pending))
        done = answered(f"id of {key}", status=status, reply_text=reply)
        await database.write(lambda tx, done=done: exchanges.complete(tx, done))
    assert await lines(stage, talk) == [
        "b1",
        "a3",
        "c1",
    ]  # a failed sibling does not take the place of a reply
    assert await lines(stage, talk, limit=2) == ["a3", "c1"]
    assert await lines(stage, talk, before=third.created_at) == ["b1", "a3"]
    line = (await database.read(lambda tx: exchanges.history(tx, talk.id, limit=1)))[0]
    assert (line.exchange_id, line.person_id, line.user_text) == (third.id, ann.id, "c?")


async def test_a_cancelled_reply_counts_as_far_as_it_went(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann = await stage.conversation(), await stage.person("Ann")
    await database.write(lambda tx: exchanges.begin(tx, asked(stage, talk, ann, "m1")))
    stopped = answered("id of m1", status="cancelled", reply_text="Beca")
    await database.write(lambda tx: exchanges.complete(tx, stopped))
    assert await lines(stage, talk) == ["Beca"]
    found = await database.read(lambda tx: exchanges.latest(tx, talk.id))
    assert found is not None
    assert found.status == "cancelled"


async def test_latest_and_siblings(database: Database) -> None:
    stage = await set_stage(database)
    talk, ann = await stage.conversation(), await stage.person("Ann")
    assert await database.read(lambda tx: exchanges.latest(tx, talk.id)) is None
    first = await stage.exchange(talk, ann, "a?", "a1")
    other = await stage.exchange(talk, ann, "b?", "b1")
    again = await stage.exchange(talk, ann, "a?", "a2", sibling_of=first.id)
    await database.write(lambda tx: exchanges.begin(tx, asked(stage, talk, ann, "m", created_at=9_999)))
    assert await database.read(lambda tx: exchanges.latest(tx, talk.id)) == again
    for each in (first, again):
        assert await database.read(lambda tx, each=each: exchanges.siblings(tx, each)) == [first, again]
    assert await database.read(lambda tx: exchanges.siblings(tx, other)) == [other]


async def test_listing_is_of_one_workspace_and_newest_first(database: Database) -> None:
    stage, elsewhere = await set_stage(database), await set_stage(database)
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    talk, other = await stage.conversation(), await stage.conversation("other")
    said = [
        await stage.exchange(talk, ann, "1", "1"),
        await stage.exchange(talk, bob, "2", "2"),
        await stage.exchange(other, ann, "3", "3"),
    ]
    await elsewhere.exchange(await elsewhere.conversation(), await elsewhere.person("Ann"), "4", "4")

    async def listed(**of: object) -> list[Exchange]:
        wanted = {"limit": 10, **of}
        return await database.read(
            lambda tx: exchanges.listed(tx, stage.workspace.id, **wanted)  # type: ignore[arg-type]
        )

    assert await listed() == said[::-1]
    assert await listed(limit=1) == said[2:]
    assert await listed(person_id=ann.id) == [said[2], said[0]]
    assert await listed(conversation_id=talk.id) == [said[1], said[0]]
    assert await listed(avatar_id=stage.avatar.id, before=said[2].created_at) == [said[1], said[0]]
    assert await listed(avatar_id="none") == []


async def test_a_private_exchange_is_visible_where_it_was_said(database: Database) -> None:
    stage, elsewhere = await set_stage(database), await set_stage(database)
    ann = await stage.person("Ann")
    public = await stage.exchange(await stage.conversation(), ann, "a?", "a")
    secret = await stage.exchange(await stage.conversation("dm", private=True), ann, "b?", "b")

    async def seen(exchange: Exchange, channel: str, workspace: str = stage.workspace.id) -> bool:
        return (
            await database.read(lambda tx: exchanges.visible(tx, workspace, exchange.id, channel)) is not None
        )

    assert await seen(public, "here")
    assert await seen(public, "dm")
    assert await seen(secret, "dm")
    assert not await seen(secret, "here")
    assert not await seen(public, "here", elsewhere.workspace.id)
