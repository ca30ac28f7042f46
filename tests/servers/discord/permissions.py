"""What roles and overwrites allow, computed as Discord documents it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag


class Permission(IntFlag):
    """The permissions that a chat bot meets."""

    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40


ALL = (1 << 53) - 1
EVERYBODY = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
DIRECT = EVERYBODY & ~(Permission.CREATE_PUBLIC_THREADS | Permission.CREATE_PRIVATE_THREADS)


@dataclass(slots=True)
class Overwrite:
    """What a channel allows and denies to one role (``type`` 0) or one member (``type`` 1)."""

    id: int
    type: int
    allow: int = 0
    deny: int = 0


def base(everyone: int, roles: Iterable[int], *, owner: bool) -> int:
    """The permissions of a member in the guild as a whole."""
    if owner:
        return ALL
    total = everyone
    for role in roles:
        total |= role
    return ALL if total & Permission.ADMINISTRATOR else total


def within(total: int, overwrites: Iterable[Overwrite], *, guild: int, roles: set[int], member: int) -> int:
    """The permissions of a member in one channel, starting from the ones in the guild."""
    if total & Permission.ADMINISTRATOR:
        return ALL
    found = {(overwrite.type, overwrite.id): overwrite for overwrite in overwrites}
    everyone = found.get((0, guild))
    if everyone is not None:
        total = total & ~everyone.deny | everyone.allow
    allow = deny = 0
    for (kind, key), overwrite in found.items():
        if kind == 0 and key in roles:
            allow |= overwrite.allow
            deny |= overwrite.deny
    total = total & ~deny | allow
    own = found.get((1, member))
    if own is not None:
        total = total & ~own.deny | own.allow
    return total if total & Permission.VIEW_CHANNEL else 0
