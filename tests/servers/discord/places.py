"""Guilds with their roles and members, and the channels and threads in which people talk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.servers.discord import permissions
from tests.servers.discord.ids import Json, born, now
from tests.servers.discord.messages import SPOKEN, THREAD_STARTER
from tests.servers.discord.permissions import Overwrite, Permission
from tests.servers.discord.users import User

if TYPE_CHECKING:
    from tests.servers.discord.messages import Message
    from tests.servers.discord.people import Person
    from tests.servers.discord.world import World

TEXT, DIRECT, VOICE, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 2, 11, 12


@dataclass(eq=False, slots=True)
class Role:
    """A role of a guild."""

    id: int
    name: str
    permissions: int = 0
    position: int = 0
    mentionable: bool = False
    managed: bool = False

    @property
    def mention(self) -> str:
        """What is written into a message to mention everybody who has the role."""
        return f"<@&{self.id}>"

    def json(self) -> Json:
        """The role as the API writes it."""
        return {
            "id": str(self.id),
            "name": self.name,
            "permissions": str(self.permissions),
            "position": self.position,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": self.managed,
            "mentionable": self.mentionable,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        }


@dataclass(eq=False, slots=True)
class Member:
    """A user's membership of one guild."""

    guild: Guild
    user: User
    roles: list[Role] = field(default_factory=list[Role])
    nick: str | None = None
    joined: str = field(default_factory=now)

    @property
    def permissions(self) -> int:
        """What the member may do in the guild as a whole."""
        everyone = self.guild.everyone.permissions
        return permissions.base(
            everyone, (role.permissions for role in self.roles), owner=self.guild.owner is self.user
        )

    def partial(self) -> Json:
        """The membership without the user, as it goes with a message."""
        return {
            "nick": self.nick,
            "avatar": None,
            "banner": None,
            "roles": [str(role.id) for role in self.roles],
            "joined_at": self.joined,
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": None,
        }

    def json(self) -> Json:
        """The membership as the API writes it."""
        return self.partial() | {"user": self.user.json()}


class Channel:
    """A text channel, a direct message or a thread."""

    def __init__(self, world: World, key: int, name: str, kind: int, guild: Guild | None) -> None:
        self.world = world
        self.id = key
        self.name = name
        self.type = kind
        self.guild = guild
        self.topic: str | None = None
        self.parent: Channel | None = None
        self.owner: User | None = None
        self.overwrites: list[Overwrite] = []
        self.messages: dict[int, Message] = {}
        self.recipients: list[User] = []
        self.joined: dict[int, str] = {}
        self.archived = False
        self.locked = False
        self.auto_archive = 1440
        self.posted = 0
        self.position = 0
        self.typing: list[User] = []

    @property
    def mention(self) -> str:
        """What is written into a message to name this channel."""
        return f"<#{self.id}>"

    @property
    def is_thread(self) -> bool:
        """Whether this is a thread."""
        return self.type in (PUBLIC_THREAD, PRIVATE_THREAD)

    @property
    def history(self) -> list[Message]:
        """The messages that everybody here sees, oldest first."""
        return [message for message in self.messages.values() if message.ephemeral_for is None]

    @property
    def last(self) -> Message:
        """The newest message that everybody here sees, without Discord's own."""
        return [message for message in self.history if message.type in SPOKEN][-1]

    def of(self, author: User) -> list[Message]:
        """What ``author`` has posted here for everybody, oldest first."""
        return [message for message in self.history if message.author is author and message.type in SPOKEN]

    def allows(self, user: User) -> int:
        """The permissions of ``user`` here."""
        if self.guild is None:
            return permissions.DIRECT if user in self.recipients or user is self.world.bot else 0
        member = self.guild.members.get(user.id)
        if member is None:
            return 0
        if self.parent is not None:
            total = self.parent.allows(user)
            hidden = self.type == PRIVATE_THREAD and user.id not in self.joined
            return 0 if hidden and not total & Permission.MANAGE_THREADS else total
        return permissions.within(
            member.permissions,
            self.overwrites,
            guild=self.guild.id,
            roles={role.id for role in member.roles},
            member=user.id,
        )

    def can(self, user: User, permission: int) -> bool:
        """Whether ``user`` has all of ``permission`` here."""
        return self.allows(user) & permission == permission

    def deny(self, who: User | Role, permission: int) -> None:
        """Take ``permission`` away from a person or a role in this channel."""
        one = self._overwrite(who)
        one.deny |= permission
        one.allow &= ~permission
        self._changed()

    def allow(self, who: User | Role, permission: int) -> None:
        """Give ``permission`` to a person or a role in this channel."""
        one = self._overwrite(who)
        one.allow |= permission
        one.deny &= ~permission
        self._changed()

    def rename(self, name: str) -> None:
        """Give the channel another name."""
        self.name = name
        self._changed()

    def delete(self) -> None:
        """Take the channel or thread away, with all that was said in it."""
        assert self.guild is not None
        name = "THREAD_DELETE" if self.is_thread else "CHANNEL_DELETE"
        self.world.emit(name, self.json(), guild=self.guild)
        for thread in [t for t in self.guild.threads.values() if t.parent is self]:
            thread.delete()
        for known in (self.guild.channels, self.guild.threads, self.world.channels):
            known.pop(self.id, None)

    def _changed(self) -> None:
        name = "THREAD_UPDATE" if self.is_thread else "CHANNEL_UPDATE"
        self.world.emit(name, self.json(), guild=self.guild)
        self.world.changed()

    def close_to_everyone(self) -> None:
        """Hide the channel from all who are not let in with ``allow``."""
        assert self.guild is not None
        self.deny(self.guild.everyone, Permission.VIEW_CHANNEL)

    def _overwrite(self, who: User | Role) -> Overwrite:
        kind = 0 if isinstance(who, Role) else 1
        for overwrite in self.overwrites:
            if (overwrite.type, overwrite.id) == (kind, who.id):
                return overwrite
        overwrite = Overwrite(who.id, kind)
        self.overwrites.append(overwrite)
        return overwrite

    def json(self) -> Json:
        """The channel as the API writes it."""
        found: Json = {"id": str(self.id), "type": self.type, "flags": 0}
        found["last_message_id"] = str(next(reversed(self.messages))) if self.messages else None
        if self.guild is None:
            return found | {"recipients": [user.json() for user in self.recipients]}
        found |= {"guild_id": str(self.guild.id), "name": self.name, "rate_limit_per_user": 0}
        found["parent_id"] = None if self.parent is None else str(self.parent.id)
        if self.is_thread:
            return found | self._thread_json()
        return found | {
            "topic": self.topic,
            "position": self.position,
            "nsfw": False,
            "permission_overwrites": [
                {"id": str(o.id), "type": o.type, "allow": str(int(o.allow)), "deny": str(int(o.deny))}
                for o in self.overwrites
            ],
        }

    def _thread_json(self) -> Json:
        assert self.owner is not None
        found: Json = {
            "owner_id": str(self.owner.id),
            "message_count": self.posted,
            "total_message_sent": self.posted,
            "member_count": len(self.joined),
            "thread_metadata": {
                "archived": self.archived,
                "archive_timestamp": born(self.id),
                "auto_archive_duration": self.auto_archive,
                "locked": self.locked,
                "create_timestamp": born(self.id),
            },
        }
        if self.world.bot.id in self.joined:
            found["member"] = self.thread_member(self.world.bot)
        return found

    def thread_member(self, user: User) -> Json:
        """The membership of ``user`` in this thread, as the API writes it."""
        return {
            "id": str(self.id),
            "user_id": str(user.id),
            "join_timestamp": self.joined[user.id],
            "flags": 0,
        }

    def transcript(self, viewer: User | None = None) -> str:
        """What a person sees here: authors, replies, text, buttons, reactions and files, oldest first.

        Answers that only one person sees are left out unless ``viewer`` is that person.
        """
        seen = [
            m
            for m in self.messages.values()
            if m.ephemeral_for in (None, viewer) and m.type != THREAD_STARTER
        ]
        return "\n".join(message.text() for message in seen)

    def __repr__(self) -> str:
        return f"<Channel {self.name}>"


class Guild:
    """A guild, which people call a server."""

    def __init__(self, world: World, key: int, name: str) -> None:
        self.world = world
        self.id = key
        self.name = name
        self.owner = world.person(f"{name} owner")
        self.everyone = Role(key, "@everyone", int(permissions.EVERYBODY))
        self.roles: dict[int, Role] = {key: self.everyone}
        self.members: dict[int, Member] = {}
        self.channels: dict[int, Channel] = {}
        self.threads: dict[int, Channel] = {}
        self.join(self.owner)

    def role(
        self, name: str, *, permissions: int = 0, mentionable: bool = False, managed: bool = False
    ) -> Role:
        """Make a role."""
        role = Role(self.world.ids(), name, permissions, len(self.roles), mentionable, managed)
        self.roles[role.id] = role
        self.world.emit("GUILD_ROLE_CREATE", {"guild_id": str(self.id), "role": role.json()}, guild=self)
        return role

    def channel(self, name: str, *, topic: str | None = None, private: bool = False) -> Channel:
        """Make a text channel; a ``private`` one is hidden from all who are not let in with ``allow``."""
        channel = Channel(self.world, self.world.ids(), name, TEXT, self)
        channel.topic = topic
        channel.position = len(self.channels)
        self.channels[channel.id] = self.world.channels[channel.id] = channel
        if private:
            channel.close_to_everyone()
        self.world.emit("CHANNEL_CREATE", channel.json(), guild=self)
        return channel

    def member(
        self,
        who: str | Person,
        *,
        permissions: int = 0,
        roles: tuple[Role, ...] = (),
        nick: str | None = None,
    ) -> Person:
        """Let a person join, a new one by name or one from another guild; ``permissions`` come as a role of their own."""
        person = self.world.person(who) if isinstance(who, str) else who
        own = (self.role(f"only {person.display}", permissions=permissions),) if permissions else ()
        self.join(person, (*roles, *own), nick)
        return person

    def join(self, user: User, roles: tuple[Role, ...] = (), nick: str | None = None) -> Member:
        """Make ``user`` a member."""
        member = Member(self, user, list(roles), nick)
        self.members[user.id] = member
        if user is not self.world.bot:
            data = member.json() | {"guild_id": str(self.id)}
            self.world.emit("GUILD_MEMBER_ADD", data, guild=self, needs="GUILD_MEMBERS")
        return member

    def grant(self, user: User, role: Role) -> None:
        """Give a member a role."""
        self.members[user.id].roles.append(role)
        self.member_changed(user)

    def member_changed(self, user: User) -> None:
        """Tell of a member's new roles or name."""
        data = self.members[user.id].json() | {"guild_id": str(self.id)}
        needs = None if user is self.world.bot else "GUILD_MEMBERS"
        self.world.emit("GUILD_MEMBER_UPDATE", data, guild=self, needs=needs)

    def revoke(self, user: User, role: Role) -> None:
        """Take a role away from a member."""
        self.members[user.id].roles.remove(role)
        self.member_changed(user)

    def loses(self, user: User) -> None:
        """Let a member leave or be thrown out."""
        del self.members[user.id]
        data = {"guild_id": str(self.id), "user": user.json()}
        self.world.emit("GUILD_MEMBER_REMOVE", data, guild=self, needs="GUILD_MEMBERS")

    def kick_bot(self) -> None:
        """Take the bot out of the guild."""
        self.world.leave(self)

    def json(self) -> Json:
        """The guild as the API writes it."""
        nothing: dict[str, Any] = dict.fromkeys(
            """icon description home_header splash discovery_splash banner afk_channel_id application_id
            widget_channel_id system_channel_id vanity_url_code rules_channel_id safety_alerts_channel_id
            public_updates_channel_id incidents_data""".split()
        )
        return nothing | {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner.id),
            "features": [],
            "emojis": [],
            "stickers": [],
            "roles": [role.json() for role in self.roles.values()],
            "region": "deprecated",
            "afk_timeout": 300,
            "system_channel_flags": 0,
            "widget_enabled": False,
            "verification_level": 0,
            "default_message_notifications": 1,
            "mfa_level": 0,
            "explicit_content_filter": 0,
            "max_presences": None,
            "max_members": 500_000,
            "max_stage_video_channel_users": 50,
            "max_video_channel_users": 25,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "premium_progress_bar_enabled": False,
            "preferred_locale": "en-US",
            "nsfw": False,
            "nsfw_level": 0,
        }
