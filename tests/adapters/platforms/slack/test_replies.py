"""Replies on Slack: streamed, redrawn, split, and there at the end whatever happens, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from adapters.platforms.base import End, Message, Reply, Spoken, Unsent
from adapters.platforms.slack.posted import reply_metadata
from tests.adapters.platforms.discord.stage import Memory, TalkingHost
from tests.adapters.platforms.slack.stage import OPTIONS, QUICK, Stage, shown, stage

PIECES = [f"This is sentence number {at} of a long answer, which goes on and on. " * 3 for at in range(8)]
WHOLE = "".join(PIECES).strip()


def growing(s: Callable[[], Stage], waits: int = 3) -> Callable[[Message, Reply], Awaitable[str]]:
    """Speech that grows piece by piece, and waits until some of its growth was tried to be shown."""

    async def speech(message: Message, reply: Reply) -> str:
        text = ""
        for at, piece in enumerate(PIECES):
            before = s().tried()
            text += piece
            await reply.grow(text)
            if at < waits:
                await s().until(lambda before=before: s().tried() > before)
        return text

    return speech


def staged(waits: int = 3, **more: Any) -> tuple[list[Stage], TalkingHost]:
    """A host whose speech grows on the stage that is put into the list."""
    stages: list[Stage] = []
    return stages, TalkingHost(speech=growing(lambda: stages[0], waits), **more)


async def test_a_fast_reply_costs_one_post() -> None:
    async with stage(options=replace(OPTIONS, edit_seconds=5.0)) as s:
        await s.says("hello", mention=True)
        await s.replies()
        spoken = [call for call in s.methods() if call.startswith("chat.")]
        assert spoken == ["chat.postMessage"]


async def test_a_long_reply_is_streamed_to_the_one_who_asked() -> None:
    stages, host = staged()
    async with stage(host) as s:
        stages.append(s)
        ts = await s.says("tell me", mention=True)
        await s.replies()
        [began] = s.calls("chat.startStream")
        assert (began["recipient_user_id"], began["recipient_team_id"]) == (s.ada, s.team)
        assert len(s.calls("chat.appendStream")) >= 2
        [reply] = s.posted(thread=ts)
        assert shown(reply) == WHOLE
        exchange = host.memory.exchanges[f"{s.general}:{ts}"]
        assert reply["metadata"]["event_payload"]["exchange_id"] == exchange
        assert any(block["type"] == "context_actions" for block in reply["blocks"])
        assert host.memory.given[exchange] == f"{s.general}:{reply['ts']}"
        assert not s.calls("chat.update")
        assert not s.calls("chat.postMessage")


async def test_without_a_thread_a_reply_is_redrawn() -> None:
    stages, host = staged()
    async with stage(host) as s:
        stages.append(s)
        await s.says("tell me", channel=s.direct)
        await s.replies()
        assert not s.calls("chat.startStream")
        assert len(s.calls("chat.update")) >= 2
        [reply] = s.posted(s.direct)
        assert shown(reply) == WHOLE
        assert [block["type"] for block in reply["blocks"]][:2] == ["markdown", "context_actions"]


FAULTS = [
    {"chat.startStream": ["missing_recipient_team_id"]},
    {"chat.startStream": ["not_allowed"]},
    {"chat.startStream": ["unknown_method"]},
    {"chat.startStream": ["!internal_error"]},
    {"chat.startStream": [429]},
    {
        "chat.appendStream": ["message_not_in_streaming_state"],
        "chat.stopStream": ["message_not_in_streaming_state"],
    },
    {"chat.appendStream": [429, 500]},
    {"chat.appendStream": ["!internal_error"]},
    {"chat.stopStream": ["message_not_in_streaming_state"]},
    {"chat.stopStream": [429, 429]},
    {"chat.stopStream": ["!internal_error", "message_not_in_streaming_state"]},
    {"chat.stopStream": [500, 500]},
    {"chat.stopStream": ["invalid_blocks"], "chat.update": [429, 503]},
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
async def test_a_stream_that_is_cut_or_refused_leaves_the_whole_text_once(
    faults: dict[str, list[str | int]],
) -> None:
    # Where nobody knows whether a stream began, nothing more is shown until the end.
    stages, host = staged(1 if faults == {"chat.startStream": ["!internal_error"]} else 2)
    async with stage(host) as s:
        stages.append(s)
        for method, errors in faults.items():
            s.fails(method, *errors)
        ts = await s.says("tell me", mention=True)
        await s.replies()
        [reply] = s.posted(thread=ts)
        assert shown(reply) == WHOLE
        assert reply["metadata"]["event_payload"]["part"] == 0
        assert any(block["type"] == "context_actions" for block in reply["blocks"])


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("chat.startStream", "missing_recipient_team_id"),
        ("chat.startStream", 429),
        ("chat.appendStream", "stream has ended"),
        ("chat.appendStream", 429),
    ],
)
async def test_what_was_not_shown_is_shown_though_the_model_pauses(method: str, error: str | int) -> None:
    pause = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> str:
        await reply.grow(PIECES[0])
        if method == "chat.appendStream":
            await stages[0].called("chat.startStream")
        if error == "stream has ended":
            stages[0].world.expire_streams()
        await reply.grow(PIECES[0] + PIECES[1])
        await pause.wait()
        return WHOLE

    stages: list[Stage] = []
    async with stage(TalkingHost(speech=speech)) as s:
        stages.append(s)
        if error != "stream has ended":
            s.fails(method, error)
        ts = await s.says("tell me", mention=True)
        await s.until(lambda: any(PIECES[1].strip() in str(each) for each in s.posted(thread=ts)))
        pause.set()
        await s.replies()
        assert [shown(each) for each in s.posted(thread=ts)] == [WHOLE]


async def test_a_post_of_which_nobody_knows_is_not_made_twice() -> None:
    async with stage() as s:
        s.fails("chat.postMessage", "!internal_error", "!internal_error")
        await s.says("hello", channel=s.direct)
        await s.replies()
        [reply] = s.posted(s.direct)
        assert shown(reply) == "You said: hello"
        assert len(s.calls("chat.postMessage")) == 1
        assert s.calls("conversations.history")[0]["include_all_metadata"]


async def test_while_slack_is_away_the_final_text_is_tried_again() -> None:
    async with stage() as s:
        s.fails("chat.postMessage", 503, 429, 500, 502)
        await s.says("hello", mention=True)
        await s.replies()
        assert [shown(each) for each in s.posted(thread=s.said[-1])] == ["You said: hello"]


async def test_blocks_that_slack_does_not_take_cost_the_buttons_and_not_the_words() -> None:
    async with stage() as s:
        s.fails("chat.postMessage", "invalid_blocks", "invalid_blocks")
        await s.says("hello & <you>", channel=s.direct)
        await s.replies()
        [reply] = s.posted(s.direct)
        assert [block["type"] for block in reply["blocks"]] == ["section"]
        assert "You said" in reply["blocks"][0]["text"]["text"]


async def test_a_channel_that_is_closed_to_us_ends_the_attempt() -> None:
    async with stage() as s:
        s.fails("chat.postMessage", "is_archived")
        await s.says("hello", channel=s.direct)
        await s.replies()
        assert list(s.host.memory.given.values()) == [""]


async def test_a_long_text_is_split_and_known_by_all_its_parts() -> None:
    text = "Look:\n\n```python\n" + "x = 1  # a line of code\n" * 1200 + "```\n\nThat is all."

    async def speech(message: Message, reply: Reply) -> str:
        return text

    host = TalkingHost(speech=speech)
    async with stage(host) as s:
        ts = await s.says("code", mention=True)
        await s.replies()
        parts = s.posted(thread=ts)
        assert len(parts) == 3
        assert all(shown(each).count("```") % 2 == 0 for each in parts)
        with_controls = [any(b["type"] == "context_actions" for b in each["blocks"]) for each in parts]
        assert with_controls == [False, False, True]
        [given] = host.memory.given.values()
        assert given == " ".join(f"{s.general}:{each['ts']}" for each in reversed(parts))


async def test_a_long_stream_goes_on_in_a_second_message() -> None:
    stages: list[Stage] = []
    text = "".join(f"Line number {at} of a very long answer.\n" for at in range(500))

    async def speech(message: Message, reply: Reply) -> str:
        for end in (3000, 10_000, 15_000, 19_000):
            before = stages[0].tried()
            await reply.grow(text[:end])
            await stages[0].until(lambda before=before: stages[0].tried() > before)
        await stages[0].until(lambda: len(stages[0].calls("chat.startStream")) == 2)
        return text

    async with stage(TalkingHost(speech=speech)) as s:
        stages.append(s)
        ts = await s.says("tell me", mention=True)
        await s.replies()
        parts = s.posted(thread=ts)
        assert len(parts) == 2
        assert "\n".join(shown(each) for each in parts) == text.strip()


async def test_nothing_that_a_model_writes_pings() -> None:
    async def speech(message: Message, reply: Reply) -> End:
        await reply.grow("Hey <!cha")
        await reply.grow("Hey <!channel> and <@U0ADA>, @here @everyone [x](https://x.org)")
        return End(
            "", "Hey <!channel> and <@U0ADA>, @here @everyone [x](https://x.org)", note="<!here> stopped"
        )

    async with stage(TalkingHost(speech=speech)) as s:
        await s.says("ping them", mention=True)
        await s.replies()
        written = str(
            [
                call
                for method in ("chat.postMessage", "chat.startStream", "chat.appendStream", "chat.stopStream")
                for call in s.calls(method)
            ]
        )
        for ping in ("<!channel>", "<!here>", "<@U0ADA>", "@everyone", " @here"):
            assert ping not in written
        for call in s.calls("chat.postMessage"):
            assert (call["link_names"], call["parse"], call["unfurl_links"]) == (False, "none", False)


async def test_a_note_stands_below_in_a_quieter_voice() -> None:
    async def speech(message: Message, reply: Reply) -> End:
        return End("", "So far", note="stopped")

    async with stage(TalkingHost(speech=speech)) as s:
        await s.says("go", channel=s.direct)
        await s.replies()
        blocks = s.posted(s.direct)[0]["blocks"]
        assert [block["type"] for block in blocks[:3]] == ["markdown", "context", "context_actions"]
        assert blocks[1]["elements"][0]["text"] == "stopped"


async def test_a_failure_is_said_in_one_sentence_with_its_reference() -> None:
    async def speech(message: Message, reply: Reply) -> Spoken:
        await reply.fail("The model is away.", "r-17")
        return Spoken("failed")

    async with stage(TalkingHost(speech=speech)) as s:
        await s.says("go", channel=s.direct)
        await s.until(lambda: len(s.posted(s.direct)) == 1)
        text = str(s.posted(s.direct)[0]["blocks"])
        assert "The model is away." in text
        assert "r-17" in text
        assert "Try again" in text


async def test_a_very_long_reply_comes_as_a_file() -> None:
    text = "word " * 1000

    async def speech(message: Message, reply: Reply) -> str:
        return text

    async with stage(TalkingHost(speech=speech), replace(OPTIONS, file_characters=2000)) as s:
        await s.says("write", mention=True)
        await s.replies()
        assert shown(s.posted(thread=s.said[-1])[0]).endswith("_The whole reply is in the file._")
        assert s.uploads() == [("reply.md", text.encode())]


async def test_a_message_that_was_deleted_while_it_grew_is_posted_anew() -> None:
    stages: list[Stage] = []

    async def speech(message: Message, reply: Reply) -> str:
        await reply.grow("Something long enough. " * 20)
        await stages[0].until(lambda: bool(stages[0].posted(stages[0].direct)))
        stages[0].delete(stages[0].direct, stages[0].posted(stages[0].direct)[0]["ts"])
        return "All of it."

    async with stage(TalkingHost(speech=speech)) as s:
        stages.append(s)
        await s.says("go", channel=s.direct)
        await s.replies()
        assert [shown(each) for each in s.posted(s.direct)] == ["All of it."]


# After a crash


async def _owed(s: Stage, ts: str, channel: str, thread: str | None) -> str:
    """Let another process find this reply owed; its exchange."""
    host = s.host
    key = f"{channel}:{ts}"
    exchange = host.memory.exchanges[key]
    host.memory.owed.append(Unsent(exchange, key, host.memory.places[key], int(float(ts) * 1000)))
    host.memory.given.pop(exchange, None)
    return exchange


async def test_a_reply_that_was_given_is_found_and_not_given_twice() -> None:
    async with stage() as s:
        ts = await s.says("hello", mention=True)
        await s.replies()
        before = s.posted(thread=ts)
        await s.stop()
        await _owed(s, ts, s.general, ts)
        s.host.speech = lambda message, reply: _text("You said: hello")
        await s.start()
        await s.replies()
        assert s.posted(thread=ts) == before
        assert not s.calls("chat.update")


async def _text(text: str) -> str:
    return text


async def test_a_stream_that_was_cut_by_a_crash_is_taken_up() -> None:
    stages: list[Stage] = []
    began = asyncio.Event()

    async def speech(message: Message, reply: Reply) -> str:
        await reply.grow("Something long enough to be shown at once. " * 8)
        await stages[0].until(lambda: bool(stages[0].calls("chat.startStream")))
        began.set()
        await asyncio.Event().wait()
        return ""

    # Nobody waits for a process that is killed.
    async with stage(TalkingHost(speech=speech), tempo=replace(QUICK, grace=0.0)) as s:
        stages.append(s)
        ts = await s.says("hello", mention=True)
        await asyncio.wait_for(began.wait(), 30)
        await s.stop()
        exchange = await _owed(s, ts, s.general, ts)
        s.host.speech = lambda message, reply: _text("The whole answer.")
        await s.start()
        await s.replies()
        [reply] = s.posted(thread=ts)
        assert shown(reply) == "The whole answer."
        assert reply["metadata"]["event_payload"]["exchange_id"] == exchange
        assert reply["metadata"]["event_type"] == reply_metadata(exchange, 0)["event_type"]


async def test_a_reply_of_which_nothing_is_there_is_given() -> None:
    memory = Memory()
    async with stage(TalkingHost(memory)) as s:
        ts = await s.says("hello", channel=s.direct)
        await s.replies()
        await s.stop()
        await _owed(s, ts, s.direct, None)
        s.delete(s.direct, s.posted(s.direct)[0]["ts"])
        await s.start()
        await s.replies()
        assert [shown(each) for each in s.posted(s.direct)] == ["You said: again"]
        assert memory.seen_at is not None
