"""Releases: from now on this avatar answers with this model and this prompt version.

The current release is the single truth of what answers. Its model may be none: then it is the avatar's base model, and
where that is none too, the setting ``models.default``.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from sqlalchemy import bindparam, select, update

from storage import clock, ids
from storage.database import Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Missing
from storage.numbering import following, last_of
from storage.schema import AvatarRow, ReleaseRow


@dataclass(frozen=True, slots=True)
class Release:
    """One line of an avatar's history; rolling back adds a line. ``few_shot`` is JSON, ``why`` is for people."""

    id: str
    avatar_id: str
    number: int
    model: str | None
    prompt_version_id: str
    few_shot: str
    person_id: str | None
    why: str
    created_at: int


_release, _avatar = table(ReleaseRow), table(AvatarRow)
_NAMES = [field.name for field in fields(Release)]
_ALL = select(*columns_of(ReleaseRow, Release))

_GET = Statement(_ALL.where(_release.c.id == bindparam("of_id")))
_CURRENT = Statement(
    _ALL.join(_avatar, _avatar.c.release_id == _release.c.id).where(_avatar.c.id == bindparam("of_avatar"))
)
_LISTED = Statement(
    _ALL.where(_release.c.avatar_id == bindparam("of_avatar")).order_by(_release.c.number.desc())
)
_LAST = last_of(ReleaseRow)
_INSERT = insert_into(ReleaseRow)
_MAKE_CURRENT = Statement(
    update(_avatar).where(_avatar.c.id == bindparam("of_avatar")).values(release_id=bindparam("new_release"))
)


def add(
    tx: Tx,
    avatar_id: str,
    *,
    model: str | None,
    prompt_version_id: str,
    person_id: str | None = None,
    why: str = "",
    few_shot: str = "{}",
) -> Release:
    """A release with the avatar's next number; it answers from now on. Raises ``Missing`` without the avatar."""
    number = following(tx, _LAST, avatar_id)
    new = Release(
        ids.new_id(), avatar_id, number, model, prompt_version_id, few_shot, person_id, why, clock.now()
    )
    tx.run(_INSERT, dict(zip(_NAMES, astuple(new), strict=True)))
    tx.run(_MAKE_CURRENT, {"of_avatar": avatar_id, "new_release": new.id})
    return new


def get(tx: Tx, release_id: str) -> Release:
    """The release with this id. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": release_id})
    if row is None:
        raise Missing("There is no such release.")
    return Release(*row)


def current(tx: Tx, avatar_id: str) -> Release:
    """What the avatar answers with now. Raises ``Missing`` without the avatar."""
    row = first(tx, _CURRENT, {"of_avatar": avatar_id})
    if row is None:
        raise Missing("There is no such avatar.")
    return Release(*row)


def listed(tx: Tx, avatar_id: str) -> list[Release]:
    """The avatar's releases, newest first."""
    return [Release(*row) for row in tx.rows(_LISTED, {"of_avatar": avatar_id})]
