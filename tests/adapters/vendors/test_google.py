"""Gemini through the real client: the contract, what is asked and shown, cost and models, for a key and for a project."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from adapters.vendors.base import (
    ChatModel,
    ChatRequest,
    Delta,
    ModelNotFound,
    NotConfigured,
    Refused,
    Shot,
    Turn,
    Unavailable,
)
from adapters.vendors.google import Endpoint, Google, chat_model
from adapters.vendors.google.client import Clients, open_stream
from adapters.vendors.google.errors import Teller
from adapters.vendors.prices import Price
from tests.adapters.vendors.contract import CHECKS
from tests.adapters.vendors.google_asking import (
    FLAVOURS,
    KEY,
    MODEL,
    PIXEL,
    WITH_KEY,
    WITH_PROJECT,
    asking,
    error_of,
    hear,
    question,
)
from tests.servers import gemini
from tests.servers.gemini import ENDPOINT, LOCATION, PROJECT, WORDS, Failure, GeminiServer, Reply, event

# --- the contract


@FLAVOURS
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(flavour: Endpoint, check: Callable[[ChatModel, str], Awaitable[None]]) -> None:
    async with asking(flavour) as (_, model):
        await check(model, MODEL)


def test_the_client_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys, adapters.vendors.google as g; g.chat_model(g.Endpoint(api_key='k'));"
        "print([name for name in ('google.genai', 'google.auth', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_the_clients_private_way_is_still_there() -> None:
    """``open_stream`` uses what the client does not promise; this fails when a release changes it."""
    async with GeminiServer() as server:
        clients = Clients(replace(WITH_KEY, base_url=server.url))
        client = await clients.get(Teller("google", MODEL))
        body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}).encode()
        response = await open_stream(client, f"models/{MODEL}:streamGenerateContent?alt=sse", body)
        assert (await response.content.read()).startswith(b'data: {"candidates"')
        await clients.close()
        assert server.requests == [json.loads(body)]
        assert server.headers[0]["x-goog-api-key"] == KEY
        assert server.headers[0]["Content-Type"] == "application/json"
        assert "google-genai-sdk/" in server.headers[0]["User-Agent"]


# --- what is asked


@FLAVOURS
async def test_a_question_is_asked_as_the_api_wants_it(flavour: Endpoint) -> None:
    shot = Shot("Who are you?", "An understudy.", "1")
    asked = question(
        Turn("user", "One."),
        Turn("user", "Two."),
        Turn("assistant", "Three."),
        Turn("user", "What is this?", (PIXEL,)),
        system="You are a pirate.",
        shots=(shot,),
        temperature=0.5,
        max_output_tokens=99,
    )
    async with asking(flavour) as (server, model):
        assert (await hear(model, asked))[0] == "".join(WORDS)
        assert server.requests == [
            {
                "systemInstruction": {"parts": [{"text": "You are a pirate."}]},
                "contents": [
                    {"role": "user", "parts": [{"text": "Who are you?"}]},
                    {"role": "model", "parts": [{"text": "An understudy."}]},
                    {"role": "user", "parts": [{"text": "One.\n\nTwo."}]},
                    {"role": "model", "parts": [{"text": "Three."}]},
                    {
                        "role": "user",
                        "parts": [
                            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0K"}},
                            {"text": "What is this?"},
                        ],
                    },
                ],
                "generationConfig": {"temperature": 0.5, "maxOutputTokens": 99},
            }
        ]
        assert server.queries == [{"alt": "sse"}]


@pytest.mark.parametrize(
    ("turns", "contents"),
    [
        ([""], [("user", [{"text": " "}])]),
        ([], [("user", [{"text": " "}])]),
        (["", "hello"], [("user", [{"text": "hello"}])]),
        ([Turn("assistant", "Welcome!"), "hello"], [("user", " "), ("model", "Welcome!"), ("user", "hello")]),
        (["hello", Turn("assistant", ""), "again"], [("user", "hello"), ("model", " "), ("user", "again")]),
        (["half \ud83d here"], [("user", "half \ufffd here")]),
        (["a pair \ud83d\ude42 in halves"], [("user", "a pair 🙂 in halves")]),
    ],
)
async def test_turns_that_the_api_would_refuse_are_mended(
    turns: list[Turn | str], contents: list[Any]
) -> None:
    said = tuple(Turn("user", turn) if isinstance(turn, str) else turn for turn in turns)
    async with asking() as (server, model):
        await hear(model, ChatRequest(MODEL, "", said))
        wanted = [
            {"role": role, "parts": parts if isinstance(parts, list) else [{"text": parts}]}
            for role, parts in contents
        ]
        assert server.requests[0]["contents"] == wanted


async def test_a_picture_without_words_is_a_question() -> None:
    async with asking() as (server, model):
        await hear(model, question(Turn("user", "", (PIXEL, PIXEL))))
        assert [list(part) for part in server.requests[0]["contents"][0]["parts"]] == [["inlineData"]] * 2


async def test_an_early_gemma_is_told_its_part_by_the_user() -> None:
    async with asking() as (server, model):
        await hear(model, question("hello", model="gemma-3-27b-it", system="You are a pirate."))
        assert "systemInstruction" not in server.requests[0]
        assert server.requests[0]["contents"][0]["parts"] == [{"text": "You are a pirate.\n\nhello"}]


@pytest.mark.parametrize(
    ("flavour", "name", "path"),
    [
        (WITH_KEY, MODEL, f"/v1/models/{MODEL}"),
        (WITH_KEY, f"models/{MODEL}", f"/v1/models/{MODEL}"),
        (
            WITH_PROJECT,
            MODEL,
            f"/v1beta1/projects/{PROJECT}/locations/{LOCATION}/publishers/google/models/{MODEL}",
        ),
        (WITH_PROJECT, ENDPOINT, f"/v1beta1/{ENDPOINT}"),
        (WITH_PROJECT, "endpoints/4321", f"/v1beta1/{ENDPOINT}"),
        (replace(WITH_PROJECT, location=""), ENDPOINT, f"/v1beta1/{ENDPOINT}"),
        (
            replace(WITH_PROJECT, location=""),
            f"google/{MODEL}",
            f"/v1beta1/projects/{PROJECT}/locations/global/publishers/google/models/{MODEL}",
        ),
    ],
)
async def test_where_a_model_is_asked(flavour: Endpoint, name: str, path: str) -> None:
    async with asking(flavour) as (server, model):
        assert (await hear(model, question(model=name)))[0] == "".join(WORDS)
        assert server.paths == [f"{path}:streamGenerateContent"]


@pytest.mark.parametrize("name", ["", "../secrets", "models/../x", "a?b", "a#b", "a b", "a%2fb", "a//b"])
async def test_a_name_that_is_none_is_not_asked(name: str) -> None:
    async with asking() as (server, model):
        assert isinstance(await error_of(model, question(model=name)), ModelNotFound)
        assert not server.exchanges


async def test_a_project_goes_before_a_key() -> None:
    async with asking(replace(WITH_PROJECT, api_key=KEY)) as (server, model):
        await hear(model)
        assert server.headers[0]["Authorization"] == "Bearer signed-in"
        assert "x-goog-api-key" not in server.headers[0]


@pytest.mark.parametrize("flavour", [WITH_KEY, WITH_PROJECT], ids=["key", "project"])
async def test_the_clients_own_variables_give_the_address(
    flavour: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with GeminiServer() as server:
        monkeypatch.setenv(
            "GOOGLE_VERTEX_BASE_URL" if flavour.project else "GOOGLE_GEMINI_BASE_URL", server.url
        )
        model = chat_model(flavour)
        assert (await hear(model))[0] == "".join(WORDS)
        await model.close()


# --- what is shown


async def test_thoughts_are_not_shown_but_paid_for() -> None:
    async with asking(prices={"gemini-2.5": Price(1.0, 10.0, 0.25)}) as (server, model):
        usage = {"promptTokenCount": 1000, "candidatesTokenCount": 20, "thoughtsTokenCount": 80,
                 "cachedContentTokenCount": 400}  # fmt: skip
        server.reply = Reply(("The ", "answer."), thoughts=("Hm.", "Let me see."), usage=usage)
        said, end = await hear(model)
    assert said == "The answer."
    assert (end.usage.tokens_in, end.usage.tokens_out) == (1000, 100)
    assert end.usage.cost == pytest.approx((600 * 1.0 + 400 * 0.25 + 100 * 10.0) / 1e6)


@pytest.mark.parametrize("usage", [None, {"promptTokenCount": "many", "candidatesTokenCount": -1}])
async def test_usage_that_is_not_given_is_estimated(usage: dict[str, Any] | None) -> None:
    async with asking(prices={MODEL: Price(1.0, 1.0)}) as (server, model):
        server.reply = Reply(usage=usage)
        asked = question(Turn("user", "What is this?", (PIXEL,)), system="You are a pirate.")
        _, end = await hear(model, asked)
    assert end.usage.tokens_in > 258
    assert end.usage.tokens_out == model.count_tokens(MODEL, "".join(WORDS))
    assert end.usage.cost == pytest.approx((end.usage.tokens_in + end.usage.tokens_out) / 1e6)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "filtered"),
        ("RECITATION", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("OTHER", "length"),
        ("A_REASON_OF_TOMORROW", "length"),
    ],
)
async def test_how_a_reply_ends(finish: str, reason: str) -> None:
    async with asking() as (server, model):
        server.reply = Reply(finish=finish)
        said, end = await hear(model)
    assert (said, end.reason) == ("".join(WORDS), reason)


@pytest.mark.parametrize(("finish", "reason"), [("STOP", "stop"), ("MAX_TOKENS", "length")])
async def test_a_reply_without_words_still_ends(finish: str, reason: str) -> None:
    async with asking() as (server, model):
        server.reply = Reply((), finish=finish)
        said, end = await hear(model)
    assert (said, end.reason) == ("", reason)


@FLAVOURS
@pytest.mark.parametrize(
    "reply", [Reply((), finish="SAFETY"), Reply((), finish="RECITATION"), Reply(blocked="PROHIBITED_CONTENT")]
)
async def test_what_the_filter_stops_before_a_word_is_refused(flavour: Endpoint, reply: Reply) -> None:
    async with asking(flavour) as (server, model):
        server.reply = reply
        error = await error_of(model)
    assert isinstance(error, Refused)
    assert (reply.blocked or reply.finish or "") in str(error)


async def test_words_come_as_they_are_said() -> None:
    async with asking() as (server, model):
        wait = asyncio.Event()
        server.reply = Reply(pauses={1: wait})
        async with aclosing(model.stream(question())) as stream:
            assert await anext(stream) == Delta(WORDS[0])
            wait.set()
            rest = [one async for one in stream]
        assert len(rest) == len(WORDS)


async def test_events_may_arrive_in_any_pieces() -> None:
    end = {"candidates": [{"finishReason": "STOP"}]}
    whole = b": a comment\r\n\r\n" + event({"candidates": [{"content": {"parts": [{"text": "世界 🙂"}]}}]})
    async with asking() as (server, model):
        for size in (1, 3, 7, 1000):
            data = whole + event(end)[:-2]
            server.reply = Reply(raw=[data[at : at + size] for at in range(0, len(data), size)])
            assert (await hear(model))[0] == "世界 🙂"


async def test_parts_that_are_no_text_are_passed_over() -> None:
    parts = [{"functionCall": {"name": "f"}}, {"text": "yes"}, None, {"text": 3}, {"inlineData": {}}]
    events = [
        {"candidates": None},
        {"candidates": [{"content": {"parts": parts}}]},
        {"candidates": [{"content": None, "finishReason": "STOP"}], "usageMetadata": []},
    ]
    async with asking() as (server, model):
        server.reply = Reply(raw=[event(one) for one in events])
        assert (await hear(model))[0] == "yes"


async def test_an_answer_that_pauses_is_asked_for_the_rest() -> None:
    async with asking(WITH_PROJECT) as (server, model):
        server.script.extend(
            [Reply(("Once ", "upon "), finish="CONTINUATION", token="bW9yZQ=="), Reply(("a time.",))]
        )
        said, end = await hear(model)
        first, second = server.requests
    assert (said, end.reason) == ("Once upon a time.", "stop")
    assert second == first | {"continuationToken": "bW9yZQ=="}
    assert end.usage.tokens_out == 3


# --- the models


def names(listed: Iterable[Any]) -> list[str]:
    """Their names."""
    return [info.name for info in listed]


@FLAVOURS
async def test_only_models_that_chat_are_listed(flavour: Endpoint) -> None:
    async with asking(flavour) as (server, model):
        server.most = 2
        listed = await model.models()
    assert names(listed) == list(gemini.CHAT_MODELS)
    assert all(info.sees and info.shutdown_date is None for info in listed)
    assert all(info.description for info in listed) is not bool(flavour.project)


async def test_a_list_is_good_for_a_minute() -> None:
    now = 1000.0
    async with GeminiServer() as server:
        model = Google(replace(WITH_KEY, base_url=server.url), clock=lambda: now)
        await asyncio.gather(model.models(), model.models())
        now += 59
        await model.models()
        assert server.lists == 1
        now += 1
        server.models["gemini-4-pro"] = gemini.model("gemini-4-pro")
        assert "gemini-4-pro" in names(await model.models())
        assert server.lists == 2
        await model.close()


async def test_a_list_that_fails_is_asked_for_again() -> None:
    async with asking() as (server, model):
        server.listing = gemini.OVERLOADED
        with pytest.raises(Unavailable, match="overloaded"):
            await model.models()
        server.listing = gemini.no_model("models")
        with pytest.raises(NotConfigured, match="base URL"):
            await model.models()
        server.listing = Failure(200, "", body=b"<html>", content_type="text/html")
        with pytest.raises(Unavailable, match="read"):
            await model.models()
        server.listing = None
        assert await model.models()


async def test_a_models_own_limit_is_known_once_it_is_listed() -> None:
    async with asking(context_tokens=5000) as (_, model):
        assert model.context_tokens("gemma-3-27b-it") == 5000
        await model.models()
        assert model.context_tokens("gemma-3-27b-it") == 131_072
        assert model.context_tokens(f"models/{MODEL}") == 1_048_576
        assert model.context_tokens("gemini-unheard-of") == 5000


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("gemini-2.5-flash", True),
        ("models/gemini-3.5-flash", True),
        (ENDPOINT, True),
        ("gemma-3-27b-it", True),
        ("gemma-3n-e4b-it", True),
        ("gemma-4-31b-it", True),
        ("gemma-3-1b-it", False),
        ("gemma-2-9b-it", False),
        ("gemma2-9b-it", False),
        ("gemma-7b-it", False),
        ("codegemma-7b", False),
        ("text-bison", False),
    ],
)
def test_which_models_see(name: str, sees: bool) -> None:
    assert chat_model(WITH_KEY).sees(name) is sees
