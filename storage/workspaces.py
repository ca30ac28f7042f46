"""Workspaces: a Discord guild, a Slack team or the local terminal. Nothing crosses from one to another."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from storage import clock, ids
from storage.database import Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Missing
from storage.schema import WorkspaceRow


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant. ``key`` is the platform's id of it; ``consent`` is its policy: ``opt-in`` or ``opt-out``.

    ``notices`` is the platform's id of the channel in which its admins are warned, empty when none was chosen.
    """

    id: str
    platform: str
    key: str
    name: str
    consent: str
    default_avatar_id: str | None
    notices: str
    created_at: int


_workspace = table(WorkspaceRow)
_ALL = select(*columns_of(WorkspaceRow, Workspace))
_THIS = _workspace.c.id == bindparam("of_id")

_GET = Statement(_ALL.where(_THIS))
_FIND = Statement(
    _ALL.where(_workspace.c.platform == bindparam("of_platform"), _workspace.c.key == bindparam("of_key"))
)
_LISTED = Statement(_ALL.order_by(_workspace.c.created_at, _workspace.c.id))
_INSERT = insert_into(WorkspaceRow, ignore=["platform", "key"])
_RENAME = Statement(update(_workspace).where(_THIS).values(name=bindparam("new_name")))
_SET_CONSENT = Statement(update(_workspace).where(_THIS).values(consent=bindparam("new_consent")))
_SET_NOTICES = Statement(update(_workspace).where(_THIS).values(notices=bindparam("new_notices")))
_SET_AVATAR = Statement(update(_workspace).where(_THIS).values(default_avatar_id=bindparam("new_avatar")))


def ensure(tx: Tx, platform: str, key: str, name: str, consent: str) -> Workspace:
    """The workspace of this key, created when new with ``consent`` as its policy; a changed name is kept up."""
    found = find(tx, platform, key)
    if found is None:
        new = Workspace(ids.new_id(), platform, key, name, consent, None, "", clock.now())
        values = {"id": new.id, "platform": platform, "key": key, "name": name, "consent": consent}
        if tx.run(
            _INSERT, {**values, "default_avatar_id": None, "notices": "", "created_at": new.created_at}
        ):
            return new
        found = find(tx, platform, key)  # another process was first
        assert found is not None
    if name and found.name != name:
        tx.run(_RENAME, {"of_id": found.id, "new_name": name})
        return get(tx, found.id)
    return found


def get(tx: Tx, workspace_id: str) -> Workspace:
    """The workspace with this id. Raises ``Missing``."""
    row = first(tx, _GET, {"of_id": workspace_id})
    if row is None:
        raise Missing("There is no such workspace.")
    return Workspace(*row)


def find(tx: Tx, platform: str, key: str) -> Workspace | None:
    """The workspace that the platform knows by ``key``."""
    row = first(tx, _FIND, {"of_platform": platform, "of_key": key})
    return Workspace(*row) if row else None


def listed(tx: Tx) -> list[Workspace]:
    """All workspaces, oldest first."""
    return [Workspace(*row) for row in tx.rows(_LISTED)]


def set_consent(tx: Tx, workspace_id: str, policy: str) -> None:
    """Choose the policy, ``opt-in`` or ``opt-out``. Raises ``Missing``."""
    _set(tx, _SET_CONSENT, workspace_id, new_consent=policy)


def set_default_avatar(tx: Tx, workspace_id: str, avatar_id: str | None) -> None:
    """Choose who answers where no channel says otherwise. Raises ``Missing``."""
    _set(tx, _SET_AVATAR, workspace_id, new_avatar=avatar_id)


def set_notices(tx: Tx, workspace_id: str, channel: str) -> None:
    """Choose the channel in which admins are warned; empty for none. Raises ``Missing``."""
    _set(tx, _SET_NOTICES, workspace_id, new_notices=channel)


def _set(tx: Tx, statement: Statement, workspace_id: str, **values: object) -> None:
    if not tx.run(statement, {"of_id": workspace_id, **values}):
        raise Missing("There is no such workspace.")
