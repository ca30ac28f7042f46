"""What Slack is told about the app: scopes, events, commands and the rest, made from what the code listens for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "tokens_revoked": (),
}
"""What the app hears of, with the scopes that each needs."""
