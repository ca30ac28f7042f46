"""Many people at once: each says something to the bot, waits for the whole answer, and says the next thing.

It runs in the server's own process, so that only the bot's work and the wire lie between question and answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.servers.slack.ids import Json
from tests.servers.slack.messages import Message

if TYPE_CHECKING:
    from tests.servers.slack.people import Member
    from tests.servers.slack.server import SlackServer
    from tests.servers.slack.teams import Channel

KEPT = 50


@dataclass(frozen=True, slots=True)
class Load:
    """How many people say what how often; an answer is whole when it holds ``end``.

    With ``threads`` each talks on in the thread that begins their room, else each question begins one.
    """

    users: int = 1
    exchanges: int = 1
    text: str = "What do you think?"
    end: str = "[end]"
    timeout_s: float = 60.0
    threads: bool = False


@dataclass(slots=True)
class _Wait:
    said: Message
    began: float
    whole: asyncio.Future[float]
    first: float = 0.0


class Driver:
    """Runs loads, one after the other; the people and their channels stay for the next."""

    def __init__(self, world: SlackServer) -> None:
        self._world = world
        self._team = world.team()
        self._waiting: dict[str, _Wait] = {}
        self._people: list[tuple[Member, Channel]] = []
        self._roots: dict[str, Message] = {}
        self._end = ""

    async def run(self, load: Load) -> Json:
        """Let everybody talk and say how long they waited."""
        world, team = self._world, self._team
        for number in range(len(self._people), load.users):
            guest = team.member(f"Guest {number}")
            room = team.channel(f"room-{number}", private=True, members=[guest])
            # It was there before anybody heard.
            root = Message(room, guest, world.times(), "Here I am.")
            room.messages[root.ts] = self._roots[room.id] = root
            self._people.append((guest, room))
        self._end = load.end
        before, whole, first = Counter(world.calls), list[float](), list[float]()
        world.deliveries.acks.times_ms.clear()
        kept, world.deliveries.keep_sent = world.deliveries.keep_sent, False
        world.watchers.append(self._seen)
        began = time.perf_counter()
        try:
            await asyncio.gather(
                *(self._talk(*one, load, whole, first) for one in self._people[: load.users])
            )
        finally:
            world.watchers.remove(self._seen)
            world.deliveries.keep_sent = kept
        return {
            "users": load.users,
            "exchanges": load.exchanges,
            "answered": len(whole),
            "unanswered": load.users * load.exchanges - len(whole),
            "wall_s": time.perf_counter() - began,
            "times_ms": whole,
            "first_ms": first,
            "acks_ms": list(world.deliveries.acks.times_ms),
            "redelivered": world.deliveries.acks.redelivered,
            "calls": dict(world.calls - before),
        }

    async def _talk(
        self, guest: Member, room: Channel, load: Load, whole: list[float], first: list[float]
    ) -> None:
        root = self._roots[room.id]
        for _ in range(load.exchanges):
            future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            began = time.perf_counter()
            said = await guest.says(
                room, load.text, mention=self._team.bot, thread=root if load.threads else None
            )
            self._waiting[room.id] = wait = _Wait(said, began, future)
            try:
                whole.append(await asyncio.wait_for(future, load.timeout_s))
                first.append(wait.first)
            except TimeoutError:
                pass
            finally:
                del self._waiting[room.id]
            while len(room.messages) > KEPT:
                del room.messages[next(ts for ts in room.messages if ts != root.ts)]

    def _seen(self, message: Message) -> None:
        wait = self._waiting.get(message.channel.id)
        if wait is None or message.author is not self._team.bot or message.ts < wait.said.ts:
            return
        waited = (time.perf_counter() - wait.began) * 1000
        if not message.shown:
            return
        wait.first = wait.first or waited
        if not message.streaming and self._end in message.shown and not wait.whole.done():
            wait.whole.set_result(waited)
