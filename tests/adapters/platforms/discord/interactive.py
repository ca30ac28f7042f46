"""A host that remembers what it was told, and a world of simulated Discord around a client that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import discord
import simcord
from discord.http import MultipartParameters
from simcord.actors import _dispatch_actor_interaction  # pyright: ignore[reportPrivateUsage]
from simcord.builders import ChannelHandle, GuildHandle
from simcord.results import InteractionResult

from adapters.platforms.base import (
    Access,
    Answer,
    Button,
    Call,
    Command,
    End,
    Host,
    Mark,
    Message,
    Param,
    Place,
    Reply,
    Spoken,
    UserError,
    Welcome,
)
from adapters.platforms.discord import controls
from adapters.platforms.discord.interactions import attach
from adapters.platforms.discord.options import Options

EXCHANGE = "018f4a5e-0000-7000-8000-0123456789ab"
NOW = 1_800_000_000_000
ASK = Answer(
    "Thanks — noted.\n\nMay I learn from what you write?",
    buttons=(
        Button("Yes", "privacy consent", {"exchange": EXCHANGE}, style="good"),
        Button("No", "privacy decline"),
        Button("What is kept?", "privacy show"),
    ),
)

Run = Callable[[Call], Awaitable[Answer]]


def command(name: str, run: Run | Answer, **more: Any) -> Command:
    """A command that does this, or always says this."""

    async def say(call: Call) -> Answer:
        return run if isinstance(run, Answer) else await run(call)

    return Command(name, f"do {name}", say, **more)


@dataclass
class FakeHost:
    """Keeps thumbs like the real one: by person, reply and source, and knows whether a mark changed anything."""

    marks: list[Mark] = field(default_factory=list[Mark])
    calls: list[Call] = field(default_factory=list[Call])
    audited: list[Call] = field(default_factory=list[Call])
    own: Sequence[Command] = ()
    asks: bool = False
    known: Callable[[Mark], bool] = lambda mark: True
    error: Exception | None = None
    stopped: list[str] = field(default_factory=list[str])
    speaking: bool = True
    always_on: bool = False
    said: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict[tuple[str, str], dict[str, int]])

    @property
    def commands(self) -> Sequence[Command]:
        exchange = (Param("exchange", "which exchange"),)
        return (
            *self.own,
            command("regenerate", self._regenerate, params=exchange),
            command(
                "rate",
                Answer("Your rating is withdrawn."),
                access=Access.RATER,
                params=(
                    Param("stars", "how good", "choice", True, choices=("1", "2", "3", "4", "5", "none")),
                    *exchange,
                ),
            ),
            command(
                "examples add",
                Answer("Added."),
                access=Access.REVIEWER,
                params=(
                    Param("question", "what", required=True, long=True),
                    Param("answer", "which", required=True, long=True, rest=True),
                ),
            ),
            command("privacy consent", Answer("Thank you: I may learn."), params=exchange),
            command("privacy decline", Answer("Fine.")),
            command("privacy show", Answer("Kept: nothing.")),
        )

    async def mark(self, mark: Mark) -> Answer:
        self.marks.append(mark)
        if self.error is not None:
            raise self.error
        if mark.who.access < Access.RATER:
            return Answer("Rating is not open to you here.", ok=False)
        if not self.known(mark):
            return Answer("I do not remember that reply, so it cannot be rated.", ok=False)
        changed, stars = self._keep(mark)
        data = {"exchange_id": mark.exchange_id or EXCHANGE, "changed": changed, "example": ""}
        if self.asks and mark.askable:
            self.asks = False
            return Answer(ASK.text, buttons=ASK.buttons, data=data)
        if mark.comment or mark.better:
            return Answer("Thanks — noted your comment.", data=data)
        if not changed:
            return Answer(f"Your rating is {stars} of 5.", data=data)
        text = "Your rating is withdrawn." if stars is None else f"Thanks — noted {stars} of 5."
        return Answer(text, data=data)

    def _keep(self, mark: Mark) -> tuple[bool, int | None]:
        said = self.said.setdefault((mark.who.key, mark.exchange_id or mark.reply_key), {})
        before = next(reversed(said.values()), None)
        if mark.clear:
            for source in [each for each in said if each.startswith(mark.source)]:
                del said[source]
        elif mark.rates:
            said.pop(mark.source, None)
            if mark.stars is not None:
                said[mark.source] = mark.stars
        after = next(reversed(said.values()), None)
        return before != after or mark.comment is not None or mark.better is not None, after

    async def command(self, call: Call, reply: Reply | None = None) -> Answer:
        self.calls.append(call)
        known = next((each for each in self.commands if each.name == call.command), None)
        if known is None:
            return Answer(f"There is no command /{call.command}.", ok=False)
        if call.who.access < known.access:
            self.audited.append(call)
            return Answer(f"`/{known.name}` is for a {known.access.label} or above.", ok=False)
        if known.confirm and not call.confirmed:
            return Answer(f"{known.confirm} Nothing was done.", ok=False)
        try:
            if known.name == "regenerate" and reply is not None:
                return await self._regenerate(call, reply)
            return await known.run(call)
        except UserError as error:
            return Answer(str(error), ok=False)

    async def _regenerate(self, call: Call, reply: Reply | None = None) -> Answer:
        if call.text("exchange") == "somebody-elses":
            return Answer("Only the person who asked, or a reviewer, can have a reply given again.", ok=False)
        assert reply is not None
        await reply.accepted("e2")
        await reply.finish(End("e2", "The same, said better."))
        return Answer(data={"exchange_id": "e2"})

    async def welcome(self, place: Place) -> Welcome:
        return Welcome("Guide")

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        return Spoken("ignored")

    def stop_speaking(self, place: Place, exchange_id: str = "") -> bool:
        self.stopped.append(exchange_id)
        return self.speaking

    async def listens(self, place: Place) -> bool:
        return self.always_on

    async def left(self, platform: str, workspace: str) -> None:
        raise AssertionError("nobody leaves here")


class Client(discord.Client):
    """Nothing but the interactive half."""

    def __init__(
        self,
        host: Host,
        options: Options,
        owners: frozenset[int] = frozenset(),
        clock: Callable[[], int] = lambda: NOW,
    ) -> None:
        super().__init__(intents=discord.Intents.all())
        self._host, self._options, self._owners, self._clock = host, options, owners, clock

    async def setup_hook(self) -> None:
        await attach(self, self._host, self._options, self._owners, self._clock)


@dataclass
class World:
    """A server with a channel, somebody ordinary, somebody who moderates, and a reply of the avatar."""

    env: simcord.Env
    host: FakeHost
    options: Options
    guild: GuildHandle
    channel: ChannelHandle

    def member(self, name: str, **permissions: bool) -> Any:
        """Somebody with these permissions in the server."""
        user = self.env.create_user(name)
        if not permissions:
            return self.guild.add_member(user)
        role = self.guild.create_role(f"{name}'s", permissions=discord.Permissions(**permissions))
        return self.guild.add_member(user, roles=[role])

    async def reply(
        self,
        text: str = "An answer.",
        exchange: str = EXCHANGE,
        components: list[dict[str, Any]] | None = None,
        channel_id: int = 0,
    ) -> discord.Message:
        """A reply of the avatar, with its buttons."""
        rows = controls.reply_components(exchange, self.options) if components is None else components
        return await self.post({"content": text, "components": rows}, channel_id)

    async def post(self, body: Mapping[str, Any], channel_id: int = 0) -> discord.Message:
        """A message of the avatar, sent as Discord takes it."""
        where = channel_id or self.channel.id
        params = MultipartParameters(payload=dict(body), multipart=None, files=None)
        with self.env._bot_scope():  # pyright: ignore[reportPrivateUsage]
            data = await self.env.bot.http.send_message(where, params=params)
        await self.env.settle()
        found = self.env.bot.get_channel(where) or self.env.bot.get_partial_messageable(where)
        assert isinstance(found, discord.abc.Messageable)
        return await found.fetch_message(int(data["id"]))

    async def restart(self) -> None:
        """The process ends and another one begins; Discord stays as it is."""
        await self.env.restart_bot(Client(self.host, self.options))
        await self.env.settle()

    async def forge(self, actor: Any, data: dict[str, Any], kind: int = 2) -> InteractionResult:
        """An interaction that no client of Discord's would send: whatever is in it, for a person as they are."""
        return await _dispatch_actor_interaction(actor, kind, self.channel, data)

    @property
    def last(self) -> discord.Message:
        """The last message of the channel."""
        found = self.channel.last_message
        assert found is not None
        return found

    def count(self, method: str, ending: str) -> int:
        """How often something was asked of Discord."""
        return sum(each.method == method and each.path.endswith(ending) for each in self.env.http_requests)


@asynccontextmanager
async def world(
    host: FakeHost | None = None, options: Options | None = None, owners: frozenset[int] = frozenset()
) -> AsyncGenerator[World]:
    """A running client in a simulated server."""
    host = host or FakeHost()
    options = options or Options(edit_seconds=0.01)
    async with simcord.run(Client(host, options, owners)) as env:
        with env.time_context():
            await env.settle()
            guild = env.create_guild()
            yield World(env, host, options, guild, guild.create_text_channel("general"))


async def until(holds: Callable[[], bool]) -> None:
    """Give other tasks their turns until this holds."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0)


def brief(mark: Mark) -> tuple[str, int | None, str | None, str | None]:
    """What a mark says."""
    return mark.source, mark.stars, mark.comment, mark.better


def said(result: InteractionResult) -> str:
    """What the person is told, and that nobody else reads it."""
    [told] = [result.response, *result.followups] if result.response else result.followups
    assert told.ephemeral
    return told.content
