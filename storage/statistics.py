"""How an avatar does: use, ratings, examples, cost."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, case, cast, func, or_, select

from storage.database import Row, Statement, Tx, table
from storage.schema import ExampleRow, ExchangeRow, RatingRow

_exchange, _rating, _example = table(ExchangeRow), table(RatingRow), table(ExampleRow)

# What was imported was not said to the avatar: it does not count as use.
_OWN = (
    _exchange.c.workspace_id == bindparam("of_workspace"),
    _exchange.c.origin == "chat",
    or_(
        bindparam("of_avatar", type_=_exchange.c.avatar_id.type) == "",
        _exchange.c.avatar_id == bindparam("of_avatar"),
    ),
    _exchange.c.created_at >= bindparam("since"),
)
_DONE = _exchange.c.status == "complete"
_USE = Statement(
    select(
        func.count(),
        func.count(_exchange.c.person_id.distinct()),
        func.coalesce(func.sum(_exchange.c.tokens_in), 0),
        func.coalesce(func.sum(_exchange.c.tokens_out), 0),
        func.coalesce(func.sum(_exchange.c.cost), 0.0),
        func.coalesce(func.sum(case((_DONE, 1), else_=0)), 0),
        func.coalesce(func.sum(case((_DONE, cast(_exchange.c.known, Integer)), else_=0)), 0),
        func.coalesce(func.sum(case((_exchange.c.status == "failed", 1), else_=0)), 0),
    ).where(*_OWN)
)
_RATED = Statement(
    select(func.count(_exchange.c.id.distinct()), func.avg(_rating.c.stars))
    .join(_rating, _rating.c.exchange_id == _exchange.c.id)
    .where(*_OWN, _rating.c.stars.is_not(None))
)
_EXAMPLES = Statement(
    select(_example.c.status, func.count())
    .where(
        _example.c.workspace_id == bindparam("of_workspace"),
        or_(
            bindparam("of_avatar", type_=_example.c.avatar_id.type) == "",
            _example.c.avatar_id == bindparam("of_avatar"),
        ),
    )
    .group_by(_example.c.status)
)
_TIMED = (*_OWN, _exchange.c.latency_ms.is_not(None))
_COUNT_TIMED = Statement(select(func.count()).where(*_TIMED))
_MEDIAN = Statement(
    select(_exchange.c.latency_ms)
    .where(*_TIMED)
    .order_by(_exchange.c.latency_ms)
    .limit(1)
    .offset(bindparam("skip"))
)


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a period. ``known_share`` is 0..1 of the complete replies; ``cost`` is in US dollars."""

    exchanges: int
    people: int
    failed: int
    rated: int
    mean_stars: float | None
    known_share: float | None
    tokens_in: int
    tokens_out: int
    cost: float
    examples_approved: int
    examples_proposed: int
    median_latency_ms: int | None


def stats(tx: Tx, workspace_id: str, avatar_id: str | None = None, since: int | None = None) -> Stats:
    """The workspace's figures, or one avatar's, since a time (milliseconds) or ever."""
    asked = {"of_workspace": workspace_id, "of_avatar": avatar_id or "", "since": since or 0}
    use: Row = tx.rows(_USE, asked)[0]
    rated, mean = tx.rows(_RATED, asked)[0]
    of_avatar = {"of_workspace": workspace_id, "of_avatar": avatar_id or ""}
    statuses = {row[0]: row[1] for row in tx.rows(_EXAMPLES, of_avatar)}
    timed = tx.rows(_COUNT_TIMED, asked)[0][0]
    median = tx.rows(_MEDIAN, {**asked, "skip": (timed - 1) // 2})[0][0] if timed else None
    return Stats(
        exchanges=use[0],
        people=use[1],
        failed=use[7],
        rated=rated,
        mean_stars=float(mean) if mean is not None else None,
        known_share=use[6] / use[5] if use[5] else None,
        tokens_in=int(use[2]),
        tokens_out=int(use[3]),
        cost=float(use[4]),
        examples_approved=statuses.get("approved", 0),
        examples_proposed=statuses.get("proposed", 0),
        median_latency_ms=median,
    )
