"""The client as we want it: few intents, and memory that does not grow with the channels it has written to."""

from __future__ import annotations

from dataclasses import replace

import discord

from adapters.platforms.discord.client import make_client
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
    assert not isinstance(client, discord.AutoShardedClient)


async def test_several_shards_are_served_by_one_client_or_shared_out() -> None:
    as_recommended, _ = make_client(replace(OPTIONS, shard_count=0), Tempo())
    assert isinstance(as_recommended, discord.AutoShardedClient)
    assert as_recommended.shard_count is None
    part, _ = make_client(replace(OPTIONS, shard_count=4, shard_ids=(2, 3)), Tempo())
    assert isinstance(part, discord.AutoShardedClient)
    assert (part.shard_count, part.shard_ids) == (4, [2, 3])


async def test_limits_that_are_over_are_forgotten() -> None:
    client, _ = make_client(OPTIONS, Tempo())
    for number in range(20_000):
        client.http.get_ratelimit(str(number)).expires = 0.0
    assert len(vars(client.http)["_buckets"]) <= 1024
