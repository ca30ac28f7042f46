"""Ratings: one row for each person and exchange, and the quality of an exchange that follows from them.

The row is a function of the set of events, not of their order (storage/marks.py). A row with nothing left in it stays as
a tombstone, so that a late event does not bring back what was taken away; it counts nowhere.

**Quality.** Stars ``s`` become ``(s - 1) / 4``, 0..1. The quality of an exchange is their weighted mean, shrunken toward a
prior as if ``weight`` more people had given just that::

    quality = (weight * prior + sum(w_i * x_i)) / (weight + sum(w_i))

over distinct raters ``i``. One person has one vote on an exchange, and the ``k``-th exchange that they rate of one avatar
weighs ``w = min(1, (CAP / k) ** 2)``: the first ``CAP`` count in full, and all of them together stay below
``2 * CAP`` votes, however many they give. Since ``k`` is counted in the order of rating, a later rating does not change what
an earlier one weighs.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.sql import and_

from storage import ids
from storage.database import Row, Statement, Tx, first, insert_into, table
from storage.errors import Missing
from storage.marks import MarkEvent as MarkEvent
from storage.marks import Marks, loaded
from storage.schema import ExchangeRow, RatingRow

CAP = 100
"""Ratings of one person for one avatar that count in full."""

_rating = table(RatingRow)
_exchange = table(ExchangeRow)
_CHANGING = ("stars", "comment", "better", "better_by_reviewer", "created_at", "updated_at")
_NAMES = ("id", "exchange_id", "person_id", *_CHANGING)
_COLUMNS = [_rating.c[name] for name in _NAMES]
_OWN = and_(_rating.c.exchange_id == bindparam("of_exchange"), _rating.c.person_id == bindparam("of_person"))

_OF_PERSON = Statement(select(*_COLUMNS).where(_OWN))
_OF_EXCHANGE = Statement(
    select(*_COLUMNS).where(_rating.c.exchange_id == bindparam("of_exchange")).order_by(_rating.c.person_id)
)
_BETTERS = Statement(
    select(_rating.c.person_id, _rating.c.better, _rating.c.better_by_reviewer, _rating.c.marks)
    .where(_rating.c.exchange_id == bindparam("of_exchange"), _rating.c.better != "")
    .order_by(_rating.c.person_id)
)
_spoken_in = table(ExchangeRow).alias("spoken_in")
# What somebody asked, what they commented on, and what was said where their words may have been seen.
_CONCERNING = Statement(
    select(_exchange.c.id)
    .where(
        _exchange.c.created_at >= bindparam("since"),
        _exchange.c.id.in_(select(_rating.c.exchange_id)),
        or_(
            _exchange.c.conversation_id.in_(
                select(_spoken_in.c.conversation_id).where(_spoken_in.c.person_id == bindparam("of_person"))
            ),
            _exchange.c.id.in_(
                select(_rating.c.exchange_id).where(_rating.c.person_id == bindparam("of_person"))
            ),
        ),
    )
    .order_by(_exchange.c.created_at, _exchange.c.id)
)
_LATEST = Statement(
    select(*_COLUMNS, _exchange.c.user_text)
    .select_from(_rating.join(_exchange, _exchange.c.id == _rating.c.exchange_id))
    .where(
        _rating.c.person_id == bindparam("of_person"),
        or_(_rating.c.stars.is_not(None), _rating.c.comment != "", _rating.c.better != ""),
    )
    .order_by(_rating.c.updated_at.desc(), _rating.c.id.desc())
    .limit(bindparam("most"))
)
_MARKS = Statement(select(*_COLUMNS, _rating.c.marks).where(_OWN))
# On Postgres other processes rate at the same time: whoever holds the exchange's row works on its ratings alone.
_LOCKED = select(_exchange.c.avatar_id).where(_exchange.c.id == bindparam("of_exchange"))
_LOCK = Statement(_LOCKED, _LOCKED.with_for_update())
_AVATAR = Statement(_LOCKED)
_INSERT = insert_into(RatingRow)
_UPDATE = Statement(
    update(_rating)
    .where(_rating.c.id == bindparam("of_id"))
    .values({name: bindparam(f"new_{name}") for name in (*_CHANGING, "marks")})
)
_RANK = Statement(
    select(func.count())
    .select_from(_rating.join(_exchange, _exchange.c.id == _rating.c.exchange_id))
    .where(
        _rating.c.person_id == bindparam("of_person"),
        _rating.c.stars.is_not(None),
        _exchange.c.avatar_id == bindparam("of_avatar"),
        or_(
            _rating.c.created_at < bindparam("until"),
            and_(_rating.c.created_at == bindparam("until"), _rating.c.id <= bindparam("of_id")),
        ),
    )
)
_SET_QUALITY = Statement(
    update(_exchange)
    .where(_exchange.c.id == bindparam("of_exchange"))
    .values(quality=bindparam("new_quality"), ratings=bindparam("new_ratings"))
)


@dataclass(frozen=True, slots=True)
class Rating:
    """What one person thinks of one exchange: ``stars`` 1..5 or none, a comment, a better answer."""

    id: str
    exchange_id: str
    person_id: str
    stars: int | None
    comment: str
    better: str
    better_by_reviewer: bool
    created_at: int
    updated_at: int

    @property
    def empty(self) -> bool:
        """Whether everything was taken away: only a tombstone is left."""
        return self.stars is None and not self.comment and not self.better


@dataclass(frozen=True, slots=True)
class Better:
    """A better answer: who wrote it, when, and whether they were a reviewer then."""

    person_id: str
    text: str
    by_reviewer: bool
    said_at: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What an event did to a rating. ``changed`` is False for repeated and outdated ones."""

    before: Rating | None
    after: Rating
    changed: bool


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """Toward what, 0..1, the quality of a reply is drawn, and with the weight of how many raters."""

    prior: float = 0.5
    weight: float = 1.0


LIKED = 4.0
"""The mean stars from which an exchange is worth imitating, unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an exchange is rated: how many gave stars, their plain mean 1..5, the shrunken quality 0..1."""

    count: int
    mean: float | None
    quality: float | None


def apply(tx: Tx, exchange_id: str, person_id: str, event: MarkEvent) -> Applied:
    """Add one event to the person's rating. Call ``requality`` afterwards. Raises ``Missing`` without the exchange.

    Any order and repetition of the same events leaves the same row.
    """
    if first(tx, _LOCK, {"of_exchange": exchange_id}) is None:
        raise Missing("There is no such exchange.")
    row = first(tx, _MARKS, {"of_exchange": exchange_id, "of_person": person_id})
    before = _record(row[:-1]) if row else None
    marks = (loaded(row[-1]) if row else Marks()).joined(event)
    after = _settled(before, marks, event, exchange_id, person_id)
    if before is None:
        tx.run(_INSERT, {**_columns(after), "marks": marks.dumped()})
    else:
        changes = {f"new_{name}": value for name, value in _columns(after).items() if name in _CHANGING}
        tx.run(_UPDATE, {"of_id": after.id, "new_marks": marks.dumped(), **changes})
    return Applied(before, after, before is None or _verdict(before) != _verdict(after))


def _settled(
    before: Rating | None, marks: Marks, event: MarkEvent, exchange_id: str, person_id: str
) -> Rating:
    better = marks.better
    return Rating(
        id=before.id if before else ids.new_id(),
        exchange_id=exchange_id,
        person_id=person_id,
        stars=marks.stars,
        comment=marks.comment.text if marks.comment else "",
        better=better.text if better else "",
        better_by_reviewer=better.by_reviewer if better and better.text else False,
        created_at=min(event.at, before.created_at) if before else event.at,
        updated_at=max(event.at, before.updated_at) if before else event.at,
    )


def _columns(rating: Rating) -> dict[str, object]:
    return {name: getattr(rating, name) for name in _NAMES}


def _verdict(rating: Rating) -> tuple[object, ...]:
    return rating.stars, rating.comment, rating.better, rating.better_by_reviewer


def _record(row: Row) -> Rating:
    rating_id, exchange_id, person_id, stars, comment, better, by_reviewer, created_at, updated_at = row
    return Rating(
        rating_id, exchange_id, person_id, stars, comment, better, bool(by_reviewer), created_at, updated_at
    )


def of_person(tx: Tx, exchange_id: str, person_id: str) -> Rating | None:
    """This person's rating of this exchange; a tombstone (``empty``) when they took everything back."""
    row = first(tx, _OF_PERSON, {"of_exchange": exchange_id, "of_person": person_id})
    return _record(row) if row else None


def of_exchange(tx: Tx, exchange_id: str) -> list[Rating]:
    """All ratings of an exchange, one for each person; without tombstones."""
    rows = tx.rows(_OF_EXCHANGE, {"of_exchange": exchange_id})
    return [rating for rating in map(_record, rows) if not rating.empty]


def latest(tx: Tx, person_id: str, limit: int) -> list[tuple[Rating, str]]:
    """The ratings that this person gave or changed last, the newest first, each with the message it was an answer to."""
    rows = tx.rows(_LATEST, {"of_person": person_id, "most": limit})
    return [(_record(row[:-1]), row[-1]) for row in rows]


def betters(tx: Tx, exchange_id: str) -> list[Better]:
    """The better answers that stand on an exchange, one for each person at most."""
    found: list[Better] = []
    for person_id, text, by_reviewer, marks in tx.rows(_BETTERS, {"of_exchange": exchange_id}):
        said = loaded(marks).better
        assert said is not None, "a row's better answer comes from its marks"
        found.append(Better(person_id, text, bool(by_reviewer), said.at))
    return found


def concerning(tx: Tx, person_id: str, since: int) -> list[str]:
    """The ids of rated exchanges since then that may hold words of this person, oldest first."""
    rows = tx.rows(_CONCERNING, {"of_person": person_id, "since": since})
    return [row[0] for row in rows]


def standing(tx: Tx, exchange_id: str, shrinkage: Shrinkage | None = None) -> Standing:
    """How the exchange is rated now, computed from its ratings. Raises ``Missing`` without the exchange."""
    found = first(tx, _AVATAR, {"of_exchange": exchange_id})
    if found is None:
        raise Missing("There is no such exchange.")
    votes = [
        ((rating.stars - 1) / 4, _weight(tx, rating, found[0]))
        for rating in of_exchange(tx, exchange_id)
        if rating.stars is not None
    ]
    if not votes:
        return Standing(0, None, None)
    mean = 1 + 4 * sum(value for value, _ in votes) / len(votes)
    return Standing(len(votes), mean, shrunken(votes, shrinkage or Shrinkage()))


def shrunken(votes: list[tuple[float, float]], shrinkage: Shrinkage) -> float:
    """The weighted mean of (value 0..1, weight) drawn toward the prior; the formula is the module's."""
    total = shrinkage.weight * shrinkage.prior + sum(value * weight for value, weight in votes)
    return total / (shrinkage.weight + sum(weight for _, weight in votes))


def _weight(tx: Tx, rating: Rating, avatar_id: str) -> float:
    params = {"of_person": rating.person_id, "of_avatar": avatar_id}
    rank = tx.rows(_RANK, {**params, "until": rating.created_at, "of_id": rating.id})[0][0]
    return min(1.0, (CAP / max(rank, 1)) ** 2)


def requality(tx: Tx, exchange_id: str, shrinkage: Shrinkage | None = None) -> float | None:
    """Compute the exchange's quality from its ratings and store it with the number of stars; ``None`` without any.

    Raises ``Missing`` without the exchange.
    """
    now = standing(tx, exchange_id, shrinkage)
    tx.run(_SET_QUALITY, {"of_exchange": exchange_id, "new_quality": now.quality, "new_ratings": now.count})
    return now.quality
