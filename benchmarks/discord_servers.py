"""The local Discord of ``benchmarks.discord_path``, in a process of its own, on loopback.

It is that of the tests, with a walk over very many channels, and when the whole text was shown.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from benchmarks.servers import answer, chat_main
from tests.servers.discord import DiscordServer, Message
from tests.servers.discord.control import Control
from tests.servers.discord.load import KEPT
from tests.servers.discord.users import User

GUILD = "Load"


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
        return answer({"shown_at": self._shown_at})

    async def _guests(self, _: web.Request) -> web.Response:
        """Who talks where in a load: the one with the same number."""
        guild = next(guild for guild in self.guilds.values() if guild.name == GUILD)
        people = [each.user for each in guild.members.values() if each.user.display.startswith("Guest ")]
        rooms = [str(each.id) for each in guild.channels.values()]
        found: list[Any] = []
        for at, each in enumerate(people):
            key, room = str(each.id), rooms[at % len(rooms)]
            found.append({"key": key, "room": room, "conversation": f"{room}/{key}", "private": False})
        return answer({"workspace": str(guild.id), "people": found})

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
        return answer({"unanswered": unanswered})


if __name__ == "__main__":
    chat_main(Watched)
