"""The records that imports and exports exchange with the database: what a file holds, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rater said of a reply."""

    stars: int | None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ImportedPair:
    """A user's message and the reply to it; ``index`` is its place in the conversation.

    One that is not ``fit`` becomes no example, however well it is rated: a reviewer said so.
    """

    index: int
    user: str
    assistant: str
    verdicts: tuple[Verdict, ...] = ()
    fit: bool = True


@dataclass(frozen=True, slots=True)
class ImportedConversation:
    """A conversation; ``consent`` is False when the file itself says that it must not be learnt from.

    What was ``private`` serves as an example nowhere until a reviewer widens it.
    """

    key: str
    pairs: tuple[ImportedPair, ...]
    consent: bool = True
    private: bool = False


@dataclass(frozen=True, slots=True)
class ImportedPreference:
    """One context with a chosen and a rejected reply."""

    key: str
    context: tuple[tuple[str, str], ...]
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class ImportedExample:
    """A pair fit to imitate that belongs to no conversation."""

    key: str
    user: str
    assistant: str
    pattern: str = "statement"
    quality: float = 1.0
    private: bool = False


Imported = ImportedConversation | ImportedPreference | ImportedExample
