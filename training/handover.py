"""Datasets that leave the house, and those that come from elsewhere: as the files of any vendor.

The bytes and the names of the files follow from the rows, the split and the format alone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from adapters.platforms.base import Progress, UserError
from storage import datasets, lineage
from storage.database import Database, Tx
from storage.datasets import Dataset, NewDataset, NewLine
from training.card import CardFacts, card, is_card
from training.collect import opening
from training.formats import FORMATS, Unfit, Verdict, file_name, fitting, parse, validate, verdict
from training.freezing import LINES, discard
from training.rows import Split, row_hash, to_json
from training.writing import SPLITS, write

CARD_NAME: Final = "README.md"
_BEGINNING: Final = 200  # bytes, by which a card is known


@dataclass(slots=True)
class Exported:
    """What was written: the files, the rows in each split, and why rows are in none of them."""

    files: list[Path] = field(default_factory=list[Path])
    rows: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    unfit: Counter[str] = field(default_factory=Counter[str])
    verdicts: list[Verdict] = field(default_factory=list[Verdict])

    @property
    def problems(self) -> list[str]:
        """What the vendor would refuse in the files."""
        return [
            f"{problem.field}: {problem.message}" if problem.field else problem.message
            for verdict in self.verdicts
            if not verdict.ok
            for problem in verdict.problems
        ]


def may_leave(tx: Tx, dataset: Dataset) -> None:
    """Check that nobody took back what is in a dataset. Raises ``UserError`` with what to do."""
    if dataset.erased:
        rows = "1 row was" if dataset.erased == 1 else f"{dataset.erased:,} rows were"
        raise UserError(
            f"{title(dataset)} is no longer whole: {rows} deleted at the wish of those who wrote them. Build it again."
        )
    if taken_back := lineage.unconsented(tx, dataset.number):
        rows = "1 row holds" if taken_back == 1 else f"{taken_back:,} rows hold"
        raise UserError(
            f"{title(dataset)} cannot be used any more: {rows} words of people who no longer agree that they are learnt "
            "from. Build it again."
        )


def title(dataset: Dataset) -> str:
    """How a version of a dataset is called: ``name:version``."""
    return f"{dataset.name}:{dataset.version}"


def check_fits(dataset: Dataset, format_: str) -> None:
    """Raises ``UserError`` where the format is for another method than the dataset."""
    if format_ not in fitting(dataset.method):  # pyright: ignore[reportArgumentType]
        fit = ", ".join(fitting(dataset.method))  # pyright: ignore[reportArgumentType]
        raise UserError(f"{title(dataset)} is for {dataset.method}; the formats that carry this are {fit}.")


async def export(
    database: Database, dataset: Dataset, format_: str, folder: Path, progress: Progress
) -> Exported:
    """Write a dataset into a folder and check what was written. Raises ``UserError``, ``StorageError``.

    The files are there only when all of them are whole.
    """
    check_fits(dataset, format_)
    await database.read(lambda tx: may_leave(tx, dataset))
    exported = Exported()
    paths: dict[Split, Path] = {split: folder / file_name(format_, split) for split in SPLITS}
    parts: dict[Split, Path] = {split: path.with_name(path.name + ".part") for split, path in paths.items()}
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        if await asyncio.to_thread(_is_somebodys, folder / CARD_NAME):
            raise UserError(
                f"{folder} has a {CARD_NAME} that is no card of a dataset: name another folder, so that it stays."
            )
        written = await write(database, dataset, format_, parts, progress)
        exported.rows.update(written.rows)
        exported.unfit.update(written.unfit)
        fingerprints: set[int] | None = None
        if not exported.rows["train"]:
            return exported
        for split in SPLITS:
            if not exported.rows[split]:
                parts[split].unlink()
                continue
            size = parts[split].stat().st_size
            checked = written.checked[split]
            found = await asyncio.to_thread(verdict, format_, checked, size=size, other=fingerprints)
            fingerprints = fingerprints or found.fingerprints
            exported.verdicts.append(found)
        for split in SPLITS:
            if exported.rows[split]:
                parts[split].replace(paths[split])
                exported.files.append(paths[split])
            else:
                paths[split].unlink(missing_ok=True)  # what an earlier export left belongs to other rows
        described = folder / CARD_NAME
        await asyncio.to_thread(described.write_text, card(_facts(dataset, exported, format_)), "utf-8")
        exported.files.append(described)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise UserError(
            f"{folder} cannot be written: {getattr(error, 'strerror', None) or error}."
        ) from error
    finally:
        for part in parts.values():
            with suppress(OSError, ValueError):  # where the folder is none there is nothing to take away
                part.unlink(missing_ok=True)
    return exported


def _is_somebodys(path: Path) -> bool:
    """Whether there is a file that we did not write."""
    try:
        with path.open("rb") as file:
            return not is_card(file.read(_BEGINNING).decode("utf-8", "replace"))
    except FileNotFoundError:
        return False


def _checked(format_: str, path: Path, other: set[int] | None) -> Verdict:
    with path.open("rb") as file:
        return validate(format_, file, size=path.stat().st_size, other=other)


def _facts(dataset: Dataset, exported: Exported, format_: str) -> CardFacts:
    return CardFacts(
        method=dataset.method,
        hash=dataset.hash,
        rows=exported.rows,
        format=format_,
        settings=dataset.settings,
        report=dataset.report,
    )


# -- from elsewhere


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that becomes a dataset: ``validation`` names a second file with the rows that are held out, if there is one."""

    path: Path
    format: str
    name: str
    workspace_id: str
    avatar_id: str
    person_id: str | None
    validation: Path | None = None
    share: float = 0.1


@dataclass(slots=True)
class Arrived:
    """What came of a file. ``dataset`` is ``None`` where it was refused; ``new`` is False where it is here already."""

    dataset: Dataset | None
    new: bool
    verdicts: Mapping[str, Verdict]
    unfit: Counter[str]
    repeated: int


async def bring_in(database: Database, arrival: Arrival, progress: Progress) -> Arrived:
    """Make a dataset of files that were made elsewhere: all of it, or nothing where the validator finds an error.

    Raises ``UserError``, ``StorageError``.
    """
    paths = {"train": arrival.path} | ({"validation": arrival.validation} if arrival.validation else {})
    verdicts: dict[str, Verdict] = {}
    seen: set[int] | None = None
    for split, path in paths.items():
        await progress(f"Checking {path.name}", None)
        verdicts[split] = await asyncio.to_thread(checked_file, arrival.format, path, seen)
        seen = verdicts[split].fingerprints
    arrived = Arrived(None, False, verdicts, Counter(), 0)
    if not all(verdict.ok for verdict in verdicts.values()):
        return arrived
    reading = _Reading(arrival, paths, arrived)
    digest, counts = await asyncio.to_thread(reading.measure)
    if not sum(counts.values()):
        return arrived
    known = await database.read(lambda tx: datasets.find(tx, arrival.workspace_id, arrival.name))
    if known is not None and known.hash == digest and not known.erased:
        arrived.dataset = known
        return arrived
    new = NewDataset(
        arrival.workspace_id,
        arrival.avatar_id,
        arrival.name,
        FORMATS[arrival.format].method,
        "",
        {"format": arrival.format, "files": [path.name for path in paths.values()]},
        arrival.person_id,
        origin="import",
    )
    number = await database.write(lambda tx: datasets.begin(tx, new))
    try:
        lines = reading.lines()
        written = 0
        while batch := await asyncio.to_thread(_next_batch, lines):
            await database.write(lambda tx, batch=batch: datasets.add(tx, number, batch))
            written += len(batch)
            await progress(f"{written:,} rows brought in", written / sum(counts.values()))
        report: dict[str, Any] = {"left_out": dict(arrived.unfit), **counts}
        arrived.dataset = await database.write(
            lambda tx: datasets.finish(
                tx, number, hash=digest, report=report, train=counts["train"], validation=counts["validation"]
            )
        )
        arrived.new = True
    except BaseException:
        await asyncio.shield(discard(database, number))
        raise
    return arrived


def checked_file(format_: str, path: Path, other: set[int] | None = None) -> Verdict:
    """What the validator says of a file. Raises ``UserError`` where it cannot be read."""
    try:
        return _checked(format_, path, other)
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _next_batch(lines: Iterator[NewLine]) -> list[NewLine]:
    batch: list[NewLine] = []
    for line in lines:
        batch.append(line)
        if len(batch) == LINES:
            break
    return batch


class _Reading:
    """The rows of files, each once, with its side."""

    def __init__(self, arrival: Arrival, paths: Mapping[str, Path], arrived: Arrived) -> None:
        self._arrival = arrival
        self._paths = paths
        self._arrived = arrived

    def measure(self) -> tuple[str, dict[Split, int]]:
        """The hash of what is going to be the dataset, and how many rows each split has."""
        digest = hashlib.sha256(f"{FORMATS[self._arrival.format].method}\0\0".encode())
        counts: dict[Split, int] = {"train": 0, "validation": 0}
        for split, _, hash_, _ in self._rows(counting=True):
            digest.update(b"v" if split == "validation" else b"t")
            digest.update(bytes.fromhex(hash_))
            counts[split] += 1
        return digest.hexdigest(), counts

    def lines(self) -> Iterator[NewLine]:
        """The same as lines of the dataset."""
        for position, (split, content, hash_, group) in enumerate(self._rows(counting=False)):
            yield NewLine(position, split, hash_, content, group, ())

    def _rows(self, *, counting: bool) -> Iterator[tuple[Split, str, str, str]]:
        seen: set[bytes] = set()
        for name, path in self._paths.items():
            with path.open("rb") as file:
                for raw in file:
                    if not (line := raw.strip()):
                        continue
                    try:
                        row = parse(self._arrival.format, line)
                    except Unfit as unfit:
                        self._arrived.unfit[str(unfit)] += counting
                        continue
                    content = to_json(row)
                    hash_ = row_hash(content)
                    if (key := bytes.fromhex(hash_)[:8]) in seen:
                        self._arrived.repeated += counting
                        continue
                    seen.add(key)
                    group = "opening:" + opening(row)
                    yield self._side(name, group), content.decode(), hash_, group

    def _side(self, file: str, group: str) -> Split:
        if self._arrival.validation is not None:
            return "validation" if file == "validation" else "train"
        from training.staging import is_held_out

        return "validation" if is_held_out(group, self._arrival.share) else "train"
