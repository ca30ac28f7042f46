"""assistant.threads.*, agents.sessions.*: what Slack shows of an agent beside its messages."""

from __future__ import annotations

from tests.servers.slack.api import Call, method
from tests.servers.slack.errors import Refused, invalid
from tests.servers.slack.ids import Json
from tests.servers.slack.teams import IM, Channel

MOST_PROMPTS = 4


def _place(call: Call, *, only_direct: bool = False) -> tuple[Channel, str]:
    channel = call.channel("channel_id")
    thread = call.text("thread_ts")
    if only_direct and channel.kind != IM:
        raise Refused("method_not_supported_for_channel_type")
    if thread and thread not in channel.messages and thread not in channel.assistant_threads:
        raise Refused("thread_not_found")
    return channel, thread


@method("assistant.threads.setStatus")
def status(call: Call) -> Json:
    """Say what the agent is doing; nothing takes it away."""
    channel, thread = _place(call)
    if not thread:
        raise invalid("invalid_arguments", "missing required field: thread_ts")
    if (text := call.text("status")) == "":
        channel.statuses.pop(thread, None)
    else:
        channel.statuses[thread] = text
    return {}


@method("assistant.threads.setTitle")
def title(call: Call) -> Json:
    """Call a talk something."""
    channel, thread = _place(call, only_direct=True)
    channel.titles[thread] = call.text("title", required=True)
    return {}


@method("assistant.threads.setSuggestedPrompts")
def prompts(call: Call) -> Json:
    """Offer what could be asked."""
    channel, thread = _place(call, only_direct=True)
    given = call.json("prompts")
    whole = isinstance(given, list) and all(one.get("title") and one.get("message") for one in given)
    if not given or not whole or len(given) > MOST_PROMPTS:
        raise invalid("invalid_arguments", "between 1 and 4 prompts allowed [json-pointer:/prompts]")
    channel.prompts[thread] = {"title": call.text("title"), "prompts": given}
    return {}


@method("agents.sessions.setStatus")
def session(call: Call) -> Json:
    """Say where a session stands, which offers people to stop it while it goes on."""
    channel, thread = _place(call)
    channel.sessions[thread] = call.text("status", required=True)
    if name := call.text("title"):
        channel.titles[thread] = name
    return {}
