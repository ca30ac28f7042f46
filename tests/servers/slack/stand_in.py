"""Plain apps on slack-bolt, with which the local Slack is tried out."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import Channel, Member, SlackServer, Team

QUIET = logging.getLogger(__name__)
QUIET.setLevel(logging.CRITICAL)


@dataclass
class Birds:
    """A world with a workspace, a channel and a person."""

    world: SlackServer
    team: Team
    general: Channel
    ada: Member
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def client(self, token: str | None = None) -> AsyncWebClient:
        """A client of slack-sdk without an app."""
        token = token or self.team.token
        return AsyncWebClient(token=token, base_url=self.world.api_url, logger=QUIET, retry_handlers=[])

    def app(self) -> AsyncApp:
        """An app that hears nothing yet."""
        secret = self.world.signing_secret
        return AsyncApp(client=self.client(), signing_secret=secret, logger=QUIET)

    async def connect(self, app: AsyncApp) -> AsyncSocketModeHandler:
        """Let an app hear by socket mode until the test ends."""
        before = len(self.world.sockets.all)
        handler = AsyncSocketModeHandler(app, self.world.app_token, logger=QUIET, ping_interval=0.2)
        self.stack.push_async_callback(handler.close_async)
        await handler.connect_async()
        await self.world.until(lambda: len(self.world.sockets.all) > before)
        return handler

    async def serve(self, app: AsyncApp) -> str:
        """Let an app hear by HTTP until the test ends."""

        async def attend(request: web.Request) -> web.StreamResponse:
            return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

        served = web.Application()
        served.router.add_post("/slack/events", attend)
        runner = web.AppRunner(served, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        assert await self.world.endpoint.use(url)
        return url


@asynccontextmanager
async def rehearsal() -> AsyncGenerator[Birds]:
    """Start the world and end every app in it."""
    world = SlackServer()
    team = world.team()
    found = Birds(world, team, team.channel("general"), team.member("Ada"))
    async with world:
        try:
            yield found
        finally:
            await found.stack.aclose()
