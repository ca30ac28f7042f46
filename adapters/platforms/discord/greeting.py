"""The first words in a server that the avatar was brought into."""

from __future__ import annotations

import discord
import structlog

from adapters.platforms.base import Host, UserError
from adapters.platforms.discord.answers import Part
from adapters.platforms.discord.places import place_of
from adapters.platforms.discord.sending import Wire, say

log = structlog.get_logger()


async def greet(wire: Wire, host: Host, guild: discord.Guild) -> None:
    """Say in three lines who is here and how to begin, in the channel for such things or the first one to write in."""
    channel = greeted_channel(guild)
    if channel is None:
        log.info("no channel to greet in", guild=guild.id)
        return
    assert wire.client.user is not None
    try:
        welcome = await host.welcome(place_of(channel, guild, wire.client.user.id))
        text = greeting(welcome.avatar, welcome.tagline, wire.client.user.mention)
        # Every replica hears of it, and one greets: that it joined at this moment, all of them know.
        joined = guild.me.joined_at
        await say(wire, channel.id, (Part(text),), name=f"greeting/{guild.id}/{joined}" if joined else "")
    except (UserError, discord.HTTPException) as error:
        log.warning("not greeted", guild=guild.id, error=type(error).__name__)


def greeting(avatar: str, tagline: str, mention: str) -> str:
    """Three lines: who, how to talk and rate, and what admins choose."""
    line = f"**Hello, I am {avatar}**, an AI."
    if tagline:
        line += f" {tagline.rstrip('.')}."
    return (
        f"{line}\n"
        f"Mention me ({mention}), reply to me or write to me directly; 👍 and 👎 below my replies teach me, "
        "and `/help` lists the rest.\n"
        "-# For admins: `/avatar` chooses who speaks in which channel, `/model` what it thinks with."
    )


def greeted_channel(guild: discord.Guild) -> discord.TextChannel | None:
    """Where the first words are said, if anywhere."""
    candidates = [guild.system_channel, *sorted(guild.text_channels, key=lambda each: each.position)]
    for channel in candidates:
        if channel is not None:
            permissions = channel.permissions_for(guild.me)
            if permissions.view_channel and permissions.send_messages:
                return channel
    return None
