"""A whole file against the rules of its vendor, before anything is uploaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import orjson

from training import tokens
from training.formats.base import Format, Found, Unfit
from training.formats.registry import FORMATS, LONGEST_LINE, load, tokens_over
from training.rows import Split

_STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: in which line (from 1; 0 is the file), in which field, and whether the vendor refuses it."""

    line: int
    field: str
    message: str
    error: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file holds. ``errors`` and ``warnings`` count all; ``problems`` keeps the first of them.

    ``tokens`` is of all texts. ``fingerprints`` name the file's examples, for the check of the other split's file.
    """

    format: str
    lines: int
    tokens: int
    errors: int
    warnings: int
    problems: tuple[Problem, ...]
    fingerprints: set[int] = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the vendor takes the file."""
        return not self.errors


def validate(
    format: str,
    file: BinaryIO,
    *,
    size: int | None = None,
    other: AbstractSet[int] | None = None,
    split: Split | None = None,
    progress: Callable[[int], None] | None = None,
    most_problems: int = 100,
) -> Verdict:
    """Check a file line by line; memory holds eight bytes a line (in a set) and the problems that are kept.

    ``other`` are the fingerprints of the other split's file: no example may be in both. The least number of examples
    is demanded of a training file; ``split`` says which it is, else a file checked beside another counts as validation.
    ``progress`` is told the bytes read. Raises ``KeyError`` for an unknown format, ``OSError`` where reading fails.
    """
    split = split or ("validation" if other is not None else "train")
    return _Validation(FORMATS[format], other, progress, most_problems).run(file, size, split)


class _Validation:
    def __init__(
        self,
        of: Format,
        other: AbstractSet[int] | None,
        progress: Callable[[int], None] | None,
        most: int,
    ) -> None:
        self._of, self._other, self._progress, self._most = of, other, progress, most
        self._counter = tokens.counter(of.vendor, "")
        self._problems: list[Problem] = []
        self._errors = self._warnings = self._tokens = 0
        self._seen: set[int] = set()
        self._labels: set[bool] = set()

    def run(self, file: BinaryIO, size: int | None, split: Split) -> Verdict:
        number = position = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            position += len(line)
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                self._add(number, "", f"over {LONGEST_LINE:,} bytes, the most a line may have here")
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_LINE)
                    position += len(line)
            else:
                self._line(number, line.rstrip(b"\r\n"))
            if self._progress is not None and number % _STEP == 0:
                self._progress(position)
        self._file(number, max(position, size or 0), split)
        return Verdict(
            self._of.name,
            number,
            self._tokens,
            self._errors,
            self._warnings,
            tuple(self._problems),
            self._seen,
        )

    def _line(self, number: int, line: bytes) -> None:
        found = Found()
        try:
            value = load(line)
        except Unfit as unfit:
            self._add(number, "", str(unfit))
            return
        self._of.read(value, found)
        for at, message in found.errors:
            self._add(number, at, message)
        for at, message in found.warnings:
            self._add(number, at, message, error=False)
        if found.label is not None:
            self._labels.add(found.label)
        self._tokens += self._counter.talk([*found.texts, *found.replies])
        if over := tokens_over(self._of, found.texts, found.replies, len(line)):
            about = "" if self._counter.exact else "about "
            most = f"{self._of.limits.tokens_per_example:,}"
            self._add(number, "", f"{about}{over:,} tokens where an example may have at most {most}")
        name = _fingerprint(value, line)
        if name in self._seen:
            self._add(number, "", "the same example as in an earlier line", error=False)
        self._seen.add(name)
        if self._other is not None and name in self._other:
            self._add(number, "", "the same example is in the other file: training and validation share none")

    def _file(self, lines: int, size: int, split: Split) -> None:
        limits = self._of.limits
        examples = "1 example" if lines == 1 else f"{lines:,} examples"
        most = limits.max_examples if split == "train" else limits.max_validation
        if not lines:
            self._add(0, "", "the file is empty")
        elif split == "train" and limits.min_examples is not None and lines < limits.min_examples:
            self._add(0, "", f"{examples} where at least {limits.min_examples} are needed to train")
        if most is not None and lines > most:
            purpose = "train" if split == "train" else "check with"
            self._add(0, "", f"{examples} where at most {most:,} are allowed to {purpose}")
        if limits.file_bytes is not None and size > limits.file_bytes:
            self._add(0, "", f"{size:,} bytes where a file may have at most {limits.file_bytes:,}")
        if len(self._labels) == 1:
            self._add(
                0,
                "label",
                f"every label is {str(*self._labels).lower()}: KTO learns from both kinds",
                error=False,
            )

    def _add(self, line: int, at: str, message: str, *, error: bool = True) -> None:
        if error:
            self._errors += 1
        else:
            self._warnings += 1
        if len(self._problems) < self._most:
            self._problems.append(Problem(line, at, message, error))


def _fingerprint(value: Mapping[str, object], line: bytes) -> int:
    """What names an example, whatever the order of its keys."""
    try:
        kept = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested more deeply than it writes; such a line has errors anyway
        kept = line
    return int.from_bytes(hashlib.blake2b(kept, digest_size=8).digest())
