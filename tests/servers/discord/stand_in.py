"""Clients of discord.py that try the local Discord, and a guild for them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import discord
from discord import app_commands

from tests.servers.discord import Channel, DiscordServer, Guild, Message, Person
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

    @property
    def said(self) -> list[str]:
        return [message.content for message in self.heard]


class Birds:
    """A server with one guild, one channel and two people."""

    def __init__(self, world: DiscordServer) -> None:
        self.world = world
        self.guild: Guild = world.guild("Birds")
        self.general: Channel = self.guild.channel("general")
        self.ada: Person = self.guild.member("Ada")
        self.bob: Person = self.guild.member("Bob")
        self.running: list[tuple[Bot, asyncio.Task[None]]] = []

    async def answer(self, text: str) -> Message:
        """The bot's message with this text."""
        await self.world.until(lambda: [m for m in self.general.of(self.world.bot) if m.shown == text])
        return next(m for m in self.general.of(self.world.bot) if m.shown == text)

    async def start(self, bot: Bot) -> Bot:
        """Connect a client and wait until it is ready, or raise what it died of."""
        await bot.login(self.world.token)
        self.running.append((bot, asyncio.create_task(bot.connect())))
        ready = asyncio.create_task(bot.wait_for("ready"))
        await asyncio.wait((ready, self.running[-1][1]), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self.running[-1][1].done():
            await self.running[-1][1]
        return bot

    async def end(self) -> None:
        """Stop all clients."""
        for bot, task in self.running:
            await bot.close()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def rehearsal() -> AsyncGenerator[Birds]:
    """A server that runs, to which discord.py is pointed; every route that is asked for must be known."""
    async with DiscordServer() as world:
        point_discord_at(world.url)
        birds = Birds(world)
        try:
            yield birds
        finally:
            await birds.end()
        assert not world.unknown_routes


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
