"""Reactions as ratings: given, taken back, cleared, and asked about where they are poor."""

from __future__ import annotations

import discord
import pytest

from adapters.platforms.base import Access
from adapters.platforms.discord import controls
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.reactions import Reactions
from adapters.platforms.discord.visits import Desk
from tests.adapters.platforms.discord.interactive import (
    EXCHANGE,
    NOW,
    Client,
    FakeHost,
    brief,
    said,
    world,
)


async def test_a_reaction_rates_and_its_removal_takes_that_back() -> None:
    async with world() as it:
        ann = it.member("ann")
        reply = await it.reply()
        await ann.react(reply, "👍")
        await ann.unreact(reply, "👍")
        assert [(mark.source, mark.stars, mark.rates) for mark in it.host.marks] == [
            ("reaction:👍", 5, True),
            ("reaction:👍", None, True),
        ]
        [mark, _] = it.host.marks
        assert (mark.reply_key, mark.exchange_id, mark.at, mark.askable) == (str(reply.id), "", NOW, False)
        assert (mark.who.key, mark.who.access) == (str(ann.id), Access.RATER)


@pytest.mark.parametrize(
    ("configured", "name", "emoji_id", "stars"),
    [
        ("3️⃣", "3️⃣", None, 3),
        ("3️⃣", "3\N{COMBINING ENCLOSING KEYCAP}", None, 3),
        ("❤", "❤️", None, 3),
        ("good_bot", "good_bot", 77, 3),
        (":good_bot:", "good_bot", 77, 3),
        ("77", "renamed", 77, 3),
        ("<:good_bot:77>", "good_bot", 77, 3),
        ("good_bot", "bad_bot", 78, None),
        ("👍", "👎", None, None),
    ],
)
async def test_emoji_are_known_however_they_are_written(
    configured: str, name: str, emoji_id: int | None, stars: int | None
) -> None:
    options = Options(reactions={configured: 3})
    reactions = Reactions(Desk(Client(FakeHost(), options), FakeHost(), options, frozenset(), lambda: NOW))
    assert reactions.stars_of(discord.PartialEmoji(name=name, id=emoji_id)) == stars


async def test_a_custom_emoji_is_named_by_its_id() -> None:
    async with world(options=Options(reactions={"good_bot": 4})) as it:
        emoji = it.guild.create_emoji("good_bot")
        await it.member("ann").react(await it.reply(), f"good_bot:{emoji.id}")
        assert [(mark.source, mark.stars) for mark in it.host.marks] == [(f"reaction:{emoji.id}", 4)]


async def test_reactions_that_say_nothing_are_not_heard() -> None:
    async with world() as it:
        ann = it.member("ann")
        robot = it.guild.add_member(it.env.create_user("robot", bot=True))
        reply = await it.reply()
        before = len(it.env.http_requests)
        await ann.react(reply, "🎉")
        await ann.unreact(reply, "🎉")
        await robot.react(reply, "👍")
        await robot.unreact(reply, "👍")
        assert it.host.marks == []
        assert len(it.env.http_requests) == before


async def test_a_reaction_on_somebody_elses_message_costs_nothing_where_discord_says_whose_it_is() -> None:
    async with world() as it:
        ann = it.member("ann")
        mine = await ann.send(it.channel, "Mine")
        event = {
            "user_id": str(ann.id),
            "channel_id": str(it.channel.id),
            "guild_id": str(it.guild.id),
            "message_id": str(mine.id),
            "message_author_id": str(ann.id),
            "emoji": {"id": None, "name": "👍"},
            "type": 0,
            "burst": False,
        }
        it.env.backend.emit("MESSAGE_REACTION_ADD", event)
        await it.env.settle()
        assert it.host.marks == []
        del event["message_author_id"]
        it.env.backend.emit("MESSAGE_REACTION_ADD", event)
        await it.env.settle()
        assert [mark.reply_key for mark in it.host.marks] == [str(mine.id)]


async def test_the_avatars_own_reactions_are_not_heard() -> None:
    async with world() as it:
        reply = await it.reply()
        with it.env._bot_scope():  # pyright: ignore[reportPrivateUsage]
            await reply.add_reaction("👍")
        await it.env.settle()
        assert it.host.marks == []


async def test_clearing_takes_back_the_reactions_of_everybody_who_was_seen() -> None:
    async with world() as it:
        ann, bob = it.member("ann"), it.member("bob")
        reply = await it.reply()
        await ann.react(reply, "👍")
        await bob.react(reply, "👍")
        it.host.marks.clear()
        it.env.backend.clear_reactions(it.channel.id, reply.id)
        await it.env.settle()
        cleared = {(mark.who.key, mark.source, mark.clear) for mark in it.host.marks}
        assert cleared == {(str(ann.id), "reaction:", True), (str(bob.id), "reaction:", True)}


async def test_clearing_one_emoji_takes_back_that_one_only() -> None:
    async with world(options=Options(reactions={"👍": 5, "❤️": 4})) as it:
        ann, bob = it.member("ann"), it.member("bob")
        reply = await it.reply()
        await ann.react(reply, "👍")
        await bob.react(reply, "❤️")
        it.host.marks.clear()
        it.env.backend.clear_reaction(it.channel.id, reply.id, "👍")
        await it.env.settle()
        assert [(mark.who.key, mark.source, mark.stars, mark.clear) for mark in it.host.marks] == [
            (str(ann.id), "reaction:👍", None, False)
        ]


async def test_a_poor_reaction_is_asked_about_once_and_the_question_goes() -> None:
    async with world() as it:
        ann, bob = it.member("ann"), it.member("bob")
        reply = await it.reply()
        await ann.react(reply, "👎")
        asked = it.last
        assert "What was wrong" in asked.content
        assert asked.mentions == []
        assert asked.reference is not None
        assert asked.reference.message_id == reply.id
        assert said(await bob.click(asked, label="Tell me")) == "This question is for somebody else."
        opened = await ann.click(asked, label="Tell me")
        assert opened.modal is not None
        await ann.submit_modal(opened, {"comment": "Too long."})
        assert brief(it.host.marks[-1]) == ("form", None, "Too long.", None)

        await ann.unreact(reply, "👎")
        await ann.react(reply, "👎")
        assert it.last.id == asked.id
        await it.env.advance_time(61)
        assert it.last.id == reply.id


async def test_a_reaction_on_a_message_that_is_no_reply_is_not_asked_about() -> None:
    async with world(FakeHost(known=lambda mark: False)) as it:
        welcome = await it.post({"content": "Hello."})
        await it.member("ann").react(welcome, "👎")
        assert it.last.id == welcome.id


async def test_a_reaction_that_fails_is_logged_and_nothing_more() -> None:
    async with world(FakeHost(error=RuntimeError("the disk is full"))) as it:
        ann = it.member("ann")
        reply = await it.reply()
        await ann.react(reply, "👍")
        await ann.unreact(reply, "👍")
        assert it.last.id == reply.id


async def test_in_direct_messages_reactions_and_thumbs_rate_too() -> None:
    async with world() as it:
        user = it.env.create_user("ann")
        await user.send_dm("Why?")
        reply = await it.reply(channel_id=user.dm_channel.id)
        await user.set_reaction(reply, "👍", reacted=True)
        pressed = await user.click(reply, custom_id=controls.control("up", EXCHANGE))
        assert said(pressed) == "Thanks — noted 5 of 5."
        assert [(mark.source, mark.place.private, mark.place.channel) for mark in it.host.marks] == [
            ("reaction:👍", True, str(user.dm_channel.id)),
            ("stars", True, str(user.dm_channel.id)),
        ]
