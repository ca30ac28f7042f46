"""How events come from Slack: over a socket that we open, or to an endpoint that we serve."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast
from urllib.parse import parse_qs

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from adapters.platforms.base import UserError
from adapters.platforms.slack.door import Door
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.sending import Wire, error_code, until_done

log = structlog.get_logger()

PATH = "/slack/events"
HEALTH, READY = "/health", "/ready"

_LARGEST_REQUEST = 4 * 1024 * 1024
_SHUTDOWN_SECONDS = 5.0
# Whoever finds no room in the queue knocks again only after a second, a third of the time there is to acknowledge.
_BACKLOG = 2048

# bolt and the client tell too much: bodies of requests at their most talkative, and work that goes into texts nobody reads.
QUIET = logging.getLogger(__name__ + ".client")
QUIET.setLevel(logging.ERROR)


class Transport(Protocol):
    """Where events come from."""

    async def start(self) -> None:
        """Let them come. Raises ``UserError`` where they cannot."""
        ...

    async def connected(self) -> bool:
        """Whether they can come now."""
        ...

    async def stop(self) -> None:
        """Let no more of them come."""
        ...


class Socket:
    """A socket-mode connection, which the client renews as often as Slack asks."""

    def __init__(self, wire: Wire, app: AsyncApp, door: Door, app_token: str) -> None:
        self._wire = wire
        self._app = app
        self._door = door
        self._client = SocketModeClient(
            app_token=app_token,
            logger=QUIET,
            web_client=wire.client,
            ping_interval=wire.tempo.ping,
        )
        sockets = _Sockets(self._client, self._client.aiohttp_client_session)
        self._client.aiohttp_client_session = cast("Any", sockets)
        self._client.socket_mode_request_listeners.append(self._attend)

    async def start(self) -> None:
        """Connect. Raises ``UserError`` for a token that opens no connection."""
        try:
            self._client.wss_uri = await until_done(self._wire, "connecting", self._client.issue_new_wss_url)
        except SlackApiError as error:
            raise UserError(no_socket(error_code(error))) from error
        await self._client.connect()

    async def connected(self) -> bool:
        """Whether the connection is there."""
        return await self._client.is_connected()

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.close()

    async def _attend(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if await self._door.take(request.payload):
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            return
        response = await run_async_bolt_app(self._app, request)
        await send_async_response(client, request, response, 0.0)


class _Sockets:
    """Opens connections for a client that would knock for ever at an address which is good for one of them."""

    def __init__(self, client: SocketModeClient, session: aiohttp.ClientSession) -> None:
        self._client = client
        self._session = session

    @property
    def closed(self) -> bool:
        return self._session.closed

    async def ws_connect(self, *args: Any, **named: Any) -> aiohttp.ClientWebSocketResponse:
        try:
            return await self._session.ws_connect(*args, **named)
        except Exception:
            self._client.wss_uri = None
            raise

    async def close(self) -> None:
        await self._session.close()


class Endpoint:
    """An HTTP endpoint, meant to stand behind a proxy that speaks TLS; what is not signed, or too old, is refused."""

    def __init__(
        self,
        app: AsyncApp,
        door: Door,
        signing_secret: str,
        options: Options,
        healthy: Callable[[], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._door = door
        self._verifier = SignatureVerifier(signing_secret)
        self._options = options
        self._healthy = healthy
        self._ready = False
        self.port = options.http_port
        served = web.Application(client_max_size=_LARGEST_REQUEST)
        served.add_routes(
            [
                web.post(PATH, self._attend),
                web.get(HEALTH, self._health),
                web.get(READY, self._readiness),
            ]
        )
        self._runner = web.AppRunner(served, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)

    async def start(self) -> None:
        """Serve. Raises ``UserError`` when the address is taken or is not ours."""
        await self._runner.setup()
        host, port = self._options.http_host, self._options.http_port
        try:
            await web.TCPSite(self._runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            await self._runner.cleanup()
            raise UserError(
                f"Slack's endpoint cannot be served at {host}:{port} ({error.strerror or type(error).__name__}): "
                "choose another http_host or http_port in [slack]."
            ) from error
        addresses = self._runner.addresses
        if addresses:
            self.port = int(addresses[0][1])
        self._ready = True
        log.info("slack endpoint served", host=host, port=self.port)

    async def connected(self) -> bool:
        """Whether events can come."""
        return self._ready

    async def stop(self) -> None:
        """Serve no longer; requests that are being answered are answered."""
        self._ready = False
        await self._runner.cleanup()

    async def _attend(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if not self._is_signed(body, request):
            if _is_check(body, request):
                return web.Response()
            return web.json_response({"error": "invalid request"}, status=401)
        if request.content_type == "application/json":
            said = _read(body)
            if not isinstance(said, dict):
                return web.json_response({"error": "no event"}, status=400)
            if await self._door.take(cast("dict[str, Any]", said)):
                return web.Response()
        response = await self._app.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(response)

    def _is_signed(self, body: bytes, request: web.Request) -> bool:
        """Whether Slack sent it, and lately."""
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        try:
            return self._verifier.is_valid(body, timestamp, signature)
        except (TypeError, ValueError):
            # A time that is no number, a signature or a body that is no text.
            return False

    async def _health(self, request: web.Request) -> web.StreamResponse:
        """The process lives."""
        return web.json_response({"status": "ok"})

    async def _readiness(self, request: web.Request) -> web.StreamResponse:
        """It can answer."""
        ready = self._ready and await self._healthy()
        return web.json_response({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)


def _is_check(body: bytes, request: web.Request) -> bool:
    """Whether Slack looks at our certificate, which it does without a signature and wants to have confirmed."""
    if request.content_type != "application/x-www-form-urlencoded":
        return False
    return parse_qs(body.decode("utf-8", "replace")).get("ssl_check") == ["1"]


def _read(body: bytes) -> object:
    """What is said in JSON; nothing where it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def no_socket(error: str) -> str:
    """Why socket mode does not work, and what to do."""
    if error in ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive"):
        return (
            "Slack does not take the app token: set SLACK_APP_TOKEN to one (xapp-…) made under Basic Information, "
            "App-Level Tokens, with the scope connections:write."
        )
    if error in ("missing_scope", "no_permission"):
        return "The app token lacks the scope connections:write: make a new one under App-Level Tokens."
    return f"Slack opens no socket ({error}): is Socket Mode switched on in the app's settings?"
