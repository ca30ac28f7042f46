"""Who and where on Discord and Slack: mentions, bare ids, handles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.privacy.spans import Span

# https://discord.com/developers/docs/reference#message-formatting and
# https://docs.slack.dev/messaging/formatting-message-text. A custom emoji belongs to a server and a <t:…> to nobody:
# both stay. So do Slack's <!here> and <!channel>.
MENTION = re.compile(
    r"<(?:@[!&]?(\d{15,21})|#(\d{15,21})|/[^:<>\n]{1,80}:(\d{15,21})"
    r"|[@#]([UWCDGTB][A-Z0-9]{5,14})(?:\|[^<>\n]{0,120})?|!subteam\^(S[A-Z0-9]{5,14})(?:\|[^<>\n]{0,120})?)>"
)
KEPT = re.compile(r"<(?:a?:\w{1,40}:\d{15,21}|t:-?\d{1,14}(?::[a-zA-Z])?|id:\w{1,20})>")
SNOWFLAKE = re.compile(
    r"[1-9][0-9]{16}(?<![\w.,$€£#/-][0-9]{17})(?<![0-9]:[0-9]{17})[0-9]{0,2}(?![\w%]|[.,][0-9])"
)
_EMOJI = re.compile(r":\w{2,32}:$")  # a custom one whose brackets were lost
# A letter for the kind and random capitals and digits; a word in capitals with a number behind it is none.
SLACK = re.compile(r"(?<![\w/.-])[UWCTDG](?=[A-Z]{0,12}\d)[A-Z0-9]{8,11}(?![\w-])")
_NINE = re.compile(r"[UWCTDG][A-Z0-9]{8}")
_WORD_AND_NUMBER = re.compile(r"[A-Z]{2,}\d+")

HANDLE = re.compile(r"(?<![\w@/.`~\\])@(?=[\w.-]{0,31}[^\W\d_])\w[\w.-]{0,31}(?:@[\w-]{1,63}\.[\w.-]{2,63})?")
# Everybody is nobody; the rest are what code writes behind an @.
NO_HANDLE = frozenset(
    """everyone here channel all property staticmethod classmethod dataclass override overload abstractmethod cached
    contextmanager pytest param params return returns throws type typedef see deprecated author since version media import
    charset keyframes apply include mixin extend supports page layer tailwind container component injectable input output
    autowired bean entity service test before after beforeeach test_only interface end implementation selector home work
    least most first last once""".split()
)


def mentions(text: str) -> Iterator[Span]:
    """Mentions and ids in the platforms' own markup."""
    for match in MENTION.finditer(text):
        yield Span(match.start(), match.end(), "id", next(filter(None, match.groups())))


def snowflakes(text: str, first: int = 0) -> Iterator[Span]:
    """Discord's ids on their own, of 17 to 19 digits; the first digit of the text is at ``first`` or behind."""
    for match in SNOWFLAKE.finditer(text, first):
        if not _EMOJI.search(text, max(0, match.start() - 34), match.start()):
            yield Span(match.start(), match.end(), "id", match.group())


def slack_ids(text: str, first: int = 0) -> Iterator[Span]:
    """Slack's ids on their own: nine to twelve capitals and digits, the first of these at ``first`` or behind."""
    begin = max(0, first - 13)  # capitals before the digit
    for match in SLACK.finditer(text, begin) if _NINE.search(text, begin) else ():
        if not _WORD_AND_NUMBER.fullmatch(match.group()):
            yield Span(match.start(), match.end(), "id", match.group())


def handles(text: str) -> Iterator[Span]:
    """``@name``, with the server where Mastodon's has one."""
    for match in HANDLE.finditer(text):
        found = match.group().rstrip(".-")
        end = match.start() + len(found)
        if len(found) > 2 and found[1:].lower() not in NO_HANDLE and text[end : end + 1] not in ("/", "("):
            yield Span(match.start(), end, "handle", found.lower())
