"""The audit: who did what that others may want to know later, and who was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import bindparam, select

from storage import clock, ids
from storage.database import Row, Statement, Tx, columns_of, insert_into, table
from storage.schema import AuditRow


@dataclass(frozen=True, slots=True)
class Entry:
    """One action; ``person_id`` is none for the program itself and for people who had themselves forgotten."""

    id: str
    workspace_id: str
    person_id: str | None
    action: str
    target: str
    detail: Mapping[str, Any]
    allowed: bool
    created_at: int


_audit = table(AuditRow)
_INSERT = insert_into(AuditRow)
_LISTED = Statement(
    select(*columns_of(AuditRow, Entry))
    .where(_audit.c.workspace_id == bindparam("of_workspace"))
    .order_by(_audit.c.created_at.desc(), _audit.c.id.desc())
    .limit(bindparam("most"))
)


def write(
    tx: Tx,
    workspace_id: str,
    action: str,
    *,
    person_id: str | None = None,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
    allowed: bool = True,
) -> None:
    """Add an entry; ``detail`` is whatever JSON can hold (what it cannot is kept as its text)."""
    tx.run(
        _INSERT,
        {
            "id": ids.new_id(),
            "workspace_id": workspace_id,
            "person_id": person_id,
            "action": action,
            "target": target,
            "detail": orjson.dumps(dict(detail or {}), default=str).decode(),
            "allowed": allowed,
            "created_at": clock.now(),
        },
    )


def listed(tx: Tx, workspace_id: str, limit: int) -> list[Entry]:
    """The workspace's last entries, newest first."""
    rows = tx.rows(_LISTED, {"of_workspace": workspace_id, "most": limit})
    return [_record(row) for row in rows]


def _record(row: Row) -> Entry:
    values = list(row)
    values[5], values[6] = orjson.loads(row[5]), bool(row[6])
    return Entry(*values)
