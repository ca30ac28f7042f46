"""``OpenAIModerator``: texts judged by a moderation model, through the official client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import openai

from adapters.vendors.base import BadRequest, Flag
from adapters.vendors.openai.client import connect
from adapters.vendors.openai.endpoint import Endpoint
from adapters.vendors.openai.errors import TRANSPORT, Explainer

BATCH: Final = 32
"""Texts that are sent in one request."""

_RETRIES: Final = 3
# What reading an answer of another shape ends with.
_SHAPE: Final = (AttributeError, TypeError, LookupError, ValueError)


class OpenAIModerator:
    """``model`` of one endpoint as a ``Moderator``. Failures that may pass are tried again by the client, with back-off.

    Raises ``NotConfigured`` when the address cannot be used.
    """

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._model = model
        self._vendor = endpoint.vendor
        self._explain = Explainer(endpoint)
        self._client = connect(endpoint).with_options(max_retries=_RETRIES, timeout=endpoint.first_seconds)
        # Two keys at once are refused where a header is the key.
        self._extra: Any = {"Authorization": openai.Omit()} if endpoint.key_is_header else {}

    async def judge(self, texts: Sequence[str]) -> Sequence[Flag]:
        """A flag for each text, in order. Raises ``VendorError``."""
        found: list[Flag] = []
        for start in range(0, len(texts), BATCH):
            found += await self._judged([_sendable(text) for text in texts[start : start + BATCH]])
        return found

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    async def _judged(self, texts: list[str]) -> list[Flag]:
        try:
            answer = await self._client.moderations.create(
                model=self._model, input=texts, extra_headers=self._extra
            )
        except TRANSPORT as error:
            # The client's own error repeats what the server said, at times with the key.
            raise self._explain.of(error, self._model) from None
        try:
            flags = [_flag(result.to_dict()) for result in answer.results]
        except _SHAPE:
            flags = []
        if len(flags) != len(texts):
            text = f"{self._vendor} answers {self._model} in a way that cannot be read: it may not moderate"
            raise BadRequest(text, vendor=self._vendor)
        return flags


def _sendable(text: str) -> str:
    """Half of a surrogate pair is no text that can be sent."""
    return text.encode("utf-8", "replace").decode()


def _flag(result: Mapping[str, Any]) -> Flag:
    flagged = result["flagged"]
    if not isinstance(flagged, bool):
        raise TypeError(flagged)
    categories = cast("Mapping[str, bool | None]", result["categories"])
    scores = cast("Mapping[str, float | None]", result["category_scores"])
    return Flag(
        flagged,
        tuple(sorted(name for name, on in categories.items() if on)),
        {name: float(score) for name, score in scores.items() if score is not None},
    )
