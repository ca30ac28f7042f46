"""Who is who on Slack: names of people and channels, and levels from workspace roles and user groups, kept for minutes."""

from __future__ import annotations

import asyncio
import difflib
import functools
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platforms.base import Access, UserError, Who
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.places import Identity, Kind, kind_by_id

log = structlog.get_logger()

T = TypeVar("T")

_OWNER, _ADMIN, _EVERYONE = "workspace_owner", "workspace_admin", "everyone"
_ROLES = (_OWNER, _ADMIN, _EVERYONE)
_PERSON = re.compile(r"[UW][A-Z0-9]{2,}")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")
_SNAKE = re.compile(r"[a-z]+(_[a-z]+)+")

_SECONDS = 300.0
_PEOPLE = 4096
_CHANNELS = 2048
# A message is not kept waiting for a name.
_PATIENCE_SECONDS = 5.0

AWAY = (SlackClientError, aiohttp.ClientError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as Slack describes them; roles count only for the members of our own workspace."""

    id: str
    name: str
    owner: bool = False
    admin: bool = False
    bot: bool = False
    known: bool = True


@dataclass(frozen=True, slots=True)
class Room:
    """A channel as Slack describes it; ``member`` says that we are in it, as far as Slack tells."""

    id: str
    name: str
    kind: Kind
    member: bool = True


@dataclass(frozen=True, slots=True)
class _Groups:
    """The user groups: ``of`` each person, by id and by handle, and the ``handles`` by id."""

    of: Mapping[str, frozenset[str]]
    handles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Rung:
    """What makes somebody this level: any of these roles, being one of these people, or in one of these groups."""

    access: Access
    roles: frozenset[str]
    people: frozenset[str]
    groups: frozenset[str]


class _Kept(Generic[T]):
    """A bounded memory of what was looked up; several who want the same wait for one look-up."""

    def __init__(
        self, most: int, look: Callable[[str], Awaitable[T | None]], unknown: Callable[[str], T]
    ) -> None:
        self._most = most
        self._look = look
        self._unknown = unknown
        self._found: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._looking: dict[str, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def fresh(self, key: str) -> T | None:
        """What is known without asking."""
        kept = self._found.get(key)
        return kept[1] if kept is not None and kept[0] > time.monotonic() else None

    async def get(self, key: str, *, anew: bool = False) -> T:
        """What is known, or found out now."""
        found = None if anew else self.fresh(key)
        if found is not None:
            return found
        looking = self._looking.get(key)
        if looking is None:
            looking = asyncio.create_task(self._find(key))
            self._looking[key] = looking
            looking.add_done_callback(lambda _: self._looking.pop(key, None))
        return await asyncio.shield(looking)

    def forget(self, key: str) -> None:
        """It has changed."""
        self._found.pop(key, None)

    async def _find(self, key: str) -> T:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await self._look(key)
        except AWAY as error:
            log.warning("not looked up", key=key, error=type(error).__name__)
            found = None
        if found is None:
            return self._unknown(key)
        self._found[key] = (time.monotonic() + _SECONDS, found)
        self._found.move_to_end(key)
        if len(self._found) > self._most:
            self._found.popitem(last=False)
        return found


class People:
    """The people and channels of one workspace."""

    def __init__(self, client: AsyncWebClient, options: Options, identity: Identity) -> None:
        self._client = client
        self._ladder = _ladder(options.owner, options.trainer, options.reviewer, options.rater)
        self.identity = identity
        self._people: _Kept[Person] = _Kept(_PEOPLE, self._person, lambda key: Person(key, key, known=False))
        self._rooms: _Kept[Room] = _Kept(_CHANNELS, self._room, lambda key: Room(key, "", kind_by_id(key)))
        self._groups: _Kept[_Groups] = _Kept(1, self._members, lambda _: _Groups({}, {}))

    async def who_of(self, user_id: str, *, anew: bool = False) -> Who:
        """Somebody with their name and level; ``anew`` asks Slack again, as for commands that only some may give."""
        person = await self._people.get(user_id, anew=anew)
        return Who(user_id, person.name, await self._access(person, anew=anew))

    async def access_of(self, user_id: str, *, anew: bool = False) -> Access:
        """What somebody may do in this workspace."""
        return (await self.who_of(user_id, anew=anew)).access

    async def name_of(self, user_id: str) -> str:
        """What somebody is called; their id where Slack does not say."""
        return (await self._people.get(user_id)).name

    async def room_of(self, channel_id: str) -> Room:
        """A channel with its name, which is empty where we may not know it."""
        return await self._rooms.get(channel_id)

    async def kind_of(self, channel_id: str) -> Kind:
        """The type of a channel, for events that do not say it: what Slack calls ``channel_type``."""
        if channel_id.startswith("D"):
            return "im"
        return (await self._rooms.get(channel_id)).kind

    async def handle_of(self, group_id: str) -> str:
        """What a user group is called; empty where Slack does not say."""
        return (await self._groups.get("")).handles.get(group_id, "")

    def is_own(self, user_id: str | None, bot_id: str | None = None) -> bool:
        """Whether it is the avatar itself."""
        return user_id == self.identity.user_id or (bool(bot_id) and bot_id == self.identity.bot_id)

    def forget(self, key: str) -> None:
        """A person or channel has changed."""
        self._people.forget(key)
        self._rooms.forget(key)

    async def _access(self, person: Person, *, anew: bool) -> Access:
        groups: frozenset[str] | None = None
        for rung in self._ladder:
            if (
                _EVERYONE in rung.roles
                or person.id in rung.people
                or (person.owner and _OWNER in rung.roles)
                or (person.admin and _ADMIN in rung.roles)
            ):
                return rung.access
            if rung.groups:
                if groups is None:
                    groups = await self._groups_of(person.id, anew=anew)
                if groups & rung.groups:
                    return rung.access
        return Access.MEMBER

    async def _groups_of(self, user_id: str, *, anew: bool) -> frozenset[str]:
        """The user groups somebody is in, by id and by handle."""
        found = await self._groups.get("", anew=anew)
        return found.of.get(user_id, frozenset())

    async def _person(self, user_id: str) -> Person | None:
        response = await self._client.users_info(user=user_id)
        user: dict[str, Any] = response["user"] or {}
        profile: dict[str, Any] = user.get("profile") or {}
        names = (
            profile.get("display_name"),
            profile.get("real_name"),
            user.get("real_name"),
            user.get("name"),
        )
        ours = self._is_ours(user)
        return Person(
            user_id,
            next((str(name) for name in names if name), user_id),
            ours and bool(user.get("is_owner") or user.get("is_primary_owner")),
            ours and bool(user.get("is_admin")),
            bool(user.get("is_bot")),
        )

    def _is_ours(self, user: Mapping[str, Any]) -> bool:
        """An admin of a company that we share a channel with is no admin here."""
        if user.get("is_stranger") or user.get("deleted"):
            return False
        enterprise = (user.get("enterprise_user") or {}).get("enterprise_id")
        return user.get("team_id", self.identity.team_id) == self.identity.team_id or (
            bool(enterprise) and enterprise == self.identity.enterprise_id
        )

    async def _room(self, channel_id: str) -> Room | None:
        try:
            response = await self._client.conversations_info(channel=channel_id)
        except SlackApiError as error:
            if error.response.get("error") != "channel_not_found":
                raise
            # Of a closed channel that we are not in Slack says nothing else.
            return Room(channel_id, "", kind_by_id(channel_id), member=False)
        channel: dict[str, Any] = response["channel"] or {}
        kind: Kind = "channel"
        if channel.get("is_im"):
            kind = "im"
        elif channel.get("is_mpim"):
            kind = "mpim"
        elif channel.get("is_private"):
            kind = "group"
        return Room(channel_id, str(channel.get("name") or ""), kind, bool(channel.get("is_member", True)))

    async def _members(self, _: str) -> _Groups | None:
        response = await self._client.usergroups_list(include_users=True)
        found: dict[str, set[str]] = {}
        handles: dict[str, str] = {}
        for group in response.get("usergroups") or ():
            key, handle = str(group["id"]), str(group.get("handle") or "")
            handles[key] = handle
            for user_id in group.get("users") or ():
                found.setdefault(str(user_id), set()).update({key, handle.casefold()} - {""})
        return _Groups({user_id: frozenset(names) for user_id, names in found.items()}, handles)


def check_access(options: Options) -> None:
    """Raise ``UserError`` for a name that is meant as a role of the workspace and is none, with the nearest one that is."""
    _ladder(options.owner, options.trainer, options.reviewer, options.rater)


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
    roles: set[str] = set()
    people: set[str] = set()
    groups: set[str] = set()
    for name in names:
        if name in _ROLES:
            roles.add(name)
        elif _PERSON.fullmatch(name):
            people.add(name)
        elif _GROUP.fullmatch(name):
            groups.add(name)
        elif name.startswith("@"):
            groups.add(name[1:].casefold())
        else:
            _refuse_slip(access, name)
            groups.add(name.casefold())
    return _Rung(access, frozenset(roles), frozenset(people), frozenset(groups))


def _refuse_slip(access: Access, name: str) -> None:
    """Tell a misspelt role from the handle of a user group."""
    near = difflib.get_close_matches(name.casefold(), _ROLES, 1, 0.8)
    if not near and not _SNAKE.fullmatch(name):
        return
    near = near or difflib.get_close_matches(name.casefold(), _ROLES, 1, 0.0)
    raise UserError(
        f'"{name}" in [slack] {access.label} is no role on Slack; did you mean "{near[0]}"? '
        f'A user group of that handle is written "@{name}".'
    )
