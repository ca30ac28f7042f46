"""What goes wrong at Google's local servers: errors, hanging and cut connections, before or after a request's effect."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from tests.servers.gemini import BROKEN, Failure, failed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """What becomes of the next ``times`` requests whose method and path match; None is until the fault is taken away.

    ``hang`` never answers and ``cut`` closes the connection, both before anything is done; with ``after`` they come once the
    request has had its effect, which is how a job is created that its creator does not know of.
    """

    answer: Failure | Literal["hang", "cut"] = BROKEN
    method: str = ""
    path: str = ""
    times: int | None = 1
    after: bool = False

    def fits(self, request: web.Request) -> bool:
        """Whether it is this request's turn."""
        wanted = self.method in {"", request.method} and re.search(self.path, request.path) is not None
        return wanted and self.times != 0


class Faults:
    """The ``faults`` of one server, tried in order, and the method and path of each request, in ``hits``.

    ``hung`` is set when a request is left without an answer.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.hits: list[tuple[str, str]] = []
        self.hung = asyncio.Event()

    def guarded(self, handler: Handler, unfit: Callable[[web.Request], Failure | None]) -> Any:
        """``handler`` behind the faults, for requests in which ``unfit`` finds nothing wrong."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.hits.append((request.method, request.path))
            if failure := unfit(request):
                return failed(failure)
            fault = next((each for each in self.faults if each.fits(request)), None)
            if fault is None:
                return await handler(request)
            if fault.times is not None:
                fault.times -= 1
            done = await handler(request) if fault.after else None
            if isinstance(fault.answer, Failure):
                return failed(fault.answer)
            if fault.answer == "hang":
                self.hung.set()
                await asyncio.Event().wait()
            if request.transport is not None:
                request.transport.close()
            return done or failed(BROKEN)

        return answer
