"""Taking somebody's words back: out of what is learnt (withdrawal), or out of the workspace altogether (deletion)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, null, or_, select, update

from storage import datasets, examples, ratings, verdicts
from storage.database import Statement, Tx, table
from storage.people import Forgotten, Person
from storage.schema import (
    AuditRow,
    AuthorRow,
    ConversationRow,
    ExampleRow,
    ExchangeRow,
    PartRow,
    PersonRow,
    PreferenceRow,
    PromptVersionRow,
    RatingRow,
    ReleaseRow,
)
from storage.training_schema import DatasetRow, TrainingRunRow

_author, _example, _preference = table(AuthorRow), table(ExampleRow), table(PreferenceRow)
_exchange, _rating, _conversation = table(ExchangeRow), table(RatingRow), table(ConversationRow)
_audit, _person = table(AuditRow), table(PersonRow)

_PERSON = bindparam("of_person")
_ID = bindparam("of_id")
_WRITTEN = select(_author.c.owner_id).where(_author.c.person_id == _PERSON)

_EXAMPLES_WITH = Statement(select(_example.c.id).where(_example.c.id.in_(_WRITTEN)))
_PREFERENCES_WITH = Statement(select(_preference.c.id).where(_preference.c.id.in_(_WRITTEN)))
_EXAMPLES_OF = Statement(select(_example.c.id).where(_example.c.exchange_id == _ID))
_PREFERENCES_OF = Statement(select(_preference.c.id).where(_preference.c.exchange_id == _ID))

_ASKED = select(_exchange.c.id).where(_exchange.c.person_id == _PERSON)
# A reply given again repeats the question in an exchange of its own, perhaps somebody else's.
_EXCHANGES = Statement(
    select(_exchange.c.id, _exchange.c.conversation_id).where(
        or_(_exchange.c.person_id == _PERSON, _exchange.c.sibling_of.in_(_ASKED))
    )
)
_RATED = Statement(select(_rating.c.exchange_id).where(_rating.c.person_id == _PERSON))

_HERE = select(_person.c.id).where(_person.c.id == _PERSON)
# On Postgres others write at the same time: a dataset takes no words of this person from here on.
_LOCK = Statement(_HERE, _HERE.with_for_update())

_CROWD = select(_exchange.c.id).where(_exchange.c.conversation_id == _ID)

_DROP_AUTHORS = Statement(delete(_author).where(_author.c.owner_id == _ID))
_DROP_AUTHOR = Statement(delete(_author).where(_author.c.person_id == _PERSON))
_DROP_PREFERENCE = Statement(delete(_preference).where(_preference.c.id == _ID))
_DROP_RATINGS_OF = Statement(delete(_rating).where(_rating.c.exchange_id == _ID))
_DROP_TOMBSTONES = Statement(
    delete(_rating).where(
        _rating.c.person_id == _PERSON,
        _rating.c.stars.is_(None),
        _rating.c.comment == "",
        _rating.c.better == "",
    )
)
_DROP_RATINGS_BY = Statement(delete(_rating).where(_rating.c.person_id == _PERSON))
_DROP_PARTS = Statement(delete(table(PartRow)).where(table(PartRow).c.exchange_id == _ID))
_DROP_EXCHANGE = Statement(delete(_exchange).where(_exchange.c.id == _ID))
_DROP_CONVERSATION = Statement(delete(_conversation).where(_conversation.c.id == _ID, ~_CROWD.exists()))
_DROP_PERSON = Statement(delete(_person).where(_person.c.id == _PERSON))
_NAMELESS = tuple(
    Statement(update(each).where(each.c.person_id == _PERSON).values(person_id=null()))
    for each in (
        _audit,
        table(PromptVersionRow),
        table(ReleaseRow),
        table(DatasetRow),
        table(TrainingRunRow),
    )
)
_UNTARGETED = Statement(update(_audit).where(_audit.c.target == _PERSON).values(target=""))


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How many examples and preferences with somebody's words are no longer learnt from."""

    examples: int
    preferences: int


def withdraw_words(tx: Tx, person_id: str) -> TakenBack:
    """Stop learning from what this person wrote: their examples are withdrawn, their preferences deleted.

    What they wrote stays in the log of the conversation. A reviewer's approval does not outweigh a withdrawal.
    """
    verdicts.take_back(tx, person_id)
    found = examples.many(tx, _ids(tx, _EXAMPLES_WITH, of_person=person_id))
    serving = [example for example in found if example.status not in ("withdrawn", "rejected")]
    for example in serving:
        examples.set_status(tx, example.id, "withdrawn", reviewed=example.reviewed)
    return TakenBack(len(serving), _drop_preferences(tx, _ids(tx, _PREFERENCES_WITH, of_person=person_id)))


def forget(tx: Tx, person: Person, *, liked: float = ratings.LIKED) -> Forgotten:
    """What ``storage.people.forget`` promises; ``liked`` is the mean from which an exchange is an example."""
    tx.rows(_LOCK, {"of_person": person.id})
    found = tx.rows(_EXCHANGES, {"of_person": person.id})
    own = dict.fromkeys(str(row[0]) for row in found)
    elsewhere = [rated for rated in _ids(tx, _RATED, of_person=person.id) if rated not in own]
    tx.run(_DROP_TOMBSTONES, {"of_person": person.id})  # nothing is left in them: they are not counted
    _run_each(tx, _DROP_PARTS, own)
    verdicts.take_back(tx, person.id)
    erased = datasets.erase(tx, person.id, own)
    forgotten = Forgotten(
        dataset_lines=sum(erased.values()),
        models=len(datasets.models_of(tx, erased)),
        examples=_drop_examples(tx, _resting_on(tx, _EXAMPLES_WITH, _EXAMPLES_OF, person.id, own)),
        preferences=_drop_preferences(
            tx, _resting_on(tx, _PREFERENCES_WITH, _PREFERENCES_OF, person.id, own)
        ),
        ratings=_run_each(tx, _DROP_RATINGS_OF, own) + tx.run(_DROP_RATINGS_BY, {"of_person": person.id}),
        exchanges=_run_each(tx, _DROP_EXCHANGE, own),
    )
    _run_each(tx, _DROP_CONVERSATION, dict.fromkeys(str(row[1]) for row in found))
    for exchange_id in elsewhere:
        ratings.requality(tx, exchange_id)
        reconsider(tx, exchange_id, liked=liked)
    for statement in (*_NAMELESS, _UNTARGETED, _DROP_AUTHOR, _DROP_PERSON):
        tx.run(statement, {"of_person": person.id})
    return forgotten


def reconsider(tx: Tx, exchange_id: str, *, liked: float) -> None:
    """Withdraw the example that an exchange's stars proposed, where they no longer carry it and nobody reviewed it."""
    standing = ratings.standing(tx, exchange_id)
    if standing.mean is not None and standing.mean >= liked:
        return
    for example in examples.of_exchange(tx, exchange_id):
        if example.source == "exchange" and not example.reviewed and example.status != "withdrawn":
            examples.set_status(tx, example.id, "withdrawn", reviewed=False)


def _resting_on(
    tx: Tx, written: Statement, derived: Statement, person_id: str, exchange_ids: Iterable[str]
) -> Sequence[str]:
    """Ids of what holds the person's words, or came of one of these exchanges."""
    found = dict.fromkeys(_ids(tx, written, of_person=person_id))
    for exchange_id in exchange_ids:
        found |= dict.fromkeys(_ids(tx, derived, of_id=exchange_id))
    return list(found)


def _ids(tx: Tx, statement: Statement, **params: str) -> Sequence[str]:
    return [row[0] for row in tx.rows(statement, params)]


def _run_each(tx: Tx, statement: Statement, each: Iterable[str]) -> int:
    return sum(tx.run(statement, {"of_id": one}) for one in each)


def _drop_examples(tx: Tx, example_ids: Sequence[str]) -> int:
    for example_id in example_ids:
        examples.remove(tx, example_id)
    return len(example_ids)


def _drop_preferences(tx: Tx, preference_ids: Sequence[str]) -> int:
    _run_each(tx, _DROP_AUTHORS, preference_ids)
    return _run_each(tx, _DROP_PREFERENCE, preference_ids)
