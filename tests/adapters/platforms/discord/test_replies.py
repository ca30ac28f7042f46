"""How a reply comes to be: what a person sees while it grows and when it is done, and that it is there once."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest

from adapters.platforms.base import End, Message, Reply
from adapters.platforms.base import Spoken as Said
from adapters.platforms.discord.posted import nonce_of
from tests.adapters.platforms.discord.stage import OPTIONS, QUICK, Stage, TalkingHost, stage
from tests.servers.discord import Permission
from tests.servers.discord.messages import Message as Posted

POST = "POST /channels/{channel_id}/messages"
PATCH = "PATCH /channels/{channel_id}/messages/{message_id}"
TYPING = "POST /channels/{channel_id}/typing"
MESSAGES = r"/messages$"
EDITS = r"/messages/\d+$"
PATIENT = replace(OPTIONS, edit_seconds=0.05)

CODE = (
    "Here it is:\n\n```python\n"
    + "\n".join(f"print('line {number}')" for number in range(260))
    + "\n```\nDone."
)


def shown(s: Stage) -> list[Posted]:
    return s.general.of(s.world.bot)


class Spoken:
    """A speech that a test lets go on word by word."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.said: asyncio.Queue[str | None] = asyncio.Queue()
        self.final = ""
        self.note = ""

    async def __call__(self, message: Message, reply: Reply) -> str:
        self.begun.set()
        while (text := await self.said.get()) is not None:
            await reply.grow(text)
        return self.final

    def grows(self, text: str) -> None:
        self.said.put_nowait(text)

    def ends(self, text: str) -> None:
        self.final = text
        self.said.put_nowait(None)


async def test_a_fast_model_costs_one_post_and_no_edit() -> None:
    async def fast(message: Message, reply: Reply) -> str:
        for count in range(60):
            await reply.grow("word " * count)
        return "word " * 60

    async with stage(TalkingHost(speech=fast), options=replace(OPTIONS, edit_seconds=1.0)) as s:
        await s.asks("go")
        await s.replies()
        assert (s.world.calls[POST], s.world.calls[PATCH], s.world.calls[TYPING]) == (1, 0, 1)
        assert shown(s)[0].labels == ["👍", "👎", "🔁"]


async def test_it_grows_with_a_stop_button_and_ends_with_ratings() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        await s.asks("go")
        speech.grows("A first")
        await s.world.until(lambda: shown(s))
        assert shown(s)[0].labels == ["Stop"]
        speech.grows("A first and a second")
        await s.world.until(lambda: shown(s)[0].content == "A first and a second")
        speech.ends("A first and a second word.")
        await s.replies()
        assert [message.content for message in shown(s)] == ["A first and a second word."]
        assert shown(s)[0].labels == ["👍", "👎", "🔁"]


async def test_the_final_text_waits_for_no_timer() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech), options=replace(OPTIONS, edit_seconds=30.0)) as s:
        await s.asks("go")
        speech.grows("x" * 300)
        speech.ends("the end")
        assert await s.replies(timeout=15.0) == ["the end"]


async def test_redrawing_keeps_to_the_budget_of_a_channel() -> None:
    async def long(message: Message, reply: Reply) -> str:
        text = ""
        for count in range(100):
            text += f"{count} "
            await reply.grow(text)
            await asyncio.sleep(0.005)
        return text

    async with stage(TalkingHost(speech=long), options=replace(OPTIONS, edit_seconds=0.1)) as s:
        for _ in range(4):
            await s.asks("go")
        await s.replies(4)
        # Half a second of talk by four at once: five slots or so, beside the final texts.
        assert s.world.calls[PATCH] + s.world.calls[POST] <= 4 + 4 + 10


async def test_with_discords_own_limits_nothing_is_refused_and_final_texts_do_not_wait() -> None:
    ended: list[float] = []
    loop = asyncio.get_running_loop()

    async def long(message: Message, reply: Reply) -> str:
        text = ""
        for count in range(60):
            text += f"{count} "
            await reply.grow(text)
            await asyncio.sleep(0.005)
        ended.append(loop.time())
        return text + "and the end"

    async with stage(TalkingHost(speech=long), options=replace(OPTIONS, edit_seconds=0.1)) as s:
        s.world.limits.limit("^PATCH /channels/", 5, 0.5)
        arrived: list[float] = []
        s.world.watchers.append(
            lambda posted: arrived.append(loop.time()) if posted.content.endswith("and the end") else None
        )
        await s.asks("go")
        await s.asks("go")
        await s.replies(2)
        assert not s.world.limits.refused
        assert all(there - end < 0.4 for end, there in zip(ended, sorted(arrived)))


async def test_a_long_reply_is_continued_in_further_replies_and_earlier_parts_stay() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        await s.asks("go")
        for size in range(200, len(CODE), 400):
            speech.grows(CODE[:size])
            await s.world.until(lambda: shown(s))
        speech.ends(CODE)
        await s.replies()
        parts = shown(s)
        assert len(parts) == 3
        assert all(len(part.content) <= 2000 for part in parts)
        assert all(part.content.count("```") % 2 == 0 for part in parts)
        assert parts[1].content.startswith("```python\nprint(")
        assert [part.labels for part in parts] == [[], [], ["👍", "👎", "🔁"]]
        assert all(part.reference is s.general.history[0] for part in parts)


async def test_a_reply_to_an_earlier_part_belongs_to_the_reply() -> None:
    async def long(message: Message, reply: Reply) -> str:
        return CODE

    async with stage(TalkingHost(speech=long)) as s:
        await s.asks("go")
        await s.replies()
        first, *_, last = shown(s)
        await s.ada.says(s.general, "why?", reply_to=first)
        await s.world.until(lambda: len(s.host.messages) == 2)
        assert s.host.messages[1].reply_to == str(first.id)
        keys = s.host.memory.given[next(iter(s.host.memory.given))].split()
        assert (keys[0], keys[1]) == (str(last.id), str(first.id))


async def test_a_long_reply_comes_as_a_file_where_the_operator_wants_that() -> None:
    text = "A beginning of some length.\n\n" + "And so it goes on. " * 200

    async def long(message: Message, reply: Reply) -> str:
        await reply.grow(text)
        return text

    async with stage(TalkingHost(speech=long), options=replace(OPTIONS, file_characters=1000)) as s:
        await s.asks("go")
        await s.replies()
        (message,) = shown(s)
        assert message.content.startswith("A beginning of some length.")
        assert message.content.endswith("-# The whole reply is in the file.")
        assert [(file.name, file.data.decode()) for file in message.attachments] == [
            ("reply.md", text.strip())
        ]


async def test_a_note_stands_below_in_small_type() -> None:
    async def stopped(message: Message, reply: Reply) -> End:
        return End("", "As far as", note="stopped by Ada")

    async with stage(TalkingHost(speech=stopped)) as s:
        await s.asks("go")
        assert await s.replies() == ["As far as\n-# stopped by Ada"]


async def test_a_failure_is_a_sentence_with_its_reference_and_a_way_to_try_again() -> None:
    async def fails(message: Message, reply: Reply) -> Said:
        await reply.grow("It begins")
        await reply.fail("The model did not answer.", "4f2a")
        return Said("failed")

    async with stage(TalkingHost(speech=fails)) as s:
        await s.asks("go")
        assert await s.replies() == ["The model did not answer.\n-# Reference: `4f2a`"]
        assert shown(s)[0].labels == ["Try again"]


async def test_what_a_model_writes_pings_nobody_neither_at_once_nor_by_an_edit() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech), options=PATIENT) as s:
        evil = f"@everyone @here {s.ada.mention} {s.guild.everyone.mention} <@1> <@&2>"
        await s.asks("go")
        speech.grows(evil)
        await s.world.until(lambda: shown(s))
        speech.ends(f"{evil} again {s.guild.owner.mention}")
        await s.replies()
        for exchange in s.world.exchanges:
            if exchange["method"] in ("POST", "PATCH") and exchange["url"].rpartition("/messages")[1]:
                assert exchange["request_body"]["allowed_mentions"] == {"parse": [], "replied_user": False}
        assert not shown(s)[0].mention_everyone
        assert not shown(s)[0].pings


async def test_a_question_that_is_deleted_meanwhile_is_answered_plainly() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        question = await s.ada.says(s.general, "go", mention=s.world.bot)
        await speech.begun.wait()
        await s.ada.deletes(question)
        speech.ends("all the same")
        assert await s.replies() == ["all the same"]


async def test_a_reply_that_is_deleted_while_it_grows_is_posted_anew() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        await s.asks("go")
        speech.grows("A beginning")
        first = (await s.world.until(lambda: shown(s)))[0]
        moderator = s.guild.member("Moderator", permissions=Permission.MANAGE_MESSAGES)
        await moderator.deletes(first)
        speech.ends("A beginning and an end")
        await s.replies()
        assert shown(s)[-1].content == "A beginning and an end"
        assert shown(s)[-1] is not first


async def test_reactions_are_seeded_after_the_reply() -> None:
    async with stage(options=replace(OPTIONS, buttons=False, seed_reactions=("👍", "<:hoot:123456>"))) as s:
        await s.asks("go")
        await s.world.until(lambda: shown(s) and len(shown(s)[0].reactions) == 2)
        assert list(shown(s)[0].reactions) == ["👍", "hoot:123456"]
        assert shown(s)[0].labels == []


async def test_nothing_said_is_said() -> None:
    async def nothing(message: Message, reply: Reply) -> str:
        return " \n"

    async with stage(TalkingHost(speech=nothing)) as s:
        await s.asks("go")
        assert await s.replies() == ["-# Nothing was said."]


# Once, whatever happens


async def test_a_post_whose_answer_is_lost_is_not_posted_twice() -> None:
    async with stage() as s:
        s.world.faults.lose("POST", MESSAGES, times=2)
        await s.asks("go")
        assert await s.replies() == ["You said: go"]
        assert s.world.calls[POST] == 3


async def test_a_first_post_whose_answer_is_lost_becomes_the_final_text() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        s.world.faults.lose("POST", MESSAGES)
        await s.asks("go")
        speech.grows("A beginning")
        await s.world.until(lambda: shown(s))
        speech.ends("A beginning and an end")
        assert await s.replies() == ["A beginning and an end"]
        assert shown(s)[0].labels == ["👍", "👎", "🔁"]


async def test_after_the_nonce_is_forgotten_it_looks_before_it_posts() -> None:
    async with stage(tempo=replace(QUICK, nonce=0.0)) as s:
        s.world.faults.lose("POST", MESSAGES, times=1)
        await s.asks("go")
        assert await s.replies() == ["You said: go"]
        assert s.world.calls[POST] == 1
        assert s.world.calls["GET /channels/{channel_id}/messages"] >= 1


@pytest.mark.parametrize("status", [429, 503])
async def test_the_final_text_arrives_however_often_it_is_refused(status: int) -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        await s.asks("go")
        speech.grows("A beginning")
        await s.world.until(lambda: shown(s))
        s.world.faults.answer(status, "PATCH", EDITS, times=6, cloudflare=True)
        speech.ends("A beginning and an end")
        assert await s.replies() == ["A beginning and an end"]


async def test_what_discord_does_not_take_is_posted_plainly() -> None:
    async with stage() as s:
        s.world.faults.answer(400, "POST", MESSAGES)
        await s.asks("go")
        assert await s.replies() == ["You said: go"]
        assert (shown(s)[0].labels, shown(s)[0].reference) == ([], None)


async def test_what_is_posted_plainly_is_posted_once_all_the_same() -> None:
    async with stage() as s:
        s.world.faults.answer(400, "POST", MESSAGES)
        s.world.faults.lose("POST", MESSAGES)
        await s.asks("go")
        await s.replies()
        assert [each.content for each in shown(s)] == ["You said: go"]


async def test_growth_that_fails_is_skipped() -> None:
    speech = Spoken()
    async with stage(TalkingHost(speech=speech)) as s:
        s.world.faults.answer(503, "POST", MESSAGES, times=1)
        await s.asks("go")
        speech.grows("A beginning")
        await s.world.until(lambda: s.world.calls[POST] >= 1)
        speech.grows("A beginning that goes on")
        await s.world.until(lambda: shown(s))
        speech.ends("The end")
        assert await s.replies() == ["The end"]


async def test_a_channel_that_is_closed_to_it_ends_the_reply_and_nothing_else() -> None:
    async with stage() as s:
        s.general.deny(s.world.bot, Permission.SEND_MESSAGES)
        await s.asks("go")
        await s.replies()
        assert shown(s) == []
        assert list(s.host.memory.given.values()) == [""]
        await s.ada.says(s.ada.direct, "here then")
        await s.replies(2)


def test_a_nonce_tells_exchanges_and_parts_apart_within_25_characters() -> None:
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    nonces = [
        nonce_of(name, part, again) for name in (one, two, "e1") for part in (0, 1, 99) for again in (0, 1)
    ]
    assert len(set(nonces)) == len(nonces)
    assert max(map(len, nonces)) <= 25
    assert nonce_of(one, 1) == nonce_of(one, 1)
