"""A local Discord that the real client connects to: REST, gateway, and people who use it.

>>> world = DiscordServer(token="bot-token")
>>> birds = world.guild("Birds")
>>> general = birds.channel("general")
>>> ada = birds.member("Ada")

``async with world`` starts it; ``await ada.says(general, "hello", mention=world.bot)`` is heard by the bot, and
``await world.until(lambda: general.of(world.bot))`` waits for what it says. ``general.transcript()`` shows the talk.
"""

from __future__ import annotations

from tests.servers.discord.broadcast import INTENTS, PRIVILEGED
from tests.servers.discord.errors import NotPossible
from tests.servers.discord.interactions import Interaction
from tests.servers.discord.messages import Attachment, Message
from tests.servers.discord.people import Person
from tests.servers.discord.permissions import Permission
from tests.servers.discord.places import Channel, Guild, Role
from tests.servers.discord.server import DiscordServer

__all__ = [
    "INTENTS",
    "PRIVILEGED",
    "Attachment",
    "Channel",
    "DiscordServer",
    "Guild",
    "Interaction",
    "Message",
    "NotPossible",
    "Permission",
    "Person",
    "Role",
]
