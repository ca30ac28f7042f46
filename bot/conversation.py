"""One message in, one reply out.

A message is accepted when its pending exchange is durable, and answered once however often it arrives. The context is
read while that row commits; the commit is awaited before the request leaves, and the completion's before the reply is
shown complete: a crash at any line loses nothing that somebody saw. What a process accepted and did not show stays in its
care, and after its death in another's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from adapters.platforms.base import End, Message, Place, Reply, Spoken, UserError, Who
from adapters.vendors.base import Image
from bot import context
from bot.asking import Asking, Before
from bot.context import Rules, Shown
from bot.errors import for_person
from bot.limits import Lanes
from bot.notices import Notices
from bot.scenes import Scene, Scenes
from bot.turn import Ended, Manner, Turn, completion, generate, spoken
from storage import clock, conversations, exchanges, owed, releases
from storage.database import Database, Tx
from storage.errors import StorageError
from storage.exchanges import Exchange, Pending
from storage.ids import new_id
from storage.releases import Release

log = structlog.get_logger()

# Nobody comes back later to a terminal that was closed: what is not shown there at once is not owed.
FLEETING = "terminal"


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is of a message besides its text: pictures, and ``remarks`` about what could not be read.

    ``words`` are the person's own, where the text holds those of files too: by them examples are found.
    """

    images: tuple[Image, ...] = ()
    remarks: tuple[str, ...] = ()
    words: str = ""


NOTHING = Heard()


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A reply that is being given: by which task, in which room, and what is set when it is over."""

    task: asyncio.Task[object]
    room: tuple[str, str, str]
    over: asyncio.Event


def _room(place: Place) -> tuple[str, str, str]:
    return place.platform, place.workspace, place.channel


class Conversations:
    """The reply pipeline."""

    def __init__(
        self,
        database: Database,
        scenes: Scenes,
        asking: Asking,
        notices: Notices,
        rules: Rules,
        manner: Manner,
        holder: str,
    ) -> None:
        self._database = database
        self._scenes = scenes
        self._asking = asking
        self._notices = notices
        self._rules = rules
        self._manner = manner
        self._holder = holder
        self._lanes = Lanes(manner.waiting_messages)
        self._speaking: dict[str, Turn] = {}
        self._running: dict[str, _UnderWay] = {}
        # How often the avatar was put out of a workspace: what was accepted before ends with that.
        self._departures: Counter[str] = Counter()

    @property
    def in_flight(self) -> frozenset[str]:
        """The ids of the exchanges that are being answered by this process."""
        return frozenset(self._running)

    async def speak(self, message: Message, reply: Reply, heard: Heard = NOTHING) -> Spoken:
        """Answer a message. Raises ``UserError`` for what the person can mend, before anything is kept."""
        scene = await self._scenes.find(message.place, message.who)
        return await self._answer(scene, message.place, message.text, message.key, reply, heard)

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

    async def resume(self, exchange: Exchange, place: Place, reply: Reply) -> Spoken:
        """Give the reply that is owed: again from the model while it is pending, else as it was."""
        with self._in_flight(exchange.id, place):
            await reply.accepted(exchange.id)
            if exchange.status == "pending":
                scene = await self._scenes.of(exchange)
                pending = _pending_of(exchange, self._holder)
                lane = _lane(place)
                with (
                    structlog.contextvars.bound_contextvars(reference=pending.reference),
                    self._lanes.place(lane, always=True),
                ):
                    async with self._lanes.turn(lane):
                        shown = await self._read(scene, place, exchange.conversation_id, pending)
                        turn = Turn(
                            scene,
                            pending,
                            shown,
                            reply,
                            self.model_of(scene),
                            before=self._before(scene),
                        )
                        return await self._reply(turn, lane)
            return await self._show_again(exchange, reply)

    async def _show_again(self, exchange: Exchange, reply: Reply) -> Spoken:
        keys, text = "", exchange.reply_text
        status: Ended = "cancelled" if exchange.status == "cancelled" else "complete"
        if status == "cancelled" or (text and exchange.status != "failed"):
            note = "stopped" if status == "cancelled" else ""
            keys = await reply.finish(End(exchange.id, text, exchange.known, note))
        else:
            status, text = "failed", "I was interrupted before I could answer that; please ask again."
            await reply.fail(text, exchange.reference)
        await self._note_shown(exchange.workspace_id, exchange.id, keys)
        return Spoken(status, exchange_id=exchange.id, text=text, reference=exchange.reference)

    async def latest(self, scene: Scene, *, before: int | None = None) -> Exchange | None:
        """The last exchange of the scene's conversation that has a reply, and began ``before``, milliseconds."""
        conversation = scene.conversation
        if conversation is None:
            return None
        return await self._database.read(lambda tx: exchanges.latest(tx, conversation.id, before=before))

    def model_of(self, scene: Scene) -> str:
        """What answers in this scene, as ``vendor:name``."""
        return self.model(scene.release)

    def model(self, release: Release) -> str:
        """What answers by a release, as ``vendor:name``."""
        return release.answers_with(self._manner.default_model)

    def _before(self, scene: Scene) -> Before | None:
        """What answers where the release's own model does not: earlier releases, then the base model, then the default."""
        release, base = scene.release, scene.release.base_model
        if release.model is None:
            return None

        def models(tx: Tx) -> list[str]:
            earlier = [self.model(each) for each in releases.earlier(tx, release)]
            return [*earlier, *((base,) if base else ()), self._manner.default_model]

        return lambda: self._database.read(models)

    def stop(self, place: Place, exchange_id: str = "") -> bool:
        """End the reply being given as this exchange, else in this conversation; what there is of it stays."""
        turn = self._speaking.get(_lane(place))
        if exchange_id:
            turn = next((each for each in self._speaking.values() if each.pending.id == exchange_id), None)
        return turn is not None and turn.stop()

    def stop_workspace(self, platform: str, workspace: str) -> int:
        """End every reply being given in a workspace, and those that wait for their turn; how many were being given."""
        self._departures[f"{platform}\0{workspace}"] += 1
        within = f"{platform}\0{workspace}\0"
        return sum(turn.stop() for lane, turn in self._speaking.items() if lane.startswith(within))

    async def drain(self, seconds: float) -> None:
        """Let the replies in flight finish; those that have not after ``seconds`` are cut and marked."""
        running = [each.task for each in self._running.values()]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def under_way(self, place: Place) -> Sequence[asyncio.Event]:
        """One event for each reply under way in this channel: set once it is known which messages the reply is in."""
        return [each.over for each in self._running.values() if each.room == _room(place)]

    @contextmanager
    def _in_flight(self, exchange_id: str, place: Place) -> Generator[None]:
        task = asyncio.current_task()
        assert task is not None, "a reply is given in a task"
        self._running[exchange_id] = under_way = _UnderWay(task, _room(place), asyncio.Event())
        try:
            yield
        finally:
            del self._running[exchange_id]
            under_way.over.set()

    async def _answer(
        self,
        scene: Scene,
        place: Place,
        text: str,
        key: str,
        reply: Reply,
        heard: Heard = NOTHING,
        *,
        sibling_of: str | None = None,
    ) -> Spoken:
        pending = self._pending(scene, text, key, sibling_of)
        lane = _lane(place)
        with (
            self._in_flight(pending.id, place),
            structlog.contextvars.bound_contextvars(reference=pending.reference),
            self._lanes.place(lane) as first,
        ):
            accepted = asyncio.create_task(self._database.write(lambda tx: _begin(tx, scene, place, pending)))
            try:
                return await self._take_turn(scene, place, lane, first, pending, accepted, reply, heard)
            except asyncio.CancelledError:
                # Where people can be reached later, the next process answers.
                if place.platform == FLEETING:
                    await self._interrupt(pending, "interrupted: Understudy was stopped")
                raise
            except Exception as error:
                await self._interrupt(pending, f"interrupted: {error}")
                raise

    def _pending(self, scene: Scene, text: str, key: str, sibling_of: str | None) -> Pending:
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

    async def _take_turn(
        self,
        scene: Scene,
        place: Place,
        lane: str,
        first: bool,
        pending: Pending,
        accepted: asyncio.Task[str | None],
        reply: Reply,
        heard: Heard,
    ) -> Spoken:
        house = f"{place.platform}\0{place.workspace}"
        departures = self._departures[house]
        # In a busy lane the history is not yet what it will be: there is nothing to read in the meantime.
        early = scene.conversation is None or not first
        if early and await accepted is None:
            return await self._repeated(scene, pending)
        async with self._lanes.turn(lane):
            if self._departures[house] != departures:
                await accepted
                await self._interrupt(pending, "interrupted: the avatar was put out of this workspace")
                return Spoken("cancelled", pending.id)
            known = scene.conversation.id if scene.conversation else await accepted
            reading = asyncio.create_task(self._read(scene, place, known or "", pending, heard.words))
            try:
                if await accepted is None:
                    return await self._repeated(scene, pending)
                await reply.accepted(pending.id)
                shown = await reading
            finally:
                reading.cancel()
            turn = Turn(
                scene,
                pending,
                shown,
                reply,
                self.model_of(scene),
                images=heard.images,
                remarks=heard.remarks,
                before=self._before(scene),
            )
            return await self._reply(turn, lane)

    async def _read(
        self, scene: Scene, place: Place, conversation_id: str, pending: Pending, words: str = ""
    ) -> Shown:
        return await self._database.read(
            lambda tx: context.read(
                tx,
                scene.avatar,
                scene.release,
                place.channel,
                conversation_id,
                words or pending.user_text,
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

    async def _reply(self, turn: Turn, lane: str) -> Spoken:
        self._speaking[lane] = turn
        try:
            await generate(turn, self._asking, self._rules, self._manner)
        finally:
            del self._speaking[lane]
        return await self._complete(turn)

    async def _complete(self, turn: Turn) -> Spoken:
        fleeting = turn.scene.workspace.platform == FLEETING
        done = completion(turn, "" if fleeting else self._holder)
        if not await self._database.write(lambda tx: exchanges.complete(tx, done)):
            log.warning("reply not kept: its exchange was closed or deleted meanwhile")
        log.info(
            "reply given", status=done.status, model=done.model, latency_ms=done.latency_ms, known=done.known
        )
        instead = done.model if done.status == "complete" else ""
        for model, error in turn.failures:
            if model == turn.scene.release.model and model != instead:
                self._notices.release_failed(turn.scene, error, instead)
            else:
                self._notices.vendor_failed(turn.scene.workspace, model, error)
        sentence = for_person(turn.failure or TimeoutError(), turn.model) if turn.status == "failed" else ""
        try:
            keys = await self._show(turn, done.id, sentence)
        except Exception as error:
            # The row says that it is owed: it is shown once the platform can be reached again.
            log.error("reply not shown yet", exc_info=error)
        else:
            if not fleeting:
                await self._note_shown(turn.scene.workspace.id, done.id, keys)
        return spoken(turn, done, sentence)

    async def _note_shown(self, workspace_id: str, exchange_id: str, keys: str) -> None:
        try:
            await self._database.write(lambda tx: owed.shown(tx, workspace_id, exchange_id, keys.split()))
        except StorageError as error:
            # The person has read it. Whoever comes to give it again finds it there.
            log.error("reply not noted as shown", error=str(error))

    async def _show(self, turn: Turn, exchange_id: str, sentence: str) -> str:
        if not sentence:
            return await turn.reply.finish(End(exchange_id, turn.text, turn.known, turn.told))
        await turn.reply.fail(sentence, turn.pending.reference)
        return ""

    async def _interrupt(self, pending: Pending, reason: str) -> None:
        """The row says that nobody answers it any more, as far as it can still be written."""
        write = self._database.write(lambda tx: exchanges.interrupt(tx, pending.id, reason, clock.now()))
        try:
            await asyncio.shield(write)
        except StorageError as error:
            log.error("left pending, to be closed at the next start", error=str(error))


def _lane(place: Place) -> str:
    return f"{place.platform}\0{place.workspace}\0{place.conversation}\0{place.avatar}"


def _pending_of(exchange: Exchange, holder: str) -> Pending:
    return Pending(
        id=exchange.id,
        workspace_id=exchange.workspace_id,
        conversation_id=exchange.conversation_id,
        avatar_id=exchange.avatar_id,
        person_id=exchange.person_id,
        message_key=exchange.message_key,
        user_text=exchange.user_text,
        holder=holder,
        reference=exchange.reference,
        created_at=exchange.created_at,
        sibling_of=exchange.sibling_of,
    )


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
