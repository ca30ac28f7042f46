"""Nothing is lost and nothing is said twice over an outage: of the socket, of Discord, or of our own process."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

from adapters.platforms.base import Message, Place, Reply, Unsent
from adapters.platforms.discord.controls import reply_components, stop_components
from adapters.platforms.discord.posted import nonce_of
from tests.adapters.platforms.discord.stage import OPTIONS, QUICK, Memory, Stage, TalkingHost, stage
from tests.servers.discord import Permission

MESSAGES = r"/messages$"
HISTORY = "GET /channels/{channel_id}/messages"


def answers(s: Stage) -> list[str]:
    return [message.content for message in s.general.of(s.world.bot)]


def owed(s: Stage, trigger: int, exchange: str) -> Unsent:
    key = f"{s.general.id}/{s.ada.id}"
    place = Place("discord", str(s.guild.id), str(s.general.id), key)
    return Unsent(exchange, str(trigger), place, int(time.time() * 1000))


async def dropped(s: Stage) -> None:
    """Break the socket, and wait until it is broken."""
    s.world.drop_sockets()
    await s.world.until(lambda: not s.world.gateway.connected)


# Our own process


async def test_what_was_said_while_it_was_away_is_answered_once() -> None:
    async with stage() as s:
        await s.asks("before")
        await s.replies()
        await s.stop()
        await s.asks("one")
        await s.ada.says(s.general, "not for it")
        await s.asks("two")
        bob = s.guild.member("Bob")
        await bob.says(s.general, "three", reply_to=s.general.of(s.world.bot)[0])
        await s.start()
        await s.replies(4)
        assert answers(s) == ["You said: before", "You said: one", "You said: two", "You said: three"]
        await s.stop()
        await s.start()
        assert len(answers(s)) == 4


async def test_nothing_is_looked_for_on_the_first_start() -> None:
    async with stage() as s:
        assert s.world.calls[HISTORY] == 0


async def test_only_so_old_and_so_many_messages_are_looked_for() -> None:
    async with stage(options=replace(OPTIONS, missed_messages=3)) as s:
        await s.stop()
        for number in range(6):
            await s.asks(f"question {number}")
        await s.start()
        await s.replies(3)
        assert [message.text for message in s.host.messages] == ["question 3", "question 4", "question 5"]
    async with stage(options=replace(OPTIONS, missed_minutes=0)) as s:
        await s.stop()
        await s.asks("too late")
        await s.start()
        assert s.world.calls[HISTORY] == 0


async def test_those_who_spoke_meanwhile_keep_their_rights() -> None:
    async with stage() as s:
        chief = s.guild.member("Chief", permissions=Permission.ADMINISTRATOR)
        await s.stop()
        await chief.says(s.general, "I own this place", mention=s.world.bot)
        await s.start()
        await s.replies()
        assert s.host.messages[0].who.access.label == "owner"


async def test_channels_that_it_cannot_read_are_left_out() -> None:
    async with stage() as s:
        s.general.deny(s.world.bot, Permission.READ_MESSAGE_HISTORY)
        await s.stop()
        await s.asks("in vain")
        await s.start()
        assert s.world.calls[HISTORY] == 0


async def test_a_reply_that_is_owed_is_given() -> None:
    async with stage() as s:
        await s.stop()
        question = await s.asks("the last thing")
        exchange = str(uuid.uuid4())
        s.host.memory.exchanges[str(question.id)] = exchange
        s.host.memory.owed.append(owed(s, question.id, exchange))
        await s.start()
        await s.replies()
        assert answers(s) == ["You said: again"]
        assert s.general.last.reference is question
        assert s.host.resumed == [exchange]


async def test_a_reply_that_was_begun_is_finished_where_it_stands() -> None:
    async with stage() as s:
        await s.stop()
        question = await s.asks("go")
        exchange = str(uuid.uuid4())
        stop = stop_components(exchange, str(s.ada.id))
        begun = s.world.post(
            s.general, s.world.bot, "You sa", reply_to=question, components=stop, nonce=nonce_of(exchange, 0)
        )
        s.host.memory.exchanges[str(question.id)] = exchange
        s.host.memory.owed.append(owed(s, question.id, exchange))
        await s.start()
        await s.replies()
        assert answers(s) == ["You said: again"]
        assert s.general.last is begun
        assert begun.labels == ["👍", "👎", "🔁"]


async def test_a_reply_that_was_posted_whole_is_only_recorded() -> None:
    async with stage() as s:
        await s.stop()
        question = await s.asks("go")
        exchange = str(uuid.uuid4())
        rows = reply_components(exchange, OPTIONS)
        whole = s.world.post(s.general, s.world.bot, "You said: again", reply_to=question, components=rows)
        other = reply_components(str(uuid.uuid4()), OPTIONS)
        s.world.post(s.general, s.world.bot, "another reply", reply_to=question, components=other)
        s.host.memory.exchanges[str(question.id)] = exchange
        s.host.memory.owed.append(owed(s, question.id, exchange))
        await s.start()
        await s.replies()
        assert answers(s) == ["You said: again", "another reply"]
        assert s.host.memory.given == {exchange: str(whole.id)}
        assert s.world.calls["PATCH /channels/{channel_id}/messages/{message_id}"] == 0


async def test_a_process_that_dies_while_it_speaks_leaves_one_reply() -> None:
    begun = asyncio.Event()

    async def hang(message: Message, reply: Reply) -> str:
        await reply.grow("You said: ")
        begun.set()
        await asyncio.Event().wait()
        return ""

    memory = Memory()
    async with stage(TalkingHost(memory, hang), tempo=replace(QUICK, grace=0.0)) as s:
        question = await s.asks("go")
        await begun.wait()
        await s.world.until(lambda: answers(s))
        await s.stop()
        memory.owed.append(owed(s, question.id, memory.exchanges[str(question.id)]))
        s.host = TalkingHost(memory)
        await s.start()
        await s.replies()
        assert answers(s) == ["You said: again"]
        assert s.host.messages == []


# The socket


async def test_a_socket_that_drops_is_resumed_and_nothing_is_lost() -> None:
    async with stage() as s:
        for number in range(12):
            await s.asks(f"{number} before")
            await dropped(s)
            await s.asks(f"{number} after")
            await s.world.connected()
        await s.replies(24, timeout=30.0)
        assert sorted(message.text for message in s.host.messages) == sorted(
            f"{number} {when}" for number in range(12) for when in ("before", "after")
        )
        assert len(answers(s)) == 24
        assert s.world.gateway.resumed == 12


async def test_a_session_that_is_over_is_begun_anew_and_what_was_missed_is_found() -> None:
    async with stage() as s:
        s.world.gateway.forget()
        s.world.drop_sockets()
        await s.world.until(lambda: not s.world.gateway.sockets)
        await s.asks("in between")
        await s.ada.says(s.ada.direct, "in secret")
        await s.replies(1, timeout=20.0)
        await s.world.until(lambda: answers(s) == ["You said: in between"])
        looked = s.world.calls[HISTORY]
        s.world.gateway.forget()
        s.world.drop_sockets()
        await s.world.until(lambda: s.world.calls[HISTORY] > looked, timeout=20.0)
        noted = s.host.memory.seen_at  # which is not noted anew before all was looked through
        await s.world.until(lambda: s.host.memory.seen_at != noted, timeout=20.0)
        assert s.world.calls[HISTORY] == looked + 1


async def test_what_one_of_several_shards_missed_is_found() -> None:
    async with stage(options=replace(OPTIONS, shard_count=2)) as s:
        gateway = s.world.gateway
        lost = next(each for each in gateway.sessions.values() if each.serves(s.guild.id))
        socket = lost.socket
        assert socket is not None
        del gateway.sessions[lost.id]
        socket.drop()
        await s.world.until(lambda: socket not in gateway.sockets)
        await s.asks("in between")
        await s.replies(1, timeout=20.0)
        assert answers(s) == ["You said: in between"]


async def test_processes_that_share_the_shards_miss_messages_each_for_themselves() -> None:
    async with stage(options=replace(OPTIONS, shard_count=2, shard_ids=(0,))) as s:
        assert s.host.noted == {"discord:0 of 2"}
    async with stage() as s:
        assert s.host.noted == {"discord"}


async def test_direct_messages_of_those_who_wrote_before_are_found_too() -> None:
    async with stage() as s:
        await s.ada.says(s.ada.direct, "hello")
        await s.replies()
        s.world.gateway.forget()
        s.world.drop_sockets()
        await s.world.until(lambda: not s.world.gateway.sockets)
        await s.ada.says(s.ada.direct, "in between")
        await s.replies(2, timeout=20.0)
        assert s.ada.direct.last.content == "You said: in between"


async def test_the_socket_dropped_fifty_times_under_load_every_message_is_answered_exactly_once() -> None:
    async def talk(message: Message, reply: Reply) -> str:
        await reply.grow("You")
        await asyncio.sleep(0.03)
        await reply.grow(f"You said: {message.text}")
        return f"You said: {message.text}."

    async with stage(TalkingHost(speech=talk)) as s:
        s.world.faults.lose("POST", MESSAGES, times=None, every=5)
        s.world.faults.answer(429, "*", r"/messages", times=None, every=7, retry_after=0.02)
        s.world.faults.answer(503, "*", r"/messages", times=None, every=11)
        s.world.faults.answer(500, "*", r"/messages", times=2, every=40)
        s.world.faults.close("*", r"/messages", times=None, every=13)
        channels = [s.general, *(s.guild.channel(f"room {number}") for number in range(3))]
        for number in range(150):
            await s.ada.says(channels[number % 4], f"question {number}", mention=s.world.bot)
            if number % 3 == 2:
                if number % 30 == 29:
                    s.world.gateway.forget()
                await dropped(s)
                await s.world.connected()
        await s.replies(150, timeout=50.0)
        said = [message.content for channel in channels for message in channel.of(s.world.bot)]
        assert sorted(said) == sorted(f"You said: question {number}." for number in range(150))
        assert s.world.gateway.resumed + s.world.gateway.identified >= 50


# Noting that it is connected


async def test_it_notes_that_it_is_connected_only_while_it_is() -> None:
    async with stage() as s:
        s.world.faults.answer(503, "CONNECT", "/gateway", times=1)
        s.world.drop_sockets()
        await s.world.until(lambda: not s.world.gateway.connected)
        noted = s.host.memory.seen_at
        await asyncio.sleep(0)
        await s.world.until(lambda: s.host.memory.seen_at != noted, timeout=20.0)
        assert s.world.gateway.connected
