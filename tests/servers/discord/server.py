"""The local Discord: a world behind REST and a gateway on this machine."""

from __future__ import annotations

from typing import Self

from aiohttp import web

from tests.servers.discord.broadcast import INTENTS, PRIVILEGED
from tests.servers.discord.faults import Faults
from tests.servers.discord.gateway import INVALID, RECONNECT, Gateway
from tests.servers.discord.ids import Json
from tests.servers.discord.people import Person
from tests.servers.discord.ratelimits import RateLimits
from tests.servers.discord.rest import API, DROPPED, Rest
from tests.servers.discord.routes_interactions import ROUTES as INTERACTION_ROUTES
from tests.servers.discord.routes_messages import ROUTES as MESSAGE_ROUTES
from tests.servers.discord.routes_places import ROUTES as PLACE_ROUTES
from tests.servers.discord.users import User
from tests.servers.discord.world import World
from tests.servers.loopback import Exchange, Loopback

FLAGS = {"GUILD_PRESENCES": 1 << 13, "GUILD_MEMBERS": 1 << 15, "MESSAGE_CONTENT": 1 << 19}


class DiscordServer(World, Loopback):
    """A Discord of its own: ``async with`` starts and stops it.

    ``token`` is the bot's, ``intents`` the privileged intents that are switched on for it in the developer portal.
    """

    def __init__(
        self,
        token: str = "bot-token",
        *,
        intents: int = PRIVILEGED,
        bot_name: str = "Understudy",
        recording: bool = True,
        shards: int = 1,
        port: int = 0,
    ) -> None:
        Loopback.__init__(self, service="discord", recording=recording)
        World.__init__(self, bot_name=bot_name, intents=intents)
        self.token = token
        self._wanted_port = port
        self.shards = shards
        self.faults = Faults()
        self.limits = RateLimits()
        self.rest = Rest(self, [*PLACE_ROUTES, *MESSAGE_ROUTES, *INTERACTION_ROUTES])
        self.gateway = Gateway(self)
        self.application.on_shutdown.append(self._close)

    async def __aenter__(self) -> Self:
        if not self._wanted_port:
            await super().__aenter__()
        else:
            self._runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=0.1)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", self._wanted_port).start()
            self._port = self._wanted_port
        self.base = self.url
        return self

    async def _close(self, _: object) -> None:
        for socket in list(self.gateway.sockets):
            socket.drop()

    @property
    def api_exchanges(self) -> list[Exchange]:
        """The recorded exchanges that a contract can judge: those with the API that were answered."""
        kept = [one for one in self.exchanges if f"{API}/" in one["url"]]
        return [one for one in kept if DROPPED not in one["response_headers"]]

    def dump(self) -> str:
        """What a person would want to see when a test fails."""
        gateway = self.gateway
        state = "connected" if gateway.connected else "not connected"
        waiting = [one for one in self.interactions.values() if not one.answered]
        return "\n".join(
            (
                super().dump(),
                f"gateway: {state}, identified {gateway.identified}, resumed {gateway.resumed}",
                f"interactions without an answer: {waiting or 'none'}",
            )
        )

    # -- what the bot is told about itself

    @property
    def gateway_url(self) -> str:
        """Where the websocket is."""
        return f"ws{self.url.removeprefix('http')}/gateway"

    @property
    def reads_content(self) -> bool:
        """Whether the bot may read what people write without being mentioned."""
        return bool(self.intents & INTENTS["MESSAGE_CONTENT"])

    @property
    def application_flags(self) -> int:
        """The flags of the application: which privileged intents are switched on."""
        return sum(flag for name, flag in FLAGS.items() if self.intents & INTENTS[name])

    def takes_direct(self, user: User) -> bool:
        """Whether ``user`` lets the bot write to them."""
        return not isinstance(user, Person) or user.takes_direct_messages

    def about(self) -> Json:
        """The application as the API writes it."""
        return {
            "id": str(self.bot.id),
            "name": self.bot.display,
            "icon": None,
            "description": "",
            "type": None,
            "bot": self.bot.json(),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": self.application_flags,
            "flags_new": str(self.application_flags),
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": self.owner.json(),
            "approximate_guild_count": len(self.guilds),
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
            "integration_types_config": {"0": {}},
        }

    # -- what happens to the connection

    async def connected(self, timeout: float = 10.0) -> None:
        """Wait until the bot is connected to the gateway."""
        await self.until(lambda: self.gateway.connected, timeout)

    def drop_sockets(self) -> None:
        """Break every websocket without a word; the sessions can be resumed."""
        for socket in list(self.gateway.sockets):
            socket.drop()

    def close_sockets(self, code: int) -> None:
        """Close every websocket with ``code``, as Discord does for a reason."""
        for socket in list(self.gateway.sockets):
            socket.close(code)

    def ask_to_reconnect(self) -> None:
        """Ask the bot to connect again and resume."""
        for socket in list(self.gateway.sockets):
            socket.send_op(RECONNECT)

    def invalidate_sessions(self, *, resumable: bool) -> None:
        """Tell the bot that its session is over, or, ``resumable``, that it has to be resumed."""
        if not resumable:
            self.gateway.forget()
        for socket in list(self.gateway.sockets):
            socket.send_op(INVALID, resumable)
