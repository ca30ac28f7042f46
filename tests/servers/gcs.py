"""A local Cloud Storage: the JSON API's objects, with multipart and resumable uploads, as the contract has them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import google_crc32c
from aiohttp import web

from tests.servers.gemini import NO_TOKEN, Failure, failed
from tests.servers.google_faults import Faults, Handler
from tests.servers.loopback import Loopback

Object = dict[str, Any]
BUCKET: Final = "understudy-tuning"
EPOCH: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)


def refused(code: int, reason: str, message: str) -> Failure:
    """An error in the words of this API, which differ from those of the newer ones."""
    details = {"message": message, "domain": "global", "reason": reason}
    body = {"error": {"code": code, "message": message, "errors": [details]}}
    return Failure(code, reason, message, body=json.dumps(body).encode())


TOO_FAST: Final = refused(
    429, "rateLimitExceeded", "The object exceeded the rate limit for object mutation operations."
)
BROKEN: Final = refused(503, "backendError", "We encountered an internal error. Please try again.")


class StorageServer(Loopback):
    """The service on loopback; ``url`` is what a client is given as its endpoint, or as STORAGE_EMULATOR_HOST.

    ``objects`` has what is stored by bucket and name, and ``contents`` its bytes; ``buckets`` are those that there are.
    ``trouble`` holds the faults and what was asked. ``token``, when set, is the only one that is taken. ``denied`` is what
    an account is told that may not write. ``anonymous`` takes whoever comes, as an emulator does.
    """

    def __init__(self, *, recording: bool = True, token: str | None = None) -> None:
        super().__init__(service="google", recording=recording)
        self.token = token
        self.anonymous = False
        self.buckets = {BUCKET}
        self.objects: dict[tuple[str, str], Object] = {}
        self.contents: dict[tuple[str, str], bytes] = {}
        self.trouble = Faults()
        self.denied: Failure | None = None
        self.uploads = 0
        self._pending: dict[str, tuple[str, Object, str, bytearray]] = {}
        self._count = 0
        add = self.application.router.add_route

        def guarded(handler: Handler) -> Any:
            return self.trouble.guarded(handler, self._unfit)

        add("GET", "/storage/v1/b/{bucket}/o", guarded(self._list))
        add("GET", "/storage/v1/b/{bucket}/o/{object:.+}", guarded(self._get))
        add("DELETE", "/storage/v1/b/{bucket}/o/{object:.+}", guarded(self._delete))
        add("POST", "/upload/storage/v1/b/{bucket}/o", guarded(self._upload))
        add("PUT", "/upload/storage/v1/b/{bucket}/o", guarded(self._piece))

    def put(self, bucket: str, name: str, data: bytes) -> str:
        """Store ``data``, as somebody else would; its address."""
        self._keep(bucket, {"name": name, "contentType": "application/octet-stream"}, data)
        return f"gs://{bucket}/{name}"

    def has(self, uri: str) -> bool:
        """Whether there is an object at ``gs://…``."""
        found = re.fullmatch(r"gs://([^/]+)/(.+)", uri)
        return found is not None and (found.group(1), found.group(2)) in self.objects

    @property
    def names(self) -> list[str]:
        """The addresses of all objects."""
        return [f"gs://{bucket}/{name}" for bucket, name in self.objects]

    # --- objects

    async def _list(self, request: web.Request) -> web.StreamResponse:
        bucket, prefix = request.match_info["bucket"], request.query.get("prefix", "")
        if bucket not in self.buckets:
            return self._no_bucket()
        found = [
            one for (where, name), one in self.objects.items() if where == bucket and name.startswith(prefix)
        ]
        start = int(request.query.get("pageToken", "0"))
        end = start + min(int(request.query.get("maxResults", "1000")), 1000)
        listed: Object = {"kind": "storage#objects"} | ({"items": found[start:end]} if found else {})
        return web.json_response(listed | ({"nextPageToken": str(end)} if end < len(found) else {}))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        at = request.match_info["bucket"], request.match_info["object"]
        if at not in self.objects:
            return self._no_object(at)
        if request.query.get("alt") == "media":
            return web.Response(body=self.contents[at], content_type="application/octet-stream")
        return web.json_response(self.objects[at])

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        at = request.match_info["bucket"], request.match_info["object"]
        if self.objects.pop(at, None) is None:
            return self._no_object(at)
        del self.contents[at]
        return web.Response(status=204)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        bucket, raw = request.match_info["bucket"], await request.read()
        if bucket not in self.buckets:
            return self._no_bucket()
        if self.denied is not None:
            return failed(self.denied)
        condition = request.query.get("ifGenerationMatch", "")
        if request.query.get("uploadType") == "resumable":
            self._count += 1
            about = {"contentType": request.headers.get("X-Upload-Content-Type")} | json.loads(raw)
            self._pending[str(self._count)] = (bucket, about, condition, bytearray())
            query = f"uploadType=resumable&upload_id={self._count}"
            return web.Response(headers={"Location": f"{self.url}{request.path}?{query}"})
        about, data = _related(request.headers["Content-Type"], raw)
        return self._stored(bucket, about, condition, data)

    async def _piece(self, request: web.Request) -> web.StreamResponse:
        id = request.query["upload_id"]
        if id not in self._pending:
            return failed(refused(404, "notFound", "Upload not found."))
        bucket, about, condition, data = self._pending[id]
        piece = await request.read()
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("Content-Range", ""))
        if found is None or (found.group(1) and int(found.group(1)) != len(data)):
            return failed(refused(400, "invalid", "Invalid Content-Range."))
        data += piece
        if found.group(3) == "*" or len(data) < int(found.group(3)):
            return web.Response(status=308, headers={"Range": f"bytes=0-{len(data) - 1}"} if data else {})
        del self._pending[id]
        return self._stored(bucket, about, condition, bytes(data))

    def _stored(self, bucket: str, about: Object, condition: str, data: bytes) -> web.StreamResponse:
        self.uploads += 1
        there = self.objects.get((bucket, about["name"]))
        if condition and condition != (there["generation"] if there else "0"):
            return failed(
                refused(
                    412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."
                )
            )
        if about.get("crc32c", _crc32c(data)) != _crc32c(data):
            return failed(refused(400, "invalid", "Provided CRC32C does not match calculated CRC32C."))
        return web.json_response(self._keep(bucket, about, data))

    def _keep(self, bucket: str, about: Object, data: bytes) -> Object:
        self._count += 1
        name, generation = about["name"], str(1_790_000_000_000_000 + self._count)
        now = (EPOCH + timedelta(seconds=self._count)).isoformat().replace("+00:00", "Z")
        link = f"{self.url}/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}"
        stored: Object = {
            "kind": "storage#object",
            "id": f"{bucket}/{name}/{generation}",
            "selfLink": link,
            "mediaLink": f"{link}?generation={generation}&alt=media",
            "name": name,
            "bucket": bucket,
            "generation": generation,
            "metageneration": "1",
            "contentType": about.get("contentType"),
            "storageClass": "STANDARD",
            "size": str(len(data)),
            "md5Hash": base64.b64encode(hashlib.md5(data).digest()).decode(),
            "crc32c": _crc32c(data),
            "etag": f"CN{generation}",
            "timeCreated": now,
            "updated": now,
            "timeStorageClassUpdated": now,
            "timeFinalized": now,
        }
        self.objects[bucket, name], self.contents[bucket, name] = stored, data
        return stored

    def _unfit(self, request: web.Request) -> Failure | None:
        if self.anonymous:
            return None
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return NO_TOKEN if not given or (self.token is not None and given != self.token) else None

    def _no_bucket(self) -> web.Response:
        return failed(refused(404, "notFound", "The specified bucket does not exist."))

    def _no_object(self, at: tuple[str, str]) -> web.Response:
        return failed(refused(404, "notFound", f"No such object: {'/'.join(at)}"))


def _related(content_type: str, raw: bytes) -> tuple[Object, bytes]:
    """The description and the bytes of a multipart/related upload."""
    found = re.search(r'boundary="?([^";]+)', content_type)
    assert found is not None
    _, about, data, _ = raw.split(b"--" + found.group(1).encode(), 3)
    described = json.loads(about.partition(b"\r\n\r\n")[2])
    media = data.partition(b"\r\n\r\n")
    kind = re.search(rb"content-type: (\S+)", media[0], re.IGNORECASE)
    return {"contentType": kind.group(1).decode() if kind else None} | described, media[2].removesuffix(
        b"\r\n"
    )


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
