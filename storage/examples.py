"""Examples: (user message, assistant message) pairs fit to imitate.

The search index is kept in step here and nowhere else: exactly the approved examples are in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Select, bindparam, delete, func, or_, select, true, update

from storage import clock, ids, numbering, search
from storage.database import Row, Statement, Tx, first, insert_into, table
from storage.errors import Missing
from storage.people import Author
from storage.schema import AuthorRow, ExampleRow

Status = Literal["proposed", "approved", "rejected", "withdrawn"]
Pattern = Literal["greeting", "question", "statement", "joke", "story"]

_example, _author = table(ExampleRow), table(AuthorRow)
_NAMES = tuple(_example.c.keys())
_ID = _example.c.id == bindparam("of_id")
_AVATAR = _example.c.avatar_id == bindparam("of_avatar")
_IDS = bindparam("ids", expanding=True)

_GET = Statement(select(_example).where(_ID))
_MANY = Statement(select(_example).where(_example.c.id.in_(_IDS)))
_NUMBERED = Statement(select(_example).where(_AVATAR, _example.c.number == bindparam("of_number")))
_BY_KEY = Statement(
    select(_example).where(
        _AVATAR, _example.c.source == bindparam("of_source"), _example.c.source_key == bindparam("of_key")
    )
)
# In these words SQLite knows that the partial index will do.
_PINNED_ONES = _example.c.pinned == true()
_PINNED = Statement(
    select(_example)
    .where(
        _AVATAR,
        _example.c.status == "approved",
        _PINNED_ONES,
        or_(_example.c.audience == "", _example.c.audience == bindparam("of_channel")),
    )
    .order_by(_example.c.number)
)
_OF_EXCHANGE = Statement(
    select(_example).where(_example.c.exchange_id == bindparam("of_exchange")).order_by(_example.c.number)
)
_INSERT = insert_into(ExampleRow)
_CHANGEABLE = (
    "audience",
    "user_text",
    "assistant_text",
    "pattern",
    "quality",
    "status",
    "reviewed",
    "pinned",
    "updated_at",
)
_UPDATE = Statement(
    update(_example).where(_ID).values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)
_DELETE = Statement(delete(_example).where(_ID))
_AUTHORS = Statement(
    select(_author.c.person_id, _author.c.said_at)
    .where(_author.c.owner_id == bindparam("of_owner"))
    .order_by(_author.c.said_at, _author.c.person_id)
)
_ADD_AUTHOR = insert_into(AuthorRow, ignore=["owner_id", "person_id"])
_DROP_AUTHORS = Statement(delete(_author).where(_author.c.owner_id == bindparam("of_owner")))


@dataclass(frozen=True, slots=True)
class Example:
    """A pair. ``number`` is its short name for people; ``quality`` is 0..1; an empty ``audience`` is everybody here."""

    id: str
    number: int
    workspace_id: str
    avatar_id: str
    audience: str
    user_text: str
    assistant_text: str
    pattern: str
    quality: float
    status: Status
    reviewed: bool
    pinned: bool
    source: str
    source_key: str
    exchange_id: str | None
    conversation_id: str | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class NewExample:
    """A pair to keep. ``authors`` is everyone whose words are inside; an empty ``source_key`` is its own id."""

    workspace_id: str
    avatar_id: str
    user_text: str
    assistant_text: str
    authors: tuple[Author, ...]
    audience: str = ""
    pattern: str = "statement"
    quality: float = 1.0
    status: Status = "proposed"
    reviewed: bool = False
    pinned: bool = False
    source: str = "hand"
    source_key: str = ""
    exchange_id: str | None = None
    conversation_id: str | None = None


def record(row: Row) -> Example:
    """An example from a row that holds every column in order."""
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    values["reviewed"], values["pinned"] = bool(values["reviewed"]), bool(values["pinned"])
    return Example(**values)


def put(tx: Tx, new: NewExample) -> Example:
    """Keep a pair, or bring the one of the same avatar, source and key up to date.

    What a person decided stays: a reviewed example keeps its status and its texts, a pinned one stays pinned, and one
    that was widened to other audiences stays so.
    """
    return _put_all(tx, [new])[0]


def put_many(tx: Tx, new: Sequence[NewExample]) -> int:
    """``put`` for many at once; how many. Of several with the same key the last one counts."""
    return len(_put_all(tx, list({_key(each) or object(): each for each in new}.values())))


def _key(new: NewExample) -> tuple[str, str, str] | None:
    return (new.avatar_id, new.source, new.source_key) if new.source_key else None


def _put_all(tx: Tx, new: Sequence[NewExample]) -> list[Example]:
    at = clock.now()
    kept: list[Example] = []
    fresh: list[tuple[Example, NewExample]] = []
    for each in new:
        known = _by_key(tx, each)
        if known is not None:
            kept.append(_refresh(tx, known, each, at))
        else:
            fresh.append((_made(each, at), each))
    return kept + _insert(tx, fresh)


def _by_key(tx: Tx, new: NewExample) -> Example | None:
    key = _key(new)
    if key is None:
        return None
    row = first(tx, _BY_KEY, dict(zip(("of_avatar", "of_source", "of_key"), key, strict=True)))
    return record(row) if row else None


def _made(new: NewExample, at: int) -> Example:
    id_ = ids.new_id()
    return Example(
        id=id_,
        number=0,
        workspace_id=new.workspace_id,
        avatar_id=new.avatar_id,
        audience=new.audience,
        user_text=new.user_text,
        assistant_text=new.assistant_text,
        pattern=new.pattern,
        quality=new.quality,
        status=new.status,
        reviewed=new.reviewed,
        pinned=new.pinned,
        source=new.source,
        source_key=new.source_key or id_,
        exchange_id=new.exchange_id,
        conversation_id=new.conversation_id,
        created_at=at,
        updated_at=at,
    )


def _insert(tx: Tx, fresh: Sequence[tuple[Example, NewExample]]) -> list[Example]:
    if not fresh:
        return []
    numbers = numbering.fresh(tx, "example", len(fresh))
    made = [replace(example, number=number) for number, (example, _) in zip(numbers, fresh, strict=True)]
    tx.run_many(_INSERT, [{name: getattr(example, name) for name in _NAMES} for example in made])
    tx.run_many(
        _ADD_AUTHOR,
        [
            {"owner_id": example.id, "person_id": author.person_id, "said_at": author.said_at}
            for example, (_, new) in zip(made, fresh, strict=True)
            for author in new.authors
        ],
    )
    _index(tx, made)
    return made


def _refresh(tx: Tx, known: Example, new: NewExample, at: int) -> Example:
    """What is proposed again gets its new texts, quality and status, unless a person decided on it."""
    fresh = replace(known, quality=new.quality, updated_at=at)
    if not known.reviewed:
        fresh = replace(
            fresh,
            user_text=new.user_text,
            assistant_text=new.assistant_text,
            pattern=new.pattern,
            status=new.status,
            reviewed=new.reviewed,
            pinned=known.pinned or new.pinned,
        )
        tx.run(_DROP_AUTHORS, {"of_owner": known.id})
        for author in new.authors:
            _add_author(tx, known.id, author)
    if replace(fresh, updated_at=known.updated_at) == known:
        return known
    return _save(tx, known, fresh)


def _save(tx: Tx, before: Example, after: Example) -> Example:
    """Write the changed row and bring the search index along."""
    tx.run(_UPDATE, {"of_id": after.id} | {f"new_{name}": getattr(after, name) for name in _CHANGEABLE})
    findable = ("status", "user_text", "audience")
    if any(getattr(before, name) != getattr(after, name) for name in findable):
        if before.status == "approved":
            search.unindex(tx, before.number, before.avatar_id, before.user_text)
        _index(tx, [after])
    return after


def _index(tx: Tx, found: Sequence[Example]) -> None:
    approved = [(each.number, each.avatar_id, each.user_text) for each in found if each.status == "approved"]
    if approved:
        search.index_many(tx, approved)


def _add_author(tx: Tx, owner_id: str, author: Author) -> None:
    tx.run(_ADD_AUTHOR, {"owner_id": owner_id, "person_id": author.person_id, "said_at": author.said_at})


def get(tx: Tx, example_id: str) -> Example:
    """The example. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": example_id})
    if row is None:
        raise Missing(f"There is no example {example_id}.")
    return record(row)


def many(tx: Tx, example_ids: Iterable[str]) -> list[Example]:
    """Those of the examples that are still there, in the order of the ids."""
    wanted = list(example_ids)
    if not wanted:
        return []
    found = {row[0]: record(row) for row in tx.rows(_MANY, {"ids": wanted})}
    return [found[example_id] for example_id in wanted if example_id in found]


def numbered(tx: Tx, avatar_id: str, number: int) -> Example | None:
    """The avatar's example of that number."""
    row = first(tx, _NUMBERED, {"of_avatar": avatar_id, "of_number": number})
    return record(row) if row else None


def pinned(tx: Tx, avatar_id: str, channel: str) -> list[Example]:
    """The stable block: approved, pinned, and for everybody or for this channel; the oldest first."""
    rows = tx.rows(_PINNED, {"of_avatar": avatar_id, "of_channel": channel})
    return [record(row) for row in rows]


def of_exchange(tx: Tx, exchange_id: str) -> list[Example]:
    """What came of an exchange: the pair itself, better answers to it."""
    return [record(row) for row in tx.rows(_OF_EXCHANGE, {"of_exchange": exchange_id})]


def authors(tx: Tx, owner_id: str) -> list[Author]:
    """Everyone whose words are in the example (or preference) of that id."""
    return [Author(*row) for row in tx.rows(_AUTHORS, {"of_owner": owner_id})]


def _chosen(query: Select[Any], avatar_id: str, status: str | None, words: str | None) -> Select[Any]:
    query = query.where(_example.c.avatar_id == avatar_id)
    if status:
        query = query.where(_example.c.status == status)
    if words:
        texts = (_example.c.user_text, _example.c.assistant_text)
        query = query.where(or_(*(column.icontains(words, autoescape=True) for column in texts)))
    return query


def listed(
    tx: Tx,
    avatar_id: str,
    *,
    status: str | None = None,
    limit: int,
    offset: int = 0,
    query: str | None = None,
) -> list[Example]:
    """The avatar's examples, the newest first: of that status, and with ``query`` in one of their texts."""
    chosen = _chosen(select(_example), avatar_id, status, query)
    page = chosen.order_by(_example.c.number.desc()).limit(limit).offset(offset)
    return [record(row) for row in tx.rows(Statement(page))]


def count(tx: Tx, avatar_id: str, status: str | None = None, *, query: str | None = None) -> int:
    """How many ``listed`` would give in all."""
    return tx.rows(Statement(_chosen(select(func.count()).select_from(_example), avatar_id, status, query)))[
        0
    ][0]


def _change(tx: Tx, example_id: str, **changes: Any) -> Example:
    known = get(tx, example_id)
    return _save(tx, known, replace(known, **changes, updated_at=clock.now()))


def set_status(tx: Tx, example_id: str, status: Status, *, reviewed: bool) -> Example:
    """Change the status; ``reviewed`` says that a person decided, so that ratings change it no more."""
    return _change(tx, example_id, status=status, reviewed=reviewed)


def set_quality(tx: Tx, example_id: str, quality: float) -> Example:
    """Change the quality, 0..1."""
    return _change(tx, example_id, quality=quality)


def set_audience(tx: Tx, example_id: str, audience: str) -> Example:
    """Widen or narrow where it serves."""
    return _change(tx, example_id, audience=audience)


def set_pinned(tx: Tx, example_id: str, pinned: bool) -> Example:
    """Put it into the stable block, or take it out."""
    return _change(tx, example_id, pinned=pinned)


def edit(
    tx: Tx, example_id: str, user_text: str | None, assistant_text: str | None, *, author: Author
) -> Example:
    """Change its texts; whoever does that is an author from then on."""
    known = get(tx, example_id)
    _add_author(tx, example_id, author)
    return _change(
        tx,
        example_id,
        user_text=user_text or known.user_text,
        assistant_text=assistant_text or known.assistant_text,
        reviewed=True,
    )


def remove(tx: Tx, example_id: str) -> None:
    """Delete it for good."""
    known = get(tx, example_id)
    if known.status == "approved":
        search.unindex(tx, known.number, known.avatar_id, known.user_text)
    tx.run(_DROP_AUTHORS, {"of_owner": example_id})
    tx.run(_DELETE, {"of_id": example_id})
