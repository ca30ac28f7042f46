"""How a change reaches whoever wants to know: the gateway's sessions and a test that waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tests.servers.discord.ids import Json
from tests.servers.discord.permissions import Permission

if TYPE_CHECKING:
    from tests.servers.discord.messages import Message
    from tests.servers.discord.places import Channel, Guild
    from tests.servers.discord.users import User

T = TypeVar("T")

INTENTS = {
    "GUILDS": 1 << 0,
    "GUILD_MEMBERS": 1 << 1,
    "GUILD_PRESENCES": 1 << 8,
    "GUILD_MESSAGES": 1 << 9,
    "GUILD_MESSAGE_REACTIONS": 1 << 10,
    "GUILD_MESSAGE_TYPING": 1 << 11,
    "DIRECT_MESSAGES": 1 << 12,
    "DIRECT_MESSAGE_REACTIONS": 1 << 13,
    "DIRECT_MESSAGE_TYPING": 1 << 14,
    "MESSAGE_CONTENT": 1 << 15,
}
PRIVILEGED = INTENTS["GUILD_MEMBERS"] | INTENTS["GUILD_PRESENCES"] | INTENTS["MESSAGE_CONTENT"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the gateway tells the bot; ``needs`` is the intent without which it does not."""

    name: str
    guild: int | None
    needs: int
    data: Callable[[bool], Json]


class Broadcast:
    """Tells the gateway's sessions what happened, and wakes whoever waits for a change."""

    bot: User
    guilds: dict[int, Guild]

    def __init__(self) -> None:
        self.listeners: list[Callable[[Event], None]] = []
        self.watchers: list[Callable[[Message], None]] = []
        self._change: asyncio.Future[None] | None = None

    def dump(self) -> str:
        """What a person would want to see when a test fails."""
        return ""

    def seen_by_bot(self, channel: Channel) -> bool:
        """Whether the bot may look into ``channel``."""
        return channel.can(self.bot, Permission.VIEW_CHANNEL)

    def emit(
        self,
        name: str,
        data: Json | Callable[[bool], Json],
        *,
        guild: Guild | None = None,
        channel: Channel | None = None,
        needs: str | None = None,
    ) -> None:
        """Tell the bot of something, where it is in the guild and may see the channel.

        ``needs`` is the intent that it takes: ``GUILDS`` when not given, none when empty, and of the ones for messages
        the guild's or the direct one.
        """
        if not self.listeners:
            return
        if channel is not None:
            guild = channel.guild
            if not self.seen_by_bot(channel):
                return
        if guild is not None and guild.id not in self.guilds:
            return
        if needs is None:
            intent = INTENTS["GUILDS"] if guild is not None else 0
        elif needs.startswith("MESSAGE"):
            intent = INTENTS[f"{'DIRECT' if guild is None else 'GUILD'}_{needs}"]
        else:
            intent = INTENTS.get(needs, 0)
        event = Event(
            name, None if guild is None else guild.id, intent, data if callable(data) else lambda _: data
        )
        for listener in self.listeners:
            listener(event)

    def changed(self, message: Message | None = None) -> None:
        """Wake whoever waits for the world to look different."""
        if message is not None:
            for watcher in self.watchers:
                watcher(message)
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def until(self, predicate: Callable[[], T | None], timeout: float = 30.0) -> T:
        """Wait until ``predicate`` is true and give what it gave; it is asked whenever something changes."""
        deadline = time.monotonic() + timeout
        while not (found := predicate()):
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"this did not come true within {timeout:g} s\n{self.dump()}")
            if self._change is None or self._change.done():
                self._change = asyncio.get_running_loop().create_future()
            # What the bot keeps to itself changes without the server: look again now and then.
            await asyncio.wait((self._change,), timeout=min(left, 0.05))
        return found


def where(channel: Channel) -> Json:
    """The ids of a channel and its guild, as events carry them."""
    found: Json = {"channel_id": str(channel.id)}
    if channel.guild is not None:
        found["guild_id"] = str(channel.guild.id)
    return found
