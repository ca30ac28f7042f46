"""The application without a platform: a model that says what it is told to, and what people see of it.

``Scripted`` is a whole ``ChatModel`` of a vendor of its own; everything else is the program itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from adapters.platforms.base import Access, Answer, Attachment, Call, End, Message, Place, Spoken, Who
from adapters.vendors.base import ChatModel, ChatRequest, Delta, Event, Finished, ModelInfo, Usage
from adapters.vendors.embedded import chat_model
from adapters.vendors.tuning import Tuner
from bot import attachments, feedback
from bot.app import FACES, Application, training_of
from bot.asking import Asking, Patience
from bot.building import Builds
from bot.context import Rules
from bot.conversation import Conversations
from bot.feedback import Feedback
from bot.listening import Listening
from bot.models import Models
from bot.notices import Notices
from bot.recovery import Recovery
from bot.scenes import Scenes
from bot.services import Services
from bot.settings import Configuration, LimitSettings, ModelSettings, Secrets, Settings
from bot.turn import Manner
from storage import clock
from storage.database import Database

RULES = Rules(
    token_budget=6000, history_exchanges=20, examples=4, pinned_examples=3, floor=0.2, diversity=0.3
)
MANNER = Manner(
    default_model="scripted:one",
    temperature=0.5,
    max_output_tokens=100,
    waiting_messages=2,
    reply_seconds=30,
)
# One attempt, so that what a model fails with is what is seen.
PATIENCE = Patience(attempts=1, retry_seconds=0, rest_after=1000)
FINISHED = Finished(Usage(11, 7, 0.25))


@dataclass
class Scripted:
    """Says ``pieces`` of each reply, then fails with ``failure`` where there is one, else ends with ``finished``.

    ``gate`` holds it after the first piece until it is set, ``before`` runs when it is asked; ``asked`` keeps what it
    was shown, and ``begun`` is set when the first piece is out. ``ends`` are the dates on which models are shut down.
    """

    pieces: Sequence[str] = ("Hello", " there")
    failure: Exception | None = None
    finished: Finished | None = FINISHED
    gate: asyncio.Event | None = None
    before: Callable[[ChatRequest], Awaitable[None]] | None = None
    room: int = 100_000
    seeing: bool = False
    known: Sequence[str] = ("one", "two")
    listing: Exception | None = None
    asked: list[ChatRequest] = field(default_factory=list[ChatRequest])
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    speaking: int = 0
    most: int = 0
    closed: bool = False
    name: str = "scripted"
    ends: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def vendor(self) -> str:
        return self.name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        self.asked.append(request)
        self.speaking += 1
        self.most = max(self.most, self.speaking)
        try:
            if self.before is not None:
                await self.before(request)
            for number, piece in enumerate(self.pieces):
                yield Delta(piece)
                if number == 0:
                    self.begun.set()
                    if self.gate is not None:
                        await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            if self.finished is not None:
                yield self.finished
        finally:
            self.speaking -= 1

    def count_tokens(self, model: str, text: str) -> int:
        return len(text.split())

    def context_tokens(self, model: str) -> int:
        return self.room

    def sees(self, model: str) -> bool:
        return self.seeing

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        return (tokens_in + tokens_out) / 1000

    async def models(self) -> Sequence[ModelInfo]:
        if self.listing is not None:
            raise self.listing
        return [ModelInfo(name, shutdown_date=self.ends.get(name)) for name in self.known]

    async def close(self) -> None:
        self.closed = True


@dataclass
class Seen:
    """A reply as somebody sees it come to be; ``at_finish`` runs when it is shown complete."""

    key: str = ""
    at_finish: Callable[[End], Awaitable[None]] | None = None
    accepted_as: str = ""
    grown: list[str] = field(default_factory=list[str])
    end: End | None = None
    failed: tuple[str, str] | None = None

    async def accepted(self, exchange_id: str) -> None:
        self.accepted_as = exchange_id

    async def grow(self, text: str) -> None:
        self.grown.append(text)

    async def finish(self, end: End) -> str:
        if self.at_finish is not None:
            await self.at_finish(end)
        self.end = end
        return self.key

    async def fail(self, sentence: str, reference: str) -> None:
        self.failed = (sentence, reference)


async def _silent(text: str, done: float | None = None) -> None:
    """Progress that nobody watches."""


HERE = Place("discord", "guild", "lobby", "lobby", workspace_name="Guild")
ELSEWHERE = Place("discord", "another", "lobby", "lobby", workspace_name="Another")
ADA = Who("ada", "Ada", Access.OWNER)
BOB = Who("bob", "Bob")
_numbers = count(1)


@dataclass
class Theatre:
    """An application and its parts, and short ways to speak in it and to give it commands."""

    app: Application
    services: Services
    recovery: Recovery
    model: Scripted

    @property
    def database(self) -> Database:
        return self.services.database

    async def say(
        self,
        text: str,
        *,
        who: Who = ADA,
        place: Place = HERE,
        key: str = "",
        seen: Seen | None = None,
        addressed: bool = True,
        attachments: tuple[Attachment, ...] = (),
        reply_to: str = "",
    ) -> Spoken:
        """A message, and what became of it."""
        key = key or f"message {next(_numbers)}"
        message = Message(key, place, who, text, clock.now(), addressed, attachments, reply_to)
        return await self.app.speak(message, seen or Seen())

    async def command(
        self,
        name: str,
        /,
        *,
        who: Who = ADA,
        place: Place = HERE,
        confirmed: bool = False,
        seen: Seen | None = None,
        local: bool = False,
        **values: str | int | float | bool | None,
    ) -> Answer:
        """A command; parameters that are left out take their defaults, as on every platform."""
        declared = next((each for each in self.app.commands if each.name == name), None)
        defaults = {each.name: each.default for each in declared.params} if declared else {}
        given = {each: value for each, value in defaults.items() if value is not None} | values
        call = Call(name, place, who, given, _silent, clock.now(), local, confirmed)
        return await self.app.command(call, seen)


def as_member(who: Who, access: Access) -> Who:
    """The same person with another access."""
    return replace(who, access=access)


def play(
    database: Database,
    folder: Path,
    *,
    model: Scripted | None = None,
    manner: Manner = MANNER,
    rules: Rules = RULES,
    policy: str = "opt-in",
    default: str = "scripted:one",
    patience: Patience = PATIENCE,
    others: Mapping[str, ChatModel] | None = None,
    tuners: Mapping[str, Callable[[], Tuner]] | None = None,
) -> Theatre:
    """The application on this database, with the scripted model, the embedded one and ``others`` by their vendor's name."""
    model = model or Scripted()
    configuration = Configuration(
        settings=Settings(
            models=ModelSettings(default=default), limits=LimitSettings(message_characters=2000)
        ),
        secrets=Secrets(),
        data_dir=folder,
        source=None,
    )
    recovery = Recovery(database)
    scenes = Scenes(database, policy)
    vendors: dict[str, Callable[[], ChatModel]] = {
        "scripted": lambda: model,
        "embedded": lambda: chat_model(folder / "models"),
    }
    models = Models(vendors | {name: lambda made=made: made for name, made in (others or {}).items()})
    manner = replace(manner, default_model=default)
    notices = Notices(database)
    asking = Asking(models, patience)
    conversations = Conversations(database, scenes, asking, notices, rules, manner, recovery.holder.id)
    services = Services(
        configuration,
        database,
        scenes,
        models,
        conversations,
        Feedback(database, feedback.Rules()),
        Listening(database),
        notices,
        attachments.Rules(),
        Builds(configuration, database),
        training_of(configuration, database, tuners, models=models),
        FACES,
    )
    return Theatre(Application(services, recovery), services, recovery, model)
