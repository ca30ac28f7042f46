"""The files that come with a message: fetched together, within limits; what cannot be fetched is named."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import structlog
import yarl
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platforms.base import Attachment
from adapters.platforms.slack.options import Options

log = structlog.get_logger()

_SECONDS = 20.0
_CHUNK = 64 * 1024
_NOT_HANDED_OVER = "Slack did not hand it over"


class Fetcher:
    """Fetches attachments for all messages of a workspace, no more than a few at a time."""

    def __init__(
        self, client: AsyncWebClient, options: Options, *, at_once: int = 8, seconds: float = _SECONDS
    ) -> None:
        self._client = client
        self._options = options
        self._slots = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def fetch(self, files: Sequence[Mapping[str, Any]]) -> tuple[Attachment, ...]:
        """Each of ``files`` with its bytes, or with what kept it from being fetched."""
        if not files:
            return ()
        return tuple(await asyncio.gather(*(self._one(at, file) for at, file in enumerate(files))))

    async def _one(self, at: int, file: Mapping[str, Any]) -> Attachment:
        name = str(file.get("name") or file.get("title") or "file")
        kind = str(file.get("mimetype") or mimetypes.guess_type(name)[0] or "application/octet-stream")
        most, largest = self._options.attachments, self._options.attachment_bytes
        if at >= most:
            return Attachment(name, kind, problem=f"only {most} files of a message are read")
        try:
            async with self._slots, asyncio.timeout(self._seconds):
                if file.get("file_access") == "check_file_info":
                    # In channels that are shared with others a file comes as an announcement of itself.
                    info = await self._client.files_info(file=str(file.get("id")))
                    file = info["file"] or {}
                    name, kind = str(file.get("name") or name), str(file.get("mimetype") or kind)
                if int(file.get("size") or 0) > largest:
                    return Attachment(name, kind, problem=f"it is larger than {_size(largest)}")
                return await self._read(file, name, kind)
        except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("attachment not fetched", error=type(error).__name__)
            return Attachment(name, kind, problem=_NOT_HANDED_OVER)

    async def _read(self, file: Mapping[str, Any], name: str, kind: str) -> Attachment:
        url = yarl.URL(str(file.get("url_private_download") or file.get("url_private") or ""))
        if file.get("mode") in ("tombstone", "hidden_by_limit") or not url.host:
            return Attachment(name, kind, problem="it is no longer there")
        if not self._is_slack(url):
            return Attachment(name, kind, problem="it lies outside Slack")
        session = self._client.session
        assert session is not None
        data = bytearray()
        largest = self._options.attachment_bytes
        async with session.get(url, headers={"Authorization": f"Bearer {self._client.token}"}) as response:
            if response.status != 200 or (response.content_type == "text/html" and kind != "text/html"):
                # Instead of a file that we may not read, there is the page on which one logs in.
                log.warning("attachment not fetched", status=response.status)
                return Attachment(name, kind, problem=_NOT_HANDED_OVER)
            async for chunk in response.content.iter_chunked(_CHUNK):
                data += chunk
                if len(data) > largest:
                    return Attachment(name, kind, problem=f"it is larger than {_size(largest)}")
        return Attachment(name, kind, bytes(data))

    def _is_slack(self, url: yarl.URL) -> bool:
        """Whether our token may be shown there."""
        ours = yarl.URL(self._client.base_url)
        if url.origin() == ours.origin():
            return True
        return url.scheme == "https" and str(url.host).endswith((".slack.com", ".slack-edge.com"))


def _size(count: int) -> str:
    mebibytes = count / (1024 * 1024)
    return f"{mebibytes:.0f} MB" if mebibytes >= 1 else f"{max(1, count // 1024)} kB"
