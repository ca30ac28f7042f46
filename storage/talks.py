"""Conversations with all that decides about learning from them, page by page; storage/candidates.py hands them out.

Whose words may be learnt is decided for all that a page holds, by ``people.covered`` over joined columns: asking
``people.may_learn`` for each would be several queries for each of perhaps a million exchanges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import and_, bindparam, case, func, or_, select

from storage import people
from storage.database import Row, Statement, Tx, first, table
from storage.marks import loaded
from storage.people import Author
from storage.schema import (
    AuthorRow,
    ConversationRow,
    ExampleRow,
    ExchangeRow,
    PersonRow,
    RatingRow,
    WorkspaceRow,
)

MOST = 5000
"""Exchanges in one page of talks, unless a single one is longer: so much is in memory at once."""

IMPORTED = "import"
"""The channel of conversations that came from files; their keys are ``import:AVATAR:NAME``."""

_ANY = 1 << 62


class Improved(NamedTuple):
    """A better answer that may be learnt from: whose it is, whether they were a reviewer then, when they gave it."""

    person_id: str
    text: str
    by_reviewer: bool
    at: int


class Linked(NamedTuple):
    """The example that an exchange itself became.

    Where a person edited its texts, ``authors`` is everyone whose words are in it now; else it is empty, since they are
    those of the exchange. ``may_learn`` is the consent of these authors.
    """

    id: str
    status: str
    reviewed: bool
    source: str
    user_text: str
    assistant_text: str
    audience: str
    authors: tuple[Author, ...] = ()
    may_learn: bool = True


# A tuple, since there may be a million of them: a frozen dataclass takes four times as long to make.
class Said(NamedTuple):
    """One complete exchange with what decides about it.

    ``person_id`` is whose words the question is and ``said_at`` when they said it: of a reply given again both are those of
    the first one, the exchange ``sibling_of``. ``may_learn`` is the consent of just that person for just then. ``mean`` is
    the plain mean of the stars, 1..5; ``raters`` are (person id, stars).
    """

    id: str
    person_id: str
    user_text: str
    reply_text: str
    created_at: int
    said_at: int
    origin: str
    known: bool
    quality: float | None
    mean: float | None
    raters: tuple[tuple[str, int], ...]
    better: tuple[Improved, ...]
    sibling_of: str | None
    prompt_version_id: str | None
    may_learn: bool
    example: Linked | None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation and its complete exchanges, the oldest first, with replies that were given again."""

    id: str
    key: str
    private: bool
    channel: str
    exchanges: tuple[Said, ...]

    @property
    def group(self) -> str:
        """What tells on which side of a split it is."""
        return group_of(self.id, self.key, self.channel)


def group_of(conversation_id: str, key: str, channel: str) -> str:
    """What names a conversation for good: its id, or its name in the file that it was imported from.

    So a file that is imported elsewhere, or again after everything was deleted, is split in the same way.
    """
    if channel != IMPORTED or key.count(":") < 2:
        return conversation_id
    return f"{IMPORTED}:{key.split(':', 2)[2]}"


_workspace, _conversation, _person = table(WorkspaceRow), table(ConversationRow), table(PersonRow)
_exchange, _rating = table(ExchangeRow), table(RatingRow)
_example, _author = table(ExampleRow), table(AuthorRow)
_asked = table(ExchangeRow).alias("asked")

_IDS = bindparam("ids", expanding=True)
_UNTIL, _LIMIT = bindparam("until"), bindparam("most")
_COMPLETE = (_exchange.c.status == "complete", _exchange.c.created_at <= _UNTIL)

_TALK = select(
    _conversation.c.id,
    _conversation.c.key,
    _conversation.c.private,
    _conversation.c.channel,
    _workspace.c.consent,
).join(_workspace, _workspace.c.id == _conversation.c.workspace_id)
_NEXT = (
    _TALK.where(
        _conversation.c.avatar_id == bindparam("of_avatar"),
        _conversation.c.id > bindparam("after"),
        select(_exchange.c.id).where(_exchange.c.conversation_id == _conversation.c.id, *_COMPLETE).exists(),
    )
    .order_by(_conversation.c.id)
    .limit(_LIMIT)
)
_TALKS, _TALKS_UPTO = Statement(_NEXT), Statement(_NEXT.where(_conversation.c.id <= bindparam("upto")))
_BOUND = Statement(
    select(_conversation.c.id)
    .where(_conversation.c.avatar_id == bindparam("of_avatar"), _conversation.c.id > bindparam("after"))
    .order_by(_conversation.c.id)
    .limit(1)
    .offset(bindparam("skip"))
)
_TALKS_OF = Statement(_TALK.where(_conversation.c.id.in_(_IDS)))
# A reply given again repeats the question of its first sibling: whoever asked for it wrote none of it.
_ASKER = func.coalesce(_asked.c.person_id, _exchange.c.person_id)
# One row for each rating and example of an exchange, in the order in which SQLite's index has them: with several queries,
# or a finer order, most of the time would go into looking up the same exchanges again.
_EXCHANGES = Statement(
    select(
        _exchange.c.conversation_id,
        _exchange.c.id,
        _ASKER,
        _exchange.c.user_text,
        _exchange.c.reply_text,
        _exchange.c.created_at,
        func.coalesce(_asked.c.created_at, _exchange.c.created_at),
        _exchange.c.origin,
        _exchange.c.known,
        _exchange.c.quality,
        _exchange.c.sibling_of,
        _exchange.c.prompt_version_id,
        _person.c.consent,
        _person.c.given_at,
        _rating.c.person_id,
        _rating.c.stars,
        func.nullif(_rating.c.better, ""),
        _rating.c.better_by_reviewer,
        case((_rating.c.better != "", _rating.c.marks)),
        _example.c.id,
        _example.c.status,
        _example.c.reviewed,
        _example.c.source,
        # Nothing where they are those of the exchange, which are there already.
        func.nullif(_example.c.user_text, _exchange.c.user_text),
        func.nullif(_example.c.assistant_text, _exchange.c.reply_text),
        _example.c.audience,
        _example.c.number,
    )
    .select_from(
        _exchange.outerjoin(_asked, _asked.c.id == _exchange.c.sibling_of)
        .outerjoin(_person, _person.c.id == _ASKER)
        .outerjoin(
            _rating,
            and_(
                _rating.c.exchange_id == _exchange.c.id,
                or_(_rating.c.stars.is_not(None), _rating.c.better != ""),
            ),
        )
        .outerjoin(
            _example,
            and_(_example.c.exchange_id == _exchange.c.id, _example.c.source.in_(("exchange", "import"))),
        )
    )
    .where(_exchange.c.conversation_id.in_(_IDS), *_COMPLETE)
    .order_by(_exchange.c.conversation_id, _exchange.c.created_at)
    .limit(_LIMIT)
)
_CONSENTS = Statement(
    select(_person.c.id, _person.c.consent, _person.c.given_at).where(_person.c.id.in_(_IDS))
)
_AUTHORS = Statement(
    select(_author.c.owner_id, _author.c.person_id, _author.c.said_at, _person.c.consent, _person.c.given_at)
    .select_from(_author.outerjoin(_person, _person.c.id == _author.c.person_id))
    .where(_author.c.owner_id.in_(_IDS))
    .order_by(_author.c.owner_id, _author.c.said_at, _author.c.person_id)
)


def bounds(tx: Tx, avatar_id: str, step: int) -> list[str]:
    """The id of every ``step``-th conversation of an avatar: between two of them they can be read apart from the others."""
    found: list[str] = []
    while row := first(
        tx, _BOUND, {"of_avatar": avatar_id, "after": found[-1] if found else "", "skip": step - 1}
    ):
        found.append(row[0])
    return found


def talks(
    tx: Tx, avatar_id: str, *, after: str = "", upto: str = "", limit: int = 100, until: int
) -> list[Talk]:
    """The next conversations behind the id ``after`` that have a complete exchange, in the order of their ids.

    At most ``limit``, and fewer where they are long; none at the end, nor behind the id ``upto`` where there is one. What
    was said later than ``until`` (milliseconds) is not there yet.
    """
    wanted = {"of_avatar": avatar_id, "after": after, "most": limit, "until": until}
    found = tx.rows(_TALKS_UPTO, {**wanted, "upto": upto}) if upto else tx.rows(_TALKS, wanted)
    if not found:
        return []
    rows = tx.rows(_EXCHANGES, {"ids": [row[0] for row in found], "until": until, "most": MOST + 1})
    if len(rows) > MOST:
        rows = _whole(tx, rows, until)
        there = {row[0] for row in rows}
        found = [row for row in found if row[0] in there]
    return _made(tx, found, rows)


def talks_of(tx: Tx, conversation_ids: Sequence[str], *, until: int) -> dict[str, Talk]:
    """Those of these conversations (some hundreds at most) that have complete exchanges, by their ids."""
    if not conversation_ids:
        return {}
    within = {"ids": list(conversation_ids)}
    found = tx.rows(_TALKS_OF, within)
    rows = tx.rows(_EXCHANGES, {**within, "until": until, "most": _ANY})
    return {talk.id: talk for talk in _made(tx, found, rows) if talk.exchanges}


def _whole(tx: Tx, rows: Sequence[Row], until: int) -> Sequence[Row]:
    """Those of the conversations that are not cut off, and at least the first one."""
    last = rows[-1][0]
    kept = [row for row in rows if row[0] != last]
    return kept or tx.rows(_EXCHANGES, {"ids": [last], "until": until, "most": _ANY})


def _made(tx: Tx, found: Sequence[Row], rows: Sequence[Row]) -> list[Talk]:
    """The conversations of ``_TALK`` with their exchanges of ``_EXCHANGES``."""
    policies: dict[str, str] = {row[0]: row[4] for row in found}
    first_rows: dict[str, Row] = {}
    more: dict[str, list[Row]] = {}
    for row in rows:
        if first_rows.setdefault(row[1], row) is not row:
            more.setdefault(row[1], []).append(row)
    beside = _Beside(tx, rows)
    exchanges: dict[str, list[Said]] = defaultdict(list)
    for of_id, row in first_rows.items():
        exchanges[row[0]].append(beside.said(row, more.get(of_id), policies[row[0]]))
    for each in exchanges.values():
        if any(later.created_at == said.created_at for said, later in pairwise(each)):
            each.sort(key=lambda said: (said.created_at, said.id))
    return [
        Talk(of_id, key, bool(private), channel, tuple(exchanges[of_id]))
        for of_id, key, private, channel, _ in found
    ]


class _Beside:
    """What few exchanges of a page have beside them: better answers, and examples that a person edited."""

    def __init__(self, tx: Tx, rows: Sequence[Row]) -> None:
        writers = {row[14] for row in rows if row[16] is not None}
        self._standing: dict[str, Row] = {}
        if writers:
            self._standing = {row[0]: row for row in tx.rows(_CONSENTS, {"ids": sorted(writers)})}
        edited = {row[19] for row in rows if row[23] is not None or row[24] is not None}
        self._authors = Authors(tx, sorted(edited))

    def said(self, row: Row, more: Sequence[Row] | None, policy: str) -> Said:
        """The exchange of its row, or of several that differ in ratings and examples."""
        every = (row, *more) if more else (row,)
        raters, better = self._rated(every, policy)
        return Said(
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            row[6],
            row[7],
            bool(row[8]),
            row[9],
            sum(stars for _, stars in raters) / len(raters) if raters else None,
            raters,
            better,
            row[10],
            row[11],
            people.covered(policy, row[12], row[13], row[6]),
            self._linked(every, policy),
        )

    def _rated(
        self, rows: Sequence[Row], policy: str
    ) -> tuple[tuple[tuple[str, int], ...], tuple[Improved, ...]]:
        if len(rows) == 1 and rows[0][16] is None:
            row = rows[0]
            return ((row[14], row[15]),) if row[15] is not None else (), ()
        by_rater = {row[14]: row for row in rows if row[14] is not None}
        ordered = [by_rater[person_id] for person_id in sorted(by_rater)]
        improved = (self._improved(row, policy) for row in ordered if row[16] is not None)
        return (
            tuple((row[14], row[15]) for row in ordered if row[15] is not None),
            tuple(each for each in improved if each is not None),
        )

    def _improved(self, row: Row, policy: str) -> Improved | None:
        said = loaded(row[18]).better
        # A platform's clock may lag behind ours; nobody improves on a reply before its question.
        at = max(said.at if said else row[5], row[5])
        _, consent, given_at = self._standing[row[14]]
        if not people.covered(policy, consent, given_at, at):
            return None
        return Improved(row[14], row[16], bool(row[17]), at)

    def _linked(self, rows: Sequence[Row], policy: str) -> Linked | None:
        """Of several examples, what a person decided counts for more, then what serves, then the oldest."""
        row = rows[0]
        if len(rows) > 1:
            row = max(rows, key=lambda row: (bool(row[21]), row[20] == "approved", -(row[26] or 0)))
        if row[19] is None:
            return None
        user, assistant = row[23], row[24]
        if user is None and assistant is None:
            return Linked(row[19], row[20], bool(row[21]), row[22], row[3], row[4], row[25])
        return Linked(
            row[19],
            row[20],
            bool(row[21]),
            row[22],
            row[3] if user is None else user,
            row[4] if assistant is None else assistant,
            row[25],
            *self._authors.of(row[19], policy),
        )


class Authors:
    """Whose words are in what a page holds, and whether all of them agreed."""

    def __init__(self, tx: Tx, owner_ids: Sequence[str]) -> None:
        self._found: dict[str, list[Row]] = defaultdict(list)
        if owner_ids:
            for row in tx.rows(_AUTHORS, {"ids": owner_ids}):
                self._found[row[0]].append(row)

    def of(self, owner_id: str, policy: str) -> tuple[tuple[Author, ...], bool]:
        """The authors, and whether what they wrote may be learnt from."""
        found = self._found.get(owner_id, ())
        return (
            tuple(Author(row[1], row[2]) for row in found),
            all(people.covered(policy, row[3], row[4], row[2]) for row in found),
        )
