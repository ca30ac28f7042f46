"""Delivers the events of the local Slack over HTTP and takes the time, in a process of its own.

    python -m benchmarks.slack_deliverer URL

A request on a line of its input, as JSON: ``id``, ``headers`` and ``body``; a line of its output says ``id``, ``status``,
``text``, ``final`` and ``seconds``, from when the request was begun. In the process of the Web API, which all bots call at
the same time, an answer would wait for the server to come round to reading it, and that would count as the bot's.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.servers.slack.deliveries import Delivery
from tests.servers.slack.endpoint import Answer, Endpoint

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer

_LONGEST_LINE = 2**20
_MOST = 512


class Deliverer(Endpoint):
    """Gives what is to be delivered to a process of its own, and times it by that process's watch."""

    def __init__(self, world: SlackServer) -> None:
        super().__init__(world)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def use(self, url: str) -> bool:
        """Deliver to ``url`` from now on, if it passes the check of its address."""
        await self._end()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.slack_deliverer", url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        self._reader = asyncio.create_task(self._read(self._process))
        return await super().use(url)

    async def post(self, body: bytes, headers: dict[str, str], delivery: Delivery | None) -> Answer:
        """Post a signed request; only what is delivered is timed."""
        if delivery is None or self._process is None or self._process.stdin is None:
            return await super().post(body, headers, delivery)
        number = next(self._numbers)
        found = self._waiting[number] = asyncio.get_running_loop().create_future()
        line = {"id": number, "headers": headers, "body": body.decode()}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        said = await found
        delivery.sent_at = time.perf_counter() - said["seconds"]
        if said["status"] == 0:
            raise aiohttp.ClientError(said["text"])
        return Answer(said["status"], said["text"], said["final"])

    async def close(self) -> None:
        """Deliver nothing more."""
        await self._end()
        await super().close()

    async def _end(self) -> None:
        if self._process is not None and self._reader is not None:
            self._reader.cancel()
            if self._process.returncode is None:
                self._process.terminate()
            await self._process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            said = json.loads(line)
            self._waiting.pop(said["id"]).set_result(said)


async def _deliver(session: aiohttp.ClientSession, url: str, line: dict[str, Any]) -> None:
    began = time.perf_counter()
    try:
        async with session.post(url, data=line["body"].encode(), headers=line["headers"]) as got:
            said = {"status": got.status, "text": await got.text()}
            said["final"] = got.headers.get("X-Slack-No-Retry") == "1"
    except aiohttp.ClientError as error:
        said = {"status": 0, "text": str(error), "final": False}
    said |= {"id": line["id"], "seconds": time.perf_counter() - began}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def _serve(url: str) -> None:
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    # No deadline: how long it took is what is asked.
    connector, timeout = aiohttp.TCPConnector(limit=_MOST), aiohttp.ClientTimeout()
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        while line := await reader.readline():
            group.create_task(_deliver(session, url, json.loads(line)))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        asyncio.run(_serve(sys.argv[1]))
    else:
        print("This is run by the local Slack of benchmarks.slack_path.")
