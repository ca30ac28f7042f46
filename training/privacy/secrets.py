"""Passwords, tokens and keys: by the prefixes that their makers gave them, or by the word that stands before them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.privacy.spans import Span

# The prefixes are the makers' own, as their documentation and secret scanners (GitHub's, gitleaks) know them. Every one
# ends in a run that is long and holds no space, so that "sk-learn" and "hf_hub" are words.
TOKEN = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
      sk-(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{16,}               # OpenAI, Anthropic and who copied them
    | [sr]k_(?:live|test)_[A-Za-z0-9]{10,} | whsec_[A-Za-z0-9]{16,}   # Stripe
    | xox[a-z]-[A-Za-z0-9-]{8,} | xapp-\d-[A-Za-z0-9-]{8,} | xoxe\.[A-Za-z0-9.-]{8,}  # Slack
    | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_-]{16,}
    | (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}(?![A-Z0-9])     # AWS
    | AIza[A-Za-z0-9_-]{30,} | ya29\.[A-Za-z0-9_-]{20,} | GOCSPX-[A-Za-z0-9_-]{20,}   # Google
    | [MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{5,8}\.[A-Za-z0-9_-]{25,}               # Discord bot
    | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?                    # JWT
    | hf_[A-Za-z0-9]{24,} | r8_[A-Za-z0-9]{24,} | npm_[A-Za-z0-9]{30,} | pypi-[A-Za-z0-9_-]{30,}
    | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,} | \d{8,10}:AA[A-Za-z0-9_-]{30,}      # SendGrid, Telegram
    )""",
    re.VERBOSE,
)

PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

# A name that says what follows, as in settings, JSON, headers and talk; "my password is …" too.
KEYED = re.compile(
    r"""(?<![A-Za-z])(?P<key>
        pass(?:word|wd|phrase|code)s? | pwd | (?:api|access|secret|private|signing|encryption|auth)[ _-]?keys?
      | (?:client|app|signing|shared)[ _-]?secret | secret
      | (?:[a-z]{1,12}[ _-])?token | authorization | bearer
    )["']?(?P<sign>\s{0,3}(?:=>|:=|[:=])\s{0,3}|\s(?:is|was)(?::|\snow)?\s|\s)
    (?:(?:bearer|basic|token)\s)?(?P<quote>["'`]?)(?P<value>[^\s"'`,;<>\[\]{}()]{3,200})""",
    re.VERBOSE | re.IGNORECASE,
)
_KEYWORDS = ("pass", "pwd", "secret", "token", "key", "authoriz", "bearer")
_PASSWORD = re.compile(r"pass|pwd", re.IGNORECASE)
# What stands where a secret would, in documentation.
_BLANK = re.compile(
    r"(?i)(?:x+|\*+|\.+|-+|_+|none|null|nil|true|false|undefined|changeme|required|optional|string|str|int|bytes|"
    r"(?:your|my|the|some|example|placeholder|redacted|hidden|os\.|env\.|process\.|self\.|settings\.|config\.|\$).*)"
)


def pem(text: str) -> Iterator[Span]:
    """Private keys, from the line that begins one to the line that ends it, or to the end of a text that was cut."""
    at = 0
    while begin := PEM_BEGIN.search(text, at):
        end = PEM_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield Span(begin.start(), at, "secret", text[begin.start() : at])


def tokens(text: str) -> Iterator[Span]:
    """Tokens by their prefix."""
    for match in TOKEN.finditer(text):
        yield Span(match.start(), match.end(), "secret", match.group())


def announced(lowered: str) -> bool:
    """Whether ``keyed`` could find anything in a text, given in small letters."""
    for word in _KEYWORDS:  # noqa: SIM110 - every text comes here, and `any` takes twice as long
        if word in lowered:
            return True
    return False


def keyed(text: str) -> Iterator[Span]:
    """Values behind words such as ``password:`` or ``api_key=``; the word itself stays."""
    for match in KEYED.finditer(text):
        value = match["value"].rstrip(".!?:")
        if _is_secret(match["key"], match["sign"].strip(), value, bool(match["quote"])):
            start = match.start("value")
            yield Span(start, start + len(value), "secret", value)


def _is_secret(key: str, sign: str, value: str, quoted: bool) -> bool:
    """ "password: required" is a sentence, "password: hunter2" and "pwd=letmein" are not."""
    if len(value) < 3 or _BLANK.fullmatch(value):
        return False
    digits = any(char.isdigit() for char in value)
    letters = any(char.isalpha() for char in value)
    marks = any(char in "!@#$%^&*+=/\\|~_" for char in value[:-1])
    mixed = digits and letters
    if _PASSWORD.match(key):
        if sign in {"=", ":=", "=>"} or (quoted and sign):
            return True
        return bool(sign) and (mixed or (marks and letters) or (digits and len(value) >= 4))
    if sign in {"=", ":=", "=>", ":"}:
        return mixed and len(value) >= 8
    return mixed and len(value) >= 16
