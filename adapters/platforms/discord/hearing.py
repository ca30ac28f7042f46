"""From a message on Discord to a reply: whether it is for the avatar, what it says, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass

import discord
import structlog

from adapters.platforms.base import Host, Message, Place, Spoken
from adapters.platforms.discord.answers import Part, payload
from adapters.platforms.discord.attachments import Fetcher
from adapters.platforms.discord.markup import mentions_me, readable
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import place_of, target_of, who_of
from adapters.platforms.discord.replies import FAILURES, DiscordReply
from adapters.platforms.discord.sending import Wire, say, until_done
from adapters.platforms.splitting import split

log = structlog.get_logger()

_SPOKEN = frozenset({discord.MessageType.default, discord.MessageType.reply})
_AT_ONCE = 512
# Files stay in memory until they are answered: this many messages with files are heard at once.
_WITH_FILES = 16
_RECENT = 1000
_DIRECTS = 100
_THREAD_NAME = 80
_THREAD_EXISTS = 160004


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message that is for the avatar, and how that was told."""

    message: discord.Message
    place: Place
    mentioned: bool


class Hearing:
    """Hears what is said, and answers what is for the avatar."""

    def __init__(self, wire: Wire, host: Host, options: Options) -> None:
        self._wire = wire
        self._client = wire.client
        self._host = host
        self._options = options
        # Those of the application, who own it in direct messages; known after the login.
        self.owners: frozenset[int] = frozenset()
        self._fetcher = Fetcher(options)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._with_files = asyncio.Semaphore(_WITH_FILES)
        # Questions that were answered and what they said, for those that are edited.
        self._recent: OrderedDict[int, str] = OrderedDict()
        # Where somebody wrote directly: Discord does not list these channels.
        self.directs: OrderedDict[int, None] = OrderedDict()

    async def hear(self, message: discord.Message) -> None:
        """Answer a message, if it is for the avatar."""
        heard = await self.understand(message)
        if heard is not None:
            async with self._slots:
                await self._answer(heard, str(message.id))

    async def understand(self, message: discord.Message) -> _Heard | None:
        """Whether and how a message is for the avatar."""
        me = self._client.user
        channel = message.channel
        if me is None or message.author.bot or message.webhook_id or message.type not in _SPOKEN:
            return None
        if isinstance(channel, discord.PartialMessageable) and channel.guild_id is not None:
            guild = message.guild
            if guild is None or guild.unavailable:
                return None  # nobody knows who may do what there, and it is no direct message either
        place = place_of(channel, message.guild, message.author.id)
        mentioned = mentions_me(message, me)
        addressed = mentioned or message.guild is None or _answers_me(message, me)
        if message.guild is None:
            self._remember_direct(channel.id)
            return _Heard(message, place, mentioned)
        if isinstance(channel, discord.Thread):
            addressed = addressed or channel.owner_id == me.id or channel.me is not None
            if not addressed and not await self._host.listens(place):
                return None
        elif await self._host.listens(place):
            place = place_of(channel, message.guild, message.author.id, everybody=True)
            mentioned = False
        elif not addressed:
            return None
        return _Heard(message, place, mentioned)

    async def hear_missed(self, message: discord.Message) -> bool:
        """Answer a message out of the history of its channel; whether it was for the avatar."""
        heard = await self.understand(message)
        if heard is None:
            return False
        if message.guild is not None and not isinstance(message.author, discord.Member):
            # History does not tell what its authors may do.
            guild, author = message.guild, message.author.id
            try:
                message.author = await until_done(self._wire, "looking", lambda: guild.fetch_member(author))
            except discord.NotFound:
                return False
        async with self._slots:
            await self._answer(heard, str(message.id))
        return True

    async def hear_edit(self, message: discord.Message) -> None:
        """Answer a question anew that was edited shortly after it was answered."""
        before = self._recent.get(message.id)
        if before is None or message.edited_at is None or message.content in ("", before):
            return
        heard = await self.understand(message)
        if heard is not None:
            # Each wording is a question of its own, answered once.
            key = f"{message.id}:{int(message.edited_at.timestamp() * 1000)}"
            async with self._slots:
                await self._answer(heard, key)

    async def hear_thread(self, thread: discord.Thread) -> None:
        """Join a thread that hangs on one of the avatar's messages: nobody needs to mention it there."""
        me = self._client.user
        if me is None or thread.owner_id == me.id or thread.is_private():
            return
        try:
            began = await self._client.http.get_message(thread.parent_id, thread.id)
            if int(began["author"]["id"]) == me.id:
                await thread.join()
        except discord.NotFound:
            return  # It was opened in the channel, on no message.
        except FAILURES as error:
            log.info("thread not looked into", thread=thread.id, error=type(error).__name__)

    async def _answer(self, heard: _Heard, key: str) -> None:
        message, place = heard.message, heard.place
        assert self._client.user is not None
        text = readable(message, self._client.user)
        files = [
            *message.attachments,
            *(file for each in message.message_snapshots for file in each.attachments),
        ]
        if not text and not files and not heard.mentioned and message.guild is not None:
            # A sticker, or words that we may not read without the intent for them.
            return
        if heard.mentioned:
            place = await self._joined(message, place, text)
        reply = DiscordReply(self._client, self._options, place, str(message.id), str(message.author.id))
        reply.start_typing()
        try:
            async with self._with_files if files else nullcontext():
                said = Message(
                    key,
                    place,
                    who_of(message.author, self._options, self.owners),
                    text,
                    int(message.created_at.timestamp() * 1000),
                    attachments=await self._fetcher.fetch(files),
                    reply_to=self._continued(message),
                )
                spoken = await self._host.speak(said, reply)
            await self._conclude(spoken, message, place, key)
        except Exception as error:
            log.exception("message not answered", message=key, error=type(error).__name__)
        finally:
            reply.stop_typing()

    async def _conclude(self, spoken: Spoken, message: discord.Message, place: Place, key: str) -> None:
        if spoken.status in ("declined", "taught"):
            await self._say(spoken, message, place, key)
        elif self._options.regenerate_on_edit and spoken.status in ("complete", "cancelled"):
            self._recent[message.id] = message.content
            if len(self._recent) > _RECENT:
                self._recent.popitem(last=False)

    async def _say(self, spoken: Spoken, message: discord.Message, place: Place, key: str) -> None:
        """Say in a short reply what became of the message, with what is offered below."""
        channel_id = target_of(place)
        answers = message.id if channel_id == message.channel.id else None
        parts = [Part(each) for each in split(spoken.text)]
        if spoken.offer is not None:
            parts += payload(spoken.offer, message.author.id).parts
        await say(self._wire, channel_id, parts, answers=answers, name=f"{spoken.status}/{key}")

    def _remember_direct(self, channel_id: int) -> None:
        self.directs[channel_id] = None
        self.directs.move_to_end(channel_id)
        if len(self.directs) > _DIRECTS:
            self.directs.popitem(last=False)

    def _continued(self, message: discord.Message) -> str:
        reference = message.reference
        assert self._client.user is not None
        if reference is None or not _answers_me(message, self._client.user):
            return ""
        return str(reference.message_id)

    async def _joined(self, message: discord.Message, place: Place, text: str) -> Place:
        """Go where the talk is to go on: into the thread, or into a new one where the operator wants that."""
        channel, guild = message.channel, message.guild
        try:
            if isinstance(channel, discord.Thread):
                if channel.me is None and not channel.archived:
                    self._wire.start(_join(channel))
            elif self._options.auto_thread and isinstance(channel, discord.TextChannel) and guild is not None:
                thread = await until_done(self._wire, "opening a thread", lambda: _thread(message, text))
                return place_of(thread, guild, message.author.id)
        except FAILURES as error:
            log.warning("no thread opened", channel=channel.id, error=type(error).__name__)
        return place


def _answers_me(message: discord.Message, me: discord.ClientUser) -> bool:
    reference = message.reference
    if reference is None or message.type is not discord.MessageType.reply:
        return False
    return isinstance(reference.resolved, discord.Message) and reference.resolved.author.id == me.id


async def _join(thread: discord.Thread) -> None:
    try:
        await thread.join()
    except discord.HTTPException as error:
        log.info("thread not joined", thread=thread.id, status=error.status)


async def _thread(message: discord.Message, text: str) -> discord.Thread:
    """The thread that hangs on this message, opened if need be and named after the question."""
    name = " ".join(text.split())
    if len(name) > _THREAD_NAME:
        name = name[:_THREAD_NAME].rsplit(" ", 1)[0].rstrip(" ,.;:") + " …"
    try:
        return await message.create_thread(name=name or "A question")
    except discord.HTTPException as error:
        # Such as when the same message came twice: a thread has the id of the message it hangs on.
        if error.code != _THREAD_EXISTS or message.guild is None:
            raise
        found = await message.guild.fetch_channel(message.id)
        assert isinstance(found, discord.Thread)
        return found
