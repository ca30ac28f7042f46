"""Slack as a platform: connects, listens, answers, and comes back after outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platforms.base import Answer, Continuity, Host, Place, UserError
from adapters.platforms.slack.catchup import Catchup
from adapters.platforms.slack.client import UNCONNECTED, UNSIGNED, identify, make_client, make_session
from adapters.platforms.slack.door import Authorize, Door
from adapters.platforms.slack.events import Events
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.pacing import Pacing
from adapters.platforms.slack.people import People, check_access
from adapters.platforms.slack.places import PLATFORM, Identity, target_of
from adapters.platforms.slack.sending import Wire, error_code, is_passing, until_done
from adapters.platforms.slack.telling import REMEMBERED_SECONDS, Spot, Teller
from adapters.platforms.slack.tempo import Tempo
from adapters.platforms.slack.transport import QUIET, Endpoint, Socket, Transport

log = structlog.get_logger()


class Slack:
    """Slack, for one workspace's token. ``clock`` gives milliseconds since the epoch.

    Who may speak for a workspace is decided in one place, ``_authorizer``: an app that several workspaces install looks
    their tokens up there.
    """

    def __init__(
        self,
        bot_token: str,
        app_token: str,
        signing_secret: str,
        options: Options,
        clock: Callable[[], int],
        *,
        tempo: Tempo | None = None,
    ) -> None:
        check_access(options)
        if options.transport == "socket" and not app_token:
            raise UserError(UNCONNECTED)
        if options.transport == "http" and not signing_secret:
            raise UserError(UNSIGNED)
        self._bot_token = bot_token
        self._app_token = app_token
        self._signing_secret = signing_secret
        self._options = options
        self._clock = clock
        self._tempo = tempo or Tempo()
        self._teller = Teller()
        self._wire: Wire | None = None
        self._events: Events | None = None
        self._transport: Transport | None = None
        self._closing: asyncio.Task[None] | None = None
        self._ended: asyncio.Event | None = None

    @property
    def name(self) -> str:
        """``slack``."""
        return PLATFORM

    @property
    def port(self) -> int:
        """Where the endpoint is served, which Slack's requests are to be sent on to."""
        return self._transport.port if isinstance(self._transport, Endpoint) else 0

    async def run(self, host: Host, continuity: Continuity) -> None:
        """Serve until closed or cancelled. Raises ``UserError`` for a wrong token."""
        self._closing = None
        self._ended = asyncio.Event()
        async with make_session(self._tempo) as session:
            client = make_client(self._bot_token, self._options, session)
            wire = await self._connect(client)
            authorize = _authorizer(self._bot_token, wire.people.identity)
            door = Door(authorize, wire.people)
            app = self._app(client, authorize, door)
            self._wire = wire
            self._events = Events(wire, app, door, host, self._clock)
            self._transport = self._make_transport(wire, app, door)
            try:
                await self._transport.start()
                identity = wire.people.identity
                log.info("slack is ready", team=identity.team_id, transport=self._options.transport)
                wire.start(Catchup(wire, continuity, self._transport.connected).keep())
                await self._ended.wait()
            finally:
                await self.close()

    async def tell(
        self, place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        """Say something unasked in a place; see ``Platform``."""
        if self._wire is None:
            raise UserError("Slack is not connected.")
        channel_id, thread_ts = target_of(place)
        since = f"{self._clock() / 1000 - REMEMBERED_SECONDS:.6f}"
        spot = Spot(channel_id, thread_ts, since)
        try:
            return await self._teller.tell(
                self._wire, spot, answer, instead_of=instead_of, name=name, pings=pings
            )
        except SlackApiError as error:
            if is_passing(error):
                raise
            raise UserError("I cannot write in that channel of Slack.") from error

    async def close(self) -> None:
        """Take no more messages; replies that are being given finish first."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._transport is not None:
            await self._transport.stop()
        events, wire = self._events, self._wire
        if events is not None and wire is not None:
            try:
                async with asyncio.timeout(self._tempo.grace):
                    await events.settled()
                    await wire.all_given()
            except TimeoutError:
                log.warning("replies are cut short", replies=len(wire.giving))
            events.close()
            left = (*events.cancel(), *wire.tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        self._wire = None
        if self._ended is not None:
            self._ended.set()

    async def _connect(self, client: AsyncWebClient) -> Wire:
        """Find out who we are, for as long as Slack is away."""
        unknown = Identity("", "", "", "", "")
        wire = Wire(
            client, self._options, People(client, self._options, unknown), self._tempo, Pacing(self._tempo)
        )
        try:
            identity, _ = await until_done(wire, "logging in", lambda: identify(client))
        except SlackApiError as error:
            raise UserError(f"Slack does not let us in ({error_code(error)}).") from error
        wire.people = People(client, self._options, identity)
        return wire

    def _app(self, client: AsyncWebClient, authorize: Authorize, door: Door) -> AsyncApp:
        return AsyncApp(
            logger=QUIET,
            name=PLATFORM,
            client=client,
            signing_secret=self._signing_secret,
            before_authorize=door,
            # bolt's types leave out that there may be nobody.
            authorize=cast("Any", authorize),
            # Not of use here, and asked for on every event.
            attaching_function_token_enabled=False,
            attaching_conversation_kwargs_enabled=False,
        )

    def _make_transport(self, wire: Wire, app: AsyncApp, door: Door) -> Transport:
        if self._options.transport == "socket":
            return Socket(wire, app, door, self._app_token)

        async def healthy() -> bool:
            return self._wire is not None and self._closing is None

        return Endpoint(app, door, self._signing_secret, self._options, healthy)


def _authorizer(bot_token: str, identity: Identity) -> Authorize:
    """What bolt asks for each event: the token that speaks for its workspace, if any."""
    ours = AuthorizeResult(
        enterprise_id=identity.enterprise_id or None,
        team_id=identity.team_id,
        bot_token=bot_token,
        bot_id=identity.bot_id,
        bot_user_id=identity.user_id,
    )

    async def authorize(team_id: str | None) -> AuthorizeResult | None:
        return ours if team_id == identity.team_id else None

    return authorize
