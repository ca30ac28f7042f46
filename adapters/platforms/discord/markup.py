"""What people write on Discord, as plain text: mentions by name, emoji by name, and nothing that only Discord can read."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import discord

from adapters.platforms.splitting import tidy

_MARK = re.compile(r"<(?:@!?(\d+)|@&(\d+)|#(\d+)|a?:(\w+):\d+|/([^:>]+):\d+|t:(-?\d+)(?::\w)?)>")
_GAP = re.compile(r" {2,}")
_START = re.compile(r"^[\s,:;]+")


def readable(message: discord.Message, me: discord.ClientUser) -> str:
    """The text of a message as one would read it aloud, without the mention of the avatar."""
    text = message.content
    for snapshot in message.message_snapshots:
        text += f"\n\n{snapshot.content}"
    if "<" in text:
        marked = _Marks(message, me)
        text = _MARK.sub(marked.spoken, text)
        if marked.addressed:
            text = _GAP.sub(" ", _START.sub("", text))
    if not text.strip() and message.stickers:
        text = " ".join(f":{sticker.name}:" for sticker in message.stickers)
    return tidy(text)


def mentions_me(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether the text itself names the avatar, by its user or by the role that came with it."""
    content = message.content
    if "<@" not in content:
        return False
    if f"<@{me.id}>" in content or f"<@!{me.id}>" in content:
        return True
    role = message.guild.self_role if message.guild is not None else None
    return role is not None and f"<@&{role.id}>" in content


class _Marks:
    """Reads the marks of one message."""

    def __init__(self, message: discord.Message, me: discord.ClientUser) -> None:
        self._message = message
        self._guild = message.guild
        self._me = me.id
        self._role = message.guild.self_role if message.guild is not None else None
        self.addressed = False

    def spoken(self, mark: re.Match[str]) -> str:
        user, role, channel, emoji, command, moment = mark.groups()
        if user:
            return self._user(int(user))
        if role:
            return self._named_role(int(role))
        if channel:
            found = self._guild.get_channel_or_thread(int(channel)) if self._guild else None
            return f"#{found.name}" if found else "#channel"
        if emoji:
            return f":{emoji}:"
        if command:
            return f"/{command}"
        return self._moment(int(moment))

    def _user(self, user_id: int) -> str:
        if user_id == self._me:
            self.addressed = True
            return ""
        found = next((user for user in self._message.mentions if user.id == user_id), None)
        return f"@{found.display_name}" if found else "@somebody"

    def _named_role(self, role_id: int) -> str:
        if self._role is not None and role_id == self._role.id:
            self.addressed = True
            return ""
        found = self._guild.get_role(role_id) if self._guild else None
        return f"@{found.name}" if found else "@role"

    @staticmethod
    def _moment(seconds: int) -> str:
        try:
            moment = datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            return "some time"
        return f"{moment:%Y-%m-%d %H:%M} UTC"
