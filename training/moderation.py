"""Rows looked through by a moderator before they are frozen; what is known already is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from adapters.vendors.base import Flag, Moderator
from training.rows import Row


class Judged(Protocol):
    """What is kept of a verdict."""

    @property
    def flagged(self) -> bool:
        """Whether the moderator found it harmful."""
        ...

    @property
    def released(self) -> bool:
        """Whether a person let it pass all the same."""
        ...


class Verdicts(Protocol):
    """Where verdicts are kept, by the hash of a row."""

    async def known(self, hashes: Sequence[str]) -> Mapping[str, Judged]:
        """Those that were judged already."""
        ...

    async def put(self, flags: Mapping[str, Flag]) -> None:
        """Keep what was said."""
        ...


class Moderation:
    """A ``Checker`` of rows. What is flagged stays out unless somebody released it."""

    def __init__(self, moderator: Moderator, verdicts: Verdicts) -> None:
        self._moderator = moderator
        self._verdicts = verdicts

    async def flagged(self, rows: Sequence[tuple[str, Row]]) -> set[str]:
        """The hashes of the rows that should not be learnt from. Raises ``VendorError``."""
        by_hash = dict(rows)
        known = await self._verdicts.known(list(by_hash))
        out = {hash for hash, verdict in known.items() if verdict.flagged and not verdict.released}
        fresh = [hash for hash in by_hash if hash not in known]
        if fresh:
            said = await self._moderator.judge([text_of(by_hash[hash]) for hash in fresh])
            flags = dict(zip(fresh, said, strict=True))
            await self._verdicts.put(flags)
            out |= {hash for hash, flag in flags.items() if flag.flagged}
        return out


def text_of(row: Row) -> str:
    """What a moderator is shown of a row: all that is learnt from, which is the talk and how it goes on."""
    said = [turn.text for turn in row.talk]
    return "\n".join((*said, row.reply, *((row.rejected,) if row.rejected else ())))
