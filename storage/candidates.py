"""What a dataset can be built from, page by page: conversations (storage/talks.py), pairs, preferences.

Each page is one short read, which tells of everything in it whether those whose words it holds agreed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select, text

from storage.database import Row, Statement, Tx, first, table
from storage.people import Author
from storage.schema import (
    LONE_EXAMPLE,
    AvatarRow,
    ConversationRow,
    ExampleRow,
    ExchangeRow,
    PreferenceRow,
    WorkspaceRow,
)
from storage.talks import Authors
from storage.talks import Improved as Improved
from storage.talks import Linked as Linked
from storage.talks import Said as Said
from storage.talks import Talk as Talk
from storage.talks import bounds as bounds
from storage.talks import group_of as group_of
from storage.talks import talks as talks
from storage.talks import talks_of as talks_of


@dataclass(frozen=True, slots=True)
class Pair:
    """An approved example that is not an exchange as it was said. ``may_learn`` is the consent of all its authors."""

    id: str
    user_text: str
    assistant_text: str
    source: str
    exchange_id: str | None
    conversation_id: str | None
    audience: str
    quality: float
    reviewed: bool
    authors: tuple[Author, ...]
    may_learn: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class Preferred:
    """A preference. ``context`` is (role, text), the user's message last; ``may_learn`` the consent of all authors.

    ``group`` is what keeps the conversation that it came of on one side of a split, empty where there is none.
    """

    id: str
    context: tuple[tuple[str, str], ...]
    chosen: str
    rejected: str
    source: str
    exchange_id: str | None
    group: str
    authors: tuple[Author, ...]
    may_learn: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is of an avatar, to tell how far a build is: ``rated`` exchanges have stars, ``examples`` serve."""

    conversations: int
    exchanges: int
    rated: int
    examples: int
    preferences: int


_avatar, _workspace, _conversation = table(AvatarRow), table(WorkspaceRow), table(ConversationRow)
_exchange, _example, _preference = table(ExchangeRow), table(ExampleRow), table(PreferenceRow)
_AFTER, _UNTIL, _LIMIT = bindparam("after"), bindparam("until"), bindparam("most")


def _of(avatar_id: Any) -> Any:
    return avatar_id == bindparam("of_avatar")


_POLICY = Statement(
    select(_workspace.c.consent)
    .join(_avatar, _avatar.c.workspace_id == _workspace.c.id)
    .where(_of(_avatar.c.id))
)
_PAIRS = Statement(
    select(
        _example.c.id,
        _example.c.user_text,
        _example.c.assistant_text,
        _example.c.source,
        _example.c.exchange_id,
        _example.c.conversation_id,
        _example.c.audience,
        _example.c.quality,
        _example.c.reviewed,
        _example.c.created_at,
    )
    .where(
        _of(_example.c.avatar_id), text(LONE_EXAMPLE), _example.c.id > _AFTER, _example.c.created_at <= _UNTIL
    )
    .order_by(_example.c.id)
    .limit(_LIMIT)
)
_PREFERRED = Statement(
    select(
        _preference.c.id,
        _preference.c.context,
        _preference.c.chosen,
        _preference.c.rejected,
        _preference.c.source,
        _preference.c.exchange_id,
        _conversation.c.id,
        _conversation.c.key,
        _conversation.c.channel,
        _preference.c.created_at,
    )
    .select_from(
        _preference.outerjoin(_exchange, _exchange.c.id == _preference.c.exchange_id).outerjoin(
            _conversation, _conversation.c.id == _exchange.c.conversation_id
        )
    )
    .where(_of(_preference.c.avatar_id), _preference.c.id > _AFTER, _preference.c.created_at <= _UNTIL)
    .order_by(_preference.c.id)
    .limit(_LIMIT)
)
_TOTALS = tuple(
    Statement(query)
    for query in (
        select(func.count()).select_from(_conversation).where(_of(_conversation.c.avatar_id)),
        select(func.count()).select_from(_exchange).where(_of(_exchange.c.avatar_id)),
        select(func.count()).select_from(_exchange).where(_of(_exchange.c.avatar_id), text("ratings > 0")),
        select(func.count())
        .select_from(_example)
        .where(_of(_example.c.avatar_id), _example.c.status == "approved"),
        select(func.count()).select_from(_preference).where(_of(_preference.c.avatar_id)),
    )
)


def pairs(tx: Tx, avatar_id: str, *, after: str = "", limit: int = 500, until: int) -> list[Pair]:
    """The next approved examples behind the id ``after`` that ``talks`` does not carry, in the order of their ids.

    Those of hand, lessons, better answers and guides, and imported ones of no conversation, made by ``until``.
    """
    rows = _page(tx, _PAIRS, avatar_id, after, limit, until)
    authors, policy = Authors(tx, [row[0] for row in rows]), _policy(tx, avatar_id)
    found: list[Pair] = []
    for of_id, user, assistant, source, exchange, conversation, audience, quality, reviewed, at in rows:
        written = authors.of(of_id, policy)
        of = (source, exchange, conversation, audience, quality, bool(reviewed))
        found.append(Pair(of_id, user, assistant, *of, *written, at))
    return found


def preferred(tx: Tx, avatar_id: str, *, after: str = "", limit: int = 500, until: int) -> list[Preferred]:
    """The next preferences behind the id ``after``, in the order of their ids, made by ``until``."""
    rows = _page(tx, _PREFERRED, avatar_id, after, limit, until)
    authors, policy = Authors(tx, [row[0] for row in rows]), _policy(tx, avatar_id)
    found: list[Preferred] = []
    for of_id, context, chosen, rejected, source, exchange_id, talk_id, key, channel, created_at in rows:
        turns = tuple((turn["role"], turn["content"]) for turn in orjson.loads(context))
        group = group_of(talk_id, key, channel) if talk_id else ""
        of = (chosen, rejected, source, exchange_id, group)
        found.append(Preferred(of_id, turns, *of, *authors.of(of_id, policy), created_at))
    return found


def _policy(tx: Tx, avatar_id: str) -> str:
    row = first(tx, _POLICY, {"of_avatar": avatar_id})
    return row[0] if row else "opt-in"


def _page(tx: Tx, statement: Statement, avatar_id: str, after: str, limit: int, until: int) -> Sequence[Row]:
    return tx.rows(statement, {"of_avatar": avatar_id, "after": after, "most": limit, "until": until})


def totals(tx: Tx, avatar_id: str) -> Totals:
    """How much there is of this avatar, counted in indexes alone."""
    return Totals(*(tx.rows(each, {"of_avatar": avatar_id})[0][0] for each in _TOTALS))
