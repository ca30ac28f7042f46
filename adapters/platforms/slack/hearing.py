"""From a message on Slack to a reply: whether it is for the avatar, what it says, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import structlog

from adapters.platforms.base import Host, Message, Place, Spoken
from adapters.platforms.slack.answers import blocks
from adapters.platforms.slack.assistant import entitle
from adapters.platforms.slack.attachments import Fetcher
from adapters.platforms.slack.commands import command_in
from adapters.platforms.slack.finals import markdown
from adapters.platforms.slack.interactions import Interactions
from adapters.platforms.slack.markup import addressed_to_other, mentions, readable, shared_text
from adapters.platforms.slack.parts import finished
from adapters.platforms.slack.places import is_direct, key_of, place_of, target_of
from adapters.platforms.slack.replies import SlackReply
from adapters.platforms.slack.sending import Recent, Wire, say
from adapters.platforms.slack.threads import Threads

log = structlog.get_logger()

_SPOKEN = frozenset({"", "file_share", "me_message", "thread_broadcast"})
_SLACKBOT = "USLACKBOT"
_AT_ONCE = 512
# Files stay in memory until they are answered: this many messages with files are heard at once.
_WITH_FILES = 16
_RECENT = 1000
_HEARD = 8192

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message that is for the avatar, and how that was told. ``first`` says that it begins a talk in a thread."""

    event: Event
    place: Place
    mentioned: bool
    direct: bool
    first: bool = False

    @property
    def key(self) -> str:
        return key_of(self.place.channel, str(self.event["ts"]))


class Hearing:
    """Hears what is said, and answers what is for the avatar.

    What was said while nobody was connected is not searched for, as Slack lets few apps read histories: it delivers
    again what was not acknowledged, for an hour or longer, and what comes twice is answered once.
    """

    def __init__(self, wire: Wire, host: Host, interactions: Interactions) -> None:
        self._wire = wire
        self._host = host
        self._interactions = interactions
        self._fetcher = Fetcher(wire.client, wire.options)
        self._threads = Threads(wire)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._with_files = asyncio.Semaphore(_WITH_FILES)
        # A mention comes as two events, and each of them perhaps again.
        self._heard = Recent(_HEARD)
        # Questions that were answered and what they said, for those that are edited.
        self._recent: OrderedDict[str, str] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Slack's own view of agents is on, in which each message is answered in its thread.
        self.agents = False
        # Talks with an agent that were opened and not called anything yet.
        self.untitled = Recent(_RECENT)

    async def hear(self, event: Event) -> None:
        """Answer a message, if it is for the avatar."""
        if event.get("subtype") == "message_changed":
            if self._wire.options.regenerate_on_edit:
                await self._hear_edit(event)
            return
        if not self._is_speech(event):
            return
        key = key_of(str(event["channel"]), str(event["ts"]))
        if not self._heard.add(key):
            return
        heard = await self.understand(event)
        if heard is None:
            # The other event of a mention says more than the first.
            self._heard.drop(key)
            return
        async with self._slots:
            await self._answer(heard, heard.key)

    async def understand(self, event: Event) -> _Heard | None:
        """Whether and how a message is for the avatar."""
        people, text = self._wire.people, str(event.get("text") or "")
        channel_id, ts = str(event["channel"]), str(event["ts"])
        kind = str(event.get("channel_type") or "") or await people.kind_of(channel_id)
        thread_ts = str(event.get("thread_ts") or "")
        me = people.identity.user_id
        mentioned = event.get("type") == "app_mention" or mentions(text, me)
        if is_direct(kind, channel_id):
            self.agents = self.agents or "app_context" in event
            first = not thread_ts and self.agents
            place = self._place(channel_id, kind, ts if first else thread_ts)
            return _Heard(event, place, mentioned, True, first)
        if thread_ts and thread_ts != ts:
            place = self._place(channel_id, kind, thread_ts)
            if mentioned or await self._goes_on(event, place, text):
                return _Heard(event, place, mentioned, False)
            return None
        place = self._place(channel_id, kind)
        if await self._host.listens(place):
            return _Heard(event, place, mentioned, False)
        return _Heard(event, self._place(channel_id, kind, ts), True, False) if mentioned else None

    def reply_for(self, place: Place, question: str, asker: str) -> SlackReply:
        """A reply in a place to the message with this key, for this person."""
        return SlackReply(self._wire, place, question, asker)

    async def _goes_on(self, event: Event, place: Place, text: str) -> bool:
        """Whether a message in a thread is for the avatar without naming it."""
        if await self._host.listens(place):
            return True
        if addressed_to_other(text, self._wire.people.identity.user_id):
            return False
        parent = event.get("parent_user_id")
        thread_ts = str(event["thread_ts"])
        return await self._threads.joined(place.channel, thread_ts, str(parent) if parent else None)

    async def _hear_edit(self, event: Event) -> None:
        """Answer a question anew that was edited shortly after it was answered."""
        message: Event = event.get("message") or {}
        edited: Event = message.get("edited") or {}
        key = key_of(str(event.get("channel")), str(message.get("ts")))
        before = self._recent.get(key)
        text = str(message.get("text") or "")
        if before is None or not edited or text in ("", before):
            return
        said = {**message, "channel": event["channel"], "channel_type": event.get("channel_type", "")}
        # Each wording is a question of its own, answered once.
        key = f"{key}:{edited.get('ts')}"
        if not self._is_speech(said) or not self._heard.add(key):
            return
        heard = await self.understand(said)
        if heard is not None:
            async with self._slots:
                await self._answer(heard, key)

    async def _answer(self, heard: _Heard, key: str) -> None:
        event, place, user_id = heard.event, heard.place, str(heard.event["user"])
        wire = self._wire
        team_id = str(event.get("user_team") or event.get("team") or "")
        reply = SlackReply(wire, place, heard.key, user_id, team_id)
        try:
            async with self._with_files if event.get("files") else nullcontext():
                # One who is known by name does not overtake one who has to be looked up.
                async with self._turn(place.conversation):
                    said = await self._read(heard, key, reply)
                if said is not None and not await self._command(heard, said.text):
                    spoken = await self._host.speak(said, reply)
                    await self._conclude(spoken, heard, key, said.text)
        except Exception as error:
            log.exception("message not answered", message=key, error=type(error).__name__)
        finally:
            reply.stop_typing()

    def _turn(self, conversation: str) -> asyncio.Lock:
        turn = self._turns.get(conversation)
        if turn is None:
            turn = self._turns[conversation] = asyncio.Lock()
        return turn

    async def _read(self, heard: _Heard, key: str, reply: SlackReply) -> Message | None:
        """What was said, with its files; nothing where there is nothing to answer."""
        event, wire = heard.event, self._wire
        text = await readable(f"{event.get('text') or ''}\n\n{shared_text(event)}", wire.people)
        files = event.get("files") or ()
        if not text and not files and not heard.mentioned and not heard.direct:
            return None
        reply.start_typing()
        return Message(
            key,
            heard.place,
            await wire.people.who_of(str(event["user"])),
            text,
            int(float(event["ts"]) * 1000),
            attachments=await self._fetcher.fetch(files),
            reply_to=self._continued(event),
        )

    async def _command(self, heard: _Heard, text: str) -> bool:
        """Run what was said if it is a command: whether it is."""
        if not (heard.mentioned or heard.direct):
            return False
        line = command_in(text, self._host)
        if line is None:
            return False
        event = heard.event
        await self._interactions.typed(
            line,
            channel=heard.place.channel,
            person=str(event["user"]),
            thread=str(event.get("thread_ts") or ""),
            message=str(event["ts"]),
        )
        return True

    async def _conclude(self, spoken: Spoken, heard: _Heard, key: str, text: str) -> None:
        if spoken.status in ("declined", "taught"):
            await self._say(spoken, heard, key)
        if spoken.status not in ("complete", "cancelled", "failed", "taught"):
            return
        channel_id, thread_ts = target_of(heard.place)
        if thread_ts:
            self._threads.join(heard.place.conversation)
            if heard.direct and (heard.first or heard.place.conversation in self.untitled):
                self.untitled.drop(heard.place.conversation)
                self._wire.start(entitle(self._wire, channel_id, thread_ts, text))
        if self._wire.options.regenerate_on_edit and spoken.status in ("complete", "cancelled"):
            self._recent[heard.key] = str(heard.event.get("text") or "")
            if len(self._recent) > _RECENT:
                self._recent.popitem(last=False)

    async def _say(self, spoken: Spoken, heard: _Heard, key: str) -> None:
        """Say in a short message what became of it, with what is offered below."""
        channel_id, thread_ts = target_of(heard.place)
        asker = str(heard.event["user"])
        for at, part in enumerate(finished(spoken.text)):
            name = f"{spoken.status}/{key}/{at}"
            await say(
                self._wire,
                channel_id,
                thread_ts,
                part,
                [markdown(part)],
                name=name,
                after=str(heard.event["ts"]),
            )
        if spoken.offer is not None:
            offered = blocks(spoken.offer, asker)
            name = f"offer/{key}"
            after = str(heard.event["ts"])
            await say(self._wire, channel_id, thread_ts, spoken.offer.text, offered, name=name, after=after)

    def _place(self, channel_id: str, kind: str, thread_ts: str = "") -> Place:
        identity = self._wire.people.identity
        return place_of(identity.team_id, channel_id, kind, thread_ts or None, team_name=identity.team_name)

    def _continued(self, event: Event) -> str:
        """The reply that a thread hangs on, if it is one: there the same talk goes on."""
        thread_ts = event.get("thread_ts")
        if not thread_ts or thread_ts == event["ts"]:
            return ""
        if event.get("parent_user_id") != self._wire.people.identity.user_id:
            return ""
        return key_of(str(event["channel"]), str(thread_ts))

    def _is_speech(self, event: Event) -> bool:
        """Whether a person said it, in so many words or with a file."""
        if event.get("bot_id") or not event.get("user") or not event.get("ts") or event.get("hidden"):
            return False
        if str(event.get("subtype") or "") not in _SPOKEN:
            return False
        return event["user"] != _SLACKBOT and not self._wire.people.is_own(str(event["user"]))
