"""How fast examples are found, and how much of the exact answer that keeps.

    python -m benchmarks.retrieval [--sizes 10000,100000,1000000] [--folder DIR]

Chat text drawn from a Zipf-Mandelbrot distribution with a fixed seed; 200 avatars, the largest with a fifth of all
examples. Beside storage/search.py: plain FTS5 (``OR`` of all words, ``bm25()``, filtered by avatar) and bm25s (one
index, masked by avatar). Each is measured in a process of its own. "Kept" is the sum of the exact BM25 of the eight
that were found over that of the exact eight.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from storage import search
from storage.database import Database, Tx, insert_into
from storage.schema import AvatarRow, ExampleRow, WorkspaceRow
from storage.words import tokens

SEED = 20261121
AVATARS = 200
WORDS = 50_000
FOUND = 8
# (queries that are timed, queries whose exact answer is computed)
OURS, BESIDE, EXACT, INSERTS = 1_000, 60, 60, 50

Text = tuple[int, str]  # avatar, text


def vocabulary() -> np.ndarray:
    """Pronounceable words, the frequent ones short."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprtvz" for vowel in "aou"]
    words: list[str] = []
    for rank in range(WORDS):
        word, rest = syllables[rank % len(syllables)], rank // len(syllables)
        while rest:
            word += syllables[rest % len(syllables)]
            rest //= len(syllables)
        words.append(word)
    return np.array(words)


def shares() -> np.ndarray:
    """How much of everything each avatar holds."""
    rest = 1 / (np.arange(AVATARS - 1) + 10)
    return np.concatenate([[0.2], 0.8 * rest / rest.sum()])


def drawn(count: int, seed: int) -> Iterator[Text]:
    """So many messages, each of some avatar; the same ones for the same seed."""
    random = np.random.default_rng(seed)
    words = vocabulary()
    weights = 1 / (np.arange(WORDS) + 2.7)
    steps = np.cumsum(weights / weights.sum())
    owners = np.cumsum(shares())
    while count > 0:
        some = min(count, 20_000)
        count -= some
        lengths = np.clip(random.lognormal(2.3, 0.55, some).astype(int), 2, 80)
        picked = words[np.minimum(np.searchsorted(steps, random.random(lengths.sum())), WORDS - 1)]
        avatars = np.minimum(np.searchsorted(owners, random.random(some)), AVATARS - 1)
        at = 0
        for length, avatar in zip(lengths, avatars):
            yield int(avatar), " ".join(picked[at : at + length])
            at += length


def queries(count: int, size: int) -> list[Text]:
    """Half new messages, half examples of the collection in other words (four in ten replaced)."""
    new = list(drawn(count, SEED + 1))
    known = list(drawn(min(size, 20_000), SEED))
    random = np.random.default_rng(SEED + 2)
    words = vocabulary()
    found: list[Text] = []
    for number, (avatar, text) in enumerate(new):
        if number % 2:
            avatar, text = known[int(random.integers(len(known)))]
            kept = [
                word if random.random() > 0.4 else str(words[int(WORDS ** random.random()) - 1])
                for word in text.split()
            ]
            text = " ".join(kept)
        found.append((avatar, text))
    return found


def row(number: int, avatar: int, text: str) -> dict[str, object]:
    """An approved example."""
    return {
        "id": f"e{number}", "number": number, "workspace_id": "w", "avatar_id": f"a{avatar}", "audience": "",
        "user_text": text, "assistant_text": "yes", "pattern": "statement", "quality": 1.0, "status": "approved",
        "reviewed": False, "pinned": False, "source": "import", "source_key": f"e{number}", "exchange_id": None,
        "conversation_id": None, "created_at": number, "updated_at": number,
    }  # fmt: skip


INSERT = insert_into(ExampleRow)


def populate(tx: Tx) -> None:
    """The workspace and its avatars."""
    here = {"id": "w", "platform": "terminal", "key": "w", "name": "w", "consent": "opt-out"}
    tx.run(insert_into(WorkspaceRow), {**here, "default_avatar_id": None, "notices": "", "created_at": 0})
    for avatar in range(AVATARS):
        record = AvatarRow(
            id=f"a{avatar}", workspace_id="w", name=str(avatar), name_key=str(avatar), created_at=0
        )
        tx.run(insert_into(AvatarRow), record.model_dump())


async def build(folder: Path, size: int) -> dict[str, float]:
    """The database with its examples, then their index."""
    database = await Database.open(f"sqlite+aiosqlite:///{folder / 'ours.db'}")
    await database.write(populate)
    spent = 0.0
    chunk: list[tuple[int, int, str]] = []

    def put(tx: Tx) -> float:
        tx.run_many(INSERT, [row(*each) for each in chunk])
        began = time.perf_counter()
        search.index_many(tx, [(number, f"a{avatar}", text) for number, avatar, text in chunk])
        return time.perf_counter() - began

    for number, (avatar, text) in enumerate(drawn(size, SEED), 1):
        chunk.append((number, avatar, text))
        if len(chunk) == 5_000 or number == size:
            spent += await database.write(put)
            chunk.clear()
    await database.close()
    return {"build_s": spent, "disk_mb": (folder / "ours.db").stat().st_size / 1e6}


async def ours(folder: Path, size: int) -> dict[str, float]:
    """storage/search.py through the read sessions and the writer that the application uses."""
    database = await Database.open(f"sqlite+aiosqlite:///{folder / 'ours.db'}")
    times: list[float] = []
    for number, (avatar, text) in enumerate(queries(OURS + 50, size)):
        began = time.perf_counter()
        await database.read(lambda tx, a=avatar, t=text: search.search(tx, f"a{a}", "", t, limit=FOUND))
        if number >= 50:
            times.append(time.perf_counter() - began)
    peak = memory()
    inserts: list[float] = []
    for number, (avatar, text) in enumerate(drawn(INSERTS, SEED + 3), size + 1):
        text = f"{text} unheard{number}"

        def put(tx: Tx, n: int = number, a: int = avatar, t: str = text) -> None:
            tx.run(INSERT, row(n, a, t))
            search.index(tx, n, f"a{a}", t)

        began = time.perf_counter()
        await database.write(put)
        hits = await database.read(
            lambda tx, n=number, a=avatar: search.search(tx, f"a{a}", "", f"unheard{n}", limit=FOUND)
        )
        inserts.append(time.perf_counter() - began)
        assert [hit.example.number for hit in hits] == [number]
        await database.write(lambda tx, n=number: search.unindex(tx, n))
    kept: list[float] = []
    for avatar, text in queries(EXACT, size):
        sums: list[float] = []
        for budget in (search.BUDGET, 1 << 60):
            before, search.BUDGET = search.BUDGET, budget
            hits = await database.read(
                lambda tx, a=avatar, t=text: search.search(tx, f"a{a}", "", t, limit=FOUND)
            )
            search.BUDGET = before
            sums.append(sum(hit.score for hit in hits))
        kept.append(sums[0] / sums[1] if sums[1] else 1.0)
    await database.close()
    return {
        **percentiles(times), "memory_mb": peak, "insert_ms": float(np.median(inserts)) * 1e3,
        "kept_mean": float(np.mean(kept)), "kept_least": min(kept),
    }  # fmt: skip


def fts5(folder: Path, size: int) -> dict[str, float]:
    """What one writes first: all texts in one FTS5 table, all words of the query, the best of the avatar's."""
    connection = sqlite3.connect(folder / "fts5.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE VIRTUAL TABLE found USING fts5(text, avatar UNINDEXED)")
    began = time.perf_counter()
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO found (rowid, avatar, text) VALUES (?, ?, ?)",
        ((number, avatar, text) for number, (avatar, text) in enumerate(drawn(size, SEED), 1)),
    )
    connection.execute("COMMIT")
    built = time.perf_counter() - began
    wanted = "SELECT rowid FROM found WHERE found MATCH ? AND avatar = ? ORDER BY bm25(found) LIMIT 8"

    def once(avatar: int, text: str) -> None:
        connection.execute(wanted, (" OR ".join(f'"{word}"' for word in text.split()), avatar)).fetchall()

    times = timed(once, queries(BESIDE + 5, size))
    inserts: list[float] = []
    for number, (avatar, text) in enumerate(drawn(INSERTS, SEED + 3), size + 1):
        began = time.perf_counter()
        connection.execute("INSERT INTO found (rowid, avatar, text) VALUES (?, ?, ?)", (number, avatar, text))
        inserts.append(time.perf_counter() - began)
    connection.close()
    return {
        **percentiles(times), "memory_mb": memory(), "build_s": built, "insert_ms": float(np.median(inserts)) * 1e3,
        "disk_mb": (folder / "fts5.db").stat().st_size / 1e6,
    }  # fmt: skip


def bm25s(folder: Path, size: int) -> dict[str, float]:
    """The library, all in memory; one more example means to build again."""
    import bm25s as library

    began = time.perf_counter()
    texts: list[list[str]] = []
    owners: list[int] = []
    for avatar, text in drawn(size, SEED):
        owners.append(avatar)
        texts.append(tokens(text))
    index = library.BM25(k1=search.K1, b=search.B)
    index.index(texts, show_progress=False)
    built = time.perf_counter() - began
    del texts
    gc.collect()
    owned = np.array(owners)
    masks = {avatar: (owned == avatar).astype("float32") for avatar, _ in queries(BESIDE + 5, size)}

    def once(avatar: int, text: str) -> None:
        index.retrieve([tokens(text)], k=FOUND, show_progress=False, weight_mask=masks[avatar])

    times = timed(once, queries(BESIDE + 5, size))
    return {**percentiles(times), "memory_mb": memory(), "build_s": built, "insert_ms": built * 1e3}


def timed(once: Callable[[int, str], None], asked: list[Text]) -> list[float]:
    """Seconds of each query, without the first five."""
    times: list[float] = []
    for avatar, text in asked:
        began = time.perf_counter()
        once(avatar, text)
        times.append(time.perf_counter() - began)
    return times[5:]


def percentiles(times: list[float]) -> dict[str, float]:
    """Milliseconds."""
    return {"p50_ms": float(np.percentile(times, 50)) * 1e3, "p99_ms": float(np.percentile(times, 99)) * 1e3}


def memory() -> float:
    """The most that this process held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def part(name: str, folder: Path, size: int) -> dict[str, float]:
    """One measurement, in this process."""
    if name in {"build", "ours"}:
        return asyncio.run({"build": build, "ours": ours}[name](folder, size))
    return {"fts5": fts5, "bm25s": bm25s}[name](folder, size)


def apart(name: str, folder: Path, size: int) -> dict[str, float]:
    """One measurement, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.retrieval",
        "--part",
        name,
        "--folder",
        str(folder),
        "--sizes",
        str(size),
    ]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


COLUMNS = ("p50_ms", "p99_ms", "memory_mb", "disk_mb", "build_s", "insert_ms", "kept_mean", "kept_least")


def line(size: str, name: str, cells: list[str]) -> None:
    """One line of the table."""
    print(f"{size:>9}  {name:<22}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--folder", type=Path, help="where to keep the databases meanwhile")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.part:
        print(json.dumps(part(options.part, options.folder, sizes[0])))
        return
    print(
        f"{AVATARS} avatars, the largest with {shares()[0]:.0%}; seed {SEED}; Python {sys.version.split()[0]},"
    )
    print(
        f"SQLite {sqlite3.sqlite_version}; budget {search.BUDGET} postings, {search.CANDIDATES} candidates\n"
    )
    line("examples", "", list(COLUMNS))
    for size in sizes:
        folder = Path(tempfile.mkdtemp(prefix="retrieval-", dir=options.folder))
        try:
            found = {"storage/search.py": {**apart("build", folder, size), **apart("ours", folder, size)}}
            found["FTS5, OR of all words"] = apart("fts5", folder, size)
            found["bm25s"] = apart("bm25s", folder, size)
        finally:
            shutil.rmtree(folder)
        for name, figures in found.items():
            line(f"{size:,}", name, [f"{figures[key]:,.3f}" if key in figures else "-" for key in COLUMNS])
        mine = found["storage/search.py"]
        for name, figures in list(found.items())[1:]:
            ratios = [f"{figures[key] / mine[key]:,.1f}x" if key in figures else "-" for key in COLUMNS[:6]]
            line("", f"  {name[:12]} / ours", ratios)


if __name__ == "__main__":
    main()
