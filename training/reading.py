"""Reading an avatar's material into candidates, a stretch of its talks at a time: several processes can share in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage import candidates
from storage.candidates import Talk
from storage.database import Database, Tx
from training.collect import Candidate, Collector, Redactor, Selection
from training.comparing import Comparing
from training.staging import Part, Shelf

PAGE: Final = 250  # conversations read at once
EXAMPLES: Final = 500  # examples or preferences read at once
STRETCH: Final = 500
"""Conversations that are read in a row by one process."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is read, and where candidates are written down; the same to everybody who reads for one dataset."""

    avatar_id: str
    selection: Selection
    redactor: Redactor | None
    validation: float
    folder: Path


@dataclass(frozen=True, slots=True)
class Stretch:
    """The talks behind the id ``after``, up to and with ``upto``; to the end where that is empty."""

    after: str = ""
    upto: str = ""


async def stretches(database: Database, avatar_id: str, long: int = STRETCH) -> list[Stretch]:
    """All talks of an avatar in order, so many of them in each stretch."""
    bounds = await database.read(lambda tx: candidates.bounds(tx, avatar_id, long))
    return [Stretch(*between) for between in zip(["", *bounds], [*bounds, ""], strict=True)]


class Reader:
    """Reads material and writes down what fits, on a shelf of its own."""

    def __init__(self, database: Database, source: Source, shelf: int) -> None:
        self._database = database
        self._source = source
        self._shelf = Shelf(source.folder, shelf, source.validation)
        self._collector = Collector(source.selection, source.redactor)
        self._material = 0

    def close(self) -> None:
        """Let go of the shelf."""
        self._shelf.close()

    async def talks(self, stretch: Stretch) -> AsyncIterator[Part]:
        """The candidates of some talks, for sft and kto."""
        async for talk in self._talks(stretch):
            for candidate in self._collector.of_talk(talk):
                self._shelf.add(candidate)
            self._material += len(talk.exchanges)
            if self._shelf.full:
                yield self._part()
        yield self._part()

    async def pairs(self) -> AsyncIterator[Part]:
        """The candidates of approved examples."""
        after, until = "", self._source.selection.until
        while True:

            def read(tx: Tx, after: str = after) -> tuple[list[candidates.Pair], Mapping[str, Talk]]:
                pairs = candidates.pairs(tx, self._source.avatar_id, after=after, limit=EXAMPLES, until=until)
                wanted = {each.conversation_id for each in pairs if each.exchange_id and each.conversation_id}
                return pairs, candidates.talks_of(tx, sorted(wanted), until=until)

            pairs, talks = await self._database.read(read)
            if not pairs:
                return
            for pair in pairs:
                for candidate in self._collector.of_pair(pair, talks.get(pair.conversation_id or "")):
                    self._shelf.add(candidate)
            self._material += len(pairs)
            yield self._part()
            after = pairs[-1].id

    async def compared(self) -> AsyncIterator[Part]:
        """The candidates of differently rated replies to the same context, for dpo."""
        comparing = Comparing(self._source.folder, self._source.validation)
        try:
            async for talk in self._talks(Stretch()):
                for graded in self._collector.graded(talk):
                    comparing.add(graded)
                self._material += len(talk.exchanges)
                if self._material >= EXAMPLES:
                    yield self._part()
            for best, worst in comparing.pairs():
                self._add(self._collector.compared(best, worst))
                if self._shelf.full:
                    yield self._part()
            self._collector.left_out["no reply to compare with"] += comparing.lone()
            yield self._part()
        finally:
            comparing.close()

    async def preferred(self) -> AsyncIterator[Part]:
        """The candidates of preferences, for dpo."""
        after = ""
        while True:

            def read(tx: Tx, after: str = after) -> list[candidates.Preferred]:
                source = self._source
                return candidates.preferred(
                    tx, source.avatar_id, after=after, limit=EXAMPLES, until=source.selection.until
                )

            page = await self._database.read(read)
            if not page:
                return
            for each in page:
                for candidate in self._collector.of_preferred(each):
                    self._shelf.add(candidate)
            self._material += len(page)
            yield self._part()
            after = page[-1].id

    async def _talks(self, stretch: Stretch) -> AsyncIterator[Talk]:
        source, after = self._source, stretch.after
        while True:

            def read(tx: Tx, after: str = after) -> list[Talk]:
                until = source.selection.until
                return candidates.talks(
                    tx, source.avatar_id, after=after, upto=stretch.upto, limit=PAGE, until=until
                )

            page = await self._database.read(read)
            if not page:
                return
            for talk in page:
                yield talk
            after = page[-1].id

    def _add(self, candidate: Candidate | None) -> None:
        if candidate is not None:
            self._shelf.add(candidate)

    def _part(self) -> Part:
        part = self._shelf.part(dict[str, int](self._collector.left_out.items()), self._material)
        self._collector.left_out.clear()
        self._material = 0
        return part
