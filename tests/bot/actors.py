"""Vendors that play what they are told to, call by call, and ways to ask them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from adapters.vendors.base import (
    ChatModel,
    ChatRequest,
    Delta,
    Event,
    Finished,
    ModelInfo,
    Turn,
    Unavailable,
    Usage,
    VendorError,
)
from bot.asking import Asking, Patience
from bot.models import Models

PATIENCE = Patience(fallback=("second:b",), attempts=3, retry_seconds=0, rest_after=1000)
END = Finished(Usage(1, 2, 0.5))
Take = Sequence[str | VendorError | Finished]
GOOD: Take = ("Hello", " there", END)


def down(words: str = "down", after: float | None = None) -> Unavailable:
    return Unavailable(words, vendor="first", retry_after=after)


@dataclass
class Actor:
    """Plays one take for each call, the last one again and again: pieces of text, then an error or an end."""

    vendor: str
    takes: Sequence[Take] = (GOOD,)
    gate: asyncio.Event | None = None
    asked: list[ChatRequest] = field(default_factory=list[ChatRequest])
    ended: int = 0

    @property
    def calls(self) -> int:
        return len(self.asked)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        take = self.takes[min(self.calls, len(self.takes) - 1)]
        self.asked.append(request)
        try:
            if self.gate is not None:
                await self.gate.wait()
            for each in take:
                if isinstance(each, VendorError):
                    raise each
                yield Delta(each) if isinstance(each, str) else each
        finally:
            self.ended += 1

    def count_tokens(self, model: str, text: str) -> int:
        return len(text)

    def context_tokens(self, model: str) -> int:
        return 1000

    def sees(self, model: str) -> bool:
        return False

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        return None

    async def models(self) -> Sequence[ModelInfo]:
        return []

    async def close(self) -> None:
        """There is nothing to give back."""


def prepare(full: str, vendor: ChatModel, name: str) -> ChatRequest:
    return ChatRequest(f"{vendor.vendor}/{name}", full, (Turn("user", "hello"),))


@dataclass
class Clock:
    """Seconds that pass only when told to."""

    at: float = 100.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Hanging(Actor):
    """Lets a minute pass before it fails."""

    clock: Clock = field(default_factory=Clock)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        self.clock.at += 60
        async for event in super().stream(request):
            yield event


def asking_of(
    *actors: ChatModel, patience: Patience = PATIENCE, now: Callable[[], float] | None = None
) -> Asking:
    models = Models({actor.vendor: lambda actor=actor: actor for actor in actors})
    return Asking(models, patience, now or Clock())


async def ask(asked: Asking, model: str = "first:a") -> str:
    """All that is shown."""
    return "".join([each.text for each in await events(asked, model) if isinstance(each, Delta)])


async def events(asked: Asking, model: str = "first:a") -> list[Event]:
    shown: list[Event] = []
    await collect(asked.stream(model, prepare), shown)
    return shown


async def collect(stream: AsyncGenerator[Event], shown: list[Event]) -> None:
    """All events, as far as they come."""
    async with aclosing(stream):
        async for event in stream:
            shown.append(event)  # noqa: PERF401 - what there is must be kept when it breaks off
