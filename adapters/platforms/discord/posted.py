"""What of a reply is on Discord already: how its messages are told from others, and how they are found again."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import discord

_LOOKED_AT = 100


@dataclass(slots=True)
class Posted:
    """One message of a reply as it was last shown; ``controls`` are the ids of its buttons."""

    id: int
    content: str
    controls: tuple[str, ...] = ()
    files: bool = False


def nonce_of(exchange_id: str, part: int, again: int = 0) -> str:
    """What makes Discord post a part of this exchange once, however often it is sent; at most 25 characters."""
    try:
        raw = uuid.UUID(exchange_id).bytes
    except ValueError:
        raw = hashlib.blake2b(exchange_id.encode(), digest_size=16).digest()
    return (
        base64.urlsafe_b64encode(raw)[:22].decode()
        + f"{part % 100}{'abcdefghij'[again - 1] if again else ''}"
    )


def control_ids(components: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The ids of all buttons in these rows, as Discord gives and takes them."""
    return tuple(
        str(each["custom_id"])
        for row in components
        for each in row.get("components", ())
        if "custom_id" in each
    )


def posted_of(data: Mapping[str, Any]) -> Posted:
    """A message as Discord describes it."""
    return Posted(
        int(data["id"]),
        str(data.get("content", "")),
        control_ids(data.get("components") or ()),
        bool(data.get("attachments")),
    )


async def find_posted(
    client: discord.Client, channel_id: int, trigger: str, exchange_id: str
) -> list[Posted]:
    """The messages of this exchange among those that follow its trigger, in order.

    They answer the trigger, or name the exchange in a button.
    """
    assert client.user is not None
    trigger = trigger.partition(":")[0]
    after = int(trigger) if trigger.isdecimal() else None
    history = await client.http.logs_from(channel_id, _LOOKED_AT, after=after)
    nonces = {nonce_of(exchange_id, part) for part in range(_LOOKED_AT)}
    found: list[Posted] = []
    unclaimed: list[Posted] = []
    for data in sorted(history, key=lambda each: int(each["id"])):
        if int(data["author"]["id"]) != client.user.id:
            continue
        each = posted_of(data)
        answers = str((data.get("message_reference") or {}).get("message_id")) == trigger
        if any(exchange_id in control for control in each.controls) or str(data.get("nonce")) in nonces:
            found += [*unclaimed, each]
            unclaimed.clear()
        elif answers and each.controls:
            # The last part of another reply to the same question, which was asked again.
            unclaimed.clear()
        elif answers:
            unclaimed.append(each)
    return found + unclaimed
