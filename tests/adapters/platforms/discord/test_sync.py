"""Discord is told of the commands when they changed, and only then."""

from __future__ import annotations

from typing import Any, cast

from adapters.platforms.base import Answer
from adapters.platforms.discord.commands import declare
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.sync import same
from bot.commands import every_command
from bot.services import Services
from tests.adapters.platforms.discord.interactive import command, world


def real() -> list[dict[str, Any]]:
    return declare(every_command(cast(Services, None)))


def _as_discord_gives_it_back(declared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with all that Discord adds, and without what goes without saying."""

    def option(each: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in each.items() if not (key == "required" and value is False)}
        if "options" in kept:
            kept["options"] = [option(inner) for inner in kept["options"]]
        if not kept.get("options"):
            kept.pop("options", None)
        return {**kept, "name_localizations": None, "description_localizations": None}

    return [
        {
            "id": str(number),
            "application_id": "1",
            "version": "2",
            "nsfw": False,
            "dm_permission": True,
            "name_localized": None,
            "description": "",
            **option(each),
        }
        for number, each in enumerate(reversed(declared), 10)
    ]


def test_what_discord_adds_is_no_difference() -> None:
    assert same(real(), _as_discord_gives_it_back(real()))


def test_every_change_that_people_could_see_is_one() -> None:
    changes: list[tuple[str, Any]] = [
        ("description", "Something else"),
        ("default_member_permissions", "16"),
        ("contexts", [0]),
        ("options", []),
        ("name", "other"),
    ]
    for key, value in changes:
        theirs = _as_discord_gives_it_back(real())
        rate = next(each for each in theirs if each["name"] == "rate")
        rate[key] = value
        assert not same(real(), theirs), key
    assert not same(real(), real()[1:])
    assert not same(real()[1:], real())


def test_choices_limits_and_the_order_of_parameters_count() -> None:
    for change in (
        lambda options: options.reverse(),
        lambda options: options[0]["choices"].pop(),
        lambda options: options[0].update(required=False),
        lambda options: options[1].update(autocomplete=True),
    ):
        theirs = real()
        change(next(each for each in theirs if each["name"] == "rate")["options"])
        assert not same(real(), theirs)


async def test_commands_are_put_once_and_not_again_after_a_restart() -> None:
    async with world() as it:
        assert it.count("PUT", "/commands") == 1
        await it.restart()
        assert it.count("GET", "/commands") == 2
        assert it.count("PUT", "/commands") == 1
        it.host.own = (command("fresh", Answer("Hello.")),)
        await it.restart()
        assert it.count("PUT", "/commands") == 2
        told = await it.member("ann").slash(it.channel, "fresh")
        assert told.response is not None
        assert told.response.content == "Hello."


async def test_development_servers_get_commands_of_their_own_and_only_they() -> None:
    async with world() as it:
        it.options = Options(development_guilds=(it.guild.id,))
        it.env.backend.commands.clear()
        await it.restart()
        assert it.count("PUT", f"/guilds/{it.guild.id}/commands") == 1
        assert it.env.backend.commands.get(None, {}) == {}
        told = await it.member("ann").slash(it.channel, "privacy show")
        assert told.response is not None
        assert told.response.content == "Kept: nothing."
        await it.restart()
        assert it.count("PUT", f"/guilds/{it.guild.id}/commands") == 1


async def test_a_failure_to_sync_does_not_keep_the_bot_from_working() -> None:
    async with world() as it:
        it.host.own = (command("fresh", Answer("Hello.")),)
        it.env.inject_error("PUT", "/applications/*/commands", status=500, times=None)
        await it.restart()
        told = await it.member("ann").slash(it.channel, "privacy show")
        assert told.response is not None
        assert told.response.content == "Kept: nothing."
