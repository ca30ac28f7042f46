"""The addresses that come with interactions: five answers within half an hour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from tests.servers.slack import faults
from tests.servers.slack.blocks import checked
from tests.servers.slack.errors import Refused
from tests.servers.slack.ids import Json
from tests.servers.slack.interactions import USES

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer

NAME = "response_url"


class Responses:
    """Serves them."""

    def __init__(self, world: SlackServer) -> None:
        self._world = world
        world.application.router.add_post("/_response/{team}/{key}", self._respond)

    async def _respond(self, request: web.Request) -> web.Response:
        world = self._world
        world.calls[NAME] += 1
        fault = world.faults.strike(NAME)
        if fault is not None and fault.kind == faults.ANSWER:
            return web.Response(status=fault.status if fault.status != 200 else 500, text=fault.error)
        asked = world.responses.get(request.match_info["key"])
        if asked is None:
            return _wrong(404, "no_such_url")
        if time.monotonic() > asked.expires_at:
            return _wrong(404, "expired_url")
        if asked.used >= USES:
            return _wrong(404, "used_url")
        body: Json = await request.json()
        try:
            body["blocks"] = checked(body.get("blocks"), world.ids)
        except Refused as refused:
            return _wrong(400, refused.error)
        if not (body.get("text") or body["blocks"] or body.get("attachments") or body.get("delete_original")):
            return _wrong(500, "no_text")
        asked.used += 1
        asked.says(body)
        return web.json_response({"ok": True})


def _wrong(status: int, error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=status)
