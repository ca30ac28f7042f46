"""Candidates on disk while a dataset is built, so that memory stays small whatever their number.

Of each there is a record, whose columns decide which of them stay and what a report says, and two lines: where the row is
from, and the row itself as it is frozen, which nobody has to take apart again. Whoever reads material (training/reading.py)
writes the lines to a file of its own and hands over the rest as a ``Part``; ``Staging`` puts the parts in order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from storage.people import Author
from training.collect import Candidate
from training.quality import LOOK, Fact, look, number
from training.rows import Row, from_json, row_digest, to_json
from training.sketches import Sketch, Sketching

RECORD: Final = np.dtype([*LOOK, ("high", ">u8"), ("low", ">u8"), ("validation", "?"), ("size", "<u4")])
"""``high`` and ``low`` are the row's hash, ``size`` is that of its lines."""

_PART_ROWS: Final = 2_000
_PART_BYTES: Final = 4_000_000


class Part(NamedTuple):
    """Candidates whose lines one process wrote down, in order, and what is to be known of them.

    ``left_out`` counts what was no candidate, by reason, and ``material`` all that was looked at. The lines are in the file
    ``shelf``, from the byte ``start`` on.
    """

    shelf: int
    start: int
    records: NDArray[np.void]
    raters: NDArray[np.uint64]
    sources: Mapping[int, str]
    sketches: tuple[Sketch, ...]
    left_out: Mapping[str, int]
    material: int


class Shelf:
    """Where one process writes down candidates."""

    def __init__(self, folder: Path, number: int, validation: float) -> None:
        self._file = _lines(folder, number).open("wb")
        self._number = number
        self._validation = validation
        self._sketching = Sketching()
        self._start = self._end = 0
        self._begin()

    def add(self, candidate: Candidate) -> None:
        """One more."""
        row = candidate.row
        content = to_json(row)
        of = orjson.dumps(
            (
                candidate.group,
                [(author.person_id, author.said_at) for author in candidate.authors],
                candidate.exchange_id,
                candidate.example_id,
                candidate.preference_id,
            )
        )
        self._file.write(b"%b\n%b\n" % (of, content))
        size = len(of) + len(content) + 2
        self._end += size
        digest = row_digest(content)
        *seen, raters = look(
            Fact(row, candidate.asker, candidate.raters, candidate.quality, candidate.source)
        )
        self._records.append(
            (
                *seen,
                len(raters),
                int.from_bytes(digest[:8]),
                int.from_bytes(digest[8:]),
                is_held_out(candidate.group, self._validation),
                size,
            )
        )
        self._raters.extend(raters)
        self._sources[number(candidate.source)] = candidate.source
        sketch = self._sketching.add(_compared(row))
        if sketch is not None:
            self._sketches.append(sketch)

    @property
    def full(self) -> bool:
        """Whether there is enough for a part."""
        return len(self._records) >= _PART_ROWS or self._end - self._start >= _PART_BYTES

    def part(self, left_out: Mapping[str, int], material: int) -> Part:
        """Everything since the last part."""
        self._file.flush()
        records = np.array(self._records, dtype=RECORD)
        raters = np.array(self._raters, dtype=np.uint64)
        sketches = (*self._sketches, self._sketching.rest())
        part = Part(self._number, self._start, records, raters, self._sources, sketches, left_out, material)
        self._begin()
        return part

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _begin(self) -> None:
        self._start = self._end
        self._records: list[tuple[Any, ...]] = []
        self._raters = array("Q")
        self._sources: dict[int, str] = {}
        self._sketches: list[Sketch] = []


class _Block(NamedTuple):
    """Lines that are in a row in one file."""

    shelf: int
    start: int
    rows: int


class Staged(NamedTuple):
    """A candidate as it comes back: its row as bytes and the hash of these, where it is from and on which side."""

    content: bytes
    hash: str
    group: str
    authors: tuple[Author, ...]
    exchange_id: str | None
    example_id: str | None
    preference_id: str | None
    held_out: bool

    @property
    def row(self) -> Row:
        """The row."""
        return from_json(self.content)


@dataclass(slots=True)
class Staging:
    """All candidates in order. What is known of them is read from the disk each time; it can travel between processes."""

    folder: Path
    blocks: list[_Block] = field(default_factory=list[_Block])
    sources: dict[int, str] = field(default_factory=dict[int, str])
    rows: int = 0

    def __len__(self) -> int:
        return self.rows

    def take(self, part: Part) -> None:
        """The next candidates."""
        if not len(part.records):
            return
        with (self.folder / "records").open("ab") as records, (self.folder / "raters").open("ab") as raters:
            records.write(part.records.tobytes())
            raters.write(part.raters.tobytes())
        self.blocks.append(_Block(part.shelf, part.start, len(part.records)))
        self.sources.update(part.sources)
        self.rows += len(part.records)

    def column(self, name: str) -> NDArray[Any]:
        """One value of the records for each candidate."""
        of: np.dtype[Any] = RECORD[name]
        found = np.empty(self.rows, dtype=of.newbyteorder("="))
        at = 0
        for block in self._known():
            found[at : at + len(block)] = block[name]
            at += len(block)
        return found

    def raters(self) -> NDArray[np.uint64]:
        """The raters of all candidates, one's after the other's."""
        return np.fromfile(self.folder / "raters", dtype=np.uint64) if self.rows else np.empty(0, np.uint64)

    def source(self, number: int) -> str:
        """The source that a number stands for."""
        return self.sources[number]

    def hashes(self) -> Iterator[bytes]:
        """The rows' hashes, sixteen bytes each, in order."""
        for block in self._known():
            for high, low in zip(block["high"].tolist(), block["low"].tolist(), strict=True):
                yield high.to_bytes(8) + low.to_bytes(8)

    def rows_at(self, places: NDArray[np.integer]) -> Iterator[Row]:
        """The rows of some candidates."""
        if not len(places):
            return
        sizes = self.column("size").astype(np.int64)
        ends = np.cumsum(sizes)
        firsts = np.cumsum([0, *(block.rows for block in self.blocks)])
        of = np.searchsorted(firsts, places, side="right") - 1
        with ExitStack() as files:
            opened = self._opened(files)
            for place, at in zip(places.tolist(), of.tolist(), strict=True):
                block = self.blocks[at]
                file = opened[block.shelf]
                first = int(firsts[at])
                file.seek(block.start + int(ends[place] - sizes[place] - (ends[first] - sizes[first])))
                file.readline()
                yield from_json(file.readline())

    def said(self, rows: NDArray[np.integer]) -> Iterator[tuple[str, str]]:
        """The question and the reply of each of some candidates."""
        return ((row.question, row.reply) for row in self.rows_at(rows))

    def staged(self, kept: NDArray[np.bool_]) -> Iterator[Staged]:
        """Those candidates of which ``kept`` says so, in order."""
        first = 0
        with ExitStack() as files:
            opened = self._opened(files)
            for block, known in zip(self.blocks, self._known(), strict=True):
                wanted = np.flatnonzero(kept[first : first + block.rows])
                first += block.rows
                if not len(wanted):
                    continue
                ends = np.cumsum(known["size"], dtype=np.int64)
                file = opened[block.shelf]
                file.seek(block.start)
                said = file.read(int(ends[-1]))
                chosen = known[wanted]
                for start, end, high, low, held_out in zip(
                    (ends - known["size"])[wanted].tolist(),
                    ends[wanted].tolist(),
                    chosen["high"].tolist(),
                    chosen["low"].tolist(),
                    chosen["validation"].tolist(),
                    strict=True,
                ):
                    middle = said.index(b"\n", start)
                    group, authors, exchange, example, preference = orjson.loads(said[start:middle])
                    yield Staged(
                        said[middle + 1 : end - 1],
                        f"{high:016x}{low:016x}",
                        group,
                        tuple(Author(person, at) for person, at in authors),
                        exchange,
                        example,
                        preference,
                        held_out,
                    )

    def _opened(self, files: ExitStack) -> dict[int, BinaryIO]:
        return {
            shelf: files.enter_context(_lines(self.folder, shelf).open("rb"))
            for shelf in {block.shelf for block in self.blocks}
        }

    def _known(self) -> Iterator[NDArray[np.void]]:
        """The records of each block."""
        if not self.rows:
            return
        with (self.folder / "records").open("rb") as file:
            for block in self.blocks:
                yield np.frombuffer(file.read(block.rows * RECORD.itemsize), dtype=RECORD)


def is_held_out(group: str, share: float) -> bool:
    """Whether a conversation is on the side of validation: its own doing, whatever else there is."""
    return number(group) < int(share * 2**64)


def _lines(folder: Path, shelf: int) -> Path:
    return folder / f"lines-{shelf}"


def _compared(row: Row) -> str:
    """What two rows must share to be one: the question and what is learnt, not the talk before."""
    return "\n".join((row.question, row.reply, row.rejected or ""))
