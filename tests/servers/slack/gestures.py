"""How what a person does is told to the app: commands, buttons, menus, forms, shortcuts and talks with the agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.servers.slack.blocks import checked_view
from tests.servers.slack.deliveries import INTERACTIVE, SLASH
from tests.servers.slack.errors import NotPossible, Refused
from tests.servers.slack.ids import Json
from tests.servers.slack.interactions import Interaction
from tests.servers.slack.messages import Message, elements, text_of
from tests.servers.slack.views import View, filled, option_of

if TYPE_CHECKING:
    from tests.servers.slack.people import Member
    from tests.servers.slack.teams import Channel

ALIASES = {"thumbsup": "+1", "thumbsdown": "-1"}


def emoji(name: str) -> str:
    """A reaction by the name that Slack sends."""
    name = name.strip(":")
    return ALIASES.get(name, name)


async def slash(person: Member, command: str, text: str, channel: Channel, *, wait: bool) -> Interaction:
    """Type a slash command."""
    team, world = person.team, person.team.world
    if "commands" not in world.scopes or (world.commands and command not in world.commands):
        raise NotPossible(f"{command} is not a valid command")
    made = Interaction(person, channel)
    kinds = {"im": "directmessage", "group": "privategroup", "mpim": "mpdm"}
    payload: Json = {
        "token": "verification-token",
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": kinds.get(channel.kind, channel.name),
        "user_id": person.id,
        "user_name": person.name.lower(),
        "command": command,
        "text": text,
        "api_app_id": world.app_id,
        "is_enterprise_install": "false",
        "response_url": made.response_url,
        "trigger_id": made.trigger_id,
    }
    await made.send(SLASH, payload, wait=wait)
    return made


async def click(
    person: Member, where: Message | View, which: str, value: str | None, *, wait: bool
) -> Interaction:
    """Press a button."""
    buttons = list(_buttons(where.blocks))
    for block, element, button in buttons:
        names = (element.get("action_id"), text_of(button["text"]), button.get("value"))
        if which not in names or value not in (None, button.get("value")):
            continue
        action: Json = {
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "type": element["type"],
            "text": button["text"],
        }
        if "value" in button:
            action["value"] = button["value"]
        return await _act(person, where, action, wait=wait)
    raise NotPossible(f"there is no button {which!r}, only {[text_of(one['text']) for _, _, one in buttons]}")


def _buttons(blocks: list[Json]) -> Iterator[tuple[Json, Json, Json]]:
    for block, element in elements(blocks):
        if element["type"] == "feedback_buttons":
            yield block, element, element["positive_button"]
            yield block, element, element["negative_button"]
        elif element["type"] in ("button", "icon_button", "workflow_button"):
            yield block, element, element


async def choose(
    person: Member, where: Message | View, which: str | None, value: Any, *, wait: bool
) -> Interaction:
    """Choose from a menu."""
    for block, element in elements(where.blocks):
        names = (None, element["action_id"], block["block_id"], text_of(element.get("placeholder")))
        if "button" in element["type"] and element["type"] != "radio_buttons":
            continue
        if which not in names:
            continue
        held = (
            {"type": "overflow", "selected_option": option_of(element, value)}
            if element["type"] == "overflow"
            else filled(element, value)
        )
        action = {"action_id": element["action_id"], "block_id": block["block_id"], **held}
        return await _act(person, where, action, wait=wait)
    raise NotPossible(f"there is no menu {which!r} in {where.labels}")


async def _act(person: Member, where: Message | View, action: Json, *, wait: bool) -> Interaction:
    world = person.team.world
    message = where if isinstance(where, Message) else None
    made = Interaction(person, message.channel if message is not None else None, message=message)
    payload = _payload(person, "block_actions", made)
    if isinstance(where, Message):
        payload |= {
            "container": {
                "type": "message",
                "message_ts": where.ts,
                "channel_id": where.channel.id,
                "is_ephemeral": where.ephemeral_for is not None,
            },
            "channel": _channel(where.channel),
            "state": {"values": _state(where)},
            "response_url": made.response_url,
        }
        if where.thread_ts:
            payload["container"]["thread_ts"] = where.thread_ts
        if where.ephemeral_for is None:
            payload["message"] = where.json()
    else:
        payload |= {"container": {"type": "view", "view_id": where.id}, "view": where.json()}
    payload["actions"] = [action | {"action_ts": world.times()}]
    await made.send(INTERACTIVE, payload, wait=wait)
    return made


def _state(message: Message) -> Json:
    bare = View("", message.channel.team, message.channel.team.owner, {"type": "home"}, "")
    bare.body["blocks"] = message.blocks
    return bare.state({}, check=False)


async def submit(person: Member, view: View, values: Mapping[str, Any], *, wait: bool) -> Interaction:
    """Send a form."""
    made = _Submission(person, view)
    payload = _payload(person, "view_submission", made)
    payload |= {"view": view.json(view.state(values)), "response_urls": []}
    view.errors = {}
    await made.send(INTERACTIVE, payload, wait=wait)
    return made


async def close(person: Member, view: View) -> Interaction | None:
    """Close a form."""
    view.closed = True
    if not view.body.get("notify_on_close"):
        return None
    made = Interaction(person, None)
    payload = _payload(person, "view_closed", made)
    del payload["trigger_id"]
    await made.send(INTERACTIVE, payload | {"view": view.json(), "is_cleared": False}, wait=True)
    return made


async def shortcut(
    person: Member, name: str, message: Message | None, callback_id: str | None, *, wait: bool
) -> Interaction:
    """Choose a shortcut."""
    world = person.team.world
    callback_id = callback_id or world.shortcuts.get(name)
    if callback_id is None:
        raise NotPossible(f"there is no shortcut {name!r}, only {list(world.shortcuts)}")
    made = Interaction(person, message.channel if message is not None else None, message=message)
    payload = _payload(person, "shortcut" if message is None else "message_action", made)
    payload |= {"callback_id": callback_id, "action_ts": world.times()}
    if message is not None:
        payload |= {
            "response_url": made.response_url,
            "message_ts": message.ts,
            "channel": _channel(message.channel),
            "message": message.json(),
        }
    await made.send(INTERACTIVE, payload, wait=wait)
    return made


def open_assistant(person: Member, context: Channel | None) -> Message:
    """Begin a talk with the agent."""
    world, direct = person.team.world, person.direct
    root = Message(
        direct, person.team.bot, world.times(), "New Assistant Thread", subtype="assistant_app_thread"
    )
    root.thread_ts = root.ts
    direct.messages[root.ts] = root
    _tell_thread(person, root, context, "assistant_thread_started")
    return root


def look_at(person: Member, channel: Channel, thread: Message) -> None:
    """Look at another channel."""
    _tell_thread(person, thread, channel, "assistant_thread_context_changed")


def _tell_thread(person: Member, thread: Message, context: Channel | None, name: str) -> None:
    world, team = person.team.world, person.team
    about: Json = (
        {} if context is None else {"channel_id": context.id, "team_id": team.id, "enterprise_id": None}
    )
    made = {
        "user_id": person.id,
        "context": about,
        "channel_id": thread.channel.id,
        "thread_ts": thread.root_ts,
    }
    thread.channel.assistant_threads[thread.root_ts] = made
    world.emit(team, {"type": name, "assistant_thread": made, "event_ts": world.times()})


def _channel(channel: Channel) -> Json:
    return {"id": channel.id, "name": "directmessage" if channel.kind == "im" else channel.name}


def _payload(person: Member, kind: str, made: Interaction) -> Json:
    team = person.team
    handle = person.name.lower()
    return {
        "type": kind,
        "team": {"id": team.id, "domain": team.domain},
        "user": {"id": person.id, "username": handle, "name": handle, "team_id": team.id},
        "api_app_id": team.world.app_id,
        "token": "verification-token",
        "trigger_id": made.trigger_id,
        "enterprise": None,
        "is_enterprise_install": False,
    }


class _Submission(Interaction):
    """A form that was sent: the acknowledgement says what becomes of it."""

    def __init__(self, person: Member, view: View) -> None:
        super().__init__(person, None)
        self.view = view

    def taken(self, answer: Any) -> None:
        """Show errors or another form, or close."""
        view, world = self.view, self.world
        does = answer.get("response_action") if isinstance(answer, dict) else None
        if does == "errors":
            known = {str(one["block_id"]) for one in view.blocks if one["type"] == "input"}
            errors: dict[str, str] = answer["errors"]
            if not errors or not set(errors) <= known:
                self.failure = "the errors name no fields of the form"
            self.errors = view.errors = errors
        elif does in ("update", "push"):
            try:
                body = checked_view(answer["view"], world.ids, ("modal",))
            except Refused as refused:
                self.failure = f"{refused.error} {refused.more}"
                return
            made = view
            if does == "push":
                made = View(world.ids("V"), view.team, view.person, body, world.times(), view)
                world.views[made.id] = made
            made.body, made.hash = body, world.times()
            self.views.append(made)
        elif does == "clear":
            at: View | None = view
            while at is not None:
                at.closed, at = True, at.previous
        elif answer:
            self.failure = f"not an answer to a form: {answer}"
        else:
            view.closed = True
