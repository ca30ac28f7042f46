"""Verdicts: what moderation said of a row, by the hash of its content, within a workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, select, true, update
from sqlalchemy import false as untrue

from storage.database import Row, Statement, Tx, table, upsert_into
from storage.schema import VerdictRow

_CHUNK = 1000  # databases bound the number of parameters
_verdict = table(VerdictRow)
_COLUMNS = (
    _verdict.c.hash,
    _verdict.c.flagged,
    _verdict.c.categories,
    _verdict.c.released,
    _verdict.c.at,
)
_WORKSPACE = _verdict.c.workspace_id == bindparam("of_workspace")
_HELD = (_WORKSPACE, _verdict.c.flagged == true(), _verdict.c.released == untrue())
_PREFIX = _verdict.c.hash.startswith(bindparam("of_prefix"), autoescape=False)
_KNOWN = Statement(
    select(*_COLUMNS).where(_WORKSPACE, _verdict.c.hash.in_(bindparam("hashes", expanding=True)))
)
# Whoever released a row meant its content, whatever is said of it again.
_PUT = upsert_into(VerdictRow, on=["workspace_id", "hash"], update=["flagged", "categories", "at"])
_QUARANTINED = Statement(
    select(*_COLUMNS).where(*_HELD).order_by(_verdict.c.at.desc(), _verdict.c.hash).limit(bindparam("most"))
)
_MATCHING = Statement(select(_verdict.c.hash).where(*_HELD, _PREFIX).limit(2))
_RELEASE = Statement(
    update(_verdict).where(_WORKSPACE, _verdict.c.hash == bindparam("of_hash")).values(released=True)
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``categories`` are the moderator's; ``released``: a person let it pass; ``at`` in milliseconds."""

    hash: str
    flagged: bool
    categories: tuple[str, ...]
    released: bool
    at: int


def _record(row: Row) -> Verdict:
    return Verdict(row[0], bool(row[1]), tuple(orjson.loads(row[2])), bool(row[3]), int(row[4]))


def known(tx: Tx, workspace_id: str, hashes: Iterable[str]) -> dict[str, Verdict]:
    """What was said of those of the hashes that were judged, by hash."""
    wanted = list(hashes)
    found: dict[str, Verdict] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        for row in tx.rows(_KNOWN, {"of_workspace": workspace_id, "hashes": part}):
            found[row[0]] = _record(row)
    return found


def put(tx: Tx, workspace_id: str, verdicts: Sequence[Verdict]) -> None:
    """Keep what was said; a row that was released before stays so."""
    tx.run_many(
        _PUT,
        [
            {
                "workspace_id": workspace_id,
                "hash": each.hash,
                "flagged": each.flagged,
                "categories": orjson.dumps(each.categories).decode(),
                "released": each.released,
                "at": each.at,
            }
            for each in verdicts
        ],
    )


def quarantined(tx: Tx, workspace_id: str, limit: int) -> list[Verdict]:
    """What is flagged and was not released, the newest first."""
    return [_record(row) for row in tx.rows(_QUARANTINED, {"of_workspace": workspace_id, "most": limit})]


def release(tx: Tx, workspace_id: str, hash_prefix: str) -> str | None:
    """Let the one quarantined row pass whose hash begins so; its hash, or ``None`` where none or several do."""
    wanted = hash_prefix.strip().lower()
    if not wanted or not all(digit in "0123456789abcdef" for digit in wanted):
        return None
    found = tx.rows(_MATCHING, {"of_workspace": workspace_id, "of_prefix": wanted})
    if len(found) != 1:
        return None
    tx.run(_RELEASE, {"of_workspace": workspace_id, "of_hash": found[0][0]})
    return str(found[0][0])
