"""The gateway: a websocket for each shard of the bot, with sessions that outlive it."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import WSMsgType, web

from tests.servers.discord.broadcast import INTENTS, PRIVILEGED, Event
from tests.servers.discord.ids import Json

if TYPE_CHECKING:
    from tests.servers.discord.server import DiscordServer

HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
    10,
    11,
)
KEPT = 5000
CHUNK = 1000


class Session:
    """What the gateway knows of one identified shard; it goes on without a socket until it is resumed."""

    def __init__(self, intents: int, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard, self.shards = shard
        self.seq = 0
        self.kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self.socket: Socket | None = None
        self.presence: Json = {}

    @property
    def content(self) -> bool:
        """Whether messages come with what they say."""
        return bool(self.intents & INTENTS["MESSAGE_CONTENT"])

    def serves(self, guild: int | None) -> bool:
        """Whether this shard is the one for ``guild``; the first is for what belongs to none."""
        return ((guild >> 22) % self.shards if guild is not None else 0) == self.shard

    def dispatch(self, name: str, data: bytes) -> None:
        """Send an event, now or when the session is resumed."""
        self.seq += 1
        frame = b'{"op":0,"s":%d,"t":"%s","d":%s}' % (self.seq, name.encode(), data)
        self.kept.append((self.seq, frame))
        if self.socket is not None:
            self.socket.send(frame)


class Socket:
    """One websocket; frames go out in the order in which they were given."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request) -> None:
        self.ws = ws
        self.request = request
        self.session: Session | None = None
        self.closed_with: int | None = None
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        self._queue: asyncio.Queue[bytes | int] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def send(self, frame: bytes) -> None:
        """Queue a frame."""
        self._queue.put_nowait(frame)

    def send_op(self, op: int, data: Any = None) -> None:
        """Queue a frame that is no event."""
        self.send(orjson.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int) -> None:
        """Close the websocket with ``code`` after what is queued."""
        self.closed_with = code
        self._queue.put_nowait(code)

    def drop(self) -> None:
        """Break the connection as a network does: without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def end(self) -> None:
        """Stop writing."""
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            frame = await self._queue.get()
            try:
                if isinstance(frame, int):
                    await self.ws.close(code=frame)
                elif self._deflate is None:
                    await self.ws.send_str(frame.decode())
                else:
                    await self.ws.send_bytes(
                        self._deflate.compress(frame) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    )
            except ConnectionError:
                return


class Gateway:
    """All sessions and sockets of the bot."""

    def __init__(self, world: DiscordServer) -> None:
        self._world = world
        self.sessions: dict[str, Session] = {}
        self.sockets: list[Socket] = []
        self.identified = 0
        self.resumed = 0
        self.heartbeats = 0
        self.answers_heartbeats = True
        self.heartbeat_ms = 41_250
        world.listeners.append(self._publish)
        for path in ("/", "/gateway"):
            world.application.router.add_get(path, self._serve)

    @property
    def connected(self) -> bool:
        """Whether a session has a socket now."""
        return any(session.socket is not None for session in self.sessions.values())

    def _publish(self, event: Event) -> None:
        written: dict[bool, bytes] = {}
        for session in self.sessions.values():
            if session.intents & event.needs == event.needs and session.serves(event.guild):
                if session.content not in written:
                    written[session.content] = orjson.dumps(event.data(session.content))
                session.dispatch(event.name, written[session.content])

    def forget(self) -> None:
        """End all sessions: who resumes one must identify anew."""
        self.sessions.clear()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        fault = self._world.faults.strike("CONNECT", "/gateway")
        if fault is not None:
            return web.Response(status=fault.kind if isinstance(fault.kind, int) else 503)
        ws = web.WebSocketResponse(compress=False, max_msg_size=0)
        await ws.prepare(request)
        socket = Socket(ws, request)
        self.sockets.append(socket)
        socket.send_op(HELLO, {"heartbeat_interval": self.heartbeat_ms, "_trace": ["local"]})
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    self._hear(socket, message.data)
        finally:
            self.sockets.remove(socket)
            session = socket.session
            if session is not None and session.socket is socket:
                session.socket = None
                code = socket.closed_with or ws.close_code
                if code in (1000, 1001, 4007, 4009):
                    self.sessions.pop(session.id, None)
            await socket.end()
            self._world.changed()
        return ws

    def _hear(self, socket: Socket, text: str) -> None:
        try:
            frame: Json = orjson.loads(text)
            op: int = frame["op"]
            data: Any = frame.get("d")
        except (ValueError, KeyError, TypeError):
            return socket.close(4002)
        if op == HEARTBEAT:
            self.heartbeats += 1
            return socket.send_op(ACK) if self.answers_heartbeats else None
        if op == IDENTIFY:
            return self._identify(socket, data)
        if op == RESUME:
            return self._resume(socket, data)
        if socket.session is None:
            return socket.close(4003)
        if op == PRESENCE:
            socket.session.presence = data
            return self._world.changed()
        if op == MEMBERS:
            return self._members(socket.session, data)
        return None if op == VOICE else socket.close(4001)

    def _identify(self, socket: Socket, data: Json) -> None:
        world = self._world
        if socket.session is not None:
            return socket.close(4005)
        if str(data.get("token", "")).removeprefix("Bot ") != world.token:
            return socket.close(4004)
        intents = data.get("intents")
        if not isinstance(intents, int) or intents < 0:
            return socket.close(4013)
        if intents & PRIVILEGED & ~world.intents:
            return socket.close(4014)
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards:
            return socket.close(4010)
        self.identified += 1
        session = Session(intents, (shard, shards))
        session.presence = data.get("presence") or {}
        session.socket, socket.session = socket, session
        self.sessions[session.id] = session
        guilds = [guild for guild in world.guilds.values() if session.serves(guild.id)]
        ready: Json = {
            "v": 10,
            "user": world.bot.json() | {"verified": True, "mfa_enabled": False, "email": None},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": world.gateway_url,
            "session_type": "normal",
            "shard": [shard, shards],
            "application": {"id": str(world.bot.id), "flags": world.application_flags},
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "user_settings": {},
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "_trace": ["local"],
        }
        session.dispatch("READY", orjson.dumps(ready))
        if intents & INTENTS["GUILDS"]:
            for guild in guilds:
                session.dispatch("GUILD_CREATE", orjson.dumps(world.guild_create(guild, joined=False)))
        return world.changed()

    def _resume(self, socket: Socket, data: Json) -> None:
        session = self.sessions.get(str(data.get("session_id")))
        if str(data.get("token", "")).removeprefix("Bot ") != self._world.token:
            return socket.close(4004)
        seen = int(data.get("seq") or 0)
        if session is None or (session.kept and seen + 1 < session.kept[0][0]):
            return socket.send_op(INVALID, False)
        if seen > session.seq:
            return socket.close(4007)
        self.resumed += 1
        session.socket, socket.session = socket, session
        for seq, frame in session.kept:
            if seq > seen:
                socket.send(frame)
        session.dispatch("RESUMED", b'{"_trace":["local"]}')
        return self._world.changed()

    def _members(self, session: Session, data: Json) -> None:
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        query, limit, wanted = data.get("query"), int(data.get("limit") or 0), data.get("user_ids")
        if query == "" and not limit and not session.intents & INTENTS["GUILD_MEMBERS"]:
            if session.socket is not None:
                session.socket.close(4014)
            return
        members = list(guild.members.values())
        missing: list[str] = []
        if wanted is not None:
            keys = [str(key) for key in (wanted if isinstance(wanted, list) else [wanted])]
            members = [guild.members[int(key)] for key in keys if int(key) in guild.members]
            missing = [key for key in keys if int(key) not in guild.members]
        elif query:
            members = [m for m in members if (m.nick or m.user.name).lower().startswith(str(query).lower())]
        members = members[:limit] if limit else members
        chunks = [members[at : at + CHUNK] for at in range(0, len(members), CHUNK)] or [[]]
        for index, chunk in enumerate(chunks):
            found: Json = {"guild_id": str(guild.id), "members": [m.json() for m in chunk]}
            found |= {"chunk_index": index, "chunk_count": len(chunks), "not_found": missing}
            if data.get("nonce") is not None:
                found["nonce"] = data["nonce"]
            session.dispatch("GUILD_MEMBERS_CHUNK", orjson.dumps(found))
