"""What people's words are, by simple rules: a lesson in one line, and the kind of thing that a message is. Pure."""

from __future__ import annotations

import re
from typing import Literal

Pattern = Literal["greeting", "question", "statement", "joke", "story"]

# A No, an end of its sentence or not, and "the (right) answer is". Quantifiers are possessive: no text makes it slow.
_TEACHING = re.compile(
    r"\s*+no(?:pe)?(?:[\s,.:;!–—-]++)"
    r"(?:(?:that(?:'|’)s|that\s++is|this\s++is|it(?:'|’)s)\s++(?:wrong|not\s++(?:right|true|correct))[\s,.:;!–—-]++)?"
    r"(?:the|a|my)\s++(?:(?:right|correct|better|best|true|real|proper|good)\s++)?answer\s++"
    r"(?:(?:is|was)|(?:would|should)\s++(?:be|have\s++been))(?P<colon>\s*+[:,])?+\s*+(?P<answer>\S.*+)",
    re.IGNORECASE | re.DOTALL,
)
# "No, the answer is not that simple" contradicts, but teaches nothing.
_DENIAL = re.compile(r"(?:not|wrong|incorrect|unclear)\b", re.IGNORECASE)

_GREETINGS = frozenset(
    "hello hi hey hiya howdy hallo hola greetings morning evening afternoon yo welcome ciao salut servus".split()
)
_GOOD = re.compile(r"good\s+(?:morning|evening|afternoon|day|night)\b")
_ASKING = frozenset(
    "what who whom whose where when why which how is are am was were do does did can could may might must shall "
    "should will would has have had isn't aren't don't doesn't didn't can't won't".split()
)
_JOKE = re.compile(
    r"^knock[, ]+knock\b|\b(?:tell|know|got|have|another|make|crack|give)\b.*\b(?:joke|jokes|pun|puns|riddle|laugh)\b"
)
_STORY = re.compile(
    r"^once upon a time\b|\b(?:tell|write|read|invent|make up|give)\b.*\b(?:story|stories|tale|fable)\b"
)
_GLANCE = 500  # the kind of a message shows early, and rules need not read a book


def parse_teaching(text: str) -> str | None:
    """The answer in ``no, the answer is ...`` (also: the right answer, over several lines), or ``None``.

    A sentence that only contradicts ("no, I don't think so", "no, the answer is not clear") teaches nothing.
    """
    found = _TEACHING.fullmatch(text)
    if found is None:
        return None
    answer = found["answer"].strip()
    if not found["colon"] and _DENIAL.match(answer):
        return None
    return answer


def pattern_of(text: str) -> Pattern:
    """What kind of thing a message is: the first of greeting, joke, story, question that fits, else a statement.

    A greeting is at most four words, so that "hi, how do I connect Slack?" is the question it is.
    """
    glance = text[:_GLANCE].strip().casefold().replace("’", "'")
    words = re.findall(r"[\w']+", glance)
    if not words:
        return "statement"
    if len(words) <= 4 and (words[0] in _GREETINGS or _GOOD.match(glance)):
        return "greeting"
    if _JOKE.search(glance):
        return "joke"
    if _STORY.search(glance):
        return "story"
    if "?" in glance or words[0] in _ASKING or words[0].partition("'")[0] in _ASKING:
        return "question"
    return "statement"
