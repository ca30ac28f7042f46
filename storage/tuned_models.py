"""Whose a tuned model is, by its name: which workspaces' training runs made it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from sqlalchemy import bindparam, delete, select

from storage.database import Statement, Tx, insert_into, table
from storage.training_schema import TunedModelRow

_AT_ONCE: Final = 500

_tuned = table(TunedModelRow)
_NAME = insert_into(TunedModelRow, ignore=["vendor", "model", "run_id"])
_UNNAME = Statement(
    delete(_tuned).where(
        _tuned.c.vendor == bindparam("of_vendor"),
        _tuned.c.model == bindparam("of_model"),
        _tuned.c.run_id == bindparam("of_id"),
    )
)
_MADE = Statement(
    select(_tuned.c.workspace_id, _tuned.c.model).where(
        _tuned.c.vendor == bindparam("of_vendor"), _tuned.c.model.in_(bindparam("names", expanding=True))
    )
)


def rename(
    tx: Tx, workspace_id: str, vendor: str, run_id: str, *, gone: AbstractSet[str], new: AbstractSet[str]
) -> None:
    """What a run made is called so from now on, as the vendor knows it."""
    for name in gone:
        tx.run(_UNNAME, {"of_vendor": vendor, "of_model": name, "of_id": run_id})
    for name in new:
        tx.run(_NAME, {"vendor": vendor, "model": name, "run_id": run_id, "workspace_id": workspace_id})


def elsewhere(tx: Tx, workspace_id: str, models: Iterable[str]) -> frozenset[str]:
    """Those of ``models``, as ``vendor:name``, that training runs of other workspaces made: not this one's to use."""
    asked: dict[str, list[str]] = {}
    for full in models:
        vendor, _, name = full.partition(":")
        asked.setdefault(vendor, []).append(name)
    made: dict[bool, set[str]] = {True: set(), False: set()}
    for vendor, names in asked.items():
        for at in range(0, len(names), _AT_ONCE):
            some = {"of_vendor": vendor, "names": names[at : at + _AT_ONCE]}
            for workspace, model in tx.rows(_MADE, some):
                made[workspace == workspace_id].add(f"{vendor}:{model}")
    return frozenset(made[False] - made[True])
