"""Finding and replacing: the rules in their order, once over every text.

What two rules claim goes to the first: keys, links, e-mail addresses, numbers that prove themselves, phones, names. Then
what remains is read again until nothing is found, so that redacting what is redacted changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from training.privacy import ids, links, numbers, phones, secrets
from training.privacy.names import Names
from training.privacy.plain import plain
from training.privacy.spans import PLACEHOLDER, Span

Links = Literal["all", "secret"]

_DIGIT = re.compile(r"[0-9]")
_LONG = re.compile(r"[0-9](?:[ ().\-–/\n]{0,3}[0-9]){4}")  # the shortest phone
_AGAIN = 12  # rounds; a second finds something where two things touched, a third is hardly ever needed


def find(text: str, names: Iterable[str] | Names = (), links: Links = "all") -> list[Span]:
    """The personal data in a text, in order and without overlaps."""
    known = names if isinstance(names, Names) else Names(names)
    read, places = plain(text)
    spans = _find(read, known, links)
    if places is None:
        return spans
    return [Span(places[each.start], places[each.end], each.kind, each.value) for each in spans]


def _find(text: str, known: Names, links: Links) -> list[Span]:
    spans: list[Span] = []
    seen = text
    starts: list[int] = []
    shifts: list[int] = []
    for _ in range(_AGAIN):
        new = _once(seen, known, links == "all")
        if not new:
            break
        # Where the rules read placeholders, places are the text's own, less what the placeholders before them take.
        for span in new:
            shift = shifts[bisect_right(starts, span.start) - 1] if starts and span.start >= starts[0] else 0
            spans.append(Span(span.start + shift, span.end + shift, span.kind, span.value))
        spans.sort(key=lambda span: span.start)
        parts: list[str] = []
        starts, shifts = [], []
        at = length = 0
        for span in spans:
            parts += (text[at : span.start], f"[{span.kind} 1]")
            length += len(parts[-2]) + len(parts[-1])
            at = span.end
            starts.append(length)
            shifts.append(at - length)
        seen = "".join((*parts, text[at:]))
    return spans


def _once(text: str, names: Names, every: bool) -> list[Span]:
    claims = _claims(text, names, every)
    first = next(claims, None)
    if first is None:
        return []
    taken = bytearray(len(text))
    for match in PLACEHOLDER.finditer(text):
        taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    for match in ids.KEPT.finditer(text):
        taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    spans: list[Span] = []
    claim: Span | None = first
    while claim is not None:
        if taken.find(1, claim.start, claim.end) < 0:
            taken[claim.start : claim.end] = b"\1" * (claim.end - claim.start)
            spans.append(claim)
        claim = next(claims, None)
    spans.sort(key=lambda span: span.start)
    return spans


def _claims(text: str, names: Names, every: bool) -> Iterator[Span]:
    """Everything that might be something, the surest rules first; each only where a cheap look allows for it."""
    digit = _DIGIT.search(text)
    digits = digit is not None
    at = "@" in text
    if "-----BEGIN" in text:
        yield from secrets.pem(text)
    if "<" in text and digits:
        yield from ids.mentions(text)
    if "://" in text:
        yield from links.links(text, every)
    if "curl" in text:
        yield from secrets.given(text)
    if at:
        yield from links.emails(text)
    if digits:
        yield from secrets.tokens(text)
    lowered = text.lower()
    if secrets.announced(lowered):
        yield from secrets.keyed(text)
    if "[at]" in lowered or "(at)" in lowered:
        yield from links.disguised(text)
    if links.DOT.search(text):
        yield from links.domains(text, every)
    if digit is not None:
        yield from _numbers(text, digit.start())
    if names and names.maybe(text):
        yield from names.find(text)
    if at:
        yield from ids.handles(text)


def _numbers(text: str, first: int) -> Iterator[Span]:
    """What has digits, of which the first is at ``first``: nothing is looked for where it could not begin."""
    long = _LONG.search(text, first) is not None
    if long:
        yield from numbers.ibans(text, first)
        yield from numbers.cards(text, first)
        yield from numbers.social(text, first)
    for span in numbers.addresses(text, first):
        if not phones.labelled(text, span.start):  # "Tel. 22.20.81.95"
            yield span
    if long:
        yield from ids.snowflakes(text, first)
    yield from ids.slack_ids(text, first)
    if long:
        yield from phones.phones(text, first)


class Scope:
    """One conversation: the same value has the same placeholder in it, such as ``[email 1]``, counted as values appear."""

    def __init__(self, names: Names, links: Links) -> None:
        self._names = names
        self._links: Links = links
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def redact(self, text: str) -> str:
        """The text with placeholders; ``text`` itself where nothing is found.

        Redacting again changes nothing. A placeholder that stands there already keeps its number, and no other value of
        this conversation is given it from then on.
        """
        if "[" in text:
            for match in PLACEHOLDER.finditer(text):
                kind, number = match.groups()
                self._last[kind] = max(self._last[kind], int(number))
        spans = self._find(text)
        if not spans:
            return text
        parts: list[str] = []
        at = 0
        for span in spans:
            parts += (text[at : span.start], self._placeholder(span))
            at = span.end
        parts.append(text[at:])
        return "".join(parts)

    def _find(self, text: str) -> list[Span]:
        return find(text, self._names, self._links)

    def _placeholder(self, span: Span) -> str:
        self.found[span.kind] += 1
        key = span.kind, span.value
        number = self._numbers.get(key)
        if number is None:
            self._last[span.kind] += 1
            number = self._numbers[key] = self._last[span.kind]
        return f"[{span.kind} {number}]"


class Redactor:
    """Replaces personal data; shared by any number of conversations.

    ``links`` decides what a domain is. "all", the default, replaces every link and every bare domain name: what somebody
    links to (a profile, a shop, a shared document) says who they are, which addresses are harmless cannot be seen from
    them, and a model that learns addresses invents dead ones. "secret" replaces only what lets in whoever holds it
    (passwords, tokens, signatures, webhooks, invitations), for an avatar that should point to public documentation.
    """

    def __init__(self, names: Iterable[str] = (), *, links: Links = "all") -> None:
        self._names = Names(names)
        self._links: Links = links

    def scope(self) -> Scope:
        """A new conversation."""
        return Scope(self._names, self._links)
