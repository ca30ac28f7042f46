"""The Web API: what every method has in common, and the methods' registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from tests.servers.slack import faults
from tests.servers.slack.errors import Refused, invalid
from tests.servers.slack.ids import Json
from tests.servers.slack.scopes import METHODS as SCOPES

if TYPE_CHECKING:
    from tests.servers.slack.messages import Message
    from tests.servers.slack.server import SlackServer
    from tests.servers.slack.teams import Channel, Team, User

DROPPED = "X-Dropped"
OPEN = {"oauth.v2.access", "api.test"}
APP_LEVEL = {"apps.connections.open"}


@dataclass(slots=True)
class Call:
    """One call of a method by the app in a workspace."""

    world: SlackServer
    team: Team
    method: str
    arguments: Json

    def text(self, name: str, *, required: bool = False) -> str:
        """A text, empty where it is not given."""
        value = self.arguments.get(name)
        if required and value in (None, ""):
            raise invalid("invalid_arguments", f"missing required field: {name}")
        return "" if value is None else str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes or no."""
        value = self.arguments.get(name)
        return default if value is None else str(value).lower() in ("1", "true", "yes")

    def number(self, name: str, default: int) -> int:
        """A number."""
        value = self.arguments.get(name)
        try:
            return default if value in (None, "") else int(str(value))
        except ValueError:
            raise invalid("invalid_arguments", f"{name} is not a number") from None

    def json(self, name: str, error: str = "invalid_arguments") -> Any:
        """A structure, which forms carry as JSON in a text."""
        value = self.arguments.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refused(error) from None

    def channel(self, name: str = "channel", *, member: bool = True) -> Channel:
        """The channel that is named; somebody's id stands for the direct messages with them."""
        key = self.text(name)
        found = self.team.channels.get(key)
        if found is None and (user := self.team.users.get(key)) is not None and not user.is_bot:
            found = self.team.direct(user)
        if found is None:
            named = (one for one in self.team.channels.values() if one.name == key.lstrip("#"))
            found = next(named, None) if key.startswith("#") else None
        if found is None or (found.private and self.team.bot.id not in found.members):
            raise Refused("channel_not_found")
        if member and self.team.bot.id not in found.members:
            raise Refused("not_in_channel")
        return found

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """The message of this time."""
        found = channel.messages.get(self.text(name))
        if found is None or found.deleted or found.ephemeral_for is not None:
            raise Refused("message_not_found")
        return found

    def user(self, name: str = "user", error: str = "user_not_found") -> User:
        """The user who is named."""
        found = self.team.users.get(self.text(name))
        if found is None:
            raise Refused(error)
        return found

    def needs(self, *scopes: str) -> None:
        """Refuse unless the app has one of these scopes."""
        if not any(scope in self.world.scopes for scope in scopes):
            provided = ",".join(sorted(self.world.scopes))
            raise Refused("missing_scope", needed=",".join(scopes), provided=provided)

    def page(self, found: list[Any], default: int = 100) -> tuple[list[Any], Json]:
        """The part of a list that is asked for, with the cursor of the next."""
        begin = int(self.text("cursor").removeprefix("at-") or 0)
        most = min(self.number("limit", default) or default, 999)
        rest = begin + most < len(found)
        return found[begin : begin + most], {"next_cursor": f"at-{begin + most}" if rest else ""}


Handler = Callable[[Call], Json]
METHODS: dict[str, Handler] = {}


def method(name: str) -> Callable[[Handler], Handler]:
    """Register what a method does."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = handler
        return handler

    return register


class Api:
    """Serves ``/api/<method>``."""

    def __init__(self, world: SlackServer) -> None:
        self.world = world
        from tests.servers.slack import methods

        methods.routes(world)
        world.application.router.add_route("*", "/api/{method}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        self.world.calls[name] += 1
        fault = self.world.faults.strike(name)
        if fault is not None and fault.kind == faults.CLOSE:
            return _drop(request)
        if fault is not None and fault.kind == faults.HOLD:
            await fault.hold()
        if fault is not None and fault.kind == faults.ANSWER:
            return _broken(fault)
        answer = await self._answer(name, request)
        if fault is not None and fault.kind == faults.LOSE:
            return _drop(request)
        self.world.changed()
        return answer

    async def _answer(self, name: str, request: web.Request) -> web.Response:
        handler = METHODS.get(name)
        if handler is None:
            self.world.unknown_methods.append(name)
            return _json({"ok": False, "error": "unknown_method", "req_method": name})
        arguments = await _arguments(request)
        try:
            team = self._team(name, request, arguments)
            call = Call(self.world, team, name, arguments)
            if scopes := SCOPES.get(name):
                call.needs(*scopes)
            if wait := self.world.limits.wait(name, team.id, call.text("channel")):
                return _json({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(wait)})
            body = {"ok": True} | handler(call)
        except Refused as refused:
            body: Json = {"ok": False, "error": refused.error} | refused.more
        return _json(body, 200, {"x-oauth-scopes": ",".join(sorted(self.world.scopes))})

    def _team(self, name: str, request: web.Request, arguments: Json) -> Team:
        world = self.world
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        token = str(arguments.pop("token", "") or bearer)
        if name in OPEN:
            return world.team()
        if not token:
            raise Refused("not_authed")
        if token == world.app_token:
            if name not in APP_LEVEL and name != "auth.test":
                raise Refused("not_allowed_token_type")
            if "connections:write" not in world.app_scopes:
                provided = ",".join(world.app_scopes)
                raise Refused("missing_scope", needed="connections:write", provided=provided)
            return world.team()
        team = next((one for one in world.teams.values() if one.token == token), None)
        if team is None:
            raise Refused("invalid_auth")
        if not team.installed:
            raise Refused("account_inactive")
        if name in APP_LEVEL:
            raise Refused("not_allowed_token_type")
        return team


async def _arguments(request: web.Request) -> Json:
    found: Json = dict(request.query)
    if request.method == "GET":
        return found
    if request.content_type == "application/json":
        raw = await request.read()
        body = orjson.loads(raw) if raw else {}
        return found | body
    return found | dict(await request.post())


def _broken(fault: faults.Fault) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    if fault.status >= 500:
        return web.Response(status=fault.status, text="upstream request timeout", headers=headers)
    return _json({"ok": False, "error": fault.error or "fatal_error"}, fault.status, headers)


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499, headers={DROPPED: "1"})


def _json(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    raw = orjson.dumps(body)
    return web.Response(
        body=raw, status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
