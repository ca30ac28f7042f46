"""The interactive half before the real application: what is pressed is kept, learnt from, refused and noted down."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import Access, Message, Place, Spoken
from adapters.platforms.slack import controls
from adapters.platforms.slack.manifest import TEACH_MENU
from adapters.platforms.slack.options import Options
from storage import audit, clock, workspaces
from storage.database import Database
from tests.adapters.platforms.slack.interactive import ADMIN, MEMBER, World, world
from tests.bot.theatre import Scripted, Theatre, play
from tests.databases import empty_sqlite

__all__ = ["empty_sqlite"]

THUMBS: dict[str, Any] = controls.reply_blocks("e", Options())[0]["elements"][0]


@dataclass
class House:
    """A workspace in which the application talks."""

    there: World
    theatre: Theatre

    async def ask(self, text: str, *, person: str = MEMBER, ts: str = "8.000800") -> Spoken:
        """Somebody asks in a thread of the channel; the exchange, whose reply is posted."""
        me = self.there.wire.people.identity
        place = Place("slack", me.team_id, "C1", f"C1:{ts}", False, me.team_name)
        key = f"C1:{ts}"
        who = await self.there.wire.people.who_of(person)
        reply = self.there.reply_for(place, key, person)
        return await self.theatre.app.speak(Message(key, place, who, text, clock.now()), reply)

    @property
    def reply(self) -> dict[str, Any]:
        """The last reply as the person sees it."""
        last = next(
            each for each in reversed(self.there.slack.asked) if "context_actions" in json.dumps(each.said)
        )
        return {"ts": "9.000900", "thread_ts": "8.000800", "user": "U0", "bot_id": "B0", **last.said}

    async def thumb(self, value: str, *, person: str = MEMBER) -> None:
        """Somebody presses a thumb below the last reply."""
        await self.there.press(THUMBS, value=value, person=person, message=self.reply, thread="8.000800")

    async def noted_down(self) -> list[tuple[str, bool]]:
        """What was noted down of whoever tried what."""
        database = self.theatre.services.database
        team = self.there.wire.people.identity.team_id
        workspace = await database.read(lambda tx: workspaces.find(tx, "slack", team))
        assert workspace is not None
        entries = await database.read(lambda tx: audit.listed(tx, workspace.id, 100))
        return [(entry.action, entry.allowed) for entry in entries]


Open = Callable[[], AbstractAsyncContextManager[House]]


@pytest.fixture
def house(tmp_path: Path, empty_sqlite: Path) -> Open:
    """What opens one; time in it is the test's own."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[House]:
        shutil.copy(empty_sqlite, tmp_path / "understudy.db")
        database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'understudy.db'}")
        theatre = play(database, tmp_path, model=Scripted(pieces=("Six.",)))
        try:
            async with world(theatre.app, clock=clock.now) as there:
                yield House(there, theatre)
        finally:
            await theatre.app.close()

    return opened


async def test_a_thumb_is_kept_and_asks_for_consent_once(house: Open) -> None:
    async with house() as it:
        spoken = await it.ask("How many days has a week?")
        await it.thumb(f"up.{spoken.exchange_id}")
        asked = it.there.last
        assert asked.text.startswith("Thanks — noted 5 of 5.")
        assert "May I learn from what you write" in asked.text
        await it.there.press(asked.buttons["Yes"], thread="8.000800")
        assert it.there.last.text.startswith("Thank you")
        assert "`@Understudy /privacy withdraw`" in it.there.last.text
        await it.thumb(f"up.{spoken.exchange_id}")
        assert it.there.last.text == "Your rating is withdrawn."


async def test_the_question_comes_with_the_thanks_for_the_form(house: Open) -> None:
    async with house() as it:
        spoken = await it.ask("How many days has a week?")
        await it.thumb(f"down.{spoken.exchange_id}")
        assert it.there.form["title"]["text"] == "What was wrong?"
        better = {"type": "plain_text_input", "value": "Seven."}
        await it.there.send(it.there.form, better=better)
        asked = it.there.last
        assert "May I learn from what you write" in asked.text
        await it.there.press(asked.buttons["Yes"], thread="8.000800")
        assert it.there.last.text.startswith("Thank you: I have learnt what you just gave me")


async def test_a_form_that_is_closed_still_asks(house: Open) -> None:
    async with house() as it:
        spoken = await it.ask("How many days has a week?")
        await it.thumb(f"down.{spoken.exchange_id}")
        await it.there.send(it.there.form, kind="view_closed")
        assert it.there.last.text.startswith("Thanks — noted 1 of 5.")
        assert list(it.there.last.buttons) == ["Yes", "No", "What is kept?"]


async def test_a_reviewer_teaches_a_reply(house: Open) -> None:
    async with house() as it:
        await it.ask("How many days has a week?", person=ADMIN)
        await it.there.shortcut(TEACH_MENU, it.reply, person=ADMIN)
        assert it.there.form["blocks"][0]["element"]["initial_value"] == "Six."
        answer = {"type": "plain_text_input", "value": "Seven."}
        await it.there.send(it.there.form, person=ADMIN, answer=answer)
        assert "learnt" in it.there.last.text


async def test_every_command_above_a_member_is_refused_and_noted_down(house: Open) -> None:
    async with house() as it:
        guarded = [each for each in it.theatre.app.commands if each.access > Access.RATER]
        for command in guarded:
            await it.there.slash(command.name)
            assert "or above" in it.there.last.text or "is for" in it.there.last.text, command.name
        assert not it.there.slack.of("views.open")
        noted = await it.noted_down()
        assert {action for action, allowed in noted if not allowed} == {each.name for each in guarded}


async def test_an_avatar_is_made_by_a_form(house: Open) -> None:
    async with house() as it:
        await it.there.slash("avatar create name:Bob", person=ADMIN)
        prompt = {"type": "plain_text_input", "value": "You are Bob, a carpenter."}
        name = {"type": "plain_text_input", "value": "Bob"}
        await it.there.send(it.there.form, person=ADMIN, name=name, prompt=prompt)
        assert "Bob" in it.there.last.text
        await it.there.slash("avatar list", person=ADMIN)
        assert "Bob" in it.there.last.text


async def test_help_lists_what_one_may_do_as_it_is_given_here(house: Open) -> None:
    async with house() as it:
        await it.there.slash("")
        assert "- `/understudy rate` —" in it.there.last.text
        assert "avatar create" not in it.there.last.text
        await it.there.slash("help rate")
        assert it.there.last.text.startswith("`/understudy rate stars:…")


async def test_everything_of_mine_is_deleted_from_app_home(house: Open) -> None:
    async with house() as it:
        await it.ask("How many days has a week?")
        await it.there.event({"type": "app_home_opened", "user": MEMBER, "tab": "home"})
        buttons = {
            element["text"]["text"]: element
            for block in it.there.home["blocks"]
            if block["type"] == "actions"
            for element in block["elements"]
        }
        await it.there.press(buttons["Delete all of mine"], home=True)
        assert it.there.home["blocks"][0]["text"]["text"].startswith("Deleted: 1 exchange,")
