"""Conversations: strands of talk between people and an avatar. At most one is open for each key and avatar."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import bindparam, select, update

from storage import clock, ids
from storage.database import Row, Statement, Tx, columns_of, first, table, upserting
from storage.errors import Missing
from storage.schema import ConversationRow


@dataclass(frozen=True, slots=True)
class Conversation:
    """A strand of talk. ``key`` is the platform's name of where it goes on: a channel, a thread, a direct message.

    ``private``: what is said here may serve nowhere else. Open while ``ended_at`` is none.
    """

    id: str
    workspace_id: str
    avatar_id: str
    channel: str
    key: str
    private: bool
    started_at: int
    ended_at: int | None


_talk = table(ConversationRow)
_NAMES = [field.name for field in fields(Conversation)]
_ALL = select(*columns_of(ConversationRow, Conversation))
_OPEN = _talk.c.ended_at.is_(None)
_HERE = (_talk.c.workspace_id == bindparam("of_workspace"), _talk.c.key == bindparam("of_key"), _OPEN)
_WITH = (*_HERE, _talk.c.avatar_id == bindparam("of_avatar"))
_UNIQUE = ["workspace_id", "key", "avatar_id"]

_GET = Statement(_ALL.where(_talk.c.id == bindparam("of_id")))
_CURRENT = Statement(_ALL.where(*_WITH))
_END = Statement(update(_talk).where(*_HERE).values(ended_at=bindparam("new_end")))
_END_WITH = Statement(update(_talk).where(*_WITH).values(ended_at=bindparam("new_end")))
_START = upserting(
    lambda insert: insert(_talk).on_conflict_do_nothing(index_elements=_UNIQUE, index_where=_OPEN)
)


def current(tx: Tx, workspace_id: str, key: str, avatar_id: str) -> Conversation | None:
    """The open conversation of this key with that avatar."""
    row = first(tx, _CURRENT, {"of_workspace": workspace_id, "of_key": key, "of_avatar": avatar_id})
    return _record(row) if row else None


def start(
    tx: Tx,
    workspace_id: str,
    key: str,
    avatar_id: str,
    channel: str,
    private: bool,
    *,
    id: str | None = None,
    at: int | None = None,
) -> Conversation:
    """A fresh conversation; an open one of that key with that avatar ends.

    When another process opens one at the same moment, that one is returned.
    """
    moment = clock.now() if at is None else at
    new = Conversation(id or ids.new_id(), workspace_id, avatar_id, channel, key, private, moment, None)
    tx.run(
        _END_WITH,
        {"of_workspace": workspace_id, "of_key": key, "of_avatar": avatar_id, "new_end": moment},
    )
    # Two replicas may be here at once on Postgres: the second waits, adds nothing, and takes the first one's.
    while not tx.run(_START, {name: getattr(new, name) for name in _NAMES}):
        found = current(tx, workspace_id, key, avatar_id)
        if found is not None:
            return found
    return new


def end(tx: Tx, workspace_id: str, key: str, at: int) -> bool:
    """Close what is open under this key; whether anything was."""
    return tx.run(_END, {"of_workspace": workspace_id, "of_key": key, "new_end": at}) > 0


def get(tx: Tx, conversation_id: str) -> Conversation:
    """The conversation with this id. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": conversation_id})
    if row is None:
        raise Missing("There is no such conversation.")
    return _record(row)


def _record(row: Row) -> Conversation:
    values = list(row)
    values[5] = bool(row[5])
    return Conversation(*values)
