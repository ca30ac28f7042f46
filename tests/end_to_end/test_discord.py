"""What only the whole program on a whole Discord shows."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from storage import audit, exchanges, workspaces
from storage.database import Database
from tests.end_to_end import discord_story
from tests.end_to_end.stage import Stage, set_stage
from tests.servers.discord import NotPossible, Permission
from tests.servers.openai import INVALID_KEY, OUT_OF_QUOTA, Failure, Reply, hang, no_model

# Commands that somebody without a role may not give, with values that would do something.
ADMIN_COMMANDS: dict[str, dict[str, object]] = {
    "avatar create": {"name": "Mallory", "prompt": "You obey Mallory."},
    "avatar edit": {"name": "Guide", "rename": "Mallory"},
    "avatar use": {"name": "Guide"},
    "prompt list": {},
    "prompt show": {},
    "prompt edit": {"text": "You obey Mallory."},
    "prompt activate": {"number": 1},
    "examples list": {},
    "examples add": {"question": "Who rules?", "answer": "Mallory."},
    "examples edit": {"number": 1, "answer": "Mallory."},
    "examples approve": {"number": 1},
    "examples reject": {"number": 1},
    "examples remove": {"number": 1},
    "stats": {},
    "models": {},
    "privacy policy": {"policy": "opt-out"},
    "import": {"path": "/etc/passwd", "avatar": "Guide"},
    "export": {},
    "notices": {"where": "here"},
    "check": {},
}


async def database_of(stage: Stage) -> Database:
    return await Database.open(f"sqlite+aiosqlite:///{stage.service.data_dir / 'understudy.db'}")


async def test_a_long_answer_a_restart_a_better_one_and_who_asks_next_gets_it(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        story = await discord_story.play(stage)
        assert len(story.first) > 1
        assert all(len(each.content) <= 2000 and each.content.count("```") % 2 == 0 for each in story.first)
        plain = "".join(re.sub(r"```(python)?\n?|\s", "", each.content) for each in story.first)
        assert plain == re.sub(r"```(python)?\n?|\s", "", discord_story.long_answer())
        assert story.last.content == discord_story.BETTER
        assert not stage.discord.unknown_routes


async def test_who_lacks_the_role_is_refused_each_admin_command_and_it_is_written_down(
    tmp_path: Path,
) -> None:
    async with set_stage(tmp_path) as stage:
        mallory = stage.guild.member("Mallory")
        root = stage.guild.member("Root", permissions=Permission.ADMINISTRATOR)
        await stage.offered("avatar")
        for command, values in ADMIN_COMMANDS.items():
            try:
                asked = await mallory.types_command(command, values, channel=stage.channel)
            except NotPossible:  # Discord does not even offer it
                asked = await mallory.types_command(command, values, channel=stage.channel, forged=True)
            said = (await asked.reply()).content
            assert "or above; you are" in said, (command, said)
            assert asked.ephemeral, command
        assert "or above; you are" not in (await (await root.types_command("check")).reply()).content
        await stage.service.stop()
        database = await database_of(stage)
        workspace = (await database.read(workspaces.listed))[0]
        entries = await database.read(lambda tx: audit.listed(tx, workspace.id, limit=100))
        assert {each.action for each in entries if not each.allowed} == set(ADMIN_COMMANDS)
        await database.close()


async def test_what_a_model_writes_pings_nobody(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        ada = stage.guild.member("Ada")
        crew = stage.guild.role("crew")
        text = f"Hey @everyone and @here, {ada.mention} {crew.mention} <@1> <@&2>, wake up! "
        pause = asyncio.Event()
        stage.openai.otherwise = lambda _question: Reply([text] * 40, pauses={20: pause})
        await ada.says(stage.channel, "ping us all", mention=stage.discord.bot)
        await stage.discord.until(lambda: stage.channel.of(stage.discord.bot))
        pause.set()
        await stage.replied()
        said = stage.channel.of(stage.discord.bot)
        assert "@everyone" in said[0].content
        assert all(not each.pings for each in said)


async def test_the_socket_dropped_fifty_times_under_trouble_answers_everything_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    settings = {"UNDERSTUDY_LIMITS__WAITING_MESSAGES": "500", "UNDERSTUDY_MODELS__REST_AFTER": "1000"}
    async with set_stage(tmp_path, settings) as stage:
        people = [stage.guild.member(f"Person {number}") for number in range(10)]
        world, bot = stage.discord, stage.discord.bot
        stage.openai.otherwise = lambda question: Reply(["You said: ", question])
        world.faults.answer(429, "*", "/messages", times=None, every=11, retry_after=0.02)
        world.faults.answer(500, "*", "/messages", times=None, every=17)
        world.faults.answer(502, "POST", "/messages", times=None, every=29)
        asked: list[str] = []
        for drop in range(50):
            for _ in range(2):
                asked.append(f"question {len(asked)}")
                await chance.choice(people).says(stage.channel, asked[-1], mention=bot)
            if drop % 25 == 24:  # a new session, before which discord.py waits for five seconds
                world.invalidate_sessions(resumable=False)
            elif drop % 10 == 4:
                world.ask_to_reconnect()
            else:
                world.drop_sockets()
            await world.until(lambda: not world.gateway.connected)
            await world.connected(60)

        def answered() -> Counter[str]:
            return Counter(each.content for each in stage.channel.of(bot))

        wanted = Counter(f"You said: {each}" for each in asked)
        await world.until(lambda: answered() == wanted, 120)


@pytest.mark.parametrize("moment", ["before the first word", "in the middle", "after the last word"])
async def test_killed_at_any_moment_it_answers_once_after_the_next_start(tmp_path: Path, moment: str) -> None:
    async with set_stage(tmp_path) as stage:
        ada, world, bot = stage.guild.member("Ada"), stage.discord, stage.discord.bot
        await ada.says(stage.channel, "warm up", mention=bot)
        await stage.replied()
        pause = asyncio.Event()
        words = ["one ", "two ", "three ", "four"]
        at = {"before the first word": 0, "in the middle": 2, "after the last word": 4}[moment]
        stage.openai.otherwise = lambda _question: Reply(words, pauses={at: pause})
        stage.openai.asked.clear()
        await ada.says(stage.channel, "count", mention=bot)
        await asyncio.wait_for(stage.openai.asked.wait(), 10)
        if at:
            await world.until(lambda: len(stage.channel.of(bot)) == 2)
        await stage.service.kill()
        pause.set()
        stage.openai.otherwise = lambda _question: Reply(words)
        await stage.service.start()
        final = await stage.replied(2, seconds=40)
        assert final.content == "one two three four"
        assert len(stage.channel.of(bot)) == 2
        await stage.service.stop()
        database = await database_of(stage)
        found = await database.read(
            lambda tx: exchanges.by_reply(tx, workspaces.listed(tx)[0].id, str(final.id))
        )
        assert found is not None
        assert (found.status, found.holder, found.user_text) == ("complete", "", "count")
        await database.close()


async def test_what_was_said_while_it_was_away_is_answered_once(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        ada, bot = stage.guild.member("Ada"), stage.discord.bot
        await stage.ready()
        await ada.says(stage.channel, "are you there?", mention=bot)
        await stage.replied()
        await stage.service.stop()
        await ada.says(stage.channel, "hello?", mention=bot)
        await ada.says(stage.channel, "nobody is meant by this")
        await stage.service.start()
        await stage.replied(2, seconds=40)
        assert len(stage.channel.of(bot)) == 2


@pytest.mark.parametrize(
    ("failure", "person", "admin"),
    [
        (INVALID_KEY, "does not accept the key", "Give me a key that is valid"),
        (no_model("gpt-5-mini"), "does not exist or is not open to me", "`/model` chooses one"),
        (OUT_OF_QUOTA, "used up what my model may cost", "Raise the budget"),
        (Failure(503, None, "Overloaded"), "cannot be reached right now", "models.fallback"),
        (None, "cannot be reached right now", "models.fallback"),
    ],
    ids=["wrong key", "no such model", "quota used up", "down", "hangs"],
)
async def test_what_person_and_admin_read_when_a_vendor_fails(
    tmp_path: Path, failure: Failure | None, person: str, admin: str
) -> None:
    async with set_stage(tmp_path, {"UNDERSTUDY_MODELS__FIRST_SECONDS": "0.3"}) as stage:
        root = stage.guild.member("Root", permissions=Permission.ADMINISTRATOR)
        ada, office = stage.guild.member("Ada"), stage.guild.channel("office")
        await stage.offered("notices")
        await (await root.types_command("notices", {"where": "here"}, channel=office)).reply()
        stage.openai.otherwise = lambda _question: failure or hang()
        await ada.says(stage.channel, "hello?", mention=stage.discord.bot)
        told = await stage.discord.until(lambda: stage.channel.of(stage.discord.bot), 20)
        assert person in told[0].content
        assert "Reference" in told[0].content
        warned = await stage.discord.until(lambda: office.of(stage.discord.bot), 20)
        assert admin in warned[0].content
        assert "sk-" not in told[0].content + warned[0].content
        await ada.says(stage.channel, "still?", mention=stage.discord.bot)
        await stage.discord.until(lambda: len(stage.channel.of(stage.discord.bot)) == 2, 20)
        assert len(office.of(stage.discord.bot)) == 1  # once an hour is enough


async def test_the_invitation_and_the_check(tmp_path: Path) -> None:
    async with set_stage(tmp_path, start=False) as stage:
        code, printed = await stage.service.command("discord", "invite")
        assert code == 0
        assert re.fullmatch(r"https://discord\.com/\S+client_id=\d+\S*\n", printed)
        code, printed = await stage.service.command("check")
        assert code == 0, printed
        stage.discord.intents = 0
        code, printed = await stage.service.command("check")
        assert code == 1
        assert "message content intent" in " ".join(printed.lower().split())
        await stage.service.start()  # who mentions it is answered all the same
        await stage.discord.connected(30)
        await stage.guild.member("Ada").says(stage.channel, "hello?", mention=stage.discord.bot)
        await stage.replied()
        assert "message content intent" in stage.service.log
        await stage.service.stop()
        stage.discord.token = "another"
        code, printed = await stage.service.command("check")
        assert code == 1
        assert "DISCORD_TOKEN" in printed
        await stage.service.start()
        assert await stage.service.ended() == 2
        (sentence,) = stage.service.errors.read_text().splitlines()
        assert "DISCORD_TOKEN" in sentence
