"""Who is let in from Slack, and what is taken off bolt's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.request.internals import extract_team_id
from slack_bolt.response import BoltResponse

from adapters.platforms.slack.people import People

log = structlog.get_logger()

# Slack asks whether an address is ours, of no workspace in particular.
_HANDSHAKE = "url_verification"

Body = Mapping[str, Any]
Authorize = Callable[[str | None], Awaitable[AuthorizeResult | None]]
Taker = Callable[[Body, Body], Awaitable[None]]


class Door(AsyncMiddleware):
    """Takes in what people say, and turns away what is of a workspace that nobody speaks for.

    bolt makes a context for each event, with a client of its own, asks each of its listeners whether it cares, and
    gathers for them what they may want to know. Messages are by far the most of what comes, those that we posted
    ourselves among them, and Slack waits to hear that they came: they are taken in before bolt sees them. All else
    passes here as bolt's middleware: bolt would tell people of another workspace to install the app again, and would
    hand on that it was put out of a workspace, or that its tokens were taken back, without asking whose.
    """

    def __init__(self, authorize: Authorize, people: People) -> None:
        self._authorize = authorize
        self._people = people
        self._takers: dict[str, Taker] = {}
        self._handed: set[asyncio.Task[None]] = set()

    def hand(self, kind: str, taker: Taker) -> None:
        """Give events of this kind to ``taker``, with the body around them; ours are not given to it."""
        self._takers[kind] = taker

    async def take(self, body: dict[str, Any]) -> bool:
        """Take in an event that Slack signed, or sent over our socket; whether it is one that bolt need not see."""
        event = cast("Body | None", body.get("event"))
        taker = self._takers.get(str(event.get("type"))) if isinstance(event, dict) else None
        if event is None or taker is None or await self._authorize(extract_team_id(body)) is None:
            return False
        if not self._people.is_own(event.get("user"), event.get("bot_id")):
            task = asyncio.ensure_future(taker(event, body))
            self._handed.add(task)
            task.add_done_callback(self._handed.discard)
        return True

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Let a request in, or turn it away."""
        body = cast("Body", req.body)
        if body.get("type") == _HANDSHAKE or await self._authorize(req.context.team_id) is not None:
            return await next()
        event = cast("object", body.get("event"))
        kind = cast("Body", event).get("type") if isinstance(event, dict) else None
        kind = str(kind or body.get("type") or body.get("command") or "")
        log.warning("event of another workspace refused", team=req.context.team_id, kind=kind)
        if req.mode == "socket_mode":
            # A socket knows no refusal: what is not acknowledged comes again.
            return BoltResponse(status=200, body="")
        return BoltResponse(status=403, body="", headers={"X-Slack-No-Retry": "1"})
