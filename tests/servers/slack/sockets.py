"""Socket mode: connections that the app opens, and envelopes that it acknowledges."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import WSMsgType, web

from tests.servers.slack.deliveries import EVENTS, Delivery
from tests.servers.slack.ids import Json

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer

MOST = 10


class Socket:
    """One connection."""

    def __init__(self, sockets: Sockets, request: web.Request, ws: web.WebSocketResponse) -> None:
        self._sockets = sockets
        self._request = request
        self.ws = ws
        self.unacked: dict[str, Delivery] = {}
        self.leaving = False
        self._out: asyncio.Queue[bytes] = asyncio.Queue()

    def write(self, message: Json) -> None:
        """Send a message after those before it."""
        self._out.put_nowait(orjson.dumps(message))

    def carry(self, delivery: Delivery) -> None:
        """Send something in an envelope."""
        key = secrets.token_hex(16)
        self.unacked[key] = delivery
        envelope: Json = {
            "envelope_id": key,
            "payload": delivery.payload,
            "type": delivery.kind,
            "accepts_response_payload": delivery.kind != EVENTS,
        }
        if delivery.kind == EVENTS:
            envelope |= {"retry_attempt": delivery.attempt, "retry_reason": delivery.reason}
        self.write(envelope)
        deliveries = self._sockets.world.deliveries
        deliveries.later(deliveries.deadline_s, lambda: self._late(key))

    def drop(self) -> None:
        """Break the connection without a word."""
        self.leaving = True
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> None:
        """Serve until the connection ends."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self.ws:
                if message.type == WSMsgType.TEXT:
                    self._read(orjson.loads(message.data))
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            left, self.unacked = self.unacked, {}
            for delivery in left.values():
                self._sockets.world.deliveries.failed(delivery, "connection_failed")

    async def _write(self) -> None:
        try:
            while True:
                await self.ws.send_str((await self._out.get()).decode())
        except ConnectionError:
            return

    def _read(self, message: Json) -> None:
        acks = self._sockets.world.deliveries.acks
        delivery = self.unacked.pop(str(message.get("envelope_id")), None)
        if delivery is None:
            acks.bad.append(message)
            return
        payload: Any = message.get("payload")
        if payload and delivery.kind == EVENTS:
            acks.bad.append(message)
        self._sockets.world.deliveries.acked(delivery, payload)

    def _late(self, key: str) -> None:
        delivery = self.unacked.pop(key, None)
        if delivery is not None:
            self._sockets.world.deliveries.failed(delivery, "timeout")


class Sockets:
    """Every connection of the app; what there is to send goes to one after the other."""

    def __init__(self, world: SlackServer) -> None:
        self.world = world
        self.all: list[Socket] = []
        self.opened = 0
        self._tickets: set[str] = set()
        self._turn = itertools.count()
        world.application.router.add_get("/link/", self._link)

    def url(self) -> str:
        """An address that is good for one connection."""
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return f"ws{self.world.url.removeprefix('http')}/link/?ticket={ticket}&app_id={self.world.app_id}"

    def carry(self, delivery: Delivery) -> bool:
        """Send something over the connection whose turn it is."""
        ready = [one for one in self.all if not one.leaving and not one.ws.closed]
        if not ready:
            return False
        ready[next(self._turn) % len(ready)].carry(delivery)
        return True

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app to connect anew: ``warning``, ``refresh_requested`` or ``link_disabled``."""
        for socket in list(self.all):
            socket.write({"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}})
            socket.leaving = reason != "warning"

    def drop(self) -> None:
        """Break every connection without a word."""
        for socket in list(self.all):
            socket.drop()

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="invalid ticket")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        socket = Socket(self, request, ws)
        if len(self.all) >= MOST:
            await ws.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await ws.close()
            return ws
        self.all.append(socket)
        self.opened += 1
        socket.write(
            {
                "type": "hello",
                "num_connections": len(self.all),
                "debug_info": {"host": "local", "build_number": 1, "approximate_connection_time": 18060},
                "connection_info": {"app_id": self.world.app_id},
            }
        )
        self.world.deliveries.flush()
        self.world.changed()
        try:
            await socket.run()
        finally:
            self.all.remove(socket)
            self.world.changed()
        return ws
