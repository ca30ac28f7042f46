"""Moderation through the real client, on a local OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.vendors.base import BadRequest, Denied, ModelNotFound, NotConfigured, Unavailable
from adapters.vendors.openai import Endpoint
from adapters.vendors.openai.moderation import BATCH, OpenAIModerator
from tests.servers.openai import INVALID_KEY, Failure, OpenAIServer

AT_ONCE = {"retry-after-ms": "1"}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


def moderator(server: OpenAIServer, model: str = "omni-moderation-latest") -> OpenAIModerator:
    return OpenAIModerator(Endpoint(api_key="sk-test", base_url=f"{server.url}/v1"), model)


async def test_texts_are_judged_in_order_and_in_batches(server: OpenAIServer) -> None:
    judge = moderator(server)
    texts = ["Hello", "You idiot", *["fine"] * BATCH, "half \ud83d"]
    found = await judge.judge(texts)
    await judge.close()
    assert [flag.flagged for flag in found] == [False, True, *[False] * (BATCH + 1)]
    assert found[1].categories == ("harassment",)
    assert found[1].scores["harassment"] == 0.9
    assert [len(body["input"]) for body in server.moderated] == [BATCH, 3]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_pass_is_tried_again(server: OpenAIServer, status: int) -> None:
    server.moderation_failures.append(Failure(status, headers=AT_ONCE))
    judge = moderator(server)
    assert len(await judge.judge(["Hello"])) == 1
    await judge.close()
    assert len(server.moderated) == 2


async def test_an_outage_and_a_wrong_key_are_told(server: OpenAIServer) -> None:
    judge = moderator(server)
    server.moderation_failures.extend([Failure(503, headers=AT_ONCE)] * 4)
    with pytest.raises(Unavailable):
        await judge.judge(["Hello"])
    server.moderation_failures.append(INVALID_KEY)
    with pytest.raises(Denied):
        await judge.judge(["Hello"])
    await judge.close()


async def test_a_model_that_is_not_there(server: OpenAIServer) -> None:
    judge = moderator(server, "omni-moderation-none")
    with pytest.raises(ModelNotFound):
        await judge.judge(["Hello"])
    await judge.close()


async def test_a_request_that_is_refused(server: OpenAIServer) -> None:
    server.moderation_failures.append(Failure(400))
    judge = moderator(server)
    with pytest.raises(BadRequest):
        await judge.judge(["Hello"])
    await judge.close()


async def test_a_header_that_is_the_key_goes_alone(server: OpenAIServer) -> None:
    endpoint = Endpoint(base_url=f"{server.url}/v1", headers={"api-key": "sk-test"})
    judge = OpenAIModerator(endpoint, "omni-moderation-latest")
    assert len(await judge.judge(["Hello"])) == 1
    await judge.close()
    (headers,) = server.headers
    assert headers["api-key"] == "sk-test"
    assert "Authorization" not in headers


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(NotConfigured, match="base_url of openai cannot be used"):
        OpenAIModerator(Endpoint(api_key="sk-test", base_url="http://[::1"), "omni-moderation-latest")
