"""The address under which an admin adds the avatar to a server, with exactly what it needs there."""

from __future__ import annotations

import discord

from adapters.platforms.base import UserError
from adapters.platforms.discord.client import point_at
from adapters.platforms.discord.options import Options

PORTAL = "https://discord.com/developers/applications"
SCOPES = ("bot", "applications.commands")

# What each is for, as people read it in Discord's own settings.
PERMISSIONS = {
    "view_channel": "View Channels",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "create_public_threads": "Create Public Threads",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
    "add_reactions": "Add Reactions",
}

WRONG_TOKEN = f"Discord does not know this token: set DISCORD_TOKEN to the one under Bot on {PORTAL}."


def wanted_permissions() -> discord.Permissions:
    """What the avatar needs in a server."""
    return discord.Permissions(**dict.fromkeys(PERMISSIONS, True))


def invite_url(application_id: int) -> str:
    """The address that asks an admin for exactly these permissions."""
    return discord.utils.oauth_url(application_id, permissions=wanted_permissions(), scopes=SCOPES)


async def invite(token: str, options: Options) -> str:
    """The invitation of the application that this token belongs to. Raises ``UserError`` for a wrong token."""
    point_at(options.api_url)
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            await client.login(token)
        except discord.LoginFailure as error:
            raise UserError(WRONG_TOKEN) from error
        assert client.application_id is not None
        return invite_url(client.application_id)
