"""Numbers that prove themselves: IBANs, payment cards, US social security numbers, IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from training.privacy.spans import Span

# Length by country, from the IBAN registry of SWIFT (release 99).
IBAN_LENGTHS: Final = {
    pair[:2]: int(pair[2:])
    for pair in """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18
    FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
    LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24
    SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
    """.split()
}
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \n.-]?[A-Za-z0-9]){11,30}")

# Letters and digits of alphabets that put spaces between words.
_GLUE = r"0-9A-Za-z_\u00aa-\u058f"
_CARD = re.compile(
    rf"(?<![{_GLUE}])(?<!\d\.)(?<!(?<!\d{{11}})\d,)(?<![$€£+-])(?:"
    r"(\d{4}(?:[ .\n-]{1,2}\d{4}){3})(?:[ .-]\d{1,3}(?!\d))?|"  # 16 to 19
    r"\d{4}([ .-])\d{6}\2\d{4,5}|"  # Diners, American Express
    r"\d{4}([ .-])\d{4}\3\d{4}\3\d{1,3}|"  # 13 to 15
    rf"\d{{12,19}})(?![{_GLUE}])(?!\.\d)(?!,\d(?!\d{{11}}))"
)
# The first digits that the networks own: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro.
_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[689]\d)\d{11}(?:\d{2,5})?|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?|(?:2131|1800)\d{11}|35\d{14}(?:\d{3})?|"
    r"62\d{14,17}|(?:0604|50[0-9]\d|5[6-8]\d\d|6\d{3})\d{8,15}|9792\d{12}|220[0-4]\d{12,15}"
)
_CARD_CUE = re.compile(
    r"(?i)card|visa|master|amex|american express|maestro|diners|discover|jcb|credit|debit|carte|karte|tarjeta|kort|carta"
)

# What else is numbered.
THINGS: Final = """
    article asin atomic barcode batch booking bug build bytes case chapter checksum claim confirmation contract
    count customer digits doi ean employee epoch error file flight gtin hash house imei invoice isbn isbn-10
    isbn-13 issn issue item licence license lot lottery lucky member membership meter model nonce numbers order
    page pages parcel part passport patent pid plz pmid policy population port postcode pp pr prime product
    receipt record ref reference registration reservation resolution result rfc rgb room row score section seed
    sequence serial series session sku student ticket timestamp tracking transaction transfer txn upc value vat
    version vol volume zip
""".split()
NUMBERED: Final = r"[ .:#]{0,3}(?:no\.?|number|num|id|is|was|#|:|\s){0,3}\s?$"
"""Between a thing and its number."""
# One number in ten has the checksum, and these are as long.
_NO_CARD = re.compile(rf"(?i)\b(?:{'|'.join(THINGS)}){NUMBERED}")

# What may not stand before is looked for behind the first digits: a pattern that begins with digits skips to the next one.
_SSN = re.compile(
    r"(\d{3})(?<!\w\d{3})(?<![.,$€£+-]\d{3})(?<!\d \d{3})([- .])(\d{2})\2(\d{4})(?![\w])(?![-., ]\d)"
)
_NINE = re.compile(r"\d{9}(?<![\w.,$€£+-]\d{9})(?![\w])(?![-.,]\d)")
_SSN_CUE = re.compile(r"(?i)\bssn|social[ -]security|\bsocial\b|taxpayer|\bitin\b|\btin\b")

_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-])(?!\.\d)(?:/\d{1,2}(?!\d))?")
_VERSION = re.compile(r"(?i)(?:\bv|version|release|build|firmware|driver|kernel)\.?:?\s?$")
_IP_CUE = re.compile(
    r"(?i)\b(?:ip(?:v4)?|address|host|server|name ?server|dns|router|gateway|client|ping|ssh|subnet|from|connect)\b"
)
_DOTS = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]")
_COLONS = re.compile(r"::|[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}(?:\.\d{1,3}\.\d{1,3}\.\d{1,3})?(?:%\w{1,15})?(?![\w:])")

_BEFORE = 48


def before(text: str, at: int) -> str:
    """What stands before, in the same line and after the last bracket.

    A placeholder ends in one: what is beyond it must not count, or a text would read differently once it is redacted.
    """
    window = text[max(0, at - _BEFORE) : at]
    return window[max(window.rfind("]"), window.rfind("[")) + 1 :]


def ibans(text: str, first: int = 0) -> Iterator[Span]:
    """International bank account numbers: the country's length and a remainder of 1 (ISO 13616, mod 97).

    Here and below the first digit of the text is at ``first`` or behind.
    """
    at = max(0, first - 2)  # the country
    while match := _IBAN.search(text, at):
        at = match.start() + 4  # behind what is none may be one: "for ab12 pay DE89 …"
        found = match.group()
        # What is written without spaces may be of a country that joined later.
        length = IBAN_LENGTHS.get(found[:2].upper(), 0)
        if found.isalnum() and found.isupper() and _mod97(found) == 1:
            length = len(found)
        end, value = _take(found, length)
        end += match.start()
        if len(value) == length and not text[end : end + 1].isalnum() and _mod97(value) == 1:
            yield Span(match.start(), end, "iban", value)
            at = end


def _take(found: str, count: int) -> tuple[int, str]:
    """So many letters and digits from the front, and where they end."""
    kept: list[str] = []
    for at, char in enumerate(found):
        if char.isalnum():
            kept.append(char)
            if len(kept) == count:
                return at + 1, "".join(kept).upper()
    return len(found), "".join(kept).upper()


def _mod97(value: str) -> int:
    return int("".join(str(int(char, 36)) for char in value[4:] + value[:4])) % 97


def cards(text: str, first: int = 0) -> Iterator[Span]:
    """Payment cards, with or without spaces: a network's prefix and length, and Luhn's checksum (ISO/IEC 7812-1)."""
    at = first
    while match := _CARD.search(text, at):
        end = match.end()
        at = match.start() + 4 if not match.group()[:5].isdigit() else end  # the next group may begin one
        for stop in (end, match.end(1)) if match[1] else (end,):
            value = re.sub(r"\D", "", text[match.start() : stop])
            if stop <= end and luhn(value) and _is_card(text, match.start(), value):
                yield Span(match.start(), stop, "card", value)
                at = stop
                break


def _is_card(text: str, start: int, value: str) -> bool:
    # 18 digits are a snowflake of Discord until 2022, 19 that begin with 1 are one since: no network owns those.
    said = before(text, start)
    if _CARD_CUE.search(said):
        return True
    branded = _BRAND.fullmatch(value) is not None
    return branded and len(value) not in (17, 18) and _NO_CARD.search(said) is None


def luhn(digits: str) -> bool:
    """Whether the last digit is the checksum of the others."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if place % 2:
            value = value * 2 - 9 * (value > 4)
        total += value
    return total % 10 == 0 and digits.strip("0") != ""


def social(text: str, first: int = 0) -> Iterator[Span]:
    """US social security numbers: no area 000, 666 or 9xx, no group 00, no serial 0000, unless the text says it is one."""
    for match in _SSN.finditer(text, first):
        area, mark, group, serial = match.groups()
        fit = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        if (fit and mark != ".") or _SSN_CUE.search(before(text, match.start())):
            yield Span(match.start(), match.end(), "ssn", area + group + serial)
    lowered = text.lower()
    if "ssn" in lowered or "social" in lowered or "tin" in lowered:
        for match in _NINE.finditer(text, first):
            if _SSN_CUE.search(before(text, match.start())):
                yield Span(match.start(), match.end(), "ssn", match.group())


def addresses(text: str, first: int = 0) -> Iterator[Span]:
    """IP addresses, but for those that are everybody's (loopback, unspecified, netmasks)."""
    for match in _IPV4.finditer(text, first) if _DOTS.search(text, first) else ():
        said = before(text, match.start())
        parts = [int(part) for part in match.group().partition("/")[0].split(".")]
        # Not one address in five thousand has only such numbers, and nearly every version does.
        small = max(parts) < 32 and parts[0] != 10 and "/" not in match.group()
        if _VERSION.search(said) or (small and not _IP_CUE.search(said)):
            continue
        yield from _address(match)
    for match in _IPV6.finditer(text) if text.count(":") > 1 and _COLONS.search(text) else ():
        found = match.group()
        # `abc::def` is code: an address has digits.
        if found.count(":") > 1 and any(char.isdigit() for char in found):
            yield from _address(match)


def _address(match: re.Match[str]) -> Iterator[Span]:
    host = match.group().partition("/")[0].rstrip(":")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not (address.is_loopback or address.is_unspecified or host.startswith("255.")):
        yield Span(match.start(), match.start() + len(host), "ip", str(address))
