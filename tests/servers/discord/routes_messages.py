"""Routes for messages, reactions and typing."""

from __future__ import annotations

from urllib.parse import unquote

from tests.servers.discord import errors
from tests.servers.discord.bodies import attached, checked
from tests.servers.discord.messages import EPHEMERAL, Message
from tests.servers.discord.permissions import Permission
from tests.servers.discord.places import Channel
from tests.servers.discord.rest import Answer, Call, Route

MESSAGE = "/channels/{channel_id}/messages/{message_id}"
REACTION = MESSAGE + "/reactions/{emoji}"


def need(call: Call, channel: Channel, permission: Permission) -> None:
    """Refuse what the bot may not do in ``channel``."""
    if not channel.can(call.world.bot, permission):
        raise errors.MISSING_PERMISSIONS


def shown(call: Call, message: Message) -> Answer:
    """A message as this bot may read it."""
    return 200, message.json(content=call.world.reads_content)


def found(call: Call) -> Message:
    """The message that the path names."""
    return call.world.find_message(
        call.world.find_channel(call.params["channel_id"]), call.params["message_id"]
    )


def history(call: Call) -> Answer:
    """Up to ``limit`` messages, newest first."""
    channel = call.world.find_channel(call.params["channel_id"])
    if not channel.can(call.world.bot, Permission.READ_MESSAGE_HISTORY):
        return 200, []
    limit = int(call.query.get("limit", 50))
    if not 1 <= limit <= 100:
        raise errors.invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    messages = channel.history
    if "before" in call.query:
        messages = [m for m in messages if m.id < int(call.query["before"])][-limit:]
    elif "after" in call.query:
        messages = [m for m in messages if m.id > int(call.query["after"])][:limit]
    elif "around" in call.query:
        middle = int(call.query["around"])
        older = [m for m in messages if m.id < middle]
        newer = [m for m in messages if m.id >= middle]
        half = limit // 2
        messages = older[-half:] + newer[: limit - len(older[-half:])] if half else newer[:limit]
    else:
        messages = messages[-limit:]
    return 200, [m.json(content=call.world.reads_content) for m in reversed(messages)]


def fetch(call: Call) -> Answer:
    """One message."""
    need(call, call.world.find_channel(call.params["channel_id"]), Permission.READ_MESSAGE_HISTORY)
    return shown(call, found(call))


def create(call: Call) -> Answer:
    """Post a message."""
    world = call.world
    channel = world.find_channel(call.params["channel_id"])
    need(
        call, channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    )
    if channel.guild is None and not all(world.takes_direct(user) for user in channel.recipients):
        raise errors.NO_DIRECT_MESSAGES
    if channel.is_thread and channel.archived and channel.locked:
        raise errors.THREAD_ARCHIVED
    if call.uploads:
        need(call, channel, Permission.ATTACH_FILES)
    files = attached(world, channel, call.json, call.uploads) or []
    body = checked(call.json, files=files)
    reply_to = None
    if body.get("message_reference"):
        wanted = body["message_reference"]
        place = world.find_channel(wanted.get("channel_id") or channel.id)
        if not place.can(world.bot, Permission.READ_MESSAGE_HISTORY):
            raise errors.NO_HISTORY_TO_REPLY
        reply_to = place.messages.get(int(wanted["message_id"]))
        if reply_to is None and wanted.get("fail_if_not_exists", True):
            text = "Unknown message"
            raise errors.invalid("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", text)
    may_embed = channel.can(world.bot, Permission.EMBED_LINKS)
    message = world.post(
        channel,
        world.bot,
        body.get("content") or "",
        reply_to=reply_to,
        attachments=files,
        embeds=(body.get("embeds") or ()) if may_embed else (),
        components=body.get("components") or (),
        flags=int(body.get("flags") or 0) & ~EPHEMERAL,
        allowed_mentions=body.get("allowed_mentions"),
        nonce=body.get("nonce"),
        enforce_nonce=bool(body.get("enforce_nonce")),
    )
    return 200, message.json(content=world.reads_content, nonce=True)


def edit(call: Call) -> Answer:
    """Change one of the bot's messages."""
    message = found(call)
    if message.author is not call.world.bot:
        raise errors.NOT_YOURS
    if message.channel.archived:
        raise errors.THREAD_ARCHIVED
    files = attached(call.world, message.channel, call.json, call.uploads, message)
    body = checked(call.json, files=message.attachments if files is None else files, before=message)
    call.world.edit(message, body, files)
    return shown(call, message)


def delete(call: Call) -> Answer:
    """Delete a message."""
    message = found(call)
    if message.author is not call.world.bot:
        need(call, message.channel, Permission.MANAGE_MESSAGES)
    call.world.delete(message)
    return 204, None


def bulk_delete(call: Call) -> Answer:
    """Delete several messages."""
    channel = call.world.find_channel(call.params["channel_id"])
    need(call, channel, Permission.MANAGE_MESSAGES)
    for key in call.json.get("messages") or ():
        message = channel.messages.get(int(key))
        if message is not None:
            call.world.delete(message)
    return 204, None


def typing(call: Call) -> Answer:
    """Show the bot typing."""
    channel = call.world.find_channel(call.params["channel_id"])
    need(
        call, channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    )
    call.world.starts_typing(call.world.bot, channel)
    return 204, None


def _emoji(call: Call) -> str:
    emoji = unquote(call.params["emoji"])
    if not emoji or (emoji.isascii() and ":" not in emoji):
        raise errors.UNKNOWN_EMOJI
    return emoji


def react(call: Call) -> Answer:
    """Add the bot's reaction."""
    message = found(call)
    emoji = _emoji(call)
    need(call, message.channel, Permission.READ_MESSAGE_HISTORY)
    if emoji not in message.reactions:
        need(call, message.channel, Permission.ADD_REACTIONS)
        if len(message.reactions) >= 20:
            raise errors.Refusal(400, 30010, "Maximum number of reactions reached (20)")
    call.world.react(call.world.bot, message, emoji)
    return 204, None


def unreact(call: Call) -> Answer:
    """Take the bot's reaction back."""
    call.world.unreact(call.world.bot, found(call), _emoji(call))
    return 204, None


def unreact_user(call: Call) -> Answer:
    """Take somebody's reaction away."""
    message = found(call)
    need(call, message.channel, Permission.MANAGE_MESSAGES)
    user = call.world.users.get(call.number("user_id"))
    if user is None:
        raise errors.UNKNOWN_USER
    call.world.unreact(user, message, _emoji(call))
    return 204, None


def reactors(call: Call) -> Answer:
    """Who reacted with an emoji."""
    users = found(call).reacted(_emoji(call))
    return 200, [user.json() for user in users][: int(call.query.get("limit", 25))]


def clear_emoji(call: Call) -> Answer:
    """Take all reactions with an emoji away."""
    message = found(call)
    need(call, message.channel, Permission.MANAGE_MESSAGES)
    call.world.clear_reactions(message, _emoji(call))
    return 204, None


def clear(call: Call) -> Answer:
    """Take all reactions away."""
    message = found(call)
    need(call, message.channel, Permission.MANAGE_MESSAGES)
    call.world.clear_reactions(message)
    return 204, None


ROUTES = [
    Route("GET", "/channels/{channel_id}/messages", history),
    Route("POST", "/channels/{channel_id}/messages", create),
    Route("POST", "/channels/{channel_id}/messages/bulk-delete", bulk_delete),
    Route("GET", MESSAGE, fetch),
    Route("PATCH", MESSAGE, edit),
    Route("DELETE", MESSAGE, delete),
    Route("POST", "/channels/{channel_id}/typing", typing),
    Route("PUT", REACTION + "/@me", react),
    Route("DELETE", REACTION + "/@me", unreact),
    Route("DELETE", REACTION + "/{user_id}", unreact_user),
    Route("GET", REACTION, reactors),
    Route("DELETE", REACTION, clear_emoji),
    Route("DELETE", MESSAGE + "/reactions", clear),
]
