"""What happens to threads: they are started, joined, closed and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.discord.broadcast import where
from tests.servers.discord.ids import Json, now
from tests.servers.discord.messages import HAS_THREAD, THREAD_CREATED, THREAD_STARTER, Message
from tests.servers.discord.places import PRIVATE_THREAD, PUBLIC_THREAD, Channel
from tests.servers.discord.users import User

if TYPE_CHECKING:
    from tests.servers.discord.world import World


def start(
    world: World,
    owner: User,
    channel: Channel,
    name: str,
    *,
    message: Message | None = None,
    private: bool = False,
) -> Channel:
    """Start a thread in ``channel``, from a message or from nothing; its id is the message's.

    Discord posts a message of its own about it, which only a bot that looks at the type tells from a person's.
    """
    key = world.ids() if message is None else message.id
    thread = Channel(world, key, name, PRIVATE_THREAD if private else PUBLIC_THREAD, channel.guild)
    thread.parent = channel
    thread.owner = owner
    thread.joined[owner.id] = now()
    assert channel.guild is not None
    channel.guild.threads[key] = world.channels[key] = thread
    if message is not None:
        message.thread = thread
        message.flags |= HAS_THREAD
    world.emit("THREAD_CREATE", thread.json() | {"newly_created": True}, channel=thread)
    if message is not None:
        world.emit_message("MESSAGE_UPDATE", message)
        world.post(thread, owner, "", reply_to=message, kind=THREAD_STARTER)
        thread.posted = 0
    elif not private:
        world.post(channel, owner, name, kind=THREAD_CREATED, reference_ids=where(thread) | {"type": 0})
    world.changed()
    return thread


def join(world: World, user: User, thread: Channel) -> None:
    """Make ``user`` a member of ``thread``."""
    if user.id in thread.joined:
        return
    thread.joined[user.id] = now()
    if user is world.bot and thread.type == PRIVATE_THREAD:
        world.emit("THREAD_CREATE", thread.json(), channel=thread)
    data = _counted(thread) | {"added_members": [thread.thread_member(user)]}
    needs = None if user is world.bot else "GUILD_MEMBERS"
    world.emit("THREAD_MEMBERS_UPDATE", data, channel=thread, needs=needs)
    world.changed()


def leave(world: World, user: User, thread: Channel) -> None:
    """Take ``user`` out of ``thread``."""
    if thread.joined.pop(user.id, None) is None:
        return
    data = _counted(thread) | {"removed_member_ids": [str(user.id)]}
    needs = None if user is world.bot else "GUILD_MEMBERS"
    world.emit("THREAD_MEMBERS_UPDATE", data, guild=thread.guild, needs=needs)
    world.changed()


def archive(world: World, thread: Channel, *, archived: bool = True, locked: bool = False) -> None:
    """Close a thread or open it again."""
    thread.archived, thread.locked = archived, locked
    world.emit("THREAD_UPDATE", thread.json(), channel=thread)
    world.changed()


def _counted(thread: Channel) -> Json:
    assert thread.guild is not None
    return {"id": str(thread.id), "guild_id": str(thread.guild.id), "member_count": len(thread.joined)}
