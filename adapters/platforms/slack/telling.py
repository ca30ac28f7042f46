"""What is said unasked: posted once under one name, and changed in place with its picture.

Slack cannot put another file into a message. A picture is uploaded for nobody, shown by an image block, which Slack lets
whoever uploaded it do, and deleted once another one is shown instead. The key of a message says which picture stands in it,
so that a process which comes later knows that too.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

import structlog
from slack_sdk.errors import SlackApiError

from adapters.platforms.base import Answer, File
from adapters.platforms.slack.answers import Shown, file_name, shown
from adapters.platforms.slack.markup import mrkdwn
from adapters.platforms.slack.places import key_of
from adapters.platforms.slack.posted import find_note, messages_after, note_metadata
from adapters.platforms.slack.sending import (
    AWAY,
    FAILURES,
    Blocks,
    Wire,
    change,
    error_code,
    fitting,
    message_payload,
    post,
    until_done,
    words,
)

log = structlog.get_logger()

T = TypeVar("T")

REMEMBERED_SECONDS: Final = 86_400.0
"""So far back it is looked for what was said under a name."""

_GONE = frozenset({"message_not_found", "thread_not_found"})
# A workspace may let nobody change what is older than some minutes. Posting it anew each time would be worse.
_CLOSED = frozenset({"edit_window_closed", "cant_update_message"})
_UNREADY = "invalid_blocks"
_TRIES = 5
_SECTION = 2_900


@dataclass(frozen=True, slots=True)
class Spot:
    """Where it is said, and since when it may have been, as Slack writes times."""

    channel_id: str
    thread_ts: str | None
    since: str


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that was uploaded; as text, which is a part of the key of its message, ``F0123.9f8e7d6c5b4a3f2e``."""

    file_id: str
    digest: str

    def __str__(self) -> str:
        return f"{self.file_id}.{self.digest}"


class _Closed(Exception):
    """The message of this key cannot be changed any more."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Teller:
    """Says things unasked."""

    async def tell(
        self,
        wire: Wire,
        spot: Spot,
        answer: Answer,
        *,
        instead_of: str = "",
        name: str = "",
        pings: str = "",
    ) -> str:
        """Post an answer, or change the message ``instead_of``; returns its key, another one with each picture.

        Raises slack-sdk's errors.
        """
        earlier, _, kept = instead_of.partition(" ")
        file_id, _, digest = kept.partition(".")
        before = _Picture(file_id, digest) if file_id and digest else None
        made = shown(replace(answer, picture=None))
        picture = await self._uploaded(wire, answer.picture, before)
        # What stands for a message that is gone is not that message again.
        own = f"{name}/{earlier}" if name and earlier else name

        async def attempt(blocks: Blocks) -> str:
            if earlier and (key := await _changed(wire, earlier, made, blocks)):
                return key
            return await _posted(wire, spot, made, _calling(blocks, made, pings), own)

        alt = _alt(answer.picture) if answer.picture else ""
        try:
            key = await _with_picture(wire, made, picture, alt, attempt)
        except _Closed as closed:
            # What stands there stays, with its picture.
            key, picture, before = closed.key, before, picture
        if before is not None and (picture is None or picture.file_id != before.file_id):
            await wire.hint("files.delete", file=before.file_id)
        for file in made.files:
            await wire.client.files_upload_v2(
                channel=spot.channel_id, thread_ts=spot.thread_ts, content=file.data, filename=file.name
            )
        return f"{key} {picture}" if picture is not None else key

    async def _uploaded(self, wire: Wire, picture: File | None, there: _Picture | None) -> _Picture | None:
        """The picture at Slack; ``None`` without one, or where Slack does not take it, since the words matter more."""
        if picture is None:
            return None
        digest = hashlib.blake2b(picture.data, digest_size=8).hexdigest()
        if there is not None and there.digest == digest:
            return there
        name, alt = file_name(picture.name), _alt(picture)

        async def attempt() -> str:
            sent = await wire.client.files_upload_v2(
                content=picture.data, filename=name, title=alt, alt_txt=alt
            )
            files = cast("list[dict[str, Any]]", sent.get("files") or [{}])
            return str(files[0].get("id") or "")

        try:
            file_id = await until_done(wire, "uploading", attempt)
        except FAILURES as error:
            why = error_code(error) if isinstance(error, SlackApiError) else type(error).__name__
            log.warning("a picture is not shown", error=why)
            return None
        return _Picture(file_id, digest) if file_id else None


def _alt(picture: File) -> str:
    """What the picture is called where it cannot be seen."""
    name = file_name(picture.name)
    return name.rpartition(".")[0] or name


async def _with_picture(
    wire: Wire, made: Shown, picture: _Picture | None, alt: str, attempt: Callable[[Blocks], Awaitable[T]]
) -> T:
    """Do it with the picture, which Slack takes some seconds to look through; without it where it never does."""
    blocks = made.blocks
    if picture is not None:
        image = {
            "type": "image",
            "slack_file": {"id": picture.file_id},
            "alt_text": alt,
        }
        place = next((at for at, each in enumerate(blocks) if each["type"] == "actions"), len(blocks))
        pause = wire.tempo.retry
        for _ in range(_TRIES):
            try:
                return await attempt([*blocks[:place], image, *blocks[place:]])
            except SlackApiError as error:
                if error_code(error) != _UNREADY:
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        log.warning("a picture is not shown", error=_UNREADY)
    return await fitting(made.fallback, (), attempt, body=blocks or words(made.fallback))


async def _changed(wire: Wire, key: str, made: Shown, blocks: Blocks) -> str:
    """The key of the message, empty where it is gone. Raises ``_Closed`` where it has to stay as it is."""
    channel_id, _, ts = key.partition(":")
    asked: Mapping[str, Any] = {"channel": channel_id, "ts": ts, "text": made.fallback, "blocks": blocks}
    try:
        await change(wire, "chat.update", **asked, parse="none", link_names=False)
    except SlackApiError as error:
        if error_code(error) in _GONE:
            return ""
        if error_code(error) not in _CLOSED:
            raise
        log.warning("a message cannot be changed any more", channel=channel_id, error=error_code(error))
        raise _Closed(key) from error
    return key


async def _posted(wire: Wire, spot: Spot, made: Shown, blocks: Blocks, name: str) -> str:
    async def look() -> str:
        return await _found(wire, spot, own)

    if name and (ts := await _found(wire, spot, name)):
        key = key_of(spot.channel_id, ts)
        return await _changed(wire, key, made, blocks) or key
    own = name or f"{wire.random.getrandbits(64):016x}"
    payload = message_payload(spot.channel_id, spot.thread_ts, made.fallback, blocks, note_metadata(own))
    ts, _ = await post(wire, payload, look)
    return key_of(spot.channel_id, ts)


async def _found(wire: Wire, spot: Spot, name: str) -> str:
    """The time of what was posted under this name by a process that is gone, perhaps."""
    try:
        messages = await messages_after(wire.client, spot.channel_id, spot.thread_ts, spot.since)
    except (SlackApiError, *AWAY) as error:
        log.info("not looked for", channel=spot.channel_id, error=type(error).__name__)
        return ""
    return find_note(messages, wire.people.identity.user_id, name)


def _calling(blocks: Blocks, made: Shown, person: str) -> Blocks:
    """The blocks with a call to somebody in front; in a section, where Slack is sure to see it."""
    if not person.isalnum():
        return blocks
    call, rest = f"<@{person}>", blocks
    if blocks and blocks[0]["type"] == "markdown" and len(written := mrkdwn(made.text)) < _SECTION:
        call, rest = f"{call} {written}", blocks[1:]
    return [{"type": "section", "text": {"type": "mrkdwn", "text": call}}, *rest]
