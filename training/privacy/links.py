"""E-mail addresses, links and bare domain names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from training.privacy.spans import Span
from training.privacy.words import COMMON

_LOCAL = re.compile(r"[\w.+%&'=~-]{1,64}")
_HOST = re.compile(r"@((?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_][\w-]{1,23})")

LINK = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+-]{1,14}://[^\s<>\"`{}|\\^\[\]\u200b]{1,4000}")
_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+-]{1,14})://(?:([^\s/?#@]*)@)?([^\s/?#]*)([^\s]*)")
# Query parameters that let whoever holds the link in: names used by S3, GCS, Azure, OAuth and what people make themselves.
_SECRET_QUERY = re.compile(
    r"(?i)[?&#;](?:[\w.-]{0,24}[_.-])?(?:access_?token|auth_?token|id_?token|refresh_?token|token|api_?key|apikey|key|secret|"
    r"signature|sig|password|passwd|pwd|auth|code|session(?:_?id)?|sid|credential|jwt|invite|hm)=[^&#\s]{4}"
)
_SECRET_PATH = re.compile(
    r"(?i)^(?:discord(?:app)?\.com/api/(?:v\d+/)?webhooks/|(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/|"
    r"hooks\.slack\.com/|hooks\.zapier\.com/|[\w.-]+\.webhook\.office\.com/|maker\.ifttt\.com/.*/key/|"
    r"api\.telegram\.org/(?:file/)?bot\d|discord\.gg/|discord(?:app)?\.com/invite/|join\.slack\.com/|chat\.whatsapp\.com/)"
)

# Names without a scheme need an ending that nobody uses for anything else ...
_SURE: Final = frozenset(
    """com org net edu gov mil biz mobi museum xyz co tv gg eu uk de fr nl ch au ca nz jp kr cn br ru ua cz dk fi
    se hu gr ie il mx ar cl tr tw hk sg th vn za lt lv ee hr bg ro lu cy mt ir eg tn ng ke uy pe ve cr cu hn ni
    kz uz ge az io""".split()
)
# ... or are English words, endings of files, or what programs call things (`self.name`): then the rest must look like one.
_UNSURE: Final = frozenset(
    """is it in so to no me my am as at be us ai md py rs sh pl cc do by la tk ml ps st es pm tf ws ly vc mn pk ph
    id pa ma al ba fm si sk li ec bo gt sv int info name pro travel jobs online site website store shop blog app
    dev tech cloud space club agency design digital email media network news social software solutions studio
    systems team university wiki world zone pt xn gl fo mk ac ae af ag sc sn sr su sy tc td tg tj tl tm ug va vu
    wf ye zm zw bd bf bh bi bj bn bs bt bw bz cd cf cg ci ck cm cv cx dj dm dz er et fj fk ga gd gf gh gi gm gn
    gp gq gs gu gw gy hm ht im iq je jm jo kg kh ki km kn kp kw ky lb lc lk lr ls mc mg mh mm mo mp mq mr ms mu
    mv mw mz nc ne nf np nr nu om pf pg pn pr pw qa re rw sa sb sd""".split()
)
BARE = re.compile(
    r"(?<![\w@./\\$~#-])(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,14}(?![\w(@\\]|[.-]\w)(?::\d{2,5}(?!\d))?"
    r"(?:/[^\s<>\"`{}|\\^\[\]]{0,2000})?"
)
DOT = re.compile(r"\.(?<=[^\W_]\.)[^\W\d_]{2}")  # begins with the dot: only where one is does it look around
_FILES = frozenset("py rs md sh pl so cc ps mm app".split())
# Before these, what is no English word and no name of a programmer's is an address; "done.it" is none.
_COUNTRIES = (frozenset(each for each in _UNSURE if len(each) == 2) | {"info"}) - _FILES
_CODE = frozenset(
    "self this logger log logging console args kwargs obj req res ctx std math async await numpy torch".split()
)
_SECOND = frozenset("co com net org gov edu ac or ne go".split())
# Things that are called like a domain.
_NAMES = frozenset("asp.net vb.net ado.net ml.net paint.net socket.io draw.io crates.io".split())
_CUE = re.compile(
    r"(?i)(?:web ?sites?|home ?page|pages?|blog|domains?|sites?|url|link|visit|browse|go to|online|www|host(?:ed)?|"
    r"server|see|check out|webseite|sitio|sito|https?)\b[^\n\[\]]{0,12}$"
)


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses: a local part of up to 64 characters (RFC 5321) and a host with an ending of letters."""
    at = text.find("@")
    while at >= 0:
        host = _HOST.match(text, at)
        # Read backwards: a pattern that began with the local part would try every start of a long run.
        local = _LOCAL.match(text[max(0, at - 64) : at][::-1]) if host else None
        if host and local:
            name = local.group()[::-1].lstrip(".'=&%")
            if name:
                start, end = at - len(name), host.end()
                yield Span(start, end, "email", text[start:end].lower())
                at = end - 1
        at = text.find("@", at + 1)


def links(text: str, every: bool) -> Iterator[Span]:
    """What has a scheme: those with secrets, and the others too where ``every`` is asked for."""
    for match in LINK.finditer(text):
        found = _trimmed(match.group())
        parts = _AUTHORITY.match(found)
        if parts is None:
            continue
        scheme, user, host, rest = parts.groups()
        secret = (
            bool(user)
            or _SECRET_QUERY.search(rest) is not None
            or _SECRET_PATH.match(host + rest) is not None
        )
        # What has no dot is this machine, or a name that means something in one network only.
        if secret or (every and "." in host.strip(".") and not host.startswith(("127.", "0."))):
            kind = "secret link" if secret else "link"
            value = f"{scheme}://{user or ''}@{host}".lower() + rest.rstrip("/")
            yield Span(match.start(), match.start() + len(found), kind, value)


def domains(text: str, every: bool) -> Iterator[Span]:
    """Addresses without a scheme, as people type them; invitations and webhooks are secrets."""
    for match in BARE.finditer(text):
        found = _trimmed(match.group())
        host, slash, path = found.partition("/")
        name, _, _ = host.partition(":")
        secret = bool(slash) and (
            _SECRET_PATH.match(found) is not None or _SECRET_QUERY.search(path) is not None
        )
        if (secret or every) and _is_domain(text, match.start(), name, bool(slash and path)):
            kind = "secret link" if secret else "link"
            yield Span(match.start(), match.start() + len(found), kind, found.lower().removesuffix("/"))


def _trimmed(found: str) -> str:
    """A link ends before the punctuation of its sentence, and before a bracket that it did not open."""
    for _ in range(32):  # a sentence ends sooner
        last = found[-1:]
        if (last and last in ".,;:!?'*_~…”’»") or (last == ")" and found.count("(") < found.count(")")):
            found = found[:-1]
        else:
            break
    return found


def _is_domain(text: str, start: int, host: str, path: bool) -> bool:
    labels = host.split(".")
    last = labels[-1]
    lowered = host.lower()
    if lowered in _NAMES or (last != last.lower() and host != host.upper()):
        return False  # "end.The next" and "Microsoft.Extensions.Net" are no addresses
    last = last.lower()
    if labels[0].lower() == "www" and len(labels) > 2:
        return True
    if last in _SURE:
        return len(labels[-2]) > 1 or len(labels) > 2 or path
    if last not in _UNSURE:
        return False
    if path or (len(labels) > 2 and labels[-2].lower() in _SECOND):
        return last not in _FILES or len(labels) > 2
    name = labels[-2]
    # CamelCase or a hyphen is nobody's sentence; otherwise something before must say that an address comes.
    if any(char.isupper() for char in name[1:]) and not name.isupper():
        return last not in _FILES
    if last in _COUNTRIES and len(name) > 3 and name.lower() not in COMMON and name.lower() not in _CODE:
        return True
    return _CUE.search(text[max(0, start - 40) : start].rpartition("]")[2]) is not None
