"""What goes wrong with Gemini: each error and its kind, answers that break, time limits, closing, signing in."""

from __future__ import annotations

import asyncio
import json
import socket
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from google.oauth2.credentials import Credentials

from adapters.vendors.base import (
    BadRequest,
    Delta,
    Denied,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    VendorError,
)
from adapters.vendors.google import Endpoint, chat_model
from tests.adapters.vendors.google_asking import (
    KEY,
    MODEL,
    WITH_KEY,
    WITH_PROJECT,
    asking,
    error_of,
    hear,
    question,
)
from tests.servers import gemini
from tests.servers.gemini import WORDS, Failure, GeminiServer, Reply, event

# --- what goes wrong


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (gemini.INVALID_KEY, Denied, "GEMINI_API_KEY"),
        (gemini.NO_KEY, Denied, "permissions"),
        (gemini.NO_TOKEN, Denied, "permissions"),
        (gemini.FORBIDDEN, Denied, "aiplatform.endpoints.predict"),
        (gemini.NOT_HERE, Denied, "billing"),
        (gemini.no_model("models/x"), ModelNotFound, "choose"),
        (gemini.TOO_LONG, BadRequest, "1048576"),
        (Failure(413, "INVALID_ARGUMENT", "Request payload size exceeds the limit."), BadRequest, "size"),
        (gemini.bad(f"API key {KEY} cannot\nbe used with key=abc"), BadRequest, "API key *** cannot be used"),
        (gemini.bad("x" * 10_000), BadRequest, "…"),
        (gemini.PER_MINUTE, RateLimited, "37 s"),
        (gemini.EXHAUSTED, RateLimited, "in a minute"),
        (gemini.PER_DAY, QuotaExhausted, "billing"),
        (gemini.over_quota("GenerateRequestsPerMinute", "0"), QuotaExhausted, "billing"),
        (gemini.NO_CREDITS, QuotaExhausted, "billing"),
        (gemini.BROKEN, Unavailable, "500"),
        (gemini.OVERLOADED, Unavailable, "overloaded"),
        (Failure(504, "DEADLINE_EXCEEDED"), Unavailable, "504"),
        (Failure(499, "CANCELLED"), Unavailable, "499"),
        (Failure(502, "", body=b"<html>Bad Gateway</html>", content_type="text/html"), Unavailable, "502"),
        (Failure(502, "", body=b"{"), Unavailable, "cannot be read"),
        (Failure(500, "", body=b""), Unavailable, "500"),
        (Failure(500, "", body=b'"no"'), Unavailable, "500"),
        (Failure(429, "", body=b'{"error": {"details": [{"violations": 3}, 7]}}'), RateLimited, "often"),
        (Failure(503, "", body=json.dumps([gemini.OVERLOADED.error]).encode()), Unavailable, "overloaded"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
async def test_each_error_has_its_kind(failure: Failure, kind: type[VendorError], words: str) -> None:
    async with asking() as (server, model):
        server.script.append(failure)
        error = await error_of(model)
        assert type(error) is kind
        assert words in str(error)
        assert kind is ModelNotFound or MODEL in str(error)
        assert len(str(error)) < 500
        assert len(server.requests) == 1, "it is asked once"
        assert (await hear(model))[0] == "".join(WORDS), "and may be asked again"


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (gemini.PER_MINUTE, 37.0),
        (gemini.over_quota("PerMinute", retry="0.250s"), 0.25),
        (gemini.over_quota("PerMinute", retry="soon"), None),
        (replace(gemini.EXHAUSTED, headers={"Retry-After": "20"}), 20.0),
        (replace(gemini.PER_MINUTE, headers={"Retry-After": "60"}), 60.0),
        (replace(gemini.OVERLOADED, headers={"Retry-After": "5"}), 5.0),
        (replace(gemini.OVERLOADED, headers={"Retry-After": "Fri, 20 Nov 2026 08:00:00 GMT"}), None),
        (gemini.BROKEN, None),
    ],
)
async def test_how_long_to_wait_is_passed_on(failure: Failure, seconds: float | None) -> None:
    async with asking() as (server, model):
        server.script.append(failure)
        error = await error_of(model)
    assert error.retry_after == seconds
    assert error.retryable


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(finish=None), "broke off"),
        (Reply((), finish=None), "broke off"),
        (Reply(cut_after=0), "connection"),
        (Reply(cut_after=2), "connection"),
        (Reply(raw=[b"data: {\r\n\r\n"]), "cannot be read"),
        (Reply(raw=[b"data: [1, 2]\r\n\r\n"]), "cannot be read"),
        (Reply(raw=[b'data: {"candidates": \xff}\r\n\r\n']), "cannot be read"),
        (Reply(raw=[b"data: {"]), "cannot be read"),
        (Reply(raw=[b"<html>captive portal</html>"], content_type="text/html"), "broke off"),
        (Reply((), finish="MALFORMED_RESPONSE"), "MALFORMED_RESPONSE"),
        (Reply(raw=[event(gemini.OVERLOADED.error)]), "overloaded"),
        (Reply(raw=[json.dumps(gemini.BROKEN.error, indent=2).encode()]), "500"),
    ],
)
async def test_an_answer_that_breaks_is_an_outage(reply: Reply, words: str) -> None:
    async with asking() as (server, model):
        server.script.append(reply)
        error = await error_of(model)
        assert isinstance(error, Unavailable)
        assert words in str(error)
        assert (await hear(model))[0] == "".join(WORDS)


async def test_a_quota_that_ends_in_the_middle_is_a_quota() -> None:
    async with asking() as (server, model):
        server.reply = Reply(raw=[event({"candidates": [{"content": {"parts": [{"text": "One"}]}}]}),
                                  event(gemini.PER_DAY.error)])  # fmt: skip
        assert isinstance(await error_of(model), QuotaExhausted)


async def test_a_cut_after_the_end_harms_nobody() -> None:
    async with asking() as (server, model):
        server.reply = Reply(cut_after=len(WORDS))
        assert (await hear(model))[0] == "".join(WORDS)


async def test_nobody_listens_at_the_address() -> None:
    async with GeminiServer() as server:
        gone = server.url
    model = chat_model(replace(WITH_KEY, base_url=gone))
    error = await error_of(model)
    assert isinstance(error, Unavailable)
    assert "reached" in str(error)
    await model.close()


async def test_a_connection_that_does_not_come_about_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never greets
        address = f"https://127.0.0.1:{silent.getsockname()[1]}"
        model = chat_model(replace(WITH_KEY, base_url=address, connect_seconds=0.05, first_seconds=3600))
        assert isinstance(await error_of(model), Unavailable)
        await model.close()


@pytest.mark.parametrize(
    "reply", [gemini.hang(), Reply(pauses={0: asyncio.Event()})], ids=["headers", "words"]
)
async def test_an_answer_that_does_not_begin_is_given_up(reply: Reply) -> None:
    async with asking(first_seconds=0.05, connect_seconds=3600, silence_seconds=3600) as (server, model):
        server.script.append(reply)
        error = await error_of(model)
        await asyncio.wait_for(server.closed.wait(), 30)
    assert isinstance(error, Unavailable)
    assert "too long" in str(error)


async def test_a_silence_in_the_middle_is_given_up() -> None:
    async with asking(silence_seconds=0.4) as (server, model):
        server.script.append(Reply(pauses={2: asyncio.Event()}))
        stream = model.stream(question())
        assert [await anext(stream), await anext(stream)] == [Delta(WORDS[0]), Delta(WORDS[1])]
        with pytest.raises(Unavailable, match="too long"):
            await anext(stream)
        await asyncio.wait_for(server.closed.wait(), 30)


async def test_who_closes_the_reply_closes_the_connection() -> None:
    async with asking() as (server, model):
        server.script.append(Reply(pauses={1: asyncio.Event()}))
        stream = model.stream(question())
        assert await anext(stream) == Delta(WORDS[0])
        await stream.aclose()
        await asyncio.wait_for(server.closed.wait(), 30)


@pytest.mark.parametrize(
    "reply", [gemini.hang(), Reply(pauses={1: asyncio.Event()})], ids=["before", "within"]
)
async def test_who_is_cancelled_closes_the_connection(reply: Reply) -> None:
    async with asking() as (server, model):
        server.script.append(reply)
        task = asyncio.create_task(hear(model))
        await (server.began if reply.before is None else server.asked).wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.closed.wait(), 30)


async def test_many_are_answered_at_once() -> None:
    async with asking() as (server, model):
        replies = await asyncio.gather(*(hear(model) for _ in range(20)))
    assert {said for said, _ in replies} == {"".join(WORDS)}
    assert len(server.requests) == 20


async def test_a_closed_model_opens_again() -> None:
    async with asking() as (_, model):
        await hear(model)
        await model.close()
        assert (await hear(model))[0] == "".join(WORDS)


# --- who we are


async def test_without_a_key_it_says_what_to_set() -> None:
    with warnings.catch_warnings():
        model = chat_model(Endpoint())
        for ask in (hear(model), model.models()):
            with pytest.raises(NotConfigured, match="GEMINI_API_KEY") as caught:
                await ask
            assert caught.value.vendor == "google"
        await model.close()


async def test_a_wrong_key_is_denied() -> None:
    async with asking() as (server, model):
        server.key = "another"
        assert isinstance(await error_of(model), Denied)
        with pytest.raises(Denied, match="GEMINI_API_KEY"):
            await model.models()


async def test_a_key_is_not_shown() -> None:
    assert KEY not in repr(WITH_KEY)
    assert KEY not in repr(chat_model(WITH_KEY))


def lasting(server: GeminiServer) -> Credentials:
    """Credentials that sign in again at the server."""
    return Credentials(
        token=None, refresh_token="r", token_uri=f"{server.url}/token", client_id="c", client_secret="s"
    )


async def test_a_project_signs_in() -> None:
    async with GeminiServer(token="fresh") as server:
        model = chat_model(replace(WITH_PROJECT, base_url=server.url, credentials=lasting(server)))
        assert (await hear(model))[0] == "".join(WORDS)
        await model.close()


async def test_a_sign_in_that_is_refused_is_denied() -> None:
    async with GeminiServer() as server:
        server.refused_token = "invalid_grant"
        model = chat_model(replace(WITH_PROJECT, base_url=server.url, credentials=lasting(server)))
        assert isinstance(await error_of(model), Denied)
        await model.close()


async def test_a_sign_in_service_that_is_gone_is_an_outage() -> None:
    async with GeminiServer() as gone:
        credentials = lasting(gone)
    async with asking(replace(WITH_PROJECT, credentials=credentials)) as (_, model):
        assert isinstance(await error_of(model), Unavailable)


async def test_a_project_without_an_account_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with asking(replace(WITH_PROJECT, credentials=None)) as (_, model):
        error = await error_of(model)
    assert isinstance(error, NotConfigured)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(error)
