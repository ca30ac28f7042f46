"""What was said: messages with their blocks, files, reactions and revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tests.servers.slack.ids import Json
from tests.servers.slack.pings import Pings, pings
from tests.servers.slack.render import plain, rendered

if TYPE_CHECKING:
    from tests.servers.slack.teams import Channel, Team, User


@dataclass(slots=True, eq=False)
class File:
    """A file that somebody shared or the bot uploads."""

    id: str
    team: Team
    owner: User
    name: str
    mimetype: str
    data: bytes
    created: int
    title: str = ""
    alt_text: str = ""
    complete: bool = True
    channels: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        """Where it can be had with a token."""
        return f"{self.team.world.base}/files-pri/{self.team.id}-{self.id}/{self.name}"

    def json(self) -> Json:
        """The file as the API writes it."""
        kind = self.name.rpartition(".")[2] if "." in self.name else "text"
        return {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": kind,
            "pretty_type": kind.upper(),
            "user": self.owner.id,
            "user_team": self.team.id,
            "editable": False,
            "size": len(self.data),
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": True,
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": self.url,
            "url_private_download": self.url,
            "permalink": self.url,
            "has_rich_preview": False,
            "file_access": "visible",
            "channels": list(self.channels),
        }


@dataclass(slots=True, eq=False)
class Message:
    """One message as it is now; ``revisions`` holds what it said before, oldest first."""

    channel: Channel
    author: User
    ts: str
    text: str
    thread_ts: str | None = None
    blocks: list[Json] = field(default_factory=list[Json])
    attachments: list[Json] = field(default_factory=list[Json])
    files: list[File] = field(default_factory=list[File])
    metadata: Json | None = None
    subtype: str | None = None
    ephemeral_for: User | None = None
    username: str = ""
    broadcast: bool = False
    link_names: bool = False
    edited: str | None = None
    deleted: bool = False
    streaming: bool = False
    streamed: bool = False
    streamed_for: User | None = None
    tasks: dict[str, Json] = field(default_factory=dict[str, Json])
    plan: str = ""
    revisions: list[str] = field(default_factory=list[str])
    reactions: dict[str, list[User]] = field(default_factory=dict[str, "list[User]"])

    def __repr__(self) -> str:
        return f"<{self.author.name} in {self.channel.shown}: {self.shown[:80]!r}>"

    @property
    def root_ts(self) -> str:
        """The time of the message that begins the thread it is in, or would begin."""
        return self.thread_ts or self.ts

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread and did not begin it."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def replies(self) -> list[Message]:
        """What was said in the thread below it, oldest first."""
        return [
            one
            for one in self.channel.messages.values()
            if one.thread_ts == self.ts and one.ts != self.ts and not one.deleted
        ]

    @property
    def shown(self) -> str:
        """All of it as a person reads it."""
        world = self.channel.world
        streamed = [plain(world, self.text)] if self.streamed and self.text else []
        tasks = [f"[task: {one.get('title', '')} — {one.get('status', '')}]" for one in self.tasks.values()]
        plans = [f"[plan: {self.plan}]"] if self.plan else []
        written = [rendered(world, self.blocks)] if self.blocks else []
        if not self.blocks and not self.streamed and self.text:
            written = [plain(world, self.text)]
        extra = [
            rendered(world, one["blocks"]) if one.get("blocks") else plain(world, str(one.get("text", "")))
            for one in self.attachments
        ]
        files = [f"[file: {one.title or one.name}]" for one in self.files]
        return "\n".join(one for one in (*plans, *tasks, *streamed, *written, *extra, *files) if one)

    @property
    def pings(self) -> Pings:
        """Whom it notifies."""
        return pings(self)

    @property
    def elements(self) -> Iterator[tuple[Json, Json]]:
        """Every interactive element with its block."""
        return elements(self.blocks)

    @property
    def labels(self) -> list[str]:
        """What is written on its buttons."""
        return [label for block, one in self.elements for label in labels(block, one)]

    def json(self, *, metadata: bool = True, thread: bool = True) -> Json:
        """The message as the API writes it."""
        author, team = self.author, self.channel.team
        made: Json = {"type": "message", "user": author.id, "ts": self.ts, "text": self.text, "team": team.id}
        if self.subtype:
            made["subtype"] = self.subtype
        if author.is_bot:
            made |= {"bot_id": author.bot_id, "app_id": author.app_id, "bot_profile": author.bot_profile()}
        else:
            made["client_msg_id"] = f"00000000-0000-4000-8000-{self.ts.replace('.', '')[-12:]}"
        if self.username:
            made["username"] = self.username
        if self.blocks:
            made["blocks"] = self.blocks
        if self.attachments:
            made["attachments"] = self.attachments
        if self.files:
            made |= {"files": [one.json() for one in self.files], "upload": False}
        if self.edited:
            made["edited"] = {"user": author.id, "ts": self.edited}
        if self.thread_ts:
            made["thread_ts"] = self.thread_ts
        if self.is_reply and (parent := self.channel.messages.get(self.thread_ts or "")) is not None:
            made["parent_user_id"] = parent.author.id
        if thread and self.thread_ts == self.ts and (replies := self.replies):
            made |= {
                "reply_count": len(replies),
                "reply_users_count": len({one.author.id for one in replies}),
                "reply_users": list(dict.fromkeys(one.author.id for one in replies)),
                "latest_reply": replies[-1].ts,
                "is_locked": False,
                "subscribed": False,
            }
        if self.reactions:
            made["reactions"] = [
                {"name": name, "users": [one.id for one in people], "count": len(people)}
                for name, people in self.reactions.items()
            ]
        if metadata and self.metadata is not None:
            made["metadata"] = self.metadata
        if self.streaming:
            made["streaming_state"] = "in_progress"
        elif self.streamed:
            made["streaming_state"] = "completed"
        return made


def elements(blocks: Iterable[Json]) -> Iterator[tuple[Json, Json]]:
    """Every interactive element of some blocks, each with its block."""
    for block in blocks:
        accessory = block.get("accessory")
        if isinstance(accessory, dict) and "action_id" in accessory:
            yield block, cast("Json", accessory)
        if block.get("type") in ("actions", "context_actions"):
            for one in block.get("elements", ()):
                yield block, one
        if block.get("type") == "input":
            yield block, block["element"]


def text_of(value: Any) -> str:
    """The text of a text object."""
    return str(value.get("text", "")) if isinstance(value, dict) else str(value or "")


def labels(block: Json, element: Json) -> list[str]:
    """What is written on an element."""
    kind = element.get("type")
    if kind == "feedback_buttons":
        return [text_of(element[name]["text"]) for name in ("positive_button", "negative_button")]
    if kind in ("button", "icon_button", "workflow_button"):
        return [text_of(element.get("text"))]
    if kind in ("radio_buttons", "checkboxes"):
        return [text_of(one["text"]) for one in element.get("options", ())]
    return [text_of(element.get("placeholder") or block.get("label") or element.get("action_id"))]
