"""Who is answered on Slack, where, and how often."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.platforms.base import Access, Answer, Message, Place, Reply, Spoken, UserError, Welcome
from adapters.platforms.slack.options import Options
from tests.adapters.platforms.discord.stage import TalkingHost
from tests.adapters.platforms.slack.stage import OPTIONS, Stage, shown, stage


async def test_a_mention_is_answered_once_in_its_thread_though_it_comes_as_two_events() -> None:
    async with stage() as s:
        ts = await s.says("hello there", mention=True)
        await s.replies()
        [reply] = s.posted(thread=ts)
        assert shown(reply) == "You said: hello there"
        [message] = s.host.messages
        assert message.place == Place("slack", s.team, s.general, f"{s.general}:{ts}", False, "Birds")
        assert (message.key, message.who.key, message.who.name) == (f"{s.general}:{ts}", s.ada, "Ada")
        assert message.at == int(float(ts) * 1000)


async def test_a_direct_message_is_answered_where_it_was_said() -> None:
    async with stage() as s:
        await s.says("psst", channel=s.direct)
        await s.replies()
        [reply] = s.posted(s.direct)
        assert shown(reply) == "You said: psst"
        assert not reply.get("thread_ts")
        place = s.host.messages[0].place
        assert (place.conversation, place.private) == (s.direct, True)


async def test_a_talk_with_the_agent_has_suggestions_a_status_and_a_title() -> None:
    gate = asyncio.Event()

    async def slowly(message: Message, reply: Reply) -> str:
        await gate.wait()
        return "Here."

    host = TalkingHost(speech=slowly)
    host.welcomed = Welcome("Guide", suggestions=("What is this?", "Why?", "How?", "Who?", "Where?"))
    async with stage(host) as s:
        thread = await s.opens_agent()
        await s.called("assistant.threads.setSuggestedPrompts")
        [offered] = s.calls("assistant.threads.setSuggestedPrompts")
        assert [each["message"] for each in offered["prompts"]] == ["What is this?", "Why?", "How?", "Who?"]
        await s.says("How do I begin?", channel=s.direct, thread=thread)
        await s.called("assistant.threads.setStatus")
        assert s.calls("assistant.threads.setStatus")[0]["status"] == "is thinking …"
        gate.set()
        await s.replies()
        [reply] = [each for each in s.posted(s.direct, thread) if each["ts"] != thread]
        assert shown(reply) == "Here."
        await s.called("assistant.threads.setTitle")
        assert s.calls("assistant.threads.setTitle")[0]["title"] == "How do I begin?"


async def test_where_slack_has_its_view_of_agents_each_message_is_answered_in_its_thread() -> None:
    async with stage() as s:
        ts = await s.says("hello", channel=s.direct, app_context={"entities": []})
        await s.replies()
        assert s.posted(s.direct, ts)
        assert s.host.messages[0].place.conversation == f"{s.direct}:{ts}"


async def test_a_thread_in_which_it_has_spoken_goes_on_without_a_mention() -> None:
    async with stage() as s:
        ts = await s.says("first", mention=True)
        await s.replies()
        await s.says("second", thread=ts)
        await s.replies(2)
        await s.says(f"<@{s.brian}> what do you say?", thread=ts)
        await s.says("third", thread=ts)
        await s.replies(3)
        assert [message.text for message in s.host.messages] == ["first", "second", "third"]
        assert not s.calls("conversations.replies")


async def test_after_a_restart_slack_is_asked_once_whether_a_thread_is_ours() -> None:
    async with stage() as s:
        ts = await s.says("first", mention=True)
        await s.replies()
        other = await s.says("nothing to do with it")
        await s.stop()
        await s.start()
        await s.says("second", thread=ts)
        await s.replies(2)
        for text in ("a", "b", "c"):
            await s.says(text, thread=other)
        # Another thread is answered without waiting for what Slack says of this one.
        await s.until(lambda: len(s.calls("conversations.replies")) == 2)
        await s.says("d", thread=other)
        await s.says("third", thread=ts)
        await s.replies(3)
        await s.until(lambda: s.world.deliveries.settled)
        assert [message.text for message in s.host.messages] == ["first", "second", "third"]
        assert len(s.calls("conversations.replies")) == 2


async def test_a_thread_below_a_reply_goes_on_with_its_talk() -> None:
    async with stage() as s:
        await s.says("psst", channel=s.direct)
        await s.replies()
        [reply] = s.posted(s.direct)
        await s.says("go on", channel=s.direct, thread=reply["ts"], parent_user_id=s.me)
        await s.replies(2)
        assert s.host.messages[1].reply_to == f"{s.direct}:{reply['ts']}"


async def test_where_it_listens_everything_is_answered_in_the_channel() -> None:
    host = TalkingHost()
    async with stage(host) as s:
        host.always_on.add(s.general)
        await s.says("anybody?")
        await s.says("you?", mention=True)
        await s.replies(2)
        assert {shown(each) for each in s.posted()} == {"You said: anybody?", "You said: you?"}
        assert all(message.place.conversation == s.general for message in host.messages)


async def test_what_is_not_said_by_a_person_to_the_avatar_is_left_alone() -> None:
    async with stage() as s:
        await s.says("just talking")
        await s.says("beep", mention=True, bot_id="B9")
        await s.says("I myself", mention=True, user=s.me)
        await s.says("has joined", channel=s.direct, subtype="channel_join")
        await s.says("slack says", channel=s.direct, user="USLACKBOT")
        await s.says("last", channel=s.direct)
        await s.replies()
        assert [message.text for message in s.host.messages] == ["last"]


async def test_what_is_delivered_again_is_answered_once() -> None:
    async with stage() as s:
        ts = await s.says("hello", mention=True, event_id="Ev1")
        await s.replies()
        await s.says("hello", mention=True, event_id="Ev1", ts=ts)
        await s.says("hello", mention=True, event_id="Ev2", ts=ts)
        await s.says("other", channel=s.direct)
        await s.replies(2)
        assert [message.text for message in s.host.messages] == ["hello", "other"]
        assert not s.host.repeated


async def test_messages_of_one_talk_keep_their_order() -> None:
    async with stage() as s:
        await s.says(f"one, says <@{s.brian}> in <#{s.general}>", channel=s.direct)
        await s.says("two", channel=s.direct)
        await s.replies(2)
        assert [message.text for message in s.host.messages] == ["one, says @Brian in #general", "two"]


async def test_slacks_markup_is_read() -> None:
    async with stage() as s:
        await s.says(
            "*so* &lt;3 <https://x.org|this> <https://y.org> <!here> :wave: `a*b*c`", channel=s.direct
        )
        await s.replies()
        assert s.host.messages[0].text == "**so** <3 [this](https://x.org) https://y.org @here :wave: `a*b*c`"


async def test_who_is_named_is_read_by_name_and_looked_up_once() -> None:
    async with stage() as s:
        [group] = s.world.groups.values()
        named = f"ask <!subteam^{group.id}>, <!subteam^S0|@others>, <@{s.brian}> in <#{s.general}> or <!subteam^S9>"
        for _ in range(2):
            await s.says(named, channel=s.direct)
        await s.replies(2)
        read = "ask @helpers, @others, @Brian in #general or"
        assert [message.text for message in s.host.messages] == [read, read]
        assert len(s.calls("usergroups.list")) == 1


async def test_what_was_taught_or_declined_is_said_in_short() -> None:
    async def speech(message: Message, reply: Reply) -> Spoken:
        offer = Answer("May I learn from this?") if message.text == "teach" else None
        return Spoken("taught" if offer else "declined", text=f"{message.text}!", offer=offer)

    async with stage(TalkingHost(speech=speech)) as s:
        ts = await s.says("teach", mention=True)
        await s.until(lambda: len(s.posted(thread=ts)) == 2)
        assert [shown(each) for each in s.posted(thread=ts)] == ["teach!", "May I learn from this?"]
        await s.says("too much", channel=s.direct)
        await s.until(lambda: len(s.posted(s.direct)) == 1)
        assert shown(s.posted(s.direct)[0]) == "too much!"


async def test_an_edited_question_is_answered_anew() -> None:
    async with stage(options=replace(OPTIONS, regenerate_on_edit=True)) as s:
        ts = await s.says("helo", channel=s.direct)
        await s.replies()
        await s.edits(s.direct, ts, "helo", "hello")
        await s.replies(2)
        await s.edits(s.direct, ts, "hello", "hello")
        await s.says("next", channel=s.direct)
        await s.replies(3)
        assert [message.text for message in s.host.messages] == ["helo", "hello", "next"]


async def test_levels_come_from_roles_people_and_groups() -> None:
    options = replace(
        OPTIONS, owner=("workspace_owner",), trainer=("workspace_admin",), reviewer=("@helpers",)
    )
    async with stage(options=options) as s:
        for user in (s.ada, s.brian, s.carla, s.dora):
            await s.says("hello", mention=True, user=user)
        await s.replies(4)
        levels = {message.who.name: message.who.access for message in s.host.messages}
        assert levels == {
            "Ada": Access.RATER,
            "Brian": Access.TRAINER,
            "Carla": Access.OWNER,
            "Dora": Access.REVIEWER,
        }
        # Four people and the members of groups, each asked for once.
        assert len(s.calls("users.info")) == 4
        assert len(s.calls("usergroups.list")) == 1


async def test_the_admin_of_another_company_is_no_admin_here() -> None:
    async with stage() as s:
        await s.says("hello", mention=True, user=s.stranger)
        await s.replies()
        assert s.host.messages[0].who.access is Access.RATER


async def test_it_greets_in_a_channel_that_it_is_brought_into_and_leaves() -> None:
    async with stage() as s:
        await s.event("member_joined_channel", user=s.ada, channel=s.general)
        await s.event("member_joined_channel", user=s.me, channel=s.general)
        await s.until(lambda: len(s.posted()) == 1)
        [section] = s.posted()[0]["blocks"]
        assert len(section["text"]["text"].splitlines()) == 3
        await s.event("tokens_revoked", tokens={"oauth": [], "bot": ["UOTHER"]})
        await s.event("app_uninstalled")
        await s.until(lambda: s.host.gone == [s.team])


async def test_it_speaks_unasked() -> None:
    async with stage() as s:
        assert s.platform is not None
        await s.platform.tell(Place("slack", s.team, s.general, s.general), Answer("**Done.**"))
        assert shown(s.posted()[0]) == "**Done.**"
        with pytest.raises(UserError, match="cannot write"):
            await s.platform.tell(Place("slack", s.team, "C404", "C404"), Answer("Done."))


async def test_files_are_read_within_limits() -> None:
    options = replace(OPTIONS, attachments=3, attachment_bytes=1000)
    async with stage(options=options) as s:
        files = [
            s.file("a.txt", b"hello"),
            s.file("big.bin", b"x" * 2000),
            {"id": "F9", "name": "away.txt", "url_private": "https://evil.example/f", "mode": "hosted"},
            s.file("b.txt", b"more"),
        ]
        await s.says("", channel=s.direct, files=files, subtype="file_share")
        await s.replies()
        read = s.host.messages[0].attachments
        assert [(each.name, each.data, each.problem) for each in read] == [
            ("a.txt", b"hello", ""),
            ("big.bin", b"", "it is larger than 1 kB"),
            ("away.txt", b"", "it lies outside Slack"),
            ("b.txt", b"", "only 3 files of a message are read"),
        ]


async def test_a_role_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="workspace_admin"):
        Stage.slack(Options(owner=("workspace_admins",)))
