"""``Bucket``: training files in Cloud Storage, where the Agent Platform reads them.

The official client is synchronous, so each call runs in a thread; it is imported when first needed. What the objects and
requests are like is in https://cloud.google.com/storage/docs/json_api.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from pathlib import Path
from typing import Any, Final

from adapters.vendors.base import BadRequest, NotConfigured
from adapters.vendors.google.calls import Calls, NotThere
from adapters.vendors.google.endpoint import Endpoint
from adapters.vendors.google.jobs import object_name
from adapters.vendors.tuning import Split, TrainingFile

NO_EXTRA: Final = "install its client with pip install 'understudy[google-tuning]'"

_URI: Final = re.compile(r"gs://([^/\s]+)/(\S+)")
_PIECE: Final = 16 * 1024 * 1024  # of a large file, a multiple of 256 KiB; small ones go in one request
_ROUNDS: Final = 3


class Bucket:
    """The bucket of one endpoint."""

    def __init__(self, endpoint: Endpoint, calls: Calls) -> None:
        self._endpoint = endpoint
        self._calls = calls
        self._client: Any = None
        self._making = asyncio.Lock()
        self._limits = (endpoint.connect_seconds, endpoint.first_seconds)

    async def bring(self, file: TrainingFile, key: str) -> str:
        """The address (``gs://…``) of the file's object under ``key``; one with the same bytes is not brought again.

        Two that bring it at once bring it once: an object is only written over the generation that was seen before.
        Raises ``BadRequest`` for a file that cannot be read here, ``NotConfigured`` for no such bucket, and ``VendorError``.
        """
        name = object_name(key, file.split)
        what = f"the file {name}"
        try:
            digest = await asyncio.to_thread(_digest, file.path)
        except OSError as error:
            text = f"the file {file.path.name} cannot be read on this machine: {error.strerror}"
            raise BadRequest(text, vendor=self._endpoint.vendor) from error
        for _ in range(_ROUNDS):
            if await self._call(what, self._brought, name, file, digest):
                return self.uri(key, file.split)
        raise self._calls.told(what).unavailable("others keep writing to it")

    def uri(self, key: str, split: Split) -> str:
        """The address of a file's object under ``key``."""
        return f"gs://{self._endpoint.bucket}/{object_name(key, split)}"

    async def drop(self, uri: str) -> None:
        """Delete an object. One that is gone is no error."""
        found = _URI.fullmatch(uri)
        if found is None:
            raise BadRequest(f"{uri!r} is no file in Cloud Storage", vendor=self._endpoint.vendor)
        try:
            await self._call(f"the file {uri}", self._dropped, found.group(1), found.group(2))
        except NotThere:
            pass

    async def close(self) -> None:
        """Give back connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def _call(self, what: str, work: Any, *given: Any) -> Any:
        async def call() -> Any:
            client = await self._connected(what)
            return await asyncio.to_thread(work, client, *given)

        # A thread cannot be stopped, so the client itself gives up in time.
        return await self._calls.safe(what, call, timed=False)

    async def _connected(self, what: str) -> Any:
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect, what)
            return self._client

    def _connect(self, what: str) -> Any:
        try:
            from google.cloud import storage
        except ImportError:
            raise self._calls.told(what).not_configured(NO_EXTRA) from None
        url = self._endpoint.storage_url
        return storage.Client(
            project=self._endpoint.project,
            credentials=self._endpoint.credentials,
            client_options={"api_endpoint": url} if url else None,
        )

    def _brought(self, client: Any, name: str, file: TrainingFile, digest: str) -> bool:
        """Whether the object is there now; False when somebody else was faster."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        bucket = client.bucket(self._endpoint.bucket)
        there = bucket.get_blob(name, timeout=self._limits, retry=None)
        if there is not None and there.size == file.bytes and there.md5_hash in (digest, None):
            return True
        blob = bucket.blob(name, chunk_size=_PIECE)
        try:
            blob.upload_from_filename(
                str(file.path),
                content_type="application/jsonl",
                if_generation_match=there.generation if there is not None else 0,
                timeout=self._limits,
                retry=None,  # who calls decides whether to try again
            )
        except PreconditionFailed:
            return False
        except NotFound:
            text = (
                f"{self._endpoint.vendor} has no bucket {self._endpoint.bucket!r} in Cloud Storage for this account: "
                "create it, or change google.bucket"
            )
            raise NotConfigured(text, vendor=self._endpoint.vendor) from None
        return True

    def _dropped(self, client: Any, bucket: str, name: str) -> None:
        client.bucket(bucket).blob(name).delete(timeout=self._limits, retry=None)


def _digest(path: Path) -> str:
    """The MD5 of a file in base64, as the service tells it of an object."""
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(found.digest()).decode()
