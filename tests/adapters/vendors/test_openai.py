"""The OpenAI vendor against a local OpenAI: the contract, what is asked, what comes of each answer and each error."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vendors.base import (
    BadRequest,
    ChatModel,
    ChatRequest,
    Delta,
    Denied,
    Finished,
    Image,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Shot,
    Turn,
    Unavailable,
    VendorError,
)
from adapters.vendors.estimate import count_tokens
from adapters.vendors.openai import Endpoint, chat_model, families
from adapters.vendors.openai.errors import retry_after
from adapters.vendors.openai.model import OpenAIChat
from adapters.vendors.openai.wire import Answer
from adapters.vendors.prices import Price
from tests.adapters.vendors.contract import CHECKS
from tests.conftest import ROOT
from tests.servers import openai as server_module
from tests.servers.openai import WORDS, Failure, OpenAIServer, Reply, event, hang

MODEL = "gpt-4o-mini"
KEY = "sk-proj-Zq8yTq1rXs0aVbN3"
TEXT = "".join(WORDS)
ASKED = ChatRequest(MODEL, "You are kind.", (Turn("user", "Where is the wifi password?"),))


Connect = Callable[[Endpoint], OpenAIChat]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """A local OpenAI."""
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes models and closes them after the test."""
    made: list[OpenAIChat] = []

    def make(endpoint: Endpoint) -> OpenAIChat:
        made.append(chat_model(endpoint))
        return made[-1]

    yield make
    for model in made:
        await model.close()


async def reply(model: ChatModel, request: ChatRequest = ASKED) -> tuple[str, Finished]:
    """The whole text and the end."""
    events = [event async for event in model.stream(request)]
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, Delta)), events[-1]


async def failure(model: ChatModel, request: ChatRequest = ASKED) -> VendorError:
    """The error that asking ends with; no message ever shows the key."""
    with pytest.raises(VendorError) as caught:
        await reply(model, request)
    assert KEY not in str(caught.value)
    assert caught.value.vendor == model.vendor
    return caught.value


async def broken(model: ChatModel) -> tuple[str, Unavailable]:
    """The text that came before an answer broke off, and the error."""
    text = ""
    try:
        async for piece in model.stream(ASKED):
            assert isinstance(piece, Delta)
            text += piece.text
    except Unavailable as error:
        return text, error
    raise AssertionError("the answer is complete")


def at(server: OpenAIServer, **more: Any) -> Endpoint:
    """The endpoint of a local server."""
    return replace(Endpoint(api_key=KEY, base_url=f"{server.url}/v1"), **more)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Callable[[ChatModel, str], Awaitable[None]]) -> None:
    async with OpenAIServer(key=KEY) as server:
        model = chat_model(at(server))
        await check(model, MODEL)
        await model.close()


# --- what is asked


async def test_a_question_carries_the_prompt_the_examples_and_the_conversation(
    server: OpenAIServer, connect: Connect
) -> None:
    model = connect(at(server))
    turns = (Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "And?"))
    asked = ChatRequest(MODEL, "Be kind.", turns, (Shot("Q", "A"),), temperature=0.5, max_output_tokens=7)
    await reply(model, asked)
    assert server.requests == [
        {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Q"},
                {"role": "assistant", "content": "A"},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "And?"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 7,
            "temperature": 0.5,
        }
    ]


async def test_what_openai_itself_is_asked_differs_from_what_others_are(
    server: OpenAIServer, connect: Connect
) -> None:
    model = connect(at(server, dialect="openai"))
    await reply(model, replace(ASKED, max_output_tokens=9))
    assert server.requests[0]["max_completion_tokens"] == 9
    assert "max_tokens" not in server.requests[0]
    assert server.requests[0]["stream_options"] == {"include_usage": True, "include_obfuscation": False}


async def test_pictures_travel_in_the_users_messages(server: OpenAIServer, connect: Connect) -> None:
    model = connect(at(server))
    picture = Image(b"\x89PNG", "image/png")
    turns = (
        Turn("assistant", "Mine", (picture,)),
        Turn("user", "Yours?", (picture,)),
        Turn("user", "", (picture,)),
    )
    await reply(model, replace(ASKED, turns=turns))
    url = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    part = {"type": "image_url", "image_url": {"url": url}}
    contents = [message["content"] for message in server.requests[0]["messages"][1:]]
    assert contents == ["Mine", [{"type": "text", "text": "Yours?"}, part], [part]]


async def test_lone_surrogates_are_replaced(server: OpenAIServer, connect: Connect) -> None:
    model = connect(at(server))
    await reply(model, replace(ASKED, turns=(Turn("user", "a\ud800b \ud83d\ude42 c\udc00"),)))
    assert server.requests[0]["messages"][-1]["content"] == "a\ufffdb 🙂 c\ufffd"


async def test_headers_and_query_go_with_each_request(server: OpenAIServer, connect: Connect) -> None:
    endpoint = Endpoint(
        vendor="azure",
        base_url=f"{server.url}/openai/v1/",
        headers={"api-key": KEY, "X-Team": "support"},
        query={"api-version": "preview"},
    )
    model = connect(endpoint)
    assert model.vendor == "azure"
    assert (await reply(model))[0] == TEXT
    await model.models()
    for headers, query in zip(server.headers, server.queries, strict=True):
        assert (headers["api-key"], headers["X-Team"]) == (KEY, "support")
        assert "Authorization" not in headers
        assert query["api-version"] == "preview"


async def test_a_server_with_an_address_needs_no_key(server: OpenAIServer, connect: Connect) -> None:
    model = connect(Endpoint(base_url=f"{server.url}/v1"))
    assert (await reply(model))[0] == TEXT


async def test_the_clients_own_variable_is_an_address(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer, connect: Connect
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    model = connect(Endpoint())
    assert (await reply(model))[0] == TEXT


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        (Endpoint(), "OPENAI_API_KEY"),
        (Endpoint(api_key="  \n"), "OPENAI_API_KEY"),
        (Endpoint(api_key="sk-schlüssel"), "copy it again"),
        (Endpoint(api_key="sk-two\nlines"), "copy it again"),
        (Endpoint(base_url="localhost:11434/v1"), "http://"),
        (Endpoint(base_url="http://[::1"), "base_url"),
    ],
)
def test_what_cannot_work_is_told_at_once(endpoint: Endpoint, told: str) -> None:
    with pytest.raises(NotConfigured, match=told) as caught:
        chat_model(endpoint)
    assert "sk-" not in str(caught.value)


def test_an_endpoint_does_not_show_its_secrets() -> None:
    assert KEY not in repr(Endpoint(api_key=KEY, headers={"api-key": KEY}, query={"k": KEY}))


def test_the_client_is_imported_by_those_who_use_it() -> None:
    code = "import sys, adapters.vendors.openai as o; o.Endpoint(); print('openai' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


# --- what a model does not take


async def test_a_model_that_takes_other_fields_is_asked_again_once_and_then_rightly(
    server: OpenAIServer, connect: Connect
) -> None:
    model = connect(at(server))
    asked = replace(ASKED, model="gpt-5-mini", temperature=0.2, max_output_tokens=9)
    assert (await reply(model, asked))[0] == TEXT
    sent = [("max_tokens" in body, "temperature" in body) for body in server.requests]
    assert sent == [(True, True), (True, False), (False, False)] or sent == [
        (True, True),
        (False, True),
        (False, False),
    ]
    assert server.requests[-1]["max_completion_tokens"] == 9
    await reply(model, asked)
    assert len(server.requests) == 4
    await reply(model, replace(asked, model=MODEL))
    assert server.requests[-1]["max_tokens"] == 9
    assert server.requests[-1]["temperature"] == 0.2


async def test_a_server_without_stream_options_is_asked_without(
    server: OpenAIServer, connect: Connect
) -> None:
    server.script.append(Failure(422, None, "Extra inputs are not permitted: stream_options", "validation"))
    model = connect(at(server))
    _, end = await reply(model)
    assert "stream_options" not in server.requests[-1]
    assert end.usage.tokens_in > count_tokens(ASKED.turns[0].text)
    assert end.usage.tokens_out == count_tokens(TEXT)


async def test_a_server_that_takes_neither_field_is_not_asked_for_ever(
    server: OpenAIServer, connect: Connect
) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        server.script.append(
            Failure(400, "unsupported_parameter", f"Unsupported parameter: {name}", param=name)
        )
    model = connect(at(server))
    assert type(await failure(model, replace(ASKED, max_output_tokens=9))) is BadRequest
    assert len(server.requests) == 2


# --- what comes of an answer


async def test_usage_and_cost_are_the_servers(server: OpenAIServer, connect: Connect) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 400},
    }
    server.reply = Reply(usage=usage)
    prices = {MODEL: Price(2.0, 10.0, 1.0)}
    model = connect(at(server, prices=prices))
    text, end = await reply(model)
    assert text == TEXT
    assert (end.usage.tokens_in, end.usage.tokens_out, end.reason) == (1000, 100, "stop")
    assert end.usage.cost == pytest.approx((600 * 2 + 400 * 1 + 100 * 10) / 1e6)


async def test_a_whole_answer_is_taken_from_a_server_that_does_not_stream(
    server: OpenAIServer, connect: Connect
) -> None:
    choice = {"message": {"content": "All at once."}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 3}}
    server.reply = Reply(raw=[json.dumps(body).encode()], content_type="application/json")
    model = connect(at(server))
    text, end = await reply(model)
    assert (text, end.usage.tokens_in) == ("All at once.", 3)
    server.reply = Reply(raw=[b'{"status": "ok"}'], content_type="application/json")
    assert type(await failure(model)) is Unavailable


@pytest.mark.parametrize(
    ("given_reply", "text", "reason"),
    [
        (Reply(finish="length"), TEXT, "length"),
        (Reply(finish="content_filter"), TEXT, "filtered"),
        (Reply(refusal=("I cannot ", "go on.")), TEXT, "filtered"),
        (Reply(finish=None), TEXT, "stop"),
        (Reply(done=False), TEXT, "stop"),
        (Reply(finish="eos"), TEXT, "stop"),
        (Reply(pieces=()), "", "stop"),
    ],
)
async def test_an_answer_ends_for_a_reason(
    given_reply: Reply, text: str, reason: str, server: OpenAIServer, connect: Connect
) -> None:
    server.reply = given_reply
    model = connect(at(server))
    said, end = await reply(model)
    assert (said, end.reason) == (text, reason)


@pytest.mark.parametrize(
    "given_reply", [Reply(pieces=(), refusal=("I ", "will not.")), Reply(pieces=(), finish="content_filter")]
)
async def test_an_answer_without_words_that_was_declined_is_refused(
    given_reply: Reply, server: OpenAIServer, connect: Connect
) -> None:
    server.reply = given_reply
    model = connect(at(server))
    assert type(await failure(model)) is Refused


def said(text: str) -> bytes:
    """An event with a piece of text and nothing else."""
    return event({"choices": [{"delta": {"content": text}}]})


@pytest.mark.parametrize(
    "given_reply",
    [
        Reply(cut_after=2),
        Reply(finish=None, done=False),
        Reply(raw=[said("Well"), b'data: {"choices": [{"delta"\n\n']),
        Reply(raw=[said("Well"), b"data: 12\n\n"]),
        Reply(raw=[said("Well"), b'data: {"choices": 5}\n\n']),
        Reply(raw=[said("Well"), event({"error": {"message": "overloaded", "type": "server_error"}})]),
        Reply(raw=[b"<html>hello</html>"], content_type="text/html; charset=utf-8"),
    ],
)
async def test_an_answer_that_breaks_off_is_unavailable(
    given_reply: Reply, server: OpenAIServer, connect: Connect
) -> None:
    server.reply = given_reply
    model = connect(at(server))
    text, error = await broken(model)
    assert MODEL in str(error)
    assert len(server.requests) == 1
    assert bool(text) is ("html" not in given_reply.content_type)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "slow down"}, RateLimited),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, RateLimited),
        ({"code": "insufficient_quota", "message": "no money"}, QuotaExhausted),
        ({"code": "content_filter", "message": "no"}, Refused),
        ({"type": "invalid_request_error", "message": "wrong"}, BadRequest),
        ("something odd", Unavailable),
    ],
)
async def test_an_error_within_the_stream_is_told_as_what_it_is(
    error: object, kind: type, server: OpenAIServer, connect: Connect
) -> None:
    server.reply = Reply(raw=[event({"error": error})])
    model = connect(at(server))
    assert type(await failure(model)) is kind


async def test_what_compatible_servers_do_differently_is_taken(
    server: OpenAIServer, connect: Connect
) -> None:
    raw = [
        b"\xef\xbb\xbf: ping\r\n\r\n",
        b'data:{"choices":[{"delta":{"role":"assistant"}}]}\r\n\r\n',
        b'event: message\r\nid: 7\r\ndata:{"choices":[],"object":"ping"}\r\n\r\n',
        b'data: {"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}],"usage":null}\r\n\r\n',
        'data: {"choices":[{"delta":{"content":"世界'.encode()[:-1],
        "界".encode()[-1:] + '🙂"}}]}\r'.encode(),
        b"\n\r\n",
        b'data: {"choices":\r\ndata: [{"delta":{"content":[{"type":"text","text":"!"},{"type":"thinking"}]}}]}\r\n\r\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2.0}}',
    ]
    server.reply = Reply(raw=raw)
    model = connect(at(server))
    text, end = await reply(model)
    assert text == "世界🙂!"
    assert (end.usage.tokens_in, end.usage.tokens_out) == (5, 2)


async def test_a_proxy_that_compresses_is_understood(server: OpenAIServer, connect: Connect) -> None:
    data = gzip.compress(said("Well") + b"data: [DONE]\n\n")
    server.reply = Reply(raw=[data[:9], data[9:]], headers={"Content-Encoding": "gzip"})
    assert (await reply(connect(at(server))))[0] == "Well"
    assert server.headers[0]["Accept-Encoding"] == "identity"


async def test_the_instant_server_streams_until_it_is_told_to_end(connect: Connect) -> None:
    command = [sys.executable, "-m", "tests.servers.openai", "--port", "0", "--chunks", "7"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().strip()
        model = connect(Endpoint(base_url=f"{url}/v1"))
        text, end = await reply(model, replace(ASKED, model="any"))
        assert (text, end.usage.tokens_out) == ("Well, I would say so — probably", 7)
        process.terminate()
        assert process.wait(20) == 0


# --- errors


@pytest.mark.parametrize(
    ("given_failure", "kind", "told"),
    [
        (server_module.INVALID_KEY, Denied, "API key"),
        (Failure(401, None, f"Incorrect API key provided: {KEY}"), Denied, "API key"),
        (Failure(403, "unsupported_country_region_territory", "Country not supported"), Denied, "Country not"),
        (server_module.no_model(MODEL), ModelNotFound, "choose another"),
        (Failure(404, "DeploymentNotFound", "The API deployment for this resource does not exist."),
         ModelNotFound, "choose another"),
        (Failure(404, body=b'{"object":"error","message":"The model `x` does not exist.","code":404}'),
         ModelNotFound, "choose another"),
        (Failure(404, None, "Invalid URL (POST /v1/v1/chat/completions)"), ModelNotFound, "base_url"),
        (Failure(404, body=b"<html>Not Found</html>"), ModelNotFound, "base_url"),
        (server_module.OUT_OF_QUOTA, QuotaExhausted, "billing"),
        (Failure(400, "billing_hard_limit_reached", "Billing hard limit has been reached"), QuotaExhausted, "billing"),
        (Failure(402, body=b'{"error":{"message":"Insufficient Balance"}}'), QuotaExhausted, "billing"),
        (server_module.RATE_LIMITED, RateLimited, "too often"),
        (server_module.TOO_LONG, BadRequest, "shorten"),
        (server_module.POLICY, Refused, "content filter"),
        (server_module.AZURE_FILTER, Refused, "content filter"),
        (Failure(400, None, "temperature must be at most 2", param="temperature"), BadRequest, "at most 2"),
        (Failure(418, body=b""), BadRequest, "418"),
        (server_module.BROKEN, Unavailable, "try again"),
        (server_module.OVERLOADED, Unavailable, "try again"),
        (Failure(502, body=b"<html>Bad gateway</html>"), Unavailable, "502"),
        (Failure(408, None, "Timeout"), Unavailable, "try again"),
    ],
)  # fmt: skip
async def test_each_error_is_told_as_what_it_is(
    given_failure: Failure, kind: type, told: str, server: OpenAIServer, connect: Connect
) -> None:
    server.script.append(given_failure)
    model = connect(at(server))
    found = await failure(model, replace(ASKED, temperature=1.5))
    assert type(found) is kind
    assert told in str(found)
    assert MODEL in str(found)
    assert "sk-" not in str(found)
    assert "<html>" not in str(found)
    assert "\n" not in str(found)
    assert len(server.requests) == 1  # one attempt: trying again is done above


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


async def test_how_long_to_wait_is_passed_on(server: OpenAIServer, connect: Connect) -> None:
    server.script.append(server_module.RATE_LIMITED)
    model = connect(at(server))
    found = await failure(model)
    assert found.retry_after == 20.0
    assert found.retryable


async def test_nobody_there_is_unavailable() -> None:
    async with OpenAIServer() as server:
        endpoint = at(server)
    model = chat_model(endpoint)
    found = await failure(model)
    assert type(found) is Unavailable
    assert "cannot be reached" in str(found)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await model.models()
    await model.close()


async def test_a_server_that_never_answers_is_unavailable(server: OpenAIServer, connect: Connect) -> None:
    server.script.append(hang())
    model = connect(at(server, first_seconds=0.05))
    found = await failure(model)
    assert type(found) is Unavailable
    assert "in time" in str(found)
    await server.closed.wait()


async def test_a_server_that_falls_silent_is_unavailable(server: OpenAIServer, connect: Connect) -> None:
    server.script.append(Reply(pauses={2: asyncio.Event()}))
    model = connect(at(server, silence_seconds=0.05))
    text, error = await broken(model)
    assert text == "".join(WORDS[:2])
    assert "in time" in str(error)
    await server.closed.wait()


async def test_words_arrive_as_they_are_sent(server: OpenAIServer, connect: Connect) -> None:
    pauses = {number: asyncio.Event() for number in range(len(WORDS) + 1)}
    server.script.append(Reply(pauses=pauses))
    model = connect(at(server))
    stream = model.stream(ASKED)
    for number, word in enumerate(WORDS):
        pauses[number].set()
        assert await anext(stream) == Delta(word)
    pauses[len(WORDS)].set()
    assert isinstance(await anext(stream), Finished)
    assert [event async for event in stream] == []


async def test_closing_the_generator_closes_the_connection(server: OpenAIServer, connect: Connect) -> None:
    server.script.append(Reply(pauses={1: asyncio.Event()}))
    model = connect(at(server))
    stream = model.stream(ASKED)
    assert await anext(stream) == Delta(WORDS[0])
    assert not server.closed.is_set()
    await stream.aclose()
    await server.closed.wait()


@pytest.mark.parametrize("started", [False, True])
async def test_cancelling_the_listener_closes_the_connection(
    started: bool, server: OpenAIServer, connect: Connect
) -> None:
    server.script.append(Reply(pauses={0: asyncio.Event()}) if started else hang())
    model = connect(at(server))
    task = asyncio.create_task(reply(model))
    await (server.began if started else server.asked).wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.closed.wait()


async def test_a_connection_is_used_again_and_given_back(server: OpenAIServer, connect: Connect) -> None:
    model = connect(at(server))
    for _ in range(5):
        await reply(model)
    assert server.connections == 1
    await asyncio.gather(*(reply(model) for _ in range(8)))
    assert server.connections <= 8


# --- models


async def test_the_models_that_can_chat_are_listed_with_their_last_day(
    server: OpenAIServer, connect: Connect
) -> None:
    model = connect(at(server, dialect="openai"))
    found = {info.name: info for info in await model.models()}
    assert set(found) == set(server_module.CHAT_MODELS)
    assert found[MODEL].shutdown_date == "2027-01-14"
    assert found["gpt-5-mini"].shutdown_date is None
    assert found[MODEL].sees


async def test_elsewhere_all_models_are_listed(server: OpenAIServer, connect: Connect) -> None:
    server.models = {"whisper-chat:7b": {"id": "whisper-chat:7b", "object": "model", "owned_by": "library"}}
    model = connect(at(server))
    (info,) = await model.models()
    assert (info.name, info.description, info.sees, info.shutdown_date) == (
        "whisper-chat:7b",
        "of library",
        False,
        None,
    )


async def test_a_list_is_at_most_a_minute_old(server: OpenAIServer) -> None:
    now = 0.0
    model = OpenAIChat(at(server), clock=lambda: now)
    before = await model.models()
    server.models.pop(MODEL)
    now = 59.0
    assert await model.models() == before
    now = 61.0
    assert MODEL not in [info.name for info in await model.models()]
    await model.close()


async def test_a_list_for_a_wrong_key_is_denied() -> None:
    async with OpenAIServer(key="sk-other") as server:
        model = chat_model(at(server))
        with pytest.raises(Denied):
            await model.models()
        await model.close()


@pytest.mark.parametrize(
    ("name", "seen", "tokens"),
    [
        ("gpt-4o-mini-2024-07-18", True, 128_000),
        ("ft:gpt-4o-2024-08-06:acme::abc", True, 128_000),
        ("openai/gpt-4.1", True, 1_047_576),
        ("gpt-5.4-mini", True, 272_000),
        ("gpt-4", False, 8_192),
        ("gpt-4-0613", False, 8_192),
        ("gpt-4-turbo", True, 128_000),
        ("gpt-3.5-turbo", False, 16_385),
        ("o3-mini", False, 200_000),
        ("o3", True, 200_000),
        ("gpt-4o-audio-preview", False, 128_000),
        ("gpt-oss:20b", False, 7),
        ("llama3.2:3b", False, 7),
        ("llama3.2-vision", True, 7),
        ("qwen2.5-vl:7b", True, 7),
        ("qwen2.5vl:7b", True, 7),
        ("gemma3:1b", False, 7),
        ("gemma3:4b", True, 7),
    ],
)
def test_a_models_name_tells_what_it_can_do(name: str, seen: bool, tokens: int) -> None:
    model = chat_model(Endpoint(api_key=KEY, context_tokens=7))
    assert (model.sees(name), model.context_tokens(name)) == (seen, tokens)
    assert families.chats(name) is ("audio" not in name)


@pytest.mark.parametrize("sees", [True, False])
def test_an_endpoint_may_say_whether_its_models_see(sees: bool) -> None:
    assert chat_model(Endpoint(api_key=KEY, sees=sees)).sees("anything") is sees


# --- the decoder and the estimate

PIECES = st.sampled_from(
    [
        said("Hello"), said(" 世界🙂"), said("é"), b": ping\n\n", b"data:\n\n", b"event: x\n\n", b"\n", b"id: 1\n",
        said("x").replace(b"\n", b"\r\n"), said("y").replace(b"\n", b"\r"), b'data: {"choices":\ndata: []}\n\n',
        event({"choices": [], "usage": {"prompt_tokens": 1}}), b"data: [DONE]\n\n", b"data: {oops\n\n",
        event({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        event({"choices": [{"delta": {"refusal": "no"}}]}), event({"error": {"message": "bad"}}),
        event({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}),
    ]
)  # fmt: skip


def heard(parts: Sequence[bytes]) -> tuple[object, ...]:
    """All that an answer says of itself after ``parts``."""
    answer = Answer()
    text = "".join(map(answer.feed, parts)) + answer.end()
    return (text, answer.done, answer.finish, answer.usage, answer.error, answer.malformed, answer.refused)


@given(st.lists(PIECES, max_size=8).map(b"".join), st.lists(st.integers(0, 400), max_size=12))
def test_where_reads_are_cut_changes_nothing(raw: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    whole = heard([raw])
    assert heard([raw[start:end] for start, end in pairwise(edges)]) == whole
    assert heard([bytes([byte]) for byte in raw]) == whole


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_without_an_exception(raw: bytes) -> None:
    heard([raw])
    heard([b"data: " + raw + b"\n\n"])


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    answer = Answer()
    for _ in range(80):
        answer.feed(b"x" * 65_536)
    assert answer.malformed is not None
    assert answer.done


@given(st.text(max_size=200), st.text(max_size=200))
def test_an_estimate_grows_with_the_text(one: str, other: str) -> None:
    first, second, both = count_tokens(one), count_tokens(other), count_tokens(one + other)
    assert max(first, second) <= both <= first + second
    assert (first == 0) is (one == "")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The password is written on the white board in the kitchen, in blue.", 15),
        ("for name, value in values.items():\n    print(name, value)\n", 14),
        ("无线网络的密码写在厨房的白板上,是蓝色的。", 17),
        ("Пароль от сети написан на доске в кухне, синим цветом.", 19),
    ],
)
def test_an_estimate_is_about_right(text: str, tokens: int) -> None:
    assert count_tokens(text) == pytest.approx(tokens, rel=0.35)
