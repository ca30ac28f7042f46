"""What is found: a piece of a text and what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal[
    "email", "phone", "card", "iban", "ssn", "ip", "link", "secret link", "secret", "id", "handle", "name"
]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# Presidio's kinds come as placeholders too, such as [location 1]; any short lower-case words do.
PLACEHOLDER: Final = re.compile(r"\[([a-z]{2,12}(?: [a-z]{2,12}){0,2}) (\d{1,7})\]")


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]`` is personal data of this kind.

    ``value`` is what it says however it is spelt (digits of a number, small letters of an address): equal values get
    equal placeholders.
    """

    start: int
    end: int
    kind: str
    value: str
