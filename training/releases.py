"""From a model to a release: activated in one transaction, and taken back one release at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from adapters.platforms.base import UserError
from storage import audit, avatars, releases
from storage.database import Tx
from storage.releases import Release


def activate(
    tx: Tx,
    workspace_id: str,
    avatar_id: str,
    model: str,
    *,
    evaluated: Mapping[str, Any],
    person_id: str | None = None,
    why: str = "",
    instead_of: int | None = None,
) -> Release:
    """The avatar answers with this model from the next message on, on every replica; prompt version and few-shot stay.

    ``instead_of`` is the release that was current when it was decided. Raises ``UserError`` where another one is meanwhile,
    or the model answers already.
    """
    now = _current(tx, avatar_id, instead_of)
    if now.model == model:
        raise UserError(f"{model} answers already: release {now.number}.")
    added = releases.add(
        tx,
        avatar_id,
        model=model,
        prompt_version_id=now.prompt_version_id,
        person_id=person_id,
        why=why,
        few_shot=now.few_shot,
        evaluated=orjson.dumps(evaluated).decode(),
    )
    detail = {"model": model, "release": added.number, "instead_of": now.number, "why": why, **evaluated}
    audit.write(
        tx,
        workspace_id,
        "finetune activate",
        person_id=person_id,
        target=avatars.get(tx, avatar_id).name,
        detail=detail,
    )
    return added


def aim(tx: Tx, now: Release, to: int | None = None) -> Release:
    """The release that a rollback repeats: the one before, or the one of this number. Raises ``UserError``."""
    if to is None:
        wanted = releases.before(tx, now)
        if wanted is None:
            as_ = f" (release {now.number} repeats it)" if now.repeats else ""
            raise UserError(f"There is nothing before release {now.root}{as_}, so nothing was changed.")
        return wanted
    wanted = releases.numbered(tx, now.avatar_id, to)
    if wanted is None:
        raise UserError(f"There is no release {to}; `/finetune releases` lists them.")
    if wanted.root == now.root:
        raise UserError(f"Release {to} answers already, so nothing was changed.")
    root = releases.numbered(tx, now.avatar_id, wanted.root)
    assert root is not None, "what is repeated is there"
    return root


def rollback(
    tx: Tx,
    workspace_id: str,
    avatar_id: str,
    *,
    to: int | None = None,
    person_id: str | None = None,
    why: str = "",
    instead_of: int | None = None,
) -> Release:
    """The avatar answers as it did by the release before, or by that of the number ``to``; the new release repeats it.

    ``instead_of`` is the release that was current when it was decided. Raises ``UserError`` where another one is meanwhile,
    or there is nothing to go back to.
    """
    now = _current(tx, avatar_id, instead_of)
    wanted = aim(tx, now, to)
    added = releases.add(
        tx,
        avatar_id,
        model=wanted.model,
        base_model=wanted.base_model,
        prompt_version_id=wanted.prompt_version_id,
        person_id=person_id,
        why=why,
        few_shot=wanted.few_shot,
        evaluated=wanted.evaluated,
        repeats=wanted.number,
    )
    detail = {"release": added.number, "instead_of": now.number, "repeats": wanted.number, "why": why}
    audit.write(
        tx,
        workspace_id,
        "finetune rollback",
        person_id=person_id,
        target=avatars.get(tx, avatar_id).name,
        detail=detail,
    )
    return added


def _current(tx: Tx, avatar_id: str, instead_of: int | None) -> Release:
    now = releases.held(tx, avatar_id)
    if instead_of is not None and now.number != instead_of:
        raise UserError(
            f"Release {instead_of} is not active any more: release {now.number} is, so nothing was changed. "
            "`/finetune releases` says what happened."
        )
    return now
