"""Tells Discord which commands there are, and only when that is not what it knows already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import discord
import structlog

log = structlog.get_logger()

_DEFAULTS: Mapping[str, Any] = {
    "required": False,
    "autocomplete": False,
    "default_member_permissions": None,
    "description": "",
    "contexts": None,
    "integration_types": [0],
}
_KNOWN = frozenset(
    {
        "type",
        "name",
        "description",
        "options",
        "required",
        "choices",
        "autocomplete",
        "min_value",
        "max_value",
        "min_length",
        "max_length",
        "default_member_permissions",
        "contexts",
        "integration_types",
        "value",
    }
)
_NESTED = ("options", "choices")
# Where a command can be used is said of global ones only; those of a server belong to it.
_GLOBAL = ("contexts", "integration_types")


def same(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two declarations mean the same, whatever ids, versions, translations and defaults Discord added to one."""

    def key(command: Mapping[str, Any]) -> tuple[int, str]:
        return int(command.get("type") or 1), str(command["name"])

    return {key(each): normal(each) for each in ours} == {key(each): normal(each) for each in theirs}


def normal(declared: Mapping[str, Any]) -> dict[str, Any]:
    """A command, option or choice without what goes without saying. The order of options counts, as people see it."""
    found: dict[str, Any] = {}
    for name, value in declared.items():
        if name not in _KNOWN or value is None or _DEFAULTS.get(name, _DEFAULTS) == value:
            continue
        if name in _NESTED:
            if value:
                found[name] = [normal(each) for each in value]
        elif name in _GLOBAL:
            found[name] = sorted(value)
        elif name in ("min_value", "max_value"):
            found[name] = float(value)
        elif name == "default_member_permissions":
            found[name] = int(value)
        else:
            found[name] = value
    if found.get("type") == 1 and "value" not in found and "options" not in found:
        found["options"] = []
    return found


async def sync(
    client: discord.Client, declared: Sequence[Mapping[str, Any]], guilds: Sequence[int] = ()
) -> None:
    """Bring Discord up to date: everywhere, or only in ``guilds``, where a change shows at once, when there are any.

    A failure is logged, and the commands that Discord knows stay as they are.
    """
    application = client.application_id
    if application is None:
        log.error("commands are not synced: the application's id is not known yet")
        return
    for guild in guilds or (None,):
        try:
            changed = await _sync_one(client, application, declared, guild)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.error("commands could not be synced", guild=guild, error=str(error))
        else:
            log.info("commands synced" if changed else "commands are as Discord knows them", guild=guild)


async def _sync_one(
    client: discord.Client, application: int, declared: Sequence[Mapping[str, Any]], guild: int | None
) -> bool:
    http: Any = client.http
    if guild is None:
        known = await http.get_global_commands(application)
    else:
        known = await http.get_guild_commands(application, guild)
    wanted = [
        {name: value for name, value in each.items() if guild is None or name not in _GLOBAL}
        for each in declared
    ]
    if same(wanted, known if guild is None else [_of_guild(each) for each in known]):
        return False
    if guild is None:
        await http.bulk_upsert_global_commands(application, payload=wanted)
    else:
        await http.bulk_upsert_guild_commands(application, guild, payload=wanted)
    return True


def _of_guild(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name not in _GLOBAL}
