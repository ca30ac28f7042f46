"""Builds the application from the settings, runs it, stops it; the only place that names concrete adapters."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
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
    UserError,
    Welcome,
    Who,
)
from adapters.vendors.base import ChatModel, VendorError
from bot import access, feedback
from bot.context import Rules
from bot.conversation import Conversations, Manner
from bot.errors import for_person
from bot.feedback import Feedback
from bot.limits import check_text
from bot.logs import set_up
from bot.models import Models
from bot.recovery import Recovery
from bot.scenes import Scene, Scenes
from bot.services import Services
from bot.settings import Configuration
from storage import audit, exchanges
from storage.database import Database, Tx
from storage.errors import StorageError
from storage.exchanges import Exchange
from storage.ids import new_id

log = structlog.get_logger()

# How long replies in flight may take to finish when the application is stopped, in seconds.
PATIENCE = 20.0


class Application:
    """The host of every platform. Make one with ``open_application``."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery
        self._closed = False

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
        scene = await self._services.scenes.find(place, self.terminal_who())
        model = self._services.conversations.model_of(scene)
        status = model
        if model.startswith("embedded:"):
            status = f"{model} answers only from examples; /model for a language model"
        avatar = scene.avatar
        return Welcome(avatar.name, avatar.tagline, avatar.colour, avatar.suggestions, status)

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        """One message in, one reply out; a message that teaches is learnt from instead."""
        if not message.addressed:
            return Spoken("ignored")
        try:
            taught = await self._teach(message)
            return taught or await self._services.conversations.speak(message, reply)
        except UserError as error:
            return Spoken("declined", text=str(error))
        except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
            sentence = self._sentence(error, "message")
            await reply.fail(sentence, "")
            return Spoken("failed", text=sentence, error=str(error))

    async def _teach(self, message: Message) -> Spoken | None:
        answer = feedback.parse_teaching(message.text)
        if answer is None:
            return None
        check_text(message.text, self._services.configuration.settings.limits.message_characters)
        scene = await self._services.scenes.find(message.place, message.who)
        exchange = await self._services.conversations.latest(scene)
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
            scene = await self._services.scenes.find(mark.place, mark.who)
            exchange = await self._marked(scene, mark)
            outcome = await self._services.feedback.mark(
                scene.workspace, scene.person, mark.who.access, exchange, mark
            )
            return outcome.answer(local=_local(mark.place))
        except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
            return Answer(self._sentence(error, "mark"), ok=False)

    async def _marked(self, scene: Scene, mark: Mark) -> Exchange:
        workspace = scene.workspace.id

        def find(tx: Tx) -> Exchange | None:
            wanted = mark.exchange_id
            if not wanted and (posted := exchanges.by_reply(tx, workspace, mark.reply_key)):
                wanted = posted.id
            return exchanges.visible(tx, workspace, wanted, mark.place.channel) if wanted else None

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

    def stop_speaking(self, place: Place) -> bool:
        """Stop the reply that is being given in this conversation."""
        return self._services.conversations.stop(place)

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
        await self._services.conversations.drain(PATIENCE)
        await self._recovery.end()
        await self._services.models.close()
        await self._services.database.close()


def _local(place: Place) -> bool:
    """Whether what is said there stays on this machine."""
    return place.platform == "terminal"


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return "you"


async def open_application(configuration: Configuration, *, interactive: bool) -> Application:
    """Open the database, close what a crash left, and put the parts together. Raises ``StorageError``.

    ``interactive`` says that somebody is there who can answer a question.
    """
    database = await Database.open(configuration.database_url)
    try:
        set_up(configuration)
        recovery = Recovery(database)
        await recovery.begin()
    except BaseException:
        await database.close()
        raise
    recovery.keep()  # for a single reply too: on another host a silent process counts as dead
    settings = configuration.settings
    scenes = Scenes(database, settings.consent.policy)
    models = Models({"embedded": lambda: _embedded(configuration)})
    rules = Rules(
        token_budget=settings.context.token_budget,
        history_exchanges=settings.context.history_exchanges,
        examples=settings.context.examples,
        pinned_examples=settings.context.pinned_examples,
        floor=settings.context.floor,
        diversity=settings.context.diversity,
    )
    manner = Manner(
        default_model=settings.models.default,
        temperature=settings.models.temperature,
        max_output_tokens=settings.models.max_output_tokens,
        message_characters=settings.limits.message_characters,
        waiting_messages=settings.limits.waiting_messages,
        reply_seconds=settings.limits.reply_seconds,
    )
    conversations = Conversations(database, scenes, models, rules, manner, recovery.holder.id)
    rating = Feedback(
        database,
        feedback.Rules(
            example_stars=settings.feedback.example_stars, earlier_turns=settings.context.history_exchanges
        ),
    )
    services = Services(configuration, database, scenes, models, conversations, rating, interactive)
    return Application(services, recovery)


def _embedded(configuration: Configuration) -> ChatModel:
    from adapters.vendors.embedded import chat_model

    return chat_model(configuration.data_dir / "models")
