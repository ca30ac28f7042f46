"""What the local servers of ``benchmarks.discord_path`` and ``slack_path`` have in common: the model, and being a process.

They are those of the tests, with what only a benchmark asks of them: when the last token was spoken and when the whole
text was shown, by the clock that all processes of this machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import uvloop
from aiohttp import web

from tests.servers.loopback import Loopback
from tests.servers.openai import InstantServer

CHUNKS = 60


def answer(body: Any) -> web.Response:
    """An answer to the benchmark."""
    return web.Response(body=orjson.dumps(body), content_type="application/json")


class Model(InstantServer):
    """A model that speaks at once, or at a pace, and remembers when it was done."""

    def __init__(self) -> None:
        super().__init__(CHUNKS)
        self._pace = 0.0
        self._spoken_at = 0.0
        self._last = b"{}"
        self._shapes: Counter[int] = Counter()
        self.application.router.add_post("/_bench/pace", self._set_pace)
        self.application.router.add_get("/_bench/asked", self._asked)

    async def _set_pace(self, request: web.Request) -> web.Response:
        self._pace = float((await request.json())["seconds"])
        return answer({})

    async def _asked(self, _: web.Request) -> web.Response:
        found = {
            "last": orjson.loads(self._last),
            "messages": {str(count): times for count, times in self._shapes.items()},
            "spoken_at": self._spoken_at,
            "text": "".join(self.reply.pieces),
        }
        return answer(found)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self._last = raw = await request.read()
        self._shapes[raw.count(b'"role"')] += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "x-request-id": "req_0"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(self._first)
        transport = request.transport
        assert transport is not None
        *tokens, end = self._frames
        for frame in tokens:
            if self._pace:
                await asyncio.sleep(self._pace)
            transport.write(frame)
        self._spoken_at = time.monotonic()
        transport.write(end)
        return response


async def _serve(server: Loopback) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with server:
        print(server.url, flush=True)
        await ended.wait()


def chat_main(make: Callable[[str], Loopback]) -> None:
    """Serve the chat server that ``make`` makes for the whole text of a reply; its address is the first line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--text")
    given = parser.parse_args()
    if given.text is None:
        print("These servers are started by the benchmark of the platform's path.")
    else:
        uvloop.run(_serve(make(given.text)))


def main() -> None:
    """Serve the model; its address is the first line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", action="store_true")
    if parser.parse_args().model:
        uvloop.run(_serve(Model()))
    else:
        print("These servers are started by the benchmark of a platform's path.")


if __name__ == "__main__":
    main()
