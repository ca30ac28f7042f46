"""Writing the rows of a dataset as lines of a format, each checked as it is written.

That is done a stretch of rows at a time, which several processes can share in where there are many.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from adapters.platforms.base import Progress
from storage import datasets
from storage.database import Database, Tx
from storage.datasets import Dataset, Line
from training.crew import Crew, worth
from training.formats import Checked, Checking, Unfit, render
from training.rows import Split, from_json, with_system

PAGE: Final = 1_000  # rows read at once
_STRETCH: Final = 5 * PAGE  # rows that a process writes in a row
SPLITS: Final[tuple[Split, ...]] = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Written:
    """What came of rows: how many lines each file has, what was found in them in order, and why rows are in none."""

    rows: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    unfit: Counter[str] = field(default_factory=Counter[str])
    checked: dict[Split, list[Checked]] = field(default_factory=lambda: {split: [] for split in SPLITS})


async def write(
    database: Database, dataset: Dataset, format_: str, files: Mapping[Split, Path], progress: Progress
) -> Written:
    """Write a dataset's rows. Raises ``UserError``, ``StorageError``, and ``OSError`` where files cannot be written."""
    workers = worth(dataset.lines // 2)
    long = _STRETCH if workers else PAGE
    scratch = files["train"].with_name(files["train"].name + ".rows")
    stretches = [
        _Lines(dataset.number, dataset.system, format_, scratch, at - 1, at - 1 + long)
        for at in range(0, dataset.lines, long)
    ]
    whole = Written()
    await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)  # of an export that was killed
    scratch.mkdir(mode=0o700)
    try:
        with ExitStack() as stack:
            out: dict[Split, BinaryIO] = {
                split: stack.enter_context(_private(file)) for split, file in files.items()
            }
            done = 0
            async with aclosing(_written(database, stretches, workers)) as coming:
                async for lines, written in coming:
                    await asyncio.to_thread(_append, lines, out)
                    whole.unfit.update(written.unfit)
                    for split in SPLITS:
                        whole.rows[split] += written.rows[split]
                        whole.checked[split].extend(written.checked[split])
                    done = min(done + long, dataset.lines)
                    await progress(f"{done:,} of {dataset.lines:,} rows written", done / dataset.lines)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
    return whole


@dataclass(frozen=True, slots=True)
class _Lines:
    """Rows of a dataset behind the position ``after``, up to and with ``upto``, to be written into ``folder``."""

    number: int
    system: str
    format: str
    folder: Path
    after: int
    upto: int

    def path(self, split: Split) -> Path:
        """Where the lines of one side are written."""
        return self.folder / f"{self.after + 1}.{split}"


async def _written(
    database: Database, stretches: Sequence[_Lines], workers: int
) -> AsyncGenerator[tuple[_Lines, Written]]:
    """Each stretch as it is written, in order; by so many processes, or by this one."""
    if not workers:
        for lines in stretches:
            yield lines, await _stretch(database, lines)
        return
    calls = [partial(_stretch, lines=lines) for lines in stretches]
    async with Crew(database.url, workers) as crew, aclosing(crew.done(calls)) as done:
        for lines in stretches:
            yield lines, await anext(done)


def _append(lines: _Lines, out: Mapping[Split, BinaryIO]) -> None:
    for split, file in out.items():
        path = lines.path(split)
        with path.open("rb") as part:
            shutil.copyfileobj(part, file, 1024 * 1024)
        path.unlink()


async def _stretch(database: Database, lines: _Lines) -> Written:
    """Write some rows. Raises ``StorageError``, and ``OSError`` where the files cannot be written."""
    written = Written()
    checking: dict[Split, Checking] = {split: Checking(lines.format) for split in SPLITS}
    with ExitStack() as stack:
        files: dict[Split, BinaryIO] = {
            split: stack.enter_context(_private(lines.path(split))) for split in SPLITS
        }

        def render_all(page: Sequence[Line]) -> None:
            for line in page:
                try:
                    rendered = render(lines.format, with_system(from_json(line.content), lines.system))
                except Unfit as unfit:
                    written.unfit[str(unfit)] += 1
                    continue
                files[line.split].write(rendered + b"\n")
                checking[line.split].line(rendered)
                written.rows[line.split] += 1

        after = lines.after
        while after < lines.upto:

            def read(tx: Tx, after: int = after) -> list[Line]:
                return datasets.lines(tx, lines.number, after=after, limit=min(PAGE, lines.upto - after))

            # Rows that were deleted meanwhile leave gaps; what is behind this stretch is written with the next one.
            page = [line for line in await database.read(read) if line.position <= lines.upto]
            if not page:
                break
            after = page[-1].position
            # Not in the loop: it may be the one in which people are answered.
            await asyncio.to_thread(render_all, page)
    for split in SPLITS:
        written.checked[split].append(checking[split].found)
    return written


def _private(path: Path) -> BinaryIO:
    """A new file that only its owner can read: it holds what people wrote."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path.open("wb")
