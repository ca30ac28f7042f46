"""chat.*, reactions.*: what the bot says and how it reacts."""

from __future__ import annotations

from tests.servers.slack.api import Call, method
from tests.servers.slack.blocks import MARKDOWN, checked
from tests.servers.slack.errors import Refused, invalid
from tests.servers.slack.ids import Json
from tests.servers.slack.messages import Message

MOST, MOST_UPDATE, MOST_REACTIONS = 40_000, 4_000, 23


def metadata_of(call: Call) -> Json | None:
    """The metadata that is given, refused where it is none."""
    found = call.json("metadata", "invalid_metadata_format")
    if found is None:
        return None
    payload = found.get("event_payload") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not found.get("event_type") or not isinstance(payload, dict):
        raise Refused("invalid_metadata_schema")
    return found


def said(call: Call) -> tuple[str, list[Json], list[Json]]:
    """Text, blocks and attachments of a message; there has to be one of them."""
    text = call.text("text")
    blocks = checked(call.json("blocks", "invalid_blocks_format"), call.world.ids)
    _pictures(call, blocks)
    attachments = call.json("attachments") or []
    if written := call.text("markdown_text"):
        if text or blocks:
            raise Refused("markdown_text_conflict")
        if len(written) > MARKDOWN:
            raise Refused("msg_too_long")
        blocks = checked([{"type": "markdown", "text": written}], call.world.ids)
        text = written
    return text, blocks, attachments


def _pictures(call: Call, blocks: list[Json]) -> None:
    """Refuse pictures that are not the bot's, and for a while those that it has just uploaded."""
    for at, block in enumerate(blocks):
        if block.get("type") != "image" or "slack_file" not in block:
            continue
        file = call.world.files.get(str(block["slack_file"].get("id")))
        usable = file is not None and file.complete and file.owner is call.team.bot
        if not usable or call.world.looks_through > 0:
            call.world.looks_through -= usable
            raise invalid(
                "invalid_blocks", f"invalid slack file [json-pointer:/blocks/{at}/slack_file]", plural=True
            )


@method("chat.postMessage")
def post_message(call: Call) -> Json:
    """Say something in a channel."""
    channel = call.channel(member="chat:write.public" not in call.world.scopes)
    if channel.archived:
        raise Refused("is_archived")
    text, blocks, attachments = said(call)
    if not (text or blocks or attachments):
        raise Refused("no_text")
    if call.text("username") or call.text("icon_url") or call.text("icon_emoji"):
        call.needs("chat:write.customize")
    warnings: list[str] = []
    if len(text) > MOST:
        text, warnings = text[:MOST], ["message_truncated"]
    parent = channel.messages.get(call.text("thread_ts"))
    thread_ts = call.text("thread_ts") or None
    if parent is not None and parent.is_reply:
        thread_ts = parent.thread_ts
    if thread_ts and parent is None and thread_ts not in channel.assistant_threads:
        raise Refused("thread_not_found")
    message = Message(
        channel,
        call.team.bot,
        call.world.times(),
        text,
        thread_ts=thread_ts,
        blocks=blocks,
        attachments=attachments,
        metadata=metadata_of(call),
        username=call.text("username"),
        broadcast=bool(thread_ts) and call.flag("reply_broadcast"),
        link_names=call.flag("link_names") or call.text("parse") == "full",
        subtype="bot_message" if call.text("username") else None,
    )
    call.world.post(message)
    answer: Json = {"channel": channel.id, "ts": message.ts, "message": message.json()}
    if warnings:
        answer |= {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}
    return answer


def own(call: Call, message: Message, error: str) -> None:
    """Refuse to touch what somebody else said."""
    if message.author is not call.team.bot:
        raise Refused(error)


@method("chat.update")
def update(call: Call) -> Json:
    """Say something else instead."""
    channel = call.channel()
    message = call.message(channel)
    own(call, message, "cant_update_message")
    if message.streaming:
        raise Refused("streaming_state_conflict")
    text, blocks, attachments = said(call)
    given = call.arguments
    if not (text or blocks or attachments or "metadata" in given or "blocks" in given or "file_ids" in given):
        raise Refused("no_text")
    if len(text) > (MARKDOWN if call.text("markdown_text") else MOST_UPDATE):
        raise Refused("msg_too_long")
    keep = text or message.text
    replaced = "blocks" in given or "markdown_text" in given or "text" in given
    if message.streamed and replaced:
        message.streamed = False
        message.tasks.clear()
    call.world.edit(
        message,
        text=keep,
        blocks=blocks if replaced else None,
        attachments=attachments if "attachments" in given else None,
        metadata=metadata_of(call),
    )
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": message.json()}


@method("chat.delete")
def delete(call: Call) -> Json:
    """Take back what was said."""
    channel = call.channel()
    message = call.message(channel)
    own(call, message, "cant_delete_message")
    call.world.delete(message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.postEphemeral")
def post_ephemeral(call: Call) -> Json:
    """Say something that one person sees."""
    channel = call.channel()
    user = call.user()
    if user.id not in channel.members:
        raise Refused("user_not_in_channel")
    text, blocks, attachments = said(call)
    if not (text or blocks or attachments):
        raise Refused("no_text")
    message = Message(
        channel,
        call.team.bot,
        call.world.times(),
        text,
        thread_ts=call.text("thread_ts") or None,
        blocks=blocks,
        attachments=attachments,
        ephemeral_for=user,
    )
    call.world.post(message)
    return {"message_ts": message.ts}


@method("chat.getPermalink")
def permalink(call: Call) -> Json:
    """An address of a message."""
    channel = call.channel(member=False)
    message = call.message(channel, "message_ts")
    there = f"https://{call.team.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": there}


@method("reactions.add")
def react(call: Call) -> Json:
    """React to a message."""
    message, name = _reacted(call)
    people = message.reactions.get(name, [])
    if call.team.bot in people:
        raise Refused("already_reacted")
    if not people and len(message.reactions) >= MOST_REACTIONS:
        raise Refused("too_many_emoji")
    call.world.react(call.team.bot, message, name, add=True)
    return {}


@method("reactions.remove")
def unreact(call: Call) -> Json:
    """Take a reaction back."""
    message, name = _reacted(call)
    if call.team.bot not in message.reactions.get(name, ()):
        raise Refused("no_reaction")
    call.world.react(call.team.bot, message, name, add=False)
    return {}


@method("reactions.get")
def reactions(call: Call) -> Json:
    """The reactions to a message."""
    channel = call.channel()
    message = call.message(channel, "timestamp")
    return {"type": "message", "channel": channel.id, "message": message.json()}


def _reacted(call: Call) -> tuple[Message, str]:
    channel = call.channel()
    name = call.text("name").strip(":")
    if not name:
        raise Refused("invalid_name")
    return call.message(channel, "timestamp"), name
