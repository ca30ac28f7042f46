"""The floor that ``benchmarks.dataset_build`` measures against: what one writes with `datasets` and datasketch in an hour.

    python -P benchmarks/dataset_floor.py DATABASE FOLDER

It needs a Python of its own with these two, and nothing of ours. From the same rated exchanges it makes the same kind of
rows: each well rated reply under the talk before it, personal data replaced by nine regular expressions, near duplicates out
by MinHash (128 permutations, Jaccard 0.8), a tenth held out, two files in OpenAI's format. It knows no names of people,
keeps no conversation on one side, checks no file, weighs no quality, keeps no version and no lineage. Each text is redacted
once, and signatures are made a whole row of shingles at a time, so that it is no easy mark.
"""

from __future__ import annotations

import importlib
import json
import re
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PERMUTATIONS, THRESHOLD, SHINGLE = 128, 0.8, 3
STARS, LEAST, HISTORY = 4, 20, 10
PROMPT = "You are Wren, who keeps a small garden and knows every bird in it. Be brief, warm and exact."
RULES = [
    (re.compile(pattern), f"[{kind}]")
    for kind, pattern in (
        ("email", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        ("link", r"https?://\S+"),
        ("mention", r"<[@#][!&]?\d{15,21}>"),
        ("card", r"\b(?:\d{4}[ -]?){3}\d{4}\b"),
        ("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"),
        ("ssn", r"\b\d{3}-\d{2}-\d{4}\b"),
        ("ip", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
        ("phone", r"\+?\d[\d ().-]{7,}\d"),
        ("secret", r"\b(?:sk|ghp|xoxb)[-_][A-Za-z0-9-]{16,}\b"),
    )
]
WORD = re.compile(r"\w+")

TALKS = """
SELECT exchange.conversation_id, exchange.user_text, exchange.reply_text, avg(rating.stars)
FROM exchange JOIN rating ON rating.exchange_id = exchange.id JOIN person ON person.id = exchange.person_id
WHERE exchange.status = 'complete' AND person.consent = 'given'
GROUP BY exchange.id ORDER BY exchange.conversation_id, exchange.created_at
"""


def talks(path: str) -> Iterator[dict[str, Any]]:
    """Conversations with what was said and how it was rated."""
    connection = sqlite3.connect(path)
    talk: dict[str, Any] = {}
    for conversation, question, reply, stars in connection.execute(TALKS):
        if talk and talk["conversation"] != conversation:
            yield talk
            talk = {}
        talk = talk or {"conversation": conversation, "questions": [], "replies": [], "stars": []}
        talk["questions"].append(question)
        talk["replies"].append(reply)
        talk["stars"].append(stars)
    if talk:
        yield talk


def redact(text: str) -> str:
    """The text without what the rules know."""
    for pattern, placeholder in RULES:
        text = pattern.sub(placeholder, text)
    return text


def redacted(talk: dict[str, Any]) -> dict[str, Any]:
    """A conversation without personal data."""
    return {
        "questions": [redact(each) for each in talk["questions"]],
        "replies": [redact(each) for each in talk["replies"]],
    }


def rows(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """A row for each reply, under the talk before it."""
    found: dict[str, list[Any]] = {"conversation": [], "messages": [], "stars": [], "text": []}
    for conversation, questions, replies, stars in zip(
        batch["conversation"], batch["questions"], batch["replies"], batch["stars"], strict=True
    ):
        for at, (question, reply) in enumerate(zip(questions, replies, strict=True)):
            messages = [{"role": "system", "content": PROMPT}]
            for before in range(max(0, at - HISTORY), at):
                messages.append({"role": "user", "content": questions[before]})
                messages.append({"role": "assistant", "content": replies[before]})
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": reply})
            found["conversation"].append(conversation)
            found["messages"].append(messages)
            found["stars"].append(stars[at])
            found["text"].append(f"{question}\n{reply}")
    return found


def main() -> int:
    """Make the files and say how long it took."""
    if len(sys.argv) != 3:
        print("This is the floor of benchmarks.dataset_build, which runs it.")
        return 0
    database, folder = sys.argv[1], Path(sys.argv[2])
    datasets: Any = importlib.import_module("datasets")
    sketch: Any = importlib.import_module("datasketch")
    datasets.disable_progress_bars()
    marks: dict[str, float] = {}
    began = last = time.perf_counter()

    def done(phase: str) -> None:
        nonlocal last
        now = time.perf_counter()
        marks[phase], last = now - last, now
        print(f"{phase}: {marks[phase]:.1f} s", file=sys.stderr, flush=True)

    cache = str(folder / "cache")
    talk = datasets.Dataset.from_generator(talks, gen_kwargs={"path": database}, cache_dir=cache)
    exchanges = sum(len(each) for each in talk["stars"])
    done("read")
    talk = talk.map(redacted)
    done("redact")
    row = talk.map(rows, batched=True, remove_columns=talk.column_names)
    row = row.filter(lambda each: each["stars"] >= STARS and len(each["messages"][-1]["content"]) > LEAST)
    done("rows")
    index = sketch.MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)

    def first(each: dict[str, Any], number: int) -> bool:
        """Whether no row before it is like it."""
        words = WORD.findall(each["text"].lower())
        shingles = {" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))}
        signature = sketch.MinHash(num_perm=PERMUTATIONS)
        signature.update_batch([shingle.encode() for shingle in shingles])
        if index.query(signature):
            return False
        index.insert(number, signature)
        return True

    row = row.filter(first, with_indices=True)
    done("duplicates")
    split = row.train_test_split(test_size=0.1, seed=0)
    for name in ("train", "test"):
        split[name].select_columns(["messages"]).to_json(str(folder / f"{name}.jsonl"))
    done("write")
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "exchanges": exchanges, "rows": len(row), "seconds": time.perf_counter() - began,
        "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024, "phases": marks,
    }  # fmt: skip
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
