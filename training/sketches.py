"""What is compared of texts, to find those that are the same or nearly: their words, their shingles, and sketches of these.

A sketch is computed from a text alone, wherever that is; training/duplicates.py puts sketches together.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from hashlib import blake2b
from typing import Final, NamedTuple, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

VALUES: Final = 128
BANDS: Final = 16
SHINGLE: Final = 3
LEAST_WORDS: Final = 8
"""Shorter texts are the same or are not: one other word makes another text of them."""

_SEED: Final = 20261121
_BATCH: Final = (
    256  # texts between two writes: some milliseconds, as whoever adds may be answering people meanwhile
)
_BATCH_WORDS: Final = 100_000
_NO_SIGNATURES: Final = (
    np.empty((0, BANDS), dtype=np.uint64),
    np.empty(0, dtype=np.uint64),
    np.empty(0, dtype=np.uint32),
)

# The two ways to words must find the same ones: lower-cased runs of letters and digits; letters of scripts that put no
# space between words one by one.
_ASCII: Final = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256)
)
_WORD: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_MARKS: Final = ".,!?;:…。，！？"


def normalise(text: str) -> str:
    """The text in one case, in Unicode's compatibility form, with single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    # Twice, as a compatibility form can be a capital and a folded letter can have another form.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.split())


def words(normal: str) -> list[bytes]:
    """The words of a normalised text, without punctuation."""
    if normal.isascii():
        return normal.encode().translate(_ASCII).split()
    return " ".join(_WORD.findall(normal)).encode("utf-8", "surrogatepass").split()


def shingles(text: str) -> frozenset[tuple[bytes, ...]]:
    """What the similarity of texts is defined by: each run of three words in it."""
    found = words(normalise(text))
    return frozenset(tuple(found[at : at + SHINGLE]) for at in range(len(found) - SHINGLE + 1))


def _bare(normal: str) -> str:
    """A short text as it is compared: without the marks at the ends of words, unless there is nothing else."""
    return " ".join(word.rstrip(_MARKS) or word for word in normal.split(" "))


class Sketch(NamedTuple):
    """What is compared of some texts, all that ``Duplicates`` needs to know of them; it can travel between processes.

    ``keys`` has the two halves of a hash for each text. ``signed`` are the places of those that have shingles, and of these
    ``bands`` has a row of ``BANDS`` hashes each, ``sizes`` the number of shingles and ``shingles`` their hashes in a row.
    """

    keys: NDArray[np.uint64]
    signed: NDArray[np.uint32]
    bands: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    shingles: NDArray[np.uint32]


class Sketching:
    """Makes sketches of texts, a few hundred of them at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._keys = bytearray()
        self._signed = array("I")
        self._words = array("I")
        self._ends = array("I")

    def add(self, text: str) -> Sketch | None:
        """One more text; a sketch of those that wait, in order, as soon as there are enough."""
        normal = normalise(text)
        found = words(normal)
        if len(found) >= LEAST_WORDS:
            self._words.extend(map(crc32, found))
            self._ends.append(len(self._words))
            self._signed.append(self._count)
        else:
            normal = _bare(normal)
        self._count += 1
        self._keys += blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return self.rest() if self._count >= _BATCH or len(self._words) >= _BATCH_WORDS else None

    def rest(self) -> Sketch:
        """A sketch of the texts that wait, of none where there are none."""
        keys = np.frombuffer(bytes(self._keys), dtype="<u8").reshape(self._count, 2)
        signed = np.array(self._signed, dtype=np.uint32)
        bands, sizes, shingles = self._signatures() if self._ends else _NO_SIGNATURES
        self._count = 0
        self._keys.clear()
        del self._signed[:], self._words[:], self._ends[:]
        return Sketch(keys, signed, bands, sizes, shingles)

    def _signatures(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
        """Bands, sizes and hashes of the shingles of each text that waits."""
        found = np.array(self._words, dtype=np.uint64)
        ends = np.array(self._ends, dtype=np.uint64)
        mixed = _mixed(found[:-2] << np.uint64(32) | found[1:-1])
        mixed = _mixed(mixed + found[2:])
        # Shingles that begin in one text and end in the next are none.
        inside = np.ones(len(mixed), dtype=bool)
        inner = ends[:-1].astype(np.int64)
        inside[inner - 1] = inside[inner - 2] = False
        offsets = np.zeros(len(ends) + 1, dtype=np.uint64)
        offsets[1:] = ends - np.uint64(2) * np.arange(1, len(ends) + 1, dtype=np.uint64)
        mixed = mixed[inside]
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(mixed, offsets, VALUES, _SEED)
        rows = cast("list[list[int]]", matrix.to_rows())
        values = array("I")
        for row in rows:
            values.fromlist(row)  # three times as fast as what NumPy has for lists
        return (
            _bands(np.frombuffer(values, dtype=np.uint32).reshape(len(rows), VALUES)),
            np.diff(offsets),
            mixed.astype("<u4"),
        )


def _bands(signatures: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A hash of each band of each signature; the same values in another band have another one."""
    values = signatures.reshape(len(signatures), BANDS, VALUES // BANDS).astype(np.uint64)
    hashes = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), values.shape[:2])
    for at in range(0, values.shape[2], 2):
        hashes = _mixed(hashes + (values[:, :, at] << np.uint64(32) | values[:, :, at + 1]))
    return hashes


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
