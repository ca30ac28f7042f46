"""All formats by name, and one line at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

import orjson

from training import tokens
from training.formats import alpaca, google, openai, trl
from training.formats.base import Format, Found, Unfit, check_row, kind
from training.rows import Method, Row, Split

_ALL: Final = (
    Format(
        "openai-sft",
        "sft",
        "openai",
        "chat lines for OpenAI's supervised tuning",
        openai.LIMITS,
        openai.write_sft,
        openai.read_sft,
    ),
    Format(
        "openai-dpo",
        "dpo",
        "openai",
        "preferred and other outputs for OpenAI's DPO",
        openai.LIMITS,
        openai.write_dpo,
        openai.read_dpo,
    ),
    Format(
        "google-sft",
        "sft",
        "google",
        "contents for Gemini's supervised tuning",
        google.LIMITS_SFT,
        google.write_sft,
        google.read_sft,
    ),
    Format(
        "google-preference",
        "dpo",
        "google",
        "scored completions for Gemini's preference tuning",
        google.LIMITS_PREFERENCE,
        google.write_preference,
        google.read_preference,
    ),
    Format(
        "trl-sft",
        "sft",
        "trl",
        "prompt and completion for TRL's SFTTrainer",
        trl.LIMITS,
        trl.write_sft,
        trl.read_sft,
    ),
    Format(
        "trl-dpo",
        "dpo",
        "trl",
        "prompt, chosen and rejected for TRL's DPOTrainer",
        trl.LIMITS,
        trl.write_dpo,
        trl.read_dpo,
    ),
    Format(
        "trl-kto",
        "kto",
        "trl",
        "prompt, completion and label for TRL's KTOTrainer",
        trl.LIMITS,
        trl.write_kto,
        trl.read_kto,
    ),
    Format(
        "alpaca",
        "sft",
        "alpaca",
        "instruction and output, one turn, no system prompt",
        alpaca.LIMITS,
        alpaca.write,
        alpaca.read,
        lacks="a system prompt",
    ),
)

FORMATS: Final[Mapping[str, Format]] = MappingProxyType({each.name: each for each in _ALL})
LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes. No line that a vendor takes comes near, and a file without newlines stays out of memory."""
_NUMBER: Final = re.compile(r"\[\d+\]")


def fitting(method: Method) -> tuple[str, ...]:
    """The names of the formats that carry rows of a method."""
    return tuple(each.name for each in _ALL if each.method == method)


def file_name(format: str, split: Split) -> str:
    """The name of an exported file; nothing else goes into it."""
    return f"{split}.{FORMATS[format].name}.jsonl"


def render(format: str, row: Row) -> bytes:
    """One line without its newline. Raises ``Unfit`` where the format cannot carry the row."""
    of = FORMATS[format]
    check_row(row, of.method)
    replies = [row.reply] if row.rejected is None else [row.reply, row.rejected]
    try:
        line = orjson.dumps(of.write(row))
    except orjson.JSONEncodeError as error:
        raise Unfit("text that is not valid Unicode") from error
    if tokens_over(of, [turn.text for turn in row.prompt], replies, len(line)):
        raise Unfit(f"over {of.limits.tokens_per_example:,} tokens")
    if len(line) > LONGEST_LINE:
        raise Unfit(f"over {LONGEST_LINE:,} bytes")
    return line


def tokens_over(of: Format, texts: Sequence[str], replies: Sequence[str], size: int) -> int:
    """The tokens of an example that is over the vendor's limit, 0 for others; ``size`` is that of its line in bytes."""
    limit = of.limits.tokens_per_example
    if limit is None or size <= limit:  # no token is shorter than a byte; the keys outweigh the overhead
        return 0
    counter = tokens.counter(of.vendor, "")
    longest = max((counter.count(reply) for reply in replies), default=0)
    total = counter.talk(texts) + longest + counter.overhead
    return total if total > limit else 0


def parse(format: str, line: bytes) -> Row:
    """The row in a line. Raises ``Unfit`` for what the vendor refuses, and for what no row can hold."""
    found = Found()
    value = load(line)
    FORMATS[format].read(value, found)
    if found.errors:
        at, message = found.errors[0]
        raise Unfit(f"{_NUMBER.sub('[]', at)}: {message}")
    if found.row is None:
        raise Unfit(found.foreign or "no row")
    return found.row


def load(line: bytes) -> Mapping[str, object]:
    """The JSON object of a line. Raises ``Unfit``."""
    if line.startswith(b"\xef\xbb\xbf"):
        raise Unfit("a byte order mark before the JSON: save the file as UTF-8 without one")
    if not line.strip():
        raise Unfit("a blank line: remove it")
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unfit(f"not UTF-8 at byte {error.start + 1} of the line: save the file as UTF-8") from error
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Unfit(f"broken JSON at column {error.colno}: {error.msg}") from error
    if not isinstance(value, dict):
        raise Unfit(f"{kind(value)} where an object is needed")
    return cast(dict[str, object], value)
