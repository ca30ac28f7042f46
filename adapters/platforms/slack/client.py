"""Slack's own client as we want it: one session, quiet, and without retries of its own, which would say things twice."""

from __future__ import annotations

from typing import Any, cast

import aiohttp
import orjson
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.platforms.base import UserError
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.places import Identity
from adapters.platforms.slack.sending import error_code
from adapters.platforms.slack.tempo import Tempo
from adapters.platforms.slack.transport import QUIET

APPS = "https://api.slack.com/apps"
_WRONG = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
    }
)
_CONNECTIONS = 256


def make_session(tempo: Tempo) -> aiohttp.ClientSession:
    """The one session of everything that is asked of Slack."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=tempo.call),
        json_serialize=lambda said: orjson.dumps(said).decode(),
    )


def make_client(token: str, options: Options, session: aiohttp.ClientSession) -> AsyncWebClient:
    """A client that speaks for this token."""
    address: dict[str, Any] = {"base_url": api_address(options.api_url)} if options.api_url else {}
    return AsyncWebClient(token=token, session=session, logger=QUIET, retry_handlers=[], **address)


def api_address(url: str) -> str:
    """An address of the Web API, as the client joins names of methods to it."""
    url = url.rstrip("/")
    return f"{url}/" if url.endswith("/api") else f"{url}/api/"


async def identify(client: AsyncWebClient) -> tuple[Identity, frozenset[str]]:
    """Who the token makes us, and what it allows. Raises ``UserError`` for a token that makes us nobody."""
    try:
        response = await client.auth_test()
    except SlackApiError as error:
        if error_code(error) in _WRONG:
            raise UserError(WRONG_TOKEN) from error
        raise
    told = cast("dict[str, Any]", response.data)
    if not told.get("bot_id"):
        raise UserError(WRONG_TOKEN)
    identity = Identity(
        str(told["team_id"]),
        str(told.get("team") or ""),
        str(told["user_id"]),
        str(told["bot_id"]),
        str(told.get("user") or ""),
        str(told.get("enterprise_id") or ""),
    )
    return identity, _scopes(response)


def _scopes(response: AsyncSlackResponse) -> frozenset[str]:
    headers = cast("Any", response.headers)
    for name, value in headers.items():
        if str(name).lower() == "x-oauth-scopes":
            return frozenset(each.strip() for each in str(value).split(",") if each.strip())
    return frozenset()


WRONG_TOKEN = (
    "Slack does not take the bot token: set SLACK_BOT_TOKEN to the one (xoxb-…) under OAuth & Permissions of your app on "
    f"{APPS}."
)
UNSIGNED = (
    "Slack's signing secret is missing: set SLACK_SIGNING_SECRET to the one under Basic Information, or transport in "
    "[slack] to socket."
)
UNCONNECTED = (
    "Slack's app token is missing: set SLACK_APP_TOKEN to one (xapp-…) made under Basic Information, App-Level Tokens, or "
    "transport in [slack] to http."
)
