"""What is for the avatar on Discord and what is not, through the real client and real sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.platforms.base import Access, Answer, Button, Mark, Message, Place, Reply, Spoken, UserError
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.platform import Discord
from tests.adapters.platforms.discord.stage import OPTIONS, QUICK, TOKEN, Memory, Stage, TalkingHost, stage
from tests.servers.discord import PRIVILEGED, DiscordServer, Permission, Person
from tests.servers.discord.broadcast import INTENTS

POST = "POST /channels/{channel_id}/messages"
TYPING = "POST /channels/{channel_id}/typing"


async def settled(s: Stage, text: str = "and now?") -> None:
    """Wait until what came before must have been heard: a question asked now is answered."""
    count = len(s.host.memory.given) + 1
    await s.ada.says(s.ada.direct, text)
    await s.world.until(lambda: len(s.host.memory.given) >= count)


async def heard(s: Stage) -> list[str]:
    """What the host has heard in the server."""
    await settled(s)
    return [message.text for message in s.host.messages if message.place.workspace != "@me"]


async def test_a_mention_is_answered_as_a_reply_and_stripped_from_the_text() -> None:
    async with stage() as s:
        await s.asks("what is a bird?")
        assert await s.replies() == ["You said: what is a bird?"]
        assert s.general.last.reference is s.general.history[0]
        place = s.host.messages[0].place
        assert place == Place(
            "discord",
            str(s.guild.id),
            str(s.general.id),
            f"{s.general.id}/{s.ada.id}",
            False,
            "Birds",
        )


async def test_only_what_is_for_the_avatar_is_heard() -> None:
    async with stage() as s:
        other_bot = s.guild.member(s.world.another_bot("Beep"))
        await s.ada.says(s.general, "nothing to do with it")
        await other_bot.says(s.general, "are you there?", mention=s.world.bot)
        bob = s.guild.member("Bob")
        first = await bob.says(s.general, "hello Ada")
        await s.ada.says(s.general, "hello Bob", reply_to=first)
        assert await heard(s) == []


async def test_a_reply_to_one_of_its_messages_is_heard_with_or_without_a_ping() -> None:
    async with stage() as s:
        await s.asks("one")
        await s.replies()
        ours = s.general.last
        await s.ada.says(s.general, "two", reply_to=ours)
        await s.ada.says(s.general, "three", reply_to=ours, ping=False)
        await s.replies(3)
        assert [message.text for message in s.host.messages] == ["one", "two", "three"]
        assert [message.reply_to for message in s.host.messages] == ["", str(ours.id), str(ours.id)]


async def test_a_ping_by_a_reply_to_somebody_else_is_no_mention() -> None:
    async with stage() as s:
        await s.asks("one")
        await s.replies()
        bob = s.guild.member("Bob")
        theirs = await bob.says(s.general, f"{s.world.bot.mention} said so")
        await s.ada.says(s.general, "really?", reply_to=theirs)
        assert await heard(s) == ["one", "said so"]


async def test_the_role_that_came_with_the_avatar_is_as_good_as_its_name() -> None:
    async with stage() as s:
        role = next(role for role in s.guild.roles.values() if role.managed)
        tagged = role.json() | {"tags": {"bot_id": str(s.world.bot.id)}}
        s.world.emit("GUILD_ROLE_UPDATE", {"guild_id": str(s.guild.id), "role": tagged}, guild=s.guild)
        await s.ada.says(s.general, f"{role.mention} are you there?")
        assert await s.replies() == ["You said: are you there?"]


async def test_direct_messages_are_one_conversation_and_the_application_owner_owns_it() -> None:
    async with stage() as s:
        await s.ada.says(s.ada.direct, "psst")
        owner = s.world.owner
        assert isinstance(owner, Person)
        await owner.says(owner.direct, "it is me")
        await s.replies(2)
        first, second = s.host.messages
        key = str(s.ada.direct.id)
        assert first.place == Place("discord", "@me", key, key, True, "Direct messages")
        assert first.who.access is Access.RATER
        assert second.who.access is Access.OWNER


async def test_a_thread_that_it_has_joined_needs_no_mention() -> None:
    async with stage() as s:
        thread = await s.ada.starts_thread(s.general, "Owls")
        await s.ada.says(thread, "not yet")
        await s.ada.says(thread, "now", mention=s.world.bot)
        await s.replies(1, thread)
        await s.world.until(lambda: s.world.bot.id in thread.joined)
        await s.ada.says(thread, "and on")
        await s.replies(2, thread)
        assert [message.text for message in s.host.messages] == ["now", "and on"]
        assert {message.place.conversation for message in s.host.messages} == {str(thread.id)}
        assert s.host.messages[0].place.channel == str(s.general.id)


async def test_a_thread_on_what_it_said_needs_no_mention() -> None:
    async with stage() as s:
        await s.asks("one")
        await s.replies()
        thread = await s.ada.starts_thread(s.general.last, "More of that")
        await s.world.until(lambda: s.world.bot.id in thread.joined)
        await s.ada.says(thread, "and on")
        await s.replies(2, thread)
        assert [message.text for message in s.host.messages] == ["one", "and on"]
        other = await s.ada.starts_thread(await s.ada.says(s.general, "birds!"), "Birds")
        await s.ada.says(other, "not for it")
        assert await heard(s) == ["one", "and on"]


async def test_a_private_thread_is_a_place_of_its_own() -> None:
    async with stage() as s:
        thread = await s.ada.starts_thread(s.general, "Secrets", private=True)
        await s.ada.adds_to_thread(thread, s.world.bot)
        await s.ada.says(thread, "psst", mention=s.world.bot)
        await s.replies(1, thread)
        place = s.host.messages[0].place
        assert (place.channel, place.parent, place.private) == (str(thread.id), str(s.general.id), True)


async def test_a_channel_that_not_everybody_sees_is_private() -> None:
    async with stage() as s:
        staff = s.guild.channel("staff", private=True)
        for one in (s.ada, s.world.bot):
            staff.allow(one, Permission.VIEW_CHANNEL)
        await s.ada.says(staff, "psst", mention=s.world.bot)
        await s.replies(1, staff)
        assert s.host.messages[0].place.private


async def test_where_it_always_answers_the_channel_is_the_conversation() -> None:
    async with stage() as s:
        s.host.always_on.add(str(s.general.id))
        await s.ada.says(s.general, "anybody here?")
        await s.replies()
        await s.asks("you?")
        await s.replies(2)
        assert {message.place.conversation for message in s.host.messages} == {str(s.general.id)}


async def test_a_mention_opens_a_thread_where_the_operator_wants_that() -> None:
    async with stage(options=replace(OPTIONS, auto_thread=True)) as s:
        await s.asks("why do birds sing in the morning?")
        await s.world.until(lambda: len(s.host.memory.given) == 1)
        thread = next(iter(s.guild.threads.values()))
        assert thread.name == "why do birds sing in the morning?"
        assert [message.content for message in thread.of(s.world.bot)] == [
            "You said: why do birds sing in the morning?"
        ]
        await s.ada.says(thread, "and in the evening?")
        await s.replies(2, thread)
        assert {message.place.conversation for message in s.host.messages} == {str(thread.id)}


async def test_without_the_right_to_open_threads_it_answers_in_the_channel() -> None:
    async with stage(options=replace(OPTIONS, auto_thread=True)) as s:
        s.general.deny(s.world.bot, Permission.CREATE_PUBLIC_THREADS)
        await s.asks("hello")
        assert await s.replies() == ["You said: hello"]


async def test_marks_are_read_as_names() -> None:
    async with stage() as s:
        bob = s.guild.member("Bob")
        role = s.guild.role("Falconers")
        other = s.guild.channel("owls")
        text = (
            f"ask {bob.mention} of {role.mention} in {other.mention} <:hoot:123456> <t:0:R> "
            f"</help:55> {s.world.bot.mention} now"
        )
        await s.asks(text)
        await s.replies()
        assert s.host.messages[0].text == (
            "ask @Bob of @Falconers in #owls :hoot: 1970-01-01 00:00 UTC /help now"
        )


async def test_what_is_forwarded_is_read_too() -> None:
    async with stage() as s:
        bob = s.guild.member("Bob")
        said = await bob.says(s.general, "owls see in the dark")
        await s.ada.forwards(said, s.ada.direct)
        await s.replies(1, s.ada.direct)
        assert s.host.messages[0].text == "owls see in the dark"


async def test_without_the_content_intent_mentions_and_direct_messages_still_work() -> None:
    async with stage(intents=PRIVILEGED & ~INTENTS["MESSAGE_CONTENT"]) as s:
        thread = await s.ada.starts_thread(s.general, "Owls")
        await s.ada.says(thread, "hello", mention=s.world.bot)
        await s.replies(1)
        await s.ada.says(thread, "it cannot read this")
        assert await heard(s) == ["hello"]


async def test_who_may_what_comes_from_permissions_and_roles() -> None:
    options = replace(OPTIONS, reviewer=("Falconers",), rater=("everyone",))
    async with stage(options=options) as s:
        falconers = s.guild.role("Falconers")
        people = {
            "Admin": s.guild.member("Admin", permissions=Permission.ADMINISTRATOR),
            "Manager": s.guild.member("Manager", permissions=Permission.MANAGE_GUILD),
            "Falconer": s.guild.member("Falconer", roles=(falconers,)),
        }
        for person in people.values():
            await person.says(s.general, "hello", mention=s.world.bot)
        await s.asks("hello")
        await s.replies(4)
        assert {message.who.name: message.who.access for message in s.host.messages} == {
            "Admin": Access.OWNER,
            "Manager": Access.TRAINER,
            "Falconer": Access.REVIEWER,
            "Ada": Access.RATER,
        }


async def test_what_declines_is_said_shortly_and_what_is_offered_stands_below() -> None:
    async def decline(message: Message, reply: Reply) -> Spoken:
        offer = Answer("May I learn from you?", buttons=(Button("Yes", "privacy consent"),))
        return Spoken("declined", text="That is too long for me.", offer=offer)

    async with stage(TalkingHost(speech=decline)) as s:
        await s.asks("…")
        await s.world.until(lambda: len(s.general.of(s.world.bot)) == 2)
        first, second = s.general.of(s.world.bot)
        assert first.content == "That is too long for me."
        assert first.reference is s.general.history[0]
        assert second.labels == ["Yes"]


async def test_an_edited_question_is_answered_anew_where_the_operator_wants_that() -> None:
    async with stage(options=replace(OPTIONS, regenerate_on_edit=True)) as s:
        message = await s.ada.says(s.general, "two and too?", mention=s.world.bot)
        await s.replies()
        await s.ada.edits(message, f"{s.world.bot.mention} two and two?")
        assert await s.replies(2) == ["You said: two and too?", "You said: two and two?"]
        assert all(reply.reference is message for reply in s.general.of(s.world.bot))


async def test_files_are_fetched_within_limits() -> None:
    options = replace(OPTIONS, attachments=2, attachment_bytes=1000)
    async with stage(options=options) as s:
        files = [
            ("a.txt", "text/plain; charset=utf-8", b"alpha"),
            ("b.bin", None, b"x" * 1001),
            ("c.txt", None, b"gamma"),
        ]
        await s.asks("read this", files)
        await s.replies()
        found = s.host.messages[0].attachments
        assert [(each.name, each.data, each.problem) for each in found] == [
            ("a.txt", b"alpha", ""),
            ("b.bin", b"", "it is larger than 1 kB"),
            ("c.txt", b"", "only 2 files of a message are read"),
        ]
        assert found[2].media_type == "text/plain"


async def test_a_file_that_is_gone_is_named_and_the_rest_is_answered() -> None:
    async with stage() as s:
        for file in s.world.files.values():
            file.expired = True
        s.world.faults.answer(404, "GET", "/cdn/")
        direct = s.ada.direct
        stored = s.world.store(direct, "a.txt", "text/plain", b"alpha")
        stored.expired = True
        s.world.post(direct, s.ada, "read this", attachments=[stored])
        await s.world.until(lambda: len(s.host.memory.given) == 1)
        assert s.host.messages[0].attachments[0].problem == "Discord did not hand it over"


async def test_a_failure_in_the_host_ends_neither_the_client_nor_the_typing() -> None:
    async def fail(message: Message, reply: Reply) -> str:
        if message.text == "boom":
            raise ValueError("boom")
        return "fine"

    async with stage(TalkingHost(speech=fail)) as s:
        await s.asks("boom")
        await s.asks("go on")
        await s.replies()
        assert s.general.last.content == "fine"


async def test_an_event_that_cannot_be_read_ends_nothing() -> None:
    async with stage() as s:
        for name in ("MESSAGE_CREATE", "MESSAGE_REACTION_ADD", "GUILD_CREATE", "THREAD_CREATE"):
            s.world.emit(name, {"id": "no number", "author": []}, guild=s.guild)
        await s.asks("still there?")
        assert await s.replies() == ["You said: still there?"]


async def test_what_is_said_in_a_server_that_is_not_known_is_no_direct_message() -> None:
    async with stage() as s:
        s.world.emit("GUILD_DELETE", {"id": str(s.guild.id)}, guild=s.guild)
        await s.ada.says(s.general, "nothing to do with it")
        await s.asks("nor can this be answered")
        assert await heard(s) == []
        # Typing is shown where something is about to be answered.
        await s.world.until(lambda: s.world.calls[TYPING])
        assert [message.text for message in s.host.messages] == ["and now?"]
        assert s.world.calls[TYPING] == 1


async def test_a_new_server_is_greeted_in_three_lines_and_leaving_is_told() -> None:
    async with stage() as s:
        bees = s.world.guild("Bees")
        bees.channel("rules").deny(bees.everyone, Permission.SEND_MESSAGES)
        hive = bees.channel("hive")
        bees.kick_bot()
        # Invited again, now that there are channels.
        s.world.guilds[bees.id] = bees
        bees.join(s.world.bot)
        s.world.emit("GUILD_CREATE", lambda _: s.world.guild_create(bees), guild=bees)
        await s.world.until(lambda: hive.of(s.world.bot))
        assert hive.last.readable == (
            "**Hello, I am Guide**, an AI. I show you around.\n"
            "Mention me (@Understudy), reply to me or write to me directly; 👍 and 👎 below my replies teach me, "
            "and `/help` lists the rest.\n"
            "-# For admins: `/avatar` chooses who speaks in which channel, `/model` what it thinks with."
        )
        assert s.host.gone == [str(bees.id)]


class Judged(TalkingHost):
    """Takes every mark as one on a reply of its own."""

    async def mark(self, mark: Mark) -> Answer:
        await super().mark(mark)
        return Answer("Thank you.", data={"exchange_id": "an-exchange"})


async def test_of_two_replicas_one_greets_and_one_asks_what_was_wrong() -> None:
    memory = Memory()
    first, second = Judged(memory), Judged(memory)
    async with stage(first) as s:
        options = replace(s.options, api_url=s.world.url)
        replica = asyncio.create_task(Discord(TOKEN, options, lambda: 0, tempo=QUICK).run(second, second))
        try:
            await s.world.until(lambda: second.noted)
            bees = s.world.guild("Bees")
            bees.kick_bot()
            hive = bees.channel("hive")
            s.world.guilds[bees.id] = bees
            bees.join(s.world.bot)
            s.world.emit("GUILD_CREATE", lambda _: s.world.guild_create(bees), guild=bees)
            await s.world.until(lambda: s.world.calls[POST] >= 2)
            assert len(hive.of(s.world.bot)) == 1
            await s.asks("one")
            await s.replies()
            before = s.world.calls[POST]
            await s.ada.reacts(s.general.last, "👎")
            await s.world.until(lambda: s.world.calls[POST] >= before + 2)
            assert (len(first.marks), len(second.marks)) == (1, 1)
            assert len(s.general.of(s.world.bot)) == 2
        finally:
            replica.cancel()
            await asyncio.gather(replica, return_exceptions=True)


async def test_something_is_told_unasked_or_refused() -> None:
    async with stage() as s:
        assert s.platform is not None
        place = Place("discord", str(s.guild.id), str(s.general.id), str(s.general.id))
        await s.platform.tell(place, Answer("The model stops in 7 days. @everyone"))
        assert s.general.last.content.startswith("The model stops")
        assert s.general.last.pings is None or not s.general.last.pings
        s.general.deny(s.world.bot, Permission.SEND_MESSAGES)
        with pytest.raises(UserError, match="cannot write"):
            await s.platform.tell(place, Answer("again"))


async def test_closing_finishes_the_reply_that_is_being_given() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(message: Message, reply: Reply) -> str:
        begun.set()
        await go_on.wait()
        return "to the end"

    async with stage(TalkingHost(speech=slowly)) as s:
        await s.asks("tell me")
        await begun.wait()
        assert s.platform is not None
        closing = asyncio.create_task(s.platform.close())
        await asyncio.sleep(0)
        await s.asks("too late")
        go_on.set()
        await closing
        assert [message.content for message in s.general.of(s.world.bot)] == ["to the end"]


async def test_a_wrong_token_and_a_discord_that_is_not_there_are_told_in_a_sentence() -> None:
    async with DiscordServer("another") as world:
        platform = Discord(TOKEN, replace(OPTIONS, api_url=world.url), lambda: 0, tempo=QUICK)
        with pytest.raises(UserError, match=r"does not know this token: set DISCORD_TOKEN"):
            await platform.run(TalkingHost(), TalkingHost())
    platform = Discord(TOKEN, replace(OPTIONS, api_url=world.url), lambda: 0, tempo=QUICK)
    with pytest.raises(UserError, match="Discord cannot be reached"):
        await platform.run(TalkingHost(), TalkingHost())


async def test_an_intent_that_is_refused_after_all_is_told_in_a_sentence() -> None:
    async with stage() as s:
        s.world.close_sockets(4014)
        assert s.running is not None
        with pytest.raises(UserError, match="Message Content Intent under Bot"):
            await s.running


async def test_shards_serve_together() -> None:
    async with stage(options=replace(OPTIONS, shard_count=2)) as s:
        await s.asks("one")
        await s.ada.says(s.ada.direct, "two")
        await s.replies(2)
        assert sorted(message.text for message in s.host.messages) == ["one", "two"]
        assert {session.shards for session in s.world.gateway.sessions.values()} == {2}


async def test_what_is_written_below_its_name() -> None:
    async with stage(options=replace(OPTIONS, presence="Ask me about birds")) as s:
        session = next(iter(s.world.gateway.sessions.values()))
        assert session.presence["game"]["state"] == "Ask me about birds"


def test_a_misspelt_permission_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match='did you mean "manage_guild"'):
        Discord(TOKEN, Options(trainer=("manage_guld",)), lambda: 0)
