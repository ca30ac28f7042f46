"""The application as the platforms see it: what happens when somebody speaks, rates or gives a command."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cached_property

import structlog

from adapters.platforms.base import (
    Access,
    Answer,
    Call,
    Command,
    Mark,
    Message,
    Place,
    Reply,
    Spoken,
    Unsent,
    UserError,
    Welcome,
    Who,
)
from adapters.vendors.base import VendorError
from bot import access, attachments, feedback
from bot.conversation import NOTHING, Heard
from bot.errors import for_person
from bot.limits import check_text
from bot.recovery import Recovery
from bot.scenes import avatar_of, strand, suggested
from bot.services import Services
from storage import audit, avatars, clock, conversations, exchanges, moments, workspaces
from storage.database import Tx
from storage.errors import Missing, StorageError
from storage.exchanges import Exchange
from storage.ids import new_id

log = structlog.get_logger()

# How long replies in flight may take to finish when the application is stopped, in seconds.
PATIENCE = 20.0
# How far a platform's clock may be behind ours, milliseconds.
SKEW_MS = 2000


class Application:
    """The host of every platform, and what keeps its promises over an outage. Make one with ``open_application``."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery
        self._closed = False

    @property
    def services(self) -> Services:
        """The parts that it is made of."""
        return self._services

    @property
    def commands(self) -> Sequence[Command]:
        """Every command, declared once."""
        return tuple(self._by_name.values())

    @cached_property
    def _by_name(self) -> dict[str, Command]:
        # A single reply needs none of them, and is there sooner without.
        from bot.commands import every_command

        return {command.name: command for command in every_command(self._services)}

    async def welcome(self, place: Place) -> Welcome:
        """The avatar of this place, for a platform that greets."""
        avatar, release = await self._services.scenes.speaker(place)
        asked = await self._services.database.read(lambda tx: suggested(tx, avatar, place.channel))
        model = self._services.conversations.model(release)
        status = model
        if model.startswith("embedded:"):
            status = f"{model} answers only from examples; /model for a language model"
        return Welcome(avatar.name, avatar.tagline, avatar.colour, asked, status)

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        """One message in, one reply out; a message that teaches is learnt from instead."""
        if not message.addressed:
            return Spoken("ignored")
        try:
            if message.reply_to:
                message = replace(message, place=await self._joined(message))
            taught = await self._teach(message)
            if taught is not None:
                return taught
            message, heard = await self._read(message)
            return await self._services.conversations.speak(message, reply, heard)
        except UserError as error:
            return Spoken("declined", text=str(error))
        except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
            sentence = self._sentence(error, "message")
            await reply.fail(sentence, "")
            return Spoken("failed", text=sentence, error=str(error))

    async def _joined(self, message: Message) -> Place:
        """The place of the conversation that the message continues, where it answers a reply of an avatar."""
        place = message.place

        def find(tx: Tx) -> Place:
            workspace = workspaces.find(tx, place.platform, place.workspace)
            before = exchanges.by_reply(tx, workspace.id, message.reply_to) if workspace else None
            return strand(tx, workspace, place, before) if workspace and before else place

        return await self._services.database.read(find)

    async def _read(self, message: Message) -> tuple[Message, Heard]:
        """The message with what its files say."""
        check_text(message.text, self._longest, enough=bool(message.attachments))
        if not message.attachments:
            return message, NOTHING
        reading = await attachments.read(message.text, message.attachments, self._services.attachments)
        if not reading.text.strip() and not reading.images:
            raise UserError(f"I cannot read {', '.join(reading.declined)}.")
        # The log keeps that there was a picture, not the picture.
        named = "".join(f"\n[picture: {name}]" for name in reading.pictures)
        remarks = tuple(f"not read: {each}" for each in reading.declined)
        return replace(message, text=(reading.text + named).strip()), Heard(
            reading.images, remarks, message.text
        )

    @property
    def _longest(self) -> int:
        return self._services.configuration.settings.limits.message_characters

    async def _teach(self, message: Message) -> Spoken | None:
        answer = feedback.parse_teaching(message.text)
        if answer is None:
            return None
        check_text(message.text, self._longest)
        scene = await self._services.scenes.find(message.place, message.who)
        # A lesson that arrives late, or again, is about what the person had read.
        exchange = await self._services.conversations.latest(scene, before=message.at + SKEW_MS)
        if exchange is None:
            return None
        if message.who.access < Access.RATER:
            raise UserError("Teaching is not open to you here.")
        mark = Mark(message.place, message.who, "teach", message.at, rates=False, better=answer)
        outcome = await self._services.feedback.mark(
            scene.workspace,
            scene.person,
            message.who.access,
            exchange,
            mark,
            may_ask=self._services.interactive,
        )
        return Spoken(
            "taught",
            exchange.id,
            outcome.sentence,
            scene.avatar.name,
            offer=outcome.offer(local=_local(message.place)),
        )

    async def mark(self, mark: Mark) -> Answer:
        """A rating, a comment or a better answer."""
        try:
            if mark.who.access < Access.RATER:
                raise UserError("Rating is not open to you here.")
            # Whoever reacts to what others say among themselves is nobody that we know.
            exchange = await self._marked(mark)
            scene = await self._services.scenes.find(mark.place, mark.who)
            outcome = await self._services.feedback.mark(
                scene.workspace, scene.person, mark.who.access, exchange, mark, may_ask=mark.askable
            )
            return outcome.answer(local=_local(mark.place))
        except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
            return Answer(self._sentence(error, "mark"), ok=False)

    async def _marked(self, mark: Mark) -> Exchange:
        def find(tx: Tx) -> Exchange | None:
            workspace = workspaces.find(tx, mark.place.platform, mark.place.workspace)
            if workspace is None:
                return None
            wanted = mark.exchange_id
            if not wanted and (posted := exchanges.by_reply(tx, workspace.id, mark.reply_key)):
                wanted = posted.id
            return exchanges.visible(tx, workspace.id, wanted, mark.place.channel) if wanted else None

        # Many react before they have read to the end, when it is not noted down yet which messages the reply is in. Who is
        # asked for before looking may end while we look.
        under_way = self._services.conversations.under_way(mark.place) if mark.reply_key else ()
        found = await self._services.database.read(find)
        if found is None and under_way:
            await asyncio.gather(*(each.wait() for each in under_way))
            found = await self._services.database.read(find)
        if found is None:
            raise UserError("I do not remember that reply, so it cannot be rated.")
        return found

    async def command(self, call: Call, reply: Reply | None = None) -> Answer:
        """Check that the caller may, run the command, and turn every error into a sentence."""
        command = self._by_name.get(call.command)
        if command is None:
            return Answer(f"There is no command /{call.command}; `/help` lists them.", ok=False)
        try:
            if refusal := access.refusal(command, call.who):
                await self._refused(call)
                return Answer(refusal, ok=False)
            if command.confirm and not call.confirmed:
                return Answer(f"{command.confirm} Nothing was done; confirm it to go on.", ok=False)
            return await command.run(replace(call, reply=reply))
        except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
            return Answer(self._sentence(error, call.command), ok=False)

    async def _refused(self, call: Call) -> None:
        scene = await self._services.scenes.find(call.place, call.who)
        await self._services.database.write(
            lambda tx: audit.write(
                tx, scene.workspace.id, call.command, person_id=scene.person.id, allowed=False
            )
        )

    def stop_speaking(self, place: Place, exchange_id: str = "") -> bool:
        """Stop the reply that is being given as this exchange, else in this conversation."""
        return self._services.conversations.stop(place, exchange_id)

    async def listens(self, place: Place) -> bool:
        """Whether everything that is said there is for the avatar."""
        return await self._services.listening.at(place)

    async def left(self, platform: str, workspace: str) -> None:
        """End what is being said in a workspace that the avatar was put out of."""
        stopped = self._services.conversations.stop_workspace(platform, workspace)
        self._services.listening.changed(Place(platform, workspace, "", ""))
        log.info("workspace left", platform=platform, workspace=workspace, stopped=stopped)

    async def seen(self, platform: str) -> None:
        """The platform is connected now."""
        await self._services.database.write(lambda tx: moments.put(tx, f"seen:{platform}", clock.now()))

    async def last_seen(self, platform: str) -> int | None:
        """When it was last connected, in any process, milliseconds since the epoch."""
        return await self._services.database.read(lambda tx: moments.get(tx, f"seen:{platform}"))

    async def unsent(self, platform: str) -> Sequence[Unsent]:
        """The replies that processes which are gone still owe; from now on this process does."""
        found = await self._recovery.adopt(platform, lambda: self._services.conversations.in_flight)
        return await self._services.database.read(lambda tx: [_unsent(tx, each) for each in found])

    async def resume(self, unsent: Unsent, reply: Reply) -> Spoken:
        """Give the reply that is owed."""
        exchange_id = unsent.exchange_id
        try:
            exchange = await self._services.database.read(lambda tx: exchanges.get(tx, exchange_id))
            if exchange.holder != self._recovery.holder.id or (
                exchange_id in self._services.conversations.in_flight
            ):
                return Spoken("repeated", exchange_id)
            return await self._services.conversations.resume(exchange, unsent.place, reply)
        except Missing:
            return Spoken("ignored", exchange_id)  # it was deleted meanwhile

    def terminal_place(self, avatar: str = "") -> Place:
        """The terminal: one private room on this machine, whose examples serve its whole workspace."""
        return Place(
            "terminal", "local", "terminal", "terminal", workspace_name="this machine", avatar=avatar
        )

    def terminal_who(self) -> Who:
        """Whoever sits at this machine owns it."""
        name = self._services.configuration.settings.terminal.person or _login_name()
        return Who("local", name, Access.OWNER)

    def _sentence(self, error: Exception, doing: str) -> str:
        """What the person is told; what they cannot mend goes to the log under a reference."""
        if isinstance(error, UserError | StorageError):
            return str(error)
        if isinstance(error, VendorError):
            log.warning("vendor failed", doing=doing, vendor=error.vendor, error=str(error))
            return for_person(error, "the one chosen")
        reference = new_id()[-8:]
        log.exception("failed", doing=doing, reference=reference, exc_info=error)
        return f"{for_person(error, '')} Its reference is {reference}."

    async def close(self) -> None:
        """Let replies in flight finish, then let go of everything."""
        if self._closed:
            return
        self._closed = True
        services = self._services
        async with AsyncExitStack() as stack:  # the last comes first, and the others come though it fails
            stack.push_async_callback(services.database.close)
            stack.push_async_callback(services.models.close)
            stack.push_async_callback(self._recovery.end)
            stack.push_async_callback(services.notices.close)
            stack.push_async_callback(services.training.close)
            stack.push_async_callback(services.builds.close)
            await services.conversations.drain(PATIENCE)


def _local(place: Place) -> bool:
    """Whether what is said there stays on this machine."""
    return place.platform == "terminal"


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return "you"


def _unsent(tx: Tx, exchange: Exchange) -> Unsent:
    workspace = workspaces.get(tx, exchange.workspace_id)
    conversation = conversations.get(tx, exchange.conversation_id)
    asked = exchanges.get(tx, exchange.sibling_of) if exchange.sibling_of else exchange
    place = Place(
        workspace.platform,
        workspace.key,
        conversation.channel,
        conversation.key,
        conversation.private,
        workspace.name,
    )
    if avatar_of(tx, workspace, place).id != exchange.avatar_id:
        place = replace(place, avatar=avatars.get(tx, exchange.avatar_id).name)
    return Unsent(exchange.id, asked.message_key, place, exchange.created_at)
