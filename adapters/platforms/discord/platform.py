"""Discord as a platform: connects, listens, answers, and comes back after outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import discord

from adapters.platforms.base import Answer, Continuity, Host, Place, UserError
from adapters.platforms.discord.client import make_client
from adapters.platforms.discord.events import Events
from adapters.platforms.discord.invite import PORTAL, WRONG_TOKEN
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import PLATFORM, check_access, target_of
from adapters.platforms.discord.sending import wire_of
from adapters.platforms.discord.telling import tell
from adapters.platforms.discord.tempo import Tempo

NO_INTENT = (
    f"Discord refuses to say what people write: switch on the Message Content Intent under Bot on {PORTAL}, "
    "then start again."
)


class Discord:
    """Discord, for one application's token. ``clock`` gives milliseconds since the epoch."""

    def __init__(
        self,
        token: str,
        options: Options,
        clock: Callable[[], int],
        *,
        tempo: Tempo | None = None,
    ) -> None:
        check_access(options)
        self._token = token
        self._options = options
        self._clock = clock
        self._tempo = tempo or Tempo()
        self._events: Events | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """``discord``."""
        return PLATFORM

    async def run(self, host: Host, continuity: Continuity) -> None:
        """Serve until closed or cancelled. Raises ``UserError`` for a wrong token, or an intent that is not granted."""
        client = self.client(host, continuity)
        try:
            async with client:
                try:
                    await client.start(self._token)
                finally:
                    await self.close()
        except discord.LoginFailure as error:
            raise UserError(WRONG_TOKEN) from error
        except discord.PrivilegedIntentsRequired as error:
            raise UserError(NO_INTENT) from error
        except discord.ConnectionClosed as error:
            raise UserError(_refused(error.code)) from error
        except (discord.HTTPException, discord.GatewayNotFound, aiohttp.ClientError, OSError) as error:
            raise UserError(
                f"Discord cannot be reached ({type(error).__name__}); try again later."
            ) from error

    def client(self, host: Host, continuity: Continuity) -> discord.Client:
        """The client with everything attached, not connected yet."""
        client, intents = make_client(self._options, self._tempo)
        wire = wire_of(client, self._options)
        wire.tempo = self._tempo
        self._closing = None
        self._events = Events(wire, intents, host, continuity, self._options, self._clock)
        return client

    async def tell(
        self, place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        """Say something unasked in a place; see ``Platform``."""
        if self._events is None:
            raise UserError("Discord is not connected.")
        try:
            wire, channel_id = self._events.wire, target_of(place)
            return await tell(wire, channel_id, answer, instead_of=instead_of, name=name, pings=pings)
        except (discord.Forbidden, discord.NotFound) as error:
            raise UserError("I cannot write in that channel of Discord.") from error

    async def close(self) -> None:
        """Take no more messages; replies that are being given finish first."""
        if self._events is not None:
            if self._closing is None:
                self._closing = asyncio.create_task(self._events.close(self._tempo.grace))
            await asyncio.shield(self._closing)


def _refused(code: int) -> str:
    """Why the gateway let us go, for the codes after which there is no coming back."""
    return {
        4004: WRONG_TOKEN,
        4010: "Discord knows no such shard: look at shard_count and shard_ids in [discord].",
        4011: "Discord wants more shards: set shard_count in [discord] to 0, or higher.",
        4014: NO_INTENT,
    }.get(code, f"Discord ended the connection for good (code {code}).")
