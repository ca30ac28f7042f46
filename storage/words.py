"""Text to tokens: the one place that decides what counts as a word, for retrieval and for comparing texts."""

from __future__ import annotations

import re
import threading
import unicodedata
from typing import Any

from Stemmer import Stemmer

# A pasted book is not searched for by its last chapter; this also bounds the time of one search.
READ = 10_000  # characters

# Signs that belong to words but are not letters to `\w`: vowel signs and accents of Hebrew, Arabic and Indic writing.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0eff\u200d"
)
_WORD = re.compile(rf"[\w{_MARKS}]+(?:'[\w{_MARKS}]+)*")

# Writing without spaces between words: Thai to Khmer, kana, Han, Hangul (which glues particles to words).
_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)

_local = threading.local()


def _stemmer() -> Any:  # the library has no types
    """A stemmer is not to be shared: the writer indexes in its thread while another searches."""
    found: Any = getattr(_local, "stemmer", None)
    if found is None:
        found = _local.stemmer = Stemmer("english")
    return found


def _spelt(run: re.Match[str]) -> str:
    """Characters and pairs of neighbours, which find words of one and of more characters without a dictionary."""
    found = run.group()
    pairs = [found[at : at + 2] for at in range(len(found) - 1)]
    return f" {' '.join(found)} {' '.join(pairs)} "


def tokens(text: str) -> list[str]:
    """The tokens of a text in order, repeated ones repeated; never anything but letters, digits and their marks.

    Case and compatibility forms are folded (NFKC), ``don't`` is ``dont`` as people type it, and English endings are
    taken off by the Snowball stemmer, which does little to words of other languages.
    """
    text = text[:READ]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
        text = _UNSPACED.sub(_spelt, text)
    words = _WORD.findall(text.casefold().replace("_", " "))
    return _stemmer().stemWords([word.replace("'", "") for word in words])
