"""The local Slack: workspaces behind the Web API, socket mode and HTTP delivery on this machine."""

from __future__ import annotations

from typing import Self

from aiohttp import web

from tests.servers.loopback import Exchange, Loopback
from tests.servers.slack.api import DROPPED, Api
from tests.servers.slack.endpoint import Endpoint
from tests.servers.slack.faults import Faults
from tests.servers.slack.limits import Limits
from tests.servers.slack.sockets import Sockets
from tests.servers.slack.world import World


class SlackServer(World, Loopback):
    """A Slack of its own: ``async with`` starts and stops it.

    ``bot_token`` is the bot's in the first workspace, ``app_token`` the app's for socket mode, ``signing_secret`` what
    deliveries over HTTP are signed with.
    """

    def __init__(
        self,
        bot_token: str = "xoxb-understudy",
        app_token: str = "xapp-understudy",
        signing_secret: str = "signing-secret",
        *,
        team_name: str = "Birds",
        bot_name: str = "Understudy",
        recording: bool = True,
        port: int = 0,
    ) -> None:
        Loopback.__init__(self, service="slack", recording=recording)
        World.__init__(self, bot_name=bot_name, bot_token=bot_token, team_name=team_name)
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.client_id, self.client_secret = "1.2", "client-secret"
        self.codes: dict[str, str] = {}
        self._wanted_port = port
        self.faults = Faults()
        self.limits = Limits()
        self.api = Api(self)
        self.sockets = Sockets(self)
        self.endpoint = Endpoint(self)
        self.deliveries.carrier = self.sockets
        self.deliveries.on_change = self.changed
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
        self.deliveries.close()
        for fault in self.faults.all:
            fault.release()
        self.sockets.drop()
        await self.endpoint.close()

    @property
    def api_url(self) -> str:
        """The base of the Web API, as slack-sdk's ``base_url`` wants it."""
        return f"{self.url}/api/"

    @property
    def api_exchanges(self) -> list[Exchange]:
        """The recorded exchanges that a contract can judge: those with the Web API that were answered."""
        kept = [one for one in self.exchanges if "/api/" in one["url"]]
        return [one for one in kept if DROPPED not in one["response_headers"] and one["status"] == 200]

    def dump(self) -> str:
        """What a person would want to see when a test fails."""
        acks = self.deliveries.acks
        return "\n".join(
            (
                super().dump(),
                f"connections: {len(self.sockets.all)}, not acknowledged: {len(self.deliveries.pending)}",
                f"given up: {len(acks.lost)}, acknowledged wrongly: {acks.bad}",
            )
        )

    async def connected(self, timeout: float = 10.0) -> None:
        """Wait until the app is connected over a socket."""
        await self.until(lambda: bool(self.sockets.all), timeout)

    async def settled(self, timeout: float = 10.0) -> None:
        """Wait until everything that was delivered is acknowledged or given up."""
        await self.until(lambda: self.deliveries.settled, timeout)

    def drop_sockets(self) -> None:
        """Break every connection without a word."""
        self.sockets.drop()

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app to connect anew, or warn it that it will be asked."""
        self.sockets.disconnect(reason)
