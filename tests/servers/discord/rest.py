"""The REST side: what each request goes through, from the connection to the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from multidict import MultiMapping

from tests.servers.discord import errors
from tests.servers.discord.errors import Refusal
from tests.servers.discord.faults import CLOSE, HOLD, LOSE
from tests.servers.discord.ids import Json

if TYPE_CHECKING:
    from tests.servers.discord.server import DiscordServer

API = "/api/v10"
DROPPED = "X-Dropped"  # marks in the recording what never arrived
MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")
Answer = tuple[int, Any]
Handler = Callable[["Call"], Answer]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart request."""

    field: str
    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read."""

    world: DiscordServer
    params: dict[str, str]
    query: MultiMapping[str]
    body: Any
    uploads: Sequence[Upload]

    @property
    def json(self) -> Json:
        """The body, where it is an object."""
        return self.body if isinstance(self.body, dict) else {}

    def number(self, name: str) -> int:
        """An id out of the path."""
        return int(self.params[name])


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, as the API's reference writes them, and what answers."""

    method: str
    path: str
    handler: Handler
    needs_token: bool = True


class Rest:
    """Serves routes under ``/api/v10`` for one world."""

    def __init__(self, world: DiscordServer, routes: Sequence[Route]) -> None:
        self._world = world
        router = world.application.router
        for route in routes:
            path = re.sub(r"\{(\w+_id)\}", r"{\1:\\d+}", route.path)
            router.add_route(route.method, API + path, self._handler(route))
        router.add_route("*", "/api/{rest:.*}", self._unknown)
        router.add_get("/cdn/attachments/{channel}/{key}/{name}", self._file)

    def _handler(self, route: Route) -> Callable[[web.Request], Any]:
        world, key = self._world, f"{route.method} {route.path}"

        async def serve(request: web.Request) -> web.Response:
            world.calls[key] += 1
            fault = (
                world.faults.strike(request.method, request.path.removeprefix(API))
                if world.faults.all
                else None
            )
            if fault is not None and fault.kind == HOLD:
                await fault.hold()
            if fault is not None and fault.kind == CLOSE:
                return _abort(request)
            if fault is not None and isinstance(fault.kind, int):
                if not fault.cloudflare:
                    return _answer(fault.kind, fault.body(), fault.headers())
                page = f"<html><h1>{fault.kind}</h1></html>"
                return web.Response(
                    status=fault.kind, text=page, content_type="text/html", headers=fault.headers()
                )
            params = dict(request.match_info)
            if route.needs_token and request.headers.get("Authorization") != f"Bot {world.token}":
                return _answer(401, errors.UNAUTHORIZED.body, {})
            major = "+".join(params[name] for name in MAJOR if name in params)
            verdict = world.limits.take(key, major, exempt="/interactions/" in route.path)
            if verdict.retry_after:
                return _answer(429, verdict.body, verdict.headers)
            try:
                body, uploads = _read(request.headers.get("Content-Type", ""), await request.read())
                status, found = route.handler(Call(world, params, request.query, body, uploads))
            except Refusal as refusal:
                refusal.__traceback__ = None
                status, found = refusal.status, refusal.body
            if fault is not None and fault.kind == LOSE:
                return _abort(request)
            return _answer(status, found, verdict.headers)

        return serve

    async def _unknown(self, request: web.Request) -> web.Response:
        self._world.unknown_routes.append(f"{request.method} {request.path}")
        return _answer(404, errors.NOT_FOUND.body, {})

    async def _file(self, request: web.Request) -> web.Response:
        file = self._world.files.get(int(request.match_info["key"]))
        if file is None or file.expired:
            return web.Response(status=404, text="This content is no longer available.")
        kind = (file.content_type or "application/octet-stream").split(";")[0]
        return web.Response(body=file.data, content_type=kind)


def _answer(status: int, body: Any, headers: dict[str, str]) -> web.Response:
    if body is None:
        return web.Response(status=status, headers=headers)
    # Clients compare the content type as a whole: no character set may follow.
    return web.Response(
        status=status, body=orjson.dumps(body), headers=headers, content_type="application/json"
    )


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500, headers={DROPPED: "1"})


def _read(content_type: str, raw: bytes) -> tuple[Any, Sequence[Upload]]:
    if not raw:
        return None, ()
    try:
        if not content_type.startswith("multipart/"):
            return orjson.loads(raw), ()
        body: Any = {}
        uploads: list[Upload] = []
        for field, name, kind, data in _parts(content_type, raw):
            if field == "payload_json":
                body = orjson.loads(data)
            elif name is not None:
                uploads.append(Upload(field, name, kind, data))
    except ValueError as error:
        raise Refusal(400, 50109, "The request body contains invalid JSON.") from error
    return body, uploads


def _parts(content_type: str, raw: bytes) -> list[tuple[str, str | None, str, bytes]]:
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    found: list[tuple[str, str | None, str, bytes]] = []
    for chunk in raw.split(boundary)[1:-1]:
        head, _, data = chunk.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace")
        named = re.search(r'[; ]name="([^"]*)"', lines)
        file = re.search(r'filename="([^"]*)"', lines)
        kind = re.search(r"(?i)content-type: *([^\r\n]+)", lines)
        found.append(
            (
                named[1] if named else "",
                file[1] if file else None,
                kind[1] if kind else "application/octet-stream",
                data.removesuffix(b"\r\n"),
            )
        )
    return found
