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
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.platforms.base import Progress
from storage import candidates, datasets
from storage.candidates import Talk
from storage.database import Database, Tx
from storage.datasets import Dataset, NewDataset, NewLine
from training.choosing import cap_persons, cap_rows, keep_best, ranked
from training.collect import Candidate, Collector, Redactor, Selection
from training.duplicates import Duplicates
from training.quality import Fact, Quality, Report, warnings
from training.rows import Row
from training.staging import Comparing, Staged, Staging
from training.wording import Languages

PAGE: Final = 100  # conversations read at once
EXAMPLES: Final = 500  # examples or preferences read at once
LINES: Final = 100  # written in one commit: the writer of the chat waits for no more than these
SAMPLES: Final = 5

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
) -> Built:
    """Build a dataset. Nothing is left of a build that is cancelled or fails. Raises ``StorageError``, ``VendorError``.

    ``folder`` is where the candidates wait meanwhile, about twice their size.
    """
    with TemporaryDirectory(prefix="understudy-", dir=folder) as kept:
        building = _Building(database, order, redactor, checker, progress, Path(kept))
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
    ) -> None:
        self._database = database
        self._order = order
        self._checker = checker
        self._progress = progress
        self._folder = folder
        self._collector = Collector(order.selection, redactor)
        self._staging = Staging(folder, order.validation)
        self._duplicates = Duplicates(folder, threshold=order.near)
        languages = Languages()
        self._before, self._after = Quality(languages_of=languages), Quality(languages_of=languages)
        self._samples: list[Row] = []
        self._seen = 0

    async def run(self) -> Built:
        await self._collect()
        await self._progress("Looking for duplicates", _COLLECTED)
        kept = await self._choose()
        kept = await self._check(kept)
        validation = np.frombuffer(self._staging.validation, dtype=np.int8).astype(bool)
        held_out = int(np.count_nonzero(kept & validation))
        sizes = int(np.count_nonzero(kept)) - held_out, held_out
        hash_ = self._hash(kept, validation)
        # Once through all that is kept: to freeze it, and to see what it is like.
        lines = self._lines(kept, validation, set(sampled(sum(sizes), hash_)))
        wanted = sum(sizes) > 0 and not self._order.dry_run
        dataset = await self._known(hash_) if wanted else None
        new = wanted and dataset is None
        if new:
            dataset, report = await self._freeze(lines, hash_, sizes)
        else:
            async for _ in self._batches(lines, sizes, "weighed"):
                pass
            report = self._report(*sizes)
        return Built(dataset, new, hash_, *sizes, report, tuple(self._samples))

    def close(self) -> None:
        self._staging.close()
        self._duplicates.close()

    # -- collecting

    async def _collect(self) -> None:
        order, selection = self._order, self._order.selection
        totals = await self._database.read(lambda tx: candidates.totals(tx, order.avatar_id))
        size = max(1, totals.exchanges + totals.examples + totals.preferences)
        if selection.method == "dpo":
            await self._compare(size)
            async for preferred in self._preferred():
                await self._take(self._collector.of_preferred(preferred), 1, size)
            return
        async for talk in self._talks():
            await self._take(self._collector.of_talk(talk), len(talk.exchanges), size)
        if selection.method == "sft":
            async for pairs, talks in self._pairs():
                for pair in pairs:
                    talk = talks.get(pair.conversation_id or "")
                    await self._take(self._collector.of_pair(pair, talk), 1, size)

    async def _compare(self, size: int) -> None:
        comparing = Comparing(self._folder)
        try:
            async for talk in self._talks():
                for graded in self._collector.graded(talk):
                    comparing.add(graded)
                await self._take((), len(talk.exchanges), size)
            for best, worst in comparing.pairs():
                candidate = self._collector.compared(best, worst)
                await self._take((candidate,) if candidate else (), 0, size)
            self._collector.left_out["no reply to compare with"] += comparing.lone()
        finally:
            comparing.close()

    async def _take(self, found: Sequence[Candidate], material: int, size: int) -> None:
        for candidate in found:
            look = self._before.look(_fact(candidate))
            self._before.take(look, lambda row=candidate.row: (row.question, row.reply))
            self._staging.add(candidate, look)
            self._duplicates.add(_compared_text(candidate.row))
        before, self._seen = self._seen, self._seen + material
        if before // _TOLD != self._seen // _TOLD:
            share = min(1.0, self._seen / size)
            await self._progress(
                f"{self._seen:,} exchanges and examples read, {len(self._staging):,} fit",
                share * _COLLECTED,
            )

    async def _talks(self) -> AsyncIterator[Talk]:
        order, after = self._order, ""
        while True:

            def read(tx: Tx, after: str = after) -> list[Talk]:
                return candidates.talks(
                    tx, order.avatar_id, after=after, limit=PAGE, until=order.selection.until
                )

            page = await self._database.read(read)
            if not page:
                return
            for talk in page:
                yield talk
            after = page[-1].id

    async def _pairs(self) -> AsyncIterator[tuple[list[candidates.Pair], Mapping[str, Talk]]]:
        order, after = self._order, ""
        until = order.selection.until
        while True:

            def read(tx: Tx, after: str = after) -> tuple[list[candidates.Pair], Mapping[str, Talk]]:
                pairs = candidates.pairs(tx, order.avatar_id, after=after, limit=EXAMPLES, until=until)
                wanted = {each.conversation_id for each in pairs if each.exchange_id and each.conversation_id}
                return pairs, candidates.talks_of(tx, sorted(wanted), until=until)

            pairs, talks = await self._database.read(read)
            if not pairs:
                return
            yield pairs, talks
            after = pairs[-1].id

    async def _preferred(self) -> AsyncIterator[candidates.Preferred]:
        order, after = self._order, ""
        while True:

            def read(tx: Tx, after: str = after) -> list[candidates.Preferred]:
                return candidates.preferred(
                    tx, order.avatar_id, after=after, limit=EXAMPLES, until=order.selection.until
                )

            page = await self._database.read(read)
            if not page:
                return
            for each in page:
                yield each
            after = page[-1].id

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
        staging = self._staging
        kept, same, near = keep_best(
            found,
            np.frombuffer(staging.quality, dtype=np.float32),
            np.frombuffer(staging.fingerprint, dtype=np.uint64),
            np.frombuffer(staging.label, dtype=np.int8),
        )
        self._leave("duplicate", same)
        self._leave("near duplicate", near)
        kept = self._without_leaks(kept)
        rank = ranked(
            np.frombuffer(staging.quality, dtype=np.float32),
            np.frombuffer(staging.fingerprint, dtype=np.uint64),
        )
        order = self._order
        capped = cap_persons(
            kept,
            np.frombuffer(staging.asker, dtype=np.uint64),
            rank,
            share=order.person_share,
            least=order.person_share_from,
        )
        self._leave("over one person's share", int(np.count_nonzero(kept & ~capped)))
        best = cap_rows(capped, rank, order.most)
        self._leave("over the maximum", int(np.count_nonzero(capped & ~best)))
        return best

    def _without_leaks(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        context = np.frombuffer(self._staging.context, dtype=np.uint64)
        validation = np.frombuffer(self._staging.validation, dtype=np.int8).astype(bool)
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
        for each in self._staging.staged(kept.tolist()):
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

    @property
    def _left(self) -> Counter[str]:
        return self._collector.left_out  # pyright: ignore[reportReturnType] - the choosing adds reasons of its own

    # -- freezing

    def _lines(
        self, kept: NDArray[np.bool_], validation: NDArray[np.bool_], samples: set[int]
    ) -> Iterator[NewLine]:
        """The rows of the dataset; whoever goes through them fills the report and ``samples`` by the way."""
        sides = compress(validation.tolist(), kept.tolist())
        staged = self._staging.staged(kept.tolist())
        for position, (each, held_out) in enumerate(zip(staged, sides, strict=True)):
            self._after.take(each.look, each.said)
            if position in samples:
                self._samples.append(each.row)
            yield NewLine(
                position,
                "validation" if held_out else "train",
                each.hash,
                each.content.decode(),
                each.group,
                each.authors,
                each.exchange_id,
                each.example_id,
                each.preference_id,
            )

    async def _batches(
        self, lines: Iterator[NewLine], sizes: tuple[int, int], what: str
    ) -> AsyncIterator[list[NewLine]]:
        done, total = 0, sum(sizes)
        while batch := list(islice(lines, LINES)):
            yield batch
            done += len(batch)
            if done % _TOLD == 0 or done == total:
                share = _CHECKED + (1 - _CHECKED) * done / total
                await self._progress(f"{done:,} of {total:,} rows {what}", share)
            await asyncio.sleep(0)  # who wants to stop all this is heard

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

    def _report(self, train: int, validation: int) -> dict[str, Any]:
        after = self._after.report()
        return {
            "read": self._seen,
            "candidates": len(self._staging),
            "train": train,
            "validation": validation,
            "left_out": {reason: many for reason, many in sorted(self._left.items()) if many},
            "before": _kept(self._before.report()),
            "after": _kept(after),
            "warnings": warnings(after),
        }

    async def _known(self, hash_: str) -> Dataset | None:
        """The newest version of this name, if it is just this."""
        order = self._order
        known = await self._database.read(lambda tx: datasets.find(tx, order.workspace_id, order.name))
        return known if known is not None and known.hash == hash_ and not known.erased else None

    async def _freeze(
        self, lines: Iterator[NewLine], hash_: str, sizes: tuple[int, int]
    ) -> tuple[Dataset, dict[str, Any]]:
        order = self._order
        new = NewDataset(
            order.workspace_id,
            order.avatar_id,
            order.name,
            order.selection.method,
            order.system,
            order.settings,
            order.person_id,
        )
        number = await self._database.write(lambda tx: datasets.begin(tx, new))
        try:
            # The next batch is read when this one is written, and not meanwhile: between two of them others can write.
            async for batch in self._batches(lines, sizes, "frozen"):
                await self._database.write(lambda tx, batch=batch: datasets.add(tx, number, batch))
            report = self._report(*sizes)
            return await self._database.write(
                lambda tx: datasets.finish(
                    tx, number, hash=hash_, report=report, train=sizes[0], validation=sizes[1]
                )
            ), report
        except BaseException:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(discard(self._database, number))
            raise


async def discard(database: Database, number: int) -> None:
    """Take away a dataset, or what there is of one that is not finished, in steps that hold nobody up."""
    while not await database.write(lambda tx: datasets.abandon(tx, number)):
        pass


def _kept(report: Report) -> dict[str, Any]:
    """A report without what people wrote: it outlives their wish to be forgotten."""
    return {key: value for key, value in report.data().items() if key != "conflict_samples"}


def _compared_text(row: Row) -> str:
    """What two rows must share to be one: the question and what is learnt, not the talk before."""
    return "\n".join((row.question, row.reply, row.rejected or ""))


def _fact(candidate: Candidate) -> Fact:
    return Fact(candidate.row, candidate.asker, candidate.raters, candidate.quality, candidate.source)


def sampled(rows: int, hash_: str, most: int = SAMPLES) -> list[int]:
    """Positions of some rows, at random but the same for the same dataset."""
    found: dict[int, None] = {}
    for turn in range(most * 20):
        if len(found) >= min(rows, most):
            break
        found[int(hashlib.sha256(f"{hash_}{turn}".encode()).hexdigest()[:12], 16) % rows] = None
    return sorted(found)
