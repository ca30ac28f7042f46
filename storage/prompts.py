"""Prompt versions: the numbered system prompts of an avatar. Which one is active is the current release's to say."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from sqlalchemy import bindparam, select

from storage import clock, ids
from storage.database import Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Missing
from storage.numbering import following, last_of
from storage.schema import PromptVersionRow


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A system prompt, written by ``hand`` or ``learned`` from samples (``source``). It never changes."""

    id: str
    avatar_id: str
    number: int
    text: str
    source: str
    person_id: str | None
    created_at: int


_version = table(PromptVersionRow)
_NAMES = [field.name for field in fields(PromptVersion)]
_ALL = select(*columns_of(PromptVersionRow, PromptVersion))
_OF_AVATAR = _version.c.avatar_id == bindparam("of_avatar")

_GET = Statement(_ALL.where(_version.c.id == bindparam("of_id")))
_FIND = Statement(_ALL.where(_OF_AVATAR, _version.c.number == bindparam("of_number")))
_LISTED = Statement(_ALL.where(_OF_AVATAR).order_by(_version.c.number))
_LAST = last_of(PromptVersionRow)
_INSERT = insert_into(PromptVersionRow)


def add(
    tx: Tx, avatar_id: str, text: str, *, person_id: str | None = None, source: str = "hand"
) -> PromptVersion:
    """A new version with the avatar's next number; it is not active before a release names it. Raises ``Missing``."""
    number = following(tx, _LAST, avatar_id)
    new = PromptVersion(ids.new_id(), avatar_id, number, text, source, person_id, clock.now())
    tx.run(_INSERT, dict(zip(_NAMES, astuple(new), strict=True)))
    return new


def get(tx: Tx, prompt_version_id: str) -> PromptVersion:
    """The version with this id. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": prompt_version_id})
    if row is None:
        raise Missing("There is no such prompt version.")
    return PromptVersion(*row)


def find(tx: Tx, avatar_id: str, number: int) -> PromptVersion | None:
    """The avatar's version of this number."""
    row = first(tx, _FIND, {"of_avatar": avatar_id, "of_number": number})
    return PromptVersion(*row) if row else None


def listed(tx: Tx, avatar_id: str) -> list[PromptVersion]:
    """All versions of the avatar by number."""
    return [PromptVersion(*row) for row in tx.rows(_LISTED, {"of_avatar": avatar_id})]
