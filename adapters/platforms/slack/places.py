"""Where something is said, as Slack knows it: places from workspaces, channels and threads, and back.

Slack keeps an answer in a channel in the thread of its question, so a thread is one conversation: that of a mention is
the thread below it, even before there is one. A direct message outside a thread, and a channel in which the avatar
answers everything, is one conversation by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.platforms.base import Place

PLATFORM = "slack"

Kind = Literal["im", "mpim", "channel", "group"]

_DIRECT = frozenset({"im", "app_home"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in a workspace; ``enterprise_id`` is empty where it belongs to no larger organisation."""

    team_id: str
    team_name: str
    user_id: str
    bot_id: str
    name: str
    enterprise_id: str = ""


def place_of(
    team_id: str,
    channel_id: str,
    channel_type: str = "",
    thread_ts: str | None = None,
    *,
    team_name: str = "",
) -> Place:
    """Where something is said.

    ``channel_type`` is Slack's word (im, mpim, channel, group); without it a channel is taken for a closed one unless its
    id says more, which ``People.kind_of`` finds out.
    """
    conversation = f"{channel_id}:{thread_ts}" if thread_ts else channel_id
    private = (channel_type or kind_by_id(channel_id)) != "channel"
    return Place(PLATFORM, team_id, channel_id, conversation, private, team_name)


def target_of(place: Place) -> tuple[str, str | None]:
    """The channel, and the thread in it, that a reply in this conversation is posted into."""
    channel_id, _, thread_ts = place.conversation.partition(":")
    return channel_id, thread_ts or None


def is_direct(channel_type: str, channel_id: str) -> bool:
    """Whether nobody but one person and the avatar reads it, so that everything said there is for it."""
    return channel_type in _DIRECT or channel_id.startswith("D")


def kind_by_id(channel_id: str) -> Kind:
    """What the id alone says of a channel: a direct message; else a closed channel, as an open one may be closed later."""
    return "im" if channel_id.startswith("D") else "group"


def key_of(channel_id: str, ts: str) -> str:
    """The key of a message; its time is unique only in its channel."""
    return f"{channel_id}:{ts}"


def parts_of(key: str) -> tuple[str, str]:
    """The channel and the time of the message with this key; of several, the first."""
    channel_id, _, ts = key.partition(" ")[0].partition(":")
    return channel_id, ts.partition(":")[0]
