"""Asking a model in private: nothing of it is kept, and nobody who talks to the avatar meets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from adapters.vendors.base import ChatModel, ChatRequest, Delta, Unavailable, Usage
from bot import context
from bot.asking import Asking, Patience
from bot.context import Shown
from bot.models import Models
from bot.settings import Settings
from training.smoke import Prompt, Said

MOST_TOKENS = 400
"""What a model may say in a rehearsal."""

SECONDS = 90.0
"""A model that has not answered by then does not answer."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model said, and what that took; ``known`` is False where it said that it does not know."""

    text: str
    usage: Usage
    seconds: float
    known: bool = True


class Rehearsal:
    """Asks one model, and none in its place."""

    def __init__(self, models: Models, settings: Settings, *, unknown: str = "") -> None:
        self._models = models
        self._settings = settings
        self._unknown = unknown
        chosen = settings.models
        # No vendor rests here: how often a model fails is what is to be found out.
        self._asking = Asking(
            models, Patience(attempts=chosen.attempts, retry_seconds=chosen.retry_seconds, rest_after=1000)
        )

    async def answer(self, model: str, prompt: Prompt) -> Said:
        """What the model says to a prompt, without examples, as much alike each time as it can. Raises ``VendorError``."""

        def prepare(_full: str, _vendor: ChatModel, name: str) -> ChatRequest:
            return ChatRequest(
                name,
                prompt.system,
                prompt.turns,
                unknown=self._unknown,
                temperature=0,
                max_output_tokens=MOST_TOKENS,
            )

        heard = await self._heard(model, prepare)
        return Said(heard.text, heard.known)

    async def as_shown(self, model: str, shown: Shown, text: str) -> Heard:
        """What the model says with all that the avatar would show it. Raises ``VendorError``."""
        settings = self._settings

        def prepare(_full: str, vendor: ChatModel, name: str) -> ChatRequest:
            room = vendor.context_tokens(name) - settings.models.max_output_tokens
            return context.fit(
                shown,
                model=name,
                text=text,
                unknown=self._unknown,
                budget=min(settings.context.token_budget, room),
                count=lambda piece: vendor.count_tokens(name, piece),
                temperature=settings.models.temperature,
                max_output_tokens=settings.models.max_output_tokens,
            ).request

        return await self._heard(model, prepare)

    async def _heard(self, model: str, prepare: Callable[[str, ChatModel, str], ChatRequest]) -> Heard:
        began = time.monotonic()
        heard = Heard("", Usage(), 0)
        try:
            async with asyncio.timeout(SECONDS):
                async for event in self._asking.stream(model, prepare):
                    if isinstance(event, Delta):
                        heard = replace(heard, text=heard.text + event.text)
                    else:
                        heard = replace(heard, usage=event.usage, known=event.known)
        except TimeoutError:
            vendor = model.partition(":")[0]
            raise Unavailable(f"it did not answer within {SECONDS:.0f} seconds", vendor=vendor) from None
        return replace(heard, seconds=time.monotonic() - began)
