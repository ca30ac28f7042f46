"""From what was said, rated and approved to candidates for a dataset, or the reason why something is none.

Everything here only computes: talks, examples and preferences come in as storage reads them, page by page, in an order that
does not change. What is left out is counted by reason; the words of the reasons are what people read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal, Protocol, cast

from adapters.vendors.estimate import count_tokens
from storage.candidates import Linked, Pair, Preferred, Said, Talk
from storage.people import Author
from training.rows import Method, Role, Row, Turn

Reason = Literal[
    "not rated",
    "rated too low",
    "undecided",
    "quality too low",
    "rejected by a reviewer",
    "private",
    "unconsented",
    "other source",
    "outside of the time",
    "too short",
    "too long",
    "personal data",
    "broken",
    "no reply to compare with",
]

GOOD: Final = 4.0
"""Mean stars from which a reply is a good one to kto, whose thumbs are 5 and 1 ..."""
BAD: Final = 2.0
"""... and up to which it is a bad one."""

_MESSAGE_TOKENS: Final = 4  # around each message, in the formats of all vendors that tell
_PLACEHOLDER: Final = re.compile(r"\[[a-z][a-z ]*\d*\]")
_SPACES: Final = re.compile(r"\s+")


class Scope(Protocol):
    """What replaces personal data in one conversation, the same value always by the same words."""

    def redact(self, text: str) -> str:
        """The text without personal data."""
        ...


class Redactor(Protocol):
    """Makes scopes."""

    def scope(self) -> Scope:
        """One for a new conversation."""
        ...


class _Open:
    """Replaces nothing."""

    def scope(self) -> _Open:
        return self

    def redact(self, text: str) -> str:
        return text


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted of an avatar's material.

    ``stars`` is the least mean of at least one rating, ``min_quality`` (0..1) the least quality; a reply has more than
    ``least_characters``. ``since`` and ``until`` are milliseconds since the epoch. ``sources`` are ``chat``, ``import`` and
    those of examples and preferences; an empty set is all of them. At most ``history`` earlier exchanges stand before the
    question, as many as fit ``max_tokens`` together with ``system_tokens``, the question and the reply.
    """

    method: Method
    until: int
    since: int = 0
    stars: float = 4.0
    min_quality: float | None = None
    least_characters: int = 20
    sources: frozenset[str] = frozenset()
    history: int = 10
    max_tokens: int = 4096
    system_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that could be in a dataset, and where it comes from.

    ``group`` is what is never split between training and validation: the conversation. ``authors`` wrote the words of users
    in it, ``asker`` the last of them; ``raters`` are persons. ``quality`` is 0..1, and ranks candidates.
    """

    row: Row
    group: str
    authors: tuple[Author, ...]
    asker: str
    raters: tuple[str, ...]
    quality: float
    source: str
    exchange_id: str | None = None
    example_id: str | None = None
    preference_id: str | None = None


@dataclass(frozen=True, slots=True)
class Graded:
    """A rated reply to a context, to be compared with others to the same one. ``mean`` is of its stars."""

    context: bytes
    mean: float
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class _Placed:
    """An exchange, and the ones before it in the line of the talk."""

    said: Said
    before: tuple[Said, ...]


class Collector:
    """Sorts material into candidates and what is left out, for one selection."""

    def __init__(self, selection: Selection, redactor: Redactor | None = None) -> None:
        self._selection = selection
        self._redactor = redactor or _Open()
        self.left_out: Counter[Reason] = Counter()

    def of_talk(self, talk: Talk) -> list[Candidate]:
        """The candidates of a talk, for sft and kto."""
        found: list[Candidate] = []
        readable = _Readable(talk, self._redactor)
        for placed in _placed(talk.exchanges, self._selection.history):
            label = self._label(placed.said, talk)
            if isinstance(label, str):
                self.left_out[label] += 1
                continue
            candidate = self._said(talk, placed, readable)
            if candidate is not None:
                found.append(_labelled(candidate, label))
        return found

    def graded(self, talk: Talk) -> list[Graded]:
        """The rated replies of a talk, for dpo."""
        found: list[Graded] = []
        readable = _Readable(talk, self._redactor)
        for placed in _placed(talk.exchanges, self._selection.history):
            said = placed.said
            reason = self._unwanted(said, talk) or ("not rated" if said.mean is None else None)
            if reason is not None:
                self.left_out[reason] += 1
                continue
            candidate = self._said(talk, placed, readable, edited=False)
            if candidate is not None and said.mean is not None:
                found.append(Graded(context_of(candidate.row.prompt), said.mean, candidate))
        return found

    def of_pair(self, pair: Pair, talk: Talk | None) -> list[Candidate]:
        """An approved example that no exchange carries; ``talk`` is the one that it corrects, if that is still there."""
        selection = self._selection
        if (reason := self._unfit_pair(pair)) is not None:
            self.left_out[reason] += 1
            return []
        before: tuple[Said, ...] = ()
        if talk is not None:
            places = _placed(talk.exchanges, selection.history)
            before = next((each.before for each in places if each.said.id == pair.exchange_id), ())
            before = _shown_above(talk, before)
        if not all(_may_learn(said) for said in before):
            before = ()  # the pair stands by itself
        scope = self._redactor.scope()
        window = [
            (scope.redact(said.user_text), scope.redact(_reply_of(said, edited=True))) for said in before
        ]
        row = self._row(window, scope.redact(pair.user_text), scope.redact(pair.assistant_text))
        if isinstance(row, str):
            self.left_out[row] += 1
            return []
        shown = before[len(before) - (len(row.prompt) - 1) // 2 :]
        authors = _earliest([*pair.authors, *(one for said in shown for one in _authors(said))])
        group = talk.group if talk is not None else pair.conversation_id or "opening:" + opening(row)
        asker = pair.authors[0].person_id if pair.authors else ""
        return [
            Candidate(
                row,
                group,
                authors,
                asker,
                (),
                pair.quality,
                pair.source,
                pair.exchange_id,
                example_id=pair.id,
            )
        ]

    def of_preferred(self, preferred: Preferred) -> list[Candidate]:
        """A preference that was imported or came of a better answer."""
        reason = self._outside(preferred.source, preferred.created_at)
        if reason is None and not preferred.may_learn:
            reason = "unconsented"
        if reason is None and (not preferred.context or preferred.context[-1][0] != "user"):
            reason = "broken"
        if reason is not None:
            self.left_out[reason] += 1
            return []
        scope = self._redactor.scope()
        said = [(role, scope.redact(text)) for role, text in preferred.context if role != "system"]
        window = _pairs_of(said[:-1])
        row = self._row(window, said[-1][1], scope.redact(preferred.chosen), scope.redact(preferred.rejected))
        if isinstance(row, str):
            self.left_out[row] += 1
            return []
        asker = preferred.authors[0].person_id if preferred.authors else ""
        return [
            Candidate(
                row,
                preferred.group or "opening:" + _began(preferred.context),
                _earliest(preferred.authors),
                asker,
                (),
                1.0,
                preferred.source,
                preferred.exchange_id,
                preference_id=preferred.id,
            )
        ]

    def compared(self, best: Graded, worst: Graded) -> Candidate | None:
        """Two replies to the same context as a preference; ``None``, counted, where they are the same reply."""
        if best.mean <= worst.mean or best.candidate.row.reply == worst.candidate.row.reply:
            self.left_out["no reply to compare with"] += 1
            return None
        better, worse = best.candidate, worst.candidate
        authors = _earliest([*better.authors, *worse.authors])
        return replace(
            better,
            row=replace(better.row, rejected=worse.row.reply),
            authors=authors,
            raters=tuple(dict.fromkeys((*better.raters, *worse.raters))),
            # The further apart they are, the more they teach.
            quality=(best.mean - worst.mean) / 4,
        )

    # -- what fits

    def _outside(self, source: str, at: int) -> Reason | None:
        selection = self._selection
        if selection.sources and source not in selection.sources:
            return "other source"
        return None if selection.since <= at <= selection.until else "outside of the time"

    def _unwanted(self, said: Said, talk: Talk) -> Reason | None:
        """Why an exchange is out whatever its stars are."""
        if (reason := self._outside(said.origin, said.created_at)) is not None:
            return reason
        return "private" if talk.private and not _widened(said) else None

    def _label(self, said: Said, talk: Talk) -> bool | Reason | None:
        """For sft ``None`` where the exchange is good enough, for kto its thumb; else why it is out."""
        if (reason := self._unwanted(said, talk)) is not None:
            return reason
        if self._selection.method == "kto":
            if said.mean is None:
                return "not rated"
            return "undecided" if BAD < said.mean < GOOD else said.mean >= GOOD
        return self._unfit_to_imitate(said)

    def _unfit_to_imitate(self, said: Said) -> Reason | None:
        selection, example = self._selection, said.example
        if example is not None and example.status == "rejected":
            return "rejected by a reviewer"
        approved = (
            example is not None and example.status == "approved" and (example.reviewed or not said.raters)
        )
        if not approved:
            if said.mean is None:
                return "not rated"
            if said.mean < selection.stars:
                return "rated too low"
        if selection.min_quality is not None and (said.quality or 0.0) < selection.min_quality:
            return "quality too low"
        return None

    def _unfit_pair(self, pair: Pair) -> Reason | None:
        reason = self._outside(pair.source, pair.created_at)
        if reason is not None:
            return reason
        if pair.audience:
            return "private"
        if not pair.may_learn:
            return "unconsented"
        least = self._selection.min_quality
        return "quality too low" if least is not None and pair.quality < least else None

    # -- rows

    def _said(
        self, talk: Talk, placed: _Placed, readable: _Readable, *, edited: bool = True
    ) -> Candidate | None:
        """The candidate of an exchange under its history; ``None``, counted, where there can be none."""
        said, before = placed.said, _shown_above(talk, placed.before)
        edited = edited and self._selection.method == "sft"
        if not (_may_learn(said, edited=edited) and all(_may_learn(each) for each in before)):
            self.left_out["unconsented"] += 1
            return None
        window = [readable.pair(each, edited=True) for each in before]
        question, reply = readable.pair(said, edited=edited)
        row = self._row(window, question, reply)
        if isinstance(row, str):
            self.left_out[row] += 1
            return None
        shown = before[len(before) - (len(row.prompt) - 1) // 2 :]
        example = said.example
        return Candidate(
            row,
            talk.group,
            _earliest([*_authors(said, edited=edited), *(one for each in shown for one in _authors(each))]),
            said.person_id,
            tuple(person for person, _ in said.raters),
            said.quality if said.quality is not None else 0.5,
            said.origin,
            said.id,
            example_id=example.id if example is not None else None,
        )

    def _row(
        self,
        window: Sequence[tuple[str, str]],
        question: str,
        reply: str,
        rejected: str | None = None,
    ) -> Row | Reason:
        selection = self._selection
        if not question.strip() or not reply.strip() or (rejected is not None and not rejected.strip()):
            return "broken"
        if rejected == reply:
            return "broken"
        said = _PLACEHOLDER.sub("", reply) if "[" in reply else reply
        if len(said.strip()) <= selection.least_characters:
            return "too short" if said == reply else "personal data"
        longest = max(reply, rejected or "", key=len)
        left = selection.max_tokens - selection.system_tokens
        texts = [text for pair in window for text in pair]
        if sum(map(_most_tokens, texts)) + _most_tokens(question) + _most_tokens(longest) > left:
            left -= _tokens(question) + _tokens(longest)
            if left < 0:
                return "too long"
            fit = 0
            for asked, answered in reversed(window):
                left -= _tokens(asked) + _tokens(answered)
                if left < 0:
                    break
                fit += 2
            texts = texts[len(texts) - fit :]
        roles: tuple[Role, Role] = ("user", "assistant")
        turns = [Turn(roles[at % 2], text) for at, text in enumerate(texts)]
        return Row((*turns, Turn("user", question)), reply, rejected)


class _Readable:
    """A talk without personal data: each of its exchanges is gone through once, in order, however many rows show it."""

    def __init__(self, talk: Talk, redactor: Redactor) -> None:
        self._scope = redactor.scope()
        self._left = iter(talk.exchanges)
        self._done: dict[tuple[str, bool], tuple[str, str]] = {}

    def pair(self, said: Said, *, edited: bool) -> tuple[str, str]:
        """What was asked and what was replied; ``edited``: as a reviewer left it."""
        while (said.id, edited) not in self._done:
            each = next(self._left)
            plain_ = self._readable(each, edited=False)
            self._done[each.id, False] = plain_
            self._done[each.id, True] = (
                plain_ if _improved(each) is None else self._readable(each, edited=True)
            )
        return self._done[said.id, edited]

    def _readable(self, said: Said, *, edited: bool) -> tuple[str, str]:
        redact = self._scope.redact
        return redact(_question_of(said, edited=edited)), redact(_reply_of(said, edited=edited))


def _labelled(candidate: Candidate, label: bool | None) -> Candidate:
    return candidate if label is None else replace(candidate, row=replace(candidate.row, label=label))


def _improved(said: Said) -> Linked | None:
    """The example that an exchange became, where a person changed its words and they serve."""
    example = said.example
    return example if example is not None and example.status == "approved" and example.authors else None


def _reply_of(said: Said, *, edited: bool) -> str:
    example = _improved(said)
    return example.assistant_text if edited and example is not None else said.reply_text


def _question_of(said: Said, *, edited: bool) -> str:
    example = _improved(said)
    return example.user_text if edited and example is not None else said.user_text


def _authors(said: Said, *, edited: bool = True) -> tuple[Author, ...]:
    """Whose words an exchange holds, with the avatar's reply as a reviewer left it or as it was."""
    example = _improved(said)
    asked = Author(said.person_id, said.said_at)
    return example.authors if edited and example is not None else (asked,)


def _may_learn(said: Said, *, edited: bool = True) -> bool:
    example = _improved(said)
    return example.may_learn if edited and example is not None else said.may_learn


def _widened(said: Said) -> bool:
    """Whether a reviewer let the whole workspace have an exchange, wherever it was said."""
    example = said.example
    return example is not None and example.status == "approved" and example.audience == ""


def _shown_above(talk: Talk, before: tuple[Said, ...]) -> tuple[Said, ...]:
    """Those of the exchanges before one that may stand above it: of a private talk what was widened too, without a gap."""
    if not talk.private:
        return before
    closed = [at for at, said in enumerate(before, 1) if not _widened(said)]
    return before[closed[-1] :] if closed else before


def _placed(exchanges: Iterable[Said], history: int) -> Iterable[_Placed]:
    """Each exchange with those before it. Of a question that was answered several times the last reply is in the line."""
    line: list[Said] = []
    places: dict[str, int] = {}
    for said in exchanges:
        question = said.sibling_of or said.id
        at = places.setdefault(question, len(line))
        yield _Placed(said, tuple(line[max(0, at - history) : at]))
        if at == len(line):
            line.append(said)
        else:
            line[at] = said


def _pairs_of(said: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Turns as pairs of a message and its reply; what has no counterpart is left out."""
    pairs: list[tuple[str, str]] = []
    asked = ""
    for role, text in said:
        if role == "user":
            asked = f"{asked}\n{text}" if asked else text
        elif asked and text.strip():
            pairs.append((asked, text))
            asked = ""
    return pairs


def _tokens(text: str) -> int:
    return count_tokens(text) + _MESSAGE_TOKENS


def _most_tokens(text: str) -> int:
    """No fewer than ``_tokens``, without looking at the text: most rows are far from being too long."""
    return len(text) * (1 if text.isascii() else 2) + _MESSAGE_TOKENS


def _earliest(authors: Iterable[Author]) -> tuple[Author, ...]:
    """Each person once, with the first of their words here."""
    first: dict[str, int] = {}
    for author in authors:
        first[author.person_id] = min(author.said_at, first.get(author.person_id, author.said_at))
    return tuple(Author(person, at) for person, at in sorted(first.items()))


def plain(text: str) -> str:
    """The text as it is compared: one case, one form of each character, single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def context_of(prompt: Sequence[Turn]) -> bytes:
    """Sixteen bytes that are the same for the same talk, however it is spaced and capitalised."""
    said = b"".join(part for turn in prompt for part in (turn.role.encode(), b"\0", _plain(turn.text), b"\0"))
    return blake2b(said, digest_size=16).digest()


@lru_cache(maxsize=128)  # the turns of a talk stand above each of its later replies
def _plain(text: str) -> bytes:
    return plain(text).encode("utf-8", "surrogatepass")


def _began(said: Sequence[tuple[str, str]]) -> str:
    """How a talk begins that no conversation is known of: as it was said, so that no window and no rule moves it."""
    first = next(((role, text) for role, text in said if role != "system"), ("user", ""))
    return context_of([Turn(cast(Role, first[0]), first[1])]).hex()


def opening(row: Row) -> str:
    """What tells the conversation of a row that belongs to several, or to none that we know: how it begins."""
    return context_of(row.talk[:1]).hex()
