"""Texts that are the same, or nearly: which of some millions resemble each other, without holding any of them.

Two texts are near when the sets of their three-word shingles have a Jaccard similarity of the threshold or more. Which
pairs are worth comparing, MinHash signatures tell (Broder, "On the resemblance and containment of documents", 1997;
training/sketches.py makes them): those that agree in a whole band of values. At 16 bands of 8 values a pair of similarity s
is compared with probability 1 - (1 - s^8)^16, and then by its shingles themselves, so that what is joined is near:

    s            0.5   0.6   0.7   0.8   0.85  0.9   0.95
    compared     0.06  0.24  0.61  0.95  0.99  1.00  1.00

Bands and hashes of shingles wait on disk, some 450 bytes for a text of 60 words; in memory there are about forty bytes a
text and one partition.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from training.sketches import Sketch, Sketching

_KEY_FILES: Final = 16
_BAND_FILES: Final = 64
_WINDOW: Final = 16
_CHUNK: Final = 8_192  # pairs looked at together ...
_CHUNK_SHINGLES: Final = 500_000  # ... and about how many shingles of theirs

_KEY: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("index", "<u4")])
_BAND: Final = np.dtype([("band", "<u8"), ("text", "<u4")])


class Stopped(Exception):
    """Whoever asked for the groups does not want them any more."""


class Duplicates:
    """Finds groups of texts that are the same or near. Texts are numbered 0, 1, 2, … as they are added.

    The order in which texts come changes nothing but their numbers. Groups are connected: where A is near B and B near C,
    the three are one group whatever A and C share. Texts of fewer than ``LEAST_WORDS`` words are the same when they differ
    in nothing but case, spaces, forms of characters and marks at the ends of words.

    ``folder`` holds a temporary folder of its own until ``close``. Not for several threads at once.
    """

    def __init__(self, folder: Path, *, threshold: float = 0.8) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"a similarity is above 0 and at most 1, not {threshold}")
        self._threshold = threshold
        self._kept = tempfile.TemporaryDirectory(prefix="duplicates-", dir=folder)
        self._files = contextlib.ExitStack()
        self._files.callback(self._kept.cleanup)
        at = Path(self._kept.name)
        self._key_files = [self._open(at / f"keys{number}") for number in range(_KEY_FILES)]
        self._band_files = [self._open(at / f"bands{number}") for number in range(_BAND_FILES)]
        self._shingle_file = self._open(at / "shingles")
        self._signed = array("I")  # the numbers of the texts that have shingles
        self._shingle_ends = array("Q", [0])
        self._taken = 0
        self._sketching = Sketching()
        self._count = 0

    def __enter__(self) -> Duplicates:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is on disk, and let go of the rest. Closing again does nothing."""
        self._files.close()
        self._signed, self._shingle_ends = array("I"), array("Q", [0])

    def __len__(self) -> int:
        return self._count

    def add(self, text: str) -> int:
        """The number of the text."""
        index = self._count
        self._count += 1
        sketch = self._sketching.add(text)
        if sketch is not None:
            self._take(sketch)
        return index

    def take(self, sketch: Sketch) -> None:
        """Several texts, of which only this is known."""
        self._take(self._sketching.rest())
        self._take(sketch)
        self._count += len(sketch.keys)

    def groups(
        self,
        *,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> NDArray[np.int64]:
        """For each text the smallest number in its group, its own where it is alone.

        ``progress`` is told the share that is done, 0..1. Raises ``Stopped`` soon after ``stop()`` is true.
        """
        self._take(self._sketching.rest())
        for file in (*self._key_files, *self._band_files, self._shingle_file):
            file.flush()
        rank, first = self._same(stop)
        progress(0.1)
        signed = np.array(self._signed, dtype=np.uint32)
        place = rank[signed]
        # Of texts that are the same one stands for all: a million greetings are one text in their bucket.
        stands = first[place] == signed
        joined = _Joined(len(first))
        for number, file in enumerate(self._band_files):
            records = _read(file, _BAND)
            for left, right in _pairs(records[stands[records["text"]]], place):
                self._join(joined, left, right, place, stop)
            _go_on(stop)
            progress(0.1 + 0.9 * (number + 1) / _BAND_FILES)
        root = joined.find(np.arange(len(first), dtype=np.int64))
        smallest = np.full(len(first), self._count, dtype=np.int64)
        np.minimum.at(smallest, root, first)
        return smallest[root[rank]]

    # -- while texts come in

    def _open(self, path: Path) -> BinaryIO:
        return self._files.enter_context(path.open("w+b"))

    def _take(self, sketch: Sketch) -> None:
        if not len(sketch.keys):
            return
        keys = np.empty(len(sketch.keys), dtype=_KEY)
        keys["high"], keys["low"] = sketch.keys[:, 0], sketch.keys[:, 1]
        keys["index"] = np.arange(self._taken, self._taken + len(keys))
        _spread(keys, keys["high"], self._key_files)
        if len(sketch.signed):
            bands = np.empty(sketch.bands.shape, dtype=_BAND)
            bands["band"] = sketch.bands
            bands["text"] = np.arange(len(self._signed), len(self._signed) + len(bands))[:, None]
            flat = bands.reshape(-1)
            _spread(flat, flat["band"], self._band_files)
            self._shingle_file.write(sketch.shingles.tobytes())
            ends = np.cumsum(sketch.sizes, dtype=np.uint64) + np.uint64(self._shingle_ends[-1])
            self._shingle_ends.frombytes(ends.tobytes())
            self._signed.frombytes((sketch.signed + np.uint32(self._taken)).tobytes())
        self._taken += len(keys)

    # -- when all are there

    def _same(self, stop: Callable[[], bool]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """For each text the place of its content among all contents, sorted by hash; for each content its first text."""
        rank = np.empty(self._count, dtype=np.uint32)
        firsts: list[NDArray[np.uint32]] = []
        base = 0
        for file in self._key_files:
            _go_on(stop)
            keys = _read(file, _KEY)
            if not len(keys):
                continue
            keys = keys[np.lexsort((keys["index"], keys["low"], keys["high"]))]
            new = np.ones(len(keys), dtype=bool)
            new[1:] = (keys["high"][1:] != keys["high"][:-1]) | (keys["low"][1:] != keys["low"][:-1])
            rank[keys["index"]] = base + np.cumsum(new) - 1
            firsts.append(keys["index"][new])
            base += len(firsts[-1])
        return rank, np.concatenate(firsts) if firsts else np.empty(0, dtype=np.uint32)

    def _join(
        self,
        joined: _Joined,
        left: NDArray[np.uint32],
        right: NDArray[np.uint32],
        place: NDArray[np.uint32],
        stop: Callable[[], bool],
    ) -> None:
        """Join those pairs, by their places among the texts with shingles, that are near and not one already."""
        for at in range(0, len(left), _CHUNK):
            _go_on(stop)
            one, other = left[at : at + _CHUNK], right[at : at + _CHUNK]
            apart = joined.find(place[one]) != joined.find(place[other])
            one, other = one[apart], other[apart]
            ends = np.cumsum(self._sizes(one) + self._sizes(other)) // _CHUNK_SHINGLES
            for part in np.split(np.arange(len(one)), np.flatnonzero(np.diff(ends)) + 1):
                if len(part):
                    near = self._similarity(one[part], other[part]) >= self._threshold - 1e-9
                    joined.join(place[one[part][near]], place[other[part][near]])

    def _sizes(self, texts: NDArray[np.uint32]) -> NDArray[np.int64]:
        ends = np.frombuffer(self._shingle_ends, dtype=np.int64)
        return ends[texts + np.uint32(1)] - ends[texts]

    def _similarity(self, left: NDArray[np.uint32], right: NDArray[np.uint32]) -> NDArray[np.float64]:
        """The Jaccard similarity of the shingles of each pair."""
        one, other = self._shingles(left), self._shingles(right)
        pairs = np.uint64(32)
        both = np.concatenate((one, other))
        both.sort()
        shared = np.bincount((both[1:][both[1:] == both[:-1]] >> pairs).astype(np.int64), minlength=len(left))
        all_ = np.bincount((both >> pairs).astype(np.int64), minlength=len(left)) - shared
        return shared / all_

    def _shingles(self, texts: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """The distinct shingles of each text, with its place in ``texts`` in the upper half."""
        # Read and not mapped: what is mapped counts as memory of the process while it is looked at.
        file, ends = self._shingle_file.fileno(), self._shingle_ends
        read: list[bytes] = []
        for text in texts.tolist():
            start = ends[text]
            read.append(os.pread(file, 4 * (ends[text + 1] - start), 4 * start))
        found = np.frombuffer(b"".join(read), dtype="<u4").astype(np.uint64)
        of = np.repeat(np.arange(len(texts), dtype=np.uint64), self._sizes(texts))
        return np.unique(of << np.uint64(32) | found)


class _Joined:
    """Sets that grow together; each is known by its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.int64)

    def find(self, members: NDArray[np.integer]) -> NDArray[np.int64]:
        """The smallest member of the set of each."""
        root = self._parent[members]
        while True:
            above = self._parent[root]
            if np.array_equal(above, root):
                break
            # Halving the way up for those who come next: a chain of a thousand takes ten rounds.
            self._parent[root] = self._parent[above]
            root = above
        self._parent[members] = root
        return root

    def join(self, left: NDArray[np.integer], right: NDArray[np.integer]) -> None:
        """Make one set of the two sets of each pair."""
        while True:
            one, other = self.find(left), self.find(right)
            apart = one != other
            if not apart.any():
                return
            low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
            np.minimum.at(self._parent, high, low)
            # Of several sets that one is to join at once it joined the lowest; the others come in the next round.
            left, right = left[apart], right[apart]


def _pairs(
    records: NDArray[np.void], place: NDArray[np.uint32]
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
    """Pairs of signatures to compare: in each bucket all of a few; of many, each with the first and the next sixteen.

    That is linear however large a bucket is, and by an order that follows from the contents.
    """
    order = np.argsort(records["band"])
    band = records["band"][order]
    again = np.zeros(len(band), dtype=bool)
    again[1:] = band[1:] == band[:-1]
    again[:-1] |= again[1:]
    band, text = band[again], records["text"][order[again]]
    order = np.lexsort((place[text], band))
    band, text = band[order], text[order]
    if not len(band):
        return
    starts = np.ones(len(band), dtype=bool)
    starts[1:] = band[1:] != band[:-1]
    leader = text[np.maximum.accumulate(np.where(starts, np.arange(len(band)), 0))]
    yield leader[~starts], text[~starts]
    for step in range(1, _WINDOW + 1):
        together = band[step:] == band[:-step]
        if not together.any():
            return
        yield text[:-step][together], text[step:][together]


def _spread(records: NDArray[np.void], hashes: NDArray[np.uint64], files: Sequence[BinaryIO]) -> None:
    """Append each record to the file that the highest bits of its hash name."""
    shift = np.uint64(65 - len(files).bit_length())
    number = (hashes >> shift).astype(np.uint8)
    order = np.argsort(number, kind="stable")
    data = records[order].tobytes()
    size = records.dtype.itemsize
    ends = np.searchsorted(number[order], np.arange(len(files)), side="right").tolist()
    start = 0
    for file, end in zip(files, ends, strict=True):
        if end > start:
            file.write(data[start * size : end * size])
        start = end


def _read(file: BinaryIO, kind: np.dtype[np.void]) -> NDArray[np.void]:
    file.seek(0)
    found = np.frombuffer(file.read(), dtype=kind)
    file.seek(0, os.SEEK_END)
    return found


def _go_on(stop: Callable[[], bool]) -> None:
    if stop():
        raise Stopped
