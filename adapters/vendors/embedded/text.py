"""From a text to what the similarity compares: stems with weights, concepts, bigrams, trigrams, the kind of question."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, cast

# PyStemmer and not snowballstemmer: that one imports 36 languages, a tenth of a second at every start.
import Stemmer  # pyright: ignore[reportMissingImports]  # compiled, without stubs

from adapters.vendors.embedded import vocabulary

MAX_CHARS: Final = 4_000
MAX_WORDS: Final = 400

_stem_word = cast(Callable[[str], str], cast(Any, Stemmer).Stemmer("english", 0).stemWord)

# Scripts that put no space between words are compared letter by letter.
_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_]+(?:['-][^\W_]+)*"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'", "‐": "-", "‑": "-"})


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """The stem of a casefolded word (Snowball's English stemmer); names of concepts pass unchanged."""
    return word if word.startswith("~") else _stem_word(word)


def _stems(words: str) -> Iterator[str]:
    return (stem(word) for word in words.split())


def _weights() -> dict[str, float]:
    table: dict[str, float] = {}
    for words, weight in (
        (vocabulary.STOP, vocabulary.STOP_WEIGHT),
        (vocabulary.LIGHT, vocabulary.LIGHT_WEIGHT),
        (vocabulary.ORDINARY, vocabulary.ORDINARY_WEIGHT),
    ):
        for one in _stems(words):
            table.setdefault(one, weight)
    return table


def _groups() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}

    def put(one: str, group: str) -> None:
        if group not in table.get(one, ()):
            table[one] = (*table.get(one, ()), group)

    for group, words in vocabulary.GROUPS.items():
        for one in _stems(words):
            put(one, group)
    for concept in vocabulary.PHRASES:
        if concept:
            put(concept, concept[1:])
    for concept, groups in vocabulary.ALSO.items():
        for group in groups.split():
            put(concept, group)
    return table


def _phrases() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    table: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for concept, phrases in vocabulary.PHRASES.items():
        for phrase in re.split(r"\||\n", phrases):
            words = tuple(phrase.split())
            if words:
                table.setdefault(words[0], []).append((words, concept))
    for entries in table.values():
        # Of equally long phrases the one that names a concept wins over the one that is dropped.
        entries.sort(key=lambda entry: (-len(entry[0]), not entry[1]))
    return table


def _opposites() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for pair in re.split(r"\||\n", vocabulary.OPPOSITES):
        words = list(_stems(pair))
        if len(words) == 2:
            table.setdefault(words[0], set()).add(words[1])
            table.setdefault(words[1], set()).add(words[0])
    return {one: frozenset(others) for one, others in table.items()}


WEIGHTS: Final = _weights()
GROUPS: Final = _groups()
OPPOSITES: Final = _opposites()
_PHRASES: Final = _phrases()
_QUESTION_WORDS: Final = {
    "who": "who", "whom": "who", "whose": "who", "what": "what", "which": "what", "when": "when", "where": "where",
    "why": "why", "how": "how",
}  # fmt: skip
_CONCEPT_KINDS: Final = {
    "~price": "price", "~time": "when", "~opening": "when", "~duration": "duration", "~place": "where",
    "~reason": "why", "~many": "many", "~age": "age", "~creator": "who",
    "hours": "when", "time": "when", "date": "when", "year": "when", "day": "when", "deadline": "when",
    "address": "where", "location": "where", "price": "price", "cost": "price", "costs": "price", "reason": "why",
}  # fmt: skip
_DEFINING: Final = frozenset(("define", "definition", "explain", "mean", "means", "~meaning"))
_ASKING: Final = frozenset(
    "is are am was were do does did can could will would should may might has have shall".split()
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One view of a text, ready to be compared.

    ``weights`` maps each distinct stem to how telling it is (0..1), ``total`` is their sum; ``groups`` are the concepts
    that the stems belong to; ``kind`` is the kind of question or "".
    """

    key: tuple[str, ...]
    weights: Mapping[str, float]
    total: float
    groups: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    trigrams: frozenset[str]
    kind: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A text and its views: the whole, and the sentence in it that is likely to be the question proper."""

    whole: Prepared
    views: tuple[Prepared, ...]


def normalise(text: str) -> str:
    """The first ``MAX_CHARS`` characters, casefolded, in Unicode's compatibility form, with plain apostrophes."""
    return unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_APOSTROPHES).casefold()


def words(text: str) -> list[str]:
    """The words of a normalised text, contractions opened; a text without any word gives its symbols."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if word in vocabulary.CONTRACTIONS:
            found.extend(vocabulary.CONTRACTIONS[word].split())
            continue
        for part in word.split("-"):
            opened = vocabulary.CONTRACTIONS.get(part)
            if opened:
                found.extend(opened.split())
            else:
                # A possessive: what is left after the apostrophe says nothing.
                found.append(part.removesuffix("'s").replace("'", "") or part)
        if len(found) >= MAX_WORDS:
            break
    return found[:MAX_WORDS] or re.findall(r"\S", text)[:MAX_WORDS]


def units(plain: list[str]) -> list[str]:
    """Words and concepts: known phrases become one concept, politeness goes unless nothing else would be left."""
    found: list[str] = []
    position = 0
    while position < len(plain):
        for phrase, concept in _PHRASES.get(plain[position], ()):
            if tuple(plain[position : position + len(phrase)]) == phrase:
                if concept:
                    found.append(concept)
                position += len(phrase)
                break
        else:
            found.append(plain[position])
            position += 1
    return found or plain


@lru_cache(maxsize=16_384)
def word_trigrams(word: str) -> frozenset[str]:
    """Three-letter windows of a word with its edges marked."""
    padded = f" {word} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def _kind(found: list[str]) -> str:
    word = next((_QUESTION_WORDS[unit] for unit in found[:6] if unit in _QUESTION_WORDS), "")
    if word in ("", "what"):
        # "What are the opening hours" asks when.
        word = next((_CONCEPT_KINDS[unit] for unit in found if unit in _CONCEPT_KINDS), word)
    if word in ("", "what") and (
        _DEFINING.intersection(found)
        or (found[:1] == ["what"] and found[1:2] in (["is"], ["are"]) and len(found) <= 5)
    ):
        # "What is a dataset" is not "how do I build a dataset".
        return "definition"
    return word or ("whether" if found and found[0] in _ASKING else "")


class Lexicon:
    """Prepares texts, with a bounded cache; ``terms`` overrides how telling single stems are (a trained artefact's)."""

    def __init__(self, terms: Mapping[str, float] | None = None, cache_size: int = 4_096) -> None:
        self._terms = dict(terms or {})
        self.prepare: Callable[[str], Text] = lru_cache(maxsize=cache_size)(self._prepare)

    def weight(self, one: str) -> float:
        """How telling a stem is, 0..1."""
        known = self._terms.get(one)
        if known is None:
            known = WEIGHTS.get(one)
        if known is None:
            known = vocabulary.CONCEPT_WEIGHT if one.startswith("~") else vocabulary.RARE_WEIGHT
        return known

    def stems(self, text: str) -> list[str]:
        """The stems of a text in order, without the rest of the preparation."""
        return [stem(unit) for unit in units(words(normalise(text)))]

    def _prepare(self, text: str) -> Text:
        plain = normalise(text)
        whole = self._view(plain)
        views = [whole]
        sentences = [part for part in _SENTENCE.split(plain.strip()) if part.strip()]
        if len(sentences) > 1:
            asked = [part for part in sentences if part.rstrip().endswith("?")]
            for part in {sentences[0], *asked[-1:]}:
                view = self._view(part)
                # "Hello." before a question is no question of its own.
                if len(view.key) >= 3 and view.total >= 0.8:
                    views.append(view)
        return Text(whole, tuple(views))

    def _view(self, plain: str) -> Prepared:
        spoken = words(plain)
        found = units(spoken)
        key = tuple(stem(unit) for unit in found)
        weights = {one: self.weight(one) for one in key}
        trigrams: set[str] = set()
        for one in weights:
            if one not in WEIGHTS or WEIGHTS[one] > vocabulary.STOP_WEIGHT:
                trigrams |= word_trigrams(one)
        return Prepared(
            key=key,
            weights=weights,
            total=sum(weights.values()),
            groups=frozenset(group for one in weights for group in GROUPS.get(one, ())),
            bigrams=frozenset(pairwise(key)),
            trigrams=frozenset(trigrams),
            kind=_kind(found),
            negated=not vocabulary.NEGATIONS.isdisjoint(spoken),
        )
