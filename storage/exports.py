"""What a workspace holds, page by page, as the records that an import reads."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, bindparam, exists, func, or_, select

from storage import people
from storage.database import Row, Statement, Tx, table
from storage.imported import (
    ImportedConversation,
    ImportedExample,
    ImportedPair,
    ImportedPreference,
    Verdict,
)
from storage.imports import GOOD, SOURCE
from storage.people import Author
from storage.schema import (
    AuthorRow,
    AvatarRow,
    ConversationRow,
    ExampleRow,
    ExchangeRow,
    PreferenceRow,
    RatingRow,
)

_avatar, _conversation, _exchange = table(AvatarRow), table(ConversationRow), table(ExchangeRow)
_rating, _example, _preference = table(RatingRow), table(ExampleRow), table(PreferenceRow)
_author = table(AuthorRow)
_IDS = bindparam("ids", expanding=True)


@dataclass(frozen=True, slots=True)
class Exported:
    """One record, the avatar it belongs to, and whether it may be learnt from."""

    avatar: str
    record: ImportedConversation | ImportedExample | ImportedPreference
    may_learn: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Some records; ``after`` continues behind them and is empty at the end."""

    records: tuple[Exported, ...]
    after: str


def _paged(query: Any, owner: Any) -> Statement:
    """The query for one workspace and one avatar (or, with an empty id, all of them), in the order of ids."""
    return Statement(
        query.join(_avatar, _avatar.c.id == owner.c.avatar_id)
        .where(
            owner.c.workspace_id == bindparam("of_workspace"),
            or_(bindparam("of_avatar", type_=Text) == "", owner.c.avatar_id == bindparam("of_avatar")),
            owner.c.id > bindparam("after"),
        )
        .order_by(owner.c.id)
        .limit(bindparam("limit"))
    )


_SAID = exists().where(_exchange.c.conversation_id == _conversation.c.id, _exchange.c.status == "complete")
_CONVERSATIONS = _paged(
    select(
        _conversation.c.id,
        _avatar.c.name,
        _conversation.c.avatar_id,
        _conversation.c.key,
        _conversation.c.private,
    )
    .select_from(_conversation)
    .where(_SAID),
    _conversation,
)
_EXCHANGES = Statement(
    select(
        _exchange.c.id,
        _exchange.c.conversation_id,
        _exchange.c.person_id,
        _exchange.c.user_text,
        _exchange.c.reply_text,
        _exchange.c.created_at,
    )
    .where(_exchange.c.conversation_id.in_(_IDS), _exchange.c.status == "complete")
    .order_by(_exchange.c.created_at, _exchange.c.id)
)
_RATINGS = Statement(
    select(_rating.c.exchange_id, _rating.c.person_id, _rating.c.stars, _rating.c.comment)
    .join(_exchange, _exchange.c.id == _rating.c.exchange_id)
    .where(_exchange.c.conversation_id.in_(_IDS), or_(_rating.c.stars.is_not(None), _rating.c.comment != ""))
    .order_by(_rating.c.person_id)
)
_REJECTED = Statement(
    select(_example.c.exchange_id).where(
        _example.c.conversation_id.in_(_IDS),
        _example.c.status == "rejected",
        _example.c.source.in_(("exchange", SOURCE)),
    )
)
_MEAN = (
    select(func.avg(_rating.c.stars)).where(_rating.c.exchange_id == _example.c.exchange_id).scalar_subquery()
)
# Approved examples that their exchange alone would not bring back: written or edited by hand, or rated lower.
_LONE = _paged(
    select(
        _example.c.id,
        _avatar.c.name,
        _example.c.user_text,
        _example.c.assistant_text,
        _example.c.pattern,
        _example.c.quality,
        _example.c.audience,
    )
    .select_from(_example.outerjoin(_exchange, _exchange.c.id == _example.c.exchange_id))
    .where(
        _example.c.status == "approved",
        or_(
            _exchange.c.id.is_(None),
            _exchange.c.user_text != _example.c.user_text,
            _exchange.c.reply_text != _example.c.assistant_text,
            func.coalesce(_MEAN, 0) < GOOD,
        ),
    ),
    _example,
)
_PREFERENCES = _paged(
    select(
        _preference.c.id,
        _avatar.c.name,
        _preference.c.avatar_id,
        _preference.c.source_key,
        _preference.c.context,
        _preference.c.chosen,
        _preference.c.rejected,
    ).select_from(_preference),
    _preference,
)
_AUTHORS = Statement(
    select(_author.c.owner_id, _author.c.person_id, _author.c.said_at).where(_author.c.owner_id.in_(_IDS))
)


def conversations(tx: Tx, workspace_id: str, avatar_id: str, *, after: str, limit: int) -> Page:
    """The next conversations with their complete exchanges; an empty ``avatar_id`` is every avatar."""
    rows = _rows(tx, _CONVERSATIONS, workspace_id, avatar_id, after, limit)
    if not rows:
        return Page((), "")
    within = {"ids": [row[0] for row in rows]}
    ratings: dict[str, list[Row]] = defaultdict(list)
    for row in tx.rows(_RATINGS, within):
        ratings[row[0]].append(row)
    rejected = {row[0] for row in tx.rows(_REJECTED, within)}
    said: dict[str, list[Row]] = defaultdict(list)
    for row in tx.rows(_EXCHANGES, within):
        said[row[1]].append(row)
    records: list[Exported] = []
    for conversation in rows:
        records += _conversation_records(tx, conversation, said[conversation[0]], ratings, rejected)
    return Page(tuple(records), rows[-1][0])


def _conversation_records(
    tx: Tx, conversation: Row, exchanges: Sequence[Row], ratings: dict[str, list[Row]], rejected: set[str]
) -> list[Exported]:
    """The conversation; what was said in it without consent goes apart, so that the rest may be learnt from."""
    of_id, avatar, avatar_id, key, private = conversation
    pairs: dict[bool, list[ImportedPair]] = {True: [], False: []}
    agreed: set[str] = set()  # a yes covers what is said later, and these come in the order of time
    for row in exchanges:
        may = row[2] in agreed or people.may_learn(tx, (Author(row[2], row[5]),))
        if may:
            agreed.add(row[2])
        apart = pairs[may]
        verdicts = _verdicts(ratings[row[0]], row[2])
        apart.append(ImportedPair(len(apart), row[3], row[4], verdicts, row[0] not in rejected))
    name = _name(key, avatar_id, of_id)
    found: list[Exported] = []
    for consent, said in pairs.items():
        if said:
            named = name if consent or not pairs[True] else f"{name}:without-consent"
            record = ImportedConversation(named, tuple(said), consent, bool(private))
            found.append(Exported(avatar, record, consent))
    return found


def _verdicts(rows: Sequence[Row], asker: str) -> tuple[Verdict, ...]:
    """Who asked comes first; the others keep one order without their names."""
    ordered = sorted(rows, key=lambda row: (row[1] != asker, row[1]))
    return tuple(Verdict(stars, comment) for _, _, stars, comment in ordered)


def examples(tx: Tx, workspace_id: str, avatar_id: str, *, after: str, limit: int) -> Page:
    """The next approved examples that do not follow from the ratings of an exchange."""
    rows = _rows(tx, _LONE, workspace_id, avatar_id, after, limit)
    allowed = _allowed(tx, rows)
    return Page(
        tuple(
            Exported(
                avatar, ImportedExample("", user, reply, pattern, quality, bool(audience)), allowed[of_id]
            )
            for of_id, avatar, user, reply, pattern, quality, audience in rows
        ),
        rows[-1][0] if rows else "",
    )


def preferences(tx: Tx, workspace_id: str, avatar_id: str, *, after: str, limit: int) -> Page:
    """The next preferences."""
    rows = _rows(tx, _PREFERENCES, workspace_id, avatar_id, after, limit)
    allowed = _allowed(tx, rows)
    records: list[Exported] = []
    for of_id, avatar, in_avatar, key, context, chosen, rejected in rows:
        turns = tuple((turn["role"], turn["content"]) for turn in json.loads(context))
        name = _name(key, in_avatar, of_id).removeprefix("pair:")
        records.append(Exported(avatar, ImportedPreference(name, turns, chosen, rejected), allowed[of_id]))
    return Page(tuple(records), rows[-1][0] if rows else "")


def _rows(
    tx: Tx, statement: Statement, workspace_id: str, avatar_id: str, after: str, limit: int
) -> Sequence[Row]:
    where = {"of_workspace": workspace_id, "of_avatar": avatar_id}
    return tx.rows(statement, {**where, "after": after, "limit": limit})


def _allowed(tx: Tx, rows: Sequence[Row]) -> dict[str, bool]:
    """For each row (its id first) whether all authors agreed."""
    authors: dict[str, list[Author]] = defaultdict(list)
    if rows:
        for owner, person_id, said_at in tx.rows(_AUTHORS, {"ids": [row[0] for row in rows]}):
            authors[owner].append(Author(person_id, said_at))
    return {row[0]: people.may_learn(tx, authors[row[0]]) for row in rows}


def _name(key: str, avatar_id: str, of_id: str) -> str:
    """The name that a file once gave, so that it is known again; else one that tells nothing of people or places."""
    prefix = f"{SOURCE}:{avatar_id}:"
    if key.startswith(prefix):
        return key.removeprefix(prefix)
    return hashlib.sha256(of_id.encode()).hexdigest()[:24]
