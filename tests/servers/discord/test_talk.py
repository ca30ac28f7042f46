"""People and a bot talk: messages, files, reactions, threads and who may what."""

from __future__ import annotations

import io
from collections.abc import Awaitable

import discord
import pytest

from tests.servers.discord import DiscordServer, NotPossible, Permission
from tests.servers.discord.pointing import point_discord_at
from tests.servers.discord.stand_in import Birds, Bot


async def test_says_and_is_answered(birds: Birds) -> None:
    async def reply(_: Bot, message: discord.Message) -> None:
        async with message.channel.typing():
            sent = await message.reply(f"hello {message.author.display_name}", mention_author=False)
        await sent.edit(content="hello again")

    bot = await birds.start(Bot(on=reply))
    said = await birds.ada.says(birds.general, "good morning", mention=birds.world.bot)
    answer = await birds.answer("hello again")
    assert answer.reference_ids is not None
    assert set(answer.reference_ids) == {"type", "message_id", "channel_id", "guild_id"}
    assert bot.heard[0].mentions == [bot.user]
    assert (answer.type, answer.reference, answer.revisions) == (19, said, ["hello Ada"])
    assert not answer.pings
    assert birds.general.transcript().splitlines() == [
        "Ada: @Understudy good morning",
        "Understudy ↳ Ada: '@Understudy good morning': hello again (edited)",
    ]


async def test_content_needs_its_intent(birds: Birds) -> None:
    bot = await birds.start(Bot(content=False))
    hidden = await birds.ada.says(birds.general, "for nobody", attachments=[("a.txt", "text/plain", b"x")])
    mine = await birds.ada.says(birds.general, "for you", mention=birds.world.bot)
    await birds.ada.says(birds.general, "and this", reply_to=hidden, mention=birds.world.bot)
    await birds.ada.says(birds.ada.direct, "between us")
    await birds.world.until(lambda: len(bot.heard) == 4)
    assert bot.said == ["", mine.content, f"{birds.world.bot.mention} and this", "between us"]
    assert not bot.heard[0].attachments
    replied = bot.heard[2].reference
    assert replied is not None
    assert isinstance(replied.resolved, discord.Message)
    assert replied.resolved.content == ""


async def test_an_intent_that_is_not_switched_on_closes_the_gateway() -> None:
    async with DiscordServer(intents=0) as world:
        point_discord_at(world.url)
        bot = Bot()
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.start(world.token)
        await bot.close()
        wrong = Bot(content=False)
        with pytest.raises(discord.LoginFailure):
            await wrong.start("another token")
        await wrong.close()


async def test_history(birds: Birds) -> None:
    said = [await birds.ada.says(birds.general, f"number {n}") for n in range(7)]
    bot = await birds.start(Bot())
    channel = bot.get_channel(birds.general.id)
    assert isinstance(channel, discord.TextChannel)
    middle = discord.Object(said[3].id)
    newest = [m.content async for m in channel.history(limit=2)]
    before = [m.content async for m in channel.history(limit=2, before=middle)]
    after = [m.content async for m in channel.history(limit=2, after=middle)]
    around = [m.content async for m in channel.history(limit=3, around=middle)]
    assert newest == ["number 6", "number 5"]
    assert before == ["number 2", "number 1"]
    assert after == ["number 4", "number 5"]
    assert sorted(around) == ["number 2", "number 3", "number 4"]
    assert (await channel.fetch_message(said[0].id)).content == "number 0"


async def test_refuses_what_discord_refuses(birds: Birds) -> None:
    bot = await birds.start(Bot())
    closed = birds.guild.channel("closed", private=True)
    quiet = birds.guild.channel("quiet")
    quiet.deny(birds.guild.everyone, Permission.SEND_MESSAGES)
    said = await birds.ada.says(birds.general, "hello")
    channel = bot.get_partial_messageable(birds.general.id)

    async def code(doing: Awaitable[object]) -> int:
        with pytest.raises(discord.HTTPException) as caught:
            await doing
        return caught.value.code

    assert await code(channel.send("x" * 2001)) == 50035
    assert await code(channel.send(" ")) == 50006
    assert await code(channel.fetch_message(5)) == 10008
    assert await code(channel.get_partial_message(said.id).edit(content="mine")) == 50005
    assert await code(channel.get_partial_message(said.id).delete()) == 50013
    assert await code(bot.get_partial_messageable(closed.id).send("hello")) == 50001
    assert await code(bot.get_partial_messageable(quiet.id).send("hello")) == 50013
    assert await code(bot.get_partial_messageable(7).send("hello")) == 10003
    assert (
        await code(
            channel.send("hello", reference=discord.MessageReference(message_id=5, channel_id=channel.id))
        )
        == 50035
    )
    birds.ada.takes_direct_messages = False
    assert await code((await bot.fetch_user(birds.ada.id)).send("psst")) == 50007
    same = [discord.ui.Button[discord.ui.View](label=str(n), custom_id="same") for n in range(2)]
    view = discord.ui.View()
    for button in same:
        view.add_item(button)
    assert await code(channel.send("buttons", view=view)) == 50035
    assert len(birds.general.messages) == 1


async def test_a_repeated_nonce_gives_the_message_again(birds: Birds) -> None:
    bot = await birds.start(Bot())
    channel = bot.get_partial_messageable(birds.general.id)
    first, second = await channel.send("once", nonce="n1"), await channel.send("once", nonce="n1")
    assert first.id == second.id
    assert (first.nonce, (await channel.fetch_message(first.id)).nonce) == ("n1", None)
    assert (await channel.send("once", nonce="n2")).id != first.id
    assert len(birds.general.messages) == 2


async def test_pings(birds: Birds) -> None:
    bot = await birds.start(Bot())
    gulls = birds.guild.role("gulls", mentionable=True)
    hawks = birds.guild.role("hawks")
    text = f"@everyone {birds.ada.mention} {birds.bob.mention} {gulls.mention} {hawks.mention} `{birds.guild.owner.mention}`"
    said = await birds.ada.says(birds.general, "hello")
    channel = bot.get_partial_messageable(birds.general.id)
    answers = [
        await channel.send(text),
        await channel.send(text, allowed_mentions=discord.AllowedMentions.none()),
        await channel.send(
            text, allowed_mentions=discord.AllowedMentions(users=[birds.bob], roles=False, everyone=False)
        ),  # type: ignore[list-item]
        await channel.get_partial_message(said.id).reply("yes"),
        await channel.get_partial_message(said.id).reply("yes", mention_author=False),
    ]
    pings = [birds.general.messages[answer.id].pings for answer in answers]
    assert [(p.users, p.roles, p.everyone) for p in pings if p is not None] == [
        ((birds.ada, birds.bob), (gulls,), False),
        ((), (), False),
        ((birds.bob,), (), False),
        ((birds.ada,), (), False),
        ((), (), False),
    ]
    await answers[4].edit(content=text)
    assert not birds.general.messages[answers[4].id].pings
    moderator = birds.guild.member("Mo", permissions=Permission.MENTION_EVERYONE)
    loud = (await moderator.says(birds.general, text)).pings
    assert loud is not None
    assert (loud.everyone, loud.roles) == (True, (gulls, hawks))


async def test_reactions(birds: Birds) -> None:
    bot = await birds.start(Bot())
    said = await birds.ada.says(birds.general, "hello")
    await birds.bob.reacts(said, "👍")
    await birds.bob.reacts(said, "👍")
    birds.world.author_id_on_reactions = False
    await birds.bob.unreacts(said, "👍")
    await birds.bob.reacts(said, "blob:1234")
    await birds.world.until(lambda: len(bot.marks) == 3)
    assert [(str(m.emoji), m.event_type, m.message_author_id) for m in bot.marks] == [
        ("👍", "REACTION_ADD", birds.ada.id),
        ("👍", "REACTION_REMOVE", None),
        ("<:blob:1234>", "REACTION_ADD", None),
    ]
    message = bot.get_partial_messageable(birds.general.id).get_partial_message(said.id)
    await message.add_reaction("👎")
    assert said.reacted("👎") == [birds.world.bot]
    assert "blob:1234×1 👎×1" in birds.general.transcript()
    await message.remove_reaction("👎", discord.Object(birds.world.bot.id))
    with pytest.raises(discord.Forbidden):
        await message.clear_reactions()
    birds.general.allow(birds.world.bot, Permission.MANAGE_MESSAGES)
    await message.clear_reaction("blob:1234")
    await birds.world.until(lambda: "MESSAGE_REACTION_REMOVE_EMOJI" in bot.events)
    await message.add_reaction("👎")
    await message.clear_reactions()
    await birds.world.until(lambda: "MESSAGE_REACTION_REMOVE_ALL" in bot.events)
    assert not said.reactions


async def test_threads(birds: Birds) -> None:
    async def branch(bot: Bot, message: discord.Message) -> None:
        if message.content == "start":
            thread = await message.create_thread(name="aside")
            await thread.send("here")

    bot = await birds.start(Bot(on=branch))
    said = await birds.ada.says(birds.general, "start")
    thread = await birds.world.until(lambda: said.thread if said.thread and said.thread.messages else None)
    await birds.bob.says(thread, "me too")
    await birds.world.until(lambda: "me too" in bot.said)
    own = await birds.ada.starts_thread(birds.general, "hers")
    await birds.ada.says(own, "alone")
    hidden = await birds.ada.starts_thread(birds.general, "hidden", private=True)
    await birds.ada.says(hidden, "nobody hears")
    await birds.ada.adds_to_thread(hidden, birds.world.bot)
    await birds.ada.says(hidden, "now you do")
    await birds.world.until(lambda: "now you do" in bot.said)
    assert bot.said == ["start", "me too", "alone", "now you do"]
    assert isinstance(bot.heard[-1].channel, discord.Thread)
    with pytest.raises(NotPossible):
        await birds.bob.says(hidden, "let me in")
    await birds.ada.closes_thread(own)
    await bot.get_partial_messageable(own.id).send("awake")
    assert not own.archived
    assert "thread “aside”" in birds.general.transcript()


async def test_files(birds: Birds) -> None:
    bot = await birds.start(Bot())
    await birds.ada.says(birds.general, "look", attachments=[("cat.png", "image/png", b"\x89PNG\r\n--x")])
    pasted = await birds.ada.says(birds.general, "long " * 500)
    await birds.world.until(lambda: len(bot.heard) == 2)
    assert await bot.heard[0].attachments[0].read() == b"\x89PNG\r\n--x"
    assert (bot.said[1], bot.heard[1].attachments[0].filename) == ("", "message.txt")
    assert len(await bot.heard[1].attachments[0].read()) == 2500
    pasted.attachments[0].expired = True
    with pytest.raises(discord.NotFound):
        await bot.heard[1].attachments[0].read()
    data = bytes(range(256)) * 3
    sent = await bot.heard[0].reply("yours", file=discord.File(io.BytesIO(data), "own.bin"))
    kept = birds.general.messages[sent.id].attachments[0]
    assert (kept.name, kept.data) == ("own.bin", data)
    await sent.edit(attachments=[])
    assert not birds.general.messages[sent.id].attachments


async def test_edits_deletions_typing_and_direct_messages(birds: Birds) -> None:
    bot = await birds.start(Bot())
    said = await birds.ada.says(birds.general, "hello")
    await birds.ada.edits(said, "hello!")
    birds.world.unfurl(said, "A page")
    await birds.ada.types(birds.general)
    await birds.ada.deletes(said)
    await birds.world.until(lambda: "MESSAGE_DELETE" in bot.events)
    updates = ["MESSAGE_UPDATE", "MESSAGE_UPDATE"]
    assert bot.events[-5:] == ["MESSAGE_CREATE", *updates, "TYPING_START", "MESSAGE_DELETE"]
    there = birds.guild.channel("there")
    await birds.bob.forwards(await birds.ada.says(birds.general, "pass it on"), there)
    await birds.world.until(lambda: bot.heard[-1].message_snapshots)
    assert (bot.said[-1], bot.heard[-1].message_snapshots[0].content) == ("", "pass it on")
    assert there.transcript() == "Bob forwards Ada: 'pass it on': "
    await (await bot.fetch_user(birds.bob.id)).send("psst")
    assert birds.bob.direct.transcript() == "Understudy: psst"
    async with bot.get_partial_messageable(birds.general.id).typing():
        assert birds.general.typing == [birds.world.bot]


async def test_guilds_come_and_go(birds: Birds) -> None:
    bot = await birds.start(Bot())
    cats = birds.world.guild("Cats")
    litter = cats.channel("litter")
    cats.member(birds.ada)
    await birds.ada.says(litter, "meow")
    await birds.world.until(lambda: "meow" in bot.said)
    assert {guild.name for guild in bot.guilds} == {"Birds", "Cats"}
    cats.kick_bot()
    await birds.world.until(lambda: len(bot.guilds) == 1)
    await birds.ada.says(litter, "they left")
    with pytest.raises(discord.Forbidden):
        await bot.get_partial_messageable(litter.id).send("hello?")
    assert bot.said == ["meow"]


async def test_members_are_asked_for(birds: Birds) -> None:
    bot = await birds.start(Bot(members=True))
    guild = bot.guilds[0]
    assert {member.display_name for member in guild.members} >= {"Ada", "Bob", "Understudy"}
    assert [member.name for member in await guild.query_members("ad")] == ["ada"]
    assert (await guild.fetch_member(birds.ada.id)).name == "ada"
    birds.guild.member("Cy", roles=(birds.guild.role("new"),))
    await birds.world.until(lambda: guild.get_member_named("cy"))


async def test_not_only_people_talk(birds: Birds) -> None:
    kinds: list[tuple[str, bool, bool]] = []

    class Listener(Bot):
        async def on_message(self, message: discord.Message) -> None:
            kinds.append((message.type.name, message.author.bot, message.webhook_id is not None))

    await birds.start(Listener())
    other = birds.world.another_bot("Other")
    birds.guild.member(other)
    said = await other.says(birds.general, "beep")
    await birds.world.webhook_says(birds.general, "Hook", "ding")
    await birds.ada.starts_thread(said, "aside")
    await birds.ada.starts_thread(birds.general, "own")
    await birds.world.until(lambda: len(kinds) == 4)
    assert kinds == [
        ("default", True, False),
        ("default", True, True),
        ("thread_starter_message", False, False),
        ("thread_created", False, False),
    ]


async def test_what_changes_is_told(birds: Birds) -> None:
    bot = await birds.start(Bot(members=True))
    guild = bot.guilds[0]
    birds.general.close_to_everyone()
    gulls = birds.guild.role("gulls")
    birds.general.allow(gulls, Permission.VIEW_CHANNEL)
    birds.guild.grant(birds.ada, gulls)
    with pytest.raises(NotPossible):
        await birds.bob.says(birds.general, "let me in")
    await birds.world.until(lambda: (ada := guild.get_member(birds.ada.id)) and len(ada.roles) == 2)
    channel, everyone = guild.get_channel(birds.general.id), guild.default_role
    assert isinstance(channel, discord.TextChannel)
    assert channel.overwrites_for(everyone).view_channel is False
    birds.guild.loses(birds.bob)
    birds.general.delete()
    birds.world.outage(birds.guild)
    await birds.world.until(lambda: guild.unavailable)
    assert guild.get_member(birds.bob.id) is None
    assert guild.get_channel(birds.general.id) is None
    birds.world.outage(birds.guild, over=True)
    await birds.world.until(lambda: not guild.unavailable)
