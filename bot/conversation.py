"""One message in, one reply out.

A message is accepted when its pending exchange is durable, and answered once however often it arrives. The context is
read while that row commits; the commit is awaited before the request leaves, and the completion's before the reply is
shown complete: a crash at any line loses nothing that somebody saw.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog

from adapters.platforms.base import End, Message, Place, Reply, Spoken, UserError, Who
from adapters.vendors.base import ChatModel, ChatRequest, Finished, Usage, VendorError
from bot import context
from bot.context import Context, Rules, Shown
from bot.errors import for_person
from bot.limits import Lanes, check_text
from bot.models import Models
from bot.scenes import Scene, Scenes
from storage import clock, conversations, exchanges
from storage.database import Database, Tx
from storage.errors import StorageError
from storage.exchanges import Completion, Exchange, Pending
from storage.ids import new_id

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Manner:
    """How replies are made: see ``[models]`` and ``[limits]`` in config.toml."""

    default_model: str
    temperature: float | None
    max_output_tokens: int
    message_characters: int
    waiting_messages: int
    reply_seconds: float


Ended = Literal["complete", "failed", "cancelled"]


@dataclass(slots=True)
class _Turn:
    """One reply while it comes to be."""

    scene: Scene
    pending: Pending
    shown: Shown
    reply: Reply
    model: str
    began: float = field(default_factory=time.monotonic)
    built: Context | None = None
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    end: Finished = field(default_factory=Finished)
    first_token_ms: int | None = None
    status: Ended = "complete"
    failure: Exception | None = None
    note: str = ""
    task: asyncio.Task[None] | None = None
    stopped: bool = False

    @property
    def elapsed_ms(self) -> int:
        """Since the turn began."""
        return round((time.monotonic() - self.began) * 1000)

    @property
    def error(self) -> str:
        """What the row keeps of a failure, for admins."""
        if self.failure is None:
            return ""
        if isinstance(self.failure, TimeoutError):
            return self.note
        if isinstance(self.failure, VendorError):
            return str(self.failure)
        return f"{type(self.failure).__name__}: {self.failure}"


class Conversations:
    """The reply pipeline."""

    def __init__(
        self, database: Database, scenes: Scenes, models: Models, rules: Rules, manner: Manner, holder: str
    ) -> None:
        self._database = database
        self._scenes = scenes
        self._models = models
        self._rules = rules
        self._manner = manner
        self._holder = holder
        self._lanes = Lanes(manner.waiting_messages)
        self._speaking: dict[str, _Turn] = {}
        self._running: set[asyncio.Task[object]] = set()

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        """Answer a message. Raises ``UserError`` for what the person can mend, before anything is kept."""
        check_text(message.text, self._manner.message_characters)
        scene = await self._scenes.find(message.place, message.who)
        return await self._answer(scene, message.place, message.text, message.key, reply)

    async def regenerate(
        self, place: Place, who: Who, reply: Reply, exchange: Exchange | None = None
    ) -> Spoken:
        """Answer the last question (or that of ``exchange``) again, as a sibling exchange. Raises ``UserError``."""
        scene = await self._scenes.find(place, who)
        original = exchange or await self.latest(scene)
        if original is None:
            raise UserError("There is no reply here yet that I could give again.")
        # Elsewhere it would be made from the words of people whom nobody asks for consent to it.
        if scene.conversation is None or original.conversation_id != scene.conversation.id:
            raise UserError("That reply belongs to another conversation; it can be given again only there.")
        root = original.sibling_of or original.id
        siblings = await self._database.read(lambda tx: exchanges.siblings(tx, original))
        # Two who press at once make one; a number would come back once a sibling was deleted.
        key = f"{root}~{(siblings or [original])[-1].id}"
        return await self._answer(scene, place, original.user_text, key, reply, sibling_of=root)

    async def latest(self, scene: Scene) -> Exchange | None:
        """The last exchange of the scene's conversation that has a reply."""
        conversation = scene.conversation
        if conversation is None:
            return None
        return await self._database.read(lambda tx: exchanges.latest(tx, conversation.id))

    def model_of(self, scene: Scene) -> str:
        """What answers in this scene, as ``vendor:name``: the release's model, the avatar's, or the default one."""
        return scene.release.model or scene.avatar.base_model or self._manner.default_model

    def stop(self, place: Place) -> bool:
        """End the reply being given in this conversation; what there is of it stays."""
        turn = self._speaking.get(_lane(place))
        if turn is None or turn.task is None or turn.stopped:
            return False
        turn.stopped = True
        turn.task.cancel()
        return True

    async def drain(self, seconds: float) -> None:
        """Let the replies in flight finish; those that have not after ``seconds`` are cut and marked."""
        running = list(self._running)
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _answer(
        self, scene: Scene, place: Place, text: str, key: str, reply: Reply, *, sibling_of: str | None = None
    ) -> Spoken:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        try:
            pending = self._pending(scene, place, text, key, sibling_of)
            with structlog.contextvars.bound_contextvars(reference=pending.reference):
                return await self._accept(scene, place, pending, reply)
        finally:
            if task is not None:
                self._running.discard(task)

    def _pending(self, scene: Scene, place: Place, text: str, key: str, sibling_of: str | None) -> Pending:
        exchange_id = new_id()
        return Pending(
            id=exchange_id,
            workspace_id=scene.workspace.id,
            conversation_id=scene.conversation.id if scene.conversation else "",
            avatar_id=scene.avatar.id,
            person_id=scene.person.id,
            message_key=key,
            user_text=text,
            holder=self._holder,
            reference=exchange_id[-8:],
            created_at=clock.now(),
            sibling_of=sibling_of,
        )

    async def _accept(self, scene: Scene, place: Place, pending: Pending, reply: Reply) -> Spoken:
        lane = _lane(place)
        with self._lanes.place(lane) as first:
            return await self._accept_in(scene, place, lane, first, pending, reply)

    async def _accept_in(
        self, scene: Scene, place: Place, lane: str, first: bool, pending: Pending, reply: Reply
    ) -> Spoken:
        accepted = asyncio.create_task(self._database.write(lambda tx: _begin(tx, scene, place, pending)))
        try:
            return await self._take_turn(scene, place, lane, first, pending, accepted, reply)
        except asyncio.CancelledError:
            await self._interrupt(pending, "interrupted: Understudy was stopped")
            raise
        except Exception as error:
            await self._interrupt(pending, f"interrupted: {error}")
            raise

    async def _take_turn(
        self,
        scene: Scene,
        place: Place,
        lane: str,
        first: bool,
        pending: Pending,
        accepted: asyncio.Task[str | None],
        reply: Reply,
    ) -> Spoken:
        # In a busy lane the history is not yet what it will be: there is nothing to read in the meantime.
        early = scene.conversation is None or not first
        if early and await accepted is None:
            return await self._repeated(scene, pending)
        async with self._lanes.turn(lane):
            reading = asyncio.create_task(self._read(scene, place, pending, accepted))
            if await accepted is None:
                reading.cancel()
                return await self._repeated(scene, pending)
            turn = _Turn(scene, pending, await reading, reply, self.model_of(scene))
            return await self._reply(turn, lane)

    async def _read(
        self, scene: Scene, place: Place, pending: Pending, accepted: asyncio.Task[str | None]
    ) -> Shown:
        conversation_id = scene.conversation.id if scene.conversation else await accepted
        return await self._database.read(
            lambda tx: context.read(
                tx,
                scene.avatar,
                scene.release,
                place.channel,
                conversation_id or "",
                pending.user_text,
                self._rules,
                without=pending.sibling_of,
            )
        )

    async def _repeated(self, scene: Scene, pending: Pending) -> Spoken:
        before = await self._database.read(
            lambda tx: exchanges.by_message(tx, scene.workspace.id, pending.message_key)
        )
        log.info("message repeated", message=pending.message_key)
        return Spoken("repeated", exchange_id=before.id if before else "", avatar=scene.avatar.name)

    async def _reply(self, turn: _Turn, lane: str) -> Spoken:
        self._speaking[lane] = turn
        try:
            await self._generate(turn)
        finally:
            del self._speaking[lane]
        return await self._complete(turn)

    async def _generate(self, turn: _Turn) -> None:
        """Have the model speak; whatever ends that, but a shutdown, is an end of the turn."""
        try:
            vendor, model = self._models.find(turn.model)
            turn.built = self._fit(turn, vendor, model)
            turn.task = asyncio.create_task(_stream(turn, vendor, turn.built.request))
            async with asyncio.timeout(self._manner.reply_seconds):
                await turn.task
        except asyncio.CancelledError:
            if not turn.stopped:
                raise
            turn.status, turn.note = "cancelled", "stopped"
        except TimeoutError as error:
            turn.note = f"cut off after {self._manner.reply_seconds:g} seconds"
            turn.failure = error
            turn.status = "complete" if turn.text else "failed"
        except VendorError as error:
            turn.status, turn.failure = "failed", error
            log.warning("vendor failed", vendor=error.vendor, error=str(error), kind=type(error).__name__)
        except Exception as error:
            turn.status, turn.failure = "failed", error
            log.error("reply failed", exc_info=error)

    def _fit(self, turn: _Turn, vendor: ChatModel, model: str) -> Context:
        room = vendor.context_tokens(model) - self._manner.max_output_tokens
        return context.fit(
            turn.shown,
            model=model,
            text=turn.pending.user_text,
            unknown=turn.scene.avatar.unknown,
            budget=min(self._rules.token_budget, room),
            count=lambda piece: vendor.count_tokens(model, piece),
            temperature=self._manner.temperature,
            max_output_tokens=self._manner.max_output_tokens,
        )

    async def _complete(self, turn: _Turn) -> Spoken:
        done = _completion(turn)
        if not await self._database.write(lambda tx: exchanges.complete(tx, done)):
            log.warning("reply not kept: its exchange was closed or deleted meanwhile")
        log.info(
            "reply given", status=done.status, model=done.model, latency_ms=done.latency_ms, known=done.known
        )
        sentence = ""
        if turn.status == "failed":
            sentence = for_person(turn.failure or TimeoutError(), turn.model)
            await turn.reply.fail(sentence, turn.pending.reference)
        else:
            reply_key = await turn.reply.finish(End(done.id, turn.text, turn.end.known, turn.note))
            if reply_key and reply_key != done.id:
                await self._database.write(lambda tx: exchanges.set_reply_key(tx, done.id, reply_key))
        return _spoken(turn, done, sentence)

    async def _interrupt(self, pending: Pending, reason: str) -> None:
        """The row says that nobody answers it any more, as far as it can still be written."""
        write = self._database.write(lambda tx: exchanges.interrupt(tx, pending.id, reason, clock.now()))
        try:
            await asyncio.shield(write)
        except StorageError as error:
            log.error("left pending, to be closed at the next start", error=str(error))


async def _stream(turn: _Turn, vendor: ChatModel, request: ChatRequest) -> None:
    async with aclosing(vendor.stream(request)) as stream:
        async for event in stream:
            if isinstance(event, Finished):
                turn.end, turn.usage = event, event.usage
            else:
                if turn.first_token_ms is None:
                    turn.first_token_ms = turn.elapsed_ms
                turn.text += event.text
                await turn.reply.grow(turn.text)
    if not turn.text.strip():
        raise VendorEmpty(vendor.vendor)
    if turn.end.reason == "length":
        turn.note = "cut at the length limit"


class VendorEmpty(VendorError):
    """A model ended its reply without a word."""

    def __init__(self, vendor: str) -> None:
        super().__init__("the model ended its reply without a word", vendor=vendor)


def _lane(place: Place) -> str:
    return f"{place.platform}\0{place.workspace}\0{place.conversation}\0{place.avatar}"


def _begin(tx: Tx, scene: Scene, place: Place, pending: Pending) -> str | None:
    """Write the pending row, opening the conversation first where there is none. ``None``: it was there already."""
    conversation_id = pending.conversation_id
    if not conversation_id:
        workspace, avatar = scene.workspace.id, scene.avatar.id
        # Another first message may have opened it since the scene was read.
        open_one = conversations.current(tx, workspace, place.conversation, avatar)
        if open_one is None or open_one.private != place.private:
            open_one = conversations.start(
                tx, workspace, place.conversation, avatar, place.channel, place.private
            )
        conversation_id = open_one.id
        pending = replace(pending, conversation_id=conversation_id)
    return conversation_id if exchanges.begin(tx, pending) else None


def _completion(turn: _Turn) -> Completion:
    built, scene = turn.built, turn.scene
    vendor, _, _ = turn.model.partition(":")
    return Completion(
        id=turn.pending.id,
        status=turn.status,
        reply_text=turn.text,
        vendor=vendor,
        model=turn.model,
        prompt_version_id=scene.release.prompt_version_id,
        release_id=scene.release.id,
        example_ids=built.example_ids if built else (),
        example_scores=built.example_scores if built else (),
        answered_from=turn.end.example_ids,
        tokens_in=turn.usage.tokens_in,
        tokens_out=turn.usage.tokens_out,
        cost=turn.usage.cost,
        first_token_ms=turn.first_token_ms,
        latency_ms=turn.elapsed_ms,
        error=turn.error,
        known=turn.end.known,
        completed_at=clock.now(),
    )


def _spoken(turn: _Turn, done: Completion, sentence: str) -> Spoken:
    return Spoken(
        status=turn.status,
        exchange_id=done.id,
        text=sentence or done.reply_text,
        avatar=turn.scene.avatar.name,
        model=done.model,
        known=done.known,
        example_ids=done.answered_from or done.example_ids,
        prompt_version=turn.shown.prompt_number,
        tokens_in=done.tokens_in,
        tokens_out=done.tokens_out,
        cost=done.cost,
        latency_ms=done.latency_ms or 0,
        error=done.error,
        reference=turn.pending.reference,
    )
