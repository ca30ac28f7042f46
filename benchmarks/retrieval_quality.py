"""Whether the right examples are found: hits on a labelled set, beside rank_bm25, and where a floor would refuse.

    python -m benchmarks.retrieval_quality [DATA]

DATA (default ../shared/data) holds ``retrieval_dev.jsonl``: examples and queries with the ids of the examples that
would do ("gold"), none for a query that is out of scope. Exits 1 when a promise is not kept: hit@8 for all but one of
the in-scope queries, and hit@1 no worse than rank_bm25 with its plain split at spaces or with our tokens.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rank_bm25 import BM25Okapi

from benchmarks.retrieval import INSERT, populate, row
from storage import search
from storage.database import Database, Tx
from storage.words import tokens

Record = dict[str, Any]
FOUND = 8
FLOORS = (0.2, 0.25, 0.275, 0.3, 0.325, 0.35, 0.4, 0.5)


async def ours(examples: Sequence[Record], queries: Sequence[Record]) -> list[list[tuple[str, float]]]:
    """The ids and shares of what storage/search.py finds for each query."""
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(f"sqlite+aiosqlite:///{folder}/quality.db")
        await database.write(populate)

        def put(tx: Tx) -> None:
            numbered = list(enumerate(examples, 1))
            tx.run_many(
                INSERT, [row(number, 0, each["text"]) | {"id": each["id"]} for number, each in numbered]
            )
            search.index_many(tx, [(number, "a0", each["text"]) for number, each in numbered])

        await database.write(put)
        found = [
            await database.read(lambda tx, text=query["text"]: search.search(tx, "a0", "", text, limit=FOUND))
            for query in queries
        ]
        await database.close()
    return [[(hit.example.id, hit.share) for hit in hits] for hits in found]


def okapi(
    examples: Sequence[Record], queries: Sequence[Record], split: Callable[[str], list[str]]
) -> list[list[str]]:
    """The ids of what rank_bm25 finds for each query."""
    ranked = BM25Okapi([split(example["text"]) for example in examples])
    found: list[list[str]] = []
    for query in queries:
        scores = ranked.get_scores(split(query["text"]))
        found.append([examples[at]["id"] for at in np.argsort(-scores, kind="stable")[:FOUND]])
    return found


def hits(found: Sequence[Sequence[str]], queries: Sequence[Record], depth: int) -> int:
    """For how many queries one of the first ``depth`` would do."""
    return sum(bool(set(ids[:depth]) & set(query["gold"])) for ids, query in zip(found, queries))


def main() -> int:
    """Print the tables; the exit code says whether the promises hold."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data") / "retrieval_dev.jsonl"
    if not path.is_file():
        print(f"{path} is not there: name the folder that holds retrieval_dev.jsonl.", file=sys.stderr)
        return 2
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    examples = [record for record in records if record["kind"] == "example"]
    queries = [record for record in records if record["kind"] == "query"]
    known = [query for query in queries if query["gold"]]
    unknown = [query for query in queries if not query["gold"]]
    answers = asyncio.run(ours(examples, known + unknown))
    found = [[key for key, _ in answer] for answer in answers[: len(known)]]
    plain = okapi(examples, known, lambda text: text.lower().split())
    same = okapi(examples, known, tokens)
    print(f"{len(examples)} examples, {len(known)} queries in scope, {len(unknown)} out of scope\n")
    print(f"{'':<34}{'hit@1':>8}{'hit@8':>8}")
    for name, each in (
        ("storage/search.py", found),
        ("rank_bm25, split at spaces", plain),
        ("rank_bm25, our tokens", same),
    ):
        print(f"{name:<34}{hits(each, known, 1):>8}{hits(each, known, 8):>8}")
    best = [answer[0][1] if answer else 0.0 for answer in answers]
    right = [bool(set(ids[:1]) & set(query["gold"])) for ids, query in zip(found, known)]
    print(f"\n{'floor':<8}{'in scope, kept':>18}{'of those right':>18}{'out of scope, refused':>24}")
    for floor in FLOORS:
        kept = [share >= floor for share in best[: len(known)]]
        refused = sum(share < floor for share in best[len(known) :])
        mark = "  <- FLOOR" if floor == search.FLOOR else ""
        print(f"{floor:<8}{sum(kept):>18}{sum(a and b for a, b in zip(kept, right)):>18}{refused:>24}{mark}")
    good = hits(found, known, 8) >= len(known) - 1 and hits(found, known, 1) >= max(
        hits(plain, known, 1), hits(same, known, 1)
    )
    print("\nPromises kept." if good else "\nNot as promised.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
