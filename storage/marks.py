"""How one person's marks on one reply add up; pure, so that it can be tested by itself.

Platforms tell of marks late, twice and in the wrong order: a reaction is added and taken away, a button is pressed, a
moderator clears all reactions. What is kept is therefore not the last event but a *join*: for each source of marks the
newest word, for each cleared prefix of sources the newest clearing, and for comment and better answer the newest text.
Joining is associative, commutative and idempotent, so every order and repetition of the same events ends the same.

On a tie of times, taking away wins over giving, and fewer stars over more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

COMMENT, BETTER = "comment", "better"  # the sources that a clearing knows these two texts by


class Stars(NamedTuple):
    """What one source last said: ``stars`` 1..5, or ``None`` when it was taken away."""

    at: int
    stars: int | None

    @property
    def rank(self) -> tuple[int, int]:
        """The greater one counts."""
        return self.at, -(self.stars or 0)


class Text(NamedTuple):
    """The newest comment or better answer; empty when it was taken away."""

    at: int
    text: str
    by_reviewer: bool = False

    @property
    def rank(self) -> tuple[int, bool, str, bool]:
        """The greater one counts."""
        return self.at, not self.text, self.text, self.by_reviewer


@dataclass(frozen=True, slots=True)
class MarkEvent:
    """One change of mind, as a platform tells it.

    ``source`` names the mark, such as ``stars`` or ``reaction:👍``. With ``rates`` it says ``stars``: 1..5, or ``None``
    when this mark is taken away. With ``clear`` instead all that was said until then by sources beginning with
    ``source`` is taken away; the comment and the better answer go by the sources ``comment`` and ``better``, so that
    clearing the empty source takes everything back. ``comment`` and ``better`` are ``None`` when untouched and empty
    when taken away. ``at`` is when it happened, milliseconds since the epoch.
    """

    source: str
    at: int
    stars: int | None = None
    rates: bool = True
    clear: bool = False
    comment: str | None = None
    better: str | None = None
    by_reviewer: bool = False

    def __post_init__(self) -> None:
        if self.stars is not None and not 1 <= self.stars <= 5:
            raise ValueError(f"stars are 1 to 5, not {self.stars}")


@dataclass(frozen=True, slots=True)
class Marks:
    """All that one person said about one reply, joined. Two equal sets of events make equal ``Marks``."""

    said: Mapping[str, Stars] = field(default_factory=dict[str, Stars])
    cleared: Mapping[str, int] = field(default_factory=dict[str, int])
    comment: Text | None = None
    better: Text | None = None

    @property
    def stars(self) -> int | None:
        """What counts: the newest mark that is still there, 1..5."""
        there = [mark for mark in self.said.values() if mark.stars is not None]
        return max(there, key=lambda mark: mark.rank).stars if there else None

    def joined(self, event: MarkEvent) -> Marks:
        """These marks and one more event."""
        said, cleared = dict(self.said), dict(self.cleared)
        if event.clear:
            cleared[event.source] = max(event.at, cleared.get(event.source, event.at))
        elif event.rates:
            new = Stars(event.at, event.stars)
            said[event.source] = max(new, said.get(event.source, new), key=lambda mark: mark.rank)
        comment, better = self.comment, self.better
        if event.comment is not None:
            comment = _newer(comment, Text(event.at, event.comment.strip()))
        if event.better is not None:
            better = _newer(better, Text(event.at, event.better.strip(), event.by_reviewer))
        return Marks(said, cleared, comment, better)._pruned()

    def _pruned(self) -> Marks:
        """Without what a clearing covers, so that equal states look equal."""
        cleared = {
            prefix: at
            for prefix, at in self.cleared.items()
            if not any(
                prefix != other and prefix.startswith(other) and at <= later
                for other, later in self.cleared.items()
            )
        }
        kept = replace(self, cleared=cleared)
        return replace(
            kept,
            said={source: mark for source, mark in self.said.items() if not kept._covers(source, mark.at)},
            comment=None if self.comment and kept._covers(COMMENT, self.comment.at) else self.comment,
            better=None if self.better and kept._covers(BETTER, self.better.at) else self.better,
        )

    def _covers(self, source: str, at: int) -> bool:
        return any(source.startswith(prefix) and at <= until for prefix, until in self.cleared.items())

    def dumped(self) -> str:
        """As JSON; equal marks give equal text."""
        parts = {
            "said": self.said,
            "cleared": self.cleared,
            "comment": self.comment,
            "better": self.better,
        }
        return json.dumps({name: part for name, part in parts.items() if part}, sort_keys=True)


def _newer(old: Text | None, new: Text) -> Text:
    return new if old is None else max(old, new, key=lambda text: text.rank)


def loaded(text: str) -> Marks:
    """The marks that ``dumped`` wrote."""
    raw: dict[str, Any] = json.loads(text)
    return Marks(
        {source: Stars(*mark) for source, mark in raw.get("said", {}).items()},
        raw.get("cleared", {}),
        Text(*raw["comment"]) if "comment" in raw else None,
        Text(*raw["better"]) if "better" in raw else None,
    )
