"""chat.startStream, appendStream and stopStream: messages that grow while they are read."""

from __future__ import annotations

from typing import Any

from tests.servers.slack.api import Call, method
from tests.servers.slack.blocks import MARKDOWN, checked
from tests.servers.slack.errors import Refused
from tests.servers.slack.ids import Json
from tests.servers.slack.messages import Message
from tests.servers.slack.methods_chat import metadata_of, own
from tests.servers.slack.teams import IM


@method("chat.startStream")
def start(call: Call) -> Json:
    """Begin a message."""
    channel = call.channel()
    thread_ts = call.text("thread_ts")
    if not thread_ts and channel.kind != IM:
        raise Refused("invalid_thread_ts")
    if thread_ts and thread_ts not in channel.messages and thread_ts not in channel.assistant_threads:
        raise Refused("thread_not_found")
    if channel.kind != IM:
        if not call.text("recipient_team_id"):
            raise Refused("missing_recipient_team_id")
        if not call.text("recipient_user_id"):
            raise Refused("missing_recipient_user_id")
    recipient = call.team.users.get(call.text("recipient_user_id"))
    if call.text("recipient_user_id") and recipient is None:
        raise Refused("user_not_found")
    if call.text("blocks"):
        raise Refused("invalid_arguments")
    parent = channel.messages.get(thread_ts)
    message = Message(
        channel,
        call.team.bot,
        call.world.times(),
        "",
        thread_ts=(parent.root_ts if parent is not None else thread_ts) or None,
        streaming=True,
        streamed=True,
        streamed_for=recipient,
    )
    _grow(call, message)
    world = call.world
    world.post(message)
    world.deliveries.later(world.stream_lives_s, lambda: _expire(message))
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream")
def append(call: Call) -> Json:
    """Let a message grow."""
    message = _streaming(call)
    if not call.text("markdown_text") and not call.json("chunks"):
        raise Refused("no_text")
    _grow(call, message)
    call.world.seen(message)
    return {"channel": message.channel.id, "ts": message.ts}


@method("chat.stopStream")
def stop(call: Call) -> Json:
    """End a message, with what shall stand below it."""
    message = _streaming(call)
    blocks = checked(call.json("blocks", "invalid_blocks_format"), call.world.ids)
    metadata = metadata_of(call)
    _grow(call, message)
    message.streaming = False
    if status := call.text("session_status"):
        message.channel.sessions[message.root_ts] = status
    call.world.edit(message, blocks=[*message.blocks, *blocks], metadata=metadata, marked=False)
    return {"channel": message.channel.id, "ts": message.ts, "message": message.json()}


def _streaming(call: Call) -> Message:
    message = call.message(call.channel())
    own(call, message, "message_not_owned_by_app")
    if not message.streaming:
        raise Refused("message_not_in_streaming_state")
    return message


def _expire(message: Message) -> None:
    message.streaming = False


def _grow(call: Call, message: Message) -> None:
    """Add what a call brings: one text, or chunks of text, tasks, plans and blocks."""
    text = call.text("markdown_text")
    chunks: list[Any] = call.json("chunks", "invalid_chunks") or []
    if text and chunks:
        raise Refused("markdown_text_conflict")
    texts = [text, *(str(one.get("text", "")) for one in chunks if one.get("type") == "markdown_text")]
    if any(len(one) > MARKDOWN for one in texts):
        raise Refused("msg_too_long")
    message.text += text
    for one in chunks:
        kind = one.get("type")
        if kind == "markdown_text":
            message.text += str(one["text"])
        elif kind == "task_update":
            message.tasks[str(one["id"])] = {**message.tasks.get(str(one["id"]), {}), **one}
        elif kind == "plan_update":
            message.plan = str(one.get("title", ""))
        elif kind == "blocks":
            message.blocks += checked(one.get("blocks"), call.world.ids)
        else:
            raise Refused("invalid_chunks")
