"""A user account: a person's, a bot's or a webhook's."""

from __future__ import annotations

from tests.servers.discord.ids import Json


class User:
    """An account as everybody sees it."""

    def __init__(self, key: int, name: str, *, bot: bool = False) -> None:
        self.id = key
        self.name = name if bot else name.lower().replace(" ", "_")
        self.display = name
        self.bot = bot

    @property
    def mention(self) -> str:
        """What is written into a message to mention this account."""
        return f"<@{self.id}>"

    def json(self) -> Json:
        """The account as the API writes it."""
        found: Json = {
            "id": str(self.id),
            "username": self.name,
            "discriminator": "0000" if self.bot else "0",
            "global_name": None if self.bot else self.display,
            "avatar": None,
            "public_flags": 0,
            "flags": 0,
            "primary_guild": None,
        }
        if self.bot:
            found["bot"] = True
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.display}>"
