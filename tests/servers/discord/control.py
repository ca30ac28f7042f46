"""The control endpoint of a server in a process of its own: what a benchmark or another process asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from tests.servers.discord.faults import CLOSE, LOSE
from tests.servers.discord.ids import Json
from tests.servers.discord.load import Driver, Load
from tests.servers.discord.people import Person

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel
    from tests.servers.discord.server import DiscordServer


class Control:
    """Serves ``/_control`` for one world with one guild."""

    def __init__(self, world: DiscordServer, *, guild: str, channel: str) -> None:
        self._world = world
        self._guild = world.guild(guild)
        self._guild.channel(channel)
        self._driver: Driver | None = None
        router = world.application.router
        router.add_get("/_control/ready", self._ready)
        router.add_get("/_control/stats", self._stats)
        router.add_get("/_control/transcript", self._transcript)
        router.add_get("/_control/finals", self._finals)
        router.add_post("/_control/messages", self._says)
        router.add_post("/_control/load", self._load)
        router.add_post("/_control/drop", self._drop)
        router.add_post("/_control/faults", self._faults)
        router.add_post("/_control/limits", self._limits)

    async def _ready(self, request: web.Request) -> web.Response:
        """Wait until the bot is connected."""
        try:
            await self._world.connected(float(request.query.get("timeout", 30)))
        except AssertionError:
            return _json({"connected": False}, 504)
        return _json({"connected": True})

    async def _stats(self, _: web.Request) -> web.Response:
        world, gateway = self._world, self._world.gateway
        found: Json = {
            "bot": str(world.bot.id),
            "guilds": {guild.name: str(guild.id) for guild in world.guilds.values()},
            "channels": {channel.name: str(channel.id) for channel in world.channels.values()},
            "calls": dict(world.calls),
            "refused": dict(world.limits.refused),
            "unknown_routes": world.unknown_routes,
            "commands_registered": len(world.commands.overwrites),
            "connected": gateway.connected,
            "identified": gateway.identified,
            "resumed": gateway.resumed,
            "heartbeats": gateway.heartbeats,
        }
        return _json(found)

    async def _transcript(self, request: web.Request) -> web.Response:
        return web.Response(text=self._channel(request.query.get("channel", "")).transcript())

    async def _finals(self, request: web.Request) -> web.Response:
        """What the bot says in a channel now, with what it replied to and how often it was edited."""
        found: list[Json] = [
            {
                "id": str(message.id),
                "content": message.shown,
                "reply_to": None if message.reference is None else str(message.reference.id),
                "edits": len(message.revisions),
                "buttons": message.labels,
            }
            for message in self._channel(request.query.get("channel", "")).of(self._world.bot)
        ]
        return _json(found)

    async def _says(self, request: web.Request) -> web.Response:
        """Let somebody say something: ``author``, ``channel``, ``text``, ``mention`` and ``reply_to``."""
        body = await request.json()
        channel = self._channel(body.get("channel", ""))
        reply_to = channel.messages.get(int(body["reply_to"])) if body.get("reply_to") else None
        message = await self._person(body.get("author", "Ada")).says(
            channel,
            body.get("text", ""),
            mention=self._world.bot if body.get("mention", True) else None,
            reply_to=reply_to,
        )
        return _json({"id": str(message.id)})

    async def _load(self, request: web.Request) -> web.Response:
        """Run a load and answer with its times; the fields are those of ``Load``."""
        body = await request.json()
        if self._driver is None:
            self._driver = Driver(self._world)
        return _json(await self._driver.run(Load(**body)))

    async def _drop(self, _: web.Request) -> web.Response:
        self._world.drop_sockets()
        return _json({})

    async def _faults(self, request: web.Request) -> web.Response:
        """Break what matches: ``status``, or ``close`` or ``lose``, with ``method``, ``path``, ``times``, ``every``."""
        body = await request.json()
        kind = body.pop("kind", None)
        if kind in (CLOSE, LOSE):
            getattr(self._world.faults, kind)(**body)
        else:
            self._world.faults.answer(**body)
        return _json({})

    async def _limits(self, request: web.Request) -> web.Response:
        """Limit as Discord does, or one ``route`` to ``limit`` requests in ``per`` seconds."""
        body = await request.json()
        if body:
            self._world.limits.limit(body["route"], int(body["limit"]), float(body["per"]))
        else:
            self._world.limits.real()
        return _json({})

    def _channel(self, name: str) -> Channel:
        known = list(self._world.channels.values())
        found = next((one for one in known if name in (one.name, str(one.id))), None)
        return found or next(iter(self._guild.channels.values()))

    def _person(self, name: str) -> Person:
        for member in self._guild.members.values():
            if member.user.display == name and isinstance(member.user, Person):
                return member.user
        return self._guild.member(name)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
