"""What the rows of a dataset are like, and what is likely to go wrong with a model that is trained on them.

Of each row a ``Look`` keeps what a report needs, as a few numbers: whoever keeps these by the million (training/staging.py)
hands them out column by column, and the words of the few rows that a report wants to read. Who and what is frequent is
counted exactly; languages and diversity are those of a sample that follows from the content of the rows, so that the same
rows give the same report.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from training.collect import context_of
from training.rows import Row
from training.sketches import normalise, words
from training.summaries import Conflict, Conflicts, Spread, counted, distinct, most_frequent, spread
from training.wording import UNKNOWN, edges, is_refusal, languages

BOILERPLATE: Final = 0.05
"""The share of replies that a beginning or an ending must have to be reported at all."""
SAMPLE: Final = 2_000
"""Rows whose replies are looked at more closely."""

_FEW: Final = 4  # replies that resemble each other and are no habit yet

# -- what is seen and told


@dataclass(frozen=True, slots=True)
class Fact:
    """A row and where it comes from. ``author`` is the person who asked, empty if unknown; ``quality`` is 0..1."""

    row: Row
    author: str
    raters: tuple[str, ...]
    quality: float | None
    source: str


class Look(NamedTuple):
    """What a report needs of a row, all but its words. Texts are there as numbers, 0 where there is none.

    ``beginning`` and ``ending`` are those of the reply; ``label`` is -1 without one; ``quality`` may be not a number.
    ``asked`` is a hash of what the reply is to, ``key`` of the row.
    """

    characters: int
    turns: int
    refusal: bool
    beginning: int
    ending: int
    label: int
    author: int
    quality: float
    asked: int
    key: int
    source: int
    raters: tuple[int, ...]


LOOK: Final = (
    ("characters", "<u4"), ("turns", "<u4"), ("refusal", "?"), ("beginning", "<u8"), ("ending", "<u8"), ("label", "i1"),
    ("author", "<u8"), ("quality", "<f4"), ("asked", "<u8"), ("key", "<u8"), ("source", "<u8"), ("raters", "<u2"),
)  # fmt: skip
"""The columns that hold looks; of the raters their number."""


def number(text: str) -> int:
    """Eight bytes that stand for a text, the same on every machine; 0 for an empty one."""
    return (
        int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) if text else 0
    )


_often = lru_cache(maxsize=4096)(number)  # for what comes again, as people do


def look(fact: Fact) -> Look:
    """What is to be known of a row."""
    row, reply = fact.row, fact.row.reply
    beginning, ending = edges(reply)
    asked = context_of(row.prompt)
    whole = blake2b(asked, digest_size=8)
    whole.update(f"\0{fact.author}\0{reply}".encode("utf-8", "surrogatepass"))
    return Look(
        len(reply),
        len(row.talk) + 1,
        is_refusal(reply),
        number(beginning),
        number(ending),
        -1 if row.label is None else int(row.label),
        _often(fact.author),
        math.nan if fact.quality is None else fact.quality,
        int.from_bytes(asked[:8]),
        int.from_bytes(whole.digest()),
        _often(fact.source),
        tuple({_often(rater): None for rater in fact.raters}),
    )


class Looks(Protocol):
    """Rows as a report sees them."""

    def column(self, name: str) -> NDArray[Any]:
        """One value of ``LOOK`` for each row."""
        ...

    def raters(self) -> NDArray[np.uint64]:
        """The raters of all rows, one row's after the other's."""
        ...

    def said(self, rows: NDArray[np.integer]) -> Iterator[tuple[str, str]]:
        """The question and the reply of each of some rows."""
        ...

    def source(self, number: int) -> str:
        """The source that a number stands for."""
        ...


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """Words with which too many replies begin or end; ``share`` is 0..1."""

    text: str
    where: Literal["beginning", "ending"]
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """What rows are like. Shares are 0..1.

    ``refusals`` and ``multi_turn`` are shares of rows. ``author`` is the share of rows that one person asked, ``rater`` that
    of rated rows which one person rated: those of whoever has most. ``positive`` and ``negative`` count rows with a label.
    ``conflicts`` are questions with dissimilar replies: exact up to 20,000 distinct questions, estimated from so many of
    them beyond. ``languages``, ``distinct_2`` (distinct over all pairs of neighbouring words), ``distance`` (mean Jaccard
    distance of two replies' words) and ``vocabulary`` are those of the replies of ``sampled`` distinct rows.
    """

    rows: int
    characters: Spread
    turns: Spread
    refusals: float
    multi_turn: float
    boilerplate: tuple[Boilerplate, ...]
    languages: Mapping[str, float]
    positive: int
    negative: int
    author: float
    authors_known: bool
    rater: float
    conflicts: int
    conflict_samples: tuple[Conflict, ...]
    sampled: int
    distinct_2: float
    distance: float
    vocabulary: int
    sources: Mapping[str, float]
    quality: float | None

    def data(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is worth a warning; shares 0..1, ``balance`` is how many of one label to one of the other."""

    refusals: float = 0.05
    boilerplate: float = BOILERPLATE
    other_languages: float = 0.1
    balance: float = 4.0
    person: float = 0.2
    conflicts: float = 0.01
    distance: float = 0.6
    median_characters: int = 40


def report(
    seen: Looks,
    kept: NDArray[np.bool_],
    *,
    sample: int = SAMPLE,
    languages_of: Callable[[Sequence[str]], list[str]] = languages,
) -> Report:
    """What those rows are like of which ``kept`` says so; ``languages_of`` names the language of each of some texts.

    May take a second: the first look at languages loads a model of 5 MB.
    """
    many = int(np.count_nonzero(kept))
    label = seen.column("label")[kept]
    author = most_frequent(seen.column("author")[kept])
    quality = seen.column("quality")[kept]
    graded = quality[~np.isnan(quality)]
    replies = [reply for _, reply in seen.said(_sampled(seen.column("key"), kept, sample))]
    spoken = [words(normalise(reply[:4_000])) for reply in replies]
    pairs = [pair for each in spoken for pair in pairwise(each)]
    conflicts, samples = _conflicts(seen, kept)
    return Report(
        rows=many,
        characters=spread(seen.column("characters")[kept]),
        turns=spread(seen.column("turns")[kept]),
        refusals=_share(int(np.count_nonzero(seen.column("refusal")[kept])), many),
        multi_turn=_share(int(np.count_nonzero(seen.column("turns")[kept] > 2)), many),
        boilerplate=(*_edges(seen, kept, "beginning"), *_edges(seen, kept, "ending")),
        languages=_shares(languages_of(replies)),
        positive=int(np.count_nonzero(label == 1)),
        negative=int(np.count_nonzero(label == 0)),
        author=_share(author, many),
        authors_known=author > 0,
        rater=_rater(seen, kept),
        conflicts=conflicts,
        conflict_samples=samples,
        sampled=len(replies),
        distinct_2=round(len(set(pairs)) / len(pairs), 4) if pairs else 0.0,
        distance=_distance([frozenset(each) for each in spoken]),
        vocabulary=len({word for each in spoken for word in each}),
        sources={
            seen.source(source): _share(count, many)
            for source, count in sorted(
                counted(seen.column("source")[kept]), key=lambda each: (-each[1], each[0])
            )
        },
        quality=round(float(graded.mean(dtype=np.float64)), 4) if len(graded) else None,
    )


def _sampled(keys: NDArray[np.uint64], kept: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """The rows with the lowest keys, in their order; of rows that are the same the first."""
    known = distinct(keys[kept])
    if len(known) > most:
        kept = kept & (keys < known[most])
    there = np.flatnonzero(kept)
    _, first = np.unique(keys[there], return_index=True)
    return there[first]


def _edges(seen: Looks, kept: NDArray[np.bool_], where: Literal["beginning", "ending"]) -> list[Boilerplate]:
    """What more than a twentieth of all replies begin or end with, if it is not one of a handful."""
    column = seen.column(where)
    many = int(np.count_nonzero(kept))
    least = max(BOILERPLATE * many, _FEW)
    often = counted(column[kept], least)
    if not often:
        return []
    rows = np.array([np.flatnonzero(kept & (column == edge))[0] for edge, _ in often])
    texts = [edges(reply)[where == "ending"] for _, reply in seen.said(rows)]
    found = [
        Boilerplate(text, where, _share(count, many)) for text, (_, count) in zip(texts, often, strict=True)
    ]
    return sorted(found, key=lambda each: (-each.share, each.text))


def _rater(seen: Looks, kept: NDArray[np.bool_]) -> float:
    counts = seen.column("raters")
    rated = int(np.count_nonzero(counts[kept]))
    return _share(most_frequent(seen.raters()[np.repeat(kept, counts)]), rated)


def _conflicts(seen: Looks, kept: NDArray[np.bool_]) -> tuple[int, tuple[Conflict, ...]]:
    """Questions with replies that differ; only those are read that are there more than once."""
    asked = seen.column("asked")
    # A bad reply is meant to differ from a good one.
    rows = np.flatnonzero(kept & (seen.column("label") != 0))
    conflicts = Conflicts(distinct(asked[rows]))
    rows = rows[conflicts.wants(asked[rows])]
    _, of, counts = np.unique(asked[rows], return_inverse=True, return_counts=True)
    again = rows[counts[of] > 1]
    for row, (question, reply) in zip(again.tolist(), seen.said(again), strict=True):
        conflicts.see(int(asked[row]), question, reply)
    return conflicts.found()


def _share(count: int, of: int) -> float:
    return round(count / of, 4) if of else 0.0


def _shares(names: Collection[str]) -> dict[str, float]:
    counts = Counter(names)
    return {
        name: round(count / len(names), 4)
        for name, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    }


def _distance(found: Sequence[frozenset[bytes]]) -> float:
    """The mean over each text and the two that follow it in the order of their hashes, which is a random one."""
    total, pairs = 0.0, 0
    for step in (1, 2):
        for one, other in zip(found, found[step:]):
            total += 1 - len(one & other) / len(one | other) if one or other else 0.0
            pairs += 1
    return round(total / pairs, 4) if pairs else 0.0


# -- what is said about it


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"


@dataclass(frozen=True, slots=True)
class _Warnings:
    found: list[str] = field(default_factory=list[str])

    def add(self, wrong: bool, sentence: str) -> None:
        if wrong:
            self.found.append(sentence)


def warnings(report: Report, limits: Limits | None = None) -> list[str]:
    """What is wrong with the rows and what to do about it, a sentence each; empty if nothing is."""
    limits = limits or Limits()
    told = _Warnings()
    told.add(
        report.refusals > limits.refusals,
        f"{_percent(report.refusals)} of the replies refuse or speak of themselves as an AI, and the model will learn that: "
        "rate them down or ask for a higher rating.",
    )
    for each in sorted(report.boilerplate, key=lambda each: -each.share)[:3]:
        verb = "begin" if each.where == "beginning" else "end"
        told.add(
            each.share > limits.boilerplate,
            f"{_percent(each.share)} of the replies {verb} with “{each.text}”, which the model will then say everywhere: "
            "take it out of the system prompt or rate such replies down.",
        )
    known = {name: share for name, share in report.languages.items() if name != UNKNOWN}
    if known:
        main = max(known, key=lambda name: known[name])
        others = sum(known.values()) - known[main]
        told.add(
            others > limits.other_languages * sum(known.values()),
            f"{_percent(others / sum(known.values()))} of the replies are not in the main language ({main}): "
            "expect answers in the wrong language, or make an avatar for each language.",
        )
    fewer, more = sorted((report.positive, report.negative))
    told.add(
        more > limits.balance * fewer,
        f"{report.positive} replies are liked and {report.negative} are not: kto learns little beyond 1 to "
        f"{limits.balance:g}, so ask people to rate what they see less of, or train with sft.",
    )
    told.add(
        report.author > limits.person,
        f"One person asked {_percent(report.author)} of the questions: the model will suit that person; lower the cap for "
        "one person or wait for others.",
    )
    told.add(
        report.rater > limits.person,
        f"One person rated {_percent(report.rater)} of the rated rows: it is that person's taste which is learnt; invite "
        "others to rate.",
    )
    told.add(
        report.conflicts > limits.conflicts * report.rows,
        f"{report.conflicts} questions have replies that differ widely: approve the right one of each, reject the others.",
    )
    told.add(
        report.sampled > 1 and report.distance < limits.distance,
        f"Replies resemble each other (mean distance {report.distance:.2f} of 1): the model will answer everything alike; "
        "collect other topics.",
    )
    told.add(
        report.rows > 0 and report.characters.median < limits.median_characters,
        f"Half of the replies have at most {report.characters.median} characters: the model will be curt; raise the least "
        "length if that is not its part.",
    )
    return told.found
