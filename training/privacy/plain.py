"""One spelling for what Unicode spells in many ways, so that the rules have to know only one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Where ten digits in a row begin: Arabic, Persian, N'Ko, Indian, Thai, Lao, Tibetan, Burmese, Khmer, Mongolian, full width.
_ZEROS = (
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20,
    0x1040, 0x17E0, 0x1810, 0xFF10,
)  # fmt: skip
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2012\u2212\ufe58\ufe63"
# Zero width, soft hyphens, marks of direction, selectors of variants and keycaps: nobody sees them, and any may be anywhere.
_UNSEEN = (
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u20e3\ufe00-\ufe0f\ufeff"
)

_SAME_LENGTH: Final = {
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **{ord(space): " " for space in _SPACES},
    **{ord(hyphen): "-" for hyphen in _HYPHENS},
    **{0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)},  # full width
}
# What nobody sees, and letters with their accents beside them.
_LONGER = re.compile(f"[{_UNSEEN}]+|[^\u0300-\u036f][\u0300-\u036f]{{1,8}}")
_UNSEEN_ONLY = re.compile(f"[{_UNSEEN}]")
# Nothing beyond the first 65,536: such a set is looked up in one step.
_ANY = re.compile(
    f"[{_SPACES}{_HYPHENS}{_UNSEEN}\u0300-\u036f\uff01-\uff5e{''.join(f'{chr(zero)}-{chr(zero + 9)}' for zero in _ZEROS)}]"
)


def plain(text: str) -> tuple[str, list[int] | None]:
    """The text in ASCII's digits, spaces, hyphens and signs, its accents on their letters, without what nobody sees.

    And, where these differ, the place in ``text`` of each character of it and of its end.
    """
    if text.isascii():
        return text, None
    # There are few kinds in a text, mostly one: to replace each takes a tenth of a translation.
    longer = False
    for char in set(_ANY.findall(text)):
        other = _SAME_LENGTH.get(ord(char))
        longer = longer or other is None
        text = text.replace(char, other or char)
    if not longer:
        return text, None
    parts: list[str] = []
    places: list[int] = []
    at = 0
    for match in _LONGER.finditer(text):
        kept = "" if _UNSEEN_ONLY.match(match.group()) else unicodedata.normalize("NFC", match.group())
        parts += (text[at : match.start()], kept)
        places.extend(range(at, match.start()))
        places.extend(match.start() + place for place in range(len(kept)))
        at = match.end()
    parts.append(text[at:])
    places.extend(range(at, len(text) + 1))
    return "".join(parts), places
