"""What an app may do and hear: the scopes of methods and of events."""

from __future__ import annotations

from collections.abc import Set

METHODS: dict[str, tuple[str, ...]] = {
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.appendStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "reactions.add": ("reactions:write",),
    "reactions.remove": ("reactions:write",),
    "reactions.get": ("reactions:read",),
    "conversations.info": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.list": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.members": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.open": ("im:write", "mpim:write"),
    "conversations.join": ("channels:join",),
    "users.info": ("users:read",),
    "users.list": ("users:read",),
    "users.getPresence": ("users:read",),
    "bots.info": ("users:read",),
    "usergroups.list": ("usergroups:read",),
    "usergroups.users.list": ("usergroups:read",),
    "team.info": ("team:read",),
    "files.getUploadURLExternal": ("files:write",),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.info": ("files:read",),
    "assistant.threads.setStatus": ("assistant:write", "chat:write"),
    "assistant.threads.setTitle": ("assistant:write",),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "agents.sessions.setStatus": ("assistant:write", "chat:write"),
}
"""One of these is enough for a method."""

BY_KIND = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}

EVENTS: dict[str, tuple[str, ...]] = {
    "app_mention": ("app_mentions:read",),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "member_joined_channel": ("channels:read", "groups:read"),
    "assistant_thread_started": ("assistant:write",),
    "assistant_thread_context_changed": ("assistant:write",),
    "agent_session_stopped": ("assistant:write",),
    "message_metadata_posted": ("metadata.message:read",),
    "app_home_opened": (),
    "tokens_revoked": (),
    "app_uninstalled": (),
}

ALL_EVENTS = frozenset(EVENTS) - {"message_metadata_posted"}
ALL_SCOPES = frozenset(
    {
        *(scope for scopes in (*METHODS.values(), *EVENTS.values()) for scope in scopes),
        "chat:write.customize",
        "commands",
    }
)


def heard(event: str, subscribed: Set[str], scopes: Set[str]) -> bool:
    """Whether an app with these subscriptions and scopes is told of an event."""
    wanted = EVENTS.get(event, ())
    return event in subscribed and (not wanted or any(scope in scopes for scope in wanted))
