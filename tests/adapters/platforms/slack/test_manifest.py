"""The manifest is in step with the code: every event that is listened for, and every method that is called, is declared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

import adapters.platforms.slack as package
from adapters.platforms.slack import commands, manifest
from adapters.platforms.slack.door import Door, Taker
from adapters.platforms.slack.events import Events
from adapters.platforms.slack.manifest import EVENTS, PATH, RATE_MENU, SCOPES, TEACH_MENU
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.pacing import Pacing
from adapters.platforms.slack.people import People
from adapters.platforms.slack.places import Identity
from adapters.platforms.slack.sending import Wire
from adapters.platforms.slack.tempo import Tempo
from adapters.platforms.slack.transport import PATH as SERVED
from bot.commands import every_command
from bot.services import Services
from tests.adapters.platforms.fake_host import FakeHost

KNOWN = every_command(cast("Services", None))
# What each method of Slack's that we call needs, by Slack's documentation; any one of a tuple does.
NEEDED: dict[str, tuple[str, ...]] = {
    "agents.sessions.setStatus": ("chat:write",),
    "api.test": (),
    "apps.connections.open": (),
    "assistant.threads.setStatus": ("assistant:write", "chat:write"),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "assistant.threads.setTitle": ("assistant:write",),
    "auth.test": (),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history",),
    "conversations.info": ("channels:read",),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history",),
    "files.delete": ("files:write",),
    "files.info": ("files:read",),
    "reactions.add": ("reactions:write",),
    "team.info": ("team:read",),
    "usergroups.list": ("usergroups:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}
MESSAGES = {"message.channels", "message.groups", "message.im", "message.mpim"}


def made(**more: Any) -> dict[str, Any]:
    return manifest.manifest(KNOWN, Options(**more), url="https://bot.example.com/" if more else "")


class Noting(AsyncApp):
    """A real app that notes down what is listened for."""

    def __init__(self, client: AsyncWebClient) -> None:
        super().__init__(client=client, signing_secret="s")
        self.events: list[str] = []
        self.slashes: list[str] = []

    def event(self, event: Any, *more: Any, **named: Any) -> Any:
        self.events.append(str(event))
        return super().event(event, *more, **named)

    def command(self, command: Any, *more: Any, **named: Any) -> Any:
        self.slashes.append(str(command))
        return super().command(command, *more, **named)


async def listening() -> Noting:
    """An app to which everything is attached."""
    client = AsyncWebClient("xoxb-1")
    app = Noting(client)
    people = People(client, Options(), Identity("T1", "Team", "U0", "B0", "understudy"))
    wire = Wire(client, Options(), people, Tempo(), Pacing(Tempo()))
    Events(wire, app, NotingDoor(app, people), cast("Any", FakeHost()), lambda: 0)
    return app


async def nobody(team_id: str | None) -> AuthorizeResult | None:
    return None


class NotingDoor(Door):
    """A real door, of which the app notes down what is handed over."""

    def __init__(self, app: Noting, people: People) -> None:
        super().__init__(nobody, people)
        self._app = app

    def hand(self, kind: str, taker: Taker) -> None:
        self._app.events.append(kind)
        super().hand(kind, taker)


async def test_every_event_that_is_listened_for_is_declared_and_nothing_else() -> None:
    app = await listening()
    declared = {name for name in EVENTS if name not in MESSAGES} | {"message"}
    assert set(app.events) == declared


async def test_every_slash_command_that_is_listened_for_is_declared() -> None:
    app = await listening()
    assert app.slashes == [each["command"] for each in made()["features"]["slash_commands"]]


def test_every_event_has_its_scopes() -> None:
    missing = {scope for scopes in EVENTS.values() for scope in scopes} - set(SCOPES)
    assert not missing


def test_every_method_that_is_called_has_its_scope() -> None:
    folder = Path(str(package.__file__)).parent
    source = "\n".join(path.read_text("utf-8") for path in folder.glob("*.py") if path.name != "manifest.py")
    called = set(
        re.findall(
            r'"((?:chat|views|agents|assistant|conversations|files|users|usergroups|reactions|team|auth)'
            r'(?:\.[a-zA-Z]+)+)"',
            source,
        )
    )
    assert called <= set(NEEDED), called - set(NEEDED)
    for method in called:
        assert not NEEDED[method] or set(NEEDED[method]) & set(SCOPES), method


def test_a_socket_needs_no_address() -> None:
    found = made()
    assert found["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in json.dumps(found)
    assert all("url" not in each for each in found["features"]["slash_commands"])


def test_over_http_everything_is_delivered_to_one_address() -> None:
    found = made(transport="http")
    there = f"https://bot.example.com{PATH}"
    assert PATH == SERVED
    assert found["settings"]["socket_mode_enabled"] is False
    assert found["settings"]["event_subscriptions"]["request_url"] == there
    assert found["settings"]["interactivity"] == {"is_enabled": True, "request_url": there}
    assert [each["url"] for each in found["features"]["slash_commands"]] == [there, there]


def test_it_is_within_slacks_limits() -> None:
    found = manifest.manifest(
        KNOWN, Options(), name="An avatar with a very long name indeed, longer than fits"
    )
    about, features = found["display_information"], found["features"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4_000
    assert [each["callback_id"] for each in features["shortcuts"]] == [RATE_MENU, TEACH_MENU]
    assert all(len(each["name"]) <= 24 and len(each["description"]) <= 150 for each in features["shortcuts"])
    assert [each["command"] for each in features["slash_commands"]] == ["/understudy", "/finetune"]
    assert all(len(each["usage_hint"]) <= 1_000 for each in features["slash_commands"])
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert "assistant_view" not in features
    assert features["app_home"]["home_tab_enabled"]


def test_its_commands_are_those_of_the_registry() -> None:
    hint, own = (each["usage_hint"].split(" | ") for each in made()["features"]["slash_commands"])
    assert set(hint) == commands.first_words(KNOWN) - {commands.GROUP}
    group = {each.name.partition(" ") for each in KNOWN}
    assert set(own) == {rest for first, _, rest in group if first == commands.GROUP}


def test_it_is_printed_as_json() -> None:
    found = made()
    assert json.loads(manifest.render(found)) == found
