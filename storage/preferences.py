"""Preferences: one context with a chosen and a rejected reply."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, delete, func, select

from storage import clock, ids
from storage.database import Row, Statement, Tx, first, insert_into, table, upsert_into
from storage.people import Author
from storage.schema import AuthorRow, PreferenceRow

_preference, _author = table(PreferenceRow), table(AuthorRow)
_AVATAR = _preference.c.avatar_id == bindparam("of_avatar")
_KEY = (
    _AVATAR,
    _preference.c.source == bindparam("of_source"),
    _preference.c.source_key == bindparam("of_key"),
)

_BY_KEY = Statement(select(_preference.c.id).where(*_KEY))
_UPSERT = upsert_into(
    PreferenceRow, on=["avatar_id", "source", "source_key"], update=["context", "chosen", "rejected"]
)
_OF_EXCHANGE = Statement(
    select(_preference.c.id).where(_preference.c.exchange_id == bindparam("of_exchange"))
)
_LISTED = Statement(
    select(_preference).where(_AVATAR).order_by(_preference.c.id.desc()).limit(bindparam("most"))
)
_COUNT = Statement(select(func.count()).where(_AVATAR))
_DELETE = Statement(delete(_preference).where(_preference.c.id == bindparam("of_id")))
_ADD_AUTHOR = insert_into(AuthorRow, ignore=["owner_id", "person_id"])
_DROP_AUTHORS = Statement(delete(_author).where(_author.c.owner_id == bindparam("of_owner")))


@dataclass(frozen=True, slots=True)
class Preference:
    """A context, ending with the user's message, as (role, text); the ``chosen`` reply and the ``rejected`` one."""

    id: str
    workspace_id: str
    avatar_id: str
    context: tuple[tuple[str, str], ...]
    chosen: str
    rejected: str
    source: str
    source_key: str
    exchange_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class NewPreference:
    """A preference to keep; ``authors`` is everyone whose words are inside."""

    workspace_id: str
    avatar_id: str
    context: tuple[tuple[str, str], ...]
    chosen: str
    rejected: str
    authors: tuple[Author, ...]
    source: str
    source_key: str
    exchange_id: str | None = None


def _record(row: Row) -> Preference:
    context = tuple((turn["role"], turn["content"]) for turn in orjson.loads(row[3]))
    return Preference(row[0], row[1], row[2], context, *row[4:])


def put(tx: Tx, new: NewPreference) -> bool:
    """Keep it, or bring the one of the same avatar, source and key up to date; whether it is new."""
    key = {"of_avatar": new.avatar_id, "of_source": new.source, "of_key": new.source_key}
    known = first(tx, _BY_KEY, key)
    id_ = known[0] if known else ids.new_id()
    tx.run(
        _UPSERT,
        {
            "id": id_,
            "workspace_id": new.workspace_id,
            "avatar_id": new.avatar_id,
            "context": orjson.dumps([{"role": role, "content": said} for role, said in new.context]).decode(),
            "chosen": new.chosen,
            "rejected": new.rejected,
            "source": new.source,
            "source_key": new.source_key,
            "exchange_id": new.exchange_id,
            "created_at": clock.now(),
        },
    )
    tx.run(_DROP_AUTHORS, {"of_owner": id_})
    tx.run_many(
        _ADD_AUTHOR,
        [{"owner_id": id_, "person_id": each.person_id, "said_at": each.said_at} for each in new.authors],
    )
    return known is None


def _delete(tx: Tx, preference_id: str) -> None:
    tx.run(_DROP_AUTHORS, {"of_owner": preference_id})
    tx.run(_DELETE, {"of_id": preference_id})


def remove(tx: Tx, avatar_id: str, source: str, source_key: str) -> bool:
    """Delete the one of that key; False when there is none."""
    known = first(tx, _BY_KEY, {"of_avatar": avatar_id, "of_source": source, "of_key": source_key})
    if known is not None:
        _delete(tx, known[0])
    return known is not None


def remove_of_exchange(tx: Tx, exchange_id: str) -> int:
    """Delete what came of an exchange; how many."""
    found = tx.rows(_OF_EXCHANGE, {"of_exchange": exchange_id})
    for row in found:
        _delete(tx, row[0])
    return len(found)


def listed(tx: Tx, avatar_id: str, limit: int) -> list[Preference]:
    """The avatar's preferences, the newest first."""
    return [_record(row) for row in tx.rows(_LISTED, {"of_avatar": avatar_id, "most": limit})]


def count(tx: Tx, avatar_id: str) -> int:
    """How many the avatar has."""
    return tx.rows(_COUNT, {"of_avatar": avatar_id})[0][0]
