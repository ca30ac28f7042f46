"""The control endpoint of a server in a process of its own: what a benchmark or another process asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from tests.servers.slack.ids import Json
from tests.servers.slack.load import Driver, Load
from tests.servers.slack.people import Member

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer
    from tests.servers.slack.teams import Channel


class Control:
    """Serves ``/_control`` for the first workspace of a world."""

    def __init__(self, world: SlackServer, *, channel: str) -> None:
        self._world = world
        self._team = world.team()
        self._first = self._team.channel(channel)
        self._driver: Driver | None = None
        router = world.application.router
        router.add_get("/_control/ready", self._ready)
        router.add_get("/_control/stats", self._stats)
        router.add_get("/_control/transcript", self._transcript)
        router.add_get("/_control/finals", self._finals)
        router.add_post("/_control/messages", self._says)
        router.add_post("/_control/load", self._load)
        router.add_post("/_control/endpoint", self._endpoint)
        router.add_post("/_control/drop", self._drop)
        router.add_post("/_control/disconnect", self._disconnect)
        router.add_post("/_control/faults", self._faults)
        router.add_post("/_control/limits", self._limits)
        router.add_post("/_control/modes", self._modes)

    async def _ready(self, request: web.Request) -> web.Response:
        """Wait until the app is connected."""
        try:
            await self._world.connected(float(request.query.get("timeout", 30)))
        except AssertionError:
            return _json({"connected": False}, 504)
        return _json({"connected": True})

    async def _stats(self, _: web.Request) -> web.Response:
        world = self._world
        return _json(
            {
                "bot": world.bot.id,
                "team": self._team.id,
                "channels": {one.name: one.id for one in world.channels.values()},
                "calls": dict(world.calls),
                "refused": dict(world.limits.refused),
                "unknown_methods": world.unknown_methods,
                "connections": len(world.sockets.all),
                "opened": world.sockets.opened,
                "pending": len(world.deliveries.pending),
                "redelivered": world.deliveries.acks.redelivered,
                "given_up": len(world.deliveries.acks.lost),
            }
        )

    async def _transcript(self, request: web.Request) -> web.Response:
        return web.Response(text=self._channel(request.query.get("channel", "")).transcript())

    async def _finals(self, request: web.Request) -> web.Response:
        """What the bot says in a channel now, with its thread and how often it was changed."""
        found: list[Json] = [
            {
                "ts": one.ts,
                "thread_ts": one.thread_ts,
                "content": one.shown,
                "edits": len(one.revisions),
                "streaming": one.streaming,
                "buttons": one.labels,
            }
            for one in self._channel(request.query.get("channel", "")).of(self._world.bot)
        ]
        return _json(found)

    async def _says(self, request: web.Request) -> web.Response:
        """Let somebody say something: ``author``, ``channel``, ``text``, ``mention`` and ``thread``."""
        body = await request.json()
        message = await self._person(body.get("author", "Ada")).says(
            self._channel(body.get("channel", "")),
            body.get("text", ""),
            mention=self._world.bot if body.get("mention", True) else None,
            thread=body.get("thread"),
        )
        return _json({"ts": message.ts, "channel": message.channel.id})

    async def _load(self, request: web.Request) -> web.Response:
        """Run a load and answer with its times; the fields are those of ``Load``."""
        body = await request.json()
        if self._driver is None:
            self._driver = Driver(self._world)
        return _json(await self._driver.run(Load(**body)))

    async def _endpoint(self, request: web.Request) -> web.Response:
        """Deliver over HTTP to ``url`` from now on."""
        body = await request.json()
        return _json({"verified": await self._world.endpoint.use(body["url"])})

    async def _drop(self, _: web.Request) -> web.Response:
        self._world.drop_sockets()
        return _json({})

    async def _disconnect(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._world.disconnect(body.get("reason", "refresh_requested"))
        return _json({})

    async def _faults(self, request: web.Request) -> web.Response:
        """Break a ``method``: ``error``, or ``kind`` close or lose, with ``times``, ``every`` and ``retry_after``."""
        body = await request.json()
        kind = body.pop("kind", "answer")
        getattr(self._world.faults, {"close": "close", "lose": "lose"}.get(kind, "answer"))(**body)
        return _json({})

    async def _limits(self, request: web.Request) -> web.Response:
        """Limit as Slack does, or one ``method`` to ``calls`` in ``per`` seconds, perhaps ``by_channel``."""
        body = await request.json()
        if body:
            self._world.limits.limit(**body)
        else:
            self._world.limits.real()
        return _json({})

    async def _modes(self, request: web.Request) -> web.Response:
        """How events are delivered: ``twice``, ``unacked_every``."""
        body = await request.json()
        self._world.deliveries.twice = bool(body.get("twice", False))
        self._world.deliveries.unacked_every = int(body.get("unacked_every", 0))
        return _json({})

    def _channel(self, name: str) -> Channel:
        known = self._world.channels.values()
        return next((one for one in known if name in (one.name, one.id)), self._first)

    def _person(self, name: str) -> Member:
        for user in self._team.users.values():
            if user.name == name and isinstance(user, Member):
                return user
        return self._team.member(name)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
