"""How many tokens rows take at a vendor: exact where a tokenizer is at hand without a download, else an estimate."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import structlog

from adapters.vendors.estimate import count_tokens
from training.rows import Row

log = structlog.get_logger()

_OVERHEAD: Final = 4
"""Tokens around each message: three for its separators and one for its role.

So counts ``num_tokens_from_messages`` in examples/How_to_count_tokens_with_tiktoken.ipynb of
https://github.com/openai/openai-cookbook (``tokens_per_message = 3`` and the role's own), where it agrees with the counts
of the API for each model shown. The three more that it adds once prime a reply that is not there yet: a row has its reply.
"""
_PIECE: Final = 500_000
"""Characters: bpe-openai refuses a text of a million. A longer one may come out a token or two more for each piece."""
ESTIMATE_ERROR: Final = 0.25
"""The share by which the estimate of one message may be off.

Measured against o200k on the 3,722 turns of ../shared/data/conversations.jsonl: 2.3 % over in all, off by 7 % in the
median and 17 % for nine in ten; adapters/vendors/estimate.py states 25 % for chat. Other languages may be further off.
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts tokens. ``error`` is the share by which ``count`` may be off, 0 where ``exact``.

    ``overhead`` are the tokens around each message: those of OpenAI's chat models, and a guess for others.
    """

    name: str
    exact: bool
    error: float
    overhead: int
    count: Callable[[str], int]

    def talk(self, texts: Iterable[str]) -> int:
        """The tokens of messages, with what stands around each."""
        return sum(self.count(text) + self.overhead for text in texts)

    def row(self, row: Row) -> int:
        """The tokens of a row: its prompt, its reply and the rejected one."""
        texts = [turn.text for turn in row.prompt] + [row.reply]
        return self.talk(texts if row.rejected is None else [*texts, row.rejected])


@lru_cache(maxsize=16)
def counter(vendor: str, model: str = "") -> Counter:
    """The best counter at hand for a model: bpe-openai's for OpenAI, the tokenizer of a model's folder, or an estimate.

    ``model`` is the vendor's name of it, or the path of a folder with a ``tokenizer.json``. Nothing is downloaded.
    """
    if vendor == "openai" and (exact := _openai(model)) is not None:
        return exact
    if model and (Path(model) / "tokenizer.json").is_file() and (exact := _folder(Path(model))) is not None:
        return exact
    return Counter("estimate", False, ESTIMATE_ERROR, _OVERHEAD, count_tokens)


def _openai(model: str) -> Counter | None:
    try:
        bpe: Any = importlib.import_module("bpe_openai")
    except ImportError:
        return None
    old = model.startswith(("gpt-3.5", "gpt-4-", "ft:gpt-3.5", "ft:gpt-4-")) or model == "gpt-4"
    name = "cl100k_base" if old else "o200k_base"
    encoding = bpe.get_encoding(name)

    def count(text: str) -> int:
        whole = _whole(text)
        if len(whole) <= _PIECE:
            return len(encoding.encode_ordinary(whole))
        return sum(
            len(encoding.encode_ordinary(whole[at : at + _PIECE])) for at in range(0, len(whole), _PIECE)
        )

    return Counter(name, True, 0.0, _OVERHEAD, count)


def _folder(folder: Path) -> Counter | None:
    try:
        tokenizers: Any = importlib.import_module("tokenizers")
    except ImportError:
        return None
    path = folder / "tokenizer.json"
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 the library raises nothing narrower; an estimate serves as well
        log.warning("tokenizer cannot be read, tokens are estimated", path=str(path), error=str(error))
        return None

    def count(text: str) -> int:
        return len(tokenizer.encode(_whole(text), add_special_tokens=False).ids)

    return Counter(folder.name, True, 0.0, _OVERHEAD, count)


def _whole(text: str) -> str:
    """The text without halves of characters, which tokenizers refuse."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
