"""The truth that the Web API and events show: who there is, what was said, and what happens when it changes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.servers.slack.deliveries import EVENTS, Deliveries, Delivery
from tests.servers.slack.ids import Ids, Json, Times
from tests.servers.slack.interactions import Interaction
from tests.servers.slack.messages import File, Message
from tests.servers.slack.people import Member
from tests.servers.slack.scopes import ALL_EVENTS, ALL_SCOPES, heard
from tests.servers.slack.teams import SUBSCRIPTIONS, Channel, Team, User, UserGroup
from tests.servers.slack.views import View


class World:
    """Everything that exists on the server, and every change to it."""

    def __init__(self, *, bot_name: str, bot_token: str, team_name: str) -> None:
        self.ids = Ids()
        self.times = Times()
        self.bot_name = bot_name
        self.app_id = self.ids("A")
        self.base = "http://127.0.0.1"
        self.scopes: set[str] = set(ALL_SCOPES)
        self.app_scopes: set[str] = {"connections:write"}
        self.events: set[str] = set(ALL_EVENTS)
        self.commands: set[str] = set()
        self.shortcuts: dict[str, str] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, UserGroup] = {}
        self.teams: dict[str, Team] = {}
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Interaction] = {}
        self.responses: dict[str, Interaction] = {}
        self.calls: Counter[str] = Counter()
        self.unknown_methods: list[str] = []
        self.watchers: list[Callable[[Message], None]] = []
        self.trigger_lives_s = 3.0
        self.stream_lives_s = 3600.0
        self.looks_through = 0
        """So often a message is refused before an uploaded picture may stand in it."""
        self.deliveries = Deliveries()
        self._waiting: set[asyncio.Future[None]] = set()
        self._event_count = 0
        self.team(team_name, token=bot_token)

    # -- who and where

    def team(self, name: str | None = None, *, token: str | None = None) -> Team:
        """The workspace of this name, made if there is none; without a name the first."""
        if name is None:
            return next(iter(self.teams.values()))
        for known in self.teams.values():
            if known.name == name:
                return known
        made = Team(self, name, token or f"xoxb-{name.lower()}")
        self.teams[made.id] = made
        return made

    @property
    def bot(self) -> User:
        """The bot in the first workspace."""
        return self.team().bot

    def make_member(self, team: Team, name: str) -> Member:
        """Make a person; ``Team.member`` lets them in."""
        return Member(team, self.ids("U"), name)

    def install(self, manifest: Json) -> None:
        """Set scopes, events, slash commands and shortcuts as an app's manifest has them."""
        self.scopes = set(manifest["oauth_config"]["scopes"]["bot"])
        self.events = set(manifest["settings"].get("event_subscriptions", {}).get("bot_events", ()))
        features = manifest.get("features", {})
        self.commands = {one["command"] for one in features.get("slash_commands", ())}
        self.shortcuts = {one["name"]: one["callback_id"] for one in features.get("shortcuts", ())}

    # -- waiting

    def changed(self) -> None:
        """Let everybody who waits look again."""
        waiting, self._waiting = self._waiting, set()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def until(self, predicate: Callable[[], object], timeout: float = 30.0) -> None:
        """Wait until ``predicate`` holds; what there is to see is in the error if it never does."""
        ends = time.monotonic() + timeout
        while not predicate():
            left = ends - time.monotonic()
            if left <= 0:
                raise AssertionError(f"it did not come to pass in {timeout} s\n{self.dump()}")
            changed = asyncio.get_running_loop().create_future()
            self._waiting.add(changed)
            try:
                await asyncio.wait((changed,), timeout=left)
            finally:
                self._waiting.discard(changed)

    def dump(self) -> str:
        """What a person would want to see when a test fails."""
        talks = [one.transcript() for one in self.channels.values() if one.messages]
        return "\n".join((*talks, f"calls: {dict(self.calls)}", f"unknown methods: {self.unknown_methods}"))

    # -- what the app hears

    def emit(self, team: Team, event: Json, *, name: str | None = None) -> None:
        """Tell the app of an event, as far as its subscriptions and scopes cover it."""
        if not team.installed or not heard(name or event["type"], self.events, self.scopes):
            return
        self.deliveries.send(Delivery(EVENTS, self.event_body(team, event)))

    def event_body(self, team: Team, event: Json) -> Json:
        """An event as it is delivered."""
        self._event_count += 1
        mine: Json = {
            "enterprise_id": None,
            "team_id": team.id,
            "user_id": team.bot.id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "verification-token",
            "team_id": team.id,
            "context_team_id": team.id,
            "context_enterprise_id": None,
            "api_app_id": self.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{self._event_count:09d}",
            "event_time": int(time.time()),
            "authorizations": [mine],
            "is_ext_shared_channel": False,
            "event_context": f"4-{self._event_count}",
        }

    def tell(self, channel: Channel, event: Json) -> None:
        """Tell the app, if it is in the channel, of an event there that is a message."""
        if channel.team.bot.id in channel.members:
            made = {"channel": channel.id, "channel_type": channel.kind, "event_ts": self.times()} | event
            self.emit(channel.team, made, name=f"message.{SUBSCRIPTIONS[channel.kind]}")

    # -- messages

    def post(self, message: Message) -> Message:
        """Put a message into its channel and tell of it."""
        channel = message.channel
        channel.messages[message.ts] = message
        parent = channel.messages.get(message.thread_ts or "")
        if parent is not None and parent.thread_ts is None and message.ephemeral_for is None:
            parent.thread_ts = parent.ts
        if message.author.is_bot and message.author is channel.team.bot:
            channel.statuses.pop(message.root_ts, None)
        if message.ephemeral_for is None:
            self._announce(message)
        self.seen(message)
        return message

    def _announce(self, message: Message) -> None:
        channel, bot = message.channel, message.channel.team.bot
        said = message.json(thread=False)
        if message.broadcast:
            said["subtype"] = "thread_broadcast"
        self.tell(channel, said | {"event_ts": message.ts})
        mentioned = message.author is not bot and bot.mention in message.text
        if mentioned and channel.kind != "im" and bot.id in channel.members:
            known = {key: said[key] for key in said if key not in ("subtype", "parent_user_id")}
            event = known | {"type": "app_mention", "channel": channel.id, "event_ts": message.ts}
            self.emit(channel.team, event)

    def edit(
        self,
        message: Message,
        *,
        text: str | None = None,
        blocks: list[Json] | None = None,
        attachments: list[Json] | None = None,
        files: list[File] | None = None,
        metadata: Json | None = None,
        marked: bool = True,
    ) -> None:
        """Change what a message says and tell of it; what is not given stays."""
        before = message.json(thread=False)
        message.revisions.append(message.shown)
        message.text = message.text if text is None else text
        message.blocks = message.blocks if blocks is None else blocks
        message.attachments = message.attachments if attachments is None else attachments
        message.files = message.files if files is None else files
        message.metadata = message.metadata if metadata is None else metadata
        if marked:
            message.edited = self.times()
        if message.ephemeral_for is None:
            after = message.json(thread=False)
            change = {"type": "message", "subtype": "message_changed", "hidden": True, "ts": self.times()}
            self.tell(message.channel, change | {"message": after, "previous_message": before})
        self.seen(message)

    def delete(self, message: Message) -> None:
        """Delete a message and tell of it."""
        message.deleted = True
        if message.ephemeral_for is None:
            gone = {"type": "message", "subtype": "message_deleted", "hidden": True, "ts": self.times()}
            before = message.json(thread=False)
            self.tell(message.channel, gone | {"deleted_ts": message.ts, "previous_message": before})
        self.seen(message)

    def seen(self, message: Message) -> None:
        """Somebody sees that a message is new or says something else."""
        for watcher in list(self.watchers):
            watcher(message)
        self.changed()

    def expire_streams(self) -> None:
        """End every message that still grows, as Slack does after a while."""
        for channel in self.channels.values():
            for message in channel.messages.values():
                message.streaming = False

    def react(self, user: User, message: Message, name: str, *, add: bool) -> None:
        """Add a reaction or take it back, and tell of it."""
        people = message.reactions.setdefault(name, [])
        if add:
            people.append(user)
        else:
            people.remove(user)
        if not people:
            del message.reactions[name]
        event = {
            "type": "reaction_added" if add else "reaction_removed",
            "user": user.id,
            "reaction": name,
            "item": {"type": "message", "channel": message.channel.id, "ts": message.ts},
            "item_user": message.author.id,
            "event_ts": self.times(),
        }
        if message.channel.team.bot.id in message.channel.members:
            self.emit(message.channel.team, event)
        self.changed()

    def join(self, channel: Channel, user: User, *, inviter: User | None = None) -> None:
        """Let somebody into a channel and tell of it."""
        if user.id in channel.members:
            return
        channel.members[user.id] = user
        event = {
            "type": "member_joined_channel",
            "user": user.id,
            "channel": channel.id,
            "channel_type": "C" if channel.kind == "channel" else "G",
            "team": channel.team.id,
            "event_ts": self.times(),
        }
        if channel.team.bot.id in channel.members:
            self.emit(channel.team, event | ({"inviter": inviter.id} if inviter is not None else {}))
        self.changed()

    def uninstall(self, team: Team | None = None) -> None:
        """Take the app out of a workspace: it is told, and its token is worth nothing from then on."""
        team = team or self.team()
        tokens = {"oauth": [], "bot": [team.bot.id]}
        self.emit(team, {"type": "tokens_revoked", "tokens": tokens, "event_ts": self.times()})
        self.emit(team, {"type": "app_uninstalled", "event_ts": self.times()})
        team.installed = False

    # -- files

    def store(self, owner: User, name: str, mimetype: str | None, data: bytes) -> File:
        """Keep a file that somebody has."""
        kind = mimetype or "text/plain"
        file = File(self.ids("F"), owner.team, owner, name, kind, data, int(time.time()))
        self.files[file.id] = file
        return file

    def share(self, files: Sequence[File], channel: Channel) -> None:
        """Note that files are in a channel."""
        for file in files:
            if channel.id not in file.channels:
                file.channels.append(channel.id)

    # -- views

    def home_of(self, person: User) -> str:
        """What somebody sees in the app's home."""
        view = self.homes.get(person.id)
        return "" if view is None else view.shown
