"""Who and where, as Discord knows it: levels from permissions and roles, places from servers, channels and threads."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass

import discord

from adapters.platforms.base import Access, Place, UserError, Who
from adapters.platforms.discord.options import Options

PLATFORM = "discord"
DIRECT = "@me"
DIRECT_NAME = "Direct messages"

Room = (
    discord.abc.GuildChannel
    | discord.Thread
    | discord.DMChannel
    | discord.GroupChannel
    | discord.PartialMessageable
)
Person = discord.Member | discord.User | discord.ClientUser

_EVERYONE = "everyone"
_SNAKE = re.compile(r"[a-z]+(_[a-z]+)+")


@dataclass(frozen=True, slots=True)
class _Rung:
    """What makes somebody this level: any of these permissions, or any of these roles."""

    access: Access
    everyone: bool
    permissions: int
    role_ids: frozenset[int]
    role_names: frozenset[str]

    def holds(self, member: discord.Member, permissions: int) -> bool:
        if self.everyone or permissions & self.permissions:
            return True
        if not self.role_ids and not self.role_names:
            return False
        return any(
            role.id in self.role_ids or role.name.casefold() in self.role_names for role in member.roles
        )


def check_access(options: Options) -> None:
    """Raise ``UserError`` for a name that is meant as a permission and is none, with the nearest one that is."""
    _ladder(options.owner, options.trainer, options.reviewer, options.rater)


def access_of(user: Person, options: Options) -> Access:
    """What somebody may do in the server that they speak in, by its permissions and roles."""
    ladder = _ladder(options.owner, options.trainer, options.reviewer, options.rater)
    if not isinstance(user, discord.Member):
        return Access.RATER if ladder[-1].everyone else Access.MEMBER
    granted = user.guild_permissions
    if granted.administrator or user.guild.owner_id == user.id:
        return Access.OWNER
    for rung in ladder:
        if rung.holds(user, granted.value):
            return rung.access
    return Access.MEMBER


def who_of(user: Person, options: Options, owners: frozenset[int]) -> Who:
    """A person with their level; in direct messages, where there are no roles, the application's ``owners`` are owners."""
    if isinstance(user, discord.Member):
        access = access_of(user, options)
    else:
        access = Access.OWNER if user.id in owners else Access.RATER
    return Who(str(user.id), user.display_name, access)


def owners_of(application: discord.AppInfo) -> frozenset[int]:
    """Who owns the application, by their ids: of a team whoever joined it and may do more than look."""
    team = application.team
    if team is None:
        return frozenset((application.owner.id,))
    joined = discord.TeamMembershipState.accepted
    return frozenset(
        each.id
        for each in team.members
        if each.id == team.owner_id
        or (each.membership_state is joined and each.role is not discord.TeamMemberRole.read_only)
    )


def place_of(channel: Room, guild: discord.Guild | None, user_id: int, *, everybody: bool = False) -> Place:
    """Where something is said.

    In an ordinary channel everybody has a conversation of their own with the avatar, unless it answers ``everybody``
    there; threads and direct messages are one conversation.
    """
    own = str(channel.id)
    if guild is None:
        return Place(PLATFORM, DIRECT, own, own, True, DIRECT_NAME)
    workspace = str(guild.id)
    if isinstance(channel, discord.Thread):
        parent = str(channel.parent_id)
        if channel.is_private():
            return Place(PLATFORM, workspace, own, own, True, guild.name, parent=parent)
        above = channel.parent
        return Place(PLATFORM, workspace, parent, own, above is None or _closed(above, guild), guild.name)
    closed = isinstance(channel, discord.PartialMessageable) or _closed(channel, guild)
    conversation = own if everybody else f"{own}/{user_id}"
    return Place(PLATFORM, workspace, own, conversation, closed, guild.name)


def target_of(place: Place) -> int:
    """The channel or thread that a reply in this conversation is posted into."""
    return int(place.conversation.partition("/")[0])


def _closed(channel: object, guild: discord.Guild) -> bool:
    """Whether there are members who cannot read this channel."""
    if not isinstance(channel, discord.abc.GuildChannel):
        return True
    return not channel.permissions_for(guild.default_role).view_channel


@functools.lru_cache(maxsize=16)
def _ladder(
    owner: tuple[str, ...], trainer: tuple[str, ...], reviewer: tuple[str, ...], rater: tuple[str, ...]
) -> tuple[_Rung, ...]:
    """The levels from the highest down."""
    return (
        _rung(Access.OWNER, owner),
        _rung(Access.TRAINER, trainer),
        _rung(Access.REVIEWER, reviewer),
        _rung(Access.RATER, rater),
    )


def _rung(access: Access, names: tuple[str, ...]) -> _Rung:
    permissions = 0
    role_ids: set[int] = set()
    role_names: set[str] = set()
    for name in names:
        if name == _EVERYONE:
            continue
        flag = discord.Permissions.VALID_FLAGS.get(name)
        if flag is not None:
            permissions |= flag
        elif name.isdecimal():
            role_ids.add(int(name))
        elif name.startswith("@"):
            role_names.add(name[1:].casefold())
        else:
            _refuse_slip(access, name)
            role_names.add(name.casefold())
    return _Rung(access, _EVERYONE in names, permissions, frozenset(role_ids), frozenset(role_names))


def _refuse_slip(access: Access, name: str) -> None:
    """Tell a misspelt permission from the name of a role."""
    known = [*discord.Permissions.VALID_FLAGS, _EVERYONE]
    near = difflib.get_close_matches(name.casefold(), known, 1, 0.8)
    if not near and not _SNAKE.fullmatch(name):
        return
    near = near or difflib.get_close_matches(name.casefold(), known, 1, 0.0)
    raise UserError(
        f'"{name}" in [discord] {access.label} is no permission of Discord; did you mean "{near[0]}"? '
        f'A role of that name is written "@{name}".'
    )
