"""Verdicts: what moderation said of a row, by the hash of its content, within a workspace.

A flagged row is kept to be read until a person decides on it, or takes their words back: then only its hashes stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from sqlalchemy import bindparam, delete, false, func, null, or_, select, text, true, tuple_, update

from storage.database import Row, Statement, Tx, insert_into, table, upsert_into
from storage.schema import PersonRow
from storage.training_schema import VerdictAuthorRow, VerdictRow

Decision = Literal["released", "rejected"]

_CHUNK = 1000  # databases bound the number of parameters
_verdict, _author, _person = table(VerdictRow), table(VerdictAuthorRow), table(PersonRow)
_COLUMNS = (
    _verdict.c.hash,
    _verdict.c.flagged,
    _verdict.c.categories,
    _verdict.c.released,
    _verdict.c.at,
    _verdict.c.rejected,
    _verdict.c.said,
)
_WORKSPACE = _verdict.c.workspace_id == bindparam("of_workspace")
_HASH = _verdict.c.hash == bindparam("of_hash")
_FLAGGED = (_WORKSPACE, text("flagged"))  # as the index has it: SQLite compares the words
_HELD = (*_FLAGGED, _verdict.c.released == false(), _verdict.c.rejected == false())
_PREFIX = _verdict.c.hash.startswith(bindparam("of_prefix"), autoescape=False)
_KNOWN = Statement(
    select(*_COLUMNS).where(_WORKSPACE, _verdict.c.hash.in_(bindparam("hashes", expanding=True)))
)
# Whoever decided on a row meant its content, whatever is said of it again.
_PUT = upsert_into(VerdictRow, on=["workspace_id", "hash"], update=["flagged", "categories", "at"])
_REJECTED = Statement(
    select(_verdict.c.said).distinct().where(*_FLAGGED, _verdict.c.rejected == true(), _verdict.c.said != "")
)
_KEEP = Statement(
    update(_verdict)
    .where(_WORKSPACE, _HASH, _verdict.c.flagged == true())
    .where(_verdict.c.released == false(), _verdict.c.rejected == false())
    .values(content=bindparam("new_content"), said=bindparam("new_said"))
)
_KEEP_AUTHOR = insert_into(VerdictAuthorRow, ignore=["workspace_id", "hash", "person_id"])
_WILLING = select(_person.c.id).where(
    _person.c.id.in_(bindparam("ids", expanding=True)), _person.c.consent != "withdrawn"
)
# On Postgres, who takes their words back at the same time does so after this, these rows included.
_STILL_WILLING = Statement(_WILLING, _WILLING.with_for_update(read=True))
_COUNT = Statement(select(func.count()).select_from(_verdict).where(*_HELD))
_QUARANTINED = Statement(
    select(*_COLUMNS, _verdict.c.content)
    .where(
        *_HELD,
        or_(
            _verdict.c.at < bindparam("until"),
            (_verdict.c.at == bindparam("until")) & (_verdict.c.hash > bindparam("after")),
        ),
    )
    .order_by(_verdict.c.at.desc(), _verdict.c.hash)
    .limit(bindparam("most"))
)
_MATCHING = Statement(select(*_COLUMNS, _verdict.c.content).where(*_FLAGGED, _PREFIX).limit(2))
_DECIDE = Statement(
    update(_verdict)
    .where(_WORKSPACE, _HASH)
    .values(released=bindparam("new_released"), rejected=bindparam("new_rejected"), content=null())
)
_SAME = (*_FLAGGED, _verdict.c.said == bindparam("of_said"), _verdict.c.said != "")
_REJECT_SAME = Statement(update(_verdict).where(*_SAME).values(released=False, rejected=True, content=null()))
_UNDECIDE_SAME = Statement(update(_verdict).where(*_SAME).values(rejected=False))
_DROP_AUTHORS = Statement(
    delete(_author).where(
        _author.c.workspace_id == bindparam("of_workspace"),
        or_(
            _author.c.hash == bindparam("of_hash"),
            _author.c.hash.in_(select(_verdict.c.hash).where(*_SAME, _verdict.c.content.is_(None))),
        ),
    )
)
_HOLDING = select(_author.c.workspace_id, _author.c.hash).where(_author.c.person_id == bindparam("of_person"))
_EMPTY_HOLDING = Statement(
    update(_verdict)
    .where(tuple_(_verdict.c.workspace_id, _verdict.c.hash).in_(_HOLDING))
    .values(content=null())
)
_DROP_HOLDING = Statement(delete(_author).where(tuple_(_author.c.workspace_id, _author.c.hash).in_(_HOLDING)))

# What nobody had to decide on, said before that time.
_STALE = (
    _verdict.c.flagged == false(),
    _verdict.c.released == false(),
    _verdict.c.rejected == false(),
    _verdict.c.at < bindparam("before"),
)
_FIND_STALE = Statement(
    select(_verdict.c.workspace_id, _verdict.c.hash).where(*_STALE).limit(bindparam("most"))
)
_DROP_STALE = Statement(delete(_verdict).where(_WORKSPACE, _HASH, *_STALE))

_END = 1 << 62


@dataclass(frozen=True, slots=True)
class Verdict:
    """``categories`` are the moderator's; ``released``: a person let it pass, ``rejected``: keeps it out; ``at`` in ms.

    ``said`` names the question and the replies of a flagged row, without the talk before it.
    """

    hash: str
    flagged: bool
    categories: tuple[str, ...]
    released: bool
    at: int
    rejected: bool = False
    said: str = ""

    @property
    def held(self) -> bool:
        """Whether it waits for somebody to decide."""
        return self.flagged and not self.released and not self.rejected


@dataclass(frozen=True, slots=True)
class Kept:
    """A flagged row to be read: ``content`` is JSON as training/rows.py has it, ``people`` wrote the words in it."""

    hash: str
    said: str
    content: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What is to be decided on; ``content`` is ``None`` where the row was not kept or somebody took their words back."""

    verdict: Verdict
    content: str | None


def _record(row: Row) -> Verdict:
    return Verdict(
        row[0], bool(row[1]), tuple(orjson.loads(row[2])), bool(row[3]), int(row[4]), bool(row[5]), row[6]
    )


def known(tx: Tx, workspace_id: str, hashes: Iterable[str]) -> dict[str, Verdict]:
    """What was said of those of the hashes that were judged, by hash."""
    wanted = list(hashes)
    found: dict[str, Verdict] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        for row in tx.rows(_KNOWN, {"of_workspace": workspace_id, "hashes": part}):
            found[row[0]] = _record(row)
    return found


def rejected(tx: Tx, workspace_id: str) -> frozenset[str]:
    """What names the questions and replies that people keep out for good."""
    return frozenset(row[0] for row in tx.rows(_REJECTED, {"of_workspace": workspace_id}))


def put(tx: Tx, workspace_id: str, verdicts: Sequence[Verdict]) -> None:
    """Keep what was said; what was decided on a row before stays so."""
    tx.run_many(
        _PUT,
        [
            {
                "workspace_id": workspace_id,
                "hash": each.hash,
                "flagged": each.flagged,
                "categories": orjson.dumps(each.categories).decode(),
                "released": each.released,
                "rejected": each.rejected,
                "said": each.said,
                "content": None,
                "at": each.at,
            }
            for each in verdicts
        ],
    )


def keep(tx: Tx, workspace_id: str, rows: Sequence[Kept]) -> None:
    """Keep flagged rows to be read, but for those that are decided on and those of people who took their words back."""
    wanted = sorted(
        {person for row in rows for person in row.people}
    )  # in one order, so that no two wait for each other
    parts = (wanted[start : start + _CHUNK] for start in range(0, len(wanted), _CHUNK))
    willing = {row[0] for part in parts for row in tx.rows(_STILL_WILLING, {"ids": part})}
    for row in rows:
        of = {"of_workspace": workspace_id, "of_hash": row.hash}
        if not willing.issuperset(row.people) or not tx.run(
            _KEEP, {**of, "new_content": row.content, "new_said": row.said}
        ):
            continue
        tx.run_many(
            _KEEP_AUTHOR,
            [{"workspace_id": workspace_id, "hash": row.hash, "person_id": person} for person in row.people],
        )


def quarantined(tx: Tx, workspace_id: str, limit: int, *, after: str = "") -> list[Held]:
    """What waits for somebody to decide, the newest first, behind the one with the hash ``after``."""
    behind = known(tx, workspace_id, [after]).get(after) if after else None
    wanted = {
        "of_workspace": workspace_id,
        "until": behind.at if behind else _END,
        "after": after,
        "most": limit,
    }
    return [Held(_record(row), row[-1]) for row in tx.rows(_QUARANTINED, wanted)]


def waiting(tx: Tx, workspace_id: str) -> int:
    """How many rows wait for somebody to decide."""
    return int(tx.rows(_COUNT, {"of_workspace": workspace_id})[0][0])


def find(tx: Tx, workspace_id: str, hash_prefix: str) -> Held | None:
    """The one flagged row whose hash begins so, decided on or not; ``None`` where none or several do."""
    wanted = hash_prefix.strip().lower()
    if not wanted or not all(digit in "0123456789abcdef" for digit in wanted):
        return None
    found = tx.rows(_MATCHING, {"of_workspace": workspace_id, "of_prefix": wanted})
    return Held(_record(found[0]), found[0][-1]) if len(found) == 1 else None


def decide(tx: Tx, workspace_id: str, verdict: Verdict, decision: Decision) -> None:
    """Let a flagged row pass, or keep it out for good; nobody needs to read it any more.

    Who rejects a row means its question and replies, under whatever talk they stand; who releases it takes that back.
    """
    of = {"of_workspace": workspace_id, "of_said": verdict.said}
    tx.run(_REJECT_SAME if decision == "rejected" else _UNDECIDE_SAME, of)
    values = {"new_released": decision == "released", "new_rejected": decision == "rejected"}
    tx.run(_DECIDE, {"of_workspace": workspace_id, "of_hash": verdict.hash, **values})
    tx.run(_DROP_AUTHORS, {**of, "of_hash": verdict.hash})


def stale(tx: Tx, before: int, limit: int) -> list[tuple[str, str]]:
    """Workspaces and hashes of rows that were let pass by the moderation before that time (ms), some of them at once."""
    return [(row[0], row[1]) for row in tx.rows(_FIND_STALE, {"before": before, "most": limit})]


def drop(tx: Tx, rows: Iterable[tuple[str, str]], before: int) -> None:
    """Forget what was said of ``stale`` rows, but for those of which it was said again since."""
    tx.run_many(
        _DROP_STALE,
        [{"of_workspace": workspace, "of_hash": hash_, "before": before} for workspace, hash_ in rows],
    )


def take_back(tx: Tx, person_id: str) -> None:
    """Keep no row any more that holds words of this person; what was said of it stays, by its hash."""
    tx.run(_EMPTY_HOLDING, {"of_person": person_id})
    tx.run(_DROP_HOLDING, {"of_person": person_id})
