"""From the rows of datasets back to whose words are in them, and from people, exchanges and examples to those rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from storage import people
from storage.database import Statement, Tx, table
from storage.frozen import COLUMNS, Dataset, Split, record
from storage.people import Consent
from storage.schema import PersonRow, WorkspaceRow
from storage.training_schema import DatasetAuthorRow, DatasetLineRow, DatasetRow, TrainingRunRow


@dataclass(frozen=True, slots=True)
class Traced:
    """Somebody whose words are in a row, when they were said (milliseconds), and what this person agrees to now."""

    person_id: str
    name: str
    key: str
    said_at: int
    consent: Consent


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A row of a dataset, with what it came from."""

    number: int
    name: str
    version: int
    position: int
    split: Split
    exchange_id: str | None
    example_id: str | None
    preference_id: str | None


_NEWEST = 1 << 62
_dataset, _line, _author = table(DatasetRow), table(DatasetLineRow), table(DatasetAuthorRow)
_person, _workspace, _run = table(PersonRow), table(WorkspaceRow), table(TrainingRunRow)

_AUTHORS = Statement(
    select(_person.c.id, _person.c.name, _person.c.key, _author.c.said_at, _person.c.consent)
    .join(_author, _author.c.person_id == _person.c.id)
    .where(_author.c.dataset_number == bindparam("of_number"), _author.c.position == bindparam("of_position"))
    .order_by(_author.c.said_at, _person.c.id)
)
_COUNTED = (
    select(_author.c.dataset_number, func.count().label("lines"))
    .where(_author.c.person_id == bindparam("of_person"))
    .group_by(_author.c.dataset_number)
    .subquery()
)
_DATASETS = Statement(
    select(*COLUMNS, _COUNTED.c.lines)
    .join(_COUNTED, _COUNTED.c.dataset_number == _dataset.c.number)
    .where(_dataset.c.status == "ready")
    .order_by(_dataset.c.number.desc())
)
_FOUND: Any = (
    select(
        _dataset.c.number,
        _dataset.c.name,
        _dataset.c.version,
        _line.c.position,
        _line.c.split,
        _line.c.exchange_id,
        _line.c.example_id,
        _line.c.preference_id,
    )
    .join(_line, _line.c.dataset_number == _dataset.c.number)
    .where(_dataset.c.status == "ready")
)
_OF_PERSON = Statement(
    _FOUND.join(
        _author,
        (_author.c.dataset_number == _line.c.dataset_number) & (_author.c.position == _line.c.position),
    )
    .where(
        _author.c.person_id == bindparam("of_person"),
        _author.c.dataset_number == bindparam("of_number"),
        _author.c.position > bindparam("of_position"),
    )
    .order_by(_author.c.position)
    .limit(bindparam("most"))
)
_IN_WORKSPACE = _dataset.c.workspace_id == bindparam("of_workspace")
_ORDER = (_dataset.c.number.desc(), _line.c.position)
_OF_EXCHANGE = Statement(
    _FOUND.where(_IN_WORKSPACE, _line.c.exchange_id == bindparam("of_exchange")).order_by(*_ORDER)
)
_OF_EXAMPLE = Statement(
    _FOUND.where(_IN_WORKSPACE, _line.c.example_id == bindparam("of_example")).order_by(*_ORDER)
)
_COVERED = people.covering(_workspace.c.consent, _person.c.consent, _person.c.given_at, _author.c.said_at)
_UNCONSENTED = Statement(
    select(_author.c.dataset_number, func.count(_author.c.position.distinct()))
    .select_from(
        _author.outerjoin(_person, _person.c.id == _author.c.person_id).outerjoin(
            _workspace, _workspace.c.id == _person.c.workspace_id
        )
    )
    .where(_author.c.dataset_number.in_(bindparam("numbers", expanding=True)), ~_COVERED)
    .group_by(_author.c.dataset_number)
)

_MODELS_OF = Statement(
    select(_run.c.number)
    .where(
        _run.c.dataset_number == bindparam("of_number"),
        _run.c.state.not_in(["failed", "cancelled"]),
        or_(_run.c.state != "succeeded", _run.c.model != "", _run.c.checkpoints != "[]"),
    )
    .order_by(_run.c.number)
)


def authors_of(tx: Tx, number: int, position: int) -> list[Traced]:
    """Everyone whose words are in this row, by when they said them."""
    return [Traced(*row) for row in tx.rows(_AUTHORS, {"of_number": number, "of_position": position})]


def datasets_of_person(tx: Tx, person_id: str) -> list[tuple[Dataset, int]]:
    """The datasets that hold words of this person, the newest first, each with how many of its rows do."""
    return [(record(row[:-1]), row[-1]) for row in tx.rows(_DATASETS, {"of_person": person_id})]


def lines_of_person(
    tx: Tx, person_id: str, *, limit: int, after: tuple[int, int] | None = None
) -> list[PersonLine]:
    """Up to ``limit`` rows that hold words of this person: of the newest dataset first, in their order there.

    ``after`` is the number of a dataset and a position in it: the page begins behind that row.
    """
    found: list[PersonLine] = []
    number, position = after or (_NEWEST, -1)
    for dataset, _ in datasets_of_person(tx, person_id):
        if dataset.number > number:
            continue
        behind = position if dataset.number == number else -1
        wanted = {
            "of_person": person_id,
            "of_number": dataset.number,
            "of_position": behind,
            "most": limit - len(found),
        }
        found += [PersonLine(*row) for row in tx.rows(_OF_PERSON, wanted)]
        if len(found) >= limit:
            break
    return found


def lines_of_exchange(tx: Tx, workspace_id: str, exchange_id: str) -> list[PersonLine]:
    """The rows that came of this exchange, of the newest dataset first."""
    wanted = {"of_workspace": workspace_id, "of_exchange": exchange_id}
    return [PersonLine(*row) for row in tx.rows(_OF_EXCHANGE, wanted)]


def lines_of_example(tx: Tx, workspace_id: str, example_id: str) -> list[PersonLine]:
    """The rows that came of this example, of the newest dataset first."""
    wanted = {"of_workspace": workspace_id, "of_example": example_id}
    return [PersonLine(*row) for row in tx.rows(_OF_EXAMPLE, wanted)]


def models_of(tx: Tx, dataset_numbers: Iterable[int]) -> list[int]:
    """The numbers of the training runs that made a model, which is still there, with one of these datasets, or may yet."""
    return [row[0] for number in dataset_numbers for row in tx.rows(_MODELS_OF, {"of_number": number})]


def unconsented(tx: Tx, number: int) -> int:
    """How many rows hold words of somebody who may not be learnt from (any more): what ``people.may_learn`` would refuse."""
    return unconsented_of(tx, [number]).get(number, 0)


def unconsented_of(tx: Tx, numbers: Iterable[int]) -> dict[int, int]:
    """The same of several datasets, each read once, by number; those that hold none are left out."""
    return {row[0]: row[1] for row in tx.rows(_UNCONSENTED, {"numbers": sorted(set(numbers))})}
