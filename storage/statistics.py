"""How an avatar does: use, ratings, examples, cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import orjson
from sqlalchemy import Integer, and_, bindparam, case, cast, func, or_, select

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
_UNPRICED = and_(_exchange.c.cost.is_(None), _exchange.c.tokens_in + _exchange.c.tokens_out > 0)
_USE = Statement(
    select(
        func.count(),
        func.count(_exchange.c.person_id.distinct()),
        func.coalesce(func.sum(_exchange.c.tokens_in), 0),
        func.coalesce(func.sum(_exchange.c.tokens_out), 0),
        func.sum(_exchange.c.cost),
        func.coalesce(func.sum(case((_DONE, 1), else_=0)), 0),
        func.coalesce(func.sum(case((_DONE, cast(_exchange.c.known, Integer)), else_=0)), 0),
        func.coalesce(func.sum(case((_exchange.c.status == "failed", 1), else_=0)), 0),
        func.coalesce(func.sum(case((_UNPRICED, 1), else_=0)), 0),
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
    """Figures of a period. ``known_share`` is 0..1 of the complete replies.

    ``cost`` is in US dollars, of what has a known price, ``None`` when nothing has; ``unpriced`` counts the exchanges
    that took tokens at a price that is not known.
    """

    exchanges: int
    people: int
    failed: int
    rated: int
    mean_stars: float | None
    known_share: float | None
    tokens_in: int
    tokens_out: int
    cost: float | None
    unpriced: int
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
        cost=float(use[4]) if use[4] is not None else None,
        unpriced=int(use[8]),
        examples_approved=statuses.get("approved", 0),
        examples_proposed=statuses.get("proposed", 0),
        median_latency_ms=median,
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """An avatar's complete exchanges of a period and their tokens.

    ``sampled`` is the latest of them that were looked into, at most as many as were asked for; ``shown`` are the texts of
    the examples that these showed, each with how often, as far as the examples are still there.
    """

    exchanges: int
    tokens_in: int
    tokens_out: int
    sampled: int
    shown: tuple[tuple[str, str, int], ...]


_OF_AVATAR = (
    _exchange.c.avatar_id == bindparam("of_avatar"),
    _exchange.c.origin == "chat",
    _DONE,
    _exchange.c.created_at >= bindparam("since"),
)
_TRAFFIC = Statement(
    select(
        func.count(),
        func.coalesce(func.sum(_exchange.c.tokens_in), 0),
        func.coalesce(func.sum(_exchange.c.tokens_out), 0),
    ).where(*_OF_AVATAR)
)
_SHOWN = Statement(
    select(_exchange.c.example_ids)
    .where(*_OF_AVATAR)
    .order_by(_exchange.c.created_at.desc(), _exchange.c.id.desc())
    .limit(bindparam("most"))
)
_TEXTS = Statement(
    select(_example.c.id, _example.c.user_text, _example.c.assistant_text).where(
        _example.c.id.in_(bindparam("ids", expanding=True))
    )
)
_CHUNK = 1000  # databases bound the number of parameters


def traffic(tx: Tx, avatar_id: str, since: int, *, sample: int = 200) -> Traffic:
    """The avatar's traffic since a time (milliseconds), with the examples that its latest ``sample`` exchanges showed."""
    asked = {"of_avatar": avatar_id, "since": since}
    count, tokens_in, tokens_out = tx.rows(_TRAFFIC, asked)[0]
    lists = [orjson.loads(row[0]) for row in tx.rows(_SHOWN, {**asked, "most": sample})]
    often = Counter(str(id) for ids in lists for id in ids)
    wanted = sorted(often)
    shown = tuple(
        (user, assistant, often[id])
        for start in range(0, len(wanted), _CHUNK)
        for id, user, assistant in tx.rows(_TEXTS, {"ids": wanted[start : start + _CHUNK]})
    )
    return Traffic(int(count), int(tokens_in), int(tokens_out), len(lists), shown)
