"""Exchanges: one user message and the avatar's reply to it, with its provenance.

``begin`` and ``complete`` are the path of every reply: one statement each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

from storage.database import Params, Row, Statement, Tx, first, insert_into, table
from storage.errors import Missing
from storage.schema import ConversationRow, ExchangeRow, PartRow

Status = Literal["pending", "complete", "failed", "cancelled", "interrupted"]

_exchange = table(ExchangeRow)
_conversation = table(ConversationRow)
_NAMES = tuple(_exchange.c.keys())
_LISTS = ("example_ids", "answered_from", "example_scores")

_WORKSPACE = _exchange.c.workspace_id == bindparam("of_workspace")
_ID = _exchange.c.id == bindparam("of_id")

# What a pending row does not say yet is part of the statement: a third as many values to bind.
_BLANK: dict[str, ColumnElement[Any]] = {
    **dict.fromkeys(("reply_text", "vendor", "model", "error"), literal_column("''")),
    **dict.fromkeys(("example_ids", "example_scores", "answered_from"), literal_column("'[]'")),
    **dict.fromkeys(("reply_key", "prompt_version_id", "release_id", "arm", "cost", "quality"), null()),
    **dict.fromkeys(("first_token_ms", "latency_ms", "completed_at"), null()),
    **dict.fromkeys(("tokens_in", "tokens_out", "ratings"), literal_column("0")),
    "status": literal_column("'pending'"),
    "known": true(),
}
_INSERT = insert_into(ExchangeRow, ignore=["workspace_id", "message_key"], fixed=_BLANK)
_COMPLETED = (
    "status",
    "reply_text",
    "vendor",
    "model",
    "prompt_version_id",
    "release_id",
    "example_ids",
    "example_scores",
    "answered_from",
    "tokens_in",
    "tokens_out",
    "cost",
    "first_token_ms",
    "latency_ms",
    "error",
    "known",
    "holder",
    "completed_at",
)
_COMPLETE = Statement(
    update(_exchange)
    .where(_ID, _exchange.c.status == literal_column("'pending'"))
    .values({name: bindparam(f"new_{name}") for name in _COMPLETED})
)
_INTERRUPT = Statement(
    update(_exchange)
    .where(_ID, _exchange.c.status == "pending")
    .values(
        status="interrupted", holder="", error=bindparam("new_error"), completed_at=bindparam("new_completed")
    )
)
_GET = Statement(select(_exchange).where(_ID))
_BY_MESSAGE = Statement(
    select(_exchange).where(_WORKSPACE, _exchange.c.message_key == bindparam("of_message"))
)
_BY_REPLY = Statement(select(_exchange).where(_WORKSPACE, _exchange.c.reply_key == bindparam("of_reply")))
_part = table(PartRow)
_BY_PART = Statement(
    select(_exchange)
    .join(_part, _part.c.exchange_id == _exchange.c.id)
    .where(_part.c.workspace_id == bindparam("of_workspace"), _part.c.reply_key == bindparam("of_reply"))
)
_VISIBLE = Statement(
    select(_exchange)
    .join(_conversation, _conversation.c.id == _exchange.c.conversation_id)
    .where(
        _WORKSPACE,
        _ID,
        or_(_conversation.c.private.is_(False), _conversation.c.channel == bindparam("of_channel")),
    )
)
_TALK = _exchange.c.conversation_id == bindparam("of_conversation")
_NEWEST = (_exchange.c.created_at.desc(), _exchange.c.id.desc())


def _replied(exchange: FromClause) -> ColumnElement[bool]:
    # Not ``IN``, whose statement would be put together again each time.
    status = exchange.c.status
    return and_(or_(status == "complete", status == "cancelled"), exchange.c.reply_text != "")


_REPLIED = _replied(_exchange)
_LATEST = Statement(
    select(_exchange)
    .where(_TALK, _REPLIED, _exchange.c.created_at < bindparam("until"))
    .order_by(*_NEWEST)
    .limit(1)
)
_SIBLINGS = Statement(
    select(_exchange)
    .where(or_(_exchange.c.id == bindparam("of_root"), _exchange.c.sibling_of == bindparam("of_root")))
    .order_by(_exchange.c.created_at, _exchange.c.id)
)
# Of siblings only the newest counts: what has a later one with a reply, by the time that is asked for, is left out.
_later = _exchange.alias("later")
_SUPERSEDED = (
    select(_later.c.id)
    .where(
        _later.c.sibling_of == func.coalesce(_exchange.c.sibling_of, _exchange.c.id),
        _replied(_later),
        _later.c.created_at < bindparam("until"),
        or_(
            _later.c.created_at > _exchange.c.created_at,
            and_(_later.c.created_at == _exchange.c.created_at, _later.c.id > _exchange.c.id),
        ),
    )
    .exists()
)
# A reply given again repeats the question of its first sibling: whoever asked for it wrote none of it.
_asked = _exchange.alias("asked")
_HISTORY = Statement(
    select(
        _exchange.c.id,
        func.coalesce(_asked.c.person_id, _exchange.c.person_id),
        _exchange.c.user_text,
        _exchange.c.reply_text,
        func.coalesce(_asked.c.created_at, _exchange.c.created_at),
    )
    .select_from(_exchange.outerjoin(_asked, _asked.c.id == _exchange.c.sibling_of))
    .where(_TALK, _REPLIED, _exchange.c.created_at < bindparam("until"), ~_SUPERSEDED)
    .order_by(*_NEWEST)
    .limit(bindparam("most"))
)
_EVER = 2**62  # later than any time


@dataclass(frozen=True, slots=True)
class Exchange:
    """Everything of an exchange; times in milliseconds, ``cost`` in US dollars, ``quality`` 0..1."""

    id: str
    workspace_id: str
    conversation_id: str
    avatar_id: str
    person_id: str
    message_key: str
    sibling_of: str | None
    reply_key: str | None
    status: Status
    holder: str
    origin: str
    user_text: str
    reply_text: str
    known: bool
    vendor: str
    model: str
    prompt_version_id: str | None
    release_id: str | None
    example_ids: tuple[str, ...]
    example_scores: tuple[float, ...]
    answered_from: tuple[str, ...]
    arm: str | None
    tokens_in: int
    tokens_out: int
    cost: float | None
    first_token_ms: int | None
    latency_ms: int | None
    error: str
    reference: str
    quality: float | None
    ratings: int
    created_at: int
    completed_at: int | None

    @property
    def scores(self) -> dict[str, float]:
        """How much each example resembled the question, by its id."""
        return dict(zip(self.example_ids, self.example_scores, strict=False))


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that was accepted; ``message_key`` is the platform's id of it, unique in the workspace."""

    id: str
    workspace_id: str
    conversation_id: str
    avatar_id: str
    person_id: str
    message_key: str
    user_text: str
    holder: str
    reference: str
    created_at: int
    sibling_of: str | None = None
    origin: str = "chat"


@dataclass(frozen=True, slots=True)
class Completion:
    """How an exchange ended. ``example_scores`` stand in the order of ``example_ids``.

    ``holder`` is the process that still has to show it, empty where it is shown as it comes to be.
    """

    id: str
    status: Status
    reply_text: str
    vendor: str
    model: str
    prompt_version_id: str | None
    release_id: str | None
    example_ids: tuple[str, ...]
    answered_from: tuple[str, ...]
    tokens_in: int
    tokens_out: int
    cost: float | None
    first_token_ms: int | None
    latency_ms: int | None
    error: str
    known: bool
    completed_at: int
    holder: str = ""
    example_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """An exchange as the history shows it: ``person_id`` wrote ``user_text``, at ``created_at``."""

    exchange_id: str
    person_id: str
    user_text: str
    reply_text: str
    created_at: int


def record(row: Row) -> Exchange:
    """The exchange of a row of the whole table."""
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    for name in _LISTS:
        values[name] = tuple(orjson.loads(values[name]))
    values["known"] = bool(values["known"])
    return Exchange(**values)


def begin(tx: Tx, pending: Pending) -> bool:
    """Accept a message. False when that ``message_key`` is there already: then nothing is written."""
    values: Params = {
        "id": pending.id,
        "workspace_id": pending.workspace_id,
        "conversation_id": pending.conversation_id,
        "avatar_id": pending.avatar_id,
        "person_id": pending.person_id,
        "message_key": pending.message_key,
        "sibling_of": pending.sibling_of,
        "holder": pending.holder,
        "origin": pending.origin,
        "user_text": pending.user_text,
        "reference": pending.reference,
        "created_at": pending.created_at,
    }
    return tx.run(_INSERT, values) > 0


def complete(tx: Tx, completion: Completion) -> bool:
    """Write how it ended. False when it was not pending any more: then nothing is written."""
    values: Params = {
        "of_id": completion.id,
        "new_status": completion.status,
        "new_reply_text": completion.reply_text,
        "new_vendor": completion.vendor,
        "new_model": completion.model,
        "new_prompt_version_id": completion.prompt_version_id,
        "new_release_id": completion.release_id,
        "new_example_ids": _json(completion.example_ids),
        "new_example_scores": _json(completion.example_scores),
        "new_answered_from": _json(completion.answered_from),
        "new_tokens_in": completion.tokens_in,
        "new_tokens_out": completion.tokens_out,
        "new_cost": completion.cost,
        "new_first_token_ms": completion.first_token_ms,
        "new_latency_ms": completion.latency_ms,
        "new_error": completion.error,
        "new_known": completion.known,
        "new_holder": completion.holder,
        "new_completed_at": completion.completed_at,
    }
    return tx.run(_COMPLETE, values) > 0


def _json(values: tuple[object, ...]) -> str:
    return orjson.dumps(values).decode() if values else "[]"


def interrupt(tx: Tx, exchange_id: str, reason: str, at: int) -> bool:
    """Close a pending exchange that nobody will answer; False when it was not pending any more."""
    values = {"of_id": exchange_id, "new_error": reason, "new_completed": at}
    return tx.run(_INTERRUPT, values) > 0


def _one(tx: Tx, statement: Statement, params: Params) -> Exchange | None:
    row = first(tx, statement, params)
    return record(row) if row else None


def get(tx: Tx, exchange_id: str) -> Exchange:
    """The exchange. Raises ``Missing``."""
    found = _one(tx, _GET, {"of_id": exchange_id})
    if found is None:
        raise Missing(f"There is no exchange {exchange_id}.")
    return found


def visible(tx: Tx, workspace_id: str, exchange_id: str, channel: str) -> Exchange | None:
    """The workspace's exchange of that id, if the readers of ``channel`` may know of it."""
    params = {"of_workspace": workspace_id, "of_id": exchange_id, "of_channel": channel}
    return _one(tx, _VISIBLE, params)


def by_message(tx: Tx, workspace_id: str, message_key: str) -> Exchange | None:
    """The exchange of the platform's message."""
    return _one(tx, _BY_MESSAGE, {"of_workspace": workspace_id, "of_message": message_key})


def by_reply(tx: Tx, workspace_id: str, reply_key: str) -> Exchange | None:
    """The exchange of the platform's reply, of any of its messages."""
    params = {"of_workspace": workspace_id, "of_reply": reply_key}
    return _one(tx, _BY_REPLY, params) or _one(tx, _BY_PART, params)


def latest(tx: Tx, conversation_id: str, *, before: int | None = None) -> Exchange | None:
    """The newest exchange of the conversation that has a reply; with ``before``, milliseconds, that began earlier."""
    until = _EVER if before is None else before
    return _one(tx, _LATEST, {"of_conversation": conversation_id, "until": until})


def siblings(tx: Tx, exchange: Exchange) -> list[Exchange]:
    """Every exchange that answers the same question, this one included, the oldest first."""
    rows = tx.rows(_SIBLINGS, {"of_root": exchange.sibling_of or exchange.id})
    return [record(row) for row in rows]


def history(tx: Tx, conversation_id: str, *, limit: int, before: int | None = None) -> list[Line]:
    """The conversation's last exchanges that have a reply, the oldest first; of siblings only the newest.

    With ``before``, milliseconds, only those that began earlier.
    """
    until = _EVER if before is None else before
    rows = tx.rows(_HISTORY, {"of_conversation": conversation_id, "most": limit, "until": until})
    return [Line(*row) for row in reversed(rows)]


def listed(
    tx: Tx,
    workspace_id: str,
    *,
    person_id: str | None = None,
    avatar_id: str | None = None,
    conversation_id: str | None = None,
    limit: int,
    before: int | None = None,
) -> list[Exchange]:
    """The workspace's exchanges, the newest first, of those named."""
    query = select(_exchange).where(_exchange.c.workspace_id == workspace_id)
    for column, value in (
        (_exchange.c.person_id, person_id),
        (_exchange.c.avatar_id, avatar_id),
        (_exchange.c.conversation_id, conversation_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(_exchange.c.created_at < before)
    return [record(row) for row in tx.rows(Statement(query.order_by(*_NEWEST).limit(limit)))]
