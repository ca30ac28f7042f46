"""E-mail addresses, links and bare domain names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.privacy.endings import COUNTRIES, FILES, LIKELY, SECOND, SURE, UNSURE, WORDS
from training.privacy.spans import Span
from training.privacy.words import COMMON

_LOCAL = re.compile(r"[\w.+%&'=~-]{1,64}")
# Scripts without spaces between words.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_ASCII_END = re.compile(r"[A-Za-z0-9.+%&'=~_-]+$")
_UNSPACED_ANY = re.compile(f"[{_UNSPACED}]")
_ASCII_HOST = re.compile(rf"@(?:[A-Za-z0-9-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?=[{_UNSPACED}])")
_HOST = re.compile(r"@((?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_][\w-]{1,23})")

_DISGUISED = re.compile(
    r"(?i)(?<![\w.+-])([\w.+-]{1,64}) ?[\[(]at[\])] ?"
    r"([^\W_][\w-]{0,62}(?:(?: ?[\[(](?:dot|punkt|\.)[\])] ?|\.)[^\W_][\w-]{0,62}){1,6})"
)
_DOT_SIGN = re.compile(r"(?i) ?[\[(](?:dot|punkt|\.)[\])] ?")

LINK = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+-]{1,14}://[^\s<>\"`{}|\\^\[\]\u200b]{1,4000}")
_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+-]{1,14})://(?:([^\s/?#@]*)@)?([^\s/?#]*)([^\s]*)")
# Query parameters that let whoever holds the link in: names used by S3, GCS, Azure, OAuth and what people make themselves.
_SECRET_QUERY = re.compile(
    r"(?i)[?&#;](?:[\w.-]{0,24}[_.-])?(?:access_?token|auth_?token|id_?token|refresh_?token|token|api_?key|apikey|"
    r"(?:rl|resource)?key|"
    r"secret|signature|sig|password|passwd|passcode|pwd|otp|auth|code|session(?:_?id)?|sid|credential|jwt|invite|"
    r"hm)=[^&#\s]{4}"
)
_SECRET_PATH = re.compile(
    r"(?i)^(?:discord(?:app)?\.com/api/(?:v\d+/)?webhooks/|(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/|"
    r"hooks\.slack\.com/|hooks\.zapier\.com/|[\w.-]+\.webhook\.office\.com/|maker\.ifttt\.com/.*/key/|"
    r"api\.telegram\.org/(?:file/)?bot\d|discord\.gg/|discord(?:app)?\.com/invite/|join\.slack\.com/|"
    r"chat\.whatsapp\.com/|"
    r"t\.me/(?:\+|joinchat/)|(?:[\w-]+\.)?zoom\.us/j/|meet\.google\.com/)"
)

BARE = re.compile(
    r"(?<![\w@./\\$~#-])(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}(?:[^\W\d_]{2,14}|xn--[a-z0-9-]{2,40})(?![\w(@\\]|"
    r"[.-]\w)(?::\d{2,5}(?!\d))?"
    r"(?:/[^\s<>\"`{}|\\^\[\]]{0,2000})?"
)
DOT = re.compile(r"\.(?<=[^\W_]\.)[^\W\d_]{2}")  # begins with the dot: only where one is does it look around
# What code names its objects: `std.io` and `req.app` are no addresses.
_CODE = frozenset(
    """self this logger log logging console args kwargs obj req res ctx std sys math async await numpy np pd plt torch tf
    java javax kotlin scipy skimage sklearn tokio redux express router window document node guild author member msg evt elem
    cls props params config cfg settings env util utils""".split()
)
# Things that are called like a domain.
_NAMES = frozenset("asp.net vb.net ado.net ml.net paint.net socket.io draw.io crates.io".split())
# What a site calls its parts.
_PARTS = frozenset(
    "blog shop store mail docs api en de fr es it m my app dev status forum wiki news help portal login web cdn".split()
)
_CUE = re.compile(
    r"(?i)(?:web(?: ?(?:sites?|shop|page|seite))?|home ?page|pages?|blog|domains?|sites?|url|link|visit|browse|go to|"
    r"online|www|host(?:ed)?|server|see|seen|check out|look at|found on|found it on|sitio|sito|https?|сайт|サイト|网站|網站)"
    r"(?![^\W_])(?:[^\w\n\[\]]{1,4}(?:is|at|on|in|to|was|the|my|our|their|here|now)){0,2}"
    r"(?:[^\w\n\[\]]{1,4}|[ \t]?:\s{1,4})$"
)
_ADDRESS_CUE = re.compile(
    r"(?i)(?:web ?(?:sites?|page|seite)?|home ?page|site|domain|visit|browse(?: to)?|go to|url|www|"
    r"blog|source|link|portfolio|shop at)(?:\W{1,3}(?:is|at|on))?[^\w\n\[\]]{1,4}$"
)
# The rest of a sentence, behind what would be its first word: ".it was", ".in 2007", ".it's", ".as, always".
_SENTENCE = re.compile(r"[ \u00a0][\w\"'(]|['’,]")

# What code does with a part of something: "cart.tax = 3", "frame.parts[0]".
_ASSIGNED = re.compile(r" ?[-+*/|&]?=|\[[\d\"'-]")


def disguised(text: str) -> Iterator[Span]:
    """E-mail addresses as people hide them: ``ann [at] example [dot] org``, with the placeholder of ann@example.org."""
    for match in _DISGUISED.finditer(text):
        host = _DOT_SIGN.sub(".", match[2])
        yield Span(match.start(), match.end(), "email", f"{match[1]}@{host}".lower())


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses: a local part of up to 64 characters (RFC 5321) and a host with an ending of letters."""
    at = text.find("@")
    while at >= 0:
        host = _HOST.match(text, at)
        # Read backwards: a pattern that began with the local part would try every start of a long run.
        local = _LOCAL.match(text[max(0, at - 64) : at][::-1]) if host else None
        if host and local:
            name = re.split("[=&]", local.group()[::-1])[-1].lstrip(".'%")  # "email=ann@example.org"
            end = host.end()
            # Where words are not put apart, the sentence around goes on: "メールはann@example.orgです".
            if name and _UNSPACED_ANY.search(name) and (latin := _ASCII_END.search(name)):
                name = latin.group()
            if not host.group().isascii() and (latin := _ASCII_HOST.match(text, at)):
                end = latin.end()
            if name and name != "git":  # who logs in to fetch a repository
                start = at - len(name)
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
        if (secret or every) and _is_domain(
            text, match.start(), match.start() + len(found), name, slash + path
        ):
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


def _is_domain(text: str, start: int, end: int, host: str, path: str) -> bool:
    labels = host.split(".")
    last = labels[-1]
    lowered = host.lower()
    if lowered in _NAMES or (last != last.lower() and host != host.upper()):
        return False  # "end.The next" and "Microsoft.Extensions.Net" are no addresses
    last = last.lower()
    if labels[0].lower() == "www" and len(labels) > 2:
        return True
    name = labels[-2]
    known = name.lower() in COMMON or labels[0].lower() in _CODE or name.lower() in _CODE
    if labels[0].lower() in _CODE and last not in ("com", "org"):
        return False
    if last in SURE or last.startswith("xn--"):
        return len(name) > 1 or len(labels) > 2 or len(path) > 1
    if last not in UNSURE and last not in LIKELY:
        return False
    said = text[max(0, start - 40) : start].rpartition("]")[2]
    camel = any(char.isupper() for char in name[1:]) and not name.isupper()
    if last in FILES and not (last == "cc" and (camel or "-" in name)):  # "main.rs/lib.rs" are two
        folder = len(path) > 1 and path.rpartition(".")[2] not in FILES
        return folder or _ADDRESS_CUE.search(said) is not None
    if len(path) > 1 or (len(labels) > 2 and labels[-2].lower() in SECOND):
        return True
    # CamelCase is nobody's sentence, nor are hyphens before an ending that is no word ("well-known.it").
    if camel and (last not in WORDS or text[end : end + 1] != " "):
        return True
    if len(labels) > 2 and labels[0].lower() in _PARTS and (last in COUNTRIES or last in LIKELY):
        return True
    if not known and len(name) > 1:
        if path or (last not in WORDS and ("-" in name or (len(labels) > 2 and labels[0].lower() in _PARTS))):
            return True
        program = last == "app" and not name.islower()  # "Safari.app"
        if last in LIKELY and not program and not _ASSIGNED.match(text, end):
            return len(name) > 2 or len(labels) > 2
        if len(name) > 3 and (last in COUNTRIES or (last in WORDS and not _SENTENCE.match(text, end))):
            return True
    # "see you.in a bit", "see user.id"
    cue = _ADDRESS_CUE if known or last in WORDS else _CUE
    return cue.search(said) is not None
