"""A long text in several messages: cut where a reader would pause, never inside what belongs together.

Each cut depends on no more of the text than fits into one message: once made, it stays where it is while the text grows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

LIMIT = 2000

_FENCE = "```"
_CLOSING = "\n```"
_RUN = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"`{3,}([A-Za-z0-9_+.#-]*)\n")
_TRAILING_RUN = re.compile(r"`+\Z")
_HALF_CLOSED = re.compile(r"\n`{1,2}\Z")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d+[.)])[ \t]|#{1,3} |-# |> ")
_LEADS = re.compile(r"(?:#{1,3} [^\n]*|[^\n]*:)[*_]*\s*\Z")
_SENTENCE = re.compile(r"[.!?…][\"”’)*_]*\s|[。！？]")
_SPACE = re.compile(r"\s+")
_FULL_WIDTH = re.compile(r"[、，；：]")
_LONGEST_LINK = 500


def split(text: str, limit: int = LIMIT) -> list[str]:
    """``text`` in parts of at most ``limit`` characters; code that is cut is closed and opened again in its language."""
    text = tidy(text)
    parts: list[str] = []
    start = 0
    prefix = ""
    while start < len(text):
        rest = text[start:]
        whole = prefix + rest
        closing = _closing(whole)
        if units(whole) + len(closing) <= limit:
            parts.append(whole + closing)
            break
        room = limit - units(prefix) - len(_CLOSING)
        window = rest[: _reach(rest, room)]
        at = _best(window, rest[len(window)], inside=bool(prefix))
        whole = prefix + rest[:at]
        closing = _closing(whole)
        if closing:
            prefix = f"{_FENCE}{_language(whole)}\n"
            parts.append(whole + closing)
            start += len(rest) - len(rest[at:].lstrip("\n"))
        else:
            prefix = ""
            parts.append(whole.rstrip())
            start += at + _blank(rest, at)
    return parts


def tidy(text: str) -> str:
    """``text`` as every platform takes it: no half characters, one sort of line end, nothing blank around it."""
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.strip()


def units(text: str) -> int:
    """The length as the strictest reader counts it: characters beyond the basic plane are two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _reach(text: str, room: int) -> int:
    """How many characters of ``text`` fit into ``room``, at least one."""
    end = min(room, len(text))
    over = units(text[:end]) - room
    while over > 0 and end > 1:
        end -= max(1, over // 2)
        over = units(text[:end]) - room
    return max(end, 1)


def _blank(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() - at if found else 0


def _fences(text: str) -> list[int]:
    """Where code begins and ends, in turn."""
    return [each.start() for each in _RUN.finditer(text)] if _FENCE in text else []


def _closing(text: str) -> str:
    """What ends the code that is open at the end of ``text``."""
    if len(_fences(text)) % 2 == 0:
        return ""
    if text.endswith("\n"):
        return _FENCE
    half = _HALF_CLOSED.search(text)
    return "`" * (4 - len(half[0])) if half else _CLOSING


def _language(text: str) -> str:
    """The language of the code that is open at the end of ``text``."""
    found = _LANGUAGE.match(text, _fences(text)[-1])
    return found[1] if found else ""


def _best(window: str, following: str, *, inside: bool) -> int:
    """Where to cut: at most after ``window``, which ``following`` follows. ``inside`` says that it begins within code."""
    size = len(window)
    if following == "`":
        # Backticks that belong together may go on beyond the window.
        trailing = _TRAILING_RUN.search(window)
        size = trailing.start() if trailing and trailing.start() else size
    fences = _fences(window[:size])
    if (len(fences) + inside) % 2:
        opened = fences[-1] if fences else 0
        before = (
            window.rfind("\n", 0, opened)
            if not window[window.rfind("\n", 0, opened) + 1 : opened].strip()
            else opened
        )
        if fences and before >= 0.4 * size:
            # What introduces the code goes with it.
            lead = _LEADS.search(window, 0, before)
            return lead.start() if lead and lead.start() >= 0.4 * size else before
        # Not back to where the code began: a part with nothing in it helps nobody.
        return _within_code(window, size, opened)
    for at in _outside(window, size, following, fences, inside=inside):
        return at
    return _hard(window, size, following)


def _within_code(window: str, size: int, opened: int) -> int:
    low = max(int(0.3 * size), opened + len(_FENCE) + 1)
    blank = window.rfind("\n\n", max(low, int(0.6 * size)), size)
    if blank > 0:
        return blank
    line = window.rfind("\n", low, size)
    if line > 0:
        return line
    space = window.rfind(" ", low, size)
    return space + 1 if space > 0 else size


def _outside(window: str, size: int, following: str, fences: Sequence[int], *, inside: bool) -> Iterator[int]:
    """Good places outside code, the best first."""
    text = window[:size] + (following if size == len(window) else window[size])
    lines = [at for at in _ends(text, "\n") if not _in_code(at, fences, inside)]
    paragraphs = [at for at in lines if text.startswith("\n", at + 1) and not _LEADS.search(text, 0, at)]
    items = [at for at in lines if _ITEM.match(text, at + 1) or text[at + 1 : at + 2].strip()]
    kept = [at for at in items if not _LEADS.search(text, max(0, at - 200), at)]
    yield from _last(paragraphs, 0.6 * size)
    yield from _last(kept, 0.5 * size)
    yield from _last(paragraphs, 0.3 * size)
    yield from _last(kept, 0.3 * size)
    yield from _last(lines, 0.5 * size)
    sentences = [each.end() for each in _SENTENCE.finditer(text) if each.end() <= size]
    words = [each.start() for each in _SPACE.finditer(text) if 0 < each.start() <= size]
    words += [each.end() for each in _FULL_WIDTH.finditer(text) if each.end() <= size]
    for share, places in ((0.6, sentences), (0.2, sorted(words))):
        for at in reversed(places):
            if at < share * size:
                break
            if not _in_code(at, fences, inside) and not _splits(text, at):
                yield at
    yield from _last(lines, 1)
    yield from _last(sorted(words), 1)


def _ends(text: str, mark: str) -> Iterator[int]:
    at = text.find(mark, 1)
    while at != -1:
        yield at
        at = text.find(mark, at + 1)


def _last(places: Sequence[int], low: float) -> Iterator[int]:
    if places and places[-1] >= low:
        yield places[-1]


def _in_code(at: int, fences: Sequence[int], inside: bool) -> bool:
    return bool((sum(1 for fence in fences if fence < at) + inside) % 2)


def _splits(text: str, at: int) -> bool:
    """Whether a cut here falls into a link, code in a line, a spoiler or bold text."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    if line.count("`") % 2 or line.count("||") % 2 or line.count("**") % 2:
        return True
    bracket = line.rfind("[")
    if bracket == -1 or len(line) - bracket > _LONGEST_LINK:
        return False
    middle = line.find("](", bracket)
    return line.find("]", bracket) == -1 if middle == -1 else line.find(")", middle) == -1


def _hard(window: str, size: int, following: str) -> int:
    """A cut inside a word, though not inside what is drawn as one character."""
    at = size
    after = following if size == len(window) else window[size]
    for _ in range(16):
        if at <= 1 or not (_joins(after) or window[at - 1] == "\u200d"):
            return at
        at -= 1
        after = window[at]
    return size


def _joins(character: str) -> bool:
    return (
        character in "\u200d\ufe0f\ufe0e"
        or unicodedata.combining(character) > 0
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
