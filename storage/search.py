"""Example retrieval: which approved examples of an avatar are most like what somebody just said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.database import Tx

if TYPE_CHECKING:
    from storage.examples import Example


@dataclass(frozen=True, slots=True)
class Hit:
    """An example that was found, best first. ``score`` is BM25; ``share`` is what floors use."""

    example: Example
    score: float
    share: float  # 0..1: of the score that the query's own text would have as a document


def index(tx: Tx, number: int, avatar_id: str, text: str) -> None:
    """Make an example findable by ``text``, or refresh it: call again when its text or its audience changed.

    The audience is read from the example's row, which must be written first.
    """
    index_many(tx, [(number, avatar_id, text)])


def index_many(tx: Tx, documents: Sequence[tuple[int, str, str]]) -> None:
    """``index`` for several (number, avatar id, text) at once: what an import calls."""
    raise NotImplementedError


def unindex(tx: Tx, number: int, avatar_id: str = "", text: str = "") -> None:
    """Make an example unfindable. One that is not indexed is left alone."""
    raise NotImplementedError


def search(tx: Tx, avatar_id: str, channel: str, query: str, *, limit: int = 8) -> list[Hit]:
    """Up to ``limit`` approved examples of the avatar that ``channel`` may see, best first."""
    raise NotImplementedError
