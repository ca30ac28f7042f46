"""What a file brings in, written in bulk: one job takes some hundreds of lines and either all or none of them are there.

Everything is found again by keys made of the avatar and the file's own names, so that the same lines, brought in twice,
change nothing, and lines that changed meanwhile bring the rows up to date.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from storage import examples, people, preferences, ratings
from storage.database import Params, Row, Statement, Tx, insert_into, table
from storage.ids import new_id
from storage.imported import (
    Imported,
    ImportedConversation,
    ImportedExample,
    ImportedPair,
    ImportedPreference,
    Verdict,
)
from storage.marks import MarkEvent
from storage.people import Author
from storage.schema import ConversationRow, ExampleRow, ExchangeRow, PersonRow, PreferenceRow, RatingRow
from storage.talks import IMPORTED

SOURCE = IMPORTED
"""Of ratings, examples and preferences that came from a file; also their exchanges' origin and channel."""

GOOD = 4
"""Stars from which a pair is fit to imitate."""

_CHUNK = 1000  # keys asked for in one query: databases bound the number of parameters


@dataclass(frozen=True, slots=True)
class Into:
    """Where imported lines go: the avatar, and when the import began (it is when all of it counts as said)."""

    workspace_id: str
    avatar_id: str
    at: int

    def key(self, name: str) -> str:
        """The key in the database of what the file calls ``name``."""
        return f"{SOURCE}:{self.avatar_id}:{name}"


@dataclass(frozen=True, slots=True)
class Written:
    """What a job added or changed: all zero when everything was there already."""

    conversations: int = 0
    exchanges: int = 0
    updated: int = 0
    ratings: int = 0
    comments: int = 0
    examples: int = 0
    preferences: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


_person, _conversation, _exchange = table(PersonRow), table(ConversationRow), table(ExchangeRow)
_rating, _example, _preference = table(RatingRow), table(ExampleRow), table(PreferenceRow)
_KEYS = bindparam("keys", expanding=True)
_PEOPLE = Statement(
    select(_person.c.key, _person.c.id).where(
        _person.c.workspace_id == bindparam("of_workspace"), _person.c.key.in_(_KEYS)
    )
)
_CONVERSATIONS = Statement(
    select(_conversation.c.key, _conversation.c.id).where(
        _conversation.c.workspace_id == bindparam("of_workspace"), _conversation.c.key.in_(_KEYS)
    )
)
_EXCHANGES = Statement(
    select(
        _exchange.c.message_key,
        _exchange.c.id,
        _exchange.c.user_text,
        _exchange.c.reply_text,
        _exchange.c.created_at,
        _exchange.c.quality,
    ).where(_exchange.c.workspace_id == bindparam("of_workspace"), _exchange.c.message_key.in_(_KEYS))
)
_RATINGS = Statement(
    select(
        _rating.c.exchange_id, _rating.c.person_id, _rating.c.stars, _rating.c.comment, _rating.c.updated_at
    ).where(_rating.c.exchange_id.in_(_KEYS))
)
_EXAMPLES = Statement(
    select(_example.c.source_key).where(
        _example.c.avatar_id == bindparam("of_avatar"),
        _example.c.source == SOURCE,
        _example.c.source_key.in_(_KEYS),
    )
)
_PREFERENCES = Statement(
    select(
        _preference.c.source_key, _preference.c.context, _preference.c.chosen, _preference.c.rejected
    ).where(
        _preference.c.avatar_id == bindparam("of_avatar"),
        _preference.c.source == SOURCE,
        _preference.c.source_key.in_(_KEYS),
    )
)
_ADD_PERSON = insert_into(PersonRow)
_ADD_CONVERSATION = insert_into(ConversationRow)
_ADD_EXCHANGE = insert_into(ExchangeRow)
_SET_TEXT = Statement(
    update(_exchange)
    .where(_exchange.c.id == bindparam("of_id"))
    .values(user_text=bindparam("new_user"), reply_text=bindparam("new_reply"))
)


def put(tx: Tx, into: Into, records: Sequence[Imported]) -> Written:
    """Write the records; what is there already is brought up to date. No two of them may have the same key."""
    talks = [each for each in records if isinstance(each, ImportedConversation)]
    others = [each for each in records if not isinstance(each, ImportedConversation)]
    persons = _persons(tx, into, records)
    return _put_talks(tx, into, talks, persons) + _put_others(tx, into, others, persons)


# -- people and conversations


def _rater(name: str, index: int) -> str:
    """The first rater of a conversation is who asked; further ones are further people."""
    return name if index == 0 else f"{name}#{index + 1}"


def _persons(tx: Tx, into: Into, records: Sequence[Imported]) -> dict[str, str]:
    """The anonymous person of each key, made when new: with consent, since the importer vouches for it."""
    consent: dict[str, bool] = {}
    for record in records:
        raters = 1
        if isinstance(record, ImportedConversation):
            raters = max(1, *(len(pair.verdicts) for pair in record.pairs))
        vouched = not isinstance(record, ImportedConversation) or record.consent
        for index in range(raters):
            consent[into.key(_rater(record.key, index))] = vouched
    found = {row[0]: row[1] for row in _by_keys(tx, _PEOPLE, consent, {"of_workspace": into.workspace_id})}
    new = {key: new_id() for key in consent if key not in found}
    tx.run_many(
        _ADD_PERSON,
        [
            {
                "id": new[key],
                "workspace_id": into.workspace_id,
                "key": key,
                "name": "imported",
                # Nothing may be learnt of somebody whom the file does not vouch for, whatever the policy.
                "consent": "given" if consent[key] else "withdrawn",
                "given_at": into.at if consent[key] else None,
                "withdrawn_at": None if consent[key] else into.at,
                "asked_at": into.at,
                "created_at": into.at,
            }
            for key in new
        ],
    )
    return found | new


def _conversations(tx: Tx, into: Into, talks: Sequence[ImportedConversation]) -> tuple[dict[str, str], int]:
    keys = [into.key(talk.key) for talk in talks]
    found = {
        row[0]: row[1] for row in _by_keys(tx, _CONVERSATIONS, keys, {"of_workspace": into.workspace_id})
    }
    new = {key: new_id() for key in keys if key not in found}
    private = {into.key(talk.key): talk.private for talk in talks}
    tx.run_many(
        _ADD_CONVERSATION,
        [
            {
                "id": new_conversation,
                "workspace_id": into.workspace_id,
                "avatar_id": into.avatar_id,
                "channel": SOURCE,
                "key": key,
                "private": private[key],
                "started_at": into.at,
                "ended_at": into.at,
            }
            for key, new_conversation in new.items()
        ],
    )
    return found | new, len(new)


# -- exchanges


@dataclass(slots=True)
class _Line:
    """A pair on its way in: where it belongs, and what of it is there already."""

    pair: ImportedPair
    message_key: str
    conversation_id: str
    raters: tuple[str, ...]
    said_at: int
    private: bool
    exchange_id: str = ""
    new: bool = False
    changed: bool = False  # text or ratings: the example follows
    quality: float | None = None


def _put_talks(tx: Tx, into: Into, talks: Sequence[ImportedConversation], persons: dict[str, str]) -> Written:
    rows, added = _conversations(tx, into, talks)
    lines = [
        _Line(
            pair,
            f"{into.key(talk.key)}:{pair.index}",
            rows[into.key(talk.key)],
            tuple(persons[into.key(_rater(talk.key, at))] for at in range(max(1, len(pair.verdicts)))),
            into.at + pair.index,  # in the order in which it was said
            talk.private,
        )
        for talk in talks
        for pair in talk.pairs
    ]
    updated = _put_exchanges(tx, into, lines)
    stars, comments = _put_ratings(tx, into, lines)
    approved = _put_examples(tx, into, [line for line in lines if line.new or line.changed])
    return Written(added, sum(line.new for line in lines), updated, stars, comments, approved)


def _put_exchanges(tx: Tx, into: Into, lines: Sequence[_Line]) -> int:
    keys = [line.message_key for line in lines]
    found = {row[0]: row[1:] for row in _by_keys(tx, _EXCHANGES, keys, {"of_workspace": into.workspace_id})}
    texts: list[dict[str, object]] = []
    for line in lines:
        if line.message_key not in found:
            line.exchange_id, line.new = new_id(), True
            continue
        line.exchange_id, user, reply, line.said_at, line.quality = found[line.message_key]
        if (user, reply) != (line.pair.user, line.pair.assistant):
            line.changed = True
            new = {"new_user": line.pair.user, "new_reply": line.pair.assistant}
            texts.append({"of_id": line.exchange_id, **new})
    tx.run_many(_ADD_EXCHANGE, [_row(into, line) for line in lines if line.new])
    tx.run_many(_SET_TEXT, texts)
    return len(texts)


def _row(into: Into, line: _Line) -> dict[str, object]:
    given = {
        "id": line.exchange_id,
        "workspace_id": into.workspace_id,
        "conversation_id": line.conversation_id,
        "avatar_id": into.avatar_id,
        "person_id": line.raters[0],
        "message_key": line.message_key,
        "status": "complete",
        "origin": SOURCE,
        "user_text": line.pair.user,
        "reply_text": line.pair.assistant,
        "created_at": line.said_at,
        "completed_at": line.said_at,
    }
    return {**_DEFAULTS, **given}


_DEFAULTS = {
    name: (None if each.is_required() else each.get_default())
    for name, each in ExchangeRow.model_fields.items()
}


# -- ratings and examples


def _put_ratings(tx: Tx, into: Into, lines: Sequence[_Line]) -> tuple[int, int]:
    there = [line.exchange_id for line in lines if not line.new]
    found = {(row[0], row[1]): row[2:] for row in _by_keys(tx, _RATINGS, there, {})}
    stars = comments = 0
    for line in lines:
        changed = False
        for verdict, person_id in zip(line.pair.verdicts or (Verdict(None),), line.raters, strict=True):
            before = found.get((line.exchange_id, person_id), (None, "", 0))
            if (verdict.stars, verdict.comment) == tuple(before[:2]):
                continue
            at = max(into.at, before[2] + 1)  # the file's newest word counts, whatever the clock says
            event = MarkEvent(SOURCE, at, verdict.stars, comment=verdict.comment)
            ratings.apply(tx, line.exchange_id, person_id, event)
            stars += verdict.stars != before[0]
            comments += verdict.comment != before[1]
            changed = True
        if changed:
            line.changed = True
            line.quality = ratings.requality(tx, line.exchange_id)
    return stars, comments


def _put_examples(tx: Tx, into: Into, lines: Sequence[_Line]) -> int:
    there = [line.message_key for line in lines if not line.new]
    known = {row[0] for row in _by_keys(tx, _EXAMPLES, there, {"of_avatar": into.avatar_id})}
    wanted: list[examples.NewExample] = []
    approved = 0
    for line in lines:
        good = _good(line.pair) and people.may_learn(tx, _authors(line))
        if good or line.message_key in known:
            wanted.append(_example_of(into, line, "approved" if good else "withdrawn"))
            approved += good
    examples.put_many(tx, wanted)
    return approved


def _good(pair: ImportedPair) -> bool:
    stars = [verdict.stars for verdict in pair.verdicts if verdict.stars is not None]
    return pair.fit and bool(stars) and sum(stars) / len(stars) >= GOOD


def _authors(line: _Line) -> tuple[Author, ...]:
    """Whose words are in the pair: who asked. A rater's stars hold no words."""
    return (Author(line.raters[0], line.said_at),)


def _example_of(into: Into, line: _Line, status: examples.Status) -> examples.NewExample:
    return examples.NewExample(
        workspace_id=into.workspace_id,
        avatar_id=into.avatar_id,
        user_text=line.pair.user,
        assistant_text=line.pair.assistant,
        authors=_authors(line),
        audience=SOURCE if line.private else "",  # a channel where nobody talks
        quality=line.quality if line.quality is not None else 0.0,
        status=status,
        source=SOURCE,
        source_key=line.message_key,
        exchange_id=line.exchange_id,
        conversation_id=line.conversation_id,
    )


# -- what belongs to no conversation


def _put_others(
    tx: Tx, into: Into, others: Sequence[ImportedPreference | ImportedExample], persons: dict[str, str]
) -> Written:
    keys = [into.key(each.key) for each in others]
    of_avatar = {"of_avatar": into.avatar_id}
    known = {row[0] for row in _by_keys(tx, _EXAMPLES, keys, of_avatar)}
    compared = {row[0]: _compared(row) for row in _by_keys(tx, _PREFERENCES, keys, of_avatar)}
    pairs: list[examples.NewExample] = []
    added = updated = 0
    for each in others:
        key = into.key(each.key)
        author = Author(persons[key], into.at)
        if not people.may_learn(tx, (author,)):
            continue
        if isinstance(each, ImportedExample):
            if key not in known:
                pairs.append(_lone_example(into, each, key, author))
        elif compared.get(key) != (each.context, each.chosen, each.rejected):
            new = preferences.put(tx, _new_preference(into, each, key, author))
            added, updated = added + new, updated + (not new)
    examples.put_many(tx, pairs)
    return Written(updated=updated, examples=len(pairs), preferences=added)


def _compared(row: Row) -> tuple[object, ...]:
    return tuple((turn["role"], turn["content"]) for turn in json.loads(row[1])), row[2], row[3]


def _lone_example(into: Into, each: ImportedExample, key: str, author: Author) -> examples.NewExample:
    return examples.NewExample(
        workspace_id=into.workspace_id,
        avatar_id=into.avatar_id,
        user_text=each.user,
        assistant_text=each.assistant,
        authors=(author,),
        audience=SOURCE if each.private else "",
        pattern=each.pattern,
        quality=each.quality,
        status="approved",
        source=SOURCE,
        source_key=key,
    )


def _new_preference(
    into: Into, each: ImportedPreference, key: str, author: Author
) -> preferences.NewPreference:
    return preferences.NewPreference(
        workspace_id=into.workspace_id,
        avatar_id=into.avatar_id,
        context=each.context,
        chosen=each.chosen,
        rejected=each.rejected,
        authors=(author,),
        source=SOURCE,
        source_key=key,
    )


def _by_keys(tx: Tx, statement: Statement, keys: Iterable[str], params: Params) -> Iterator[Row]:
    """The rows that a query finds for any of many keys."""
    wanted = list(keys)
    for start in range(0, len(wanted), _CHUNK):
        yield from tx.rows(statement, {**params, "keys": wanted[start : start + _CHUNK]})
