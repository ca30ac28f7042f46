"""What every request from Slack passes once bolt has checked its signature."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from adapters.platforms.slack.people import People

log = structlog.get_logger()

# Slack asks whether an address is ours, of no workspace in particular.
_HANDSHAKE = "url_verification"

Body = Mapping[str, Any]
Authorize = Callable[[str | None], Awaitable[AuthorizeResult | None]]
Taker = Callable[[Body, Body], Awaitable[None]]


class Door(AsyncMiddleware):
    """Turns away what is of a workspace that nobody speaks for, and takes in what people say.

    bolt would tell people of another workspace to install the app again, and hands on that it was put out of a workspace, or
    its tokens were taken back, without asking whose. It would ask each of its listeners about each message, and about those
    that we posted ourselves, and gather for each of them what a listener may want to know; messages are by far the most of
    what comes, so they are acknowledged and handed over here.
    """

    def __init__(self, authorize: Authorize, people: People) -> None:
        self._authorize = authorize
        self._people = people
        self._takers: dict[str, Taker] = {}
        self._handed: set[asyncio.Task[None]] = set()

    def hand(self, kind: str, taker: Taker) -> None:
        """Give events of this kind to ``taker``, with the body around them; ours are not given to it."""
        self._takers[kind] = taker

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Let a request in, turn it away, or take it off bolt's hands."""
        body = cast("Body", req.body)
        if body.get("type") == _HANDSHAKE:
            return await next()
        event = cast("Body", body.get("event") or {})
        if await self._authorize(req.context.team_id) is None:
            kind = str(event.get("type") or body.get("type") or body.get("command") or "")
            log.warning("event of another workspace refused", team=req.context.team_id, kind=kind)
            if req.mode == "socket_mode":
                # A socket knows no refusal: what is not acknowledged comes again.
                return BoltResponse(status=200, body="")
            return BoltResponse(status=403, body="", headers={"X-Slack-No-Retry": "1"})
        taker = self._takers.get(str(event.get("type") or ""))
        if taker is None:
            return await next()
        if not self._people.is_own(event.get("user"), event.get("bot_id")):
            task = asyncio.ensure_future(taker(event, body))
            self._handed.add(task)
            task.add_done_callback(self._handed.discard)
        return BoltResponse(status=200, body="")
