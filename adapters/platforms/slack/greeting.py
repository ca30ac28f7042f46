"""The first words in a channel that the avatar was brought into."""

from __future__ import annotations

import structlog

from adapters.platforms.base import Host, UserError
from adapters.platforms.slack.markup import escape
from adapters.platforms.slack.places import place_of
from adapters.platforms.slack.sending import FAILURES, Wire, say

log = structlog.get_logger()


async def greet(wire: Wire, host: Host, channel_id: str, ts: str) -> None:
    """Say in three lines who is here and how to begin; ``ts`` is when it came."""
    identity = wire.people.identity
    wire.people.forget(channel_id)
    kind = await wire.people.kind_of(channel_id)
    try:
        welcome = await host.welcome(
            place_of(identity.team_id, channel_id, kind, team_name=identity.team_name)
        )
        text = greeting(welcome.avatar, welcome.tagline, identity.user_id)
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}]
        plain = f"Hello, I am {welcome.avatar}, an AI."
        await say(wire, channel_id, None, plain, blocks, name=f"greeting/{channel_id}/{ts}", after=ts)
    except (UserError, *FAILURES) as error:
        log.warning("not greeted", channel=channel_id, error=type(error).__name__)


def greeting(avatar: str, tagline: str, user_id: str) -> str:
    """Three lines in Slack's markup: who, how to talk and rate, and what admins choose."""
    line = f"*Hello, I am {escape(avatar)}*, an AI."
    if tagline:
        line += f" {escape(tagline.rstrip('.'))}."
    return (
        f"{line}\n"
        f"Mention me (<@{user_id}>) or write to me directly; the thumbs below my replies teach me, and "
        "`/understudy help` lists the rest.\n"
        "_For admins: `/understudy avatar` chooses who speaks in which channel, `/understudy model` what it thinks "
        "with._"
    )
