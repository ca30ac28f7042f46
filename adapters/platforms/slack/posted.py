"""What of a reply is on Slack already: its messages carry the exchange in their metadata, and are found again by it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from slack_sdk.web.async_client import AsyncWebClient

REPLY = "understudy_reply"
NOTE = "understudy_note"

_LOOKED_AT = 100
_PAGES = 3


@dataclass(slots=True)
class Posted:
    """One message of a reply as it was last shown.

    ``open`` says that it is a stream which was not ended; ``sure`` that ``content`` is all of what it shows. ``digest``
    stands for a final text with all that is below it.
    """

    ts: str
    content: str = ""
    digest: str = ""
    open: bool = False
    sure: bool = True
    part: int = -1


def digest_of(content: str, below: Sequence[Mapping[str, Any]]) -> str:
    """What tells one final text, with its note and buttons, from another."""
    raw = content.encode("utf-8", "replace") + orjson.dumps(list(below))
    return hashlib.blake2b(raw, digest_size=8).hexdigest()


def reply_metadata(exchange_id: str, part: int, digest: str = "") -> dict[str, Any]:
    """What a message of a reply carries, unseen."""
    payload = {"exchange_id": exchange_id, "part": part, "digest": digest}
    return {"event_type": REPLY, "event_payload": payload}


def note_metadata(name: str) -> dict[str, Any]:
    """What something else that we say carries, so that it is said once."""
    return {"event_type": NOTE, "event_payload": {"name": name}}


async def messages_after(
    client: AsyncWebClient, channel_id: str, thread_ts: str | None, after: str
) -> list[Mapping[str, Any]]:
    """What was posted in a thread, or a channel, since the message ``after``; a bounded number, the oldest first."""
    found: list[Mapping[str, Any]] = []
    cursor = ""
    for _ in range(_PAGES):
        asked: dict[str, Any] = {"channel": channel_id, "limit": _LOOKED_AT, "include_all_metadata": True}
        if after:
            asked |= {"oldest": after, "inclusive": False}
        if cursor:
            asked["cursor"] = cursor
        if thread_ts:
            asked["ts"] = thread_ts
        method = "conversations.replies" if thread_ts else "conversations.history"
        response = await client.api_call(method, http_verb="GET", params=asked)
        data = cast("dict[str, Any]", response.data)
        found += data.get("messages") or ()
        cursor = str((data.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            break
    return sorted(found, key=lambda each: str(each.get("ts", "")))


def find_reply(
    messages: Sequence[Mapping[str, Any]],
    bot_user_id: str,
    exchange_id: str,
    after: str,
    *,
    streamed: bool = False,
) -> list[Posted]:
    """The messages of this exchange among those that follow its question, in order.

    A stream takes metadata only at its end. One that was cut short, which happens where replies are ``streamed``, is
    known by having none, nor anything below its text, with no reply after it that has.
    """
    found: list[Posted] = []
    orphans: list[Posted] = []
    for message in messages:
        ts = str(message.get("ts", ""))
        if ts <= after or message.get("user") != bot_user_id:
            continue
        kind, payload = _metadata(message)
        if kind == REPLY and payload.get("exchange_id") == exchange_id:
            part, digest = payload.get("part"), payload.get("digest")
            found.append(
                Posted(ts, "", str(digest or ""), sure=False, part=part if isinstance(part, int) else 0)
            )
        elif kind == REPLY:
            orphans.clear()
        elif streamed and not kind and not message.get("subtype") and not message.get("files"):
            orphans.append(Posted(ts, open=True, sure=False))
    parts = {each.part: each for each in reversed(found)}
    made: list[Posted] = []
    while len(made) in parts:
        made.append(parts[len(made)])
    last = made[-1].ts if made else after
    made += [each for each in orphans if each.ts > last][:1]
    return made + [each for each in found if each not in made]


def find_note(messages: Sequence[Mapping[str, Any]], bot_user_id: str, name: str) -> str:
    """The time of the message that carries this name; empty when there is none."""
    for message in messages:
        kind, payload = _metadata(message)
        if kind == NOTE and message.get("user") == bot_user_id and payload.get("name") == name:
            return str(message["ts"])
    return ""


def _metadata(message: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    metadata = cast("Mapping[str, Any]", message.get("metadata") or {})
    return str(metadata.get("event_type") or ""), cast(
        "Mapping[str, Any]", metadata.get("event_payload") or {}
    )
