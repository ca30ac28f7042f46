"""Avatars: the personas that people talk to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy import update as update_table

from storage import clock, ids, prompts, releases
from storage.database import Row, Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Duplicate, Missing
from storage.schema import AvatarRow


@dataclass(frozen=True, slots=True)
class Avatar:
    """A persona. ``unknown`` is what it says when it does not know, ``suggestions`` are questions it opens with.

    ``auto_approve`` says whether members' better answers serve without a review, ``auto_activate`` whether a model that was
    tuned for it and passes its smoke test answers without a person's word; ``release_id`` is the current release, which says
    what answers.
    """

    id: str
    workspace_id: str
    name: str
    tagline: str
    colour: str
    picture: bytes | None
    unknown: str
    suggestions: tuple[str, ...]
    auto_approve: bool
    auto_activate: bool
    release_id: str | None
    created_at: int


_CHANGING = (
    "name",
    "tagline",
    "colour",
    "picture",
    "unknown",
    "suggestions",
    "auto_approve",
    "auto_activate",
)
_avatar = table(AvatarRow)
_NAMES = [field.name for field in fields(Avatar)]
_ALL = select(*columns_of(AvatarRow, Avatar))
_OF_WORKSPACE = _avatar.c.workspace_id == bindparam("of_workspace")

_GET = Statement(_ALL.where(_avatar.c.id == bindparam("of_id")))
_FIND = Statement(_ALL.where(_OF_WORKSPACE, _avatar.c.name_key == bindparam("of_name")))
_LISTED = Statement(_ALL.where(_OF_WORKSPACE).order_by(_avatar.c.created_at, _avatar.c.id))
_INSERT = insert_into(AvatarRow, ignore=["workspace_id", "name_key"])
_UPDATE = Statement(
    update_table(_avatar)
    .where(_avatar.c.id == bindparam("of_id"))
    .values({name: bindparam(f"new_{name}") for name in (*_CHANGING, "name_key")})
)


def create(
    tx: Tx,
    workspace_id: str,
    name: str,
    *,
    prompt: str,
    tagline: str = "",
    colour: str = "",
    picture: bytes | None = None,
    base_model: str | None = None,
    unknown: str = "",
    suggestions: Sequence[str] = (),
    auto_approve: bool = False,
    auto_activate: bool = False,
    person_id: str | None = None,
) -> Avatar:
    """A new avatar with ``prompt`` as its prompt version 1, answering with that and ``base_model`` by release 1.

    Raises ``Duplicate`` where the workspace has an avatar of that name, whatever its case.
    """
    new = Avatar(
        ids.new_id(),
        workspace_id,
        name,
        tagline,
        colour,
        picture,
        unknown,
        tuple(suggestions),
        auto_approve,
        auto_activate,
        None,
        clock.now(),
    )
    values = dict(zip(_NAMES, astuple(new), strict=True))
    values.update(name_key=_key(name), suggestions=_json(new.suggestions))
    if not tx.run(_INSERT, values):
        raise _taken(name)
    version = prompts.add(tx, new.id, prompt, person_id=person_id)
    release = releases.add(
        tx,
        new.id,
        model=None,
        base_model=base_model,
        prompt_version_id=version.id,
        person_id=person_id,
        why="created",
    )
    return replace(new, release_id=release.id)


def get(tx: Tx, avatar_id: str) -> Avatar:
    """The avatar with this id. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": avatar_id})
    if row is None:
        raise Missing("There is no such avatar.")
    return _record(row)


def find(tx: Tx, workspace_id: str, name: str) -> Avatar | None:
    """The workspace's avatar of this name, whatever its case."""
    row = first(tx, _FIND, {"of_workspace": workspace_id, "of_name": _key(name)})
    return _record(row) if row else None


def listed(tx: Tx, workspace_id: str) -> list[Avatar]:
    """The workspace's avatars, oldest first."""
    return [_record(row) for row in tx.rows(_LISTED, {"of_workspace": workspace_id})]


def update(tx: Tx, avatar_id: str, **changes: Any) -> Avatar:
    """Change any of name, tagline, colour, picture, unknown, suggestions, auto_approve and auto_activate.

    What it answers with is for ``releases.add``. Raises ``Missing``, and ``Duplicate`` where the new name is taken.
    """
    before = get(tx, avatar_id)
    if unknown := changes.keys() - set(_CHANGING):
        raise TypeError(f"not to be changed here: {', '.join(sorted(unknown))}")
    if "suggestions" in changes:
        changes["suggestions"] = tuple(changes["suggestions"])
    after = replace(before, **changes)
    namesake = find(tx, after.workspace_id, after.name)
    if namesake is not None and namesake.id != avatar_id:
        raise _taken(after.name)
    values = {f"new_{name}": getattr(after, name) for name in _CHANGING}
    values.update(new_suggestions=_json(after.suggestions), new_name_key=_key(after.name))
    tx.run(_UPDATE, {"of_id": avatar_id, **values})
    return after


def _key(name: str) -> str:
    return name.strip().casefold()


def _taken(name: str) -> Duplicate:
    return Duplicate(f"There is an avatar named {name} already.")


def _json(texts: Sequence[str]) -> str:
    return orjson.dumps(texts).decode()


def _record(row: Row) -> Avatar:
    values = list(row)
    values[7], values[8], values[9] = tuple(orjson.loads(row[7])), bool(row[8]), bool(row[9])
    return Avatar(*values)
