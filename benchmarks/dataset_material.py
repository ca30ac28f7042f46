"""Rated talk for ``benchmarks.dataset_build``: as many exchanges as wanted, written straight into a fresh database.

Conversations of one to six exchanges by 5,000 people, of whom 97 in a hundred agreed to be learnt from. Questions of about
twelve words and replies of about forty, drawn from English words as chat is; a twentieth of the pairs were said before word
for word and a twentieth with one word changed; a tenth of the texts hold personal data. Everything is rated by somebody,
nine in ten with four or five stars, and what is was made an example, as it is when people rate.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from storage import avatars, workspaces
from storage.database import Database, Tx
from storage.schema import ExampleRow, ExchangeRow, PersonRow
from training.privacy.words import COMMON

SEED: Final = 20261121
PEOPLE: Final = 5_000
PROMPT: Final = "You are Wren, who keeps a small garden and knows every bird in it. Be brief, warm and exact."
SAID_AT: Final = 1_760_000_000_000

_CHUNK: Final = 10_000
_SYLLABLES: Final = tuple(consonant + vowel for consonant in "bdfgklmnprtvz" for vowel in "aeiou")

Pair = tuple[str, str]


def make(path: Path, exchanges: int) -> None:
    """A database with that many exchanges at ``path``, unless it is there."""
    if path.exists():
        return
    part = path.with_name(path.name + ".part")
    for each in (part, Path(f"{part}-wal"), Path(f"{part}-shm")):
        each.unlink(missing_ok=True)
    asyncio.run(add(part, exchanges))
    part.rename(path)


async def add(path: Path, exchanges: int) -> tuple[str, str]:
    """Add that many to a database; the ids of their workspace and their avatar."""
    database = await Database.open(f"sqlite+aiosqlite:///{path}")

    def begin(tx: Tx) -> tuple[str, str]:
        workspace = workspaces.ensure(tx, "terminal", "material", "Material", "opt-in")
        return workspace.id, avatars.create(tx, workspace.id, "Material", prompt=PROMPT).id

    try:
        ids = await database.write(begin)
    finally:
        await database.close()
    await asyncio.to_thread(_fill, path, exchanges, *ids)
    return ids


def where(path: Path) -> tuple[str, str]:
    """The ids of the workspace and the avatar that ``add`` made."""
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT workspace_id, id FROM avatar WHERE name = 'Material'").fetchone()


def _fill(path: Path, exchanges: int, workspace: str, avatar: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous=OFF", "cache_size=-200000", "busy_timeout=60000"):
        connection.execute(f"PRAGMA {pragma}")
    draw = random.Random(SEED)
    names = [_name(draw) for _ in range(PEOPLE)]
    people = [
        {
            **_empty(PersonRow), "id": _id(1, at), "workspace_id": workspace, "key": f"person-{at}", "name": name,
            "consent": "given" if at % 33 else "withdrawn", "given_at": 0 if at % 33 else None, "created_at": 0,
        }
        for at, name in enumerate(names)
    ]  # fmt: skip
    _insert(connection, "person", people)
    said = _pairs(exchanges, names)
    done = conversation = 0
    while done < exchanges:
        connection.execute("BEGIN")
        rows: dict[str, list[dict[str, object]]] = {
            "conversation": [],
            "exchange": [],
            "rating": [],
            "example": [],
        }
        until = min(done + _CHUNK, exchanges)
        while done < until:
            long = min(draw.randint(1, 6), until - done)
            conversation += 1
            asker, at = _id(1, draw.randrange(PEOPLE)), SAID_AT + done * 1000
            rows["conversation"].append(
                {
                    "id": _id(2, conversation), "workspace_id": workspace, "avatar_id": avatar, "channel": "room",
                    "key": f"talk-{conversation}", "private": 0, "started_at": at, "ended_at": at + long * 1000,
                }
            )  # fmt: skip
            for _ in range(long):
                question, reply = next(said)
                stars = draw.choice((4, 5, 5)) if draw.random() < 0.9 else draw.randint(1, 3)
                _add(rows, done, question, reply, stars, (workspace, avatar, _id(2, conversation), asker))
                rows["rating"][-1]["person_id"] = _id(1, draw.randrange(PEOPLE))
                done += 1
        for table, found in rows.items():
            _insert(connection, table, found)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _add(
    rows: dict[str, list[dict[str, object]]],
    number: int,
    question: str,
    reply: str,
    stars: int,
    of: tuple[str, str, str, str],
) -> None:
    workspace, avatar, conversation, asker = of
    exchange, at = _id(3, number), SAID_AT + number * 1000
    shared = {
        "workspace_id": workspace,
        "avatar_id": avatar,
        "conversation_id": conversation,
        "created_at": at,
    }
    rows["exchange"].append(
        _EXCHANGE
        | shared
        | {
            "id": exchange, "person_id": asker, "message_key": f"material-{number}", "reply_key": f"reply-{number}",
            "status": "complete", "user_text": question, "reply_text": reply, "vendor": "openai",
            "model": "openai:gpt-5-mini", "tokens_in": 500, "tokens_out": 60, "quality": (stars - 1) / 4, "ratings": 1,
            "completed_at": at + 900,
        }
    )  # fmt: skip
    rows["rating"].append(
        {
            "id": _id(4, number), "exchange_id": exchange, "person_id": "", "stars": stars, "comment": "", "better": "",
            "better_by_reviewer": 0, "marks": "{}", "created_at": at, "updated_at": at,
        }
    )  # fmt: skip
    if stars >= 4:
        rows["example"].append(
            _EXAMPLE
            | shared
            | {
                "id": _id(5, number), "number": 1_000_000 + number, "user_text": question, "assistant_text": reply,
                "quality": (stars - 1) / 4, "status": "proposed", "source": "exchange", "source_key": exchange,
                "exchange_id": exchange, "updated_at": at,
            }
        )  # fmt: skip


def _empty(row: type[ExchangeRow | ExampleRow | PersonRow]) -> dict[str, object]:
    return {name: None if field.is_required() else field.default for name, field in row.model_fields.items()}


_EXCHANGE: Final = _empty(ExchangeRow)
_EXAMPLE: Final = _empty(ExampleRow)


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, object]]) -> None:
    if rows:
        names = ", ".join(rows[0])
        marks = ", ".join(f":{name}" for name in rows[0])
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def _id(kind: int, number: int) -> str:
    """An id as others are: in order, of 36 characters."""
    return f"01990000-0000-7000-8{kind:03x}-{number:012x}"


def _name(draw: random.Random) -> str:
    """A name that is no word, but for a tenth of the first names."""
    given = draw.choice(("Rose", "Will", "May")) if draw.random() < 0.1 else _coined(draw)
    return f"{given} {_coined(draw)}"


def _coined(draw: random.Random) -> str:
    return "".join(draw.choices(_SYLLABLES, k=draw.randint(3, 4))).capitalize()


# -- words


def _pairs(count: int, names: list[str]) -> Iterator[Pair]:
    """Questions and replies, always the same ones."""
    draw = random.Random(SEED + 1)
    known: list[Pair] = []
    for question, reply in zip(
        _texts(count, 11, SEED + 2), _texts(count, 38, SEED + 3, mark="."), strict=True
    ):
        kind = draw.random()
        if known and kind < 0.1:
            pair = known[draw.randrange(len(known))]
            if kind < 0.05:
                said = pair[1].split(" ")
                said[draw.randrange(len(said))] = "indeed"
                pair = pair[0], " ".join(said)
        else:
            pair = (_personal(question, names, draw), _personal(reply, names, draw))
            if len(known) < 50_000:
                known.append(pair)
            elif kind < 0.5:
                known[draw.randrange(len(known))] = pair
        yield pair


def _texts(count: int, words: int, seed: int, mark: str = "?") -> Iterator[str]:
    """Sentences of some eleven words, the frequent words as frequent as in any language."""
    draw = np.random.default_rng(seed)
    known = np.array(sorted(COMMON))
    np.random.default_rng(SEED).shuffle(known)
    weights = 1 / (np.arange(len(known)) + 2.7)
    steps = np.cumsum(weights / weights.sum())
    while count > 0:
        some = min(count, _CHUNK)
        count -= some
        lengths = np.clip(draw.lognormal(np.log(words), 0.4, some).astype(int), 3, 8 * words)
        picked = known[np.minimum(np.searchsorted(steps, draw.random(int(lengths.sum()))), len(known) - 1)]
        all_, at = picked.tolist(), 0
        for length in lengths.tolist():
            said: list[str] = all_[at : at + length]
            at += length
            for end in range(10, length - 3, 11):
                said[end] += "."
                said[end + 1] = said[end + 1].capitalize()
            text = " ".join(said)
            yield text[0].upper() + text[1:] + mark


def _personal(text: str, names: list[str], draw: random.Random) -> str:
    """The text, one in ten with somebody's data."""
    if draw.random() >= 0.1:
        return text
    number = draw.randrange(1_000_000)
    said = (
        f"Write to garden.{number}@example.org, please.",
        f"Call me at +44 20 7946 {number % 10_000:04}.",
        f"See https://example.net/u/{number}?from=chat for it.",
        f"It was 203.0.113.{number % 256} again.",
        f"{draw.choice(names)} told me.",
        f"Ask <@{100_000_000_000_000_000 + number}> about it.",
    )
    return f"{text} {draw.choice(said)}"


if __name__ == "__main__":
    print("This is what benchmarks.dataset_build is measured on.")
