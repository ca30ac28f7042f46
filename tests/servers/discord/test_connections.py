"""Connections break and requests are refused, as on the real Discord."""

from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from tests.servers.discord import DiscordServer
from tests.servers.discord.pointing import point_discord_at
from tests.servers.discord.stand_in import Birds, Bot


@pytest.mark.parametrize("how", ["drop", "reconnect", "resumable", "closed"])
async def test_a_lost_connection_loses_nothing(birds: Birds, how: str) -> None:
    bot = await birds.start(Bot())
    await birds.ada.says(birds.general, "one")
    await birds.world.until(lambda: bot.said == ["one"])
    if how == "drop":
        birds.world.drop_sockets()
    elif how == "reconnect":
        birds.world.ask_to_reconnect()
    elif how == "resumable":
        birds.world.invalidate_sessions(resumable=True)
    else:
        birds.world.close_sockets(4000)
    await birds.ada.says(birds.general, "two")
    await birds.world.until(lambda: not birds.world.gateway.connected)
    await birds.ada.says(birds.general, "three")
    await birds.world.until(lambda: birds.world.gateway.resumed == 1)
    await birds.ada.says(birds.general, "four")
    await birds.world.until(lambda: "four" in bot.said)
    assert bot.said == ["one", "two", "three", "four"]
    assert birds.world.gateway.identified == 1


async def test_a_session_that_is_over_is_started_anew(birds: Birds) -> None:
    bot = await birds.start(Bot())
    birds.world.invalidate_sessions(resumable=False)
    await birds.world.until(lambda: birds.world.gateway.identified == 2 and bot.guilds)
    await birds.ada.says(birds.general, "hello")
    await birds.world.until(lambda: bot.said == ["hello"])
    birds.world.gateway.forget()
    birds.world.drop_sockets()
    await birds.world.until(lambda: birds.world.gateway.identified == 3)
    assert birds.world.gateway.resumed == 0


async def test_heartbeats_are_answered(birds: Birds) -> None:
    birds.world.gateway.heartbeat_ms = 20
    bot = await birds.start(Bot())
    await birds.world.until(lambda: birds.world.gateway.heartbeats > 2)
    assert bot.latency < 5


async def test_shards_hear_of_their_own_guilds(birds: Birds) -> None:
    birds.world.shards = 2
    point_discord_at(birds.world.url)
    heard: list[str] = []
    client = discord.AutoShardedClient(intents=discord.Intents.all(), guild_ready_timeout=0.02)
    client.before_identify_hook = Bot.before_identify_hook.__get__(client)

    @client.event
    async def on_message(message: discord.Message) -> None:  # pyright: ignore[reportUnusedFunction]
        heard.append(message.content)

    task = asyncio.create_task(client.start(birds.world.token))
    await birds.world.until(lambda: birds.world.gateway.identified == 2, 20)
    await birds.ada.says(birds.general, "once")
    await birds.world.until(lambda: heard == ["once"])
    await client.close()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_429_is_waited_out(birds: Birds) -> None:
    bot = await birds.start(Bot())
    birds.world.faults.answer(429, "POST", r"/channels/\d+/messages", times=2, retry_after=0.01)
    await bot.get_partial_messageable(birds.general.id).send("late")
    assert birds.world.calls["POST /channels/{channel_id}/messages"] == 3
    assert [m.content for m in birds.general.history] == ["late"]


async def test_limits_as_asked_for(birds: Birds) -> None:
    bot = await birds.start(Bot())
    birds.world.limits.limit(r"^PATCH /channels/\{channel_id\}/messages", 2, 0.2)
    message = await bot.get_partial_messageable(birds.general.id).send("0")
    for n in range(1, 6):
        await message.edit(content=str(n))
    assert birds.general.last.revisions == ["0", "1", "2", "3", "4"]
    assert not birds.world.limits.refused  # the client reads the headers and waits by itself
    async with aiohttp.ClientSession(headers={"Authorization": "Bot bot-token"}) as session:
        url = f"{birds.world.url}/api/v10/channels/{birds.general.id}/messages/{message.id}"
        answers = [await session.patch(url, json={"content": "6"}) for _ in range(3)]
        refusal = next(answer for answer in answers if answer.status == 429)
        body = await refusal.json()
    assert body["global"] is False
    assert 0 < body["retry_after"] <= 0.2
    assert float(refusal.headers["Retry-After"]) == body["retry_after"]


async def test_an_answer_may_be_lost(birds: Birds) -> None:
    bot = await birds.start(Bot())
    channel = bot.get_partial_messageable(birds.general.id)
    birds.world.faults.lose("POST", "/messages")
    with pytest.raises((aiohttp.ClientError, OSError)):
        await channel.send("done", nonce="7")
    again = await channel.send("done", nonce="7")
    assert [m.id for m in birds.general.history] == [again.id]
    birds.world.faults.close("POST", "/messages", every=2)
    await channel.send("first")
    with pytest.raises((aiohttp.ClientError, OSError)):
        await channel.send("second")
    birds.world.faults.answer(503, "POST", "/messages")
    with pytest.raises(discord.DiscordServerError):
        await channel.send("third")
    assert [m.content for m in birds.general.history] == ["done", "first"]


async def test_an_answer_can_be_held(birds: Birds) -> None:
    bot = await birds.start(Bot())
    held = birds.world.faults.hold("POST", "/messages")
    sending = asyncio.create_task(bot.get_partial_messageable(birds.general.id).send("slow"))
    await held.arrived.wait()
    assert not birds.general.messages
    held.release()
    assert (await sending).content == "slow"


async def test_limits_as_discord_has_them(birds: Birds) -> None:
    birds.world.limits.real()
    async with aiohttp.ClientSession(headers={"Authorization": "Bot bot-token"}) as session:
        url = f"{birds.world.url}/api/v10/channels/{birds.general.id}/messages"
        answers = [await session.post(url, json={"content": str(n)}) for n in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert birds.world.limits.refused.total() == 1


async def test_the_network_before_discord_fails(birds: Birds) -> None:
    bot = await birds.start(Bot())
    channel = bot.get_partial_messageable(birds.general.id)
    birds.world.faults.answer(429, "POST", "/messages", cloudflare=True)
    with pytest.raises(discord.HTTPException) as banned:
        await channel.send("hello")
    assert banned.value.status == 429
    birds.world.faults.answer(503, "CONNECT", "/gateway")
    birds.world.drop_sockets()
    await birds.ada.says(birds.general, "are you there?")
    await birds.world.until(lambda: bot.said == ["are you there?"], 20)
    assert birds.world.gateway.resumed + birds.world.gateway.identified == 2


async def test_a_wait_that_fails_shows_the_world(birds: Birds) -> None:
    await birds.ada.says(birds.general, "hello?")
    with pytest.raises(AssertionError, match=r"Ada: hello\?"):
        await birds.world.until(lambda: False, 0.01)


async def test_unknown_routes_are_told() -> None:
    async with DiscordServer() as world, aiohttp.ClientSession() as session:
        answer = await session.get(f"{world.url}/api/v10/stickers/7")
        assert (answer.status, await answer.json()) == (404, {"message": "404: Not Found", "code": 0})
        assert world.unknown_routes == ["GET /api/v10/stickers/7"]
