"""A whole file against the rules of its vendor, before anything is uploaded."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import lru_cache
from heapq import merge
from itertools import islice
from typing import BinaryIO, Final

import orjson

from training import tokens
from training.formats.base import Format, Found, Unfit
from training.formats.registry import FORMATS, LONGEST_LINE, load, tokens_over
from training.rows import Split

MOST_PROBLEMS: Final = 100
"""Problems that are kept of a file."""

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
    most_problems: int = MOST_PROBLEMS,
) -> Verdict:
    """Check a file line by line; memory holds eight bytes a line (in a set) and the problems that are kept.

    ``other`` are the fingerprints of the other split's file: no example may be in both. The least number of examples
    is demanded of a training file; ``split`` says which it is, else a file checked beside another counts as validation.
    ``progress`` is told the bytes read. Raises ``KeyError`` for an unknown format, ``OSError`` where reading fails.
    """
    checking = Checking(format, most_problems)
    position = 0
    while line := file.readline(LONGEST_LINE + 1):
        position += len(line)
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            checking.endless()
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
                position += len(line)
        else:
            checking.line(line.rstrip(b"\r\n"))
        if progress is not None and checking.found.lines % _STEP == 0:
            progress(position)
    size = max(position, size or 0)
    return verdict(format, [checking.found], size=size, other=other, split=split, most_problems=most_problems)


@dataclass(slots=True)
class Checked:
    """What was found in some lines of a file by themselves: it can travel between processes, and others follow it.

    Lines are counted from 1 on here. ``fingerprints`` name examples, those in the lines of ``named``.
    """

    lines: int = 0
    tokens: int = 0
    errors: int = 0
    warnings: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    fingerprints: array[int] = field(default_factory=lambda: array("Q"))
    named: array[int] = field(default_factory=lambda: array("I"))
    labels: set[bool] = field(default_factory=set[bool])

    def add(self, problem: Problem, most: int) -> None:
        """Count a problem and keep it, unless there are so many."""
        if problem.error:
            self.errors += 1
        else:
            self.warnings += 1
        if len(self.problems) < most:
            self.problems.append(problem)


class Checking:
    """Checks one line after the other. Raises ``KeyError`` for an unknown format."""

    def __init__(self, format: str, most_problems: int = MOST_PROBLEMS) -> None:
        self.found = Checked()
        self._of, self._most = FORMATS[format], most_problems
        self._counter = tokens.counter(self._of.vendor, "")
        # The turns of a talk stand above each of its later replies.
        self._count = lru_cache(maxsize=256)(self._counter.count)

    def endless(self) -> None:
        """A line that is too long to be read."""
        self.found.lines += 1
        self._add("", f"over {LONGEST_LINE:,} bytes, the most a line may have here")

    def line(self, line: bytes) -> None:
        """One more, without its end."""
        self.found.lines += 1
        found = Found()
        try:
            value = load(line)
        except Unfit as unfit:
            self._add("", str(unfit))
            return
        self._of.read(value, found)
        for at, message in found.errors:
            self._add(at, message)
        for at, message in found.warnings:
            self._add(at, message, error=False)
        if found.label is not None:
            self.found.labels.add(found.label)
        self.found.tokens += sum(
            self._count(text) + self._counter.overhead for text in (*found.texts, *found.replies)
        )
        if over := tokens_over(self._of, found.texts, found.replies, len(line)):
            about = "" if self._counter.exact else "about "
            most = f"{self._of.limits.tokens_per_example:,}"
            self._add("", f"{about}{over:,} tokens where an example may have at most {most}")
        self.found.fingerprints.append(_fingerprint(value, line))
        self.found.named.append(self.found.lines)

    def _add(self, at: str, message: str, *, error: bool = True) -> None:
        self.found.add(Problem(self.found.lines, at, message, error), self._most)


def verdict(
    format: str,
    parts: Iterable[Checked],
    *,
    size: int,
    other: AbstractSet[int] | None = None,
    split: Split | None = None,
    most_problems: int = MOST_PROBLEMS,
) -> Verdict:
    """What a file of ``size`` bytes holds whose lines were checked part by part; the rest is as for ``validate``."""
    split = split or ("validation" if other is not None else "train")
    of, whole, again = FORMATS[format], Checked(), Checked()
    seen: set[int] = set()
    for part in parts:
        before = whole.lines
        for at, name in zip(part.named, part.fingerprints, strict=True):
            if name in seen:
                said = "the same example as in an earlier line"
                again.add(Problem(before + at, "", said, error=False), most_problems)
            seen.add(name)
            if other is not None and name in other:
                said = "the same example is in the other file: training and validation share none"
                again.add(Problem(before + at, "", said), most_problems)
        kept = islice(part.problems, most_problems - len(whole.problems))
        whole.problems += (replace(problem, line=before + problem.line) for problem in kept)
        whole.lines += part.lines
        whole.tokens += part.tokens
        whole.errors += part.errors
        whole.warnings += part.warnings
        whole.labels |= part.labels
    merged = merge(whole.problems, again.problems, key=lambda problem: problem.line)
    whole.problems = list(islice(merged, most_problems))
    whole.errors += again.errors
    whole.warnings += again.warnings
    for problem in _of_the_file(of, whole, size, split):
        whole.add(problem, most_problems)
    return Verdict(
        of.name, whole.lines, whole.tokens, whole.errors, whole.warnings, tuple(whole.problems), seen
    )


def _of_the_file(of: Format, whole: Checked, size: int, split: Split) -> Iterator[Problem]:
    """What is wrong with a file as a whole."""
    limits, lines = of.limits, whole.lines
    examples = "1 example" if lines == 1 else f"{lines:,} examples"
    most = limits.max_examples if split == "train" else limits.max_validation
    if not lines:
        yield Problem(0, "", "the file is empty")
    elif split == "train" and limits.min_examples is not None and lines < limits.min_examples:
        yield Problem(0, "", f"{examples} where at least {limits.min_examples} are needed to train")
    if most is not None and lines > most:
        purpose = "train" if split == "train" else "check with"
        yield Problem(0, "", f"{examples} where at most {most:,} are allowed to {purpose}")
    if limits.file_bytes is not None and size > limits.file_bytes:
        yield Problem(0, "", f"{size:,} bytes where a file may have at most {limits.file_bytes:,}")
    if len(whole.labels) == 1:
        said = f"every label is {str(*whole.labels).lower()}: KTO learns from both kinds"
        yield Problem(0, "label", said, error=False)


def _fingerprint(value: Mapping[str, object], line: bytes) -> int:
    """What names an example, whatever the order of its keys."""
    try:
        kept = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested more deeply than it writes; such a line has errors anyway
        kept = line
    return int.from_bytes(hashlib.blake2b(kept, digest_size=8).digest())
