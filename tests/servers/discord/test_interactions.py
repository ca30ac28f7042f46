"""Commands, buttons, menus and forms."""

from __future__ import annotations

import discord
import pytest

from tests.servers.discord import NotPossible, Permission
from tests.servers.discord.stand_in import Birds, Bot, Seer, Votes


async def test_commands_are_registered_once(birds: Birds) -> None:
    bot = Seer()
    await birds.start(bot)
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


async def test_a_command_that_takes_its_time(birds: Birds) -> None:
    await birds.start(Seer())
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


async def test_only_the_offered_can_be_typed(birds: Birds) -> None:
    await birds.start(Seer())
    boss = birds.guild.member("Boss", permissions=Permission.MANAGE_GUILD)
    with pytest.raises(NotPossible):
        await birds.ada.types_command("secret", {"word": "owl"})
    forged = await birds.ada.types_command("secret", {"word": "owl"}, forged=True)
    assert (await forged.reply()).content == "owl False"
    assert (await (await boss.types_command("secret", {"word": "swan"})).reply()).content == "swan True"
    choices = await boss.completes("secret", "word", "sw")
    assert [choice["value"] for choice in choices] == ["swan", "swift"]


async def test_buttons_menus_and_forms(birds: Birds) -> None:
    bot = await birds.start(Seer())
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


async def test_context_menu(birds: Birds) -> None:
    await birds.start(Seer())
    said = await birds.ada.says(birds.general, "a fine day")
    form = await birds.bob.context_menu("Rate this reply", said)
    assert form.modal is not None
    assert form.modal["title"] == "a fine day"
    await birds.bob.submits(form, {"Reason": ["Wrong"]})


async def test_interactions_end(birds: Birds) -> None:
    held: list[discord.Interaction] = []

    class Slow(Bot):
        async def on_interaction(self, interaction: discord.Interaction) -> None:
            held.append(interaction)

    birds.world.commands.put(None, {"name": "wait", "description": "waits"})
    await birds.start(Slow())
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
