"""What `check` says about Discord, and the address that invites the avatar."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.platforms.base import UserError
from adapters.platforms.discord.invite import PERMISSIONS, invite, invite_url
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.probe import NO_INTENT, probe
from tests.adapters.platforms.discord.stage import TOKEN
from tests.servers.discord import PRIVILEGED, DiscordServer, Permission
from tests.servers.discord.broadcast import INTENTS

NEEDED = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.ADD_REACTIONS
)


async def test_all_is_well() -> None:
    async with DiscordServer(TOKEN) as world:
        world.guild("Birds", permissions=NEEDED)
        assert await probe(TOKEN, Options(api_url=world.url)) == [
            (True, "Discord knows the token: it is Understudy."),
            (True, "The Message Content Intent is enabled."),
            (True, "Birds: every permission is there."),
        ]


async def test_a_wrong_token_is_named() -> None:
    async with DiscordServer("another") as world:
        ((ok, sentence),) = await probe(TOKEN, Options(api_url=world.url))
        assert not ok
        assert "set DISCORD_TOKEN" in sentence
        assert TOKEN not in sentence


async def test_the_missing_intent_is_named() -> None:
    async with DiscordServer(TOKEN, intents=PRIVILEGED & ~INTENTS["MESSAGE_CONTENT"]) as world:
        assert (False, NO_INTENT) in await probe(TOKEN, Options(api_url=world.url))


async def test_missing_permissions_are_named_as_discord_names_them() -> None:
    async with DiscordServer(TOKEN) as world:
        guild = world.guild("Birds", permissions=NEEDED)
        for role in guild.roles.values():
            role.permissions &= ~int(Permission.ATTACH_FILES | Permission.ADD_REACTIONS)
        found = await probe(TOKEN, Options(api_url=world.url))
        assert found[-1] == (
            False,
            "Birds: the avatar lacks Attach Files and Add Reactions; grant that to its role, or invite it again.",
        )


async def test_being_in_no_server_says_how_to_get_into_one() -> None:
    async with DiscordServer(TOKEN) as world:
        ok, sentence = (await probe(TOKEN, Options(api_url=world.url)))[-1]
        assert not ok
        assert "understudy discord invite" in sentence


async def test_discord_that_is_not_there_is_named() -> None:
    async with DiscordServer(TOKEN) as world:
        url = world.url
    ((ok, sentence),) = await probe(TOKEN, Options(api_url=url))
    assert not ok
    assert sentence.startswith("Discord cannot be reached")


async def test_the_invitation_asks_for_exactly_what_is_needed() -> None:
    async with DiscordServer(TOKEN) as world:
        url = await invite(TOKEN, Options(api_url=world.url))
        assert url == invite_url(world.bot.id)
        query = parse_qs(urlsplit(url).query)
        assert query["client_id"] == [str(world.bot.id)]
        assert query["scope"] == ["bot applications.commands"]
        assert int(query["permissions"][0]) == int(NEEDED)
        assert len(PERMISSIONS) == int(NEEDED).bit_count()
    async with DiscordServer("another") as world:
        with pytest.raises(UserError, match="does not know this token"):
            await invite(TOKEN, replace(Options(), api_url=world.url))
