"""Files to import, and what is in the database afterwards."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from storage import people, workspaces
from storage.database import Database, Statement, Tx, table
from storage.schema import ExampleRow, ExchangeRow, PersonRow, PreferenceRow, RatingRow
from training.imports import Order


def chat(name: str, *exchanges: tuple[str, str, int | None, str | None]) -> dict[str, Any]:
    """A conversation line from (question, reply, stars, comment)."""
    turns: list[dict[str, Any]] = []
    for user, reply, stars, comment in exchanges:
        turns.append({"role": "user", "content": user, "rating": None, "comment": None})
        turns.append({"role": "assistant", "content": reply, "rating": stars, "comment": comment})
    return {"conversation_id": name, "rating_scale": "stars5", "turns": turns}


def pair(name: str) -> dict[str, Any]:
    """A preference line."""
    prompt = [{"role": "user", "content": "how are you?"}]
    return {"pair_id": name, "prompt": prompt, "chosen": "well", "rejected": "bad"}


def dumped(*values: dict[str, Any]) -> bytes:
    """A file of these lines."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


class Told:
    """A ``Progress`` that remembers."""

    def __init__(self) -> None:
        self.shares: list[float | None] = []

    async def __call__(self, text: str, done: float | None = None) -> None:
        self.shares.append(done)


async def importing(database: Database, folder: Path, avatar: str = "Ada") -> tuple[Order, Path]:
    """An order for a file in ``folder`` that is yet to be written."""

    def set_up(tx: Tx) -> tuple[str, str]:
        workspace = workspaces.ensure(tx, "terminal", "here", "here", "opt-in")
        return workspace.id, people.ensure(tx, workspace.id, "me", "me").id

    workspace_id, person_id = await database.write(set_up)
    path = folder / "file.jsonl"
    return Order(path, workspace_id, avatar, person_id, 1_000), path


@dataclass(frozen=True)
class State:
    """What of an import is there, without ids and times."""

    exchanges: list[tuple[str, str]]
    ratings: list[tuple[str, int | None, str]]
    examples: list[tuple[str, str, str]]
    preferences: list[tuple[str, str, str]]
    people: list[tuple[str, str, str]]


async def state(database: Database, order: Order) -> State:
    """What is in the avatar that the order names."""
    from storage import avatars

    exchange, rating, person = table(ExchangeRow), table(RatingRow), table(PersonRow)
    example, preference = table(ExampleRow), table(PreferenceRow)

    def read(tx: Tx) -> State:
        avatar = avatars.find(tx, order.workspace_id, order.avatar)
        assert avatar is not None
        texts_of = select(exchange.c.id, exchange.c.user_text, exchange.c.reply_text)
        said = tx.rows(Statement(texts_of.where(exchange.c.avatar_id == avatar.id)))
        texts = {row[0]: (row[1], row[2]) for row in said}
        rated = tx.rows(Statement(select(rating.c.exchange_id, rating.c.stars, rating.c.comment)))
        pairs = select(example.c.user_text, example.c.assistant_text, example.c.status)
        chosen = select(preference.c.context, preference.c.chosen, preference.c.rejected)
        persons = select(person.c.key, person.c.name, person.c.consent).where(person.c.key.like("import:%"))
        return State(
            sorted(texts.values()),
            sorted(
                ((texts[row[0]][0], row[1], row[2]) for row in rated if row[0] in texts),
                key=lambda row: (row[0], row[1] or 0, row[2]),
            ),
            sorted(tuple(row) for row in tx.rows(Statement(pairs.where(example.c.avatar_id == avatar.id)))),
            sorted(
                (json.loads(row[0])[-1]["content"], row[1], row[2])
                for row in tx.rows(Statement(chosen.where(preference.c.avatar_id == avatar.id)))
            ),
            sorted(tuple(row) for row in tx.rows(Statement(persons)) if avatar.id in row[0]),
        )

    return await database.read(read)
