"""A platform on a local Slack, with a host that says what a test wants and remembers what it heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from adapters.platforms.slack.options import Options
from adapters.platforms.slack.platform import Slack
from adapters.platforms.slack.tempo import Tempo
from tests.adapters.platforms.discord.stage import TalkingHost
from tests.servers.slack import SlackServer
from tests.servers.slack.deliveries import EVENTS, Delivery
from tests.servers.slack.messages import Message

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-understudy", "xapp-understudy", "signing-secret"
QUICK = Tempo(touch=0.03, retry=0.02, patience=20.0, call=5.0, grace=5.0, ping=0.2)
OPTIONS = Options(edit_seconds=0.02)
SHOWING = ("chat.postMessage", "chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update")

Said = dict[str, Any]


def shown(message: Said) -> str:
    """The text of a message, as it was handed over."""
    blocks = [block for block in message["blocks"] if block["type"] in ("markdown", "section")]
    texts = [block["text"] if isinstance(block["text"], str) else block["text"]["text"] for block in blocks]
    return "\n".join(texts) if texts else str(message["text"])


class Stage:
    """A local Slack with a workspace of a few people and one channel, and a platform that serves there."""

    def __init__(self, world: SlackServer, host: TalkingHost, options: Options, tempo: Tempo) -> None:
        self.world = world
        self.host = host
        self.options = options
        self.tempo = tempo
        self.platform: Slack | None = None
        self.said: list[str] = []
        team = world.team()
        self.general = team.channel("general").id
        self.ada = team.member("Ada").id
        self.brian = team.member("Brian", admin=True).id
        self.carla = team.member("Carla", owner=True).id
        dora = team.member("Dora")
        team.user_group("helpers", dora)
        self.dora = dora.id
        self.stranger = self._stranger()
        self.team = team.id
        self.me = team.bot.id
        self.direct = team.direct(team.users[self.ada]).id
        self._running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address of the local Slack."""
        return self.world.url

    # The platform

    @staticmethod
    def slack(options: Options) -> Slack:
        """A platform that is not started."""
        return Slack(BOT_TOKEN, APP_TOKEN, SECRET, options, _now)

    async def start(self) -> None:
        """Serve, and wait until the platform is connected."""
        options = replace(self.options, api_url=self.world.url)
        self.platform = Slack(BOT_TOKEN, APP_TOKEN, SECRET, options, _now, tempo=self.tempo)
        self.host.memory.seen_at = None
        self._running = asyncio.create_task(self.platform.run(self.host, self.host))
        while self.host.memory.seen_at is None and not self._running.done():
            await asyncio.sleep(0.003)
        if self._running.done():
            await self._running
        if options.transport == "http":
            assert await self.world.endpoint.use(f"http://127.0.0.1:{self.platform.port}/slack/events")

    async def stop(self) -> None:
        """Close the platform as a process does that is told to end."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def runs(self, bot: str, app: str, secret: str = "", *, options: Options = OPTIONS) -> None:
        """Run another platform, for what it raises."""
        chosen = replace(options, api_url=self.world.url)
        host = TalkingHost()
        async with asyncio.timeout(30):
            await Slack(bot, app, secret, chosen, _now, tempo=self.tempo).run(host, host)

    # What people do

    async def says(
        self,
        text: str,
        channel: str = "",
        *,
        thread: str = "",
        mention: bool = False,
        user: str = "",
        ts: str = "",
        event_id: str = "",
        team: str = "",
        files: Sequence[Said] = (),
        **more: Any,
    ) -> str:
        """Somebody, Ada if nobody else, says something; its time. ``more`` stands in the event besides."""
        world, room = self.world, self.world.channels[channel or self.general]
        user = user or self.ada
        author = world.users.get(user) or world.users[self.ada]
        text = f"<@{self.me}> {text}" if mention else text
        message = Message(room, author, ts or world.times(), text, thread or None)
        if message.ts not in self.said:
            self.said.append(message.ts)
        room.messages.setdefault(message.ts, message)
        event: Said = (
            message.json(thread=False) | {"channel": room.id, "event_ts": message.ts, "user": user} | more
        )
        if files:
            event["files"] = list(files)
        self._deliver(event | {"channel_type": room.kind}, event_id, team)
        if mention:
            self._deliver(event | {"type": "app_mention"}, event_id and f"{event_id}m", team)
        return message.ts

    async def edits(self, channel: str, ts: str, before: str, after: str) -> None:
        """Ada changes what she said."""
        message = {"type": "message", "user": self.ada, "ts": ts}
        edited = {"user": self.ada, "ts": self.world.times()}
        event = {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": channel,
            "channel_type": "im",
            "ts": self.world.times(),
            "message": message | {"text": after, "edited": edited},
            "previous_message": message | {"text": before},
        }
        self._deliver(event)

    async def event(self, kind: str, *, team: str = "", **fields: Any) -> None:
        """Something else happens, perhaps in another workspace."""
        self._deliver({"type": kind, "event_ts": self.world.times()} | fields, team=team)

    async def opens_agent(self) -> str:
        """Ada opens a talk with the agent; the time of its thread."""
        room = self.world.channels[self.direct]
        root = Message(room, self.world.team().bot, self.world.times(), "")
        room.messages[root.ts] = root
        opened = {"user_id": self.ada, "channel_id": self.direct, "thread_ts": root.ts, "context": {}}
        room.assistant_threads[root.ts] = opened
        await self.event("assistant_thread_started", assistant_thread=opened)
        return root.ts

    def delete(self, channel: str, ts: str) -> None:
        """Somebody deletes a message."""
        self.world.delete(self.world.channels[channel].messages[ts])

    def file(self, name: str, data: bytes) -> Said:
        """A file of Ada's, as it comes with a message."""
        return self.world.store(self.world.users[self.ada], name, "text/plain", data).json()

    # What Slack does

    def fails(self, method: str, *errors: str | int) -> None:
        """The next calls of a method fail; ``!`` does what was asked and loses the answer."""
        for error in errors:
            if isinstance(error, str) and error.startswith("!"):
                self.world.faults.lose(method)
            else:
                self.world.faults.answer(method, error, retry_after=0.05 if error == 429 else None)

    async def refreshes(self) -> None:
        """Have the socket renewed."""
        opened = self.world.sockets.opened
        self.world.disconnect()
        await self.until(lambda: self.world.sockets.opened > opened)

    async def breaks(self) -> None:
        """Break the socket without a word."""
        opened = self.world.sockets.opened
        self.world.drop_sockets()
        await self.until(lambda: self.world.sockets.opened > opened)

    def lacks(self, scope: str) -> None:
        """Take a scope away."""
        self.world.scopes.discard(scope)

    # What came of it

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it is so; not everything that is waited for happens on the server, so it is looked at again."""
        ends = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < ends, self.world.dump()
            await asyncio.sleep(0.003)

    async def replies(self, count: int = 1) -> None:
        """Wait until so many replies are given, and their messages are there."""
        await self.until(lambda: len(self.host.memory.given) >= count)

    async def called(self, method: str) -> None:
        """Wait until a method was called."""
        await self.until(lambda: bool(self.calls(method)))

    def calls(self, method: str) -> list[Said]:
        """With what a method was called, oldest first."""
        return [arguments for name, arguments in self._called() if name == method]

    def methods(self) -> list[str]:
        """What was called, oldest first."""
        return [name for name, _ in self._called()]

    def tried(self) -> int:
        """How often something was to be shown."""
        return sum(self.world.calls[method] for method in SHOWING)

    def posted(self, channel: str = "", thread: str | None = None) -> list[Said]:
        """What the avatar has said in a channel, or in a thread there, oldest first."""
        room = self.world.channels[channel or self.general]
        found = room.of(self.world.team().bot)
        return [
            {"blocks": []} | message.json()
            for message in found
            if thread is None or (message.thread_ts == thread and message.ts != thread)
        ]

    def uploads(self) -> list[tuple[str, bytes]]:
        """The files that the avatar handed over."""
        mine = self.world.team().bot
        return [(file.name, file.data) for file in self.world.files.values() if file.owner is mine]

    def _called(self) -> list[tuple[str, Said]]:
        found: list[tuple[str, Said]] = []
        for each in self.world.exchanges:
            address = urlsplit(str(each["url"]))
            if address.path.startswith("/api/"):
                asked = each.get("request_body")
                arguments: Said = dict(parse_qsl(address.query))
                if isinstance(asked, dict):
                    arguments |= asked
                found.append((address.path.removeprefix("/api/"), arguments))
        return found

    def _deliver(self, event: Said, event_id: str = "", team: str = "") -> None:
        body = self.world.event_body(self.world.team(), event)
        if event_id:
            body["event_id"] = event_id
        if team:
            body["team_id"] = body["authorizations"][0]["team_id"] = team
        self.world.deliveries.send(Delivery(EVENTS, body))

    def _stranger(self) -> str:
        """Somebody of another company, who is an admin there."""
        other = self.world.team("Bees")
        stranger = other.member("Sven", admin=True)
        ours = self.world.team()
        ours.users[stranger.id] = stranger
        return stranger.id


def _now() -> int:
    return int(time.time() * 1000)


@asynccontextmanager
async def stage(
    host: TalkingHost | None = None, options: Options = OPTIONS, tempo: Tempo = QUICK
) -> AsyncGenerator[Stage]:
    """A stage whose platform is started."""
    async with SlackServer(BOT_TOKEN, APP_TOKEN, SECRET) as world:
        made = Stage(world, host or TalkingHost(), options, tempo)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
