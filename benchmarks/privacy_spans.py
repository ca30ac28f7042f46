"""How much personal data is found, and how much of what is found is: precision and recall by type on labelled texts.

    python -m benchmarks.privacy_spans [PATH]
    python -m benchmarks.privacy_spans --made 20000 --seed 1

PATH (default ../shared/data/pii_spans.jsonl) holds lines of ``text`` and ``spans`` (``start``, ``end``, ``type``), as made
from microsoft/presidio-research; with ``--made`` so many lines of ``benchmarks.privacy_made`` are read instead, without a
file. Spans match when they overlap and are of one type; each is matched once. Types that rules without a model do not claim
(people, places) are left out, as are ours that have no such label (ids, secrets). Then what a chat message costs, in
microseconds.
Exits 1 when a promise is not kept: precision 0.95 and recall 0.9 over the six types together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.privacy_made import records
from training.privacy import Redactor, find

TYPES: Mapping[str, tuple[str, ...]] = {
    "EMAIL_ADDRESS": ("email",),
    "PHONE_NUMBER": ("phone",),
    "CREDIT_CARD": ("card",),
    "DOMAIN_NAME": ("link", "secret link"),
    "US_SSN": ("ssn",),
    "IBAN_CODE": ("iban",),
}
PRECISION, RECALL = 0.95, 0.9

Place = tuple[int, int]


def tally(records: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """For each type how many spans were labelled, found of those, claimed, and right of those."""
    counts = {name: Counter[str]() for name in TYPES}
    for record in records:
        ours = find(record["text"])
        for name, kinds in TYPES.items():
            labelled = [(span["start"], span["end"]) for span in record["spans"] if span["type"] == name]
            claimed = [(span.start, span.end) for span in ours if span.kind in kinds]
            count = counts[name]
            count["labelled"] += len(labelled)
            count["claimed"] += len(claimed)
            count["found"] += pairs(labelled, claimed)
    return counts


def pairs(labelled: list[Place], claimed: list[Place]) -> int:
    """How many of the one can be paired with one of the other that overlaps it; both are in order."""
    count = at = 0
    for start, end in sorted(labelled):
        while at < len(claimed) and claimed[at][1] <= start:
            at += 1
        if at < len(claimed) and claimed[at][0] < end:
            count += 1
            at += 1
    return count


def shares(count: Counter[str]) -> tuple[float, float]:
    """Precision and recall; 1 where there was nothing to be wrong about."""
    return (
        count["found"] / count["claimed"] if count["claimed"] else 1.0,
        count["found"] / count["labelled"] if count["labelled"] else 1.0,
    )


def microseconds(text: str, names: Iterable[str] = ()) -> float:
    """The median processor time to look through one message, in µs."""
    redactor = Redactor(names)
    times: list[float] = []
    for _ in range(25):
        scope = redactor.scope()
        begun = time.process_time()
        for _ in range(200):
            scope.redact(text)
        times.append((time.process_time() - begun) / 200 * 1e6)
    return statistics.median(times)


PLAIN = (
    "I think the second draft reads better than the first, though the ending still feels a bit rushed to me. "
    "Could you try one more version where the two of them meet again at the station, please?"
)
NUMBERED = (
    PLAIN.replace("second", "2nd").replace("one more", "1 more") + " It was 12.50 on 21 May 2024, v2.1."
)
FULL = PLAIN + " Mail ann@example.org or call +44 7700 900123, see https://example.org/draft."


def main() -> int:
    """Print the tables; the exit code says whether the promises hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy_spans")
    parser.add_argument("path", nargs="?", default="../shared/data/pii_spans.jsonl", type=Path)
    parser.add_argument("--made", type=int, metavar="LINES", help="made lines instead of a file")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.made is not None:
        counts = tally(records(given.seed, given.made))
    elif given.path.is_file():
        lines = given.path.read_text(encoding="utf-8").splitlines()
        counts = tally(json.loads(line) for line in lines if line)
    else:
        print(
            f"{given.path} is not there: name a file of labelled spans, or take --made 20000.",
            file=sys.stderr,
        )
        return 2
    total = Counter[str]()
    print(f"{'type':<16}{'labelled':>9}{'claimed':>9}{'matched':>9}{'precision':>11}{'recall':>8}")
    for name, count in counts.items():
        total.update(count)
        line(name, count)
    line("micro average", total)
    print(f"\n{'one message':<40}{'characters':>11}{'µs':>8}")
    names = [f"Anastasia{number} Berg{number}" for number in range(1000)]
    for label, text, members in (
        ("plain", PLAIN, ()),
        ("plain, beside 1,000 members' names", PLAIN, names),
        ("with numbers that are no data", NUMBERED, ()),
        ("with an address, a phone and a link", FULL, ()),
    ):
        print(f"{label:<40}{len(text):>11}{microseconds(text, members):>8.1f}")
    precision, recall = shares(total)
    return int(precision < PRECISION or recall < RECALL)


def line(name: str, count: Counter[str]) -> None:
    """One row of the table."""
    precision, recall = shares(count)
    print(
        f"{name:<16}{count['labelled']:>9}{count['claimed']:>9}{count['found']:>9}{precision:>11.3f}{recall:>8.3f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
