"""How events come: over sockets that are renewed, and to an endpoint that refuses what is not Slack's."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from dataclasses import replace
from typing import Literal

import aiohttp
import orjson
import pytest

from adapters.platforms.base import End, Message, Place, Reply, UserError
from adapters.platforms.slack.probe import Tokens, probe
from tests.adapters.platforms.discord.stage import TalkingHost
from tests.adapters.platforms.slack.stage import APP_TOKEN, BOT_TOKEN, OPTIONS, SECRET, Stage, shown, stage


async def test_a_socket_that_is_renewed_in_the_middle_of_an_answer_loses_nothing() -> None:
    gate = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> str:
        await reply.grow("Something that is long enough to be shown. " * 6)
        if message.text == "first":
            await gate.wait()
        return f"You said: {message.text}"

    async with stage(TalkingHost(speech=speech)) as s:
        await s.says("first", channel=s.direct)
        await s.until(lambda: bool(s.posted(s.direct)))
        await s.refreshes()
        await s.says("second", mention=True)
        await s.replies(1)
        gate.set()
        await s.replies(2)
        assert [shown(each) for each in s.posted(s.direct)] == ["You said: first"]
        assert [shown(each) for each in s.posted(thread=s.said[-1])] == ["You said: second"]


async def test_a_connection_that_breaks_is_made_again() -> None:
    async with stage() as s:
        s.fails("apps.connections.open", 500, 503)
        await s.breaks()
        await s.says("hello", channel=s.direct)
        await s.replies()
        assert len(s.host.messages) == 1


async def test_tokens_that_slack_does_not_know_are_named() -> None:
    async with stage() as s:
        with pytest.raises(UserError, match="SLACK_BOT_TOKEN"):
            await s.runs("xoxb-wrong", APP_TOKEN)
        with pytest.raises(UserError, match="SLACK_APP_TOKEN"):
            await s.runs(BOT_TOKEN, "xapp-wrong")
        with pytest.raises(UserError, match="SLACK_APP_TOKEN"):
            await s.runs(BOT_TOKEN, "")
        with pytest.raises(UserError, match="SLACK_SIGNING_SECRET"):
            await s.runs(BOT_TOKEN, "", options=replace(OPTIONS, transport="http"))


async def test_another_workspace_is_refused() -> None:
    async with stage() as s:
        await s.says("hello", channel=s.direct, team="T0OTHER")
        await s.event("app_uninstalled", team="T0OTHER")
        await s.event("tokens_revoked", team="T0OTHER", tokens={"oauth": [], "bot": [s.me]})
        await s.says("ours", channel=s.direct)
        await s.replies()
        await s.world.settled()
        assert [message.text for message in s.host.messages] == ["ours"]
        assert not s.host.gone
        # Over a socket it is acknowledged, or it would come again.
        assert not s.world.deliveries.acks.redelivered


async def _sent(
    s: Stage, event: dict[str, object], *, secret: str = SECRET, age: int = 0, team: str = ""
) -> int:
    """Send an event to the endpoint, signed like Slack's; the status of the answer."""
    assert s.platform is not None
    told = {
        "type": "event_callback",
        "event_id": f"Ev{event['ts']}",
        "team_id": team or s.team,
        "event": event,
        "authorizations": [{"team_id": team or s.team}],
    }
    body = orjson.dumps(told).decode()
    now = str(int(time.time()) - age)
    signed = hmac.new(secret.encode(), f"v0:{now}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": now,
        "X-Slack-Signature": f"v0={signed}",
    }
    url = f"http://127.0.0.1:{s.platform.port}/slack/events"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status


async def test_an_endpoint_answers_what_slack_signed_and_nothing_else() -> None:
    async with stage(options=replace(OPTIONS, transport="http", http_port=0)) as s:
        said: dict[str, object] = {
            "type": "message",
            "channel": s.direct,
            "channel_type": "im",
            "user": s.ada,
            "text": "hello",
        }
        assert await _sent(s, {**said, "ts": "1.000001", "text": "forged"}, secret="guessed") == 401
        assert await _sent(s, {**said, "ts": "1.000002", "text": "old"}, age=600) == 401
        assert await _sent(s, {**said, "ts": "1.000003", "text": "other"}, team="T0OTHER") == 403
        gone: dict[str, object] = {"type": "app_uninstalled", "ts": "1.000005"}
        assert await _sent(s, gone, team="T0OTHER") == 403
        assert await _sent(s, {**said, "ts": "1.000004"}) == 200
        assert await _sent(s, {**said, "ts": "1.000004"}) == 200
        await s.replies()
        assert [message.text for message in s.host.messages] == ["hello"]
        assert not s.host.gone


@pytest.mark.parametrize(
    ("body", "signed", "status"),
    [
        (b'{"type":"event_callback"}', {"X-Slack-Request-Timestamp": "yesterday"}, 401),
        (b'{"type":"event_callback"}', {"X-Slack-Signature": "v0=\u00e9"}, 401),
        (b'{"type":"event_callback"}', {"X-Slack-Request-Timestamp": "", "X-Slack-Signature": ""}, 401),
        (b"\xff\xfe", {}, 401),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"event":"message"}', {}, 403),
    ],
)
async def test_an_endpoint_turns_down_what_cannot_be_read(
    body: bytes, signed: dict[str, str], status: int
) -> None:
    async with stage(options=replace(OPTIONS, transport="http", http_port=0)) as s:
        assert s.platform is not None
        now = str(int(time.time()))
        digest = hmac.new(SECRET.encode(), f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": f"v0={digest}",
        }
        url = f"http://127.0.0.1:{s.platform.port}/slack/events"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers | signed) as response,
        ):
            assert response.status == status
        assert not s.host.messages


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"token=x&ssl_check=1", 200),
        ("application/x-www-form-urlencoded", b"token=x&command=/understudy", 401),
        ("application/x-www-form-urlencoded", b"\xff&ssl_check=0", 401),
        ("application/json", b'{"event":{"type":"message"},"x":"&ssl_check=1&"}', 401),
    ],
)
async def test_an_endpoint_confirms_that_its_certificate_was_looked_at(
    kind: str, body: bytes, status: int
) -> None:
    async with stage(options=replace(OPTIONS, transport="http", http_port=0)) as s:
        assert s.platform is not None
        url = f"http://127.0.0.1:{s.platform.port}/slack/events"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers={"Content-Type": kind}) as response,
        ):
            assert response.status == status
        assert not s.host.messages


async def test_an_endpoint_says_whether_it_lives_and_whether_it_is_ready() -> None:
    async with (
        stage(options=replace(OPTIONS, transport="http", http_port=0)) as s,
        aiohttp.ClientSession() as session,
    ):
        assert s.platform is not None
        base = f"http://127.0.0.1:{s.platform.port}"
        for path in ("/health", "/ready"):
            async with session.get(base + path) as response:
                assert response.status == 200
        taken = replace(OPTIONS, transport="http", http_port=s.platform.port)
        with pytest.raises(UserError, match="http_port"):
            await s.runs(BOT_TOKEN, "", SECRET, options=taken)


async def test_closing_lets_replies_finish() -> None:
    gate = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> str:
        await gate.wait()
        return "At last."

    async with stage(TalkingHost(speech=speech)) as s:
        await s.says("hello", channel=s.direct)
        await s.until(lambda: bool(s.host.messages))
        assert s.platform is not None
        closing = asyncio.create_task(s.platform.close())
        gate.set()
        await asyncio.wait_for(closing, 30)
        assert [shown(each) for each in s.posted(s.direct)] == ["At last."]


async def test_the_check_names_what_is_missing() -> None:
    async with stage() as s:
        options = replace(OPTIONS, api_url=s.url)
        good = await probe(options, Tokens(BOT_TOKEN, APP_TOKEN))
        assert all(fine for fine, _ in good)
        s.lacks("reactions:read")
        found = await probe(options, Tokens(BOT_TOKEN, "xapp-wrong"))
        wrong = [sentence for fine, sentence in found if not fine]
        assert len(wrong) == 2
        assert "reactions:read" in wrong[0]
        assert "reaction_added" in wrong[0]
        assert "SLACK_APP_TOKEN" in wrong[1]
        assert (await probe(options, Tokens("xoxb-wrong", APP_TOKEN)))[0][1].startswith(
            "Slack does not take the bot"
        )
        served = await probe(replace(options, transport="http"), Tokens(BOT_TOKEN))
        assert "SLACK_SIGNING_SECRET" in served[-1][1]
    gone = await probe(replace(OPTIONS, api_url=s.url), Tokens(BOT_TOKEN, APP_TOKEN))
    assert gone[0][1].startswith("Slack cannot be reached")
    assert BOT_TOKEN not in repr(Tokens(BOT_TOKEN))


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_events_that_come_twice_and_are_not_acknowledged_are_answered_once(
    transport: Literal["socket", "http"],
) -> None:
    async with stage(options=replace(OPTIONS, transport=transport, http_port=0)) as s:
        s.world.deliveries.twice = True
        s.world.deliveries.unacked_every = 3
        asked = [await s.says(f"question {at}", mention=True) for at in range(12)]
        await s.replies(12)
        await s.world.settled()
        for at, ts in enumerate(asked):
            assert [shown(each) for each in s.posted(thread=ts)] == [f"You said: question {at}"]
        assert s.world.deliveries.acks.redelivered
        assert not s.world.deliveries.acks.lost
        assert not s.world.deliveries.acks.bad
        assert not s.host.repeated


async def test_events_are_acknowledged_before_anything_is_done() -> None:
    gate = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> str:
        await gate.wait()
        return "Late."

    async with stage(TalkingHost(speech=speech)) as s:
        for at in range(40):
            await s.says(f"question {at}", mention=True)
        await s.world.settled()
        assert not s.host.memory.given
        gate.set()
        await s.replies(40)
        assert max(s.world.deliveries.acks.times_ms) < 3000


async def test_slacks_own_stop_button_stops_what_is_given_there() -> None:
    stopped: list[tuple[str, str]] = []

    class Stopping(TalkingHost):
        def stop_speaking(self, place: Place, exchange_id: str = "") -> bool:
            stopped.append((place.conversation, exchange_id))
            gate.set()
            return True

    gate = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> End:
        await reply.grow("Something that is long enough to be shown. " * 6)
        await gate.wait()
        return End("", "Something", note="Stopped.")

    async with stage(Stopping(speech=speech)) as s:
        ts = await s.says("go on for ever", mention=True)
        await s.called("agents.sessions.setStatus")
        await s.event("agent_session_stopped", channel=s.general, thread_ts="1.000001", user=s.ada)
        await s.event("agent_session_stopped", channel=s.general, thread_ts=ts, user=s.ada)
        await s.replies()
        assert stopped == [(f"{s.general}:{ts}", *s.host.memory.given)]
        await s.until(lambda: s.world.channels[s.general].sessions[ts] == "active")
        [reply] = s.posted(thread=ts)
        assert "Stopped." in str(reply["blocks"])


async def test_within_the_limits_that_slack_has_everybody_gets_the_whole_reply() -> None:
    text = "A sentence of some length that is part of a long reply. " * 20
    gate = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> str:
        await reply.grow(text[:500])
        await gate.wait()
        return text

    async with stage(TalkingHost(speech=speech)) as s:
        for method in ("chat.startStream", "chat.stopStream"):
            s.world.limits.limit(method, 20, 60.0)
        asked = [await s.says(f"question {at}", mention=True) for at in range(64)]
        await s.until(lambda: s.world.calls["chat.startStream"] == 18)
        gate.set()
        await s.replies(64)
        for ts in asked:
            assert [shown(each) for each in s.posted(thread=ts)] == [text.strip()]
        assert s.world.calls["chat.startStream"] == 18
        assert not s.world.limits.refused
