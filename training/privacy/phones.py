"""Phone numbers of any country, by how their digits are grouped and by what is said around them.

A number without a country's prefix proves nothing: "467 3395" is a phone in Iceland and a house in Ohio. So a number counts
with a +, with a word that announces it ("Phone:", "call me at", "Handy", "(fax)"), or alone in its line; and otherwise only
in groupings that hardly anything else has. What looks like a date, a range of years, a price or a measure, and what follows
"order", "ISBN" or the like, is left. No library
decides: ``phonenumbers`` wants to be told the country, which a chat does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.privacy.numbers import before
from training.privacy.spans import Span

_CANDIDATE = re.compile(
    r"(?<![\w+])(?<![\w)][.,:=/#_-])(?<![$€£¥#%^*=<~&])"
    r"(?:\+\s?)?(?:\(\+?\d{1,6}\)|\d{1,15}+)"
    r"(?:(?:\)?[ .\-–\u2011/\u00a0]|\s-\s|\s?(?=\())(?:\(\d{1,6}\)|\d{1,15}+)|(?<=\))\d{1,15}+){0,8}+"
    r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6}+)?(?![\w%€£$°])(?![.,:/-]\d)"
)
_EXTENSION = re.compile(r"\s?(?:x|ext\.?|extension)\s?\d{1,6}$")
_GROUP = re.compile(r"\d+")

# Right before the number: "Phone:", "tel. no. ", "my number is ", "Handy: ", "fax at".
_LABEL = re.compile(
    r"(?i)(?:phones?|tele(?:ph|f)ono?|t[eé]l[eé]phone|telefon(?:szám|nummer|e)?|telefone|telefoon|t[eé]l|tlf|telf|mobile?|mob|"
    r"m[oó]vil|celular|cellulare|handy|portable|puhelin|s[ií]mi|komórka|gsm|cell|fax|landline|whats ?app|signal|"
    r"telegram|hotline|helpline|\b(?:my|his|her|their|our|your|whose|the|new|old|this|contact|work|home|office|emergency|'s|s')"
    r"(?: \w{2,9}){0,2} number|☎|📞|📱)"
    r"(?:[ -]?(?:numbers?|nummer|num|no|nr|line))?[.:#?]?(?:\s{1,3}(?:is|was|are|at|on|to|of|under|now|number|no\.?|nr\.?|"
    r"\w{2,10}|:|=|-)){0,3}[\s:=(.*|>-]{0,4}$"
)
_TALK = re.compile(
    r"(?i)\b(?:call(?:ed|ing|s)?|dial(?:led|ing)?|ring|phon(?:e[ds]?|ing)|text(?:ed|ing)?|sms|reach(?:ed|able)?|contact(?:ed)?|"
    r"messages?|number|fax(?:ed)?|tel|mobile|cell|line|ruf|anrufen|appelle[rz]?|llama|ligar|dzwoń|ringa|touch)\b"
    r"[^.!?\n\d]{0,40}(?:[?:]\s{0,2}(?:at |on |by )?)?$"
)
_AFTER = re.compile(
    r"(?i)[ \t]{0,2}[(\[-]?[ \t]?(?:(?:tele|mobile |cell |work |home |office )?phone|tel\b|mobile|mob\b|cell|home|office|"
    r"work|fax|landline|whatsapp|is (?:my|his|her|the|our)(?: \w+)? (?:number|phone|cell|mobile))\b"
)
_NOT = re.compile(
    r"(?i)\b(?:isbn(?:-1[03])?|issn|doi|pmid|order|invoice|ticket|tracking|case|issue|ref(?:erence)?|serial|model|version|zip|"
    r"postcode|plz|population|pages?|pp|vol(?:ume)?|chapter|section|article|room|flight|lottery|score|patent|id|sku|upc|"
    r"account|acct|iban|ssn|card|about|approximately|roughly|between|year|years|bug|pr|rfc|nr\.?|error|code|port|pid)"
    r"[ .:#]{0,3}(?:no\.?|number|num|is|was|#|:|\s){0,3}\s?$|[$€£¥#]\s?$"
)
_MAY_FOLLOW = re.compile(
    r"[ \t]{0,3}(?:$|[\r\n.,;:!?)\]\"'’”|<>*]|-\s|–|(?:is|or|and|but|if|when|to|for|at|on|after|before|please|thanks?|asap|"
    r"now|today|tonight|tomorrow|any|between|from|with|in|so|as|because|since|then|i|you|he|she|they|we|it|ok|okay|right)\b)",
    re.IGNORECASE,
)
# 60-56-85-91, 25-123456, 434 14 557, 51 516 33 75, 21 284 698 2548 ...
_LIKELY = (
    [2, 2, 2, 2], [2, 6], [3, 2, 3], [2, 3, 2, 2], [2, 3, 3, 4], [2, 3, 4], [2, 4, 4], [3, 2, 2, 2], [3, 2, 2], [2, 3, 3],
    [3, 3, 2, 2],
)  # fmt: skip
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ][01]?\d[-./ ][0-3]?\d|[0-3]?\d[-./ ][0-3]?\d[-./ ](?:19|20)?\d\d|"
    r"(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d|(?:19|20)\d\d ?[-–/] ?(?:19|20)?\d\d"
)


def phones(text: str, first: int = 0) -> Iterator[Span]:
    """Phone numbers with their extensions; the first digit of the text is at ``first`` or behind."""
    for match in _CANDIDATE.finditer(text, max(0, first - 4)):  # "+ (+"
        start, end = match.span()
        found = match.group()
        if len(found) < 5:
            continue
        if found.startswith("(") and found.count("(") > found.count(")"):
            continue
        bare = _EXTENSION.sub("", found)
        groups = [len(group) for group in _GROUP.findall(bare)]
        if 5 <= sum(groups) <= 17 and _is_phone(text, start, end, bare, groups):
            yield Span(start, end, "phone", re.sub(r"[^\d+x]", "", found))


def _is_phone(text: str, start: int, end: int, found: str, groups: list[int]) -> bool:
    count = sum(groups)
    if groups.count(1) > 2 or len(groups) > 7:  # "1 2 3 4 5 6 7"
        return False
    if found.startswith(("+", "(+")):
        return 8 <= count <= 16
    if _DATE.fullmatch(found):
        return False
    said = before(text, start)
    if _LABEL.search(said):
        return count <= 16
    if _NOT.search(said):
        return False
    if _EXTENSION.search(text[start:end]) and count in (7, 10, 11, 13):
        return True
    labelled = _AFTER.match(text, end) is not None
    announced = labelled or _TALK.search(said) is not None
    if announced and count >= 9 and not _money(found):
        return True
    if _certain(found, groups, count):
        return True
    if not labelled and not _MAY_FOLLOW.match(text, end):  # "370 3911 Fourth Avenue", "100 000 people"
        return False
    alone = _alone(text, start, end)
    if (announced or alone) and count >= 7:
        return len(groups) > 1 or announced
    return _likely(found, groups, count)


def _certain(found: str, groups: list[int], count: int) -> bool:
    """Groupings that say so themselves."""
    if found.startswith("00") and count >= 10:
        return True
    if groups[-3:] == [3, 3, 4] and count in (10, 11) and len(groups) in (3, 4) and found[0] in "(123456789":
        return groups in ([3, 3, 4], [1, 3, 3, 4]) and (groups[0] == 3 or found[0] == "1")
    if found[0] == "(":
        area = found[1 : found.index(")")]
        return 8 <= count <= 12 and 2 <= len(area) <= 5 and not area.startswith(("19", "20"))
    if found[0] == "0" and 9 <= count <= 12 and not found.startswith("0."):
        return len(groups) == 1 or groups[0] >= 2
    if len(groups) == 1:  # ten digits as in North America; what begins with 1 counts seconds
        return (count == 10 and found[0] in "23456789" and found[3] in "23456789") or (
            count == 11 and found[0] == "1" and found[1] in "23456789" and found[4] in "23456789"
        )
    return groups == [3, 7] and found[3] == "-"


def _likely(found: str, groups: list[int], count: int) -> bool:
    """Groupings that are phones more often than not, where nothing speaks for either."""
    marks = {char for char in found if not char.isdigit()}
    if len(marks) != 1 or not marks <= {" ", "-", "\u00a0"}:
        return False
    numbers = [int(group) for group in _GROUP.findall(found)]
    if groups in ([3, 4], [4, 4]):
        years = 1900 <= numbers[1] <= 2100
        rising = numbers[0] < numbers[1] and numbers[0] % 10 == 0 and numbers[1] % 10 == 0
        return not years and not rising
    if groups == [3, 3, 3]:
        return any(number % 10 for number in numbers)
    return groups in _LIKELY


def _money(found: str) -> bool:
    """ "1 200 000" or "1.200.000", and not "612 345 678"."""
    return re.fullmatch(r"\d{1,2}(?:([ .])\d{3})(?:\1\d{3})*", found) is not None


def _alone(text: str, start: int, end: int) -> bool:
    """Whether the line holds nothing else, but perhaps what quotes or lists it."""
    line = text[max(text.rfind("\n", max(0, start - 8), start) + 1, start - 8 if start > 8 else 0) : start]
    opens = start <= 8 or text.rfind("\n", start - 8, start) >= 0
    return (
        opens and not line.strip(" \t>*-?•|") and text[end : end + 8].partition("\n")[0].strip(" \t.!") == ""
    )
