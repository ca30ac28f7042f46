"""People, what they agreed to, and the one gate in front of all learning.

A person is somebody in one workspace; the same human in two workspaces is two people here, since nothing crosses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select, update

from storage import clock, ids
from storage.database import Statement, Tx, first, insert_into, table
from storage.errors import Missing
from storage.schema import (
    AuthorRow,
    ExampleRow,
    ExchangeRow,
    PersonRow,
    PreferenceRow,
    RatingRow,
    WorkspaceRow,
)

Consent = Literal["unset", "given", "withdrawn"]

_person = table(PersonRow)
_workspace = table(WorkspaceRow)

_GET = Statement(select(_person).where(_person.c.id == bindparam("of_id")))
_FIND = Statement(
    select(_person).where(
        _person.c.workspace_id == bindparam("of_workspace"), _person.c.key == bindparam("of_key")
    )
)
_INSERT = insert_into(PersonRow, ignore=["workspace_id", "key"])
_RENAME = Statement(
    update(_person).where(_person.c.id == bindparam("of_id")).values(name=bindparam("new_name"))
)
_SET_CONSENT = Statement(
    update(_person)
    .where(_person.c.id == bindparam("of_id"))
    .values(
        consent=bindparam("new_consent"),
        given_at=bindparam("new_given"),
        withdrawn_at=bindparam("new_withdrawn"),
        asked_at=bindparam("new_asked"),
    )
)
_STANDING = Statement(
    select(_person.c.consent, _person.c.given_at, _workspace.c.consent)
    .join(_workspace, _workspace.c.id == _person.c.workspace_id)
    .where(_person.c.id == bindparam("of_id"))
)
# Those of imported people begin so; nobody is called by the name that they have.
_IMPORTED = "import:"
_NAMED = Statement(
    select(_person.c.key, _person.c.name)
    .where(
        _person.c.workspace_id == bindparam("of_workspace"),
        _person.c.key > bindparam("after"),
        ~_person.c.key.startswith(_IMPORTED),
        _person.c.name != "",
    )
    .order_by(_person.c.key)
    .limit(bindparam("most"))
)
_exchange, _rating = table(ExchangeRow), table(RatingRow)
_example, _preference = table(ExampleRow), table(PreferenceRow)
_OWN = bindparam("of_id")
_WRITTEN = select(table(AuthorRow).c.owner_id).where(table(AuthorRow).c.person_id == _OWN)
_COUNTS = (
    select(_exchange).where(_exchange.c.person_id == _OWN),
    select(_rating).where(
        _rating.c.person_id == _OWN,
        or_(_rating.c.stars.is_not(None), _rating.c.comment != "", _rating.c.better != ""),
    ),
    select(_example).where(_example.c.id.in_(_WRITTEN), _example.c.status.in_(["proposed", "approved"])),
    select(_preference).where(_preference.c.id.in_(_WRITTEN)),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a workspace. ``key`` is the platform's id of them.

    ``given_at`` is the moment from which a given consent covers what they say (not the moment they said yes);
    ``asked_at`` is when they were asked, whatever they answered: nobody is asked twice.
    """

    id: str
    workspace_id: str
    key: str
    name: str
    consent: Consent
    given_at: int | None
    withdrawn_at: int | None
    asked_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody whose words are inside something that could be learnt, and when they said them."""

    person_id: str
    said_at: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much of somebody was deleted; ``models`` were made with their words before, or are being made, and remain."""

    exchanges: int
    ratings: int
    examples: int
    preferences: int
    dataset_lines: int
    models: int


@dataclass(frozen=True, slots=True)
class Held:
    """How much of somebody there is: what ``forget`` would delete, but for what others said about it."""

    exchanges: int
    ratings: int
    examples: int
    preferences: int
    dataset_lines: int


def ensure(tx: Tx, workspace_id: str, key: str, name: str) -> Person:
    """The person with this key, created when new; a changed name is kept up."""
    person = find(tx, workspace_id, key)
    if person is None:
        values = {"id": ids.new_id(), "workspace_id": workspace_id, "key": key, "name": name}
        unset = {"consent": "unset", "given_at": None, "withdrawn_at": None, "asked_at": None}
        tx.run(_INSERT, {**values, **unset, "created_at": clock.now()})
        person = find(tx, workspace_id, key)
        assert person is not None
    if name and person.name != name:
        tx.run(_RENAME, {"of_id": person.id, "new_name": name})
        return get(tx, person.id)
    return person


def get(tx: Tx, person_id: str) -> Person:
    """The person with this id. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": person_id})
    if row is None:
        raise Missing("There is no such person.")
    return Person(*row)


def find(tx: Tx, workspace_id: str, key: str) -> Person | None:
    """The person whom the platform knows by ``key``, if they were ever here."""
    row = first(tx, _FIND, {"of_workspace": workspace_id, "of_key": key})
    return Person(*row) if row else None


def called(tx: Tx, workspace_id: str, name: str, *, most: int = 5) -> list[Person]:
    """The people of this name, whatever its case, by key; of those whom the platform knows, at most so many."""
    wanted, found, after = name.casefold(), list[str](), ""
    # Not by a comparison in the database: SQLite knows the case of ASCII alone.
    while len(found) < most and (page := names(tx, workspace_id, after=after)):
        found += [key for key, theirs in page if theirs.casefold() == wanted]
        after = page[-1][0]
    people = (find(tx, workspace_id, key) for key in found[:most])
    return [person for person in people if person is not None]


def give_consent(tx: Tx, person_id: str, *, at: int, covers_from: int) -> None:
    """Yes: what this person says from ``covers_from`` on may be learnt. Raises ``Missing``.

    A second yes never covers less than the first one. A yes after a withdrawal never reaches behind that withdrawal:
    what somebody took back stays taken back.
    """
    person = get(tx, person_id)
    covers = covers_from
    if person.consent == "given" and person.given_at is not None:
        covers = min(covers, person.given_at)
    if person.withdrawn_at is not None:
        covers = max(covers, person.withdrawn_at)
    _set(
        tx, person, "given", given_at=covers, withdrawn_at=person.withdrawn_at, asked_at=person.asked_at or at
    )


def withdraw_consent(tx: Tx, person_id: str, *, at: int) -> None:
    """No: nothing of this person is learnt any more, whenever it was said. Raises ``Missing``.

    Examples with their words are withdrawn and preferences deleted in the same job, so that nothing serves in between.
    """
    from storage import forgetting  # it needs the nouns that need people

    person = get(tx, person_id)
    asked_at = person.asked_at or at
    _set(tx, person, "withdrawn", given_at=person.given_at, withdrawn_at=at, asked_at=asked_at)
    forgetting.withdraw_words(tx, person_id)


def mark_asked(tx: Tx, person_id: str, at: int) -> None:
    """Remember that this person was asked for consent, so that it happens once. Raises ``Missing``."""
    person = get(tx, person_id)
    if person.asked_at is None:
        _set(
            tx,
            person,
            person.consent,
            given_at=person.given_at,
            withdrawn_at=person.withdrawn_at,
            asked_at=at,
        )


def _set(
    tx: Tx,
    person: Person,
    consent: Consent,
    *,
    given_at: int | None,
    withdrawn_at: int | None,
    asked_at: int | None,
) -> None:
    dates = {"new_given": given_at, "new_withdrawn": withdrawn_at, "new_asked": asked_at}
    tx.run(_SET_CONSENT, {"of_id": person.id, "new_consent": consent, **dates})


def covered(policy: str, consent: str | None, given_at: int | None, said_at: int) -> bool:
    """Whether one person's words of ``said_at`` (milliseconds) may be learnt: the rule, for what is read in bulk.

    ``policy`` is the workspace's; ``consent`` is the person's and none where there is no such person (any more), which
    counts as No. Opt-in: they gave consent that covers when they said it. Opt-out: they did not withdraw; who did is not
    learnt from at all, earlier words included. ``covering`` says the same in SQL.
    """
    if consent is None:
        return False
    if policy == "opt-out":
        return consent != "withdrawn"
    return consent == "given" and given_at is not None and said_at >= given_at


def covering(
    policy: ColumnElement[Any],
    consent: ColumnElement[Any],
    given_at: ColumnElement[Any],
    said_at: ColumnElement[Any],
) -> ColumnElement[Any]:
    """``covered`` over columns, for queries of more rows than should leave the database; true or false, never null.

    The columns of an outer join will do: without the person it is false.
    """
    agreed = and_(consent == "given", said_at >= given_at)
    rule = case((policy == "opt-out", consent != "withdrawn"), else_=agreed)
    return case((rule, 1), else_=0) == 1


def may_learn(tx: Tx, authors: Sequence[Author]) -> bool:
    """Whether words of all these people may be learnt from: the one gate, asked by everything that learns.

    Everyone must be ``covered``; nobody's words need nobody's consent.
    """
    earliest: dict[str, int] = {}
    for author in authors:
        earliest[author.person_id] = min(author.said_at, earliest.get(author.person_id, author.said_at))
    return all(_covered(tx, person_id, said_at) for person_id, said_at in earliest.items())


def _covered(tx: Tx, person_id: str, said_at: int) -> bool:
    row = first(tx, _STANDING, {"of_id": person_id})
    if row is None:
        return False
    consent, given_at, policy = row
    return covered(policy, consent, given_at, said_at)


def names(tx: Tx, workspace_id: str, *, after: str = "", limit: int = 1000) -> list[tuple[str, str]]:
    """The workspace's people as (key, name) in the order of keys, those behind the key ``after``.

    Imported people have no names of their own and are left out, as is who has none.
    """
    wanted = {"of_workspace": workspace_id, "after": after, "most": limit}
    return [(key, name) for key, name in tx.rows(_NAMED, wanted)]


@cache
def _held() -> Statement:
    from storage.training_schema import DatasetAuthorRow  # whoever only talks does not wait for it

    lines = table(DatasetAuthorRow)
    counts = (*_COUNTS, select(lines).where(lines.c.person_id == _OWN))
    return Statement(select(*(each.with_only_columns(func.count()).scalar_subquery() for each in counts)))


def held(tx: Tx, person_id: str) -> Held:
    """How much of this person there is in their workspace. Examples count while they are proposed or approved."""
    row = first(tx, _held(), {"of_id": person_id})
    assert row is not None, "a query of counts has one row"
    return Held(*row)


def forget(tx: Tx, person_id: str) -> Forgotten:
    """Delete everything of this person in their workspace, and what rests on it. Raises ``Missing``.

    Gone are: their exchanges with all ratings on those, their ratings and better answers elsewhere, every example,
    preference and row of a dataset that contains their words, conversations left empty, and the person. Qualities that
    their ratings held up are recomputed. Audit entries keep what happened but not who did it.
    """
    from storage import forgetting  # it needs the nouns that need people

    return forgetting.forget(tx, get(tx, person_id))
