"""The interactive half over real sockets: the whole platform on a local Discord that is strict about every request."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.platforms.base import Access, Answer, Call, Command, File, Mark, Param, Reply, Table
from tests.adapters.platforms.discord.interactive import FakeHost, command
from tests.adapters.platforms.discord.stage import Stage, TalkingHost, stage
from tests.conftest import ROOT
from tests.servers.discord import Message, Permission

# The contract's file wants numbers where Discord names an error by text, and does not know what the client always sends.
KNOWN = ("is not of type 'integer'", "$.tts: not a documented property")


async def _birds(call: Call, typed: str) -> Sequence[str]:
    return [each for each in ("owl", "otter", "robin") if each.startswith(typed)]


def _commands(fake: FakeHost) -> FakeHost:
    rows = tuple((str(number), "words " * 30) for number in range(40))
    fake.own = (
        command(
            "bird show", Answer("An owl."), params=(Param("name", "which", required=True, complete=_birds),)
        ),
        command(
            "bird list", Answer("All.", table=Table(("no.", "name"), rows), files=(File("a.txt", b"x"),))
        ),
        command("bird free", Answer("Gone."), confirm="Let all of them go?"),
        command("bird all", Answer("For everybody.", private=False)),
        command("check", Answer("All is well."), access=Access.OWNER),
    )
    return fake


class Host(TalkingHost):
    """Talks, and takes ratings and commands."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = _commands(FakeHost(asks=True))

    @property
    def commands(self) -> Sequence[Command]:
        return self.fake.commands

    async def mark(self, mark: Mark) -> Answer:
        return await self.fake.mark(mark)

    async def command(self, call: Call, reply: Reply | None = None) -> Answer:
        return await self.fake.command(call, reply)


@asynccontextmanager
async def theatre() -> AsyncGenerator[tuple[Stage, FakeHost, Message]]:
    """A platform that serves, with one reply of the avatar; the commands are known to Discord."""
    host = Host()
    async with stage(host) as it:
        await it.world.until(lambda: it.world.calls.get("PUT /applications/{application_id}/commands", 0))
        await it.asks("Why?")
        await it.replies()
        [reply] = it.general.of(it.world.bot)
        yield it, host.fake, reply


async def test_everything_that_can_be_pressed_typed_and_sent(tmp_path: Path) -> None:
    async with theatre() as (it, fake, reply):
        ada = it.ada
        thanks = await (await ada.clicks(reply, "👍")).reply()
        assert thanks.shown.startswith("Thanks — noted.")
        await ada.clicks(thanks, "What is kept?")
        await ada.clicks(thanks, "Yes")
        await it.world.until(lambda: thanks.shown == "Thank you: I may learn.")

        form = await ada.clicks(reply, "👎")
        assert form.modal is not None
        values = {"What was it?": "It is wrong", "In your words": "No.", "A better answer": "Because."}
        sent = await (await ada.submits(form, values)).reply()
        assert sent.shown == "Thanks — noted your comment."
        assert (fake.marks[-1].comment, fake.marks[-1].better) == ("wrong: No.", "Because.")

        await ada.clicks(reply, "🔁")
        await it.world.until(
            lambda: any(m.shown == "The same, said better." for m in it.general.of(it.world.bot))
        )

        assert [each["value"] for each in await ada.completes("bird show", "name", "o")] == ["owl", "otter"]
        shown = await (await ada.types_command("bird show", {"name": "owl"})).reply()
        assert (shown.shown, shown.ephemeral_for) == ("An owl.", ada)
        listed = await (await ada.types_command("bird list")).reply()
        assert [each.name for each in listed.attachments] == ["a.txt", "table.csv"]
        asked = await (await ada.types_command("bird free")).reply()
        await ada.clicks(asked, "Yes, go on")
        await it.world.until(lambda: asked.shown == "Gone.")
        public = await ada.types_command("bird all")
        await it.world.until(lambda: any(m.shown == "For everybody." for m in public.messages))

        stars = await ada.context_menu("Rate this reply", reply)
        await (await ada.submits(stars, {"How good is it?": "★★★★☆  good"})).reply()
        assert (fake.marks[-1].source, fake.marks[-1].stars) == ("stars", 4)
        mod = it.guild.member("Mod", permissions=Permission.MANAGE_MESSAGES)
        lesson = await mod.context_menu("Teach this as an example", reply)
        await (await mod.submits(lesson, {"The answer to imitate": "Because it is."})).reply()
        assert (fake.marks[-1].source, fake.marks[-1].better) == ("teach", "Because it is.")

        refused = await (await ada.types_command("check", forged=True)).reply()
        assert refused.shown.startswith("⚠️ `/check` is for")

        await ada.reacts(reply, "👎")
        await it.world.until(lambda: any("What was wrong" in m.shown for m in it.general.of(it.world.bot)))
        assert fake.marks[-1].source == "reaction:👎"
        await mod.clears_reactions(reply)
        await it.world.until(lambda: fake.marks[-1].clear)

        assert it.world.unknown_routes == []
        assert not any(message.pings for message in it.general.of(it.world.bot))
        await _keeps_the_contract(it, tmp_path)


async def _keeps_the_contract(it: Stage, folder: Path) -> None:
    """Judged by the contract's own checker, where that lies beside the checkout."""
    checker = ROOT.parent / "shared" / "contracts" / "check_contract.py"
    if not checker.exists():
        return
    recording = folder / "discord.jsonl"
    recording.write_text("\n".join(json.dumps(one) for one in it.world.api_exchanges))
    judged = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, checker, recording, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode in (0, 1), judged.stderr
    found = [json.loads(line) for line in judged.stdout.splitlines()]
    assert [one for one in found if not any(known in one["violation"] for known in KNOWN)] == []


async def test_an_old_button_works_after_a_restart_of_the_whole_platform() -> None:
    async with theatre() as (it, fake, reply):
        await it.stop()
        await it.start()
        thanks = await (await it.ada.clicks(reply, "👍")).reply()
        assert thanks.ephemeral_for is it.ada
        assert [mark.stars for mark in fake.marks] == [5]
        assert it.world.calls["PUT /applications/{application_id}/commands"] == 1
