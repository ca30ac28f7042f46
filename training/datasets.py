"""Building a dataset: what the collector lets through, without duplicates, split, weighed and frozen.

The same material under the same order gives the same bytes and so the same hash: nothing in a dataset depends on its name,
on when it was built or by whom. Which side of the split a row is on follows from its conversation alone, so that no
conversation changes sides while the material grows; a validation row whose talk is also in training is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.platforms.base import Progress
from storage import candidates, datasets
from storage.database import Database
from storage.datasets import Dataset, NewDataset, NewLine
from storage.ids import new_id
from training.choosing import cap_persons, cap_rows, keep_best, ranked
from training.collect import Redactor, Selection
from training.crew import Crew
from training.duplicates import Duplicates
from training.freezing import LINES, discard
from training.memory import give_back
from training.quality import Report, report, warnings
from training.reading import Reader, Source, Stretch, stretches
from training.rows import Row
from training.staging import Part, Staged, Staging
from training.wording import Languages

SAMPLES: Final = 5

_DISCARDING: Final = 1.0  # seconds after which who wants to stop all this waits no longer
_TOLD: Final = 1_000  # rows or exchanges between two words on how far it is
_COLLECTED, _COMPARED, _CHECKED = 0.6, 0.75, 0.8  # the share of the work that is behind us


class Checker(Protocol):
    """Looks at rows before they are frozen."""

    async def flagged(self, rows: Sequence[Staged]) -> set[str]:
        """The hashes of those rows that should not be learnt from."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built of which avatar, under which name, and by whom.

    ``system`` stands in front of every row; ``settings`` is what the dataset remembers of how it was made. ``most`` bounds
    the rows (0: all). ``validation`` is the share of conversations that is held out. From ``person_share_from`` people on
    nobody has asked more than ``person_share`` of the rows. ``near`` is the Jaccard similarity from which two rows are one.
    ``id`` is going to be that of the dataset, another one each time; where it is empty one is made.
    """

    workspace_id: str
    avatar_id: str
    name: str
    person_id: str | None
    selection: Selection
    system: str = ""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    validation: float = 0.1
    most: int = 0
    person_share: float = 0.2
    person_share_from: int = 10
    near: float = 0.8
    dry_run: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to. ``dataset`` is ``None`` after a dry run and where nothing was left; ``new`` is False where the
    newest version is already just this. ``samples`` are rows picked at random, the same ones each time.
    """

    dataset: Dataset | None
    new: bool
    hash: str
    train: int
    validation: int
    report: Mapping[str, Any]
    samples: tuple[Row, ...]


async def build(
    database: Database,
    order: Order,
    *,
    redactor: Redactor | None = None,
    checker: Checker | None = None,
    progress: Progress,
    folder: Path | None = None,
    workers: int = 0,
) -> Built:
    """Build a dataset. Nothing is left of a build that is cancelled or fails.

    ``folder`` is where the candidates wait meanwhile, about twice their size. ``workers`` is the number of processes that
    read for this one, none where it is 0; whatever it is, the same comes out. Raises ``StorageError``, ``VendorError``, and
    ``UserError`` where one of these processes is killed.
    """
    with TemporaryDirectory(prefix="understudy-", dir=folder) as kept:
        building = _Building(database, order, redactor, checker, progress, Path(kept), workers)
        try:
            return await building.run()
        finally:
            building.close()


class _Building:
    def __init__(
        self,
        database: Database,
        order: Order,
        redactor: Redactor | None,
        checker: Checker | None,
        progress: Progress,
        folder: Path,
        workers: int,
    ) -> None:
        self._database = database
        self._order = order
        self._checker = checker
        self._progress = progress
        self._workers = workers
        self._source = Source(order.avatar_id, order.selection, redactor, order.validation, folder)
        self._staging = Staging(folder)
        self._duplicates = Duplicates(folder, threshold=order.near)
        self._left: Counter[str] = Counter()
        self._seen = 0

    async def run(self) -> Built:
        await self._collect()
        await self._progress("Looking for duplicates", _COLLECTED)
        kept = await self._choose()
        self._duplicates.close()
        kept = await self._check(kept)
        # Its languages take a second or two to name, in which the rows are frozen.
        reporting = asyncio.create_task(self._reports(kept))
        try:
            return await self._end(kept, reporting)
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)

    def close(self) -> None:
        self._duplicates.close()

    async def _end(self, kept: NDArray[np.bool_], reporting: asyncio.Task[Mapping[str, Any]]) -> Built:
        validation = self._staging.column("validation")
        held_out = int(np.count_nonzero(kept & validation))
        sizes = int(np.count_nonzero(kept)) - held_out, held_out
        hash_ = self._hash(kept, validation)
        places = np.flatnonzero(kept)[sampled(sum(sizes), hash_)]
        samples = tuple(self._staging.rows_at(places))
        give_back()  # from here on another process needs its share
        wanted = sum(sizes) > 0 and not self._order.dry_run
        dataset = await self._known(hash_) if wanted else None
        new = wanted and dataset is None
        if new:
            dataset = await self._freeze(kept, hash_, sizes, reporting)
        return Built(dataset, new, hash_, *sizes, await reporting, samples)

    # -- collecting

    async def _collect(self) -> None:
        totals = await self._database.read(lambda tx: candidates.totals(tx, self._order.avatar_id))
        size = max(1, totals.exchanges + totals.examples + totals.preferences)
        reader = Reader(self._database, self._source, 0)
        try:
            async with contextlib.aclosing(self._parts(reader)) as parts:
                async for part in parts:
                    self._staging.take(part)
                    for sketch in part.sketches:
                        self._duplicates.take(sketch)
                    self._left.update(part.left_out)
                    before, self._seen = self._seen, self._seen + part.material
                    if before // _TOLD != self._seen // _TOLD:
                        share = min(1.0, self._seen / size)
                        await self._progress(
                            f"{self._seen:,} exchanges and examples read, {len(self._staging):,} fit",
                            share * _COLLECTED,
                        )
        finally:
            reader.close()

    async def _parts(self, reader: Reader) -> AsyncGenerator[Part]:
        """All candidates, the same ones in the same order whoever reads them."""
        if self._order.selection.method == "dpo":
            async for part in reader.compared():
                yield part
            async for part in reader.preferred():
                yield part
            return
        if self._workers:
            shared = await stretches(self._database, self._order.avatar_id)
            async with (
                Crew(self._database.url, self._workers, self._source) as crew,
                contextlib.aclosing(crew.parts(shared)) as parts,
            ):
                async for part in parts:
                    yield part
        else:
            async for part in reader.talks(Stretch()):
                yield part
        if self._order.selection.method == "sft":
            async for part in reader.pairs():
                yield part

    # -- choosing

    async def _choose(self) -> NDArray[np.bool_]:
        """Which candidates stay: the best of each group of duplicates, within the caps, none of them on both sides."""
        if not len(self._staging):
            return np.zeros(0, dtype=bool)
        stopped = False

        def groups() -> NDArray[np.int64]:
            return self._duplicates.groups(stop=lambda: stopped)

        try:
            found = await asyncio.to_thread(groups)
        except asyncio.CancelledError:
            stopped = True
            raise
        quality, fingerprint = self._staging.column("quality"), self._staging.column("high")
        kept, same, near = keep_best(found, quality, fingerprint, self._staging.column("label"))
        self._leave("duplicate", same)
        self._leave("near duplicate", near)
        kept = self._without_leaks(kept)
        rank = ranked(quality, fingerprint)
        order = self._order
        capped = cap_persons(
            kept,
            self._staging.column("author"),
            rank,
            share=order.person_share,
            least=order.person_share_from,
        )
        self._leave("over one person's share", int(np.count_nonzero(kept & ~capped)))
        best = cap_rows(capped, rank, order.most)
        self._leave("over the maximum", int(np.count_nonzero(capped & ~best)))
        return best

    def _without_leaks(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        context, validation = self._staging.column("asked"), self._staging.column("validation")
        leaking = kept & validation & np.isin(context, context[kept & ~validation])
        self._leave("in training already", int(np.count_nonzero(leaking)))
        return kept & ~leaking

    async def _check(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Without the rows that moderation flags."""
        if self._checker is None or not kept.any():
            return kept
        await self._progress("Asking the moderation", _COMPARED)
        flagged: set[str] = set()
        waiting: list[Staged] = []
        for each in self._staging.staged(kept):
            waiting.append(each)
            if len(waiting) >= LINES:
                flagged |= await self._checker.flagged(waiting)
                waiting.clear()
        flagged |= await self._checker.flagged(waiting)
        if not flagged:
            return kept
        out = np.fromiter((each.hex() in flagged for each in self._staging.hashes()), bool, len(kept))
        self._leave("flagged", int(np.count_nonzero(kept & out)))
        return kept & ~out

    def _leave(self, reason: str, many: int) -> None:
        if many:
            self._left[reason] += many

    # -- what it is like

    async def _reports(self, kept: NDArray[np.bool_]) -> Mapping[str, Any]:
        look = partial(_reports, self._staging, kept)
        if self._workers:
            # One that read has grown, and would wait in memory while duplicates are found.
            async with Crew(self._database.url, 1) as crew:
                before, after = await crew.ask(look)
        else:
            before, after = await asyncio.to_thread(look)
        many = int(np.count_nonzero(kept))
        held_out = int(np.count_nonzero(kept & self._staging.column("validation")))
        return {
            "read": self._seen,
            "candidates": len(self._staging),
            "train": many - held_out,
            "validation": held_out,
            "left_out": {reason: many for reason, many in sorted(self._left.items()) if many},
            "before": _kept(before),
            "after": _kept(after),
            "warnings": warnings(after),
        }

    # -- freezing

    def _lines(self, kept: NDArray[np.bool_]) -> Iterator[NewLine]:
        for position, each in enumerate(self._staging.staged(kept)):
            yield NewLine(
                position,
                "validation" if each.held_out else "train",
                each.hash,
                each.content.decode(),
                each.group,
                each.authors,
                each.exchange_id,
                each.example_id,
                each.preference_id,
            )

    def _hash(self, kept: NDArray[np.bool_], validation: NDArray[np.bool_]) -> str:
        """Of the method, the system prompt and each row with its side, in order: SHA-256, hexadecimal."""
        order = self._order
        digest = hashlib.sha256(
            f"{order.selection.method}\0{order.system}\0".encode("utf-8", "surrogatepass")
        )
        sides = compress(validation.tolist(), kept.tolist())
        for side, row in zip(sides, compress(self._staging.hashes(), kept.tolist()), strict=True):
            digest.update(b"v" if side else b"t")
            digest.update(row)
        return digest.hexdigest()

    async def _known(self, hash_: str) -> Dataset | None:
        """The newest version of this name, if it is just this."""
        order = self._order
        known = await self._database.read(lambda tx: datasets.find(tx, order.workspace_id, order.name))
        return known if known is not None and known.hash == hash_ and not known.erased else None

    async def _freeze(
        self,
        kept: NDArray[np.bool_],
        hash_: str,
        sizes: tuple[int, int],
        reporting: asyncio.Task[Mapping[str, Any]],
    ) -> Dataset:
        order = self._order
        new = NewDataset(
            order.workspace_id,
            order.avatar_id,
            order.name,
            order.selection.method,
            order.system,
            order.settings,
            order.person_id,
            id=order.id or new_id(),
        )
        number = await self._database.write(lambda tx: datasets.begin(tx, new))
        try:
            await self._add(number, self._lines(kept), sum(sizes))
            report = await reporting
            return await self._database.write(
                lambda tx: datasets.finish(
                    tx, number, hash=hash_, report=report, train=sizes[0], validation=sizes[1]
                )
            )
        except BaseException:
            # Of a large one something may be left after that. Nobody finds it, and `abandoned` names it.
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(discard(self._database, number), _DISCARDING)
            raise

    async def _add(self, number: int, lines: Iterator[NewLine], total: int) -> None:
        """Write the rows: durable all at once with what is written after them, as they are worth nothing before that."""
        own = self._database
        database = own if own.postgres else await Database.open(own.url, durable=False)
        try:
            done = 0
            # The next batch is read when this one is written, and not meanwhile: between two of them others can write.
            while batch := list(islice(lines, LINES)):
                await database.write(lambda tx, batch=batch: datasets.add(tx, number, batch))
                done += len(batch)
                if done % _TOLD == 0 or done == total:
                    share = _CHECKED + (1 - _CHECKED) * done / total
                    await self._progress(f"{done:,} of {total:,} rows frozen", share)
        finally:
            if database is not own:
                await database.close()


def _kept(report: Report) -> dict[str, Any]:
    """A report without what people wrote: it outlives their wish to be forgotten."""
    return {key: value for key, value in report.data().items() if key != "conflict_samples"}


def _reports(staging: Staging, kept: NDArray[np.bool_]) -> tuple[Report, Report]:
    """What all candidates are like, and those that are kept."""
    languages = Languages()
    return (
        report(staging, np.ones(len(staging), dtype=bool), languages_of=languages),
        report(staging, kept, languages_of=languages),
    )


def sampled(rows: int, hash_: str, most: int = SAMPLES) -> list[int]:
    """Positions of some rows, at random but the same for the same dataset."""
    found: dict[int, None] = {}
    for turn in range(most * 20):
        if len(found) >= min(rows, most):
            break
        found[int(hashlib.sha256(f"{hash_}{turn}".encode()).hexdigest()[:12], 16) % rows] = None
    return sorted(found)
