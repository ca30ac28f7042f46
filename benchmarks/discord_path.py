"""What a reply on Discord costs and how long it takes, beside a bare bot on discord.py and the openai SDK.

    python -m benchmarks.discord_path [--rounds 3] [--exchanges 1] [--no-pin]
    python -m benchmarks.discord_path --memory 100000
    python -m benchmarks.discord_path --profile 64

The floor is ``benchmarks.discord_floor``; ``benchmarks.path`` says how both are measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import path
from benchmarks.stack import QUESTION, Stack, ask

GROUPS = (
    ("gateway, parse and dispatch", ("discord/gateway", "discord/state", "discord/message", "discord/shard",
                                     "discord/client", "discord/member", "discord/user", "client_ws", "websocket")),
    ("ours for Discord", ("adapters/platforms/discord",)),
    ("REST: discord.py", ("/discord/",)),
)  # fmt: skip


class DiscordStack(Stack):
    """A bot with a local Discord."""

    platform = "discord"
    title = "Discord"

    def people(self) -> Mapping[str, Any]:
        """Everybody in a channel of their own, as far as there are so many."""
        return {"users": self.users, "channels": self.rooms}

    def secrets(self) -> Mapping[str, str]:
        """The bot's token."""
        return {"DISCORD_TOKEN": "bot-token"}

    def floor(self) -> Mapping[str, str]:
        """Where Discord is."""
        return {"FLOOR_DISCORD": self.url}

    def settings(self) -> Mapping[str, str]:
        """Where Discord is."""
        return {"UNDERSTUDY_DISCORD__API_URL": self.url}

    def walk(self, start: int, exchanges: int) -> int:
        """Each walker in the next of their channels each time."""
        asked = {"start": start, "exchanges": exchanges, "text": QUESTION}
        return ask(f"{self.url}/_bench/walk", asked, seconds=3600)["unanswered"]


# Replies of 0.3 and of 2.4 seconds.
DISCORD = path.Platform(
    stack=DiscordStack, paces={0.005: (16, 4), 0.04: (1, 3)}, groups=GROUPS, lag_promised=50.0
)


def main() -> int:
    """Measure and print."""
    parser = path.arguments()
    parser.description = (__doc__ or "").partition("\n")[0]
    with tempfile.TemporaryDirectory() as folder:
        kept = path.told(path.run(DISCORD, parser.parse_args(), Path(folder)))
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
