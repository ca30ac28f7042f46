"""The final text of a reply, put where it belongs: into what is shown of it already, or posted, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from adapters.platforms.slack.posted import Posted, digest_of, find_reply, messages_after, reply_metadata
from adapters.platforms.slack.sending import (
    AWAY,
    FAILURES,
    Blocks,
    Wire,
    change,
    error_code,
    fitting,
    is_passing,
    message_payload,
    post,
    until_done,
)

log = structlog.get_logger()

FILE_NAME = "reply.md"

_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "no_such_message"})
_STREAMS_STILL = "streaming_state_conflict"
_TIMES = 3


class Finals:
    """The messages of one reply; ``after`` is the time of its question.

    ``doubtful`` says that something was posted of which nobody knows whether it arrived.
    """

    def __init__(
        self, wire: Wire, channel_id: str, thread_ts: str | None, after: str, posted: Sequence[Posted] = ()
    ) -> None:
        self._wire = wire
        self._channel_id = channel_id
        self._thread_ts = thread_ts
        self._after = after
        self.posted = list(posted)
        self.exchange_id = ""
        self.doubtful = False
        self.changed = False

    async def show(self, parts: Sequence[str], below: Blocks) -> list[str]:
        """Make what is posted exactly these parts, the last with what belongs below it; their times."""
        at = again = 0
        while at < len(parts):
            last = at == len(parts) - 1
            if await self._put(at, parts[at], below if last else ()):
                at += 1
            else:
                again += 1
                if again > _TIMES * len(parts):
                    raise RuntimeError("a reply is taken away as often as it is shown")
        await self._withdraw(len(parts))
        return [each.ts for each in self.posted]

    async def attach(self, text: str, name: str) -> bool:
        """Hand over the text as a file; False when that cannot be."""
        if not self.changed:
            return True
        try:
            await self._wire.client.files_upload_v2(
                channel=self._channel_id, thread_ts=self._thread_ts, content=text, filename=name, title=name
            )
        except FAILURES as error:
            log.warning("file not handed over", channel=self._channel_id, error=type(error).__name__)
            return False
        return True

    async def _put(self, at: int, content: str, below: Blocks) -> bool:
        """Make one part what it should be; False when it has to be looked at again."""
        digest = digest_of(content, below)
        if at >= len(self.posted):
            return await self._post(at, content, below, digest)
        shown = self.posted[at]
        if shown.digest == digest:
            return True
        self.changed = True
        if shown.open and await self._end(shown, at, content, below, digest):
            shown.content, shown.digest = content, digest
            return True
        try:
            await self._update(shown, at, content, below, digest)
        except SlackApiError as error:
            if error_code(error) == _STREAMS_STILL:
                shown.open = True
                return False
            if error_code(error) not in _GONE:
                raise
            # Somebody deleted it while it grew: what follows is posted anew, in order.
            await self._withdraw(at + 1)
            del self.posted[at:]
            return False
        shown.content, shown.digest = content, digest
        return True

    async def _end(self, shown: Posted, at: int, content: str, below: Blocks, digest: str) -> bool:
        """End a stream with the rest of its text; False when the text is not known to be what it should be."""
        whole = shown.sure and content.startswith(shown.content)
        tried = False

        async def attempt(blocks: Blocks) -> bool:
            nonlocal tried
            asked: dict[str, Any] = {"channel": self._channel_id, "ts": shown.ts}
            asked["metadata"] = reply_metadata(self.exchange_id, at, digest)
            complete = whole and not tried
            if complete:
                if len(content) > len(shown.content):
                    asked["markdown_text"] = content[len(shown.content) :]
                if blocks:
                    asked["blocks"] = blocks
            try:
                await self._wire.call("chat.stopStream", **asked)
            except SlackApiError as error:
                tried = tried or is_passing(error)
                raise
            except AWAY:
                # The rest may be there already; it is not added twice.
                tried = True
                raise
            return complete

        try:
            return await until_done(self._wire, "ending", lambda: attempt(below))
        except SlackApiError as error:
            if is_passing(error):
                raise
            log.info("stream had ended", channel=self._channel_id, error=error_code(error))
            return False
        finally:
            shown.open, shown.sure = False, False

    async def _update(self, shown: Posted, at: int, content: str, below: Blocks, digest: str) -> None:
        async def attempt(blocks: Blocks) -> None:
            metadata = reply_metadata(self.exchange_id, at, digest)
            payload = message_payload(self._channel_id, None, content, blocks, metadata)
            del payload["unfurl_links"], payload["unfurl_media"]
            await change(self._wire, "chat.update", ts=shown.ts, **payload)

        self._wire.pacing.updates.spend()
        await fitting(content, below, attempt, body=[markdown(content)])

    async def _post(self, at: int, content: str, below: Blocks, digest: str) -> bool:
        """Post a part; False when what an earlier attempt left was found in its place."""
        found: list[Posted] = []

        async def look() -> str:
            found[:] = await self._missing()
            return found[0].ts if found else ""

        if self.doubtful and self._can_look() and await until_done(self._wire, "looking", look):
            self.doubtful = False
            self.posted.append(found[0])
            return False

        async def attempt(blocks: Blocks) -> tuple[str, bool]:
            metadata = reply_metadata(self.exchange_id, at, digest)
            payload = message_payload(self._channel_id, self._thread_ts, content, blocks, metadata)
            return await post(self._wire, payload, look if self._can_look() else None)

        ts, again = await fitting(content, below, attempt, body=[markdown(content)])
        self.doubtful = False
        self.changed = True
        if again:
            self.posted.append(found[0])
            return False
        self.posted.append(Posted(ts, content, digest, part=at))
        return True

    def _can_look(self) -> bool:
        return bool(self.exchange_id and (self._after or self._thread_ts))

    async def _missing(self) -> list[Posted]:
        """What is there of this reply that we do not know of."""
        known = {each.ts for each in self.posted}
        found = await find_posted(
            self._wire, self._channel_id, self._thread_ts, self._after, self.exchange_id
        )
        return [each for each in found if each.ts not in known]

    async def _withdraw(self, start: int) -> None:
        """Delete the messages from this part on: the text has become shorter."""
        for each in self.posted[start:]:
            try:
                if each.open:
                    await self._wire.hint("chat.stopStream", channel=self._channel_id, ts=each.ts)
                await change(self._wire, "chat.delete", channel=self._channel_id, ts=each.ts)
            except SlackApiError as error:
                log.info("part not deleted", channel=self._channel_id, error=error_code(error))
        del self.posted[start:]


async def find_posted(
    wire: Wire, channel_id: str, thread_ts: str | None, after: str, exchange_id: str
) -> list[Posted]:
    """The messages of an exchange that are there; none where we may not look."""
    try:
        messages = await messages_after(wire.client, channel_id, thread_ts, after)
    except SlackApiError as error:
        if is_passing(error) or error_code(error) in ("ratelimited", "rate_limited"):
            raise
        log.warning("channel cannot be read", channel=channel_id, error=error_code(error))
        return []
    me = wire.people.identity.user_id
    return find_reply(messages, me, exchange_id, after, streamed=bool(thread_ts))


def markdown(content: str) -> Mapping[str, Any]:
    """A block in which tables, code and lists look right."""
    return {"type": "markdown", "text": content}
