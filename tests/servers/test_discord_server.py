"""The local Discord, seen through the real client."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import discord
import pytest
from discord import app_commands

from tests.conftest import ROOT
from tests.servers.discord import Channel, DiscordServer, Guild, Message, NotPossible, Permission, Person
from tests.servers.discord.pointing import point_discord_at

Heard = Callable[["Bot", discord.Message], Awaitable[None]]


class Bot(discord.Client):
    """A client that keeps what it hears, and answers with what a test gives it."""

    def __init__(self, *, on: Heard | None = None, **options: bool) -> None:
        intents = discord.Intents.default()
        intents.message_content = options.pop("content", True)
        intents.members = options.pop("members", False)
        super().__init__(intents=intents, guild_ready_timeout=0.02)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[discord.Message] = []
        self.marks: list[discord.RawReactionActionEvent] = []
        self.events: list[str] = []
        self._on = on

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify at once: Discord's limit of one in five seconds is not kept here."""

    async def on_message(self, message: discord.Message) -> None:
        if message.author == self.user or message.is_system():
            return
        self.heard.append(message)
        if self._on is not None:
            await self._on(self, message)

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.marks.append(event)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self.marks.append(event)

    async def on_socket_event_type(self, name: str) -> None:
        self.events.append(name)

    async def up(self, running: asyncio.Task[None]) -> None:
        """Wait until it is ready, or raise what it died of."""
        ready = asyncio.create_task(self.wait_for("ready"))
        await asyncio.wait((ready, running), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if running.done():
            await running

    @property
    def said(self) -> list[str]:
        return [message.content for message in self.heard]


Start = Callable[[Bot], Awaitable[Bot]]


class Birds:
    """A server with one guild, one channel and two people."""

    def __init__(self, world: DiscordServer) -> None:
        self.world = world
        self.guild: Guild = world.guild("Birds")
        self.general: Channel = self.guild.channel("general")
        self.ada: Person = self.guild.member("Ada")
        self.bob: Person = self.guild.member("Bob")

    async def answer(self, text: str) -> Message:
        """The bot's message with this text."""
        await self.world.until(lambda: [m for m in self.general.of(self.world.bot) if m.shown == text])
        return next(m for m in self.general.of(self.world.bot) if m.shown == text)


@pytest.fixture
async def birds() -> AsyncIterator[Birds]:
    async with DiscordServer() as world:
        point_discord_at(world.url)
        yield Birds(world)
        assert not world.unknown_routes


@pytest.fixture
async def start(birds: Birds) -> AsyncIterator[Start]:
    running: list[tuple[Bot, asyncio.Task[None]]] = []

    async def begin(bot: Bot) -> Bot:
        await bot.login(birds.world.token)
        task = asyncio.create_task(bot.connect())
        running.append((bot, task))
        await bot.up(task)
        return bot

    yield begin
    for bot, task in running:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def start_process() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.servers.discord", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


async def test_says_and_is_answered(birds: Birds, start: Start) -> None:
    async def reply(_: Bot, message: discord.Message) -> None:
        async with message.channel.typing():
            sent = await message.reply(f"hello {message.author.display_name}", mention_author=False)
        await sent.edit(content="hello again")

    bot = await start(Bot(on=reply))
    said = await birds.ada.says(birds.general, "good morning", mention=birds.world.bot)
    answer = await birds.answer("hello again")
    assert bot.heard[0].mentions == [bot.user]
    assert (answer.type, answer.reference, answer.revisions) == (19, said, ["hello Ada"])
    assert not answer.pings
    assert birds.general.transcript().splitlines() == [
        "Ada: @Understudy good morning",
        "Understudy ↳ Ada: '@Understudy good morning': hello again (edited)",
    ]


async def test_content_needs_its_intent(birds: Birds, start: Start) -> None:
    bot = await start(Bot(content=False))
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


async def test_an_intent_that_is_not_switched_on_closes_the_gateway(start: Start) -> None:
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


async def test_history(birds: Birds, start: Start) -> None:
    said = [await birds.ada.says(birds.general, f"number {n}") for n in range(7)]
    bot = await start(Bot())
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


async def test_refuses_what_discord_refuses(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
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


async def test_a_repeated_nonce_gives_the_message_again(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    channel = bot.get_partial_messageable(birds.general.id)
    first, second = await channel.send("once", nonce="n1"), await channel.send("once", nonce="n1")
    assert first.id == second.id
    assert (await channel.send("once", nonce="n2")).id != first.id
    assert len(birds.general.messages) == 2


async def test_pings(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
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


async def test_reactions(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
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


async def test_threads(birds: Birds, start: Start) -> None:
    async def branch(bot: Bot, message: discord.Message) -> None:
        if message.content == "start":
            thread = await message.create_thread(name="aside")
            await thread.send("here")

    bot = await start(Bot(on=branch))
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


async def test_files(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
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


async def test_edits_deletions_typing_and_direct_messages(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    said = await birds.ada.says(birds.general, "hello")
    await birds.ada.edits(said, "hello!")
    await birds.ada.types(birds.general)
    await birds.ada.deletes(said)
    await birds.world.until(lambda: "MESSAGE_DELETE" in bot.events)
    assert bot.events[-4:] == ["MESSAGE_CREATE", "MESSAGE_UPDATE", "TYPING_START", "MESSAGE_DELETE"]
    await (await bot.fetch_user(birds.bob.id)).send("psst")
    assert birds.bob.direct.transcript() == "Understudy: psst"
    async with bot.get_partial_messageable(birds.general.id).typing():
        assert birds.general.typing == [birds.ada, birds.world.bot]


async def test_guilds_come_and_go(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
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


async def test_members_are_asked_for(birds: Birds, start: Start) -> None:
    bot = await start(Bot(members=True))
    guild = bot.guilds[0]
    assert {member.display_name for member in guild.members} >= {"Ada", "Bob", "Understudy"}
    assert [member.name for member in await guild.query_members("ad")] == ["ada"]
    assert (await guild.fetch_member(birds.ada.id)).name == "ada"
    birds.guild.member("Cy", roles=(birds.guild.role("new"),))
    await birds.world.until(lambda: guild.get_member_named("cy"))


async def test_not_only_people_talk(birds: Birds, start: Start) -> None:
    kinds: list[tuple[str, bool, bool]] = []

    class Listener(Bot):
        async def on_message(self, message: discord.Message) -> None:
            kinds.append((message.type.name, message.author.bot, message.webhook_id is not None))

    await start(Listener())
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


async def test_what_changes_is_told(birds: Birds, start: Start) -> None:
    bot = await start(Bot(members=True))
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


# -- connections


@pytest.mark.parametrize("how", ["drop", "reconnect", "resumable", "closed"])
async def test_a_lost_connection_loses_nothing(birds: Birds, start: Start, how: str) -> None:
    bot = await start(Bot())
    await birds.ada.says(birds.general, "one")
    await birds.world.until(lambda: bot.said == ["one"])
    if how == "drop":
        birds.world.drop_sockets()
    elif how == "reconnect":
        birds.world.ask_to_reconnect()
    elif how == "resumable":
        birds.world.invalidate_sessions(resumable=True)
    else:
        birds.world.close_sockets(4000)
    await birds.ada.says(birds.general, "two")
    await birds.world.until(lambda: not birds.world.gateway.connected)
    await birds.ada.says(birds.general, "three")
    await birds.world.until(lambda: birds.world.gateway.resumed == 1)
    await birds.ada.says(birds.general, "four")
    await birds.world.until(lambda: "four" in bot.said)
    assert bot.said == ["one", "two", "three", "four"]
    assert birds.world.gateway.identified == 1


async def test_a_session_that_is_over_is_started_anew(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    birds.world.invalidate_sessions(resumable=False)
    await birds.world.until(lambda: birds.world.gateway.identified == 2 and bot.guilds)
    await birds.ada.says(birds.general, "hello")
    await birds.world.until(lambda: bot.said == ["hello"])
    birds.world.gateway.forget()
    birds.world.drop_sockets()
    await birds.world.until(lambda: birds.world.gateway.identified == 3)
    assert birds.world.gateway.resumed == 0


async def test_heartbeats_are_answered(birds: Birds, start: Start) -> None:
    birds.world.gateway.heartbeat_ms = 20
    bot = await start(Bot())
    await birds.world.until(lambda: birds.world.gateway.heartbeats > 2)
    assert bot.latency < 5


async def test_shards_hear_of_their_own_guilds(birds: Birds) -> None:
    birds.world.shards = 2
    point_discord_at(birds.world.url)
    heard: list[str] = []
    client = discord.AutoShardedClient(intents=discord.Intents.all(), guild_ready_timeout=0.02)
    client.before_identify_hook = Bot.before_identify_hook.__get__(client)

    @client.event
    async def on_message(message: discord.Message) -> None:  # pyright: ignore[reportUnusedFunction]
        heard.append(message.content)

    task = asyncio.create_task(client.start(birds.world.token))
    await birds.world.until(lambda: birds.world.gateway.identified == 2, 20)
    await birds.ada.says(birds.general, "once")
    await birds.world.until(lambda: heard == ["once"])
    await client.close()
    await asyncio.gather(task, return_exceptions=True)


# -- interactions


class Opinion(discord.ui.Modal, title="What was wrong?"):
    comment = discord.ui.TextInput[discord.ui.Modal](label="Comment", required=False, max_length=50)
    reason = discord.ui.Label[discord.ui.Modal](
        text="Reason",
        component=discord.ui.Select[discord.ui.Modal](
            options=[
                discord.SelectOption(label="Too long", value="long"),
                discord.SelectOption(label="Wrong"),
            ]
        ),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.reason.component, discord.ui.Select)
        text = f"{self.comment.value} / {', '.join(self.reason.component.values)}"
        await interaction.response.send_message(text, ephemeral=True)


class Votes(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="More", custom_id="more")
    async def more(self, interaction: discord.Interaction, _: discord.ui.Button[Votes]) -> None:
        await interaction.response.edit_message(content="there is no more", view=None)

    @discord.ui.button(emoji="👎", custom_id="down")
    async def down(self, interaction: discord.Interaction, _: discord.ui.Button[Votes]) -> None:
        await interaction.response.send_modal(Opinion())

    @discord.ui.select(placeholder="who", custom_id="who", cls=discord.ui.UserSelect[discord.ui.View])
    async def who(
        self, interaction: discord.Interaction, chosen: discord.ui.UserSelect[discord.ui.View]
    ) -> None:
        await interaction.response.send_message(f"{chosen.values[0].display_name} it is", ephemeral=True)


class Seer(Bot):
    """A bot with commands."""

    async def setup_hook(self) -> None:
        tree = self.tree
        self.add_view(Votes())
        avatar = app_commands.Group(name="avatar", description="avatars")

        @avatar.command(description="lists them")
        async def list(  # pyright: ignore[reportUnusedFunction]
            interaction: discord.Interaction,
            who: discord.User,
            level: app_commands.Range[int, 1, 5] = 3,
            paper: discord.Attachment | None = None,
        ) -> None:
            await interaction.response.defer(ephemeral=True, thinking=True)
            read = b"" if paper is None else await paper.read()
            await interaction.edit_original_response(content=f"{who.display_name} {level} {read.decode()}")
            await interaction.followup.send(
                "and more", ephemeral=True, file=discord.File(io.BytesIO(b"x"), "x.txt")
            )

        @tree.command(description="for those who manage")
        @app_commands.default_permissions(manage_guild=True)
        async def secret(interaction: discord.Interaction, word: str) -> None:
            await interaction.response.send_message(
                f"{word} {interaction.permissions.manage_guild}", view=Votes()
            )

        @secret.autocomplete("word")
        async def words(  # pyright: ignore[reportUnusedFunction]
            _: discord.Interaction, current: str
        ) -> list[app_commands.Choice[str]]:
            return [
                app_commands.Choice(name=w, value=w)
                for w in ("swan", "swift", "owl")
                if w.startswith(current)
            ]

        @tree.context_menu(name="Rate this reply")
        async def rate(  # pyright: ignore[reportUnusedFunction]
            interaction: discord.Interaction, message: discord.Message
        ) -> None:
            await interaction.response.send_modal(Opinion(title=message.content[:45]))

        tree.add_command(avatar)
        await tree.sync()


async def test_commands_are_registered_once(birds: Birds, start: Start) -> None:
    bot = Seer()
    await start(bot)
    commands = birds.world.commands
    assert [(guild, sorted(names)) for guild, names in commands.overwrites] == [
        (None, ["Rate this reply", "avatar", "secret"])
    ]
    before = dict(commands.of())
    assert {command.id for command in await bot.tree.fetch_commands()} == set(before)
    bot.tree.remove_command("avatar")
    await bot.tree.sync()
    assert set(commands.of()) < set(before)
    assert all(before[key]["version"] == command["version"] for key, command in commands.of().items())
    assert commands.offered(birds.ada, birds.general) == []
    assert commands.offered(birds.guild.owner, birds.general) == ["secret"]


async def test_a_command_that_takes_its_time(birds: Birds, start: Start) -> None:
    await start(Seer())
    paper = ("p.txt", "text/plain", b"read")
    typed = await birds.ada.types_command("avatar list", {"who": birds.bob, "level": 5, "paper": paper})
    assert typed.deferred
    await birds.world.until(lambda: len(typed.messages) == 2)
    assert typed.ephemeral
    assert typed.content == "Bob 5 read\nand more"
    assert [file.data for file in typed.files] == [b"x"]
    assert birds.general.transcript() == ""
    assert birds.general.transcript(birds.ada).splitlines()[0] == (
        "Understudy (only Ada sees this) (/avatar list by Ada): Bob 5 read"
    )
    for wrong in ({}, {"who": birds.bob, "level": 9}, {"who": birds.bob, "else": 1}):
        with pytest.raises(NotPossible):
            await birds.ada.types_command("avatar list", wrong)


async def test_only_the_offered_can_be_typed(birds: Birds, start: Start) -> None:
    await start(Seer())
    boss = birds.guild.member("Boss", permissions=Permission.MANAGE_GUILD)
    with pytest.raises(NotPossible):
        await birds.ada.types_command("secret", {"word": "owl"})
    forged = await birds.ada.types_command("secret", {"word": "owl"}, forged=True)
    assert (await forged.reply()).content == "owl False"
    assert (await (await boss.types_command("secret", {"word": "swan"})).reply()).content == "swan True"
    choices = await boss.completes("secret", "word", "sw")
    assert [choice["value"] for choice in choices] == ["swan", "swift"]


async def test_buttons_menus_and_forms(birds: Birds, start: Start) -> None:
    bot = await start(Seer())
    sent = await bot.get_partial_messageable(birds.general.id).send("rate me", view=Votes())
    message = birds.general.messages[sent.id]
    assert message.labels == ["More", "👎"]
    form = await birds.ada.clicks(message, "👎")
    assert form.modal is not None
    with pytest.raises(NotPossible):
        await birds.ada.submits(form, {"Comment": "x" * 51, "Reason": "Wrong"})
    with pytest.raises(NotPossible):
        await birds.ada.submits(form, {"Comment": "fine"})
    done = await birds.ada.submits(form, {"Comment": "no", "Reason": "Too long"})
    answer = await done.reply()
    assert (answer.content, answer.ephemeral_for) == ("no / long", birds.ada)
    picked = await birds.ada.chooses(message, [birds.bob])
    assert picked.content == "Bob it is"
    await birds.ada.clicks(message, "more")
    assert birds.general.transcript() == "Understudy: there is no more (edited)"
    with pytest.raises(NotPossible):
        await birds.ada.clicks(message, "More")
    stale = await birds.ada.presses_stale(message, "more")
    assert stale.acknowledged


async def test_context_menu(birds: Birds, start: Start) -> None:
    await start(Seer())
    said = await birds.ada.says(birds.general, "a fine day")
    form = await birds.bob.context_menu("Rate this reply", said)
    assert form.modal is not None
    assert form.modal["title"] == "a fine day"
    await birds.bob.submits(form, {"Reason": ["Wrong"]})


async def test_interactions_end(birds: Birds, start: Start) -> None:
    held: list[discord.Interaction] = []

    class Slow(Bot):
        async def on_interaction(self, interaction: discord.Interaction) -> None:
            held.append(interaction)

    birds.world.commands.put(None, {"name": "wait", "description": "waits"})
    await start(Slow())
    birds.world.interaction_deadline_s = 0.05
    late = await birds.ada.types_command("wait")
    assert late.failed
    with pytest.raises(discord.NotFound) as unknown:
        await held[0].response.send_message("too late")
    assert unknown.value.code == 10062
    birds.world.interaction_deadline_s = 3
    typed = await birds.ada.types_command("wait", wait=False)
    await birds.world.until(lambda: len(held) == 2)
    await held[1].response.defer()
    typed.expire()
    with pytest.raises(discord.HTTPException) as over:
        await held[1].followup.send("much too late")
    assert over.value.code == 50027


# -- trouble


async def test_a_429_is_waited_out(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    birds.world.faults.answer(429, "POST", r"/channels/\d+/messages", times=2, retry_after=0.01)
    await bot.get_partial_messageable(birds.general.id).send("late")
    assert birds.world.calls["POST /channels/{channel_id}/messages"] == 3
    assert [m.content for m in birds.general.history] == ["late"]


async def test_limits_as_asked_for(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    birds.world.limits.limit(r"^PATCH /channels/\{channel_id\}/messages", 2, 0.2)
    message = await bot.get_partial_messageable(birds.general.id).send("0")
    for n in range(1, 6):
        await message.edit(content=str(n))
    assert birds.general.last.revisions == ["0", "1", "2", "3", "4"]
    assert not birds.world.limits.refused  # the client reads the headers and waits by itself
    async with aiohttp.ClientSession(headers={"Authorization": "Bot bot-token"}) as session:
        url = f"{birds.world.url}/api/v10/channels/{birds.general.id}/messages/{message.id}"
        answers = [await session.patch(url, json={"content": "6"}) for _ in range(3)]
        refusal = next(answer for answer in answers if answer.status == 429)
        body = await refusal.json()
    assert body["global"] is False
    assert 0 < body["retry_after"] <= 0.2
    assert float(refusal.headers["Retry-After"]) == body["retry_after"]


async def test_an_answer_may_be_lost(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    channel = bot.get_partial_messageable(birds.general.id)
    birds.world.faults.lose("POST", "/messages")
    with pytest.raises((aiohttp.ClientError, OSError)):
        await channel.send("done", nonce="7")
    again = await channel.send("done", nonce="7")
    assert [m.id for m in birds.general.history] == [again.id]
    birds.world.faults.close("POST", "/messages", every=2)
    await channel.send("first")
    with pytest.raises((aiohttp.ClientError, OSError)):
        await channel.send("second")
    birds.world.faults.answer(503, "POST", "/messages")
    with pytest.raises(discord.DiscordServerError):
        await channel.send("third")
    assert [m.content for m in birds.general.history] == ["done", "first"]


async def test_the_network_before_discord_fails(birds: Birds, start: Start) -> None:
    bot = await start(Bot())
    channel = bot.get_partial_messageable(birds.general.id)
    birds.world.faults.answer(429, "POST", "/messages", cloudflare=True)
    with pytest.raises(discord.HTTPException) as banned:
        await channel.send("hello")
    assert banned.value.status == 429
    birds.world.faults.answer(503, "CONNECT", "/gateway")
    birds.world.drop_sockets()
    await birds.ada.says(birds.general, "are you there?")
    await birds.world.until(lambda: bot.said == ["are you there?"], 20)
    assert birds.world.gateway.resumed + birds.world.gateway.identified == 2


async def test_a_wait_that_fails_shows_the_world(birds: Birds) -> None:
    await birds.ada.says(birds.general, "hello?")
    with pytest.raises(AssertionError, match=r"Ada: hello\?"):
        await birds.world.until(lambda: False, 0.01)


async def test_unknown_routes_are_told() -> None:
    async with DiscordServer() as world, aiohttp.ClientSession() as session:
        answer = await session.get(f"{world.url}/api/v10/stickers/7")
        assert (answer.status, await answer.json()) == (404, {"message": "404: Not Found", "code": 0})
        assert world.unknown_routes == ["GET /api/v10/stickers/7"]


# -- a process of its own


async def test_a_server_in_its_own_process_measures_a_load(start_process: str) -> None:
    async def reply(_: Bot, message: discord.Message) -> None:
        sent = await message.reply("thinking")
        await sent.edit(content="an answer [end]")

    point_discord_at(start_process)
    bot = Bot(on=reply)
    task = asyncio.create_task(bot.start("bot-token"))
    async with aiohttp.ClientSession(start_process) as session:
        ready = await session.get("/_control/ready")
        assert (await ready.json())["connected"]
        load = {"users": 3, "exchanges": 2, "text": "hello"}
        measured = await (await session.post("/_control/load", json=load)).json()
        said = {"author": "Ada", "text": "hello there", "channel": "general"}
        asked = await (await session.post("/_control/messages", json=said)).json()
        finals: list[dict[str, object]] = []
        while not finals or finals[0]["edits"] == 0:
            finals = await (await session.get("/_control/finals")).json()
        stats = await (await session.get("/_control/stats")).json()
    await bot.close()
    await asyncio.gather(task, return_exceptions=True)
    assert (measured["answered"], measured["unanswered"]) == (6, 0)
    assert len(measured["times_ms"]) == 6
    assert measured["calls"] == {
        "POST /channels/{channel_id}/messages": 6,
        "PATCH /channels/{channel_id}/messages/{message_id}": 6,
    }
    assert [(final["reply_to"], final["content"]) for final in finals] == [(asked["id"], "an answer [end]")]
    assert stats["unknown_routes"] == []


# -- the contract

# The contract's file wants numbers where Discord names an error by text, and does not know what the client always sends.
KNOWN = (
    "['_errors'][0].code: 'BASE_TYPE_MAX_LENGTH' is not of type 'integer'",
    "$.tts: not a documented property",
)


async def test_the_exchanges_keep_discords_contract(
    birds: Birds, start: Start, shared: Path, tmp_path: Path
) -> None:
    checker = shared / "contracts" / "check_contract.py"
    if not checker.exists():
        pytest.skip("needs the checker of contracts in ../shared")
    pytest.importorskip("jsonschema", reason="the checker of contracts needs jsonschema")
    await _everything(birds, start)
    recording = tmp_path / "discord.jsonl"
    recording.write_text("\n".join(json.dumps(one) for one in birds.world.api_exchanges))
    judged = subprocess.run([sys.executable, checker, recording, "--json"], capture_output=True, text=True)
    found = [json.loads(line) for line in judged.stdout.splitlines()]
    assert judged.returncode in (0, 1), judged.stderr
    assert [one for one in found if not any(known in one["violation"] for known in KNOWN)] == []


async def _everything(birds: Birds, start: Start) -> None:
    """Use every route that a chat bot uses, through the real client."""
    bot = Seer(members=True)
    await start(bot)
    guild = await bot.fetch_guild(birds.guild.id)
    await guild.fetch_channels()
    await guild.fetch_roles()
    await guild.fetch_member(birds.ada.id)
    await guild.active_threads()
    assert [one.name async for one in guild.fetch_members(limit=2)]
    assert [one.name async for one in bot.fetch_guilds()] == ["Birds"]
    await bot.application_info()
    birds.general.allow(birds.world.bot, Permission.MANAGE_MESSAGES | Permission.MANAGE_CHANNELS)
    said = await birds.ada.says(birds.general, "hello", attachments=[("a.png", "image/png", b"x")])
    channel = await bot.fetch_channel(birds.general.id)
    assert isinstance(channel, discord.TextChannel)
    async with channel.typing():
        message = await channel.get_partial_message(said.id).reply("hi", nonce="1", view=Votes())
    embed = (
        discord.Embed(title="Title", description="text", colour=7)
        .add_field(name="a", value="b")
        .set_footer(text="f")
    )
    await message.edit(content="hi!", embed=embed)
    await channel.send(
        embeds=[embed], file=discord.File(io.BytesIO(b"x"), "x.txt", description="x"), silent=True
    )
    layout = discord.ui.LayoutView()
    section = discord.ui.Section("text", accessory=discord.ui.Button(label="b", custom_id="b"))
    box = discord.ui.Container(
        discord.ui.TextDisplay("inside"), discord.ui.Separator(), section, accent_colour=5
    )
    layout.add_item(box).add_item(
        discord.ui.ActionRow(discord.ui.Button(label="w", url="https://example.com"))
    )
    await channel.send(view=layout)
    await message.add_reaction("👍")
    await birds.ada.reacts(birds.general.messages[message.id], "blob:123456789012345678")
    assert [user.name async for user in (await channel.fetch_message(message.id)).reactions[1].users()] == [
        "ada"
    ]
    await message.remove_reaction("👍", discord.Object(birds.world.bot.id))
    await message.clear_reaction("blob:123456789012345678")
    await message.clear_reactions()
    thread = await message.create_thread(name="aside")
    await thread.join()
    await thread.add_user(discord.Object(birds.bob.id))
    await thread.fetch_members()
    await thread.send("in here")
    await thread.edit(name="elsewhere", archived=True)
    await (await channel.create_thread(name="own", type=discord.ChannelType.public_thread)).leave()
    assert [one.id async for one in channel.history(limit=50)]
    await channel.edit(topic="birds")
    await (await bot.fetch_user(birds.ada.id)).send("psst")
    one = (await bot.tree.fetch_commands())[0]
    await one.edit(description="other") if one.description else None
    await bot.tree.sync(guild=guild)
    for refused in (
        channel.send(""),
        channel.send("x" * 2001),
        bot.fetch_channel(5),
        channel.fetch_message(6),
    ):
        with pytest.raises(discord.HTTPException):
            await refused
    birds.world.faults.answer(429, "POST", "/messages", retry_after=0.01)
    await (await channel.send("gone")).delete()
    shown = birds.general.messages[message.id]
    boss = birds.guild.member("Boss", permissions=Permission.MANAGE_GUILD)
    await boss.completes("secret", "word", "s")
    await (await boss.types_command("secret", {"word": "owl"})).reply()
    typed = await birds.ada.types_command(
        "avatar list", {"who": birds.bob, "paper": ("p.txt", "text/plain", b"p")}
    )
    await birds.world.until(lambda: len(typed.messages) == 2)
    form = await birds.ada.clicks(shown, "👎")
    await (await birds.ada.submits(form, {"Comment": "no", "Reason": "Wrong"})).reply()
    await (await birds.ada.chooses(shown, [birds.bob])).reply()
    await birds.ada.clicks(shown, "more")
    await birds.ada.context_menu("Rate this reply", said)
