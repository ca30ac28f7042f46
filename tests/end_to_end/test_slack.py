"""What only the whole program on a whole Slack shows."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from adapters.platforms.base import Access, Answer, Call, Command, Param
from adapters.platforms.usage import Value, format_line
from bot.commands import every_command
from bot.services import Services
from storage import audit, exchanges, workspaces
from storage.database import Database
from tests.end_to_end import slack_story
from tests.end_to_end.slack_stage import Stage, Transport, set_stage
from tests.end_to_end.test_discord import ADMIN_COMMANDS
from tests.servers.openai import INVALID_KEY, Failure, Reply, hang
from tests.servers.slack import Message
from tests.servers.slack.ids import Json

WORDS = ["one ", "two ", "three ", "four"]
WHOLE = "one two three four"
TRANSPORTS: tuple[Transport, ...] = ("socket", "http")


def text_of(message: Message) -> str:
    """What the model said, without what stands below it."""
    return message.shown.split("\n[👍", 1)[0]


def line_of(command: str, values: dict[str, object]) -> str:
    """A command as somebody types it behind ``/understudy``."""
    declared = Command(command, "", _nothing, params=tuple(Param(name, "") for name in values))
    given: dict[str, Value] = {name: str(value) for name, value in values.items()}
    return format_line(declared, given).removeprefix("/")


async def _nothing(_call: Call) -> Answer:
    return Answer()


async def test_the_story_of_an_afternoon(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        story = await slack_story.play(stage)
        whole = slack_story.long_answer()
        assert text_of(story.direct) == "Yes, what can I do?"
        assert story.half
        assert whole.startswith(story.half.split("\n[", 1)[0].rstrip())
        assert text_of(story.first) == whole
        assert (story.first.thread_ts, text_of(story.second)) == (
            story.second.thread_ts,
            "That is no longer known.",
        )
        assert "What was wrong?" in story.form
        assert "May I learn from what you write" in story.thanks
        assert story.learnt.startswith("Thank you")
        assert text_of(story.last) == slack_story.BETTER
        assert "Your ratings and your privacy" in story.home
        assert "Model: openai:gpt-5-mini" in story.home
        assert "How things stand" not in story.home
        assert "How things stand" in story.admin_home
        assert not stage.slack.deliveries.acks.lost


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_comes_twice_or_is_not_acknowledged_is_answered_once(
    tmp_path: Path, transport: Transport
) -> None:
    settings = {"UNDERSTUDY_LIMITS__WAITING_MESSAGES": "500"}
    async with set_stage(tmp_path, settings, transport=transport) as stage:
        people = [stage.team.member(f"Person {number}") for number in range(5)]
        world, bot = stage.slack, stage.team.bot
        world.deliveries.twice, world.deliveries.unacked_every = True, 3
        stage.openai.otherwise = lambda question: Reply(["You said: ", question])
        wanted: Counter[str] = Counter()
        for number in range(30):
            person = people[number % 5]
            asked = await person.says(stage.channel, f"question {number}", mention=bot)
            if number % 3 == 0:
                await person.says(stage.channel, f"more on {number}", thread=asked, mention=bot)
                wanted[f"You said: more on {number}"] += 1
            if number % 5 == 0:
                await person.says(person.direct, f"in private {number}")
            wanted[f"You said: question {number}"] += 1

        def answered() -> Counter[str]:
            return Counter(text_of(each) for each in stage.public() if not each.streaming)

        await stage.comes(lambda: answered() == wanted)
        private = [person.direct for person in people]
        await stage.comes(lambda: sum(len(stage.said(each)) for each in private) == 6)
        await people[1].reacts(stage.public()[0], "thumbsup")
        form = await stage.form(await people[0].clicks(stage.public()[0], "Bad reply"))
        await people[0].submits(form, {"What was it?": "wrong"})
        await stage.comes(lambda: len(stage.said()) > len(stage.public()))
        await world.settled()
        assert world.deliveries.acks.redelivered > 10
        assert not world.deliveries.acks.lost
        assert not world.deliveries.acks.bad
        await stage.service.stop()  # replies that are still being given are finished first
        assert answered() == wanted
        (thanks,) = [each for each in stage.said() if each.ephemeral_for is not None]
        assert thanks.shown.startswith("Thanks — noted your comment.")
        assert sum(len(stage.said(each)) for each in private) == 6
        database = await stage.database()
        workspace = (await database.read(workspaces.listed))[0]
        kept = await database.read(lambda tx: exchanges.listed(tx, workspace.id, limit=100))
        assert Counter(each.status for each in kept) == {"complete": wanted.total() + 6}
        assert [each.ratings for each in kept if each.ratings] == [2]
        await database.close()


@pytest.mark.parametrize(
    "trouble",
    [
        "not in streaming state",
        "no recipient team",
        "slow down",
        "socket renewed",
        "socket lost",
        "answers lost",
    ],
)
async def test_a_stream_that_is_cut_still_ends_in_the_whole_text_once(tmp_path: Path, trouble: str) -> None:
    async with set_stage(tmp_path) as stage:
        ada, world = stage.team.member("Ada"), stage.slack
        pieces = [f"word {number} " for number in range(40)]
        pause = asyncio.Event()
        stage.openai.otherwise = lambda _question: Reply(pieces, pauses={20: pause})
        if trouble == "no recipient team":
            world.faults.answer("chat.startStream", "missing_recipient_team_id")
        await ada.says(stage.channel, "count", mention=stage.team.bot)
        growing = (await stage.comes(stage.said))[0]
        await stage.comes(lambda: "word 19" in growing.shown)
        opened = world.sockets.opened
        if trouble == "not in streaming state":
            world.expire_streams()
        elif trouble == "slow down":
            for method in ("chat.appendStream", "chat.stopStream", "chat.update"):
                world.faults.answer(method, 429, retry_after=0.3)
        elif trouble == "socket renewed":
            world.disconnect()
        elif trouble == "socket lost":
            world.drop_sockets()
        elif trouble == "answers lost":
            world.faults.lose("chat.appendStream")
            world.faults.lose("chat.stopStream")
        pause.set()
        final = await stage.replied()
        assert text_of(final) == "".join(pieces).strip()
        assert stage.said() == [final]
        if trouble.startswith("socket"):
            await stage.comes(lambda: world.sockets.opened > opened)
        await ada.says(stage.channel, "again", mention=stage.team.bot)
        await stage.replied(2)
        assert len(stage.said()) == 2


async def test_what_is_forged_old_or_of_another_workspace_is_refused(tmp_path: Path) -> None:
    async with set_stage(tmp_path, transport="http") as stage:
        ada, world = stage.team.member("Ada"), stage.slack
        others = world.team("Bees")
        sven = others.member("Sven", admin=True)
        event = {
            "type": "app_mention",
            "user": ada.id,
            "channel": stage.channel.id,
            "ts": world.times(),
            "text": f"{stage.team.bot.mention} do you hear me?",
        }
        body = world.event_body(stage.team, event)
        assert (await world.endpoint.send(body, forged=True)).status == 401
        assert (await world.endpoint.send(body, signature="v0=")).status == 401
        assert (await world.endpoint.send(body, age_s=600)).status == 401
        assert (await world.endpoint.send(body, age_s=-600)).status == 401
        hive = others.channel("hive")
        await sven.says(hive, "do you hear me?", mention=others.bot)
        world.uninstall(others)  # which puts the avatar out of no workspace but that
        asked = await sven.slash("/understudy", "stats", hive)
        assert (asked.failure, asked.text) == ("dispatch_failed", "")
        # What was said is told as a message and as a mention.
        await stage.logged("event of another workspace refused", 5)
        await ada.says(stage.channel, "do you hear me?", mention=stage.team.bot)
        await stage.replied()
        await world.settled()
        assert world.deliveries.acks.redelivered == 0
        assert len(stage.said()) == 1
        assert not hive.of(others.bot)
        await stage.service.stop()
        database = await stage.database()
        (workspace,) = await database.read(workspaces.listed)
        assert workspace.key == stage.team.id
        kept = await database.read(lambda tx: exchanges.listed(tx, workspace.id, limit=10))
        assert [each.user_text for each in kept] == ["do you hear me?"]
        assert "workspace left" not in stage.service.log
        await database.close()


async def test_who_is_no_admin_is_refused_each_admin_command_and_it_is_written_down(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        mallory, root = stage.team.member("Mallory"), stage.team.member("Root", admin=True)
        known = every_command(cast("Services", None))
        wanted = {
            each.name: ADMIN_COMMANDS.get(each.name, {}) for each in known if each.access > Access.RATER
        }
        assert set(ADMIN_COMMANDS) <= set(wanted)
        for command, values in wanted.items():
            asked = await stage.gives(mallory, line_of(command, values))
            assert "or above; you are" in asked.text, (command, asked.text)
            assert all(each.ephemeral_for is mallory for each in asked.replies), command
        assert "or above; you are" not in (await stage.gives(root, "check")).text
        await stage.service.stop()
        database = await stage.database()
        workspace = (await database.read(workspaces.listed))[0]
        entries = await database.read(lambda tx: audit.listed(tx, workspace.id, limit=100))
        assert {each.action for each in entries if not each.allowed} == set(wanted)
        await database.close()


async def test_who_is_an_admin_is_looked_up_for_every_command(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        olga = stage.team.member("Former", admin=True)
        assert "or above; you are" not in (await stage.gives(olga, "models")).text
        olga.admin = False
        assert "or above; you are" in (await stage.gives(olga, "models")).text


async def test_what_a_model_writes_pings_nobody(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        ada = stage.team.member("Ada")
        crew = stage.team.user_group("crew", ada)
        text = f"Hey <!channel>, <!here>, @here, {ada.mention}, <!subteam^{crew.id}> and @everyone, wake up! "
        pause = asyncio.Event()
        stage.openai.otherwise = lambda _question: Reply([text] * 40, pauses={20: pause})
        pinged: list[Message] = []

        def watch(message: Message) -> None:
            if message.author is stage.team.bot and message.pings:
                pinged.append(message)

        stage.slack.watchers.append(watch)
        await ada.says(stage.channel, "ping us all", mention=stage.team.bot)
        await stage.comes(stage.said)
        pause.set()
        final = await stage.replied()
        await ada.says(ada.direct, "ping us all")
        await stage.replied(where=ada.direct)
        assert final.shown.count("wake up!") == 40
        assert pinged == []


@pytest.mark.parametrize("moment", ["before the first word", "in the middle", "after the last word"])
async def test_killed_at_any_moment_it_answers_once_after_the_next_start(tmp_path: Path, moment: str) -> None:
    async with set_stage(tmp_path) as stage:
        ada, bot = stage.team.member("Ada"), stage.team.bot
        await ada.says(stage.channel, "warm up", mention=bot)
        await stage.replied()
        pause = asyncio.Event()
        at = {"before the first word": 0, "in the middle": 2, "after the last word": 4}[moment]
        stage.openai.otherwise = lambda _question: Reply(WORDS, pauses={at: pause})
        stage.openai.asked.clear()
        await ada.says(stage.channel, "count", mention=bot)
        await asyncio.wait_for(stage.openai.asked.wait(), 10)
        if at:
            await stage.comes(lambda: len(stage.said()) == 2)
        await stage.service.kill()
        pause.set()
        stage.openai.otherwise = lambda _question: Reply(WORDS)
        await stage.start()
        final = await stage.replied(2)
        assert text_of(final) == WHOLE
        assert len(stage.said()) == 2
        await stage.service.stop()
        assert len(stage.said()) == 2
        database = await stage.database()
        workspace = (await database.read(workspaces.listed))[0]
        kept = await database.read(lambda tx: exchanges.listed(tx, workspace.id, limit=10))
        assert [(each.status, each.holder, each.user_text) for each in kept] == [
            ("complete", "", "count"),
            ("complete", "", "warm up"),
        ]
        await database.close()


async def test_what_was_said_while_it_was_away_is_answered_once(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        ada, bot = stage.team.member("Ada"), stage.team.bot
        await stage.service.stop()
        await ada.says(stage.channel, "hello?", mention=bot)
        await ada.says(stage.channel, "nobody is meant by this")
        await ada.says(ada.direct, "anybody?")
        await stage.start()
        await stage.replied()
        await stage.replied(where=ada.direct)
        await stage.slack.settled()
        await stage.service.stop()
        assert (len(stage.said()), len(stage.said(ada.direct))) == (1, 1)


@pytest.mark.parametrize(
    ("failure", "person", "admin"),
    [
        (INVALID_KEY, "does not accept the key", "Give me a key that is valid"),
        (None, "cannot be reached right now", "models.fallback"),
    ],
    ids=["wrong key", "hangs"],
)
async def test_what_person_and_admin_read_when_a_vendor_fails(
    tmp_path: Path, failure: Failure | None, person: str, admin: str
) -> None:
    async with set_stage(tmp_path, {"UNDERSTUDY_MODELS__FIRST_SECONDS": "0.3"}) as stage:
        root, ada = stage.team.member("Root", admin=True), stage.team.member("Ada")
        office = stage.team.channel("office")
        chosen = await stage.gives(root, "notices here", office)
        before = len(stage.said(office))
        assert chosen.text
        stage.openai.otherwise = lambda _question: failure or hang()
        await ada.says(stage.channel, "hello?", mention=stage.team.bot)
        told = await stage.replied()
        assert person in told.shown
        assert "Reference" in told.shown
        warned = (await stage.comes(lambda: stage.said(office)[before:]))[0]
        assert admin in warned.shown
        assert "sk-" not in told.shown + warned.shown
        await ada.says(stage.channel, "still?", mention=stage.team.bot)
        await stage.replied(2)
        assert len(stage.said(office)) == before + 1  # once an hour is enough


ASKS = (
    *("examples list", "stats", "history", "avatar list", "prompt show"),
    *("privacy show", "models", "why", "check"),
)


async def seen_by_owner(stage: Stage, reply: Message) -> str:
    """Everything that an admin is told of their workspace, in a channel, below a reply, in a file and at home."""
    owner = stage.team.owner
    told = [(await stage.gives(owner, line)).text for line in ASKS]
    before = len(stage.said())
    await owner.says(stage.channel, "/history", mention=stage.team.bot, thread=reply)
    told.append((await stage.comes(lambda: stage.said()[before:]))[0].shown)
    told.append((await stage.gives(owner, "export")).text)
    exported = [file for each in stage.said(owner.direct) for file in each.files]
    told += [file.data.decode() for file in exported]
    await owner.opens_home()
    told.append((await stage.comes(lambda: owner.home)).shown)
    return "\n".join(told)


def thumbs_of(message: Message) -> Json:
    """The two thumbs below a reply."""
    return next(element for _, element in message.elements if element["type"] == "feedback_buttons")


async def test_two_workspaces_in_one_database_see_nothing_of_each_other(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'shared.db'}"
    shared = {"UNDERSTUDY_STORAGE__URL": url}
    async with (
        set_stage(tmp_path / "birds", shared) as birds,
        set_stage(tmp_path / "bees", shared, team_name="Bees") as bees,
    ):
        assert birds.team.id != bees.team.id
        ada, olga = birds.team.member("Ada"), birds.team.owner
        await ada.says(birds.channel, "What is the nectarine?", mention=birds.team.bot)
        first = await birds.replied()
        await ada.clicks(first, "Good reply")
        await birds.comes(lambda: [each for each in birds.said() if each.shown.startswith("Thanks")])
        pond = birds.team.channel("pond")
        for line in (
            "privacy consent",
            line_of("examples add", {"question": "Where is the plover?", "answer": "In the heron house."}),
            line_of("avatar create", {"name": "Curlew", "prompt": "You wade."}),
        ):
            await birds.gives(olga, line)
        await birds.gives(olga, "avatar use Curlew", pond)
        await birds.gives(olga, "privacy policy opt-out")

        bea = bees.team.member("Bea")
        question = "Where is the plover?"
        await bea.says(bees.channel, question, mention=bees.team.bot)
        answer = await bees.replied()
        assert "heron" not in answer.shown
        prompts = json.dumps(bees.openai.exchanges[-1])
        words = ("heron", "Curlew", "wade", "nectarine", "Birds")
        assert not [word for word in words if word in prompts]
        theirs = await seen_by_owner(birds, first)
        assert not [word for word in ("plover", "heron", "Curlew", "nectarine") if word not in theirs]
        assert "5.00 of 5" in theirs
        seen = await seen_by_owner(bees, answer)
        assert question in seen
        assert not [word for word in (*words, "5.00 of 5") if word in seen]
        assert "nothing you write is learnt from before you say yes" in seen

        # Who knows what a button carries in the one finds nothing by it in the other.
        good = thumbs_of(first)["positive_button"]["value"]
        exchange = good.removeprefix("up.")
        for line in (f"why exchange:{exchange}", f"rate 1 exchange:{exchange}"):
            assert "There is no exchange" in (await bees.gives(bees.team.owner, line)).text
        thumbs_of(answer)["positive_button"]["value"] = good
        await bea.clicks(answer, "Good reply", good)
        await bees.comes(lambda: "I do not remember that reply" in bees.said()[-1].shown)

        database = await Database.open(url)
        rows = {each.key: each.id for each in await database.read(workspaces.listed)}
        assert set(rows) == {birds.team.id, bees.team.id}
        for team, asked, ratings in ((birds.team, "What is the nectarine?", 1), (bees.team, question, 0)):
            kept = await database.read(lambda tx, team=team: exchanges.listed(tx, rows[team.id], limit=10))
            assert [(each.user_text, each.ratings) for each in kept] == [(asked, ratings)]
        noted = await database.read(lambda tx: audit.listed(tx, rows[bees.team.id], limit=100))
        assert {each.action for each in noted} <= {"export"}
        await database.close()


async def test_the_check_names_a_missing_scope_and_a_wrong_token(tmp_path: Path) -> None:
    async with set_stage(tmp_path, start=False) as stage:
        code, printed = await stage.service.command("check")
        assert code == 0, printed
        stage.slack.scopes.discard("reactions:read")
        code, printed = await stage.service.command("check")
        assert code == 1
        assert "The scope reactions:read is missing" in " ".join(printed.split())
        await stage.start()  # who mentions it is answered all the same
        await stage.team.member("Ada").says(stage.channel, "hello?", mention=stage.team.bot)
        await stage.replied()
        await stage.service.stop()
        stage.slack.app_token = "xapp-another"
        code, printed = await stage.service.command("check")
        assert code == 1
        assert "SLACK_APP_TOKEN" in printed
        stage.team.token = "xoxb-another"
        code, printed = await stage.service.command("check")
        assert code == 1
        assert "SLACK_BOT_TOKEN" in printed
        await stage.service.start()
        assert await stage.service.ended() == 2
        (sentence,) = stage.service.errors.read_text().splitlines()
        assert "SLACK_BOT_TOKEN" in sentence


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_manifest_asks_for_what_is_used(tmp_path: Path, transport: Transport) -> None:
    async with set_stage(tmp_path, transport=transport, start=False) as stage:
        code, printed = await stage.service.command("slack", "manifest")
        assert code == 0
        made = json.loads(printed)
        stage.slack.install(made)
        assert made["settings"]["socket_mode_enabled"] is (transport == "socket")
        assert ("request_url" in made["settings"]["event_subscriptions"]) is (transport == "http")
        assert stage.slack.commands == {"/understudy", "/finetune"}
        code, checked = await stage.service.command("check")
        assert code == 0, checked
        assert re.search(r"Every scope is there", " ".join(checked.split()))
