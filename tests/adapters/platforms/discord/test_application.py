"""The interactive half before the real application: what is pressed is kept, learnt from, refused and noted down."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from simcord.actors import _dispatch_actor_interaction  # pyright: ignore[reportPrivateUsage]

from adapters.platforms.base import Access, Message, Param, Spoken
from adapters.platforms.discord import controls
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.places import place_of, who_of
from adapters.platforms.discord.replies import DiscordReply
from storage import audit, clock, workspaces
from storage.database import Database
from tests.adapters.platforms.discord.interactive import Client
from tests.bot.theatre import Scripted, Theatre, play
from tests.databases import empty_sqlite

__all__ = ["empty_sqlite"]

OPTIONS = Options(edit_seconds=0.01)


@dataclass
class House:
    """A server in which the application talks."""

    env: simcord.Env
    theatre: Theatre
    guild: Any
    channel: Any

    def member(self, name: str, **permissions: bool) -> Any:
        role = self.guild.create_role(f"{name}'s", permissions=discord.Permissions(**permissions))
        return self.guild.add_member(self.env.create_user(name), roles=[role])

    async def ask(self, actor: Any, text: str) -> tuple[Spoken, discord.Message]:
        """Somebody asks; the exchange, and the reply as it is posted."""
        asked = await actor.send(self.channel, text)
        client = self.env.bot
        guild = client.get_guild(self.guild.id)
        channel = client.get_channel(self.channel.id)
        assert guild is not None
        assert isinstance(channel, discord.TextChannel)
        member = guild.get_member(actor.id)
        assert member is not None
        place = place_of(channel, guild, actor.id)
        with self.env._bot_scope():  # pyright: ignore[reportPrivateUsage]
            reply = DiscordReply(client, OPTIONS, place, str(asked.id), str(actor.id))
            who = who_of(member, OPTIONS, frozenset())
            message = Message(str(asked.id), place, who, text, clock.now())
            spoken = await self.theatre.app.speak(message, reply)
        await self.env.settle()
        return spoken, self.channel.last_message

    async def restart(self) -> None:
        await self.env.restart_bot(_client(self.theatre))
        await self.env.settle()


Open = Callable[[], AbstractAsyncContextManager[House]]


@pytest.fixture
def house(tmp_path: Path, empty_sqlite: Path) -> Open:
    """What opens one; time in it is the test's own."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[House]:
        shutil.copy(empty_sqlite, tmp_path / "understudy.db")
        database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'understudy.db'}")
        theatre = play(database, tmp_path, model=Scripted(pieces=("Six.",)))
        async with simcord.run(_client(theatre)) as env:
            with env.time_context():
                await env.settle()
                guild = env.create_guild()
                yield House(env, theatre, guild, guild.create_text_channel("general"))
        await theatre.app.close()

    return opened


def _client(theatre: Theatre) -> Client:
    return Client(theatre.app, OPTIONS, clock=clock.now)


async def test_a_thumb_after_a_restart_is_kept_and_asks_for_consent_once(house: Open) -> None:
    async with house() as it:
        ann = it.member("ann")
        spoken, reply = await it.ask(ann, "How many days has a week?")
        await it.restart()
        up = controls.control("up", spoken.exchange_id)
        pressed = await ann.click(reply, custom_id=up)
        assert pressed.response.content.startswith("Thanks — noted 5 of 5.")
        assert "May I learn from what you write" in pressed.response.content
        await ann.click(pressed.response, label="Yes")
        assert pressed.response.content.startswith("Thank you")
        assert pressed.response.components == []
        again = await ann.click(reply, custom_id=up)
        assert again.response.content == "Your rating is withdrawn."


async def test_a_better_answer_of_a_reviewer_is_what_somebody_else_is_told(house: Open) -> None:
    async with house() as it:
        mod, bob = it.member("mod", manage_messages=True), it.member("bob")
        spoken, reply = await it.ask(mod, "How many days has a week?")
        pressed = await mod.click(reply, custom_id=controls.control("down", spoken.exchange_id))
        sent = await mod.submit_modal(pressed, {"reason": "wrong", "better": "Seven, and one is free."})
        assert "I have not learnt it yet" in sent.response.content
        agreed = await mod.click(sent.response, label="Yes")
        assert "I have learnt what you just gave me" in agreed.response.content
        await it.ask(bob, "How many days has a week?")
        [shown] = it.theatre.model.asked[-1:]
        assert "Seven, and one is free." in str(shown)


async def test_a_reaction_on_a_reply_is_a_rating_of_it_and_asks_nothing(house: Open) -> None:
    async with house() as it:
        ann = it.member("ann")
        spoken, reply = await it.ask(ann, "How many days has a week?")
        await ann.react(reply, "👎")
        offered = it.channel.last_message
        assert "What was wrong" in offered.content
        opened = await ann.click(offered, label="Tell me")
        sent = await ann.submit_modal(opened, {"comment": "It is seven."})
        assert "your comment" in sent.response.content
        up = await ann.click(reply, custom_id=controls.control("up", spoken.exchange_id))
        assert up.response.content.startswith("Thanks — noted 5 of 5.")


async def test_regenerate_is_for_the_asker_and_reviewers(house: Open) -> None:
    async with house() as it:
        ann, bob = it.member("ann"), it.member("bob")
        spoken, reply = await it.ask(ann, "How many days has a week?")
        again = controls.control("again", spoken.exchange_id)
        refused = await bob.click(reply, custom_id=again)
        [note] = refused.followups
        assert note.ephemeral
        assert "Only the person who asked" in note.content
        it.theatre.model.pieces = ("Seven.",)
        await ann.click(reply, custom_id=again)
        assert it.channel.last_message.content == "Seven."


_FITTING: dict[str, Any] = {"text": "x", "integer": 1, "number": 1.0, "flag": True}


def _given(param: Param) -> dict[str, Any]:
    value = param.choices[0] if param.kind == "choice" else _FITTING[param.kind]
    return {"name": param.name, "type": 3, "value": value}


async def test_every_admin_command_is_refused_to_a_member_and_audited_even_when_forged(house: Open) -> None:
    async with house() as it:
        ann = it.member("ann")
        await it.ask(ann, "Hello?")
        admin = [each for each in it.theatre.app.commands if each.access > Access.RATER]
        assert len(admin) > 10
        for command in admin:
            word, _, verb = command.name.partition(" ")
            options = [_given(param) for param in command.params if param.required]
            if verb:
                options = [{"name": verb, "type": 1, "options": options}]
            data = {"id": "1", "name": word, "type": 1, "options": options}
            refused = await _dispatch_actor_interaction(ann, 2, it.channel, data)
            assert refused.ephemeral
            assert refused.response is not None
            assert refused.response.content.startswith(f"⚠️ `/{command.name}` is for"), command.name
        database = it.theatre.database
        workspace = await database.read(lambda tx: workspaces.find(tx, "discord", str(it.guild.id)))
        assert workspace is not None
        entries = await database.read(lambda tx: audit.listed(tx, workspace.id, limit=200))
        assert {entry.action for entry in entries if not entry.allowed} == {each.name for each in admin}


async def test_every_command_of_a_member_answers_something_readable(house: Open) -> None:
    async with house() as it:
        ann = it.member("ann", administrator=True)
        await it.ask(ann, "Hello?")
        for command in it.theatre.app.commands:
            if any(param.required for param in command.params) or command.confirm:
                continue
            # One speaks and the other works in a process, for which this Discord's own time does not wait.
            if command.name in {"regenerate", "finetune build"}:
                continue
            told = await ann.slash(it.channel, command.name)
            shown = [told.response, *told.followups] if told.response else told.followups
            assert shown, command.name
            assert all(len(each.content) <= 2_000 for each in shown)
            assert "went wrong" not in shown[0].content, command.name
