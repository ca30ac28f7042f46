"""The interactive half of Slack, served by a real app, and what people do there: commands, buttons, forms, shortcuts."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from aiohttp import web
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult

from adapters.platforms.base import Host, Place
from adapters.platforms.slack.client import make_client
from adapters.platforms.slack.interactions import Interactions, attach
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.pacing import Pacing
from adapters.platforms.slack.people import People
from adapters.platforms.slack.places import Identity
from adapters.platforms.slack.replies import SlackReply
from adapters.platforms.slack.sending import Wire
from adapters.platforms.slack.tempo import Tempo
from tests.adapters.platforms.discord.interactive import NOW

ME = Identity("T1", "Team", "U0", "B0", "Understudy")
ADMIN, MEMBER, ROBOT = "UADMIN", "UMEMBER", "UROBOT"


@dataclass
class Asked:
    """One call of Slack's Web API, or one answer at an address that came with an interaction."""

    method: str
    said: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What a person reads of it."""
        blocks = self.said.get("blocks") or ()
        return "\n".join(_texts(blocks)) or str(self.said.get("text", ""))

    @property
    def buttons(self) -> dict[str, Any]:
        """The buttons below it, by what they say."""
        return {
            each["text"]["text"]: each
            for block in self.said.get("blocks") or ()
            if block["type"] == "actions"
            for each in block["elements"]
        }


def _texts(blocks: Any) -> list[str]:
    return [
        block["text"] if isinstance(block["text"], str) else str(block["text"]["text"])
        for block in blocks
        if "text" in block
    ]


class Slack:
    """Slack's side: it writes down what is asked of it, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused: dict[str, str] = {}
        self.uploads: list[bytes] = []
        self.used: dict[str, int] = {}
        self.url = ""
        self.conflicts = 0
        self._ts = itertools.count(1)

    def of(self, method: str) -> list[Asked]:
        """The calls of this method."""
        return [each for each in self.asked if each.method == method]

    async def start(self) -> web.AppRunner:
        """Serve on this machine."""
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/api/{method}", self._api)
        application.router.add_post("/respond/{address}", self._respond)
        application.router.add_post("/upload/{name}", self._upload)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        said = await _body(request)
        self.asked.append(Asked(method, said))
        if method in self.refused:
            return web.json_response({"ok": False, "error": self.refused[method]})
        if method == "views.publish" and "hash" in said and self.conflicts:
            self.conflicts -= 1
            return web.json_response({"ok": False, "error": "hash_conflict"})
        return web.json_response({"ok": True, **self._answer(method, said)})

    def _answer(self, method: str, said: Mapping[str, Any]) -> dict[str, Any]:
        user = str(said.get("user", ""))
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "users.info": lambda: {
                "user": {
                    "id": user,
                    "team_id": ME.team_id,
                    "name": user.lower(),
                    "is_admin": user == ADMIN,
                    "is_bot": user == ROBOT,
                }
            },
            "conversations.info": lambda: {"channel": {"id": said.get("channel"), "name": "general"}},
            "conversations.open": lambda: {"channel": {"id": f"D{said['users']}"}},
            "chat.postMessage": lambda: {"ts": f"{next(self._ts)}.000100", "channel": said["channel"]},
            "files.getUploadURLExternal": lambda: {
                "upload_url": f"{self.url}/upload/{said['filename']}",
                "file_id": f"F{next(self._ts)}",
            },
            "files.completeUploadExternal": lambda: {"files": [{"id": "F1"}]},
        }
        return answers[method]() if method in answers else {}

    async def _respond(self, request: web.Request) -> web.Response:
        address = request.match_info["address"]
        self.used[address] = self.used.get(address, 0) + 1
        if self.used[address] > 5 or "respond" in self.refused:
            return web.Response(status=404, text="used_url")
        self.asked.append(Asked("respond", await request.json()))
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.Response:
        self.uploads.append(await request.read())
        return web.Response(text="OK")


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return await request.json()
    given = {**request.query, **(await request.post())}
    return {
        name: json.loads(value) if isinstance(value, str) and value[:1] in ("[", "{") else value
        for name, value in given.items()
    }


@dataclass
class World:
    """A workspace with an admin and a member, and an app that attends to what they do."""

    slack: Slack
    app: AsyncApp
    wire: Wire
    interactions: Interactions
    clock: list[int]
    reply_for: Callable[[Place, str, str], SlackReply]
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def slash(
        self, text: str, *, command: str = "/understudy", person: str = MEMBER, channel: str = "C1"
    ) -> Any:
        """Somebody gives a slash command."""
        return await self.dispatch(
            {
                "command": command,
                "text": text,
                "user_id": person,
                "team_id": ME.team_id,
                "channel_id": channel,
                "response_url": self.address(),
                "trigger_id": self.trigger(),
            }
        )

    async def press(
        self,
        button: Mapping[str, Any],
        *,
        person: str = MEMBER,
        channel: str = "C1",
        thread: str = "",
        message: Mapping[str, Any] | None = None,
        home: bool = False,
        value: str = "",
        **more: Any,
    ) -> Any:
        """Somebody presses a button; below a message that all see where there is one, else one of their own."""
        container: dict[str, Any] = {"type": "view" if home else "message"}
        body: dict[str, Any] = {
            "type": "block_actions",
            "container": container,
            "actions": [
                {
                    "type": button.get("type"),
                    "action_id": button["action_id"],
                    "value": value or button.get("value"),
                }
            ],
        }
        if not home:
            body["channel"] = {"id": channel}
            body["response_url"] = self.address()
            container |= {"message_ts": "9.000900", "channel_id": channel, "is_ephemeral": message is None}
            if thread:
                container["thread_ts"] = thread
        if message is not None:
            body["message"] = {"ts": "9.000900", **message}
        return await self.interact(body | more, person)

    async def send(
        self, view: Mapping[str, Any], *, person: str = MEMBER, kind: str = "view_submission", **values: Any
    ) -> Any:
        """Somebody sends a form, or closes it; ``values`` are the elements that were filled in."""
        state = {f"in.{name}": {"value": element} for name, element in values.items()}
        sent = {**view, "id": f"V{next(self._numbers)}", "state": {"values": state}}
        return await self.interact({"type": kind, "view": sent}, person)

    async def shortcut(self, callback: str, message: Mapping[str, Any], *, person: str = MEMBER) -> Any:
        """Somebody chooses a shortcut on a message."""
        body = {
            "type": "message_action",
            "callback_id": callback,
            "channel": {"id": "C1"},
            "message_ts": message.get("ts"),
            "message": message,
            "response_url": self.address(),
        }
        return await self.interact(body, person)

    async def event(self, event: Mapping[str, Any]) -> Any:
        """Something happens."""
        body = {
            "type": "event_callback",
            "event_id": f"Ev{next(self._numbers)}",
            "team_id": ME.team_id,
            "event": {"event_ts": f"{NOW / 1_000 - 5:.6f}", **event},
        }
        return await self.dispatch(body)

    async def interact(self, body: Mapping[str, Any], person: str) -> Any:
        """An interaction as it is."""
        known = {"team": {"id": ME.team_id}, "user": {"id": person, "team_id": ME.team_id}}
        return await self.dispatch({"trigger_id": self.trigger(), **known, **body})

    async def dispatch(self, body: Mapping[str, Any]) -> Any:
        """Deliver something, and wait until it is acknowledged and attended to; what was acknowledged."""
        response = await self.app.async_dispatch(AsyncBoltRequest(body=dict(body), mode="socket_mode"))
        assert response.status == 200, response.body
        # bolt acknowledges an event before its listener begins.
        for _ in range(20):
            await asyncio.sleep(0)
        await self.settle()
        return json.loads(response.body) if str(response.body)[:1] == "{" else response.body

    async def settle(self) -> None:
        """Wait until everything is attended to."""
        await self.wire.all_given()

    def address(self) -> str:
        """An address for answers."""
        return f"{self.slack.url}/respond/{next(self._numbers)}"

    def trigger(self) -> str:
        """What a form can be opened with."""
        return f"{next(self._numbers)}.trigger"

    @property
    def last(self) -> Asked:
        """The last that was said to anybody."""
        said = ("respond", "chat.postEphemeral", "chat.postMessage", "chat.update")
        return next(each for each in reversed(self.slack.asked) if each.method in said)

    @property
    def form(self) -> Mapping[str, Any]:
        """The form that was opened last."""
        return cast("Mapping[str, Any]", self.slack.of("views.open")[-1].said["view"])

    @property
    def home(self) -> Mapping[str, Any]:
        """App Home as it was published last."""
        return cast("Mapping[str, Any]", self.slack.of("views.publish")[-1].said["view"])


@asynccontextmanager
async def world(
    host: Any, options: Options | None = None, *, clock: Callable[[], int] | None = None
) -> AsyncGenerator[World]:
    """A running app in a workspace of its own."""
    slack = Slack()
    runner = await slack.start()
    options = options or Options(api_url=slack.url, edit_seconds=0.01)
    tempo = Tempo(retry=0.01, patience=2, call=5, offer=0.05)
    async with aiohttp.ClientSession() as session:
        client = make_client("xoxb-1", Options(api_url=slack.url), session)
        wire = Wire(client, options, People(client, options, ME), tempo, Pacing(tempo))
        told = AuthorizeResult(
            enterprise_id=None, team_id=ME.team_id, bot_token="xoxb-1", bot_id="B0", bot_user_id="U0"
        )

        async def authorize() -> AuthorizeResult:
            return told

        app = AsyncApp(client=client, signing_secret="s", authorize=authorize)
        times = [NOW]

        def reply_for(place: Place, question: str, asker: str) -> SlackReply:
            return SlackReply(wire, place, question, asker)

        made = attach(app, cast("Host", host), wire, clock or (lambda: times[0]), reply_for)
        try:
            yield World(slack, app, wire, made, times, reply_for)
        finally:
            for task in wire.tasks:
                task.cancel()
            await asyncio.gather(*wire.tasks, return_exceptions=True)
            await runner.cleanup()
