"""Deliveries over both transports: redelivered, doubled, broken, refreshed, forged; and what the Web API refuses."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from tests.servers.slack.deliveries import EVENTS, Deliveries, Delivery
from tests.servers.slack.stand_in import Birds
from tests.servers.slack.test_talk import echo


def counting(birds: Birds) -> tuple[AsyncApp, list[str]]:
    """An app that notes the id of each message event."""
    app, heard = birds.app(), list[str]()

    async def message(body: dict[str, Any]) -> None:
        heard.append(body["event_id"])

    app.event("message")(message)
    return app, heard


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_events_come_twice_and_unacknowledged_ones_again(birds: Birds, transport: str) -> None:
    app, heard = counting(birds)
    await (birds.connect(app) if transport == "socket" else birds.serve(app))
    birds.world.deliveries.twice = True
    birds.world.deliveries.unacked_every = 3
    for number in range(6):
        await birds.ada.says(birds.general, f"hello {number}")
    await birds.world.until(lambda: len(heard) == 14)
    await birds.world.settled()
    assert len(set(heard)) == 6
    assert birds.world.deliveries.acks.redelivered == 2


async def test_a_broken_and_a_refreshed_connection(birds: Birds) -> None:
    app, heard = counting(birds)
    await birds.connect(app)
    birds.world.disconnect()
    await birds.world.until(lambda: birds.world.sockets.opened == 2 and len(birds.world.sockets.all) == 1)
    await birds.ada.says(birds.general, "one")
    await birds.world.until(lambda: len(heard) == 1)
    birds.world.drop_sockets()
    await birds.ada.says(birds.general, "two")
    await birds.world.until(lambda: len(heard) == 2)
    assert birds.world.sockets.opened == 3


async def test_several_connections_take_turns(birds: Birds) -> None:
    first, heard_first = counting(birds)
    second, heard_second = counting(birds)
    await birds.connect(first)
    await birds.connect(second)
    for number in range(4):
        await birds.ada.says(birds.general, f"hello {number}")
    await birds.world.until(lambda: len(heard_first) == len(heard_second) == 2)


async def test_what_is_due_again_while_nobody_is_connected_waits_for_the_app() -> None:
    class Line:
        def __init__(self) -> None:
            self.open = True
            self.carried: list[Delivery] = []

        def carry(self, delivery: Delivery) -> bool:
            if self.open:
                self.carried.append(delivery)
            return self.open

    line, deliveries = Line(), Deliveries()
    deliveries.carrier, deliveries.retries_s = line, (0.0,)
    deliveries.send(Delivery(EVENTS, {}))
    line.open = False
    deliveries.failed(line.carried[0], "connection_failed")
    due = asyncio.Event()
    deliveries.later(0.0, due.set)
    await due.wait()
    line.open = True
    deliveries.flush()
    assert len(line.carried) == 2
    deliveries.acked(line.carried[1])
    assert deliveries.settled


async def test_forged_and_old_requests_are_refused(birds: Birds) -> None:
    app, heard = counting(birds)
    await birds.serve(app)
    event = {"type": "message", "channel": birds.general.id, "user": birds.ada.id, "text": "x", "ts": "1.2"}
    body = birds.world.event_body(birds.team, event)
    assert (await birds.world.endpoint.send(body, forged=True)).status == 401
    assert (await birds.world.endpoint.send(body, age_s=600)).status == 401
    assert not heard
    assert (await birds.world.endpoint.send(body, retry=(1, "http_timeout"))).status == 200
    await birds.world.until(lambda: heard)


async def test_only_what_scopes_and_events_cover(birds: Birds) -> None:
    birds.world.scopes -= {"reactions:write", "channels:history"}
    birds.world.events -= {"reaction_added"}
    said = await birds.ada.says(birds.general, "hello", mention=birds.world.bot)
    await birds.ada.reacts(said, "+1")
    assert [one["event"]["type"] for one in birds.world.deliveries.sent] == ["app_mention"]
    with pytest.raises(SlackApiError) as refused:
        await birds.client().reactions_add(channel=birds.general.id, timestamp=said.ts, name="+1")
    assert refused.value.response["needed"] == "reactions:write"


async def test_faults_limits_and_unknown_methods(birds: Birds) -> None:
    world, client = birds.world, birds.client()

    async def post() -> Any:
        return await client.chat_postMessage(channel=birds.general.id, text="x")

    world.faults.answer("chat.*", 429, retry_after=7)
    with pytest.raises(SlackApiError, match="ratelimited") as limited:
        await post()
    assert limited.value.response.headers["Retry-After"] == "7"
    world.faults.lose("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await post()
    assert len(birds.general.of(world.bot)) == 1
    held = world.faults.hold("chat.postMessage")
    task = asyncio.create_task(post())
    await held.arrived.wait()
    held.release()
    await task
    world.limits.limit("chat.postMessage", 1, 60, by_channel=True)
    await post()
    with pytest.raises(SlackApiError, match="ratelimited"):
        await post()
    with pytest.raises(SlackApiError, match="unknown_method"):
        await client.api_call("chat.sing")
    assert world.unknown_methods == ["chat.sing"]
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await birds.client("xoxb-other").auth_test()


async def test_files_go_both_ways(birds: Birds) -> None:
    client = birds.client()
    await client.files_upload_v2(channel=birds.general.id, filename="a.csv", content="a,b", title="Table")
    [message] = birds.general.of(birds.world.bot)
    assert message.shown == "[file: Table]"
    url = message.files[0].url
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"Authorization": f"Bearer {birds.team.token}"}) as got:
            assert await got.read() == b"a,b"
        async with session.get(url) as got:
            assert "Sign in" in await got.text()


async def test_a_process_of_its_own_runs_loads(birds: Birds) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.slack", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    there = birds.client("xoxb-understudy")
    there.base_url = f"{url}/api/"
    app = AsyncApp(client=there, signing_secret="signing-secret", logger=there._logger)  # pyright: ignore[reportPrivateUsage]
    echo(app)
    try:
        from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

        handler = AsyncSocketModeHandler(app, "xapp-understudy", logger=there._logger)  # pyright: ignore[reportPrivateUsage]
        await handler.connect_async()
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/_control/ready") as got:
                assert (await got.json()) == {"connected": True}
            asked = {"users": 3, "exchanges": 2, "end": "tweet", "timeout_s": 10}
            async with session.post("/_control/load", json=asked) as got:
                found = await got.json()
        await handler.close_async()
        assert (found["answered"], found["unanswered"]) == (6, 0)
        assert len(found["acks_ms"]) >= 6
    finally:
        process.terminate()
        await process.wait()
