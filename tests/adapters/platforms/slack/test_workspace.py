"""The interactive half in a whole Slack: the platform with the real application, as our own manifest installs it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from adapters.platforms.base import Access
from adapters.platforms.slack import manifest
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.platform import Slack
from adapters.platforms.slack.tempo import Tempo
from storage import clock
from storage.database import Database
from tests.bot.theatre import Scripted, Theatre, play
from tests.databases import empty_sqlite
from tests.servers.slack import Channel, Member, Message, SlackServer

__all__ = ["empty_sqlite"]

TEMPO = Tempo(touch=0.05, retry=0.02, patience=5.0, call=5.0, grace=5.0, ping=0.5)
Transport = Literal["socket", "http"]


@dataclass
class House:
    """A workspace with an owner, two members and a channel, in which the application talks."""

    world: SlackServer
    theatre: Theatre
    general: Channel
    ann: Member
    bea: Member
    olga: Member = field(init=False)

    def __post_init__(self) -> None:
        self.olga = self.world.team().owner

    def told(self, person: Member, channel: Channel | None = None) -> list[Message]:
        """What the avatar said that this person sees, oldest first."""
        seen = (channel or self.general).seen_by(person)
        return [each for each in seen if each.author is self.world.bot]

    async def answer(self, person: Member, begins: str, channel: Channel | None = None) -> Message:
        """Wait for something that begins so."""

        def found() -> list[Message]:
            return [each for each in self.told(person, channel) if each.shown.startswith(begins)]

        await self.world.until(found, 5)
        return found()[-1]

    async def ask(self, person: Member) -> Message:
        """Ask something in the channel; the reply, with its buttons."""
        await person.says(self.general, "How many days has a week?", mention=self.world.bot)

        def rated() -> list[Message]:
            return [each for each in self.told(person) if "Good reply" in each.labels]

        await self.world.until(rated, 5)
        return rated()[-1]


Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house(tmp_path: Path, empty_sqlite: Path) -> Open:
    """What opens one; nothing that Slack refuses for want of a scope, or does not know, goes unnoticed."""

    @asynccontextmanager
    async def opened(transport: Transport = "socket") -> AsyncGenerator[House]:
        shutil.copy(empty_sqlite, tmp_path / "understudy.db")
        database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'understudy.db'}")
        theatre = play(database, tmp_path, model=Scripted(pieces=("Six.",)))
        async with SlackServer() as world:
            options = Options(api_url=world.api_url, edit_seconds=0.02, transport=transport, http_port=0)
            world.install(manifest.manifest(theatre.app.commands, options))
            team = world.team()
            general = team.channel("general")
            ann, bea = team.member("Ann"), team.member("Bea")
            platform = Slack(
                world.bot_token, world.app_token, world.signing_secret, options, clock.now, tempo=TEMPO
            )
            running = asyncio.create_task(platform.run(theatre.app, theatre.app))
            try:
                if transport == "socket":
                    await world.connected()
                else:
                    async with asyncio.timeout(30):
                        while not platform.port:
                            await asyncio.sleep(0)
                    await world.endpoint.use(f"http://127.0.0.1:{platform.port}{manifest.PATH}")
                yield House(world, theatre, general, ann, bea)
                await world.settled()
                assert not world.deliveries.acks.bad
                assert not world.unknown_methods
            finally:
                await platform.close()
                await asyncio.gather(running, return_exceptions=True)
                await theatre.app.close()

    return opened


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_a_slash_command_is_answered_to_the_person_alone(house: Open, transport: Transport) -> None:
    async with house(transport) as it:
        asked = await it.ann.slash("/understudy", "", it.general)
        await it.world.until(lambda: asked.replies)
        assert "- `/understudy rate` —" in asked.text
        assert asked.replies[0].ephemeral_for is it.ann
        assert it.told(it.bea) == []


async def test_a_thumb_up_and_the_question_for_consent(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        await it.ann.clicks(reply, "Good reply")
        asked = await it.answer(it.ann, "Thanks — noted 5 of 5.")
        assert asked.ephemeral_for is it.ann
        assert asked.thread_ts == reply.thread_ts
        await it.ann.clicks(asked, "Yes")
        await it.world.until(lambda: asked.shown.startswith("Thank you"))
        assert asked.labels == []
        assert it.told(it.bea) == [reply]
        await it.ann.clicks(reply, "Good reply")
        await it.answer(it.ann, "Your rating is withdrawn.")


async def test_a_thumb_down_opens_the_form_whose_thanks_carry_the_question(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        pressed = await it.ann.clicks(reply, "Bad reply")
        await it.world.until(lambda: pressed.modal)
        form = pressed.modal
        assert form is not None
        assert "== What was wrong? ==" in form.shown
        await it.ann.submits(form, {"What was it?": "wrong", "A better answer": "Seven."})
        asked = await it.answer(it.ann, "Thanks — noted your comment.")
        assert "May I learn" in asked.shown
        assert {"Yes", "No", "What is kept?"} <= set(asked.labels)


async def test_a_form_closed_unsent_is_thanked_for(house: Open) -> None:
    async with house() as it:
        pressed = await it.ann.clicks(await it.ask(it.ann), "Bad reply")
        await it.world.until(lambda: pressed.modal)
        assert pressed.modal is not None
        await it.ann.closes(pressed.modal)
        assert "May I learn" in (await it.answer(it.ann, "Thanks — noted 1 of 5.")).shown


async def test_a_reply_is_given_again_below_it(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        await it.ann.clicks(reply, "↻ Try again")
        await it.world.until(lambda: len(it.told(it.ann)) == 2)
        again = it.told(it.ann)[-1]
        assert again.thread_ts == reply.thread_ts


async def test_a_reaction_counts_and_is_taken_back(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        await it.ann.reacts(reply, "thumbsup")
        stars = "- **Ratings:** 1 exchange rated, 5.00 of 5"

        async def rated() -> str:
            asked = await it.olga.slash("/understudy", "stats", it.general)
            await it.world.until(lambda: asked.replies)
            return asked.text

        async with asyncio.timeout(30):
            # A reply is seen a moment before it is noted down in which message it is.
            while stars not in await rated():
                await it.ann.unreacts(reply, "thumbsup")
                await it.ann.reacts(reply, "thumbsup")
            await it.ann.unreacts(reply, "thumbsup")
            while stars in await rated():
                continue


async def test_shortcuts_rate_and_teach(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        chosen = await it.ann.shortcut("Rate this reply", reply)
        await it.world.until(lambda: chosen.modal)
        assert chosen.modal is not None
        await it.ann.submits(chosen.modal, {"How good is it?": "4"})
        await it.answer(it.ann, "Thanks — noted 4 of 5.")
        refused = await it.ann.shortcut("Teach this as an example", reply)
        await it.answer(it.ann, "⚠️ `")
        assert refused.modal is None
        taught = await it.olga.shortcut("Teach this as an example", reply)
        await it.world.until(lambda: taught.modal)
        assert taught.modal is not None
        assert "Six." in taught.modal.shown
        await it.olga.submits(taught.modal, {"The answer to imitate": "Seven."})
        await it.world.until(lambda: any("learn" in each.shown for each in it.told(it.olga)))


async def test_what_is_missing_is_asked_in_a_form_and_mistakes_are_shown_there(house: Open) -> None:
    async with house() as it:
        asked = await it.olga.slash("/understudy", "avatar create name:Bob", it.general)
        await it.world.until(lambda: asked.modal)
        form = asked.modal
        assert form is not None
        assert "[Bob]" in form.shown
        await it.olga.submits(form, {"Prompt": "You are Bob, a carpenter."})
        await it.answer(it.olga, "Bob")
        numbered = await it.olga.slash("/understudy", "examples remove", it.general)
        await it.world.until(lambda: numbered.modal)
        assert numbered.modal is not None
        sent = await it.olga.submits(numbered.modal, {"Number": "one"})
        assert list(sent.errors) == ["in.number"]
        assert not numbered.modal.closed


async def test_in_a_thread_a_command_is_said(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        await it.ann.says(it.general, "/rate 4", mention=it.world.bot, thread=reply)
        noted = await it.answer(it.ann, "Thanks — noted 4 of 5.")
        assert (noted.ephemeral_for, noted.thread_ts) == (it.ann, reply.thread_ts)
        await it.ann.says(it.general, "help", mention=it.world.bot, thread=reply)
        listed = await it.answer(it.ann, "- `@understudy /help`")
        assert listed.thread_ts == reply.thread_ts


async def test_where_it_answers_everything_a_mention_still_gives_commands(house: Open) -> None:
    async with house() as it:
        await it.olga.slash("/understudy", "avatar use Guide always_on:yes", it.general)
        await it.answer(it.olga, "From now on Guide answers here.")
        await it.ann.says(it.general, "/privacy show", mention=it.world.bot)
        shown = await it.answer(it.ann, "What you say and what is answered is kept")
        assert shown.ephemeral_for is it.ann
        await it.ann.says(it.general, "help rate", mention=it.world.bot)
        explained = await it.answer(it.ann, "`/understudy rate stars:…")
        assert explained.ephemeral_for is it.ann


@pytest.mark.parametrize("private", [False, True])
async def test_where_it_is_not_it_says_how_it_comes(house: Open, private: bool) -> None:
    note = "I am not in this channel, so I neither hear nor say anything here: `/invite @understudy` brings me in."
    async with house() as it:
        away = it.world.team().channel("away", private=private, bot=False, members=[it.olga])
        asked = await it.olga.slash("/understudy", "avatar use Guide always_on:yes", away)
        await it.world.until(lambda: note in asked.text)
        assert asked.text.startswith("From now on Guide answers here.")
        asked = await it.olga.slash("/understudy", "help", it.general)
        await it.world.until(lambda: asked.replies)
        assert note not in asked.text
        await it.olga.invites(it.world.bot, away)
        await it.world.until(
            lambda: any("Hello, I am Guide" in each.shown for each in it.told(it.olga, away))
        )
        asked = await it.olga.slash("/understudy", "why", away)
        await it.world.until(lambda: asked.replies)
        assert note not in asked.text


async def test_help_with_fine_tuning_is_for_who_may_do_it(house: Open) -> None:
    async with house() as it:
        for person, begins in (
            (it.olga, "- `/finetune build` —"),
            (it.ann, "⚠️ `/finetune build` is for a trainer"),
        ):
            for text in ("", "help"):
                asked = await person.slash("/finetune", text, it.general)
                await it.world.until(lambda asked=asked: asked.replies)
                assert asked.text.startswith(begins)
        asked = await it.olga.slash("/finetune", "help launch", it.general)
        await it.world.until(lambda: asked.replies)
        assert asked.text.startswith("`/finetune launch dataset:…")


async def test_what_cannot_be_undone_is_asked_and_answered_in_its_place(house: Open) -> None:
    async with house() as it:
        await it.ask(it.ann)
        asked = await it.ann.slash("/understudy", "privacy delete", it.general)
        await it.world.until(lambda: asked.replies)
        [question] = asked.replies
        assert question.labels == ["Yes, go on", "Cancel"]
        await it.ann.clicks(question, "Yes, go on")
        await it.world.until(lambda: question.shown.startswith("Deleted: 1 exchange,"))


async def test_a_file_comes_by_direct_message(house: Open) -> None:
    async with house() as it:
        asked = await it.olga.slash("/understudy", "export", it.general)
        await it.world.until(lambda: "direct messages" in asked.text)
        [handed] = [each for each in it.told(it.olga, it.olga.direct) if each.files]
        assert handed.files[0].name.endswith(".jsonl")


async def test_every_command_above_a_member_is_refused_in_a_sentence(house: Open) -> None:
    async with house() as it:
        for command in it.theatre.app.commands:
            if command.access > Access.RATER:
                asked = await it.ann.slash("/understudy", command.name, it.general)
                await it.world.until(lambda asked=asked: asked.replies or asked.modal)
                assert asked.text.startswith(("⚠️ `/understudy", "⚠️ `/finetune")), command.name
                assert "or above; you are" in asked.text, command.name
                assert asked.modal is None


async def test_app_home_shows_and_changes_what_was_agreed_to(house: Open) -> None:
    async with house() as it:
        await it.ann.opens_home()
        await it.world.until(lambda: it.ann.home)
        home = it.ann.home
        assert home is not None
        assert "# Hello, I am Guide" in home.shown
        assert "How things stand" not in home.shown
        await it.ann.clicks(home, "You may learn from me")
        await it.world.until(lambda: home.shown.startswith("Thank you"))
        assert "Take my yes back" in home.labels
        await it.ann.clicks(home, "Take my yes back")
        await it.world.until(lambda: home.shown.startswith("Your agreement is taken back"))


async def test_app_home_is_where_admins_look(house: Open) -> None:
    async with house() as it:
        await it.olga.opens_home()
        await it.world.until(lambda: it.olga.home)
        home = it.olga.home
        assert home is not None
        assert "# How things stand" in home.shown
        assert (
            "*Datasets*\nnone yet\n*Training runs*\nnone yet\n*Releases*\n1 · `scripted:one` answers"
            in home.shown
        )
        await it.olga.clicks(home, "Runs")
        await it.world.until(lambda: home.shown.startswith("There is no training run yet"))
        await it.olga.clicks(home, "Avatars")
        await it.world.until(lambda: "I have answered under *Messages*." in home.shown)
        assert any("Guide" in each.shown for each in it.told(it.olga, it.olga.direct))
        asked = await it.olga.clicks(home, "New avatar …")
        await it.world.until(lambda: asked.modal)
        assert asked.modal is not None
        await it.olga.submits(asked.modal, {"Name": "Bob", "Prompt": "You are Bob."})
        await it.answer(it.olga, "Bob", it.olga.direct)


async def test_the_other_slash_command_answers(house: Open) -> None:
    async with house() as it:
        asked = await it.ann.slash("/finetune", "datasets", it.general)
        await it.world.until(lambda: asked.replies)
        assert asked.text.startswith("⚠️ `/finetune datasets` is for a trainer or above")


async def test_somebody_elses_question_is_not_answered_for_them(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        await it.ann.clicks(reply, "Good reply")
        asked = await it.answer(it.ann, "Thanks — noted 5 of 5.")
        asked.ephemeral_for = None  # as though it stood there for all to see
        await it.bea.clicks(asked, "Yes")
        await it.answer(it.bea, "This question is for somebody else.")


async def test_a_busy_slack_is_waited_for(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        it.world.faults.answer("chat.postEphemeral", 429, retry_after=0.01, times=2)
        await it.ann.clicks(reply, "Good reply")
        await it.answer(it.ann, "Thanks — noted 5 of 5.")
        assert it.told(it.ann, it.ann.direct) == []


async def test_where_nobody_can_be_told_alone_they_are_told_directly(house: Open) -> None:
    async with house() as it:
        reply = await it.ask(it.ann)
        it.world.faults.answer("chat.postEphemeral", error="user_not_in_channel", times=None)
        it.world.faults.answer("response_url", 500, times=None)
        await it.ann.clicks(reply, "Good reply")
        await it.answer(it.ann, "Thanks — noted 5 of 5.", it.ann.direct)


async def test_who_was_just_made_an_admin_is_one_and_who_is_none_any_more_is_none(house: Open) -> None:
    async with house() as it:
        refused = await it.ann.slash("/understudy", "examples remove 1", it.general)
        await it.world.until(lambda: refused.replies)
        it.ann.admin = True
        asked = await it.ann.slash("/understudy", "examples remove 1", it.general)
        await it.world.until(lambda: asked.replies)
        [question] = asked.replies
        assert question.labels == ["Yes, go on", "Cancel"]
        it.ann.admin = False
        await it.ann.clicks(question, "Yes, go on")
        await it.world.until(lambda: question.shown.startswith("⚠️ `/understudy examples remove` is for"))


async def test_what_is_told_twice_counts_once(house: Open) -> None:
    async with house() as it:
        it.world.deliveries.twice = True
        reply = await it.ask(it.ann)
        await it.ann.reacts(reply, "thumbsdown")
        await it.ann.opens_home()
        await it.world.until(lambda: it.ann.home)
        assert len([each for each in it.told(it.ann) if "Good reply" in each.labels]) == 1
