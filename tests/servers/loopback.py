"""What every local server has: an address on this machine, and a recording of each exchange.

A recording is what a contract checker reads: one mapping for each exchange with its method, address, headers and bodies.
"""

from __future__ import annotations

import json
from email import message_from_bytes
from typing import Any, Self

from aiohttp import web
from aiohttp.typedefs import Handler

Exchange = dict[str, Any]


class Stream(web.StreamResponse):
    """A response that is written piece by piece, such as server-sent events, and remembers what was written."""

    def __init__(self, *, status: int = 200, content_type: str = "text/event-stream") -> None:
        super().__init__(status=status, headers={"Content-Type": content_type, "Cache-Control": "no-cache"})
        self.written = bytearray()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data`` now."""
        self.written += data
        await super().write(data)


class Loopback:
    """An aiohttp application on a free port of 127.0.0.1; ``async with`` starts and stops it.

    ``exchanges`` holds what was asked and answered, oldest first, as far as ``recording`` is on.
    """

    def __init__(self, *, service: str, recording: bool = True) -> None:
        self.service = service
        self.recording = recording
        self.exchanges: list[Exchange] = []
        self.application = web.Application(middlewares=[self._recorded()], client_max_size=64 * 1024 * 1024)
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Such as ``http://127.0.0.1:40404``."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        # Nobody waits for connections that a client keeps open.
        self._runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _recorded(self) -> Any:
        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self.recording or request.headers.get("Upgrade", "").lower() == "websocket":
                return await handler(request)
            raw = await request.read()
            response = await handler(request)
            self.exchanges.append(_exchange(self.service, request, raw, response))
            return response

        return record


def _exchange(service: str, request: web.Request, raw: bytes, response: web.StreamResponse) -> Exchange:
    kept: Exchange = {
        "service": service,
        "method": request.method,
        "url": str(request.url),
        "request_headers": dict(request.headers),
    }
    if request.content_type.startswith("multipart/"):
        kept["request_parts"] = _parts(request.headers["Content-Type"], raw)
    else:
        kept["request_body"] = _body(request.content_type, raw)
    written = bytes(response.written) if isinstance(response, Stream) else getattr(response, "body", None)
    return kept | {
        "status": response.status,
        "response_headers": dict(response.headers),
        "response_body": _body(response.content_type, written if isinstance(written, bytes) else b""),
    }


def _body(content_type: str, raw: bytes) -> Any:
    if not raw:
        return None
    text = raw.decode("utf-8", "replace")
    if "json" in content_type:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _parts(content_type: str, raw: bytes) -> list[dict[str, Any]]:
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
    found: list[dict[str, Any]] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        name = part.get_param("name", header="content-disposition")
        filename = part.get_param("filename", header="content-disposition")
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        if filename is None:
            found.append({"name": name, "value": content.decode("utf-8", "replace")})
        else:
            kind = part.get_content_type()
            found.append({"name": name, "filename": filename, "content_type": kind, "size": len(content)})
    return found
