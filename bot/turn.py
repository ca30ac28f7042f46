"""One reply while it comes to be: the model speaks, the row is completed, the person sees the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

import structlog

from adapters.platforms.base import Reply, Spoken
from adapters.vendors.base import ChatModel, ChatRequest, Finished, Image, Usage, VendorError
from bot import context
from bot.asking import Asking, Before
from bot.context import Context, Rules, Shown
from bot.scenes import Scene
from storage import clock
from storage.exchanges import Completion, Pending

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Manner:
    """How replies are made: see ``[models]`` and ``[limits]`` in config.toml."""

    default_model: str
    temperature: float | None
    max_output_tokens: int
    waiting_messages: int
    reply_seconds: float


Ended = Literal["complete", "failed", "cancelled"]


@dataclass(slots=True)
class Turn:
    """The state of one reply. ``images`` are shown to a model that sees; ``remarks`` are told below the reply.

    ``before`` gives what answered before ``model``, where that is a release's own.
    """

    scene: Scene
    pending: Pending
    shown: Shown
    reply: Reply
    model: str
    images: tuple[Image, ...] = ()
    remarks: tuple[str, ...] = ()
    before: Before | None = None
    began: float = field(default_factory=time.monotonic)
    built: Context | None = None
    text: str = ""
    vendor: ChatModel | None = None
    end: Finished | None = None
    first_token_ms: int | None = None
    status: Ended = "complete"
    failure: Exception | None = None
    failures: list[tuple[str, VendorError]] = field(default_factory=list[tuple[str, VendorError]])
    note: str = ""
    blind: bool = False
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

    @property
    def usage(self) -> Usage:
        """What it cost: as the vendor told, else estimated from what went over the wire before it broke off."""
        if self.end is not None:
            return self.end.usage
        if self.vendor is None or self.built is None or not self.text:
            return Usage()
        name = self.built.request.model
        tokens_in, tokens_out = self.built.tokens, self.vendor.count_tokens(name, self.text)
        return Usage(tokens_in, tokens_out, self.vendor.cost(name, tokens_in, tokens_out))

    @property
    def known(self) -> bool:
        """Whether the model had an answer, as far as it says."""
        return self.end is None or self.end.known

    @property
    def told(self) -> str:
        """What is said below the reply in a quieter voice."""
        blind = ("this model cannot see pictures",) if self.blind else ()
        return "; ".join(filter(None, (self.note, *blind, *self.remarks)))

    def failed(self, model: str, error: VendorError) -> None:
        """A model did not answer; another one may have."""
        self.failures.append((model, error))

    def stop(self) -> bool:
        """End it where it is; False when it is over or was stopped already."""
        if self.task is None or self.stopped:
            return False
        self.stopped = True
        self.task.cancel()
        return True


async def generate(turn: Turn, asking: Asking, rules: Rules, manner: Manner) -> None:
    """Have a model speak; whatever ends that, but a shutdown, is an end of the turn."""
    chosen = turn.model
    try:
        turn.task = asyncio.create_task(_stream(turn, asking, _preparing(turn, rules, manner)))
        async with asyncio.timeout(manner.reply_seconds):
            await turn.task
    except asyncio.CancelledError:
        if not turn.stopped:
            raise
        turn.status, turn.note = "cancelled", "stopped"
    except TimeoutError as error:
        turn.note = f"cut off after {manner.reply_seconds:g} seconds"
        turn.failure = error
        turn.status = "complete" if turn.text else "failed"
    except VendorError as error:
        turn.failure = error
        log.warning("vendor failed", vendor=error.vendor, error=str(error), kind=type(error).__name__)
        if turn.text:
            turn.note = "the connection to my model broke off here"
        else:
            # The failure is that of the model that was chosen, whoever was asked after it.
            turn.status, turn.model = "failed", chosen
    except Exception as error:
        turn.status, turn.failure = "failed", error
        log.error("reply failed", exc_info=error)


def _preparing(turn: Turn, rules: Rules, manner: Manner) -> Callable[[str, ChatModel, str], ChatRequest]:
    def prepare(full: str, vendor: ChatModel, name: str) -> ChatRequest:
        sees = bool(turn.images) and vendor.sees(name)
        turn.model, turn.vendor, turn.blind = full, vendor, bool(turn.images) and not sees
        turn.built = context.fit(
            turn.shown,
            model=name,
            text=turn.pending.user_text,
            unknown=turn.scene.avatar.unknown,
            budget=min(rules.token_budget, vendor.context_tokens(name) - manner.max_output_tokens),
            count=lambda piece: vendor.count_tokens(name, piece),
            images=turn.images if sees else (),
            temperature=manner.temperature,
            max_output_tokens=manner.max_output_tokens,
        )
        return turn.built.request

    return prepare


async def _stream(turn: Turn, asking: Asking, prepare: Callable[[str, ChatModel, str], ChatRequest]) -> None:
    async with aclosing(asking.stream(turn.model, prepare, turn.failed, turn.before)) as stream:
        async for event in stream:
            if isinstance(event, Finished):
                turn.end = event
            else:
                if turn.first_token_ms is None:
                    turn.first_token_ms = turn.elapsed_ms
                turn.text += event.text
                await turn.reply.grow(turn.text)
    if turn.end is not None and turn.end.reason == "length":
        turn.note = "cut at the length limit"
    elif turn.end is not None and turn.end.reason == "filtered":
        turn.note = "my model's content filter cut this off"


def completion(turn: Turn, holder: str) -> Completion:
    """How the exchange ended; ``holder`` still has to show it."""
    built, scene = turn.built, turn.scene
    vendor, _, _ = turn.model.partition(":")
    usage = turn.usage
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
        answered_from=turn.end.example_ids if turn.end else (),
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        cost=usage.cost,
        first_token_ms=turn.first_token_ms,
        latency_ms=turn.elapsed_ms,
        error=turn.error,
        known=turn.known,
        holder=holder,
        completed_at=clock.now(),
    )


def spoken(turn: Turn, done: Completion, sentence: str) -> Spoken:
    """What became of the message; ``sentence`` is what the person was told when there was no reply."""
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
