"""Slack's own place for talking to an agent: what it offers there to begin with, and what a talk is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from adapters.platforms.base import Host, UserError
from adapters.platforms.slack.places import place_of
from adapters.platforms.slack.sending import Wire

log = structlog.get_logger()

_PROMPTS = 4
_PROMPT = 300
_TITLE = 60


async def welcome(wire: Wire, host: Host, channel_id: str, thread_ts: str | None = None) -> None:
    """Offer questions to begin with, those of the avatar that waits there."""
    identity = wire.people.identity
    place = place_of(identity.team_id, channel_id, "im", thread_ts, team_name=identity.team_name)
    try:
        waits = await host.welcome(place)
    except UserError as error:
        log.info("nobody to welcome", channel=channel_id, error=type(error).__name__)
        return
    prompts = [
        {"title": _short(each, _TITLE), "message": each[:_PROMPT]} for each in waits.suggestions[:_PROMPTS]
    ]
    if not prompts:
        return
    asked: dict[str, Any] = {
        "channel_id": channel_id,
        "title": _short(f"Ask {waits.avatar}", _TITLE),
        "prompts": prompts,
    }
    if thread_ts:
        asked["thread_ts"] = thread_ts
    await wire.hint("assistant.threads.setSuggestedPrompts", **asked)


async def entitle(wire: Wire, channel_id: str, thread_ts: str, text: str) -> None:
    """Call a talk after the question that began it."""
    title = _short(" ".join(text.split()), _TITLE)
    if title:
        await wire.hint("assistant.threads.setTitle", channel_id=channel_id, thread_ts=thread_ts, title=title)


def thread_of(event: Mapping[str, Any]) -> tuple[str, str]:
    """The channel and the thread that an event about an assistant's thread speaks of."""
    thread: Mapping[str, Any] = event.get("assistant_thread") or {}
    return str(thread.get("channel_id") or ""), str(thread.get("thread_ts") or "")


def _short(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
