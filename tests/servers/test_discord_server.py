"""The local Discord keeps Discord's contract, and runs in a process of its own for benchmarks."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import discord
import pytest

from tests.conftest import ROOT
from tests.servers.discord import Permission
from tests.servers.discord.pointing import point_discord_at
from tests.servers.discord.stand_in import Birds, Bot, Seer, Votes, rehearsal

# The contract's file wants numbers where Discord names an error by text, and does not know what the client always sends.
KNOWN = (
    "['_errors'][0].code: 'BASE_TYPE_MAX_LENGTH' is not of type 'integer'",
    "$.tts: not a documented property",
)


@pytest.fixture
def start_process() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.servers.discord", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


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


async def test_the_exchanges_keep_discords_contract(shared: Path, tmp_path: Path) -> None:
    checker = shared / "contracts" / "check_contract.py"
    if not checker.exists():
        pytest.skip("needs the checker of contracts in ../shared")
    pytest.importorskip("jsonschema", reason="the checker of contracts needs jsonschema")
    recording = tmp_path / "discord.jsonl"
    async with rehearsal() as birds:
        await _everything(birds)
        recording.write_text("\n".join(json.dumps(one) for one in birds.world.api_exchanges))
    judged = subprocess.run([sys.executable, checker, recording, "--json"], capture_output=True, text=True)
    found = [json.loads(line) for line in judged.stdout.splitlines()]
    assert judged.returncode in (0, 1), judged.stderr
    assert [one for one in found if not any(known in one["violation"] for known in KNOWN)] == []


async def _everything(birds: Birds) -> None:
    """Use every route that a chat bot uses, through the real client."""
    bot = Seer(members=True)
    await birds.start(bot)
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
