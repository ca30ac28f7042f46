"""The client of discord.py as we want it: few intents, small caches, and no event that ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.platforms.base import UserError
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.tempo import Tempo

log = structlog.get_logger()

_API = "/api/v10"
_LIMITS = 512
# Without these there is no session; that they cannot be read has to end the client.
_NEEDED = frozenset({"READY", "RESUMED"})


def wanted_intents() -> discord.Intents:
    """What we hear of: messages and reactions, in servers and in direct messages."""
    intents = discord.Intents.none()
    intents.guilds = True
    intents.guild_messages = True
    intents.dm_messages = True
    intents.message_content = True
    intents.guild_reactions = True
    intents.dm_reactions = True
    return intents


def make_client(options: Options, tempo: Tempo) -> tuple[discord.Client, discord.Intents]:
    """A client that is not connected yet, and the intents that it will ask for when it connects.

    Raises ``UserError`` for shards of which it is not said how many there are.
    """
    if options.shard_ids and not options.shard_count:
        raise UserError(
            "shard_ids in [discord] says which shards are served here; set shard_count to how many there are."
        )
    point_at(options.api_url)
    intents = wanted_intents()
    common: dict[str, Any] = {
        "intents": intents,
        "allowed_mentions": discord.AllowedMentions.none(),
        "chunk_guilds_at_startup": False,
        "member_cache_flags": discord.MemberCacheFlags.none(),
        # We look messages up in our own log; theirs would be searched from one end on every edit.
        "max_messages": None,
        "guild_ready_timeout": tempo.ready,
    }
    if options.presence:
        common["activity"] = discord.CustomActivity(options.presence)
    if options.shard_count:
        common["shard_count"] = options.shard_count
    if options.shard_ids:
        common["shard_ids"] = list(options.shard_ids)
    return _Client(tempo, **common), intents


def point_at(api_url: str) -> None:
    """Let discord.py talk to another address, which is a matter of the whole process; nothing happens for an empty one."""
    if not api_url:
        return
    url = yarl.URL(api_url.rstrip("/"))
    Route.BASE = str(url) if "/api" in url.path else f"{url}{_API}"
    DiscordWebSocket.DEFAULT_GATEWAY = url.with_scheme("wss" if url.scheme == "https" else "ws").with_path(
        "/"
    )


class _Client(discord.AutoShardedClient):
    def __init__(self, tempo: Tempo, **options: Any) -> None:
        self._tempo = tempo
        super().__init__(**options)
        _forget_idle_limits(self.http)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Leave Discord the time that it wants between two sessions."""
        if not initial:
            await asyncio.sleep(self._tempo.identify)

    def _get_state(self, **options: Any) -> Any:
        return _guard(super()._get_state(**options))


def _forget_idle_limits(http: Any) -> None:
    """Keep few of Discord's limits in mind: those in use, and those that may still hold.

    discord.py keeps each for five minutes and looks through all of them whenever it meets a new one: over thousands of
    channels that is most of its work.
    """
    kept: dict[str, Any] = http._buckets
    most = _LIMITS

    def forget() -> None:
        nonlocal most
        if len(kept) < most:
            return
        for key, limit in list(kept.items()):
            if limit.expires is not None and limit.is_expired() and not limit.outgoing:
                del kept[key]
        most = max(_LIMITS, 2 * len(kept))

    http._try_clear_expired_ratelimits = forget


def _guard(state: Any) -> Any:
    """Let no event end the client, and read those of other bots, our own messages among them, no further."""
    parsers: MutableMapping[str, Callable[[Any], None]] = state.parsers
    for name, parse in list(parsers.items()):
        if name in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            parse = _of_people(parse)
        if name not in _NEEDED:
            parsers[name] = _guarded(name, parse)
    return state


def _guarded(name: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    def read(data: Any) -> None:
        try:
            parse(data)
        except Exception as error:
            # Discord adds to its events; one that cannot be read is no reason to stop listening to all others.
            log.exception("event not understood", event_name=name, error=type(error).__name__)

    return read


def _of_people(parse: Callable[[Any], None]) -> Callable[[Any], None]:
    def read(data: Mapping[str, Any]) -> None:
        author = data.get("author")
        if author and (author.get("bot") or data.get("webhook_id")):
            return
        parse(data)

    return read
