"""Whether Slack is set up: what is missing, in one sentence each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platforms.base import UserError
from adapters.platforms.slack.client import APPS, UNCONNECTED, UNSIGNED, identify, make_client, make_session
from adapters.platforms.slack.manifest import EVENTS, SCOPES
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.sending import error_code
from adapters.platforms.slack.tempo import Tempo
from adapters.platforms.slack.transport import no_socket

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """What only the environment holds."""

    bot: str = field(repr=False)
    app: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)


async def probe(options: Options, tokens: Tokens) -> Sequence[tuple[bool, str]]:
    """Log in and look around; what is right and what is not."""
    try:
        async with asyncio.timeout(_SECONDS), make_session(Tempo()) as session:
            client = make_client(tokens.bot, options, session)
            return [*await _bot(client), await _transport(client, options, tokens)]
    except SlackApiError as error:
        return [(False, f"Slack declines ({error_code(error)}).")]
    except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
        return [(False, f"Slack cannot be reached ({type(error).__name__}).")]


async def _bot(client: AsyncWebClient) -> Sequence[tuple[bool, str]]:
    try:
        identity, scopes = await identify(client)
    except UserError as error:
        return [(False, str(error))]
    found = [(True, f"Slack knows the bot token: it is {identity.name} in {identity.team_name}.")]
    if not scopes:
        return [*found, (True, "Slack does not say which scopes the token has.")]
    lacking = [scope for scope in SCOPES if scope not in scopes]
    if not lacking:
        return [*found, (True, "Every scope is there.")]
    return [*found, *((False, _without(scope)) for scope in lacking)]


def _without(scope: str) -> str:
    """What a scope is missing for, and how it is had."""
    silent = [event for event, needed in EVENTS.items() if scope in needed]
    events = f" (events {', '.join(silent)})" if silent else ""
    return (
        f"The scope {scope} is missing, without which the avatar cannot {SCOPES[scope]}{events}: add it under OAuth & "
        f"Permissions on {APPS} and install the app again."
    )


async def _transport(client: AsyncWebClient, options: Options, tokens: Tokens) -> tuple[bool, str]:
    if options.transport == "http":
        if not tokens.signing_secret:
            return False, UNSIGNED
        return True, f"Slack's requests are awaited at {options.http_host}:{options.http_port}/slack/events."
    if not tokens.app:
        return False, UNCONNECTED
    try:
        await client.apps_connections_open(app_token=tokens.app)
    except SlackApiError as error:
        return False, no_socket(error_code(error))
    return True, "Slack knows the app token: it opens sockets."
