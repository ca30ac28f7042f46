"""The two servers of ``benchmarks.discord_path``, each in a process of its own, on loopback.

They are those of the tests, with what only a benchmark asks of them: when the last token was spoken and when the whole
text was shown, by the clock that all processes of this machine share, and a walk over very many channels.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections import Counter
from typing import Any

import orjson
import uvloop
from aiohttp import web

from tests.servers.discord import DiscordServer, Message
from tests.servers.discord.control import Control
from tests.servers.discord.load import KEPT
from tests.servers.discord.users import User
from tests.servers.loopback import Loopback
from tests.servers.openai import InstantServer

CHUNKS = 60
GUILD = "Load"


class Model(InstantServer):
    """A model that speaks at once, or at a pace, and remembers when it was done."""

    def __init__(self) -> None:
        super().__init__(CHUNKS)
        self._pace = 0.0
        self._spoken_at = 0.0
        self._last = b"{}"
        self._shapes: Counter[int] = Counter()
        self.application.router.add_post("/_bench/pace", self._set_pace)
        self.application.router.add_get("/_bench/asked", self._asked)

    async def _set_pace(self, request: web.Request) -> web.Response:
        self._pace = float((await request.json())["seconds"])
        return _json({})

    async def _asked(self, _: web.Request) -> web.Response:
        found = {
            "last": orjson.loads(self._last),
            "messages": {str(count): times for count, times in self._shapes.items()},
            "spoken_at": self._spoken_at,
            "text": "".join(self.reply.pieces),
        }
        return _json(found)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self._last = raw = await request.read()
        self._shapes[raw.count(b'"role"')] += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "x-request-id": "req_0"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(self._first)
        transport = request.transport
        assert transport is not None
        *tokens, end = self._frames
        for frame in tokens:
            if self._pace:
                await asyncio.sleep(self._pace)
            transport.write(frame)
        self._spoken_at = time.monotonic()
        transport.write(end)
        return response


class Watched(DiscordServer):
    """The local Discord; ``text`` is the whole reply."""

    def __init__(self, text: str) -> None:
        super().__init__(recording=False)
        Control(self, guild="Birds", channel="general")
        self._text = text
        self._shown_at = 0.0
        self._walkers: dict[int, asyncio.Event] = {}
        self.watchers.append(self._watch)
        self.application.router.add_get("/_bench/shown", self._shown)
        self.application.router.add_get("/_bench/guests", self._guests)
        self.application.router.add_post("/_bench/walk", self._walk)

    def _watch(self, message: Message) -> None:
        if message.author is not self.bot or self._text not in message.shown:
            return
        self._shown_at = time.monotonic()
        if message.reference is not None:
            waiting = self._walkers.get(message.reference.id)
            if waiting is not None:
                waiting.set()

    async def _shown(self, _: web.Request) -> web.Response:
        return _json({"shown_at": self._shown_at})

    async def _guests(self, _: web.Request) -> web.Response:
        """Who talks where in a load: the one with the same number."""
        guild = next(guild for guild in self.guilds.values() if guild.name == GUILD)
        people = [each.user for each in guild.members.values() if each.user.display.startswith("Guest ")]
        rooms = [str(each.id) for each in guild.channels.values()]
        found = {"guild": str(guild.id), "rooms": rooms, "people": [str(each.id) for each in people]}
        return _json(found)

    async def _walk(self, request: web.Request) -> web.Response:
        """``exchanges`` in all, each walker in the next of its own channels each time, from the ``start``th on."""
        asked = await request.json()
        guild = next(guild for guild in self.guilds.values() if guild.name == GUILD)
        rooms = list(guild.channels.values())
        people = [each.user for each in guild.members.values() if each.user.display.startswith("Guest ")]
        count = len(people)
        numbers = iter(range(asked["start"], asked["start"] + asked["exchanges"]))
        unanswered = 0

        async def walk(at: int, person: User) -> None:
            nonlocal unanswered
            for number in numbers:
                # Each room has one walker, whose conversation there goes on when they come by again.
                room = rooms[(number // count * count + at) % len(rooms)]
                said = self.post(room, person, f"{self.bot.mention} {asked['text']}")
                self._walkers[said.id] = answered = asyncio.Event()
                try:
                    await asyncio.wait_for(answered.wait(), 60)
                except TimeoutError:
                    unanswered += 1
                del self._walkers[said.id]
                while len(room.messages) > KEPT // 5:
                    del room.messages[next(iter(room.messages))]

        await asyncio.gather(*(walk(at, person) for at, person in enumerate(people)))
        return _json({"unanswered": unanswered})


def _json(body: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


async def _serve(server: Loopback) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with server:
        print(server.url, flush=True)
        await ended.wait()


def main() -> None:
    """Serve one of them; its address is the first line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("which", nargs="?", choices=("discord", "model"))
    parser.add_argument("--text", default="[end]")
    given = parser.parse_args()
    if given.which is None:
        print("These servers are started by benchmarks.discord_path.")
    else:
        uvloop.run(_serve(Model() if given.which == "model" else Watched(given.text)))


if __name__ == "__main__":
    main()
