"""Whether Discord is set up: what is missing, in one sentence each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import discord

from adapters.platforms.discord.client import point_at
from adapters.platforms.discord.invite import PERMISSIONS, PORTAL, WRONG_TOKEN
from adapters.platforms.discord.options import Options

NO_INTENT = (
    f"The Message Content Intent is not enabled: switch it on under Bot on {PORTAL}; until then the avatar reads only "
    "mentions and direct messages."
)
_NOWHERE = "The avatar is in no server yet: `understudy discord invite` prints the address that adds it."
_SECONDS = 20.0
_SERVERS = 25


async def probe(token: str, options: Options) -> Sequence[tuple[bool, str]]:
    """Log in and look around; what is right and what is not."""
    point_at(options.api_url)
    try:
        async with asyncio.timeout(_SECONDS), discord.Client(intents=discord.Intents.none()) as client:
            await client.login(token)
            return await _look(client)
    except discord.LoginFailure:
        return [(False, WRONG_TOKEN)]
    except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
        return [(False, f"Discord cannot be reached ({type(error).__name__}).")]


async def _look(client: discord.Client) -> Sequence[tuple[bool, str]]:
    application = client.application
    assert client.user is not None
    assert application is not None
    found: list[tuple[bool, str]] = [(True, f"Discord knows the token: it is {client.user.name}.")]
    flags = application.flags
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        found.append((True, "The Message Content Intent is enabled."))
    else:
        found.append((False, NO_INTENT))
    servers = await client.http.get_guilds(_SERVERS + 1, with_counts=False)
    if not servers:
        found.append((False, _NOWHERE))
    found += [_server(data) for data in servers[:_SERVERS]]
    if len(servers) > _SERVERS:
        found.append((True, f"Only the first {_SERVERS} servers were looked at."))
    return found


def _server(data: Mapping[str, Any]) -> tuple[bool, str]:
    """What the avatar may not do in one server as a whole; channels may say otherwise."""
    name = data["name"]
    granted = discord.Permissions(int(data.get("permissions", 0)))
    lacking = [title for flag, title in PERMISSIONS.items() if not getattr(granted, flag)]
    if granted.administrator or not lacking:
        return True, f"{name}: every permission is there."
    return False, f"{name}: the avatar lacks {_listed(lacking)}; grant that to its role, or invite it again."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
