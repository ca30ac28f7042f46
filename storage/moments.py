"""Moments: what is told once is told once, by whichever process comes first; and when something was last so."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from storage.database import Statement, Tx, first, insert_into, table, upsert_into
from storage.schema import MomentRow

_moment = table(MomentRow)
_THIS = _moment.c.name == bindparam("of_name")
_CLAIM = insert_into(MomentRow, ignore=["name"])
_SET = upsert_into(MomentRow, on=["name"], update=["at"])
_GET = Statement(select(_moment.c.at).where(_THIS))
_FORGET = Statement(delete(_moment).where(_THIS))
_EXPIRE = Statement(delete(_moment).where(_THIS, _moment.c.at < bindparam("before")))


def claim(tx: Tx, name: str, at: int, *, again_after: int | None = None) -> bool:
    """Whether this is the first time for ``name``, which it then never is again, or not for ``again_after`` ms."""
    if again_after is not None:
        tx.run(_EXPIRE, {"of_name": name, "before": at - again_after})
    return tx.run(_CLAIM, {"name": name, "at": at}) > 0


def forget(tx: Tx, name: str) -> None:
    """It is as if it had never been claimed or put."""
    tx.run(_FORGET, {"of_name": name})


def put(tx: Tx, name: str, at: int) -> None:
    """It is so at this moment."""
    tx.run(_SET, {"name": name, "at": at})


def get(tx: Tx, name: str) -> int | None:
    """When it was last so, milliseconds since the epoch; ``None`` when never."""
    row = first(tx, _GET, {"of_name": name})
    return None if row is None else int(row[0])
