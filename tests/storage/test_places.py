"""Workspaces, channels and conversations: where people talk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from storage import channels, clock, conversations, workspaces
from storage.avatars import Avatar, create
from storage.conversations import Conversation
from storage.database import Database, Tx
from storage.errors import Missing
from tests.stage import Stage, set_stage


async def test_a_workspace_is_made_once_and_keeps_its_policy(database: Database) -> None:
    made = await database.write(lambda tx: workspaces.ensure(tx, "discord", "1", "Guild", "opt-in"))
    again = await database.write(lambda tx: workspaces.ensure(tx, "discord", "1", "", "opt-out"))
    assert again == made
    assert (made.consent, made.default_avatar_id) == ("opt-in", None)
    renamed = await database.write(lambda tx: workspaces.ensure(tx, "discord", "1", "New name", "opt-out"))
    assert (renamed.id, renamed.name, renamed.consent) == (made.id, "New name", "opt-in")
    assert await database.read(lambda tx: workspaces.find(tx, "discord", "1")) == renamed
    assert await database.read(lambda tx: workspaces.find(tx, "slack", "1")) is None


async def test_workspaces_are_listed_from_the_oldest(
    database: Database, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: clock.use(None))
    for at, key in ((3, "c"), (1, "a"), (2, "b")):
        clock.use(lambda at=at: at)
        await database.write(lambda tx, key=key: workspaces.ensure(tx, "discord", key, key, "opt-in"))
    assert [each.key for each in await database.read(workspaces.listed)] == ["a", "b", "c"]


async def test_a_workspace_changes_its_policy_and_its_avatar(database: Database) -> None:
    stage = await set_stage(database)
    id_ = stage.workspace.id

    def change(tx: Tx) -> None:
        workspaces.set_consent(tx, id_, "opt-out")
        workspaces.set_default_avatar(tx, id_, stage.avatar.id)

    await database.write(change)
    found = await database.read(lambda tx: workspaces.get(tx, id_))
    assert (found.consent, found.default_avatar_id) == ("opt-out", stage.avatar.id)


@pytest.mark.parametrize(
    "job",
    [
        lambda tx: workspaces.get(tx, "none"),
        lambda tx: workspaces.set_consent(tx, "none", "opt-in"),
        lambda tx: workspaces.set_default_avatar(tx, "none", None),
        lambda tx: conversations.get(tx, "none"),
    ],
)
async def test_what_is_not_there_is_missing(database: Database, job: Callable[[Tx], object]) -> None:
    with pytest.raises(Missing):
        await database.write(job)


async def second(stage: Stage) -> Avatar:
    return await stage.database.write(lambda tx: create(tx, stage.workspace.id, "Bea", prompt="You are Bea."))


async def test_a_channel_has_one_avatar(database: Database) -> None:
    stage = await set_stage(database)
    other = await second(stage)
    workspace = stage.workspace.id
    assert await database.read(lambda tx: channels.find(tx, workspace, "general")) is None
    bound = await database.write(lambda tx: channels.bind(tx, workspace, "general", stage.avatar.id, True))
    assert (bound.avatar_id, bound.always_on) == (stage.avatar.id, True)
    again = await database.write(lambda tx: channels.bind(tx, workspace, "general", other.id))
    assert (again.id, again.avatar_id, again.always_on) == (bound.id, other.id, False)
    assert await database.read(lambda tx: channels.find(tx, workspace, "general")) == again
    assert await database.write(lambda tx: channels.unbind(tx, workspace, "general"))
    assert not await database.write(lambda tx: channels.unbind(tx, workspace, "general"))


async def current(stage: Stage, avatar: Avatar | None = None) -> Conversation | None:
    who = (avatar or stage.avatar).id
    return await stage.database.read(lambda tx: conversations.current(tx, stage.workspace.id, "here", who))


async def test_a_fresh_conversation_ends_the_open_one(database: Database) -> None:
    stage = await set_stage(database)
    assert await current(stage) is None
    first = await stage.conversation()
    assert await current(stage) == first
    stage.at = 2000
    fresh = await stage.conversation(private=True)
    assert await current(stage) == fresh
    assert (fresh.private, first.private) == (True, False)
    ended = await database.read(lambda tx: conversations.get(tx, first.id))
    assert ended.ended_at == 2000
    assert await current(await set_stage(database)) is None  # another workspace


async def test_each_avatar_has_its_own_in_one_place_and_new_ends_both(database: Database) -> None:
    stage = await set_stage(database)
    other = await second(stage)
    mine = await stage.conversation()
    theirs = await database.write(
        lambda tx: conversations.start(tx, stage.workspace.id, "here", other.id, "here", False, id="theirs")
    )
    assert theirs.id == "theirs"
    assert await current(stage) == mine
    assert await current(stage, other) == theirs
    assert await database.write(lambda tx: conversations.end(tx, stage.workspace.id, "here", 3000))
    assert await current(stage) is None
    assert await current(stage, other) is None
    assert not await database.write(lambda tx: conversations.end(tx, stage.workspace.id, "here", 3000))


async def test_processes_that_open_one_at_once_leave_one_open(database: Database) -> None:
    stage = await set_stage(database)
    other = await Database.open(database.url)

    def job(tx: Tx) -> Conversation:
        workspace, avatar = stage.workspace.id, stage.avatar.id
        return conversations.current(tx, workspace, "here", avatar) or conversations.start(
            tx, workspace, "here", avatar, "here", False
        )

    try:
        opened = await asyncio.gather(*(each.write(job) for each in (database, other) * 8))
        assert await current(stage) in opened
    finally:
        await other.close()
