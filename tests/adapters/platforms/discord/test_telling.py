"""What is said unasked on Discord: posted once under one name, changed in place, and whom it notifies."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from adapters.platforms.base import Answer, Button, File, Place
from adapters.platforms.discord.places import DIRECT
from tests.adapters.platforms.discord.stage import QUICK, Stage, stage

MESSAGES = r"/channels/\d+/messages"
RED, BLUE = File("loss.png", b"red", "image/png"), File("loss.png", b"blue", "image/png")
BUTTONS = (Button("Cancel", "finetune cancel", {"run": "7"}, "danger"),)
BEGUN = Answer("**Run 7**\nwaits its turn.", buttons=BUTTONS)
UNDER_WAY = replace(BEGUN, text="**Run 7**\nis being trained.", picture=RED)


def here(s: Stage) -> Place:
    return Place("discord", str(s.guild.id), str(s.general.id), f"{s.general.id}/{s.ada.id}")


async def tell(s: Stage, answer: Answer, **other: str) -> str:
    assert s.platform is not None
    return await s.platform.tell(here(s), answer, **other)


async def test_a_message_is_changed_in_place_with_its_picture() -> None:
    async with stage() as s:
        key = await tell(s, BEGUN, name="run/7")
        assert await tell(s, UNDER_WAY, instead_of=key, name="run/7") == key
        [message] = s.general.of(s.world.bot)
        assert (str(message.id), message.content) == (key, UNDER_WAY.text)
        assert [each.data for each in message.attachments] == [b"red"]
        await tell(s, replace(UNDER_WAY, picture=BLUE), instead_of=key)
        assert [each.data for each in message.attachments] == [b"blue"]
        await tell(s, replace(BEGUN, buttons=()), instead_of=key)
        assert (list(message.attachments), message.labels) == ([], [])


async def test_where_it_was_deleted_a_new_one_is_posted() -> None:
    async with stage() as s:
        key = await tell(s, BEGUN, name="run/7")
        s.world.delete(s.general.last)
        after = await tell(s, UNDER_WAY, instead_of=key, name="run/7")
        assert after != key
        assert [message.content for message in s.general.of(s.world.bot) if not message.deleted] == [
            UNDER_WAY.text
        ]
        assert await tell(s, UNDER_WAY, instead_of=after, name="run/7") == after


async def test_what_is_longer_than_a_message_gives_the_rest_back() -> None:
    async with stage() as s:
        keys = await tell(s, Answer("one line of it\n" * 200), name="long")
        assert len(keys.split()) == 2
        assert await tell(s, BEGUN, instead_of=keys, name="long") == keys.split()[0]
        assert [message.content for message in s.general.of(s.world.bot) if not message.deleted] == [
            BEGUN.text
        ]


async def test_it_is_posted_once_though_the_answer_is_lost() -> None:
    async with stage() as s:
        s.world.faults.lose("POST", MESSAGES, times=2)
        await tell(s, UNDER_WAY, name="run/7")
        assert [message.content for message in s.general.of(s.world.bot)] == [UNDER_WAY.text]


async def test_another_process_finds_what_one_that_was_killed_has_posted() -> None:
    async with stage(tempo=replace(QUICK, patience=0.0)) as s:
        # The message arrives, its id does not, and nobody remembers its nonce any more.
        s.world.faults.lose("POST", MESSAGES, times=1)
        with pytest.raises(aiohttp.ClientError):
            await tell(s, BEGUN, name="run/7")
        await s.stop()
        s.world.forget_nonces()
        await s.start()
        key = await tell(s, UNDER_WAY, name="run/7")
        [message] = s.general.of(s.world.bot)
        assert (str(message.id), message.content) == (key, UNDER_WAY.text)
        assert [each.data for each in message.attachments] == [b"red"]


async def test_two_names_are_two_messages_and_none_is_as_many_as_are_said() -> None:
    async with stage() as s:
        first = await tell(s, Answer("**Run 7**"), name="run/7")
        second = await tell(s, Answer("**Run 8**"), name="run/8")
        assert len({first, second, await tell(s, BEGUN), await tell(s, BEGUN)}) == 4


async def test_one_person_is_notified_and_only_by_what_is_new() -> None:
    async with stage() as s:
        brian = s.guild.member("Brian")
        text = f"@everyone <@{brian.id}>: run 7 has succeeded."
        key = await tell(s, Answer(text), name="end", pings=str(s.ada.id))
        message = s.general.last
        assert message.content == f"<@{s.ada.id}> {text}"
        assert message.pings is not None
        assert [user.id for user in message.pings.users] == [s.ada.id]
        assert (message.pings.roles, message.pings.everyone) == ((), False)
        assert await tell(s, Answer(text), name="end", pings=str(s.ada.id)) == key
        assert len(s.general.of(s.world.bot)) == 1
        await tell(s, Answer(text), pings="not a person of Discord")
        assert not s.general.last.pings


async def test_it_is_said_in_direct_messages_too() -> None:
    async with stage() as s:
        assert s.platform is not None
        room = s.world.direct(s.ada)
        place = Place("discord", DIRECT, str(room.id), str(room.id), True)
        key = await s.platform.tell(place, UNDER_WAY, name="run/7")
        assert str(room.last.id) == key
