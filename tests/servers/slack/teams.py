"""Workspaces with their channels, user groups and users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.servers.slack.ids import Json
from tests.servers.slack.transcripts import transcript

if TYPE_CHECKING:
    from tests.servers.slack.messages import Message
    from tests.servers.slack.people import Member
    from tests.servers.slack.world import World

CHANNEL, GROUP, IM, MPIM = "channel", "group", "im", "mpim"
SUBSCRIPTIONS = {CHANNEL: "channels", GROUP: "groups", IM: "im", MPIM: "mpim"}


class User:
    """Somebody in a workspace, a person or a bot."""

    def __init__(self, team: Team, key: str, name: str, *, is_bot: bool = False, app_id: str = "") -> None:
        self.team = team
        self.id = key
        self.name = name
        self.is_bot = is_bot
        self.app_id = app_id
        self.bot_id = team.world.ids("B") if is_bot else ""
        self.admin = False
        self.owner = False
        self.guest = False
        self.deleted = False
        self.presence = "active"

    def __repr__(self) -> str:
        return f"<{self.name} {self.id}>"

    @property
    def mention(self) -> str:
        """How a message mentions them."""
        return f"<@{self.id}>"

    def bot_profile(self) -> Json:
        """The bot as messages name it."""
        return {
            "id": self.bot_id,
            "app_id": self.app_id,
            "user_id": self.id,
            "name": self.name,
            "icons": {"image_36": "", "image_48": "", "image_72": ""},
            "deleted": False,
            "updated": 1700000000,
            "team_id": self.team.id,
        }

    def json(self) -> Json:
        """The user as the API writes it."""
        handle = self.name.lower().replace(" ", ".")
        profile: Json = {
            "title": "",
            "phone": "",
            "skype": "",
            "real_name": self.name,
            "real_name_normalized": self.name,
            "display_name": self.name,
            "display_name_normalized": self.name,
            "status_text": "",
            "status_emoji": "",
            "status_expiration": 0,
            "avatar_hash": "g00000000000",
            "team": self.team.id,
        }
        if self.is_bot:
            profile |= {"bot_id": self.bot_id, "api_app_id": self.app_id, "always_active": True}
        made: Json = {
            "id": self.id,
            "team_id": self.team.id,
            "name": handle,
            "deleted": self.deleted,
            "profile": profile,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1700000000,
        }
        if self.deleted:
            return made
        return made | {
            "color": "9f69e7",
            "real_name": self.name,
            "tz": "Europe/London",
            "tz_label": "Greenwich Mean Time",
            "tz_offset": 0,
            "is_admin": self.admin or self.owner,
            "is_owner": self.owner,
            "is_primary_owner": False,
            "is_restricted": self.guest,
            "is_ultra_restricted": False,
            "is_email_confirmed": True,
            "who_can_share_contact_card": "EVERYONE",
        }


class UserGroup:
    """A user group, such as ``@trainers``."""

    def __init__(self, team: Team, key: str, handle: str, users: Iterable[User]) -> None:
        self.team = team
        self.id = key
        self.handle = handle
        self.users = list(users)

    def json(self, *, include_users: bool = False) -> Json:
        """The group as the API writes it."""
        made: Json = {
            "id": self.id,
            "team_id": self.team.id,
            "is_usergroup": True,
            "name": self.handle.title(),
            "description": "",
            "handle": self.handle,
            "is_external": False,
            "date_create": 1700000000,
            "date_update": 1700000000,
            "date_delete": 0,
            "auto_type": None,
            "created_by": self.team.owner.id,
            "updated_by": self.team.owner.id,
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
            "user_count": len(self.users),
        }
        return made | ({"users": [one.id for one in self.users]} if include_users else {})


class Channel:
    """A channel, a direct message or a group of people; ``kind`` is Slack's word for it."""

    def __init__(self, team: Team, key: str, name: str, kind: str) -> None:
        self.team = team
        self.world = team.world
        self.id = key
        self.name = name
        self.kind = kind
        self.archived = False
        self.members: dict[str, User] = {}
        self.messages: dict[str, Message] = {}
        self.statuses: dict[str, str] = {}
        self.titles: dict[str, str] = {}
        self.prompts: dict[str, Json] = {}
        self.sessions: dict[str, str] = {}
        self.assistant_threads: dict[str, Json] = {}

    def __repr__(self) -> str:
        return f"<{self.shown}>"

    @property
    def shown(self) -> str:
        """What people call it."""
        return f"#{self.name}" if self.kind in (CHANNEL, GROUP) else f"({self.name})"

    @property
    def private(self) -> bool:
        """Whether it is closed to those who are not in it."""
        return self.kind != CHANNEL

    def of(self, user: User) -> list[Message]:
        """What somebody said here and did not delete, oldest first, with what only one person sees."""
        return [one for one in self.messages.values() if one.author is user and not one.deleted]

    def seen_by(self, user: User) -> list[Message]:
        """What somebody sees here, oldest first."""
        return [
            one
            for one in self.messages.values()
            if not one.deleted and one.ephemeral_for in (None, user) and user.id in self.members
        ]

    def transcript(self, viewer: User | None = None) -> str:
        """What a person reads here; without ``viewer`` also what only one person sees."""
        return transcript(self, viewer)

    def json(self, asked_by: User) -> Json:
        """The channel as the API writes it."""
        made: Json = {
            "id": self.id,
            "created": 1700000000,
            "is_archived": self.archived,
            "is_im": self.kind == IM,
            "is_org_shared": False,
            "context_team_id": self.team.id,
            "updated": 1700000000000,
        }
        if self.kind == IM:
            other = next((one for one in self.members.values() if one is not asked_by), asked_by)
            return made | {"user": other.id, "is_user_deleted": False, "priority": 0, "is_open": True}
        return made | {
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == CHANNEL,
            "is_group": self.kind == GROUP,
            "is_mpim": self.kind == MPIM,
            "is_private": self.private,
            "is_general": False,
            "unlinked": 0,
            "is_shared": False,
            "is_ext_shared": False,
            "is_pending_ext_shared": False,
            "pending_shared": [],
            "parent_conversation": None,
            "creator": self.team.owner.id,
            "shared_team_ids": [self.team.id],
            "pending_connected_team_ids": [],
            "is_member": asked_by.id in self.members,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "previous_names": [],
            "num_members": len(self.members),
        }


class Team:
    """A workspace in which the app is installed, with a token of its own."""

    def __init__(self, world: World, name: str, token: str) -> None:
        self.world = world
        self.id = world.ids("T")
        self.name = name
        self.domain = name.lower().replace(" ", "-")
        self.token = token
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, UserGroup] = {}
        self.installed = True
        self.bot = self._known(User(self, world.ids("U"), world.bot_name, is_bot=True, app_id=world.app_id))
        self.owner = self.member("Olga Owner", owner=True)

    def __repr__(self) -> str:
        return f"<team {self.name} {self.id}>"

    def _known(self, user: User) -> User:
        self.users[user.id] = self.world.users[user.id] = user
        return user

    def member(self, name: str, *, admin: bool = False, owner: bool = False, guest: bool = False) -> Member:
        """Somebody in this workspace, who is in every open channel."""
        person = self.world.make_member(self, name)
        person.admin, person.owner, person.guest = admin, owner, guest
        self._known(person)
        for channel in self.channels.values():
            if channel.kind == CHANNEL:
                channel.members[person.id] = person
        return person

    def another_bot(self, name: str) -> Member:
        """Somebody else's app, which speaks like a person but is marked as a bot."""
        bot = self.member(name)
        bot.is_bot, bot.bot_id, bot.app_id = True, self.world.ids("B"), self.world.ids("A")
        return bot

    def channel(
        self, name: str, *, private: bool = False, bot: bool = True, members: Iterable[User] | None = None
    ) -> Channel:
        """A channel of this name, made if there is none; a closed one holds ``members``, or everybody there is."""
        for known in self.channels.values():
            if known.name == name and known.kind in (CHANNEL, GROUP):
                return known
        made = self._channel("C", name, GROUP if private else CHANNEL)
        people = self.users.values() if members is None or not private else [self.owner, *members]
        made.members |= {one.id: one for one in people if one is not self.bot}
        if bot:
            made.members[self.bot.id] = self.bot
        return made

    def direct(self, person: User) -> Channel:
        """The direct messages between somebody and the bot."""
        for known in self.channels.values():
            if known.kind == IM and person.id in known.members:
                return known
        made = self._channel("D", f"direct messages with {person.name}", IM)
        made.members = {person.id: person, self.bot.id: self.bot}
        return made

    def group_direct(self, *people: User, bot: bool = True) -> Channel:
        """A direct message among several, with the bot."""
        everybody = [*people, *([self.bot] if bot else [])]
        keys = {one.id for one in everybody}
        for known in self.channels.values():
            if known.kind == MPIM and keys == set(known.members):
                return known
        name = "mpdm-" + "--".join(one.name.lower() for one in everybody) + "-1"
        made = self._channel("G", name, MPIM)
        made.members = {one.id: one for one in everybody}
        return made

    def user_group(self, handle: str, *users: User) -> UserGroup:
        """A user group."""
        group = UserGroup(self, self.world.ids("S"), handle, users)
        self.groups[group.id] = self.world.groups[group.id] = group
        return group

    def _channel(self, prefix: str, name: str, kind: str) -> Channel:
        made = Channel(self, self.world.ids(prefix), name, kind)
        self.channels[made.id] = self.world.channels[made.id] = made
        return made
