"""files.*: files that the bot uploads and those that it reads."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.servers.slack.api import Call, method
from tests.servers.slack.blocks import checked
from tests.servers.slack.errors import Refused, invalid
from tests.servers.slack.ids import Json
from tests.servers.slack.messages import Message

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer


@method("files.getUploadURLExternal")
def upload_url(call: Call) -> Json:
    """Where to send a file to."""
    name = call.text("filename", required=True)
    length = call.number("length", 0)
    if length <= 0:
        raise invalid("invalid_arguments", "length has to be more than 0")
    kind = mimetypes.guess_type(name)[0]
    file = call.world.store(call.team.bot, name, kind, b"")
    file.complete = False
    file.alt_text = call.text("alt_txt") or call.text("alt_text")
    return {"upload_url": f"{call.world.base}/_upload/{file.id}?length={length}", "file_id": file.id}


@method("files.completeUploadExternal")
def complete(call: Call) -> Json:
    """Share what was sent."""
    given: list[Any] = call.json("files") or []
    files = [call.world.files.get(str(one.get("id"))) for one in given]
    known = [one for one in files if one is not None and one.team is call.team and one.data]
    if not given or len(known) != len(given):
        raise Refused("file_not_found")
    for file, one in zip(known, given, strict=True):
        file.complete = True
        file.title = str(one.get("title") or file.name)
    keys = [key for key in (call.text("channel_id") or call.text("channels")).split(",") if key]
    for key in keys:
        call.arguments["channel"] = key
        channel = call.channel()
        call.world.share(known, channel)
        call.world.post(
            Message(
                channel,
                call.team.bot,
                call.world.times(),
                call.text("initial_comment"),
                thread_ts=call.text("thread_ts") or None,
                blocks=checked(call.json("blocks", "invalid_blocks_format"), call.world.ids),
                files=list(known),
                subtype="file_share",
            )
        )
    return {"files": [one.json() for one in known]}


@method("files.info")
def info(call: Call) -> Json:
    """What a file is."""
    file = call.world.files.get(call.text("file"))
    if file is None or file.team is not call.team:
        raise Refused("file_not_found")
    return {"file": file.json(), "comments": [], "response_metadata": {"next_cursor": ""}}


@method("files.delete")
def delete(call: Call) -> Json:
    """Do away with a file of one's own."""
    file = call.world.files.get(call.text("file"))
    if file is None or file.team is not call.team:
        raise Refused("file_not_found")
    if file.owner is not call.team.bot:
        raise Refused("cant_delete_file")
    del call.world.files[file.id]
    return {}


class Files:
    """Takes what is uploaded and gives what is asked for with a token."""

    def __init__(self, world: SlackServer) -> None:
        self._world = world
        for verb in ("PUT", "POST"):
            world.application.router.add_route(verb, "/_upload/{file}", self._upload)
        world.application.router.add_get("/files-pri/{key}/{name}", self._download)

    async def _upload(self, request: web.Request) -> web.Response:
        file = self._world.files.get(request.match_info["file"])
        if file is None or file.complete:
            return web.Response(status=404, text="not found")
        data = await request.read()
        if request.content_type.startswith("multipart/"):
            data = next((one.file.read() for one in _uploads(await request.post())), b"")
        if len(data) != int(request.query["length"]):
            return web.Response(status=400, text="another length was announced")
        file.data = data
        return web.Response(text=f"OK - {len(data)}")

    async def _download(self, request: web.Request) -> web.Response:
        file = self._world.files.get(request.match_info["key"].partition("-")[2])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if file is None:
            return web.Response(status=404)
        if token != file.team.token or "files:read" not in self._world.scopes:  # Slack shows its page instead
            return web.Response(
                text="<!DOCTYPE html><html><body>Sign in</body></html>", content_type="text/html"
            )
        return web.Response(body=file.data, headers={"Content-Type": file.mimetype})


def _uploads(form: Any) -> list[web.FileField]:
    return [one for one in form.values() if isinstance(one, web.FileField)]
