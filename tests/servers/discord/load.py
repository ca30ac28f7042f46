"""Many people at once: each says something to the bot, waits for the whole answer, and says the next thing.

It runs in the server's own process, so that only the bot's work and the wire lie between question and answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.servers.discord.ids import Json
from tests.servers.discord.messages import SPOKEN, Message
from tests.servers.discord.users import User

if TYPE_CHECKING:
    from tests.servers.discord.server import DiscordServer

KEPT = 50


@dataclass(frozen=True, slots=True)
class Load:
    """How many people say what how often; an answer is whole when it holds ``end``."""

    users: int = 1
    exchanges: int = 1
    text: str = "What do you think?"
    end: str = "[end]"
    timeout_s: float = 60.0
    channels: int = 0


@dataclass(slots=True)
class _Wait:
    said: Message
    began: float
    whole: asyncio.Future[float]
    first: float = 0.0


@dataclass(slots=True)
class Times:
    """Milliseconds from a question to the first sign of its answer and to the whole of it."""

    first: list[float] = field(default_factory=list[float])
    whole: list[float] = field(default_factory=list[float])
    unanswered: int = 0


class Driver:
    """Runs loads, one after the other; the people and their channels stay for the next."""

    def __init__(self, world: DiscordServer) -> None:
        self._world = world
        self._guild = world.guild("Load")
        self._waiting: dict[User, _Wait] = {}
        self._rooms: dict[int, _Wait] = {}
        self._people: list[User] = []
        self._end = ""

    async def run(self, load: Load) -> Json:
        """Let everybody talk and say how long they waited."""
        world = self._world
        rooms = list(self._guild.channels.values())
        rooms += [self._guild.channel(f"room-{n}") for n in range(len(rooms), load.channels or load.users)]
        self._people += [self._guild.member(f"Guest {n}") for n in range(len(self._people), load.users)]
        self._end = load.end
        before, times = Counter(world.calls), Times()
        world.watchers.append(self._seen)
        began = time.perf_counter()
        try:
            await asyncio.gather(
                *(
                    self._talk(user, rooms[n % (load.channels or load.users)].id, load, times)
                    for n, user in enumerate(self._people[: load.users])
                )
            )
        finally:
            world.watchers.remove(self._seen)
        wall = time.perf_counter() - began
        return {
            "users": load.users,
            "exchanges": load.exchanges,
            "answered": len(times.whole),
            "unanswered": times.unanswered,
            "wall_s": wall,
            "times_ms": times.whole,
            "first_ms": times.first,
            "calls": dict(world.calls - before),
        }

    async def _talk(self, user: User, room: int, load: Load, times: Times) -> None:
        world = self._world
        channel = world.channels[room]
        text = f"{world.bot.mention} {load.text}"
        for _ in range(load.exchanges):
            whole = asyncio.get_running_loop().create_future()
            began = time.perf_counter()
            said = world.post(channel, user, text)
            self._waiting[user] = self._rooms[room] = wait = _Wait(said, began, whole)
            try:
                times.whole.append(await asyncio.wait_for(whole, load.timeout_s))
                times.first.append(wait.first)
            except TimeoutError:
                times.unanswered += 1
            finally:
                del self._waiting[user]
            while len(channel.messages) > KEPT:
                del channel.messages[next(iter(channel.messages))]

    def _seen(self, message: Message) -> None:
        bot = self._world.bot
        if message.author is not bot or message.type not in SPOKEN:
            return
        root = message
        while root.author is bot and root.reference is not None:
            root = root.reference
        if root.author is not bot:
            wait = self._waiting.get(root.author)
            if wait is None or wait.said is not root:
                return
        else:  # it replies to nothing: it belongs to who spoke last in its room, or began its thread
            room = message.channel if message.channel.parent is None else message.channel.parent
            wait = self._rooms.get(room.id)
            if wait is None or wait.said.id > message.id:
                return
        waited = (time.perf_counter() - wait.began) * 1000
        wait.first = wait.first or waited
        if self._end in message.shown and not wait.whole.done():
            wait.whole.set_result(waited)
