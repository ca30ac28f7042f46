"""What training the embedded model brings on real questions, and how long it takes: hit@1 and hit@8 before and after.

    python -m benchmarks.embedded_tuning [DATA] [--rows N ...]

DATA (default ../shared/data) holds retrieval_dev.jsonl and conversations.jsonl. *Before* is embedded:base that has the same
rows to answer from, *after* the trained model; both answer alone, without examples shown to them. Four trainings, none of
which sees a question that it is asked:

- intents: examples of retrieval_dev.jsonl, each answered by its intent (N of each, as an avatar of that age would have);
  asked are its queries. Those out of scope are asked as well: they should be left unanswered.
- few topics: the same with two or three intents alone, over several draws of them; out of scope are also the queries of all
  other intents, which are asked in the same way as those that are taught.
- paraphrases: conversations whose first message has a title; trained on what follows the title, asked by the title.
- open talk: whole conversations, a tenth of them held out by a hash of their id. No reply is ever given twice, so a
  question has to find its own reply among twenty.

The numbers of epochs, the rate, the size and the prior mix were chosen while looking at these figures, and so was, on other
draws of few topics, how the constant of the mix is found (blend.levelled); none of the lines asked here is among those that
it is found with. Exits 1 when hit@1 does not rise where it can.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As the worker does, and before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from adapters.vendors.embedded.course import Course, Plan
from adapters.vendors.embedded.exam import Marks, measure
from adapters.vendors.embedded.lessons import Lesson, once
from adapters.vendors.embedded.model import Loaded

SEED = 20261121


@dataclass(frozen=True, slots=True)
class Trial:
    """``strange`` are questions that nothing taught answers."""

    name: str
    train: list[Lesson]
    held: list[Lesson]
    strange: tuple[str, ...] = ()


def read(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def intents(rows: Sequence[dict[str, Any]], each: int) -> Trial:
    """``each`` examples of every intent (0: all), and all queries."""
    chance = random.Random(SEED)
    by_intent: defaultdict[str, list[Lesson]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "example":
            by_intent[row["label"]].append(Lesson(row["text"], row["label"]))
    train = [
        one
        for known in by_intent.values()
        for one in (chance.sample(known, min(each, len(known))) if each else known)
    ]
    held = [Lesson(row["text"], row["label"]) for row in rows if row["kind"] == "query" and row["gold"]]
    strange = tuple(row["text"] for row in rows if row["kind"] == "query" and not row["gold"])
    return Trial(f"intents, {each or 'all'} each", once(train), once(held), strange)


def few(rows: Sequence[dict[str, Any]], topics: int, each: int, draw: int) -> Trial:
    """``each`` examples of ``topics`` intents, drawn; all other queries are strange."""
    chance = random.Random(SEED + draw)
    labels = sorted({row["label"] for row in rows if row["kind"] == "example"})
    chosen = chance.sample(labels, topics)
    kept = [row for row in rows if row["label"] in chosen]
    known = intents(kept, each)
    strange = tuple(row["text"] for row in rows if row["kind"] == "query" and row["label"] not in chosen)
    return Trial(f"{topics} topics, draw {draw}", known.train, known.held, strange)


def paraphrases(rows: Sequence[dict[str, Any]]) -> Trial:
    """Questions with a title: trained without it, asked by it; untitled ones are trained on as they are."""
    train: dict[str, Lesson] = {}
    held: dict[str, Lesson] = {}
    for row in rows:
        if len(row["turns"]) < 2 or row["turns"][0]["content"] in train:
            continue
        asked, reply = (turn["content"] for turn in row["turns"][:2])
        title, _, rest = asked.partition("\n\n")
        if 15 < len(title) < 200 and len(rest) > 30:
            train[asked], held[asked] = Lesson(rest, reply), Lesson(title, reply)
        else:
            train[asked] = Lesson(asked, reply)
    return Trial("paraphrases", once(train.values()), once(held.values()))


def talk(rows: Sequence[dict[str, Any]]) -> Trial:
    """Every exchange of every conversation; the variants of one question stay on one side."""
    sides: tuple[list[Lesson], list[Lesson]] = [], []
    for row in rows:
        name = row["conversation_id"].rpartition("-")[0]
        side = sides[hashlib.sha256(name.encode()).digest()[0] % 10 == 0]
        said = [turn["content"] for turn in row["turns"]]
        side.extend(Lesson(asked, reply) for asked, reply in zip(said[::2], said[1::2]))
    return Trial("open talk", once(sides[0]), once(sides[1]))


def train(trial: Trial) -> tuple[Marks, Marks, int, int, int, float, float]:
    """Marks before and after, strange questions answered before and after, epochs, seconds and those of the CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    plan = Plan()
    course = Course(trial.train, trial.held, plan)
    best, waited, number, model = float("inf"), 0, 0, None
    while number < plan.epochs and waited < plan.patience:
        number += 1
        seen = course.epoch(number)
        waited += 1
        if plan.better(seen.loss, best):
            best, waited, model = seen.loss, 0, course.artefact("after", {})
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert model is not None
    before, after = Loaded(course.untrained("before", {})), Loaded(model)

    def answered(loaded: Loaded) -> int:
        ranked = [loaded.ranked(asked) for asked in trial.strange]
        return sum(bool(one) and one[0].score >= loaded.artefact.weights.floor for one in ranked)

    return (
        measure(before, course.exam),
        measure(after, course.exam),
        answered(before),
        answered(after),
        number,
        seconds,
        cpu,
    )


def main() -> int:
    """Print the table; the exit code says whether hit@1 rose wherever it was below 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", nargs="*", type=int, default=[10, 20, 0], help="examples of each intent")
    options = parser.parse_args()
    if not (options.data / "retrieval_dev.jsonl").is_file():
        print(
            f"{options.data} is not there: name the folder that holds retrieval_dev.jsonl.", file=sys.stderr
        )
        return 2
    dev, conversations = (read(options.data / f"{name}.jsonl") for name in ("retrieval_dev", "conversations"))
    trials = [*(intents(dev, each) for each in options.rows), paraphrases(conversations), talk(conversations)]
    trials += [few(dev, topics, 30, draw) for topics in (2, 3) for draw in range(1, 4)]
    print(
        f"{'':<20}{'rows':>6}{'asked':>7}{'hit@1':>15}{'hit@8':>15}{'answered (right)':>26}{'out of scope':>18}"
        f"{'epochs':>8}{'seconds':>9}{'of CPU':>8}"
    )
    rose = True
    for trial in trials:
        before, after, wild, tame, epochs, seconds, cpu = train(trial)
        rose &= after.first > before.first or before.first == before.asked
        answered = f"{before.answered} ({before.right}) > {after.answered} ({after.right})"
        print(
            f"{trial.name:<20}{len(trial.train):>6}{before.asked:>7}"
            f"{before.first / before.asked:>8.3f} >{after.first / after.asked:.3f}"
            f"{before.eight / before.asked:>8.3f} >{after.eight / after.asked:.3f}"
            f"{answered if before.answered or after.answered else '-':>26}"
            f"{f'{wild} > {tame} of {len(trial.strange)}' if trial.strange else '-':>18}"
            f"{epochs:>8}{seconds:>9.1f}{cpu:>8.1f}"
        )
    print("\nhit@1 rose wherever it could." if rose else "\nhit@1 did not rise everywhere.")
    return 0 if rose else 1


if __name__ == "__main__":
    sys.exit(main())
