"""What Slack is told about the app: scopes, events, commands and the rest, made from what the code listens for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.platforms.base import Command
from adapters.platforms.slack.commands import FINETUNE, GROUP, SLASH
from adapters.platforms.slack.options import Options

RATE_MENU: Final = "us1.menu.rate"
TEACH_MENU: Final = "us1.menu.teach"
"""What the shortcuts on a message are called."""

PATH: Final = "/slack/events"
"""Where everything is delivered to over HTTP."""

SCOPES: Final[Mapping[str, str]] = {
    "app_mentions:read": "hear when somebody mentions it",
    "assistant:write": "show that it is thinking, with suggestions and a stop button",
    "channels:history": "hear what is said in the open channels it is in",
    "channels:read": "know the names of channels",
    "chat:write": "speak",
    "commands": "offer slash commands and shortcuts",
    "files:read": "read the files that people attach",
    "files:write": "hand over files and pictures",
    "groups:history": "hear what is said in the closed channels it is in",
    "groups:read": "know the names of those",
    "im:history": "hear direct messages",
    "im:read": "know direct messages for what they are",
    "im:write": "send files to a person alone",
    "mpim:history": "hear what is said in groups of people it is in",
    "mpim:read": "know those for what they are",
    "reactions:read": "count reactions as ratings",
    "reactions:write": "put the reactions on a reply that are to be pressed",
    "usergroups:read": "know who is in the user groups that may do more",
    "users:read": "know people's names, and who is an admin",
}
"""What the app may do, and why."""

EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "agent_session_stopped": ("assistant:write",),
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "app_uninstalled": (),
    "assistant_thread_context_changed": ("assistant:write",),
    "assistant_thread_started": ("assistant:write",),
    "member_joined_channel": ("channels:read", "groups:read"),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "tokens_revoked": (),
}
"""What the app hears of, with the scopes that each needs."""

_DESCRIPTION = "An avatar that learns from the people it talks with."
_LONG = (
    "Understudy lets a workspace raise an avatar: an AI with a name and a manner of its own that answers in channels, "
    "threads and direct messages. People rate its replies with thumbs, stars and better answers; with their agreement the "
    "good ones become examples that it imitates, and may be used to train its model. It says that it is an AI, asks before "
    "it learns from anybody, and forgets on request. Whoever runs it chooses the model, and keeps the data."
)
_COLOUR = "#2f3542"
_PROMPTS: Sequence[Mapping[str, str]] = (
    {"title": "What can you do?", "message": "What can you do?"},
    {"title": "Who are you?", "message": "Who are you?"},
)
_NAME = 35
_USAGE = 1_000


def manifest(
    commands: Sequence[Command], options: Options, *, name: str = "Understudy", url: str = ""
) -> dict[str, Any]:
    """The app as Slack is told of it: to be pasted where an app is created, or changed.

    ``url`` is where Slack reaches us over HTTP, such as ``https://understudy.example.com``; over a socket it needs none.
    """
    socket = options.transport == "socket"
    there = f"{url.rstrip('/')}{PATH}" if url else f"https://your.host.example{PATH}"
    address = {} if socket else {"request_url": there}
    return {
        "display_information": {
            "name": name[:_NAME],
            "description": _DESCRIPTION,
            "long_description": _LONG,
            "background_color": _COLOUR,
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "agent_view": {
                "agent_description": _DESCRIPTION,
                "suggested_prompts": [dict(each) for each in _PROMPTS],
            },
            "bot_user": {"display_name": name[:_NAME], "always_online": True},
            "shortcuts": [
                _shortcut("Rate this reply", RATE_MENU, "Stars, a comment, a better answer"),
                _shortcut("Teach this as an example", TEACH_MENU, "Let the avatar imitate this reply"),
            ],
            "slash_commands": [
                _slash(SLASH, "Give the avatar a command", _usage(commands, own=False), socket, there),
                _slash(
                    FINETUNE, "Train a model from what was rated", _usage(commands, own=True), socket, there
                ),
            ],
        },
        "oauth_config": {"scopes": {"bot": sorted(SCOPES)}},
        "settings": {
            "event_subscriptions": {**address, "bot_events": sorted(EVENTS)},
            "interactivity": {"is_enabled": True, **address},
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": False,
        },
    }


def render(made: Mapping[str, Any]) -> str:
    """A manifest as JSON."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _usage(commands: Sequence[Command], *, own: bool) -> str:
    """What may follow a slash command, as far as there is room: the first words, or those of its own group."""
    words = dict.fromkeys(
        command.name.partition(" ")[2 if own else 0]
        for command in commands
        if own == (command.name.partition(" ")[0] == GROUP)
    )
    shown = ""
    for word in words:
        longer = f"{shown} | {word}" if shown else word
        if len(longer) > _USAGE:
            break
        shown = longer
    return shown or "help"


def _shortcut(name: str, callback: str, description: str) -> dict[str, Any]:
    return {"name": name, "type": "message", "callback_id": callback, "description": description}


def _slash(command: str, description: str, usage: str, socket: bool, there: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "command": command,
        "description": description,
        "usage_hint": usage,
        "should_escape": False,
    }
    return made if socket else {**made, "url": there}
