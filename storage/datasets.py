"""Datasets: numbered versions of what a model is trained on, frozen once they are ready.

One is *building* while its rows are written, in as many transactions as that takes; nothing finds it before ``finish``.
Whoever deletes one makes it building again first, so that a half-deleted one is never seen either, and what a crash leaves
of both is cleaned up in the same way: ``abandoned`` names them, ``abandon`` deletes them in slices.

Whose words are in the rows is asked in storage/lineage.py, whose functions are here too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Text, bindparam, func, null, or_, select, tuple_, update
from sqlalchemy import delete as delete_from

from storage import clock, ids, numbering
from storage.database import Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Missing
from storage.frozen import COLUMNS, record
from storage.frozen import Dataset as Dataset
from storage.frozen import Line as Line
from storage.frozen import Method as Method
from storage.frozen import Origin as Origin
from storage.frozen import Split as Split
from storage.lineage import PersonLine as PersonLine
from storage.lineage import Traced as Traced
from storage.lineage import authors_of as authors_of
from storage.lineage import datasets_of_person as datasets_of_person
from storage.lineage import lines_of_example as lines_of_example
from storage.lineage import lines_of_exchange as lines_of_exchange
from storage.lineage import lines_of_person as lines_of_person
from storage.lineage import models_of as models_of
from storage.lineage import unconsented as unconsented
from storage.people import Author
from storage.schema import PersonRow
from storage.training_schema import DatasetAuthorRow, DatasetLineRow, DatasetRow, TrainingRunRow

SLICE = 1000
"""Rows that are deleted in one transaction."""

_CHUNK = 1000  # people asked for in one query: databases bound the number of parameters


@dataclass(frozen=True, slots=True)
class NewDataset:
    """A dataset to build; ``settings`` is kept as JSON. By ``id`` whoever ordered it finds what there is of it."""

    workspace_id: str
    avatar_id: str | None
    name: str
    method: Method
    system: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    person_id: str | None = None
    origin: Origin = "build"
    id: str = field(default_factory=ids.new_id)


@dataclass(frozen=True, slots=True)
class NewLine:
    """A row to write. ``authors`` is everyone whose words are inside, each person once.

    ``position`` counts from 0, ``content`` is JSON as training/rows.py has it, ``hash`` names that content, and rows of the
    same ``conversation`` are on one side of the split. The rest is what the row came from.
    """

    position: int
    split: Split
    hash: str
    content: str
    conversation: str
    authors: tuple[Author, ...]
    exchange_id: str | None = None
    example_id: str | None = None
    preference_id: str | None = None


_dataset, _line, _author = table(DatasetRow), table(DatasetLineRow), table(DatasetAuthorRow)
_person, _run = table(PersonRow), table(TrainingRunRow)
_LINE = select(*columns_of(DatasetLineRow, Line))
_NUMBER = _dataset.c.number == bindparam("of_number")
_READY = _dataset.c.status == "ready"
_NAMED = (
    _dataset.c.workspace_id == bindparam("of_workspace"),
    _dataset.c.name_key == bindparam("of_name"),
    _READY,
)

_BEGIN = insert_into(DatasetRow)
_STATUS = select(_dataset.c.status).where(_NUMBER)
# On Postgres others may delete it at the same time: they wait for the rows of this transaction.
_BUILDING = Statement(_STATUS, _STATUS.with_for_update(read=True))
_ADD = insert_into(DatasetLineRow)
_ADD_AUTHOR = insert_into(DatasetAuthorRow)
_THERE = select(_person.c.id).where(_person.c.id.in_(bindparam("ids", expanding=True)))
# And who is being forgotten at the same time is so after it, these rows included.
_STILL_THERE = Statement(_THERE, _THERE.with_for_update(read=True, key_share=True))
_ERASED = Statement(update(_dataset).where(_NUMBER).values(erased=_dataset.c.erased + bindparam("more")))
_FORGOTTEN = Statement(
    update(_run)
    .where(_run.c.dataset_number == bindparam("of_number"))
    .values(forgotten=_run.c.forgotten + bindparam("more"))
)
_FINISH = Statement(
    update(_dataset)
    .where(_NUMBER, _dataset.c.status == "building")
    .values(
        status="ready",
        **{
            name: bindparam(f"new_{name}")
            for name in ("version", "hash", "report", "lines", "train", "validation")
        },
    )
)
_OF_NUMBER = Statement(
    select(_dataset.c.workspace_id, _dataset.c.name_key).where(_NUMBER, _dataset.c.status == "building")
)
_HIDE = Statement(update(_dataset).where(_NUMBER).values(status="building", version=null()))
_ABANDONED = Statement(
    select(_dataset.c.number)
    .where(_dataset.c.status == "building", _dataset.c.created_at < bindparam("before"))
    .order_by(_dataset.c.number)
)
_OF_ID = Statement(select(_dataset.c.number).where(_dataset.c.id == bindparam("of_id")))
_LAST_OF_SLICE = Statement(
    select(_line.c.position)
    .where(_line.c.dataset_number == bindparam("of_number"))
    .order_by(_line.c.position)
    .limit(1)
    .offset(bindparam("skip"))
)
_SLICES = tuple(
    Statement(
        delete_from(each).where(
            each.c.dataset_number == bindparam("of_number"), each.c.position <= bindparam("last")
        )
    )
    for each in (_author, _line)
)
_REST = tuple(
    Statement(delete_from(each).where(each.c.dataset_number == bindparam("of_number")))
    for each in (_author, _line)
)
_DROP = Statement(delete_from(_dataset).where(_NUMBER))

_BY_NUMBER = Statement(select(*COLUMNS).where(_NUMBER, _READY))
_LATEST = Statement(select(*COLUMNS).where(*_NAMED).order_by(_dataset.c.version.desc()).limit(1))
_VERSION = Statement(select(*COLUMNS).where(*_NAMED, _dataset.c.version == bindparam("of_version")))
_LISTED = Statement(
    select(*COLUMNS)
    .where(_dataset.c.workspace_id == bindparam("of_workspace"), _READY)
    .order_by(_dataset.c.number.desc())
)
_LINES = Statement(
    _LINE.where(
        _line.c.dataset_number == bindparam("of_number"),
        _line.c.position > bindparam("after"),
        or_(bindparam("of_split", type_=Text) == "", _line.c.split == bindparam("of_split")),
    )
    .order_by(_line.c.position)
    .limit(bindparam("most"))
)
_ONE_LINE = Statement(
    _LINE.where(
        _line.c.dataset_number == bindparam("of_number"), _line.c.position == bindparam("of_position")
    )
)

_HOLDING = select(_author.c.dataset_number, _author.c.position).where(
    _author.c.person_id == bindparam("of_person")
)
_COUNT_HOLDING = Statement(
    select(_author.c.dataset_number, func.count())
    .where(_author.c.person_id == bindparam("of_person"))
    .group_by(_author.c.dataset_number)
)
_DROP_LINES_HOLDING = Statement(
    delete_from(_line).where(tuple_(_line.c.dataset_number, _line.c.position).in_(_HOLDING))
)
_DROP_AUTHORS_WITH = Statement(
    delete_from(_author).where(tuple_(_author.c.dataset_number, _author.c.position).in_(_HOLDING))
)
_FROM_EXCHANGE = Statement(
    select(_line.c.dataset_number, _line.c.position).where(_line.c.exchange_id == bindparam("of_exchange"))
)
_DROP_AT = tuple(
    Statement(
        delete_from(each).where(
            each.c.dataset_number == bindparam("of_number"), each.c.position == bindparam("of_position")
        )
    )
    for each in (_author, _line)
)


# -- building


def begin(tx: Tx, new: NewDataset) -> int:
    """A dataset that is building from now on; its number. Raises ``Missing`` without the workspace."""
    number = numbering.fresh(tx, "dataset")[0]
    tx.run(
        _BEGIN,
        {
            "id": new.id,
            "number": number,
            "workspace_id": new.workspace_id,
            "avatar_id": new.avatar_id,
            "name": new.name,
            "name_key": new.name.casefold(),
            "version": None,
            "method": new.method,
            "status": "building",
            "origin": new.origin,
            "system": new.system,
            "settings": _json(new.settings),
            "report": "{}",
            "hash": "",
            "lines": 0,
            "train": 0,
            "validation": 0,
            "erased": 0,
            "person_id": new.person_id,
            "created_at": clock.now(),
        },
    )
    return number


def add(tx: Tx, number: int, lines: Sequence[NewLine]) -> None:
    """Write some rows of a dataset that is building. Raises ``Missing`` when it is not (any more).

    A row with words of somebody who is not there any more is left out and counts as erased: they may have had themselves
    forgotten after the row was read.
    """
    state = first(tx, _BUILDING, {"of_number": number})
    if state is None or state[0] != "building":
        raise Missing("There is no such dataset being built.")
    gone = _gone(tx, {author.person_id for line in lines for author in line.authors})
    if gone:
        kept = [line for line in lines if not any(author.person_id in gone for author in line.authors)]
        tx.run(_ERASED, {"of_number": number, "more": len(lines) - len(kept)})
        lines = kept
    tx.run_many(
        _ADD,
        [
            {
                "dataset_number": number,
                "position": line.position,
                "split": line.split,
                "hash": line.hash,
                "content": line.content,
                "conversation": line.conversation,
                "exchange_id": line.exchange_id,
                "example_id": line.example_id,
                "preference_id": line.preference_id,
            }
            for line in lines
        ],
    )
    tx.run_many(
        _ADD_AUTHOR,
        [
            {
                "dataset_number": number,
                "position": line.position,
                "person_id": author.person_id,
                "said_at": author.said_at,
            }
            for line in lines
            for author in line.authors
        ],
    )


def _gone(tx: Tx, person_ids: set[str]) -> set[str]:
    wanted = sorted(person_ids)  # in one order, so that two who lock some of them do not wait for each other
    there = {
        row[0]
        for start in range(0, len(wanted), _CHUNK)
        for row in tx.rows(_STILL_THERE, {"ids": wanted[start : start + _CHUNK]})
    }
    return person_ids - there


def finish(
    tx: Tx, number: int, *, hash: str, report: Mapping[str, Any], train: int, validation: int
) -> Dataset:
    """Freeze a dataset that was building, as the next version of its name: from now on it is found.

    ``train`` and ``validation`` count the rows as they were built, ``hash`` names all of their contents. A version is never
    given twice, whatever is deleted. Raises ``Missing`` when it is not building.
    """
    of = first(tx, _OF_NUMBER, {"of_number": number})
    if of is None:
        raise Missing("There is no such dataset being built.")
    version = numbering.fresh(tx, f"dataset:{of[0]}:{of[1]}")[0]
    changed = {"version": version, "hash": hash, "report": _json(report), "lines": train + validation}
    values = {f"new_{name}": value for name, value in changed.items()}
    counted = {"new_train": train, "new_validation": validation}
    if not tx.run(_FINISH, {"of_number": number, **values, **counted}):
        raise Missing("There is no such dataset being built.")
    return by_number(tx, number)


def abandon(tx: Tx, number: int, *, limit: int = SLICE) -> bool:
    """Delete up to ``limit`` rows of a dataset that is building; whether all of it is gone. Call it until it is.

    Raises ``Missing`` for one that is ready.
    """
    state = first(tx, _BUILDING, {"of_number": number})
    if state is not None and state[0] != "building":
        raise Missing("There is no such dataset being built.")
    return state is None or _slice(tx, number, limit)


def delete(tx: Tx, number: int, *, limit: int = SLICE) -> bool:
    """Delete a dataset, up to ``limit`` rows of it at a time; whether all of it is gone. Call it until it is.

    It is not found any more after the first call; should no further one come, ``abandoned`` names it.
    """
    return not tx.run(_HIDE, {"of_number": number}) or _slice(tx, number, limit)


def abandoned(tx: Tx, before: int) -> list[int]:
    """The numbers of what began to be built before that time (milliseconds) and is not ready, or is half deleted."""
    return [row[0] for row in tx.rows(_ABANDONED, {"before": before})]


def number_of(tx: Tx, id_: str) -> int | None:
    """The number of the dataset with this id, ready or not; ``None`` where nothing of it is there."""
    row = first(tx, _OF_ID, {"of_id": id_})
    return None if row is None else int(row[0])


def _slice(tx: Tx, number: int, limit: int) -> bool:
    last = first(tx, _LAST_OF_SLICE, {"of_number": number, "skip": limit - 1})
    if last is not None:
        for statement in _SLICES:
            tx.run(statement, {"of_number": number, "last": last[0]})
        return False
    for statement in (*_REST, _DROP):
        tx.run(statement, {"of_number": number})
    return True


# -- finding


def by_number(tx: Tx, number: int) -> Dataset:
    """The dataset of this number. Raises ``Missing``."""
    row = first(tx, _BY_NUMBER, {"of_number": number})
    if row is None:
        raise Missing("There is no such dataset.")
    return record(row)


def find(tx: Tx, workspace_id: str, name: str, version: int | None = None) -> Dataset | None:
    """The dataset of this name, whatever its case: that version of it, or the latest one."""
    named = {"of_workspace": workspace_id, "of_name": name.casefold()}
    if version is None:
        row = first(tx, _LATEST, named)
    else:
        row = first(tx, _VERSION, {**named, "of_version": version})
    return record(row) if row else None


def listed(tx: Tx, workspace_id: str) -> list[Dataset]:
    """All versions of all of the workspace's datasets, the newest first."""
    return [record(row) for row in tx.rows(_LISTED, {"of_workspace": workspace_id})]


def lines(
    tx: Tx, number: int, *, after: int = -1, limit: int = 1000, split: Split | None = None
) -> list[Line]:
    """The next rows behind the position ``after``, in order; of one side of the split, or of both."""
    wanted = {"of_number": number, "after": after, "of_split": split or "", "most": limit}
    return [Line(*row) for row in tx.rows(_LINES, wanted)]


def line(tx: Tx, number: int, position: int) -> Line | None:
    """The row at this position, if it is (still) there."""
    row = first(tx, _ONE_LINE, {"of_number": number, "of_position": position})
    return Line(*row) if row else None


# -- forgetting


def erase(tx: Tx, person_id: str, exchange_ids: Iterable[str]) -> Mapping[int, int]:
    """Delete every row that holds words of this person or came of one of these exchanges; how many, by dataset.

    Each dataset counts what it lost, and so does each training run that was given it.
    """
    whose = {"of_person": person_id}
    lost = Counter[int]({row[0]: row[1] for row in tx.rows(_COUNT_HOLDING, whose)})
    if lost:
        tx.run(_DROP_LINES_HOLDING, whose)
        tx.run(_DROP_AUTHORS_WITH, whose)
    for exchange_id in exchange_ids:
        for number, position in tx.rows(_FROM_EXCHANGE, {"of_exchange": exchange_id}):
            for statement in _DROP_AT:
                tx.run(statement, {"of_number": number, "of_position": position})
            lost[number] += 1
    for number, more in lost.items():
        tx.run(_ERASED, {"of_number": number, "more": more})
        tx.run(_FORGOTTEN, {"of_number": number, "more": more})
    return lost


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()
