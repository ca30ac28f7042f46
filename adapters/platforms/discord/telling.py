"""What is said unasked: posted once under one name, and changed in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import discord
import structlog

from adapters.platforms.base import Answer
from adapters.platforms.discord.answers import Part, payload
from adapters.platforms.discord.posted import Posted, nonce_of, posted_of
from adapters.platforms.discord.sending import NOBODY, Wire, edit, is_gone, message_payload, post, until_done

log = structlog.get_logger()

_LOOKED_AT = 100


async def tell(
    wire: Wire, channel_id: int, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
) -> str:
    """Post an answer, or change the messages ``instead_of``; returns their ids. Raises discord.py's errors."""
    whom = pings if pings.isdecimal() else ""
    if whom:
        answer = replace(answer, text=f"<@{whom}> {answer.text.strip()}")
    parts = payload(answer).parts
    there = [int(each) for each in instead_of.split() if each.isdecimal()]
    shown: list[int] = []
    for at, part in enumerate(parts):
        if at < len(there) and await _changed(wire, channel_id, there[at], part):
            shown.append(there[at])
            continue
        # What stands for a message that was deleted is not that message again, as far as Discord remembers.
        own = f"{name}/{there[at]}" if name and at < len(there) else name
        shown.append(await _posted(wire, channel_id, part, own, shown, whom))
    for left in there[len(parts) :]:
        await _taken_back(wire, channel_id, left)
    return " ".join(str(each) for each in shown)


async def _posted(
    wire: Wire, channel_id: int, part: Part, name: str, before: Sequence[int], whom: str
) -> int:
    """The id of a message that is there now, below those ``before`` it."""
    nonce = nonce_of(name, len(before)) if name else ""
    made = message_payload(part.content, channel_id, None, part.components, nonce)
    if whom:
        made["allowed_mentions"] = {**NOBODY, "users": [whom]}

    async def look() -> Posted | None:
        return await _found(wire, channel_id, part, before)

    if name and (found := await look()) is not None:
        await _changed(wire, channel_id, found.id, part)
        return found.id
    return (await post(wire, channel_id, made, files=part.files, look=look if name else None)).id


async def _changed(wire: Wire, channel_id: int, message_id: int, part: Part) -> bool:
    """Whether the message is there, as it is wanted now."""
    body = part.body if part.files else part.body | {"attachments": []}
    try:
        await edit(wire, channel_id, message_id, body, files=part.files)
    except discord.HTTPException as error:
        if not is_gone(error):
            raise
        return False
    return True


async def _found(wire: Wire, channel_id: int, part: Part, besides: Sequence[int]) -> Posted | None:
    """What a process that is gone may have posted: a nonce is not in the history, so it is known by its first line."""
    try:
        history = await wire.client.http.logs_from(channel_id, _LOOKED_AT)
    except discord.HTTPException as error:
        log.info("not looked for", channel=channel_id, error=str(error))
        return None
    wanted = _first_line(part.content)
    for each in (posted_of(data) for data in history if _ours(wire, data)):
        if each.id not in besides and _first_line(each.content) == wanted:
            return each
    return None


def _ours(wire: Wire, data: Mapping[str, Any]) -> bool:
    """Whether it was said by us, and not as the answer to a command."""
    us = wire.client.user
    return us is not None and str(data["author"]["id"]) == str(us.id) and not data.get("webhook_id")


def _first_line(content: str) -> str:
    return content.partition("\n")[0].strip()


async def _taken_back(wire: Wire, channel_id: int, message_id: int) -> None:
    async def attempt() -> None:
        await wire.client.http.delete_message(channel_id, message_id)

    try:
        await until_done(wire, "deleting", attempt)
    except discord.HTTPException as error:
        if not is_gone(error):
            raise
