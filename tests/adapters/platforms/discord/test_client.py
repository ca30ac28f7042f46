"""The client as we want it: few intents, and memory that does not grow with the channels it has written to."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from adapters.platforms.base import UserError
from adapters.platforms.discord.client import make_client
from adapters.platforms.discord.places import owners_of
from adapters.platforms.discord.tempo import Tempo
from tests.adapters.platforms.discord.stage import OPTIONS


async def test_it_asks_for_what_it_needs_and_keeps_no_members_or_messages() -> None:
    client, intents = make_client(OPTIONS, Tempo())
    wanted = {name for name, granted in intents if granted}
    assert wanted == {
        "guilds",
        "guild_messages",
        "dm_messages",
        "message_content",
        "guild_reactions",
        "dm_reactions",
    }
    assert not client.cached_messages
    assert client.shard_count == 1


async def test_several_shards_are_served_by_one_client_or_shared_out() -> None:
    as_recommended, _ = make_client(replace(OPTIONS, shard_count=0), Tempo())
    assert isinstance(as_recommended, discord.AutoShardedClient)
    assert as_recommended.shard_count is None
    part, _ = make_client(replace(OPTIONS, shard_count=4, shard_ids=(2, 3)), Tempo())
    assert isinstance(part, discord.AutoShardedClient)
    assert (part.shard_count, part.shard_ids) == (4, [2, 3])


async def test_shards_without_their_number_are_told_in_a_sentence() -> None:
    with pytest.raises(UserError, match="set shard_count"):
        make_client(replace(OPTIONS, shard_count=0, shard_ids=(2, 3)), Tempo())


def test_of_a_team_those_own_it_who_joined_and_may_do_more_than_look() -> None:
    def member(key: int, state: int, role: str) -> dict[str, Any]:
        user = {"id": str(key), "username": "x", "discriminator": "0", "avatar": None}
        return {"user": user, "membership_state": state, "role": role, "permissions": []}

    members = [member(1, 2, ""), member(2, 2, "admin"), member(3, 2, "developer")]
    members += [member(4, 2, "read_only"), member(5, 1, "admin")]
    data: Any = {"id": "9", "name": "Team", "icon": None, "owner_user_id": "1", "members": members}
    state: Any = SimpleNamespace()
    application: Any = SimpleNamespace(team=discord.Team(state, data), owner=SimpleNamespace(id=7))
    assert owners_of(application) == {1, 2, 3}
    assert owners_of(cast("discord.AppInfo", SimpleNamespace(team=None, owner=application.owner))) == {7}


async def test_limits_that_are_over_are_forgotten() -> None:
    client, _ = make_client(OPTIONS, Tempo())
    for number in range(20_000):
        client.http.get_ratelimit(str(number)).expires = 0.0
    assert len(vars(client.http)["_buckets"]) <= 1024
