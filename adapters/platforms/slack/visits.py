"""One interaction, from its arrival to what is said to it: who, where, when, and the ways of answering.

Slack wants to hear within three seconds, which is done before any of this. Answers for one person go to the address that
came with the interaction, which takes five within half an hour; else to the channel for that person alone; else into the
direct messages with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.platforms.base import Access, Answer, Call, Command, File, Place, Progress, Who
from adapters.platforms.slack.answers import Says, Shown, file_name, shown
from adapters.platforms.slack.commands import SLASH, first_words
from adapters.platforms.slack.desk import USES, Desk
from adapters.platforms.slack.forms import Origin
from adapters.platforms.slack.sending import AWAY, FAILURES, error_code, message_payload, until_done
from adapters.platforms.usage import Value

log = structlog.get_logger()

_EPHEMERAL = "chat.postEphemeral"
_OUTSIDE = (
    "_I am not in this channel, so I neither hear nor say anything here: `/invite @{name}` brings me in._"
)


class Visit:
    """One interaction. It is answered to the person alone unless an answer says otherwise."""

    def __init__(
        self,
        desk: Desk,
        person: str,
        origin: Origin,
        *,
        body: Mapping[str, Any] | None = None,
        trigger: str = "",
        reference: str = "",
        typed: bool = False,
    ) -> None:
        self.desk = desk
        self.person = person
        self.origin = origin
        self.body: Mapping[str, Any] = body or {}
        self.trigger = trigger
        self.reference = reference
        self.at = desk.clock()
        # Said in a message of their own, where no slash command could be given.
        self._typed = typed
        # The message that shows how far it is, by its channel and time; and whether a word was said of it before.
        self._drawn: tuple[str, str] | None = None
        self._noted = False
        desk.addresses.meet(origin.url)

    @property
    def ephemeral(self) -> bool:
        """Whether the message with the button is one that this person alone sees."""
        return bool((self.body.get("container") or {}).get("is_ephemeral"))

    @property
    def message(self) -> Mapping[str, Any]:
        """The message that was pressed or chosen, as far as Slack shows it."""
        return self.body.get("message") or {}

    @property
    def is_direct(self) -> bool:
        """Whether it came from direct messages."""
        return self.origin.channel.startswith("D")

    @property
    def redrawable(self) -> bool:
        """Whether a message stands there that can be changed as often as need be."""
        return self._drawn is not None

    @property
    def says(self) -> Says:
        """How commands are given where the answer is read."""
        words = first_words(self.desk.host.commands)
        if self.origin.thread:
            return Says(f"@{self.desk.people.identity.name} /", words, own="")
        return Says(f"{SLASH} ", words)

    async def who(self, *, anew: bool = False) -> Who:
        """Who it is, with what they may do; ``anew`` asks Slack again."""
        return await self.desk.people.who_of(self.person, anew=anew)

    async def without(self, access: Access) -> Who | None:
        """Who it is, where they may less than this even by what Slack says now; else nobody."""
        who = await self.who()
        if who.access < access:
            who = await self.who(anew=True)
        return who if who.access < access else None

    async def place(self) -> Place:
        """Where it was said; App Home is in the direct messages with the person."""
        channel = self.origin.channel or await self.desk.direct(self.person)
        return await self.desk.place(channel, self.origin.thread)

    async def call(
        self,
        command: Command,
        values: Mapping[str, Value],
        progress: Progress,
        *,
        sure: bool = False,
        who: Who | None = None,
    ) -> Call:
        """A command, given here by this person, who is looked up unless that was done just now."""
        who = who or await self.who(anew=command.access > Access.RATER)
        return Call(command.name, await self.place(), who, values, progress, self.at, confirmed=sure)

    async def open(self, view: Mapping[str, Any]) -> bool:
        """Show a form, which is possible for three seconds; whether it is shown."""
        if not self.trigger:
            return False
        try:
            await self.desk.wire.call("views.open", trigger_id=self.trigger, view=view)
        except SlackApiError as error:
            if error_code(error) not in ("expired_trigger_id", "trigger_expired", "exchanged_trigger_id"):
                raise
            log.info("too late for a form", reference=self.reference)
            return False
        return True

    async def say(self, sentence: str) -> None:
        """One sentence, for this person alone."""
        await self.show(Answer(sentence))

    async def show(self, answer: Answer, *, in_place: bool = False) -> None:
        """Say an answer; ``in_place`` writes it over the message whose button was pressed, where only they see that."""
        message = shown(answer, self.person, says=self.says)
        if message.files:
            message = await self._hand_over(message)
        if message:
            await self.put(message, in_place=in_place)

    async def put(self, message: Shown, *, in_place: bool = False) -> None:
        """Say one message without files."""
        if await self._is_outside():
            said = f"{message.text}\n\n{_OUTSIDE.format(name=self.desk.people.identity.name)}"
            message = replace(message, text=said)
        drawn, self._drawn = self._drawn, None
        if drawn is not None and drawn[0] == self.origin.channel and await self._change(*drawn, message):
            return
        if drawn is not None:
            await self._try("chat.delete", {"channel": drawn[0], "ts": drawn[1]})
        if message.private:
            await self._whisper(message, over=in_place)
        else:
            await self._publish(message)

    async def _is_outside(self) -> bool:
        """Whether it is a slash command in a channel that we are not in: those can be given everywhere."""
        if "command" not in self.body or self.is_direct or not self.origin.channel:
            return False
        return not (await self.desk.people.room_of(self.origin.channel)).member

    async def redraw(self, text: str, *, in_place: bool = False) -> bool:
        """Show how far it is until the answer comes; whether more can be shown.

        What only one person sees cannot be changed, but for the question whose button they pressed. So it is said once
        where they asked, and what takes longer is shown in the direct messages with them.
        """
        try:
            # How far it is interests nobody any more once Slack has time for it again.
            async with asyncio.timeout(self.desk.wire.tempo.call):
                return await self._redraw(Shown(text), in_place=in_place)
        except TimeoutError:
            log.info("progress is not shown", reference=self.reference)
            return False

    async def _redraw(self, message: Shown, *, in_place: bool) -> bool:
        if self._drawn is not None:
            return await self._change(*self._drawn, message)
        if in_place and self.ephemeral and self.desk.addresses.left(self.origin.url) > 1:
            return await self._respond(message, over=True)  # the last use is kept for the answer
        if self.is_direct:
            self._drawn = await self._posted(self.origin.channel, message)
        if self._drawn is None and not self._noted:
            self._noted = True
            await self._whisper(message, over=False)
        elif self._drawn is None:
            self._drawn = await self._posted(self.person, message)
            return self._drawn is not None
        return True

    async def settle(self) -> None:
        """Take the buttons off the message, so that none of them is pressed twice."""
        blocks: Any = self.message.get("blocks")
        if self.ephemeral or not blocks or not self.origin.message:
            return
        kept = [each for each in blocks if each.get("type") != "actions"]
        if len(kept) == len(blocks):
            return
        said = {
            "channel": self.origin.channel,
            "ts": self.origin.message,
            "text": self.message.get("text") or "…",
        }
        await self._try("chat.update", said | {"blocks": kept})

    async def _whisper(self, message: Shown, *, over: bool) -> None:
        if over and self.ephemeral and await self._respond(message, over=True):
            return
        ways = [self._respond, self._ephemeral]
        if self.origin.thread or not self.origin.url:
            ways.reverse()  # what is answered at the address would stand in the channel, not in the thread
        if self._typed and self.is_direct:
            ways.insert(0, self._post)
        for way in (*ways, self._post_directly):
            if await way(message):
                return
        log.warning("an answer reached nobody", reference=self.reference)

    async def _publish(self, message: Shown) -> None:
        if not (await self._post(message) or await self._respond(message, public=True)):
            await self._post_directly(message)

    async def _respond(self, message: Shown, *, over: bool = False, public: bool = False) -> bool:
        """Answer at the address that came with the interaction."""
        url = self.origin.url
        if self.desk.addresses.left(url) < 1:
            return False
        self.desk.addresses.use(url)
        body: dict[str, Any] = {
            "text": message.fallback,
            "blocks": message.blocks,
            "response_type": "in_channel" if public else "ephemeral",
            "replace_original": over,
        }
        if self.origin.thread:
            body["thread_ts"] = self.origin.thread
        try:
            response = await AsyncWebhookClient(url, session=self.desk.wire.client.session).send_dict(body)
        except FAILURES as error:
            log.info("not answered at its address", reference=self.reference, error=type(error).__name__)
            return False
        if response.status_code != 200:
            self.desk.addresses.use(url, USES)
            log.info("an address is over", reference=self.reference, status=response.status_code)
            return False
        return True

    async def _ephemeral(self, message: Shown) -> bool:
        """Say it in the channel or thread, for this person alone."""
        if not self.origin.channel:
            return False
        thread = self.origin.thread or None
        payload = message_payload(self.origin.channel, thread, message.fallback, message.blocks)
        return bool(await self._try(_EPHEMERAL, payload | {"user": self.person}))

    async def _post(self, message: Shown) -> bool:
        """Say it where it was asked, for all to read."""
        return await self._posted(self.origin.channel, message) is not None

    async def _post_directly(self, message: Shown) -> bool:
        """Say it in the direct messages with the person."""
        return await self._posted(self.person, message) is not None

    async def _posted(self, where: str, message: Shown) -> tuple[str, str] | None:
        """Channel and time of the message that says it there, in its thread where that is where it was asked."""
        if not where:
            return None
        thread = self.origin.thread if where == self.origin.channel else ""
        payload = message_payload(where, thread or None, message.fallback, message.blocks)
        made = await self._try("chat.postMessage", payload)
        return (str(made.get("channel") or where), str(made["ts"])) if made.get("ts") else None

    async def _change(self, channel: str, ts: str, message: Shown) -> bool:
        payload = {"channel": channel, "ts": ts, "text": message.fallback, "blocks": message.blocks}
        return bool(await self._try("chat.update", payload))

    async def _try(self, method: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """One call; nothing where it was refused, so that another way is tried."""
        asked = {name: value for name, value in payload.items() if value is not None}
        wire = self.desk.wire
        try:
            # A busy Slack is waited for: the next way would be no better.
            return await until_done(wire, method, lambda: wire.call(method, **asked))
        except FAILURES as error:
            why = error_code(error) if isinstance(error, SlackApiError) else type(error).__name__
            log.info("not said this way", method=method, reference=self.reference, error=why)
            return {}

    async def _hand_over(self, message: Shown) -> Shown:
        """Upload the files, to the person alone where nobody else is to see them; what is left to say."""
        names = ", ".join(f"`{file_name(each.name)}`" for each in message.files)
        try:
            here = await self._upload(message)
        except (SlackClientError, *AWAY) as error:
            why = error_code(error) if isinstance(error, SlackApiError) else type(error).__name__
            log.warning("a file was not handed over", reference=self.reference, error=why)
            note = f"⚠️ Slack did not take {names}. Tell an admin this reference: `{self.reference}`."
        else:
            note = (
                ""
                if here and message.text
                else f"📎 {names} {'is here' if here else 'is in our direct messages'}."
            )
            if len(message.files) > 1:
                note = note.replace(" is ", " are ")
        return replace(message, text="\n\n".join(filter(None, (message.text, note))), files=())

    async def _upload(self, message: Shown) -> bool:
        """Whether they are where the person asked for them."""
        direct = await self.desk.direct(self.person) if message.private or not self.origin.channel else ""
        here = not direct or direct == self.origin.channel
        uploads = [_upload_of(each) for each in message.files]
        await self.desk.wire.client.files_upload_v2(
            file_uploads=uploads,
            channel=self.origin.channel if here else direct,
            thread_ts=(self.origin.thread or None) if here else None,
        )
        return here


def _upload_of(file: File) -> dict[str, Any]:
    name = file_name(file.name)
    return {"filename": name, "title": name, "file": file.data}


def visit_of(desk: Desk, body: Mapping[str, Any]) -> Visit:
    """The visit that a command, a press, a shortcut or a form is, as Slack tells it; a form without where it was opened."""
    if "command" in body:
        origin = Origin(str(body.get("channel_id", "")), url=str(body.get("response_url", "")))
        person = str(body.get("user_id", ""))
    else:
        container: Mapping[str, Any] = body.get("container") or {}
        message: Mapping[str, Any] = body.get("message") or {}
        channel: Mapping[str, Any] = body.get("channel") or {}
        origin = Origin(
            str(channel.get("id") or container.get("channel_id") or ""),
            str(container.get("thread_ts") or message.get("thread_ts") or ""),
            str(container.get("message_ts") or body.get("message_ts") or message.get("ts") or ""),
            str(body.get("response_url", "")),
        )
        person = str(cast("Mapping[str, Any]", body.get("user") or {}).get("id", ""))
    trigger = str(body.get("trigger_id", ""))
    return Visit(desk, person, origin, body=body, trigger=trigger, reference=trigger[-8:])
