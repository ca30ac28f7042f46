"""Whom a message notifies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tests.servers.slack.messages import Message
    from tests.servers.slack.teams import User, UserGroup

USER = re.compile(r"<@([UWB][A-Z0-9]+)(?:\|[^>]*)?>")
GROUP = re.compile(r"<!subteam\^(S[A-Z0-9]+)(?:\|[^>]*)?>")
BROADCAST = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")
NAMED = re.compile(r"(?<!\w)@(channel|here|everyone)\b")


@dataclass(frozen=True, slots=True)
class Pings:
    """Who is notified: people by name, ``groups``, and the words ``channel``, ``here`` and ``everyone``."""

    users: tuple[User, ...] = ()
    groups: tuple[UserGroup, ...] = ()
    broadcasts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.broadcasts)


def pings(message: Message) -> Pings:
    """Read the mentions out of everything that a message says; text beside blocks counts, since it notifies too."""
    team = message.channel.team
    users: dict[str, None] = {}
    groups: dict[str, None] = {}
    words: dict[str, None] = {}
    for text in (message.text, *_texts(message.blocks), *_texts(message.attachments)):
        users |= dict.fromkeys(USER.findall(text))
        groups |= dict.fromkeys(GROUP.findall(text))
        words |= dict.fromkeys(BROADCAST.findall(text))
        if message.link_names:
            words |= dict.fromkeys(NAMED.findall(text))
    return Pings(
        tuple(one for key in users if (one := team.users.get(key)) is not None),
        tuple(one for key in groups if (one := team.groups.get(key)) is not None),
        tuple(words),
    )


def _texts(value: Any) -> Iterator[str]:
    """Every text in which Slack looks for mentions; of rich text, its elements written as mentions."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _texts(one)
    if not isinstance(value, dict):
        return
    made = cast("dict[str, Any]", value)
    kind = made.get("type")
    if kind in ("mrkdwn", "markdown") or (kind is None and isinstance(made.get("text"), str)):
        yield str(made.get("text", ""))
    elif kind == "user":
        yield f"<@{made.get('user_id')}>"
    elif kind == "usergroup":
        yield f"<!subteam^{made.get('usergroup_id')}>"
    elif kind == "broadcast":
        yield f"<!{made.get('range')}>"
    for one in made.values():
        if isinstance(one, dict | list):
            yield from _texts(one)
