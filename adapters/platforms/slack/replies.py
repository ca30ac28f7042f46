"""A reply of the avatar on Slack: it streams where Slack lets it, is redrawn where not, ends at once, and is posted once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from adapters.platforms.base import End, Place
from adapters.platforms.slack.controls import AGAIN, button, reply_blocks, row, stop_blocks
from adapters.platforms.slack.emoji import NAMES, plain
from adapters.platforms.slack.finals import FILE_NAME, Finals, markdown
from adapters.platforms.slack.markup import escape, harmless, without_half
from adapters.platforms.slack.pacing import Lane
from adapters.platforms.slack.parts import beginning, finished, growing
from adapters.platforms.slack.places import key_of, parts_of, target_of
from adapters.platforms.slack.posted import Posted, reply_metadata
from adapters.platforms.slack.sending import (
    FAILURES,
    FOR_GOOD,
    Wire,
    asked_wait,
    error_code,
    is_limited,
    is_passing,
    message_payload,
)

log = structlog.get_logger()

# A reply is first shown this long after its first token, in shares of the time between two drawings: early when there is
# a good deal to read, and not before a fast model is done, which then costs one post and no stream.
_EARLY, _LATE = 0.2, 0.5
_GOOD_DEAL = 200
# A stream that is this old, in the same unit, gets a button to stop it: most are whole before anybody would press one.
_LONG = 3.0
_WAIT_FOR_GROWTH_SECONDS = 2.0
_GROWTH_SECONDS = 10.0
_STATUS = "is thinking …"
# By what is drawn, the name by which Slack takes it.
_NAMED = {sign: name for name, sign in reversed(list(NAMES.items()))}
_NOTE = 1000
# What Slack says of one stream and not of streaming as such.
_OF_THIS_STREAM = frozenset(
    {"message_not_in_streaming_state", "message_not_found", "msg_too_long", "message_not_owned_by_app"}
)


class SlackReply:
    """One reply: to a message, to the same question again, or one that was interrupted and is taken up.

    ``question`` is the key of the message that is answered, ``asker`` who wrote it and ``asker_team`` where they belong.
    ``posted`` is what an earlier process has shown of it.
    """

    def __init__(
        self,
        wire: Wire,
        place: Place,
        question: str = "",
        asker: str = "",
        asker_team: str = "",
        *,
        exchange_id: str = "",
        posted: Sequence[Posted] = (),
    ) -> None:
        self._wire = wire
        self._place = place
        self._channel_id, self._thread_ts = target_of(place)
        self._asker = asker
        self._asker_team = asker_team or wire.people.identity.team_id
        self._finals = Finals(
            wire, self._channel_id, self._thread_ts, parts_of(question)[1] if question else "", posted
        )
        self._finals.exchange_id = exchange_id
        self._text = ""
        # Slack streams into threads only: what is said in a channel itself is redrawn.
        self._streams = bool(self._thread_ts and asker) and not posted
        # Nothing is under way that will look at the text again: no timer, no turn, no drawing.
        self._idle = True
        self._ended = False
        self._drawn = 0.0
        self._hold: asyncio.TimerHandle | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._status: asyncio.Task[bool] | None = None
        self._session: asyncio.TimerHandle | asyncio.Task[bool] | None = None
        self._drawing: asyncio.Task[None] | None = None

    @property
    def place(self) -> Place:
        """Where it is given."""
        return self._place

    @property
    def target(self) -> tuple[str, str | None]:
        """The channel, and the thread in it, that it is posted into."""
        return self._channel_id, self._thread_ts

    @property
    def exchange_id(self) -> str:
        """The exchange that it belongs to; empty until it is accepted."""
        return self._finals.exchange_id

    def start_typing(self) -> None:
        """Show that an answer is on its way, unless it is there at once."""
        if self._thread_ts and self._waiting is None and not self._finals.posted:
            share = _EARLY * self._wire.options.edit_seconds
            self._waiting = asyncio.get_running_loop().call_later(share, self._show_status)

    def stop_typing(self) -> None:
        """There is nothing to wait for: it is there, or there will be none."""
        self._wire.end(self)
        if self._waiting is not None:
            self._waiting.cancel()
        if self._status is not None:
            status, self._status = self._status, None
            # Slack takes the status away when something is posted after it.
            if not self._finals.posted or not status.done():
                self._wire.start(self._clear_status(status))

    async def accepted(self, exchange_id: str) -> None:
        """What is posted from now on carries this exchange's id."""
        self._finals.exchange_id = exchange_id
        self._wire.begin(self)

    async def grow(self, text: str) -> None:
        """Keep the text; it is shown when it is this reply's turn."""
        self._text = text
        if self._idle and not self._ended:
            self._idle = False
            self._wake()

    def draw(self) -> bool:
        """Show what there is, unless the reply has ended meanwhile."""
        if self._ended:
            return False
        self._drawing = self._wire.start(self._draw())
        return True

    async def finish(self, end: End) -> str:
        """Show the final text with its buttons, at once; the keys of its messages, that with the buttons first."""
        self._finals.exchange_id = end.exchange_id or self._finals.exchange_id
        await self._settle()
        limit = self._wire.options.file_characters
        text = harmless(end.text)
        below: list[dict[str, Any]] = [_remark(end.note)] if end.note.strip() else []
        if self._finals.exchange_id:
            below += reply_blocks(self._finals.exchange_id, self._wire.options)
        whole = bool(limit and len(end.text) > limit)
        shown = await self._show([beginning(text)] if whole else finished(text), below)
        if whole and shown and not await self._finals.attach(end.text, FILE_NAME):
            shown = await self._show(finished(text), below)
        if shown and self._wire.options.seed_reactions:
            self._wire.start(self._seed(shown[-1]))
        return " ".join(key_of(self._channel_id, ts) for ts in reversed(shown))

    async def fail(self, sentence: str, reference: str) -> None:
        """Say that there is no reply, with a button to try again."""
        await self._settle()
        below: list[dict[str, Any]] = []
        if reference and reference not in sentence:
            below.append(_remark(f"Reference: {reference}"))
        if self._finals.exchange_id and self._wire.options.buttons:
            below.append(row(button("↻ Try again", AGAIN, self._finals.exchange_id)))
        await self._show(finished(harmless(sentence)), below)

    # What is shown before there is anything to read

    def _show_status(self) -> None:
        if not self._ended and not self._finals.posted and self._thread_ts:
            self._status = self._wire.start(self._hint_status(_STATUS))

    def _hint_status(self, status: str) -> Coroutine[Any, Any, bool]:
        return self._wire.hint(
            "assistant.threads.setStatus",
            channel_id=self._channel_id,
            thread_ts=self._thread_ts,
            status=status,
        )

    async def _clear_status(self, status: asyncio.Task[bool]) -> None:
        await asyncio.wait({status})
        if not status.cancelled() and status.result():
            await self._hint_status("")

    def _hint_session(self, status: str) -> Coroutine[Any, Any, bool]:
        """Slack draws a stop button of its own while a session is being worked on."""
        return self._wire.hint(
            "agents.sessions.setStatus",
            channel_id=self._channel_id,
            thread_ts=self._thread_ts,
            status=status,
        )

    def _begin_session(self) -> None:
        if not self._ended:
            self._session = self._wire.start(self._hint_session("processing"))

    async def _end_session(self, began: asyncio.Task[bool]) -> None:
        await asyncio.wait({began})
        if not began.cancelled() and began.result():
            await self._hint_session("active")

    # How it grows

    def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._finals.posted:
            if self._hold is None:
                self._hold = loop.call_later(_EARLY * self._wire.options.edit_seconds, self._consider, True)
            return
        due = self._drawn + self._wire.options.edit_seconds
        self._hold = loop.call_at(max(due, loop.time()), self._queue)

    def _consider(self, early: bool) -> None:
        self._hold = None
        if self._ended:
            return
        if (early and len(self._text) < _GOOD_DEAL) or not self._text.strip():
            share = (_LATE - _EARLY) if early else _LATE
            seconds = share * self._wire.options.edit_seconds
            self._hold = asyncio.get_running_loop().call_later(seconds, self._consider, False)
        else:
            self._lane().want(self)

    def _queue(self) -> None:
        self._hold = None
        if not self._ended:
            self._lane().want(self)

    def _lane(self) -> Lane:
        pacing = self._wire.pacing
        posted = self._finals.posted
        if posted and posted[-1].open:
            return pacing.appends
        return pacing.starts if self._can_stream() else pacing.updates

    def _can_stream(self) -> bool:
        return self._streams and self._wire.allows("chat.startStream")

    async def _draw(self) -> None:
        text, streamed, again = self._text, self._streams, False
        self._drawn = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_GROWTH_SECONDS):
                await self._draw_growth(growing(harmless(without_half(text))))
        except SlackApiError as error:
            if is_limited(error):
                self._lane().hold(asked_wait(error))
            # A little later, or in another way, it can be shown; the model may say nothing more for a long time.
            again = is_limited(error) or self._streams != streamed
            log.info("growth not shown", channel=self._channel_id, error=error_code(error))
        except FAILURES as error:
            log.info("growth not shown", channel=self._channel_id, error=type(error).__name__)
        finally:
            self._drawing = None
        if self._ended or self._finals.doubtful:
            # What is there is not known: the final text looks first.
            return
        if self._text != text or again:
            self._wake()
        else:
            self._idle = True

    async def _draw_growth(self, parts: Sequence[str]) -> None:
        """One call: a part is begun, continued, or ended because it is full."""
        if self._wire.options.file_characters:
            parts = parts[:1]
        posted = self._finals.posted
        for at, content in enumerate(parts):
            last = at == len(parts) - 1
            if at >= len(posted):
                await self._begin(at, content)
                return
            shown = posted[at]
            if shown.content == content and (last or not shown.open):
                continue
            if shown.open:
                await self._continue(shown, content, full=not last)
            elif shown.sure:
                await self._redraw(at, shown, content)
            return

    async def _begin(self, at: int, content: str) -> None:
        if not content.strip():
            return
        finals = self._finals
        finals.doubtful = True
        try:
            if self._can_stream():
                made = await self._wire.call(
                    "chat.startStream",
                    channel=self._channel_id,
                    thread_ts=self._thread_ts,
                    recipient_user_id=self._asker,
                    recipient_team_id=self._asker_team,
                    markdown_text=content,
                )
                opened = True
            else:
                metadata = reply_metadata(finals.exchange_id, at)
                blocks = [markdown(content), *self._stop_blocks()]
                payload = message_payload(self._channel_id, self._thread_ts, content, blocks, metadata)
                made = await self._wire.call("chat.postMessage", **payload)
                opened = False
        except SlackApiError as error:
            # What is declined is not there.
            finals.doubtful = is_passing(error)
            if self._can_stream() and not is_limited(error):
                self._streams = False
                if error_code(error) in FOR_GOOD:
                    self._wire.refuse("chat.startStream")
            raise
        finals.posted.append(Posted(str(made["ts"]), content, open=opened, part=at))
        finals.doubtful = False
        if opened and self._session is None:
            share = _LONG * self._wire.options.edit_seconds
            self._session = asyncio.get_running_loop().call_later(share, self._begin_session)

    async def _continue(self, shown: Posted, content: str, *, full: bool) -> None:
        if not shown.sure or not content.startswith(shown.content):
            return
        asked: dict[str, Any] = {"channel": self._channel_id, "ts": shown.ts}
        more = content[len(shown.content) :]
        if more:
            asked["markdown_text"] = more
        if full:
            asked["metadata"] = reply_metadata(self._finals.exchange_id, shown.part)
        shown.sure = False
        try:
            await self._wire.call("chat.stopStream" if full else "chat.appendStream", **asked)
        except SlackApiError as error:
            shown.sure = not is_passing(error)
            if error_code(error) in _OF_THIS_STREAM:
                # It is a message like any other now, which can still be changed.
                shown.open = False
                self._streams = False
            raise
        shown.content, shown.sure, shown.open = content, True, not full

    async def _redraw(self, at: int, shown: Posted, content: str) -> None:
        blocks = [markdown(content), *self._stop_blocks()]
        payload = message_payload(
            self._channel_id, None, content, blocks, reply_metadata(self._finals.exchange_id, at)
        )
        del payload["unfurl_links"], payload["unfurl_media"]
        await self._wire.call("chat.update", ts=shown.ts, **payload)
        shown.content = content

    def _stop_blocks(self) -> list[dict[str, Any]]:
        if not self._finals.exchange_id:
            return []
        return stop_blocks(self._finals.exchange_id, self._asker, self._place.conversation)

    # How it ends

    async def _settle(self) -> None:
        """No more growth from here; a call that is on its way must not overtake the final text."""
        self._ended = True
        for timer in (self._hold, self._waiting):
            if timer is not None:
                timer.cancel()
        drawing = self._drawing
        if drawing is not None and drawing is not asyncio.current_task():
            await asyncio.wait({drawing}, timeout=_WAIT_FOR_GROWTH_SECONDS)
            drawing.cancel()

    async def _show(self, parts: Sequence[str], below: Sequence[dict[str, Any]]) -> list[str]:
        """Make what is posted exactly these parts; their times, or nothing where the channel is closed to us."""
        try:
            return await self._finals.show(parts, below)
        except SlackApiError as error:
            if is_limited(error) or is_passing(error):
                raise
            log.warning("reply cannot be posted", channel=self._channel_id, error=error_code(error))
            return []
        finally:
            began, self._session = self._session, None
            if isinstance(began, asyncio.Task):
                self._wire.start(self._end_session(began))
            elif began is not None:
                began.cancel()
            self.stop_typing()

    async def _seed(self, ts: str) -> None:
        for name in self._wire.options.seed_reactions:
            asked = {
                "channel": self._channel_id,
                "timestamp": ts,
                "name": _NAMED.get(plain(name), plain(name)),
            }
            if not await self._wire.hint("reactions.add", **asked):
                return


def _remark(text: str) -> dict[str, Any]:
    """A remark in a quieter voice."""
    shown = escape(harmless(" ".join(text.split())))[:_NOTE]
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": shown, "verbatim": True}]}
