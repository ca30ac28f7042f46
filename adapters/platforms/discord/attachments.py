"""The files that come with a message: fetched together, within limits; what cannot be fetched is named."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Sequence

import aiohttp
import discord
import structlog

from adapters.platforms.base import Attachment
from adapters.platforms.discord.options import Options

log = structlog.get_logger()

_SECONDS = 20.0


class Fetcher:
    """Fetches attachments for all messages of a client, no more than a few at a time."""

    def __init__(self, options: Options, *, at_once: int = 8, seconds: float = _SECONDS) -> None:
        self._options = options
        self._slots = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def fetch(self, files: Sequence[discord.Attachment]) -> tuple[Attachment, ...]:
        """Each of ``files`` with its bytes, or with what kept it from being fetched."""
        if not files:
            return ()
        return tuple(await asyncio.gather(*(self._one(at, file) for at, file in enumerate(files))))

    async def _one(self, at: int, file: discord.Attachment) -> Attachment:
        kind = file.content_type or mimetypes.guess_type(file.filename)[0] or "application/octet-stream"
        most, largest = self._options.attachments, self._options.attachment_bytes
        if at >= most:
            return Attachment(file.filename, kind, problem=f"only {most} files of a message are read")
        if file.size > largest:
            return Attachment(file.filename, kind, problem=f"it is larger than {_size(largest)}")
        try:
            async with self._slots, asyncio.timeout(self._seconds):
                return Attachment(file.filename, kind, await file.read())
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("attachment not fetched", bytes=file.size, error=type(error).__name__)
            return Attachment(file.filename, kind, problem="Discord did not hand it over")


def _size(count: int) -> str:
    mebibytes = count / (1024 * 1024)
    return f"{mebibytes:.0f} MB" if mebibytes >= 1 else f"{max(1, count // 1024)} kB"
