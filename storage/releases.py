"""Releases: from now on this avatar answers with this model and this prompt version.

The current release is the single truth of what answers: its model, which was tuned and activated; where that is none, its
base model, which was chosen; where that is none too, the setting ``models.default``. So going back restores what answered.

Going back *repeats* an earlier release as a new one. What came before a repeat is what came before the release that it
repeats, so that going back again and again walks through the history and never toggles.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Final

from sqlalchemy import bindparam, select, update

from storage import clock, ids
from storage.database import Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Missing
from storage.numbering import following, last_of
from storage.schema import AvatarRow, ReleaseRow

AS_BEFORE: Final = ""
"""The base model of the release before, which may be none."""


@dataclass(frozen=True, slots=True)
class Release:
    """One line of an avatar's history; rolling back adds a line. ``why`` is for people.

    ``few_shot`` and ``evaluated``, which says what was seen of it before it answered anybody, are JSON. ``repeats`` is the
    number of the release that this one goes back to, which repeats none itself. ``base_model`` is what answers without
    ``model``, or when that fails, as ``vendor:name``; none follows the setting ``models.default``.
    """

    id: str
    avatar_id: str
    number: int
    model: str | None
    base_model: str | None
    prompt_version_id: str
    few_shot: str
    person_id: str | None
    why: str
    evaluated: str
    repeats: int | None
    created_at: int

    @property
    def root(self) -> int:
        """Its place in the history: its number, or that of the release that it repeats."""
        return self.repeats or self.number

    def answers_with(self, default: str) -> str:
        """Which model that is, as ``vendor:name``; ``default`` is the setting ``models.default``."""
        return self.model or self.base_model or default


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
_NUMBERED = Statement(
    _ALL.where(_release.c.avatar_id == bindparam("of_avatar"), _release.c.number == bindparam("of_number"))
)
_AVATAR = select(_avatar.c.id).where(_avatar.c.id == bindparam("of_avatar"))
_LOCK = Statement(_AVATAR, _AVATAR.with_for_update())
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
    base_model: str | None = AS_BEFORE,
    person_id: str | None = None,
    why: str = "",
    few_shot: str = "{}",
    evaluated: str = "{}",
    repeats: int | None = None,
) -> Release:
    """A release with the avatar's next number; it answers from now on. Raises ``Missing`` without the avatar.

    The base model stays that of the release before unless it is given.
    """
    number = following(tx, _LAST, avatar_id)
    if base_model == AS_BEFORE:
        base_model = current(tx, avatar_id).base_model
    new = Release(
        ids.new_id(),
        avatar_id,
        number,
        model,
        base_model,
        prompt_version_id,
        few_shot,
        person_id,
        why,
        evaluated,
        repeats,
        clock.now(),
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


def held(tx: Tx, avatar_id: str) -> Release:
    """What the avatar answers with now; nobody else changes that until this transaction ends. Raises ``Missing``."""
    first(tx, _LOCK, {"of_avatar": avatar_id})
    return current(tx, avatar_id)


def numbered(tx: Tx, avatar_id: str, number: int) -> Release | None:
    """The avatar's release of this number."""
    row = first(tx, _NUMBERED, {"of_avatar": avatar_id, "of_number": number})
    return Release(*row) if row else None


def before(tx: Tx, release: Release) -> Release | None:
    """The release that going back from this one goes to: none that only repeats another."""
    earlier = numbered(tx, release.avatar_id, release.root - 1)
    if earlier is None or earlier.repeats is None:
        return earlier
    return numbered(tx, release.avatar_id, earlier.repeats)


def earlier(tx: Tx, release: Release) -> list[Release]:
    """The releases that going back from this one again and again goes through, in that order."""
    known = {each.number: each for each in listed(tx, release.avatar_id)}
    found: list[Release] = []
    number = release.root - 1
    while number in known:
        found.append(known[known[number].root])
        number = found[-1].root - 1
    return found


def listed(tx: Tx, avatar_id: str) -> list[Release]:
    """The avatar's releases, newest first."""
    return [Release(*row) for row in tx.rows(_LISTED, {"of_avatar": avatar_id})]
