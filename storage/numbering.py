"""Numbers that people see: of prompt versions and releases, counted for each avatar, and of examples, for everything."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, bindparam, func, select
from sqlmodel import SQLModel

from storage.database import Statement, Tx, first, table, upserting
from storage.errors import Missing
from storage.schema import AvatarRow, CounterRow

_avatar, _counter = table(AvatarRow), table(CounterRow)
_FOUND = select(_avatar.c.id).where(_avatar.c.id == bindparam("of_avatar"))
# On Postgres others number at the same time: whoever holds the avatar's row does so alone.
_LOCK = Statement(_FOUND, _FOUND.with_for_update())


def last_of(model: type[SQLModel]) -> Statement:
    """The query for the highest number that an avatar has in this table."""
    target = table(model)
    return Statement(select(func.max(target.c.number)).where(target.c.avatar_id == bindparam("of_avatar")))


def following(tx: Tx, last: Statement, avatar_id: str) -> int:
    """The next number of an avatar, from 1; ``last`` is a ``last_of``. Raises ``Missing`` without the avatar."""
    if first(tx, _LOCK, {"of_avatar": avatar_id}) is None:
        raise Missing("There is no such avatar.")
    return (tx.rows(last, {"of_avatar": avatar_id})[0][0] or 0) + 1


def _count_on(insert: Any) -> Executable:
    made = insert(_counter).values(name=bindparam("of_name"), value=bindparam("count"))
    added = {"value": _counter.c.value + made.excluded.value}
    return made.on_conflict_do_update(index_elements=["name"], set_=added).returning(_counter.c.value)


_COUNT_ON = upserting(_count_on)


def fresh(tx: Tx, name: str, count: int = 1) -> range:
    """The next ``count`` numbers of this name; none is ever given out twice, whatever is deleted."""
    last: int = tx.rows(_COUNT_ON, {"of_name": name, "count": count})[0][0]
    return range(last - count + 1, last + 1)
