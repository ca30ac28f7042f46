"""Which models can be tuned: of OpenAI by name, of other vendors by what they say of their models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.vendors.openai.wire import number
from adapters.vendors.tuning import BaseModel, Method

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tunable:
    """How a model can be tuned: ``tokens`` is the longest example it takes."""

    methods: tuple[Method, ...]
    tokens: int


# Of OpenAI's guides to supervised fine-tuning and to direct preference optimization. Other dates of a name are not tunable.
_TUNABLE: Final = (
    (re.compile(r"gpt-4\.1(-mini|-nano)?(-2025-04-14)?"), Tunable(("sft", "dpo"), 65_536)),
    (re.compile(r"gpt-4o(-2024-08-06)?|gpt-4o-mini(-2024-07-18)?"), Tunable(("sft",), 65_536)),
    (re.compile(r"gpt-3\.5-turbo(-0125|-1106)?"), Tunable(("sft",), 16_385)),
    (re.compile(r"gpt-4-0613"), Tunable(("sft",), 8_192)),
)

# What others list beside models of text. Their "instruct" models chat, unlike OpenAI's.
_NO_TEXT: Final = re.compile(
    r"embed|rerank|bge-|whisper|tts|speech|audio|image|flux|diffusion|dall-e|sora|moderation", re.IGNORECASE
)


def tunable(model: str) -> Tunable | None:
    """How OpenAI tunes the model, None for one that it does not."""
    return next((how for name, how in _TUNABLE if name.fullmatch(model)), None)


def of_openai(rows: Sequence[Row], methods: Sequence[Method]) -> tuple[BaseModel, ...]:
    """Those of OpenAI's models that are known to be tunable with one of the ``methods``."""
    found: list[BaseModel] = []
    for row in rows:
        name = str(row["id"])
        if (how := tunable(name)) is not None:
            fit: tuple[Method, ...] = tuple(method for method in how.methods if method in methods)
            if fit:
                found.append(BaseModel(name, fit, shutdown_date=last_day(row), tokens=how.tokens))
    return tuple(found)


def of_others(rows: Sequence[Row], methods: Sequence[Method]) -> tuple[BaseModel, ...]:
    """What another vendor says that it tunes; where it says nothing, all of its models of text."""
    says = [row for row in rows if tunes(row) is not None]
    fit = [row for row in says if tunes(row)]
    chosen = fit if says else [row for row in rows if not _NO_TEXT.search(str(row["id"]))]
    return tuple(BaseModel(str(row["id"]), tuple(methods), shutdown_date=last_day(row)) for row in chosen)


def tunes(row: Row) -> bool | None:
    """Whether the vendor says that it tunes the model, as Azure does; None when it says nothing."""
    told = row.get("capabilities")
    found = told.get("fine_tune") if isinstance(told, Mapping) else None
    return found if isinstance(found, bool) else None


def last_day(row: Row) -> str | None:
    """The day a model stops, YYYY-MM-DD: OpenAI's field, else Azure's time of deprecation in seconds."""
    if day := row.get("shutdown_date"):
        return str(day)
    told = row.get("deprecation")
    at = number(told.get("inference")) if isinstance(told, Mapping) else 0
    return datetime.fromtimestamp(at, UTC).date().isoformat() if at else None
