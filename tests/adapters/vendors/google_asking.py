"""What the tests of Google share: a server, a model that asks it, and questions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from adapters.vendors.base import (
    ChatRequest,
    Delta,
    Finished,
    Image,
    Turn,
    VendorError,
)
from adapters.vendors.google import Endpoint, Google, chat_model
from tests.servers.gemini import LOCATION, PROJECT, GeminiServer

KEY = "AIza" + "k3y-that-nobody-may-read_" * 2
MODEL = "gemini-2.5-flash"
WITH_KEY = Endpoint(api_key=KEY)
WITH_PROJECT = Endpoint(project=PROJECT, location=LOCATION, credentials=Credentials(token="signed-in"))
FLAVOURS = pytest.mark.parametrize("flavour", [WITH_KEY, WITH_PROJECT], ids=["key", "project"])
PIXEL = Image(b"\x89PNG\r\n", "image/png")


@asynccontextmanager
async def asking(flavour: Endpoint = WITH_KEY, **more: Any) -> AsyncGenerator[tuple[GeminiServer, Google]]:
    """A server, and a model that asks it."""
    async with GeminiServer() as server:
        model = chat_model(replace(flavour, **{"base_url": server.url, **more}))
        try:
            yield server, model
        finally:
            await model.close()


def question(*turns: Turn | str, model: str = MODEL, **more: Any) -> ChatRequest:
    """A request with these turns; a text is a user's."""
    said = tuple(Turn("user", turn) if isinstance(turn, str) else turn for turn in turns or ("hello",))
    return ChatRequest(model, more.pop("system", ""), said, **more)


async def hear(model: Google, request: ChatRequest | None = None) -> tuple[str, Finished]:
    """The whole reply and its end."""
    events = [one async for one in model.stream(request or question())]
    end = events.pop()
    assert isinstance(end, Finished)
    assert all(isinstance(one, Delta) for one in events)
    return "".join(one.text for one in events if isinstance(one, Delta)), end


async def error_of(model: Google, request: ChatRequest | None = None) -> VendorError:
    """The error that a question ends with: a sentence without a key."""
    with pytest.raises(VendorError) as caught:
        await hear(model, request)
    told = str(caught.value)
    assert caught.value.vendor == "google"
    assert "google" in told
    assert KEY not in told
    assert "\n" not in told
    return caught.value
