"""Who a message really notifies: what it says, what its sender allowed, and what the sender may do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.servers.discord.ids import Json
from tests.servers.discord.permissions import Permission
from tests.servers.discord.users import User

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel, Role

CODE = re.compile(r"```.*?```|``.*?``|`[^`]*`", re.DOTALL)
USER = re.compile(r"<@!?(\d+)>")
ROLE = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(everyone|here)\b")


@dataclass(frozen=True, slots=True)
class Pings:
    """Who is notified: ``users`` by name or as the author replied to, ``roles``, and everybody."""

    users: tuple[User, ...] = ()
    roles: tuple[Role, ...] = ()
    everyone: bool = False

    def __bool__(self) -> bool:
        return bool(self.users or self.roles or self.everyone)


def pings(channel: Channel, author: User, text: str, allowed: Json | None, replied: User | None) -> Pings:
    """Read the mentions out of ``text`` and keep the ones that ``allowed`` and the author's permissions let through."""
    text = CODE.sub(" ", text)
    named = [user for key in _keys(USER, text) if (user := channel.world.users.get(key)) is not None]
    guild = channel.guild
    roles = (
        []
        if guild is None
        else [role for key in _keys(ROLE, text) if (role := guild.roles.get(key)) is not None]
    )
    everyone = EVERYONE.search(text) is not None and guild is not None
    if allowed is not None:
        parse = allowed.get("parse", ())
        if "users" not in parse:
            wanted = {int(key) for key in allowed.get("users") or ()}
            named = [user for user in named if user.id in wanted]
        if "roles" not in parse:
            wanted = {int(key) for key in allowed.get("roles") or ()}
            roles = [role for role in roles if role.id in wanted]
        everyone = everyone and "everyone" in parse
    if (
        replied is not None
        and (allowed is None or allowed.get("replied_user", False))
        and replied not in named
    ):
        named.append(replied)
    if not channel.can(author, Permission.MENTION_EVERYONE):
        roles = [role for role in roles if role.mentionable]
        everyone = False
    return Pings(tuple(named), tuple(roles), everyone)


def _keys(pattern: re.Pattern[str], text: str) -> Iterable[int]:
    return dict.fromkeys(int(key) for key in pattern.findall(text))
