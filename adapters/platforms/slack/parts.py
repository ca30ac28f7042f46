"""A long reply in messages that Slack takes, while it grows and when it is done."""

from __future__ import annotations

import re

from adapters.platforms.splitting import split, tidy

# Slack takes 12,000 characters in all blocks of a message together, and counts some of them twice.
LIMIT = 11_000
_SHORT = 1500
_NOTHING = "_Nothing was said._"
_FENCE = "```"
_CLOSINGS = ("\n```", "```", "``", "`")
_SEEN = 24
_RULE = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?")


def finished(text: str) -> list[str]:
    """A final text in parts, at least one; code that is cut is closed and opened again."""
    return _headed(split(text, LIMIT)) or [_NOTHING]


def growing(text: str) -> list[str]:
    """A text so far in parts. The last one is left as it is, however it ends: what follows is added to it."""
    text = tidy(text)
    if len(text) <= LIMIT and _FENCE not in text:
        return [text] if text else []
    parts = split(text, LIMIT)
    if parts:
        last, end = parts[-1], text[-_SEEN:]
        if not last.endswith(end):
            parts[-1] = next(
                (last[: -len(each)] for each in _CLOSINGS if last.endswith(end + each)),
                last,
            )
    return _headed(parts)


def _headed(parts: list[str]) -> list[str]:
    """Parts in which a table that was cut begins with its headings again."""
    for at in range(1, len(parts)):
        if parts[at].startswith("|") and (head := _head_of(parts[at - 1])):
            parts[at] = head + parts[at]
    return parts


def _head_of(part: str) -> str:
    """The headings of the table that a part ends with, and the rule below them; empty where there is none."""
    lines = part.splitlines()
    start = len(lines)
    while start and lines[start - 1].startswith("|"):
        start -= 1
    if len(lines) - start < 2 or not _RULE.fullmatch(lines[start + 1].strip()):
        return ""
    return f"{lines[start]}\n{lines[start + 1]}\n"


def beginning(text: str) -> str:
    """How a text begins that comes as a file."""
    return split(text, _SHORT)[0] + "\n\n_The whole reply is in the file._"
