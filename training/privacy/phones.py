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

from training.privacy.numbers import NUMBERED, THINGS, before
from training.privacy.spans import Span

_THINGS = "|".join(THINGS)
# Letters and digits of alphabets that put spaces between words; in others a number stands in the middle of a sentence.
_GLUE = r"0-9A-Za-z_\u00aa-\u058f"
_CANDIDATE = re.compile(
    rf"(?<![{_GLUE}+])(?<![{_GLUE})][.,/_-])(?<![0-9)][:=])(?<![$€£¥%^<~&])"
    r"(?:\+ ?)?(?:\(\+?\d{1,6}(?:[ -]\d{1,4})?\)|\d{1,15}+)"
    r"(?:(?:\)?(?:[ .\-–]|/ ?)| - | ?(?=\()|(?<=\))-)(?:\(\d{1,6}\)|\d{1,15}+)|(?<=\))\d{1,15}+){0,8}+"
    rf"(?:,? ?(?:x|ext\b\.?|extension)[ .:]?\d{{1,6}}+)?(?![{_GLUE}%€£$°])(?![.,:/-]\d)"
)
_EXTENSION = re.compile(r",? ?(x|ext\.?|extension)[ .:]?\d{1,6}$")
_GROUP = re.compile(r"\d+")

# Right before the number: "Phone:", "tel. no. ", "my number is ", "Handy: ", "fax at".
_LABEL = re.compile(
    r"(?i)(?:phones?|tel[eé]fono|t[eé]l[eé]phone|telefon(?:szám|nummer|e|u|y|ul)?|telefone|telefoon|"
    r"(?<![^\W_])(?:t[eé]l|puh|tele|tlf|telf|tfn|ph|hp|gsm|cell|mob|mobile?|fax|sími)|m[oó]vil|celular|cellulare|"
    r"handy|portable|"
    r"puhelin|komórka|landline|whats ?app|signal|viber|telegram|hotline|helpline|điện thoại|sđt|тел|телефона?|моб|"
    r"τηλέφωνο|τηλ|κινητό|טלפון|נייד|هاتف|جوال|موبايل|الهاتف|電話(?:番号)?|携帯(?:電話)?|电话(?:号码)?|手机号?码?|電話號碼|"
    r"전화(?:번호)?|휴대폰|โทร(?:ศัพท์)?|"
    r"[\n|;] ?(?-i:[TMPFHW])(?=[.:]? )|"
    rf"\b(?:my|his|her|their|our|your|whose|the|new|old|this|contact|work|home|office|emergency|'s|s')"
    rf"(?: (?!{_THINGS}|account|card|line|whole|first|same|street)[\w'’]{{2,10}}){{0,2}} number|☎|📞|📱|"
    r"(?:meine|unsere|neue|mijn|min|mit|mitt) numm?er|(?:mon|son|notre|mi|su|meu|mio|tu) n[uú]m[eé]ro|numaram|számom|"
    r"(?:mój|nowy) numer|мой номер|رقمي|我的号码)"
    r"(?:[ -]?(?:numbers?|nummer|num|no|nr|line))?[.:#?]?(?:\s{1,3}(?:is|was|are|at|on|to|of|under|now|number|no\.?|"
    r"nr\.?|\d|[^\W\d]\w{0,9}|:|=|-)){0,3}[\s:=：は은는(.*#|>\"'`-]{0,5}$"
)
# One of these is in every label; to look for them costs a tenth of looking for the labels.
_HINTS = (
    "tel", "fon", "ph", "fax", "mob", "cel", "gsm", "number", "line", "tlf", "tfn", "puh", "hp", "handy", "portable", "what",
    "signal", "viber", "\n", "|", ";",
)  # fmt: skip
_TALK = re.compile(
    r"(?i)\b(?:call(?:ed|ing)?|dial(?:led|ing)?|ring|phon(?:e[ds]?|ing)|text(?:ed|ing)?|sms|reach(?:ed|able)?|"
    r"contact(?:ed)?|"
    r"messages?|number|fax(?:ed)?|tel|mobile|cell|line|ruf|rufen|anrufen|appelle[rz]?|appelle-moi|ll[aá]m\w*|"
    r"chiama\w*|bel|ringa?|hív\w*|(?:za)?dzwo\w*|lig(?:ar|a|ue)|(?:по)?звони\w*|touch|toll[ -]free|freephone|"
    r"questions|連絡先|联系)(?![^\W_])"
    r"[^.!?\n\d]{0,40}(?:[?:]\s{0,2}(?:at |on |by )?)?$"
)
_AFTER = re.compile(
    r"(?i)[ \t]{0,2}[(\[-]?[ \t]?(?:(?:tele|mobile |cell |work |home |office )?phone|tel\b|mobile|mob\b|cell|home|"
    r"office|"
    r"work|fax|landline|whatsapp|is (?:my|his|her|the|our)(?: \w+)? (?:number|phone|cell|mobile))\b"
)
_NOT = re.compile(
    rf"(?i)\b(?:{_THINGS}|account|acct|iban|ssn|card|id|code|size|total|sum|balance|amount|about|approximately|roughly|"
    rf"between|years?|nr\.?){NUMBERED}|number of (?!my|his|her|our|your|the)[^\n\d]{{0,30}}$|[$€£¥#=]\s?$"
)
_MAY_FOLLOW = re.compile(
    r"[ \t]{0,3}(?:$|[\r\n.,;:!?)\]\"'’”|<>*]|-\s|–|(?:is|or|and|but|if|when|to|for|at|on|after|before|please|"
    r"thanks?|asap|"
    r"now|all|here|still|again|twice|anytime|instead|until|till|during|every|last|this|next|today|tonight|tomorrow|any|between|"
    r"from|with|in|so|as|because|since|then|i|you|he|she|they|we|it|ok|okay|right)\b)",
    re.IGNORECASE,
)
# What it counts, which no phone is followed by.
_UNIT = re.compile(
    r"(?i) ?(?:is (?:the|my|our|your) (?:post|zip|order|account|ticket)|"
    r"secs?|seconds?|[mnµu]s|minutes?|hours?|days?|"
    r"years?|bytes?|[kmgt]i?b|rows?|lines?|records?|items?|files?|users?|"
    r"people|inhabitants|points?|views?|times|tokens?|parameters|steps|iterations|pixels|euros?|dollars?|usd|eur|"
    r"gbp|chf|"
    r"kr|sek|nok|dkk|zł|pln|ft|huf|kč|czk|rub|yen|jpy|inr|km|kg|cm|mm|miles|downloads|votes|copies)\b"
)
# 60-56-85-91, 25-123456, 434 14 557, 51 516 33 75, 21 284 698 2548 ...
_LIKELY = (
    [2, 2, 2, 2], [2, 6], [3, 2, 3], [2, 3, 2, 2], [2, 3, 3, 4], [2, 3, 4], [2, 4, 4], [3, 2, 2, 2], [3, 2, 2], [2, 3, 3],
    [3, 3, 2, 2],
)  # fmt: skip
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ][01]?\d[-./ ][0-3]?\d|[0-3]?\d[-./ ][0-3]?\d[-./ ](?:19|20)?\d\d|"
    r"(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d|(?:1\d|20)\d\d ?[-–/] ?(?:1\d|20)?\d\d"
)
# An area and an exchange, of which no 911 is one, and no area with a 9 in the middle.
_AMERICAN = re.compile(r"1?[2-9](?!9|11)\d\d[2-9](?!11)\d{6}")
# A date with its time behind it: "06/15/2016 9.45", "06.05.81 5.17".
_DATED = re.compile(
    r"(?:(?:19|20)\d\d([-./])\d\d?\1\d\d?|\d\d?([-./])\d\d?\2(?:(?:19|20)\d\d|\d\d(?= ))) ?(?!\d{5})"
)
# A line, or a cell of a row, that holds nothing else, but perhaps what quotes or lists it.
_OPENS = re.compile(r"(?:\A|[\n|;\t])[ \t>*?•|-]{0,8}$")
_CLOSES = re.compile(r"[ \t.!*]{0,6}(?:\Z|[\n|;\t])")
_CONTACT = re.compile(r"@|://|www\.|\[(?:email|link) \d")
_MAIL_FOLLOWS = re.compile(r"[,;|/] ?(?:[\w.+-]{1,64}@|\[email \d)")
_NEXT_LINE = re.compile(r"\n[ \t>]{0,3}\d{2,12}(?:[ .-]\d{2,6}){0,3}(?!\w)")


def phones(text: str, first: int = 0) -> Iterator[Span]:
    """Phone numbers with their extensions; the first digit of the text is at ``first`` or behind."""
    for match in _CANDIDATE.finditer(text, max(0, first - 4)):  # "+ (+"
        start, end = match.span()
        found = match.group()
        if len(found) < 5:
            continue
        if found.startswith("(") and (found.count("(") > found.count(")") or found[-1] == ")"):
            continue
        extension = _EXTENSION.search(found)
        bare = found[: extension.start()] if extension else found
        groups = [len(group) for group in _GROUP.findall(bare)]
        if bare[0] == "+" and sum(groups) < 8 and (rest := _NEXT_LINE.match(text, end)):
            # The line broke within the number.
            end, bare = rest.end(), bare + " " + rest.group().strip()
            found = bare
            groups = [len(group) for group in _GROUP.findall(bare)]
        if 5 <= sum(groups) <= 17 and _is_phone(text, start, end, bare, groups, extension):
            yield Span(start, end, "phone", re.sub(r"[^\d+x]", "", found))


def labelled(text: str, at: int) -> bool:
    """Whether what stands before says that a phone number comes."""
    return _named(before(text, at))


def _named(said: str) -> bool:
    if said.isascii():
        lowered = said.lower()
        if not any(hint in lowered for hint in _HINTS):
            return False
    return _LABEL.search(said) is not None


def _is_phone(
    text: str, start: int, end: int, found: str, groups: list[int], extension: re.Match[str] | None
) -> bool:
    count = sum(groups)
    if groups.count(1) > 2 or len(groups) > 7:  # "1 2 3 4 5 6 7"
        return False
    said = before(text, start)
    if found.startswith(("+", "(+")):
        return 8 <= count <= 16 or (6 <= count < 8 and _named(said))
    named = _named(said)
    if _DATE.fullmatch(found) or _DATED.match(found):
        return named and said.rstrip(" *|\n").endswith(":")
    if _UNIT.match(text, end):
        return False
    if named:
        return count <= 16
    if _NOT.search(said) or _joined(said):
        return False
    if extension and (count in (7, 10, 11, 13) or extension[1] != "x"):
        return True
    named = _AFTER.match(text, end) is not None or _MAIL_FOLLOWS.match(text, end) is not None
    announced = named or _TALK.search(said) is not None
    if announced and count >= 9 and not _money(found) and not _number(found, groups):
        return True
    if set(found) <= {"0", "1", " "}:  # "0101 1010 0110"
        return False
    if _certain(found, groups, count):
        return True
    if not named and not _MAY_FOLLOW.match(text, end):  # "370 3911 Fourth Avenue", "100 000 people"
        return False
    alone = _alone(text, start, end) and count <= 13 and "/" not in found and groups != [4, 2, 2]
    if (announced or alone) and count >= 7 and not _number(found, groups):
        # Digits alone may be anything, but not beside the rest of somebody's addresses.
        return len(groups) > 1 or announced or _CONTACT.search(text, max(0, start - 80), end + 80) is not None
    return _likely(found, groups, count)


def _number(found: str, groups: list[int]) -> bool:
    """ "97526.510" and "43.739.195": points of a phone part short groups, or 467.3395."""
    return found.count(".") == len(groups) - 1 > 0 and (
        (len(groups) == 2 and groups != [3, 4]) or (groups[1:] == [3] * (len(groups) - 1) and groups[0] <= 3)
    )


def _joined(said: str) -> bool:
    """ "x=4673395", "2*4673395" and "id:4673395"; behind Markdown's stars and in a table it stands on its own."""
    return said[-1:] in ("*", ":", "=", "#") and said[-2:-1].isalnum()


def _certain(found: str, groups: list[int], count: int) -> bool:
    """Groupings that say so themselves."""
    if found.startswith("00") and count >= 10:
        return True
    if groups[-3:] == [3, 3, 4] and count in (10, 11) and len(groups) in (3, 4) and found[0] in "(123456789":
        return groups in ([3, 3, 4], [1, 3, 3, 4]) and (groups[0] == 3 or found[0] == "1")
    if found[0] == "(":
        area = found[1 : found.index(")")]
        return 8 <= count <= 13 and 2 <= len(area) <= 5 and not (len(area) == 4 and area[:2] in ("19", "20"))
    if found[0] == "0" and 9 <= count <= 12 and not found.startswith("0."):
        return len(groups) == 1 or groups[0] >= 2 or groups == [1, 3, 3, 2, 2]
    if len(groups) == 1:  # ten digits as in North America; what begins with 1 counts seconds
        return _AMERICAN.fullmatch(found) is not None
    if groups == [1, 3, 3, 2, 2]:
        return found[0] in "78"
    return (groups == [3, 7] and found[3] == "-") or (groups == [2, 5, 4] and found[-5] == "-")


def _likely(found: str, groups: list[int], count: int) -> bool:
    """Groupings that are phones more often than not, where nothing speaks for either."""
    marks = {char for char in found if not char.isdigit()}
    if groups == [2, 3, 4] and marks == {"/", "-"}:
        return True
    if marks == {" ", "-"} and groups in ([2, 4, 4], [3, 3, 2, 2], [3, 2, 2, 2]):
        return found[groups[0]] == " " and found[-groups[-1] - 1] == "-"
    if len(marks) != 1 or not marks <= {" ", "-"}:
        return False
    numbers = [int(group) for group in _GROUP.findall(found)]
    if groups in ([3, 4], [4, 4]):
        years = 1900 <= numbers[1] <= 2100 or (groups == [4, 4] and max(numbers) <= 2100)
        rising = numbers[0] < numbers[1] and numbers[0] % 10 == 0 and numbers[1] % 10 == 0
        return not years and not rising
    if groups == [3, 3, 3]:
        return any(number % 10 for number in numbers)
    if groups == [5, 5]:
        return found[0] in "6789"
    if groups == [3, 4, 4]:
        return found[0] == "1" and found[1] in "3456789"
    return groups in _LIKELY


def _money(found: str) -> bool:
    """ "1 200 000" or "1.200.000", and not "612 345 678"."""
    return re.fullmatch(r"\d{1,2}(?:([ .])\d{3})(?:\1\d{3})*", found) is not None


def _alone(text: str, start: int, end: int) -> bool:
    return _OPENS.search(text, max(0, start - 9), start) is not None and _CLOSES.match(text, end) is not None
