"""The words that every vendor of models speaks.

A vendor is reached through small protocols: ``ChatModel`` answers, ``Embedder`` turns text into vectors (``Tuner``,
which trains, joins them with the training runs). Errors form one tree::

    VendorError
        BadRequest          the vendor says that what we sent is wrong
        ModelNotFound       no such model, or not for this key
        NotConfigured       a key, an extra or an address is missing on our side
        Denied              the key is wrong or lacks a permission
        QuotaExhausted      the account's budget is used up
        RateLimited         too fast; may succeed later
        Unavailable         outage, time-out, broken connection; may succeed later
        Refused             the vendor's content filter declined
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a model that sees: raw ``data`` of the given ``media_type`` (such as ``image/png``)."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation as a model is shown it."""

    role: Role
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """A few-shot example: the question ``user`` and the reply ``assistant`` that is fit to imitate."""

    user: str
    assistant: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a model is asked.

    ``shots`` come stable block first, retrieved ones after, best first within each; a vendor of language models
    renders them as earlier turns. ``turns`` is the conversation, oldest first, and ends with the question.
    ``unknown`` is the sentence, in the avatar's voice, for a model that only knows what it was taught.
    """

    model: str
    system: str
    turns: tuple[Turn, ...]
    shots: tuple[Shot, ...] = ()
    unknown: str = ""
    temperature: float | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call. ``cost`` is in US dollars, ``None`` when no price is known."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a reply.

    ``reason`` is ``stop``, ``length`` or ``filtered``; ``example_ids`` are the ids of the shots that the model says it
    answered from, empty for a model that cannot tell; ``known`` is False when the model answered ``unknown``.
    """

    usage: Usage = field(default_factory=Usage)
    reason: Literal["stop", "length", "filtered"] = "stop"
    example_ids: tuple[str, ...] = ()
    known: bool = True


Event = Delta | Finished


class ChatModel(Protocol):
    """Models of one vendor that answer."""

    @property
    def vendor(self) -> str:
        """The vendor's name, the part before the colon in ``vendor:name``."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Answer: any number of ``Delta``, then exactly one ``Finished``; closing the generator ends the call.

        Raises ``VendorError``.
        """
        ...

    def count_tokens(self, model: str, text: str) -> int:
        """How many tokens ``text`` takes; an estimate where the vendor's tokenizer is not at hand."""
        ...

    def context_tokens(self, model: str) -> int:
        """How many tokens of input the model takes."""
        ...

    def sees(self, model: str) -> bool:
        """Whether the model can be shown images."""
        ...

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars of a call that did not live to tell its own usage; ``None`` when no price is known."""
        ...

    async def models(self) -> Sequence[ModelInfo]:
        """The models that can be asked for now. Raises ``VendorError``."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class Embedder(Protocol):
    """Models of one vendor that turn text into vectors."""

    async def embed(self, model: str, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text, in order. Raises ``VendorError``."""
        ...


@dataclass(frozen=True, slots=True)
class Flag:
    """A moderator's verdict on a text: the ``categories`` that it falls under, and ``scores``, 0..1, by category."""

    flagged: bool
    categories: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict[str, float])


class Moderator(Protocol):
    """A model that says which texts are harmful."""

    async def judge(self, texts: Sequence[str]) -> Sequence[Flag]:
        """A flag for each text, in order. Raises ``VendorError``."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be chosen. ``shutdown_date`` is YYYY-MM-DD, ``None`` when none is announced."""

    name: str
    description: str = ""
    sees: bool = False
    shutdown_date: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict[str, str])


class VendorError(Exception):
    """A vendor did not do what was asked. ``str()`` is one sentence for the log and the admins."""

    retryable = False

    def __init__(self, message: str, *, vendor: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.vendor = vendor
        self.retry_after = retry_after


class BadRequest(VendorError):
    """The vendor says that what we sent is wrong."""


class ModelNotFound(VendorError):
    """There is no such model, or this key may not use it."""


class NotConfigured(VendorError):
    """A key, an extra or an address is missing on our side."""


class Denied(VendorError):
    """The key is wrong or lacks a permission."""


class QuotaExhausted(VendorError):
    """The account's budget is used up."""


class RateLimited(VendorError):
    """We asked too often; ``retry_after`` is in seconds."""

    retryable = True


class Unavailable(VendorError):
    """An outage, a time-out or a broken connection."""

    retryable = True


class Refused(VendorError):
    """The vendor's content filter declined to answer."""
