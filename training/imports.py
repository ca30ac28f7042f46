"""Importing a file: read in batches, each written as one job, so that memory stays small and nothing is half there.

An interrupted import is finished by running it again: what is there already is found by its keys and left alone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import orjson

from adapters.platforms.base import Progress, UserError
from storage import audit, avatars, imports
from storage.database import Database, Tx
from storage.errors import Duplicate
from storage.imported import Imported, ImportedConversation, ImportedPreference
from storage.imports import Into, Written
from training.lines import parse_line

MAX_LINE = 10 * 1024 * 1024
BATCH_LINES = 200
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line, or one turn of it (``whole`` is False), was skipped."""

    line: int
    reason: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Batch:
    """Some hundreds of lines: what they hold, what is wrong with others, and how far into the file they reach."""

    records: tuple[tuple[int, Imported], ...]
    problems: tuple[Problem, ...]
    lines: int
    position: int


@dataclass(slots=True)
class _Filling:
    records: list[tuple[int, Imported]] = field(default_factory=list[tuple[int, Imported]])
    problems: list[Problem] = field(default_factory=list[Problem])
    lines: int = 0
    size: int = 0

    def take(self, number: int, raw: bytes | None) -> None:
        self.lines += 1
        if raw is None:
            self.problems.append(Problem(number, f"longer than {MAX_LINE // 1024 // 1024} MB"))
            return
        self.size += len(raw)
        parsed = parse_line(raw)
        if parsed.record is None:
            self.problems.append(Problem(number, parsed.reason))
        else:
            self.records.append((number, parsed.record))
            self.problems.extend(Problem(number, note, whole=False) for note in parsed.notes)


class Reader(Protocol):
    """What is needed of a file: ``readline`` of ``BinaryIO``."""

    def readline(self, limit: int = -1, /) -> bytes: ...


def lines_of(file: Reader | BinaryIO) -> Iterator[tuple[bytes | None, int]]:
    """The lines of a file, ``None`` for one that is too long, each with the position where it ends."""
    position, number = 0, 0
    while raw := file.readline(MAX_LINE + 2):
        number += 1
        position += len(raw)
        whole = len(raw.rstrip(b"\r\n")) <= MAX_LINE
        while raw and not raw.endswith(b"\n"):  # the rest of a line that is too long is passed over, not kept
            raw_more = file.readline(MAX_LINE)
            position += len(raw_more)
            if not raw_more:
                break
            whole, raw = False, raw_more
        if number == 1 and whole:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        yield (raw.strip() if whole else None), position


def batches(file: Reader | BinaryIO) -> Iterator[Batch]:
    """The file in batches, each small enough to hold in memory and to write as one job."""
    filling, position = _Filling(), 0
    for number, (raw, position) in enumerate(lines_of(file), 1):
        if raw == b"":
            continue
        filling.take(number, raw)
        if filling.lines >= BATCH_LINES or filling.size >= BATCH_BYTES:
            yield Batch(tuple(filling.records), tuple(filling.problems), filling.lines, position)
            filling = _Filling()
    if filling.lines:
        yield Batch(tuple(filling.records), tuple(filling.problems), filling.lines, position)


# -- the import


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported, into which avatar of which workspace, who vouches for it, and when."""

    path: Path
    workspace_id: str
    avatar: str
    person_id: str
    at: int


@dataclass(slots=True)
class Report:
    """What became of a file."""

    avatar: str
    avatar_created: bool = False
    lines: int = 0
    conversations: int = 0
    preferences: int = 0
    examples: int = 0
    repeated: int = 0
    new: Written = field(default_factory=Written)
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def imported(self) -> int:
        """Lines that are in the database now, be it since an earlier import."""
        return self.conversations + self.preferences + self.examples

    @property
    def skipped(self) -> int:
        """Lines of which nothing was kept."""
        return sum(problem.whole for problem in self.problems)

    def count(self, record: Imported) -> None:
        """One more line that is in the database now."""
        if isinstance(record, ImportedConversation):
            self.conversations += 1
        elif isinstance(record, ImportedPreference):
            self.preferences += 1
        else:
            self.examples += 1


async def import_file(database: Database, order: Order, progress: Progress) -> Report:
    """Import a file. Raises ``UserError`` when it cannot be read, ``StorageError`` when it cannot be written."""
    file, size = await asyncio.to_thread(_opened, order.path)
    try:
        return await _Import(database, order).run(file, size, progress)
    except OSError as error:
        raise UserError(f"{order.path} cannot be read to its end: {error.strerror or error}.") from error
    finally:
        file.close()


def _opened(path: Path) -> tuple[BinaryIO, int]:
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a file of JSON Lines in it.")
        return path.open("rb"), path.stat().st_size
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


class _Import:
    """One run: the lines seen so far, the avatar once there is something for it, and the report."""

    def __init__(self, database: Database, order: Order) -> None:
        self._database = database
        self._order = order
        self._into: Into | None = None
        self._seen: dict[int, tuple[int, int]] = {}
        self._report = Report(order.avatar)

    async def run(self, file: BinaryIO, size: int, progress: Progress) -> Report:
        report = self._report
        reading = batches(file)
        while (batch := await asyncio.to_thread(next, reading, None)) is not None:
            report.lines += batch.lines
            report.problems.extend(batch.problems)
            records = [record for line, record in batch.records if self._first(line, record)]
            if records:
                await self._write(records)
            await progress(
                f"{report.imported:,} lines imported", min(1.0, batch.position / size) if size else None
            )
        report.problems.sort(key=lambda problem: problem.line)
        if self._into is not None:
            await self._database.write(self._close)
        return report

    def _first(self, line: int, record: Imported) -> bool:
        """Whether the file has not had this name before. The same line again is nothing; another is worth a word."""
        key, content = _number(record.key), _number(record)
        before, same = self._seen.setdefault(key, (line, content))
        if before == line:
            return True
        if same == content:
            self._report.repeated += 1
        else:
            name = record.key.removeprefix("pair:")
            reason = f"{name!r} was on line {before} already, with other content"
            self._report.problems.append(Problem(line, reason))
        return False

    async def _write(self, records: list[Imported]) -> None:
        try:
            written = await self._database.write(lambda tx: self._job(tx, records))
        except Duplicate:  # another process imports the same: its rows are there now, and are found
            written = await self._database.write(lambda tx: self._job(tx, records))
        self._into, created, new = written
        self._report.avatar_created |= created
        self._report.new += new
        for record in records:
            self._report.count(record)

    def _job(self, tx: Tx, records: list[Imported]) -> tuple[Into, bool, Written]:
        created = False
        into = self._into
        if into is None:
            into, created = self._begin(tx)
        return into, created, imports.put(tx, into, records)

    def _begin(self, tx: Tx) -> tuple[Into, bool]:
        """The avatar, made when missing, and a word in the audit before the first line is there."""
        order = self._order
        avatar = avatars.find(tx, order.workspace_id, order.avatar)
        created = avatar is None
        if avatar is None:
            avatar = avatars.create(
                tx,
                order.workspace_id,
                order.avatar,
                prompt=prompt_of(order.avatar),
                person_id=order.person_id,
            )
        detail = {"file": order.path.name, "consent": "vouched for", "stage": "begun"}
        self._audit(tx, avatar.id, detail)
        return Into(order.workspace_id, avatar.id, order.at), created

    def _close(self, tx: Tx) -> None:
        assert self._into is not None
        report, new = self._report, self._report.new
        detail = {
            "file": self._order.path.name,
            "consent": "vouched for",
            "stage": "finished",
            "lines": report.lines,
            "skipped": report.skipped,
            **{name: getattr(new, name) for name in Written.__slots__},
        }
        self._audit(tx, self._into.avatar_id, detail)

    def _audit(self, tx: Tx, avatar_id: str, detail: Mapping[str, object]) -> None:
        order = self._order
        audit.write(
            tx, order.workspace_id, "import", person_id=order.person_id, target=avatar_id, detail=detail
        )


def prompt_of(name: str) -> str:
    """The plain prompt of an avatar that an import makes."""
    return (
        f"You are {name}. Answer as the examples do, in their manner and with what they say. When you do not know "
        "something, say so plainly. You are an AI, and you say so when somebody asks."
    )


def _number(value: object) -> int:
    """A short fingerprint: a whole file's are kept in memory."""
    data = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())
