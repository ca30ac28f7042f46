"""Run the local Discord in a process of its own: ``python -m tests.servers.discord --port 0`` prints its address."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

from tests.servers.discord.broadcast import INTENTS, PRIVILEGED
from tests.servers.discord.control import Control
from tests.servers.discord.server import DiscordServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.discord", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default="bot-token")
    parser.add_argument("--guild", default="Birds")
    parser.add_argument("--channel", default="general")
    parser.add_argument(
        "--no-content", action="store_true", help="the message content intent is not switched on"
    )
    parser.add_argument("--real-limits", action="store_true", help="limit requests as Discord does")
    parser.add_argument("--record", action="store_true", help="keep every exchange")
    return parser.parse_args()


async def _serve(chosen: argparse.Namespace) -> None:
    intents = PRIVILEGED & ~INTENTS["MESSAGE_CONTENT"] if chosen.no_content else PRIVILEGED
    world = DiscordServer(chosen.token, intents=intents, recording=chosen.record, port=chosen.port)
    Control(world, guild=chosen.guild, channel=chosen.channel)
    if chosen.real_limits:
        world.limits.real()
    over = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, over.set)
    async with world:
        print(world.url, flush=True)
        parent, stopped = os.getppid(), asyncio.create_task(over.wait())
        while not stopped.done() and os.getppid() == parent:  # nobody stops it when its starter is gone
            await asyncio.wait((stopped,), timeout=1)


if __name__ == "__main__":
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(_serve(_arguments()))
