"""The floor that ``benchmarks.discord_path`` measures against: what a bare bot on discord.py and the openai SDK takes.

It answers a mention with a streamed reply, grown by the edit policy of ours with its budgets, and keeps nothing. Whatever
it could do without is left out, so that it is no easy mark: few intents, no cache of messages, and typing that nobody
waits for.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import discord
import openai
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

EDIT_SECONDS, EARLY_SECONDS, LATE_SECONDS, GOOD_DEAL = 1.0, 0.2, 0.5, 200
# In a channel so many posts and so many edits in five seconds, and so many altogether in one, but for final texts.
BUDGET, BUDGET_SECONDS, EVERYWHERE = 4, 5.0, 25


def bot(sent: list[Any], model: str) -> discord.Client:
    """A client that answers with ``sent``, the messages of every request, and the question below them."""
    intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)
    client = discord.Client(
        intents=intents,
        max_messages=None,
        allowed_mentions=discord.AllowedMentions.none(),
        chunk_guilds_at_startup=False,
        member_cache_flags=discord.MemberCacheFlags.none(),
    )
    vendor = openai.AsyncOpenAI()
    spent: defaultdict[Any, deque[float]] = defaultdict(lambda: deque(maxlen=BUDGET))
    everywhere: deque[float] = deque(maxlen=EVERYWHERE)

    @client.event
    async def on_message(message: discord.Message) -> None:  # pyright: ignore[reportUnusedFunction]
        if message.author.bot or client.user is None or not client.user.mentioned_in(message):
            return
        typing = asyncio.ensure_future(message.channel.typing())
        messages: Any = [*sent, {"role": "user", "content": message.content.partition(" ")[2]}]
        stream = await vendor.chat.completions.create(model=model, messages=messages, stream=True)
        clock, text, reply, due, early = asyncio.get_running_loop().time, "", None, None, True

        async def show(now: float) -> discord.Message:
            spent[message.channel.id, reply is None].append(now)
            return await (message.reply(text) if reply is None else reply.edit(content=text))

        async for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            now, slots = clock(), spent[message.channel.id, reply is None]
            full = len(slots) == BUDGET and now - slots[0] < BUDGET_SECONDS
            busy = len(everywhere) == EVERYWHERE and now - everywhere[0] < 1
            if due is None:
                due = now + EARLY_SECONDS if text else None
            elif now < due or full or busy:
                continue
            elif early and len(text) < GOOD_DEAL:
                early, due = False, due + LATE_SECONDS - EARLY_SECONDS
            else:
                everywhere.append(now)
                reply, due, early = await show(now), now + EDIT_SECONDS, False
        await show(clock())
        await typing

    return client


def main() -> None:
    """Run it against the servers that ``benchmarks.discord_path`` names in the environment."""
    if "FLOOR_DISCORD" not in os.environ:
        print("This bot is started by benchmarks.discord_path.")
        return
    url = os.environ["FLOOR_DISCORD"]
    Route.BASE = f"{url}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws{url.removeprefix('http')}/gateway")
    sent = json.loads(Path(os.environ["FLOOR_MESSAGES"]).read_text())
    bot(sent, os.environ["FLOOR_MODEL"]).run(os.environ["DISCORD_TOKEN"], log_handler=None)


if __name__ == "__main__":
    main()
