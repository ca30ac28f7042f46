"""A reply of the avatar on Discord: it grows by edits, ends at once, and is posted once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import discord
import structlog

from adapters.platforms.base import End, File, Place
from adapters.platforms.discord.controls import (
    button,
    control,
    reply_components,
    row,
    stop_components,
)
from adapters.platforms.discord.notes import beginning, with_note
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import target_of
from adapters.platforms.discord.posted import Posted, control_ids, find_posted, nonce_of
from adapters.platforms.discord.sending import (
    NOBODY,
    edit,
    is_gone,
    message_payload,
    parameters,
    post,
    until_done,
    wire_of,
)
from adapters.platforms.splitting import split, tidy

log = structlog.get_logger()

# A reply is first shown this long after its first token, in shares of the time between edits: early when there is a good
# deal to read, and not before a fast model is done, which then costs one post and no edit.
_EARLY, _LATE = 0.2, 0.5
_GOOD_DEAL = 200
_GROWTH_SECONDS = 5.0
_WAIT_FOR_GROWTH_SECONDS = 1.0
_FILE_NAME = "reply.md"
_NOTHING = "-# Nothing was said."
_KEPT_BACK = "-# This server's AutoMod does not let my reply through."
# What Discord says when AutoMod blocks a message, or its title.
_BLOCKED = frozenset({200000, 200001})

# What may go wrong where nothing depends on it.
FAILURES = (discord.DiscordException, OSError, aiohttp.ClientError, TimeoutError)


class DiscordReply:
    """One reply: to a message, to the same question again, or one that was interrupted and is taken up.

    ``question`` is the id of the message that is answered and ``asker`` who wrote it. ``posted`` is what an earlier
    process has shown of it.
    """

    def __init__(
        self,
        client: discord.Client,
        options: Options,
        place: Place,
        question: str = "",
        asker: str = "",
        *,
        exchange_id: str = "",
        posted: Sequence[Posted] = (),
    ) -> None:
        self._wire = wire_of(client, options)
        self._options = options
        self._place = place
        self._channel_id = target_of(place)
        self._question = question
        self._asker = asker
        self._exchange_id = exchange_id
        self._posted = list(posted)
        self._channel = self._wire.pacing.channel(self._channel_id)
        self._text = ""
        self._name = ""
        # Nothing is under way that will look at the text again: no timer, no turn, no drawing.
        self._idle = True
        self._ended = False
        self._typing = False
        self._hold: asyncio.TimerHandle | None = None
        self._drawing: asyncio.Task[None] | None = None
        # A post was tried and nobody knows whether it arrived.
        self._unsure = False
        self._again = 0

    def start_typing(self) -> None:
        """Show that an answer is on its way, until it is there."""
        if not self._typing and not self._posted:
            self._typing = True
            self._channel.start_typing()

    def stop_typing(self) -> None:
        """There is nothing to wait for: it is there, or there will be none."""
        self._wire.end(self)
        if self._typing:
            self._typing = False
            self._channel.stop_typing()

    async def accepted(self, exchange_id: str) -> None:
        """What is posted from now on carries this exchange's id."""
        self._exchange_id = exchange_id
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
        """Show the final text with its buttons, at once; the ids of its messages, that with the buttons first."""
        self._exchange_id = end.exchange_id or self._exchange_id
        await self._settle()
        limit = self._options.file_characters
        files: tuple[File, ...] = ()
        if 0 < limit < len(end.text):
            parts = with_note([beginning(end.text)], end.note)
            files = (File(_FILE_NAME, tidy(end.text).encode(), "text/markdown"),)
        else:
            parts = with_note(split(end.text), end.note)
        controls = reply_components(self._exchange_id, self._options) if self._exchange_id else []
        keys = await self._show(parts or [_NOTHING], controls, files)
        if keys and self._options.seed_reactions:
            self._wire.start(self._seed(int(keys.split()[0])))
        return keys

    async def fail(self, sentence: str, reference: str) -> None:
        """Say that there is no reply, with a button to try again."""
        await self._settle()
        note = f"Reference: `{reference}`" if reference and reference not in sentence else ""
        controls: list[dict[str, Any]] = []
        if self._exchange_id and self._options.buttons:
            controls = [row(button("Try again", control("again", self._exchange_id), emoji="🔁"))]
        await self._show(with_note(split(sentence), note), controls, ())

    # How it grows

    def _wake(self) -> None:
        if self._posted:
            self._channel.edits.want(self)
        elif self._hold is None:
            self._hold = self._later(_EARLY, early=True)

    def _later(self, share: float, *, early: bool) -> asyncio.TimerHandle:
        seconds = share * self._options.edit_seconds
        return asyncio.get_running_loop().call_later(seconds, self._consider, early)

    def _consider(self, early: bool) -> None:
        self._hold = None
        if self._ended:
            return
        if (early and len(self._text) < _GOOD_DEAL) or not self._text.strip():
            self._hold = self._later(_LATE - _EARLY if early else _LATE, early=False)
        else:
            self._channel.posts.want(self)

    async def _draw(self) -> None:
        text = self._text
        try:
            async with asyncio.timeout(_GROWTH_SECONDS):
                await self._draw_growth(split(text))
        except discord.NotFound as error:
            # Somebody deleted it while it grew: the final text is posted anew.
            if is_gone(error):
                self._forget()
        except FAILURES as error:
            log.info("growth not shown", channel=self._channel_id, error=type(error).__name__)
        finally:
            self._drawing = None
        if self._ended:
            return
        if self._text != text:
            self._wake()
        else:
            self._idle = True

    async def _draw_growth(self, parts: Sequence[str]) -> None:
        """One edit at most, and one post at most."""
        if self._options.file_characters:
            parts = parts[:1]
        stop = self._stop_controls()
        http = self._wire.client.http
        for at, content in enumerate(parts):
            last = at == len(parts) - 1
            if at >= len(self._posted):
                controls = stop if last else []
                payload = message_payload(
                    content, self._channel_id, self._answers(), controls, self._nonce(at)
                )
                self._unsure = True
                data = await http.send_message(self._channel_id, params=parameters(payload))
                # Discord may hand back what an earlier attempt had posted, with less of the text.
                self._posted.append(Posted(int(data["id"]), str(data["content"]), control_ids(controls)))
                self._unsure = False
                self.stop_typing()
                return
            shown = self._posted[at]
            if shown.content == content and (last or not shown.controls):
                continue
            payload: dict[str, Any] = {"content": content, "allowed_mentions": NOBODY}
            if not last and shown.controls:
                payload["components"] = []
            await http.edit_message(self._channel_id, shown.id, params=parameters(payload))
            shown.content = content
            shown.controls = shown.controls if last else ()
            if at + 1 < len(self._posted) or self._ended:
                return

    # How it ends

    async def _settle(self) -> None:
        """No more growth from here; an edit that is on its way must not overtake the final text."""
        self._ended = True
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        drawing = self._drawing
        if drawing is not None and drawing is not asyncio.current_task():
            await asyncio.wait({drawing}, timeout=_WAIT_FOR_GROWTH_SECONDS)
            if not drawing.done():
                drawing.cancel()
                self._unsure = True

    async def _show(
        self, parts: Sequence[str], controls: Sequence[Mapping[str, Any]], files: Sequence[File]
    ) -> str:
        """Make what is posted exactly these parts; their ids, the last first, or nothing where we may not write."""
        try:
            await self._arrange(parts, controls, files)
        except discord.HTTPException as error:
            if error.status >= 500 or error.status == 429:
                raise
            log.warning(
                "reply cannot be posted", channel=self._channel_id, status=error.status, code=error.code
            )
            if error.code not in _BLOCKED or not await self._admit():
                return ""
        finally:
            self.stop_typing()
        ids = [str(each.id) for each in self._posted]
        return " ".join((ids[-1], *ids[:-1]))

    async def _admit(self) -> bool:
        """Say that the server's own rules keep the text back; whether that could be said."""
        try:
            await self._arrange([_KEPT_BACK], (), ())
        except discord.HTTPException as error:
            log.warning("nor can that be said", channel=self._channel_id, status=error.status)
            return False
        return True

    async def _arrange(
        self, parts: Sequence[str], controls: Sequence[Mapping[str, Any]], files: Sequence[File]
    ) -> None:
        at = 0
        while at < len(parts):
            last = at == len(parts) - 1
            if await self._put(at, parts[at], controls if last else (), files if last else ()):
                at += 1
        await self._withdraw(len(parts))

    async def _put(
        self, at: int, content: str, controls: Sequence[Mapping[str, Any]], files: Sequence[File]
    ) -> bool:
        """Make one part what it should be; False when it has to be put again, as its message was deleted."""
        ids = control_ids(controls)
        if at < len(self._posted):
            shown = self._posted[at]
            if (
                shown.content.strip() == content.strip()
                and shown.controls == ids
                and shown.files == bool(files)
            ):
                return True
            payload: dict[str, Any] = {"content": content, "allowed_mentions": NOBODY}
            if shown.controls != ids:
                payload["components"] = list(controls)
            self._channel.edits.spend()
            try:
                await edit(self._wire, self._channel_id, shown.id, payload, files=files)
            except discord.NotFound as error:
                if not is_gone(error):
                    raise
                await self._withdraw(at + 1)
                self._forget(at)
                return False
            shown.content, shown.controls, shown.files = content, ids, bool(files)
            return True
        payload = message_payload(content, self._channel_id, self._answers(), controls, self._nonce(at))
        self._channel.posts.spend()
        made = await self._post(at, payload, files)
        self._posted.append(made)
        if not self._unsure:
            made.content, made.controls, made.files = content, ids, bool(files)
            return True
        # What came back may be what an earlier attempt had posted: with less of the text, or with other buttons.
        self._unsure = False
        return await self._put(at, content, controls, files)

    async def _post(self, at: int, payload: dict[str, Any], files: Sequence[File]) -> Posted:
        async def look() -> Posted | None:
            known = {each.id for each in self._posted}
            client = self._wire.client
            found = await find_posted(client, self._channel_id, self._question, self._exchange_id)
            missing = [each for each in found if each.id not in known]
            self._unsure = self._unsure or bool(missing)
            return missing[0] if missing else None

        try:
            return await post(
                self._wire,
                self._channel_id,
                payload,
                files=files,
                look=look if self._question and self._exchange_id else None,
            )
        except discord.HTTPException as error:
            refused = payload.keys() & {"components", "message_reference"}
            if error.status != 400 or not refused:
                raise
            # A text without buttons, or beside the question, is better than none.
            log.warning("reply posted plainly", channel=self._channel_id, code=error.code, error=error.text)
            plain = {key: value for key, value in payload.items() if key not in refused}
            return await post(self._wire, self._channel_id, plain, files=files)

    async def _withdraw(self, start: int) -> None:
        """Delete the messages from this part on: the text has become shorter."""
        http = self._wire.client.http
        for each in self._posted[start:]:

            async def delete(message_id: int = each.id) -> None:
                await http.delete_message(self._channel_id, message_id)

            try:
                await until_done(self._wire, "deleting", delete)
            except discord.HTTPException as error:
                log.info("part not deleted", channel=self._channel_id, status=error.status)
        del self._posted[start:]

    async def _seed(self, message_id: int) -> None:
        for emoji in self._options.seed_reactions:
            try:
                # A custom emoji may be written as in a message.
                named = emoji.strip("<>").removeprefix("a:").removeprefix(":")
                await self._wire.client.http.add_reaction(self._channel_id, message_id, named)
            except FAILURES as error:
                log.info("reaction not seeded", channel=self._channel_id, error=type(error).__name__)
                return

    def _forget(self, start: int = 0) -> None:
        """These messages are gone: what follows is posted under other nonces."""
        del self._posted[start:]
        self._again = min(self._again + 1, 9)

    def _answers(self) -> int | None:
        # A thread that was opened on the question cannot answer it: the question stands above it.
        if not self._question.isdecimal() or self._question == str(self._channel_id):
            return None
        return int(self._question)

    def _nonce(self, at: int) -> str:
        if not self._name:
            self._name = self._exchange_id or f"{self._wire.random.getrandbits(128):032x}"
        return nonce_of(self._name, at, self._again)

    def _stop_controls(self) -> list[dict[str, Any]]:
        if not self._exchange_id:
            return []
        return stop_components(self._exchange_id, self._asker)
