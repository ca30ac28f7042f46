"""The local Slack of ``benchmarks.slack_path``, in a process of its own, on loopback.

It is that of the tests; it says besides when the whole text was shown, and lets an app hear only what it subscribed to.
"""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from benchmarks.servers import answer, chat_main
from benchmarks.slack_deliverer import Deliverer
from tests.servers.slack.control import Control
from tests.servers.slack.messages import Message
from tests.servers.slack.server import SlackServer


class Watched(SlackServer):
    """The local Slack; ``text`` is the whole reply."""

    def __init__(self, text: str) -> None:
        super().__init__(recording=False)
        Control(self, channel="general")
        self.endpoint = Deliverer(self)
        self.deliveries.keep_sent = False
        self._text = text
        self._shown_at = 0.0
        self.watchers.append(self._watch)
        self.application.router.add_get("/_bench/shown", self._shown)
        self.application.router.add_get("/_bench/guests", self._guests)
        self.application.router.add_post("/_bench/events", self._subscribe)

    def _watch(self, message: Message) -> None:
        if message.author is self.bot and not message.streaming and self._text in message.shown:
            self._shown_at = time.monotonic()

    async def _shown(self, _: web.Request) -> web.Response:
        return answer({"shown_at": self._shown_at})

    async def _subscribe(self, request: web.Request) -> web.Response:
        self.events = set(await request.json())
        return answer({})

    async def _guests(self, _: web.Request) -> web.Response:
        """Who talks where in a load: each in the thread that begins their room."""
        found: list[Any] = []
        for room in self.channels.values():
            if room.private and room.messages:
                root = next(iter(room.messages.values()))
                talk = f"{room.id}:{root.ts}"
                found.append({"key": root.author.id, "room": room.id, "conversation": talk, "private": True})
        return answer({"workspace": self.team().id, "people": found})


if __name__ == "__main__":
    chat_main(Watched)
