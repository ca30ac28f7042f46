"""What is said unasked on Slack: posted once under one name, changed in place with its picture, and whom it notifies."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from adapters.platforms.base import Answer, Button, File, Place
from tests.adapters.platforms.slack.stage import QUICK, Stage, stage
from tests.servers.slack.messages import Message

RED, BLUE = File("loss of run 7.png", b"red", "image/png"), File("loss of run 7.png", b"blue", "image/png")
BUTTONS = (Button("Cancel", "finetune cancel", {"run": "7"}, "danger"),)
BEGUN = Answer("**Run 7**\nwaits its turn.", buttons=BUTTONS)
UNDER_WAY = replace(BEGUN, text="**Run 7**\nis being trained.", picture=RED)


async def tell(s: Stage, answer: Answer, *, thread: str = "", **other: str) -> str:
    assert s.platform is not None
    place = Place("slack", s.team, s.general, f"{s.general}:{thread}" if thread else s.general)
    return await s.platform.tell(place, answer, **other)


def messages(s: Stage) -> list[Message]:
    return [each for each in s.world.channels[s.general].of(s.world.bot) if not each.deleted]


def kinds(message: Message) -> list[str]:
    return [block["type"] for block in message.blocks]


def pictures(s: Stage, message: Message) -> list[bytes]:
    """What the pictures in a message show."""
    shown = [block["slack_file"]["id"] for block in message.blocks if block["type"] == "image"]
    return [s.world.files[each].data for each in shown]


async def test_a_message_is_changed_in_place_with_its_picture() -> None:
    async with stage() as s:
        first = await tell(s, BEGUN, name="run/7")
        key = await tell(s, UNDER_WAY, instead_of=first, name="run/7")
        [message] = messages(s)
        assert first == key.partition(" ")[0] == f"{s.general}:{message.ts}"
        assert kinds(message) == ["markdown", "image", "actions"]
        assert message.blocks[1]["alt_text"] == "loss of run 7"
        assert pictures(s, message) == [b"red"]
        assert await tell(s, replace(UNDER_WAY, text="**Run 7**\nends."), instead_of=key) == key
        assert len(s.calls("files.completeUploadExternal")) == 1
        key = await tell(s, replace(UNDER_WAY, picture=BLUE), instead_of=key)
        assert pictures(s, message) == [b"blue"]
        assert await tell(s, BEGUN, instead_of=key) == first
        assert kinds(message) == ["markdown", "actions"]
        assert (len(messages(s)), s.uploads()) == (1, [])


async def test_a_process_that_comes_later_puts_its_picture_in_place_of_the_earlier_one() -> None:
    async with stage() as s:
        key = await tell(s, UNDER_WAY, name="run/7")
        await s.stop()
        await s.start()
        assert await tell(s, UNDER_WAY, instead_of=key, name="run/7") == key
        assert len(s.calls("files.completeUploadExternal")) == 1
        key = await tell(s, replace(UNDER_WAY, picture=BLUE), instead_of=key, name="run/7")
        [message] = messages(s)
        assert pictures(s, message) == [b"blue"]
        assert [data for _, data in s.uploads()] == [b"blue"]
        await s.stop()
        await s.start()
        await tell(s, BEGUN, instead_of=key, name="run/7")
        assert (kinds(message), s.uploads()) == (["markdown", "actions"], [])


async def test_it_waits_for_a_picture_that_slack_still_looks_through() -> None:
    async with stage() as s:
        s.world.looks_through = 3
        await tell(s, UNDER_WAY, name="run/7")
        [message] = messages(s)
        assert pictures(s, message) == [b"red"]


async def test_the_words_come_without_a_picture_that_slack_does_not_take() -> None:
    async with stage() as s:
        s.world.looks_through = 100
        key = await tell(s, UNDER_WAY, name="run/7")
        assert kinds(messages(s)[0]) == ["markdown", "actions"]
        s.world.looks_through = 0
        s.lacks("files:write")
        after = await tell(s, replace(UNDER_WAY, picture=BLUE), instead_of=key)
        assert after == key.partition(" ")[0]
        assert kinds(messages(s)[0]) == ["markdown", "actions"]


async def test_where_it_was_deleted_a_new_one_is_posted() -> None:
    async with stage() as s:
        key = await tell(s, BEGUN, name="run/7")
        s.delete(*key.split(":"))
        after = await tell(s, UNDER_WAY, instead_of=key, name="run/7")
        assert [f"{s.general}:{each.ts}" for each in messages(s)] == [after.partition(" ")[0]]


async def test_where_nothing_old_may_be_changed_it_is_not_said_again() -> None:
    async with stage() as s:
        key = await tell(s, UNDER_WAY, name="run/7")
        s.fails("chat.update", "edit_window_closed")
        assert await tell(s, replace(UNDER_WAY, picture=BLUE), instead_of=key, name="run/7") == key
        [message] = messages(s)
        assert pictures(s, message) == [b"red"]
        assert [data for _, data in s.uploads()] == [b"red"]


@pytest.mark.parametrize("threaded", [False, True])
async def test_it_is_posted_once_though_the_answer_is_lost(threaded: bool) -> None:
    async with stage() as s:
        thread = await s.says("hello") if threaded else ""
        s.fails("chat.postMessage", "!", "!")
        await tell(s, UNDER_WAY, name="run/7", thread=thread)
        assert len(messages(s)) == 1


async def test_another_process_finds_what_one_that_was_killed_has_posted() -> None:
    async with stage(tempo=replace(QUICK, patience=0.0)) as s:
        s.fails("chat.postMessage", "!")
        with pytest.raises(aiohttp.ClientError):
            await tell(s, BEGUN, name="run/7")
        await s.stop()
        await s.start()
        key = await tell(s, UNDER_WAY, name="run/7")
        [message] = messages(s)
        assert key.partition(" ")[0] == f"{s.general}:{message.ts}"
        assert pictures(s, message) == [b"red"]


async def test_slack_says_when_it_has_had_enough() -> None:
    async with stage() as s:
        s.fails("chat.postMessage", 429)
        s.fails("files.completeUploadExternal", 429)
        key = await tell(s, UNDER_WAY, name="run/7")
        s.fails("chat.update", 429, 429)
        await tell(s, replace(UNDER_WAY, picture=BLUE), instead_of=key, name="run/7")
        [message] = messages(s)
        assert pictures(s, message) == [b"blue"]


async def test_one_person_is_notified_and_only_by_what_is_new() -> None:
    async with stage() as s:
        text = f"<!channel> <@{s.brian}>: run 7 has **succeeded**."
        key = await tell(s, Answer(text, buttons=BUTTONS), name="end", pings=s.ada)
        [message] = messages(s)
        assert kinds(message) == ["section", "actions"]
        assert message.blocks[0]["text"]["text"].startswith(f"<@{s.ada}> ")
        assert message.blocks[0]["text"]["text"].endswith("run 7 has *succeeded*.")
        assert [user.name for user in message.pings.users] == ["Ada"]
        assert (message.pings.groups, message.pings.broadcasts) == ((), ())
        assert await tell(s, Answer(text), name="end", pings=s.ada) == key
        assert len(messages(s)) == 1
        await tell(s, Answer("again"), pings="<!channel>")
        assert not messages(s)[-1].pings


async def test_lines_stay_apart_and_lists_and_code_together() -> None:
    async with stage() as s:
        await tell(s, Answer("one\ntwo\n- a\n- b\n\n```\nx\ny\n```\nthree"))
        [block] = messages(s)[0].blocks
        assert block["text"] == "one\n\ntwo\n- a\n- b\n\n```\nx\ny\n```\n\nthree"
