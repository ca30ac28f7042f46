"""Run the local Slack in a process of its own: ``python -m tests.servers.slack --port 0`` prints its address."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

from tests.servers.slack.control import Control
from tests.servers.slack.server import SlackServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--bot-token", default="xoxb-understudy")
    parser.add_argument("--app-token", default="xapp-understudy")
    parser.add_argument("--signing-secret", default="signing-secret")
    parser.add_argument("--team", default="Birds")
    parser.add_argument("--channel", default="general")
    parser.add_argument("--real-limits", action="store_true", help="limit calls as Slack does")
    parser.add_argument("--record", action="store_true", help="keep every exchange")
    return parser.parse_args()


async def _serve(chosen: argparse.Namespace) -> None:
    world = SlackServer(
        chosen.bot_token,
        chosen.app_token,
        chosen.signing_secret,
        team_name=chosen.team,
        recording=chosen.record,
        port=chosen.port,
    )
    Control(world, channel=chosen.channel)
    world.deliveries.keep_sent = False
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
