"""Channel bindings: which avatar answers in a channel, and whether it does so unasked."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from storage import clock, ids
from storage.database import Statement, Tx, columns_of, first, table, upsert_into
from storage.schema import ChannelBindingRow, WorkspaceRow


@dataclass(frozen=True, slots=True)
class Binding:
    """An avatar's place in a channel; ``always_on``: it answers every message, mentioned or not."""

    id: str
    workspace_id: str
    channel: str
    avatar_id: str
    always_on: bool


_binding = table(ChannelBindingRow)
_HERE = (_binding.c.workspace_id == bindparam("of_workspace"), _binding.c.channel == bindparam("of_channel"))
_FIND = Statement(select(*columns_of(ChannelBindingRow, Binding)).where(*_HERE))
_BIND = upsert_into(ChannelBindingRow, on=["workspace_id", "channel"], update=["avatar_id", "always_on"])
_workspace = table(WorkspaceRow)
_ALWAYS_ON = Statement(
    select(_binding.c.channel)
    .join(_workspace, _workspace.c.id == _binding.c.workspace_id)
    .where(
        _workspace.c.platform == bindparam("of_platform"),
        _workspace.c.key == bindparam("of_key"),
        _binding.c.always_on.is_(True),
    )
)
_UNBIND = Statement(delete(_binding).where(*_HERE))


def bind(tx: Tx, workspace_id: str, channel: str, avatar_id: str, always_on: bool = False) -> Binding:
    """From now on this avatar answers in the channel, in place of any other."""
    here = {"workspace_id": workspace_id, "channel": channel}
    what = {"avatar_id": avatar_id, "always_on": always_on}
    tx.run(_BIND, {"id": ids.new_id(), **here, **what, "created_at": clock.now()})
    bound = find(tx, workspace_id, channel)
    assert bound is not None
    return bound


def find(tx: Tx, workspace_id: str, channel: str) -> Binding | None:
    """Who answers in the channel, where that was chosen."""
    row = first(tx, _FIND, {"of_workspace": workspace_id, "of_channel": channel})
    if row is None:
        return None
    id, workspace, channel, avatar_id, always_on = row
    return Binding(id, workspace, channel, avatar_id, bool(always_on))


def always_on(tx: Tx, platform: str, workspace: str) -> frozenset[str]:
    """The channels of a workspace, known by the platform's key, in which an avatar answers every message."""
    rows = tx.rows(_ALWAYS_ON, {"of_platform": platform, "of_key": workspace})
    return frozenset(str(row[0]) for row in rows)


def unbind(tx: Tx, workspace_id: str, channel: str) -> bool:
    """Leave the channel to the workspace's own choice; whether there was a binding."""
    return tx.run(_UNBIND, {"of_workspace": workspace_id, "of_channel": channel}) > 0
