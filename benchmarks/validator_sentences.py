"""What each validator says of broken files: line, field and sentence, one table.

    python -m benchmarks.validator_sentences [FORMAT]

The broken lines are those of tests/training/test_validators.py; each stands behind a good one, so that its line is 2. What
concerns a whole file (limits of size and number, the other split) has the line "file". Ends with 1 where one says nothing.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.training.test_validators import BROKEN, ERRORS, GOOD, REMARKS
from training.formats import FORMATS, Verdict, validate


def cases(name: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Broken files of a format, and how they are given to its validator."""
    good = json.dumps(GOOD[name]).encode() + b"\n"
    held_out: dict[str, Any] = {"split": "validation"}
    for line, _, _ in (*ERRORS.get(name, ()), *REMARKS.get(name, ())):
        yield good + json.dumps(line).encode() + b"\n", held_out
    for line, _ in BROKEN:
        yield good + line + b"\n", held_out
    yield b"", held_out
    yield good, {"split": "train"}
    yield good + good, held_out
    yield good, {"other": validate(name, io.BytesIO(good)).fingerprints}
    if (most := FORMATS[name].limits.file_bytes) is not None:
        yield good, {**held_out, "size": most + 1}
    if (most := FORMATS[name].limits.tokens_per_example) is not None:
        long = json.dumps(GOOD[name]).replace('"hello"', json.dumps("word " * most)).encode()
        yield good + long + b"\n", held_out


def said(name: str) -> Iterator[tuple[str, str, str, str]]:
    """The rows of the table: the format, the line, the field and the sentence, a remark marked as one."""
    for content, given in cases(name):
        verdict: Verdict = validate(name, io.BytesIO(content), **given)
        few = FORMATS[name].limits.min_examples is None and given.get("split") == "train"
        if not verdict.problems and not few:
            yield name, "?", "", f"NOTHING of {content[:60]!r}"
        for each in verdict.problems:
            mark = "" if each.error else " (remark)"
            yield name, str(each.line or "file"), each.field, each.message + mark


def main() -> int:
    """Print the table of one format, or of all."""
    silent = 0
    print(f"{'format':18} {'line':>4}  {'field':42}  what is said")
    for name in sys.argv[1:] or FORMATS:
        for of, line, field, message in dict.fromkeys(said(name)):
            silent += line == "?"
            print(f"{of:18} {line:>4}  {field:42}  {message}")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
