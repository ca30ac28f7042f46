"""What the rows of a dataset are like, and what is likely to go wrong with a model that is trained on them.

Rows are seen one after the other and memory does not grow with them: lengths are kept as a histogram, who and what is
frequent as a summary of a thousand counters, languages and diversity as those of a sample that follows from the content of
the rows, so that the same rows give the same report.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

from training.duplicates import normalise, words
from training.rows import Row
from training.summaries import Conflict, Conflicts, Frequent, Lengths, Spread
from training.wording import UNKNOWN, edges, is_refusal, languages

BOILERPLATE: Final = 0.05
"""The share of replies that a beginning or an ending must have to be reported at all."""

_FEW: Final = 4  # replies that resemble each other and are no habit yet

# -- rows by themselves


def too_short(row: Row, least_characters: int = 20) -> bool:
    """Whether the reply is not longer than so many characters."""
    return len(row.reply.strip()) <= least_characters


def is_boilerplate(text: str, known: Iterable[Boilerplate]) -> bool:
    """Whether a reply begins or ends as a report says that too many do."""
    beginning, ending = edges(text)
    return any(each.text == (beginning if each.where == "beginning" else ending) for each in known)


# -- what is seen and told


@dataclass(frozen=True, slots=True)
class Fact:
    """A row and where it comes from. ``author`` is the person who asked, empty if unknown; ``quality`` is 0..1."""

    row: Row
    author: str
    raters: tuple[str, ...]
    quality: float | None
    source: str


# A tuple, since it is kept for each of perhaps a million rows.
class Look(NamedTuple):
    """What a report needs of a row, all but its words: those it asks for when it wants to keep them.

    ``beginning`` and ``ending`` are those of the reply; ``asked`` is a hash of what it is a reply to, ``key`` of the row.
    """

    characters: int
    turns: int
    refusal: bool
    beginning: str
    ending: str
    label: bool | None
    author: str
    raters: tuple[str, ...]
    source: str
    quality: float | None
    asked: int
    key: int


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """Words with which too many replies begin or end; ``share`` 0..1 is at most 0.001 too low."""

    text: str
    where: Literal["beginning", "ending"]
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """What rows are like. Shares are 0..1.

    ``refusals`` and ``multi_turn`` are shares of rows. ``author`` is the share of rows that one person asked, ``rater`` that
    of rated rows which one person rated: those of whoever has most, at most 0.001 too low (``rater``: times the raters of a
    row). ``positive`` and ``negative`` count rows with a label. ``conflicts`` are questions with dissimilar replies: exact
    up to 20,000 distinct questions, estimated from so many of them beyond. ``languages``, ``distinct_2`` (distinct over all
    pairs of neighbouring words), ``distance`` (mean Jaccard distance of two replies' words) and ``vocabulary`` are those of
    the replies of ``sampled`` distinct rows. ``duplicates`` is what the caller knows of it.
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
    duplicates: float | None = None

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
    duplicates: float = 0.3
    distance: float = 0.6
    median_characters: int = 40


class Quality:
    """Sees rows and reports on them. ``languages_of`` names the language of each of some texts."""

    def __init__(
        self,
        *,
        sample: int = 2_000,
        seed: int = 20261121,
        languages_of: Callable[[Sequence[str]], list[str]] | None = None,
    ) -> None:
        self._most = sample
        self._salt = seed.to_bytes(8, "little", signed=True)
        self._languages_of = languages_of or languages
        self._rows = self._refusals = self._multi_turn = self._rated = 0
        self._positive = self._negative = 0
        self._quality, self._graded = 0.0, 0
        self._characters, self._turns = Lengths(), Lengths()
        self._beginnings, self._endings = Frequent(), Frequent()
        self._authors, self._raters, self._sources = Frequent(), Frequent(), Frequent()
        self._conflicts = Conflicts()
        # The rows with the lowest hashes; the heap has the highest of them on top.
        self._sample: list[tuple[int, str]] = []
        self._sampled: set[int] = set()

    def see(self, fact: Fact) -> None:
        """Take one row into account."""
        row = fact.row
        self.take(self.look(fact), lambda: (row.question, row.reply))

    def look(self, fact: Fact) -> Look:
        """What is to be known of a row: the costly part, done once where several reports see it (of the same seed)."""
        row, reply = fact.row, fact.row.reply
        talk = row.talk
        beginning, ending = edges(reply)
        parts: list[str] = []
        for turn in talk[:-1]:
            parts += (turn.role, "\0", turn.text, "\0")
        parts.append(normalise(row.question))
        asked = blake2b("".join(parts).encode("utf-8", "surrogatepass"), digest_size=8, key=self._salt)
        whole = asked.copy()
        whole.update(f"\0{fact.author}\0{reply}".encode("utf-8", "surrogatepass"))
        return Look(
            len(reply),
            len(talk) + 1,
            is_refusal(reply),
            beginning,
            ending,
            row.label,
            fact.author,
            fact.raters,
            fact.source,
            fact.quality,
            int.from_bytes(asked.digest(), "little"),
            int.from_bytes(whole.digest(), "little"),
        )

    def take(self, look: Look, said: Callable[[], tuple[str, str]]) -> None:
        """Take into account what ``look`` saw; ``said`` gives the question and the reply of the row."""
        self._rows += 1
        self._characters.see(look.characters)
        self._turns.see(look.turns)
        self._multi_turn += look.turns > 2
        self._refusals += look.refusal
        if look.beginning:
            self._beginnings.see(look.beginning)
            self._endings.see(look.ending)
        if look.label is not None:
            self._positive += look.label
            self._negative += not look.label
        if look.author:
            self._authors.see(look.author)
        if look.raters:
            self._rated += 1
            for rater in set(look.raters):
                self._raters.see(rater)
        self._sources.see(look.source)
        if look.quality is not None:
            self._quality += look.quality
            self._graded += 1
        # A bad reply is meant to differ from a good one.
        compared = look.label is not False and self._conflicts.wants(look.asked)
        drawn = self._draws(look.key)
        if compared or drawn:
            question, reply = said()
            if compared:
                self._conflicts.see(look.asked, question, reply)
            if drawn:
                self._draw(look.key, reply)

    def report(self, *, duplicates: float | None = None) -> Report:
        """What was seen so far. May take a second: the first look at languages loads a model of 5 MB."""
        replies = [reply for _, reply in sorted(self._sample, reverse=True)]
        spoken = [words(normalise(reply[:4_000])) for reply in replies]
        pairs = [pair for each in spoken for pair in pairwise(each)]
        many, samples = self._conflicts.found()
        return Report(
            rows=self._rows,
            characters=self._characters.spread(),
            turns=self._turns.spread(),
            refusals=self._share(self._refusals),
            multi_turn=self._share(self._multi_turn),
            boilerplate=(
                *self._shared(self._beginnings, "beginning"),
                *self._shared(self._endings, "ending"),
            ),
            languages=_shares(self._languages_of(replies)),
            positive=self._positive,
            negative=self._negative,
            author=self._share(_most(self._authors)),
            authors_known=bool(self._authors.top()),
            rater=round(_most(self._raters) / self._rated, 4) if self._rated else 0.0,
            conflicts=many,
            conflict_samples=samples,
            sampled=len(replies),
            distinct_2=round(len(set(pairs)) / len(pairs), 4) if pairs else 0.0,
            distance=_distance([frozenset(each) for each in spoken]),
            vocabulary=len({word for each in spoken for word in each}),
            sources={source: self._share(count) for source, count in self._sources.top()},
            quality=round(self._quality / self._graded, 4) if self._graded else None,
            duplicates=duplicates,
        )

    def _draws(self, key: int) -> bool:
        if len(self._sample) >= self._most and (not self._sample or -key <= self._sample[0][0]):
            return False
        return key not in self._sampled

    def _draw(self, key: int, reply: str) -> None:
        self._sampled.add(key)
        heapq.heappush(self._sample, (-key, reply))
        if len(self._sample) > self._most:
            self._sampled.discard(-heapq.heappop(self._sample)[0])

    def _share(self, count: int) -> float:
        return round(count / self._rows, 4) if self._rows else 0.0

    def _shared(self, edge: Frequent, where: Literal["beginning", "ending"]) -> list[Boilerplate]:
        """What more than a twentieth of all replies begin or end with, if it is not one of a handful."""
        least = max(BOILERPLATE * self._rows, _FEW)
        return [Boilerplate(text, where, self._share(count)) for text, count in edge.top() if count > least]


def _most(keys: Frequent) -> int:
    top = keys.top()
    return top[0][1] if top else 0


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
    if report.duplicates is not None:
        told.add(
            report.duplicates > limits.duplicates,
            f"{_percent(report.duplicates)} of the material said what other material says already: there is less to learn "
            "from than it seems; widen the window of time or the sources.",
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
