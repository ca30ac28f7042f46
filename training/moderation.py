"""Rows looked through by a moderator before they are frozen; what is known already is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import orjson

from adapters.vendors.base import Flag, Moderator
from storage.people import Author
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


class Shown(Protocol):
    """A row that is looked through, and whose words it holds."""

    @property
    def hash(self) -> str:
        """What names its content."""
        ...

    @property
    def content(self) -> bytes:
        """The row as it would be frozen."""
        ...

    @property
    def row(self) -> Row:
        """The row."""
        ...

    @property
    def authors(self) -> Sequence[Author]:
        """Everyone whose words are inside."""
        ...


class Verdicts(Protocol):
    """Where verdicts are kept, by the hash of a row."""

    async def known(self, hashes: Sequence[str]) -> Mapping[str, Judged]:
        """Those that were judged already."""
        ...

    async def rejected(self) -> frozenset[str]:
        """``said_of`` the rows that people keep out for good."""
        ...

    async def put(self, flags: Mapping[str, Flag]) -> None:
        """Keep what was said."""
        ...

    async def keep(self, rows: Sequence[Shown]) -> None:
        """Keep flagged rows to be read, until somebody decides on them."""
        ...


class Moderation:
    """A ``Checker`` of rows. What is flagged stays out unless somebody released it.

    What somebody rejected stays out under whatever talk it stands, and also where there is no ``moderator`` any more.
    """

    def __init__(self, moderator: Moderator | None, verdicts: Verdicts) -> None:
        self._moderator = moderator
        self._verdicts = verdicts
        self._rejected: frozenset[str] | None = None

    async def flagged(self, rows: Sequence[Shown]) -> set[str]:
        """The hashes of the rows that should not be learnt from. Raises ``VendorError``."""
        if self._rejected is None:
            self._rejected = await self._verdicts.rejected()
        out = {each.hash for each in rows if self._rejected and said_of(each.row) in self._rejected}
        left = {each.hash: each for each in rows if each.hash not in out}
        if self._moderator is None or not left:
            return out
        known = await self._verdicts.known(list(left))
        held = {hash for hash, verdict in known.items() if verdict.flagged and not verdict.released}
        fresh = [hash for hash in left if hash not in known]
        if fresh:
            said = await self._moderator.judge([text_of(left[hash].row) for hash in fresh])
            flags = dict(zip(fresh, said, strict=True))
            await self._verdicts.put(flags)
            held |= {hash for hash, flag in flags.items() if flag.flagged}
        if held:
            await self._verdicts.keep([each for hash, each in left.items() if hash in held])
        return out | held


def text_of(row: Row) -> str:
    """What a moderator is shown of a row: all that is learnt from, which is the talk and how it goes on."""
    said = [turn.text for turn in row.talk]
    return "\n".join((*said, row.reply, *((row.rejected,) if row.rejected else ())))


def said_of(row: Row) -> str:
    """What names the question and the replies of a row, whatever was said before: 32 hexadecimal digits."""
    return blake2b(orjson.dumps((row.question, row.reply, row.rejected)), digest_size=16).hexdigest()
