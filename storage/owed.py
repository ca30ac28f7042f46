"""What is owed: exchanges whose reply is not known to be shown, each in the care of one process."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, text, update

from storage.database import Statement, Tx, insert_into, table
from storage.exchanges import Exchange, record
from storage.schema import ExchangeRow, PartRow

_exchange = table(ExchangeRow)
_ID = _exchange.c.id == bindparam("of_id")
# The condition is written out: only so does SQLite know that the partial index will do.
_LISTED = Statement(
    select(_exchange).where(text("holder <> ''")).order_by(_exchange.c.created_at, _exchange.c.id)
)
_SHOWN = Statement(update(_exchange).where(_ID).values(reply_key=bindparam("new_reply_key"), holder=""))
_SETTLED = Statement(update(_exchange).where(_ID).values(holder=""))
_PART = insert_into(PartRow, ignore=["workspace_id", "reply_key"])
_ADOPT = Statement(
    update(_exchange)
    .where(_ID, _exchange.c.holder == bindparam("old_holder"))
    .values(holder=bindparam("new_holder"))
)


def listed(tx: Tx) -> list[Exchange]:
    """Every exchange that is owed, pending or not shown, the oldest first."""
    return [record(row) for row in tx.rows(_LISTED)]


def pending(tx: Tx) -> list[Exchange]:
    """Those that have no end yet."""
    return [each for each in listed(tx) if each.status == "pending"]


def adopt(tx: Tx, exchange: Exchange, holder: str) -> bool:
    """Take it over from the process that held it. False when another one was first."""
    return tx.run(_ADOPT, {"of_id": exchange.id, "old_holder": exchange.holder, "new_holder": holder}) > 0


def shown(tx: Tx, workspace_id: str, exchange_id: str, reply_keys: Sequence[str] = ()) -> None:
    """It is shown, as these messages of the platform, or needs no showing any more when there are none."""
    if not reply_keys:
        tx.run(_SETTLED, {"of_id": exchange_id})
        return
    first, *others = reply_keys
    if not tx.run(_SHOWN, {"of_id": exchange_id, "new_reply_key": first}):
        return  # it was deleted meanwhile
    for each in others:
        tx.run(_PART, {"workspace_id": workspace_id, "reply_key": each, "exchange_id": exchange_id})
