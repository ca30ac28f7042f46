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
    | [srp]k_(?:live|test)_[A-Za-z0-9]{10,} | whsec_[A-Za-z0-9+/=]{16,}   # Stripe
    | xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,} | xapp-\d-[A-Za-z0-9-]{8,} | xoxe\.[A-Za-z0-9.-]{8,}  # Slack
    | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,}                   # GitHub
    | gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_.-]{16,}                       # GitLab
    | (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}(?![A-Z0-9])(?:[\s:,;|"'/]{1,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?  # AWS
    | AIza[A-Za-z0-9_-]{30,} | AQ\.[A-Za-z0-9_-]{30,} | ya29\.[A-Za-z0-9_-]{20,} | 1//0[A-Za-z0-9_-]{20,}  # Google
    | GOCSPX-[A-Za-z0-9_-]{20,}
    | [MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{5,8}\.[A-Za-z0-9_-]{25,} | mfa\.[A-Za-z0-9_-]{40,}    # Discord
    | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*                    # JWT, JWE
    | (?:hf|r8|gsk|npm|ntn|secret|figd|sbp|lin_api|dop_v1|dckr_pat|shp(?:at|ca|pa|ss)|pscale_tkn|sntry[su])_[A-Za-z0-9]{24,}
    | (?:(?:xai|pypi|pplx|tvly|AGE-SECRET-KEY|NRAK|PMAK|sq0[a-z]{3})-|hvs\.)(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{22,}
    | (?:key-|dapi|AC|SK)[0-9a-f]{32}(?![A-Za-z0-9])                                  # Mailgun, Databricks, Twilio
    | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,} | \d{8,10}:AA[A-Za-z0-9_-]{30,}      # SendGrid, Telegram
    )""",
    re.VERBOSE,
)
# What every one of them holds and hardly any text does, but for those whose run the signs of base64 part.
_IN_BASE64 = "whsec_"
_RUN = re.compile(r"[A-Za-z0-9_-]{17}")
_PREFIX = 24  # characters of a token before such a run, at most

PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

# A name that says what follows, as in settings, JSON, headers and talk; "my password is …" too.
KEYED = re.compile(
    r"""(?<![A-Za-z])(?=[abcehjklmpstwпパ密비])(?P<key>  # a cheap look at the first letter
        pass(?:word|wd|phrase|code|wort)?s? | pin(?:[ -]?code)? | pwd? | mot\sde\spasse
      | kennwort | contrase[ñn]a | senha | wachtwoord | lösenord
      | hasło | jelszó | heslo | parola | salasana | пароль | パスワード | 密[码碼] | 비밀번호
      | (?:api|access|secret|private|signing|encryption|auth)[ _-]?keys?
      | (?:client|app|signing|shared)[ _-]?secret | secret | token | authorization | bearer
    )["']?(?P<sign>\s{0,3}(?:=>|:=|[:=は])\s{0,3}|(?:\s(?:is|was)|['’]s)(?::|\snow)?\s|\s)
    (?:(?:bearer|basic|token)\s)?
    (?:(?P<quote>["'`])(?P<quoted>[^"'`\n\[\]]{3,200})(?P=quote)|["'`]?(?P<value>[^\s"'`,;<>\[\]{}()]{3,200}))""",
    re.VERBOSE | re.IGNORECASE,
)
_KEYWORDS = ("pass", "pwd", "secret", "token", "key", "authoriz", "bearer", "phrase", "pin is")
# These people write before a colon.
_LABELS = re.compile("pw:|pin:|pin code|kennwort|contrase|senha|wachtwoord|heslo|parola|salasana")
_LABELS_ELSEWHERE = ("lösenord", "hasło", "jelszó", "пароль", "パスワード", "密码", "密碼", "비밀번호")
_PASSWORDS = re.compile(
    r"(?!(?:api|access|secret|private|sign|encr|auth|client|app|shared|token|bearer))", re.IGNORECASE
)
# The words that restore a purse of coins.
_SEED = re.compile(
    r"(?i)(?:seed|recovery|mnemonic|secret|backup) phrase(?: is)?[ \t]{0,2}[:=]?\s{0,2}[\"'`]?"
    r"(?P<value>(?:[a-z]{3,8}[ ,\n]{1,2}){11,23}[a-z]{3,8})\b"
)
_CURL = re.compile(
    r"\bcurl\b[^\n]{0,200}?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,64}:(?P<value>[^\s\"'\[\]]{3,200})"
)
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
    run = _RUN.search(text)
    begin = max(0, run.start() - _PREFIX) if run else len(text)
    if _IN_BASE64 in text:
        begin = 0
    for match in TOKEN.finditer(text, begin):
        yield Span(match.start(), match.end(), "secret", match.group())


def announced(lowered: str) -> bool:
    """Whether ``keyed`` could find anything in a text, given in small letters."""
    for word in _KEYWORDS:  # every text comes here, and `any` takes twice as long
        if word in lowered:
            return True
    if ":" in lowered and _LABELS.search(lowered):
        return True
    return not lowered.isascii() and any(word in lowered for word in _LABELS_ELSEWHERE)


def keyed(text: str) -> Iterator[Span]:
    """Values behind words such as ``password:`` or ``api_key=``; the word itself stays."""
    for match in KEYED.finditer(text):
        group = "quoted" if match["quoted"] else "value"
        value = match[group].rstrip(".!?:") if group == "value" else match[group]
        sign = match["sign"].strip()
        if text[max(0, match.start() - 2) : match.start()] == "--":  # an option of a command
            sign = "="
        if _is_secret(match["key"], sign, value, group == "quoted"):
            start = match.start(group)
            yield Span(start, start + len(value), "secret", value)
    for match in _SEED.finditer(text):
        yield Span(match.start("value"), match.end("value"), "secret", match["value"])


def given(text: str) -> Iterator[Span]:
    """Passwords that a command is given beside the name of who logs in: ``curl -u ann:…``."""
    for match in _CURL.finditer(text):
        yield Span(match.start("value"), match.end("value"), "secret", match["value"])


def _is_secret(key: str, sign: str, value: str, quoted: bool) -> bool:
    """ "password: required" is a sentence, "password: hunter2" and "pwd=letmein" are not."""
    if len(value) < 3 or _BLANK.fullmatch(value):
        return False
    assigned = sign in {"=", ":=", "=>"}
    if " " in value and not (assigned or sign == ":"):
        return False  # "the token is 'not found'"
    digits = any(char.isdigit() for char in value)
    letters = any(char.isalpha() for char in value)
    marks = any(char in "!@#$%^&*+=/\\|~_" for char in value[:-1])
    mixed = digits and letters
    if _PASSWORDS.match(key):
        if assigned or (quoted and sign):
            return True
        if key.lower() == "pass":  # "PASS: test_login", "pass: src/app.ts"
            return sign == ":" and mixed and not marks and "." not in value
        return bool(sign) and (mixed or (marks and letters) or (digits and len(value) >= 4))
    if assigned or sign == ":":
        return mixed and len(value) >= 8
    return mixed and len(value) >= 16
