"""Names of members in a text, and not the words that they also are.

What is replaced: a name of two or more words with its capitals, or in any case when one of its words is no English word; its
first and last word alone, and a name of one word, where it is written with a capital and is no English word; a nickname that
no word could be (a digit or an underscore within) in any case. Accents may be left out, and a full name may be written as a
user name ("annsmith", "ann_smith"). A name that is a word ("Will", "Art", "Grace") counts only
where the text greets or asks somebody by it ("hi Will", "ask Art"). So "will" and "Art is long" stay, and so may a Will whom
nothing marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from training.privacy.plain import plain
from training.privacy.spans import Span
from training.privacy.words import COMMON

_WORD = re.compile(r"[^\W_]+(?:[_'’][^\W_]+)*_*|(?<!_)_+[^\W_]+\w*")
_PIECE = re.compile(r"[^\W_]+")
_LETTERS = bytes(code if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_HONORIFIC = "(?=さん|くん|ちゃん|君|様|氏|先生|씨|님)"
_BARE = str.maketrans(
    "łŁøØđĐıİ", "lLoOdDiI"
)  # letters with a stroke, which Unicode takes for letters of their own
_GAP = re.compile(r"[ .\-\u00a0]{1,3}")
_TAG = re.compile(r"#\d{4}(?!\w)")
_MARKED = re.compile(
    r"(?i)(?:\b(?:hi|hey|hello|dear|thanks|thx|cheers|welcome|sorry|ask|asked|tell|told|mr|mrs|ms|miss|dr|i am|i'm|"
    r"my name is|named|call me|regards|sincerely)\b[,.]?\s{1,2})$"
)


@dataclass(frozen=True, slots=True)
class _Name:
    words: tuple[str, ...]  # small letters
    given: tuple[str, ...]
    member: str  # what the placeholder stands for
    loose: bool  # found in any case
    word: bool  # an English word: only where the text marks it as a name


class Names:
    """The names to look for; finding takes as long for ten as for ten thousand."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, list[_Name]] = {}
        whole: dict[tuple[str, ...], _Name] = {}
        parts: dict[tuple[str, ...], set[str]] = {}
        spelt: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._members: dict[str, str] = {}  # of names that are written without spaces
        families: dict[str, set[str]] = {}
        for name in sorted({plain(name)[0].replace("’", "'") for name in names}):
            if _UNSPACED.search(name):
                member = "".join(name.split())
                self._members |= {name.strip(): member, member: member}
                families.setdefault(name.split()[0], set()).add(member)
                continue
            member = " ".join(_WORD.findall(name)).lower()
            for spelling in dict.fromkeys((name, _unaccented(name))):
                given = tuple(_WORD.findall(spelling))
                words = tuple(_small(word) for word in given)
                if not words or sum(map(len, words)) < 3 or all(word.isdigit() for word in words):
                    continue
                common = [word in COMMON for word in words]
                odd = any(char.isdigit() or char == "_" for char in name.strip("_"))
                loose = odd or (len(words) > 1 and not all(common))
                whole.setdefault(words, _Name(words, given, member, loose, len(words) == 1 and common[0]))
                if len(words) == 1:
                    continue
                if loose and sum(map(len, words)) > 6:
                    for user in ("".join(words).replace("'", ""), "_".join(words)):
                        word = user in COMMON  # as Kit Chen's
                        whole.setdefault((user,), _Name((user,), (user,), member, not word, word))
                for part in (given[:1], given[-1:], given[:-1]):
                    if sum(map(len, part)) > 2 and not "".join(part).isdigit():
                        lowered = tuple(_small(word) for word in part)
                        parts.setdefault(lowered, set()).add(member)
                        spelt[lowered] = part
        for part, members in parts.items():
            # Two Anns are not told apart by "Ann".
            member = next(iter(members)) if len(members) == 1 else " ".join(spelt[part])
            common = all(word in COMMON for word in part)
            whole.setdefault(part, _Name(part, spelt[part], member, False, common))
        for found in sorted(whole.values(), key=lambda each: (-len(each.words), each.words)):
            self._by_first.setdefault(found.words[0], []).append(found)
        self._pieces = frozenset(piece for first in self._by_first for piece in _PIECE.findall(first)[:1])
        self._ascii = frozenset(piece.encode() for piece in self._pieces if piece.isascii())
        longest = sorted(
            (name for name in self._members if len(name) > 1), key=lambda name: (-len(name), name)
        )
        patterns = [re.escape(name) for name in longest]
        for family, members in sorted(families.items()):
            patterns.append(re.escape(family) + _HONORIFIC)
            self._members.setdefault(family, next(iter(members)) if len(members) == 1 else family)
        self._unspaced = re.compile("|".join(patterns)) if patterns else None

    def __bool__(self) -> bool:
        return bool(self._by_first) or self._unspaced is not None

    def maybe(self, text: str) -> bool:
        """Whether it is worth looking closer."""
        if self._unspaced is not None and self._unspaced.search(text):
            return True
        lowered = _small(text)
        if lowered.isascii():  # nearly every text comes here
            return not self._ascii.isdisjoint(lowered.encode().translate(_LETTERS).split())
        return not self._pieces.isdisjoint(_PIECE.findall(lowered))

    def find(self, text: str) -> Iterator[Span]:
        """The names in the text, longest first where several begin at one place."""
        if self._unspaced is not None:
            for match in self._unspaced.finditer(text):
                member = self._members.get(match.group(), match.group())
                yield Span(match.start(), match.end(), "name", member)
        text = text.replace("’", "'")
        reached = 0
        for match in _WORD.finditer(text):
            if match.start() < reached:
                continue
            start, word = match.start(), _small(match.group())
            if word not in self._by_first:
                # Slack's italics: "_Ann Smith_".
                start += len(word) - len(word.lstrip("_"))
                word = word.strip("_").removesuffix("'s")
            for name in self._by_first.get(word, ()):
                end = self._end(text, start, name)
                if end and self._means(text, start, end, name):
                    tag = _TAG.match(text, end)
                    reached = tag.end() if tag else end
                    yield Span(start, reached, "name", name.member)
                    break

    @staticmethod
    def _end(text: str, start: int, name: _Name) -> int | None:
        """Where the name ends that begins with this word."""
        end = start + len(name.words[0])
        for word in name.words[1:]:
            gap = _GAP.match(text, end)
            if gap is None or _small(text[gap.end() : gap.end() + len(word)]) != word:
                return None
            end = gap.end() + len(word)
        after = text[end : end + 1]
        return None if after.isalnum() or (after == "_" and text[start - 1 : start] != "_") else end

    @staticmethod
    def _means(text: str, start: int, end: int, name: _Name) -> bool:
        if name.loose:
            return True
        written = _WORD.findall(text[start:end])
        capital = bool(written) and all(word[:1].isupper() or not word[:1].islower() for word in written)
        if not capital:
            return False
        return not name.word or _MARKED.search(text[max(0, start - 24) : start]) is not None


def _small(text: str) -> str:
    """The text in small letters, each in its place: that of the one letter that would become two (İ) is an i."""
    return text.replace("İ", "i").lower()


def _unaccented(name: str) -> str:
    """The name as people type it whose keyboard has no accents."""
    letters = unicodedata.normalize("NFD", name.translate(_BARE))
    return "".join(char for char in letters if not unicodedata.combining(char))
