"""Thumbs, forms, shortcuts and reactions: what people think of a reply arrives as they mean it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Answer, Mark
from adapters.platforms.slack import controls, forms
from adapters.platforms.slack.emoji import NAMES, plain
from adapters.platforms.slack.manifest import RATE_MENU, TEACH_MENU
from adapters.platforms.slack.options import Options
from tests.adapters.platforms.discord.interactive import EXCHANGE, NOW, FakeHost, brief
from tests.adapters.platforms.slack.interactive import ADMIN, MEMBER, ROBOT, World, world

BLOCKS = controls.reply_blocks(EXCHANGE, Options())
[THUMBS], [AGAIN] = BLOCKS[0]["elements"], BLOCKS[1]["elements"]
REPLY: dict[str, Any] = {
    "ts": "9.000900",
    "thread_ts": "8.000800",
    "user": "U0",
    "bot_id": "B0",
    "text": "So it is &amp; so it stays.",
    "blocks": BLOCKS,
}
UP, DOWN = f"up.{EXCHANGE}", f"down.{EXCHANGE}"


async def thumb(there: World, value: str, **more: Any) -> None:
    await there.press(THUMBS, value=value, message=REPLY, thread="8.000800", **more)


async def test_a_thumb_up_is_five_stars_and_the_same_again_takes_it_back() -> None:
    host = FakeHost()
    async with world(host) as there:
        await thumb(there, UP)
        assert brief(host.marks[-1]) == ("stars", 5, None, None)
        assert host.marks[-1].exchange_id == EXCHANGE
        assert host.marks[-1].place.conversation == "C1:8.000800"
        told = there.last
        assert (told.method, told.said["user"], told.said["thread_ts"]) == (
            "chat.postEphemeral",
            MEMBER,
            "8.000800",
        )
        assert told.text == "Thanks — noted 5 of 5."
        await thumb(there, UP)
        assert [brief(mark)[1] for mark in host.marks] == [5, 5, None]
        assert there.last.text == "Your rating is withdrawn."


async def test_a_question_for_consent_is_not_lost_to_a_thumb_taken_back() -> None:
    host = FakeHost()
    async with world(host) as there:
        await thumb(there, UP)
        host.asks = True
        await thumb(there, UP)
        assert list(there.last.buttons) == ["Yes", "No", "What is kept?"]
        assert [mark.stars for mark in host.marks] == [5, 5]


async def test_a_press_that_is_delivered_twice_counts_once() -> None:
    host = FakeHost()
    async with world(host) as there:
        for _ in range(2):
            await thumb(there, UP, trigger_id="1.same")
        assert [mark.stars for mark in host.marks] == [5]


async def test_a_thumb_down_opens_the_form_first_and_asks_nothing_behind_it() -> None:
    host = FakeHost(asks=True)
    async with world(host) as there:
        await thumb(there, DOWN)
        assert there.form["callback_id"] == forms.RATED
        assert there.form["title"]["text"] == "What was wrong?"
        [mark] = host.marks
        assert (mark.stars, mark.askable) == (1, False)
        assert not there.slack.of("chat.postEphemeral")


async def test_the_thanks_for_the_form_carry_the_question() -> None:
    host = FakeHost(asks=True)
    async with world(host) as there:
        await thumb(there, DOWN)
        answer = await there.send(
            there.form,
            reason={"type": "radio_buttons", "selected_option": {"value": "wrong"}},
            comment={"type": "plain_text_input", "value": "It is 42."},
            better={"type": "plain_text_input", "value": "42"},
        )
        assert answer == ""
        assert brief(host.marks[-1]) == ("form", None, "wrong: It is 42.", "42")
        assert host.marks[-1].askable
        assert "May I learn" in there.last.text
        assert list(there.last.buttons) == ["Yes", "No", "What is kept?"]
        assert there.last.said["thread_ts"] == "8.000800"


async def test_a_form_closed_unsent_is_thanked_for_too() -> None:
    host = FakeHost()
    async with world(host) as there:
        await thumb(there, DOWN)
        await there.send(there.form, kind="view_closed")
        assert host.marks[-1].askable
        assert there.last.text == "Your rating is 1 of 5."


async def test_a_form_closed_at_once_waits_for_the_rating_that_opened_it() -> None:
    written, pressed = asyncio.Event(), asyncio.Event()

    class Slow(FakeHost):
        async def mark(self, mark: Mark) -> Answer:
            if not mark.askable:
                pressed.set()
                await written.wait()
            return await super().mark(mark)

    host = Slow()
    async with world(host) as there:
        opening = asyncio.create_task(thumb(there, DOWN))
        await pressed.wait()
        while not there.slack.of("views.open"):
            await asyncio.sleep(0)
        closing = asyncio.create_task(there.send(there.form, kind="view_closed"))
        while len(there.wire.giving) < 2:
            await asyncio.sleep(0)
        written.set()
        await asyncio.gather(opening, closing)
        assert [mark.askable for mark in host.marks] == [False, True]
        [told] = there.slack.of("chat.postEphemeral")
        assert not told.buttons


async def test_an_empty_form_adds_nothing() -> None:
    host = FakeHost()
    async with world(host) as there:
        await thumb(there, DOWN)
        await there.send(there.form, comment={"type": "plain_text_input", "value": "  "})
        assert len(host.marks) == 1
        assert there.last.text == "Nothing was added. Your rating stands as it was."


async def test_a_second_thumb_down_takes_it_back_without_a_form() -> None:
    host = FakeHost()
    async with world(host) as there:
        await thumb(there, DOWN)
        await thumb(there, DOWN)
        assert len(there.slack.of("views.open")) == 1
        assert there.last.text == "Your rating is withdrawn."


async def test_a_thumb_down_from_before_a_restart_can_be_taken_back_by_a_button() -> None:
    host = FakeHost()
    async with world(host) as there:
        await thumb(there, DOWN)
    async with world(host) as there:
        await thumb(there, DOWN)
        assert there.last.text == "Your rating is 1 of 5."
        await there.press(there.last.buttons["Take it back"])
        assert host.calls[-1].values == {"stars": "none", "exchange": EXCHANGE}
        assert there.last.text == "Your rating is withdrawn."


async def test_a_form_that_comes_too_late_is_told() -> None:
    host = FakeHost()
    async with world(host) as there:
        there.slack.refused["views.open"] = "expired_trigger_id"
        await thumb(there, DOWN)
        assert [mark.stars for mark in host.marks] == [1]
        assert there.last.text.startswith("The form did not open in time. Your rating counts")


async def test_who_may_not_rate_is_told_so() -> None:
    host = FakeHost()
    async with world(host, Options(rater=("workspace_admin",))) as there:
        await thumb(there, UP)
        assert there.last.text == "⚠️ Rating is not open to you here."


async def test_a_reply_is_given_again_in_its_thread() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.press(AGAIN, message=REPLY, thread="8.000800")
        [call] = host.calls
        assert (call.command, call.values) == ("regenerate", {"exchange": EXCHANGE})
        posted = there.slack.of("chat.postMessage")[-1]
        assert posted.said["thread_ts"] == "8.000800"
        assert "The same, said better." in json.dumps(posted.said, ensure_ascii=False)


async def test_only_the_asker_or_a_reviewer_stops_a_reply() -> None:
    host = FakeHost()
    [stop] = controls.stop_blocks(EXCHANGE, "UELSE", "C1:8.000800")[0]["elements"]
    async with world(host) as there:
        await there.press(stop, message=REPLY)
        assert there.last.text == "Only the person who asked, or a reviewer, can stop this reply."
        assert host.stopped == []
        await there.press(stop, message=REPLY, person=ADMIN)
        await there.press(stop, message=REPLY, person="UELSE")
        assert len(host.stopped) == 2


# Shortcuts


async def test_a_reply_is_rated_by_its_shortcut() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.shortcut(RATE_MENU, REPLY)
        await there.send(
            there.form,
            stars={"type": "radio_buttons", "selected_option": {"value": "4"}},
            comment={"type": "plain_text_input", "value": "Good."},
        )
        assert brief(host.marks[-1]) == ("stars", 4, "Good.", None)
        assert host.marks[-1].exchange_id == EXCHANGE


async def test_a_reply_without_buttons_is_known_by_its_message() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.shortcut(RATE_MENU, REPLY | {"blocks": []})
        await there.send(there.form, stars={"type": "radio_buttons", "selected_option": {"value": "1"}})
        assert (host.marks[-1].exchange_id, host.marks[-1].reply_key) == ("", "C1:9.000900")


@pytest.mark.parametrize("menu", [RATE_MENU, TEACH_MENU])
async def test_what_somebody_else_said_cannot_be_rated_or_taught(menu: str) -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.shortcut(menu, {"ts": "7.1", "user": "UELSE", "text": "Hi"}, person=ADMIN)
        assert "no reply of mine" in there.last.text
        assert not there.slack.of("views.open")


async def test_a_reply_is_taught_as_it_is_or_mended() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.shortcut(TEACH_MENU, REPLY, person=ADMIN)
        said = there.form["blocks"][0]["element"]["initial_value"]
        assert said == "So it is & so it stays."
        await there.send(there.form, person=ADMIN, answer={"type": "plain_text_input", "value": said})
        assert brief(host.marks[-1]) == ("stars", 5, None, None)
        await there.send(there.form, person=ADMIN, answer={"type": "plain_text_input", "value": "Better."})
        assert brief(host.marks[-1]) == ("teach", None, None, "Better.")


async def test_teaching_is_for_reviewers_and_a_try_is_noted_down() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.shortcut(TEACH_MENU, REPLY)
        assert not there.slack.of("views.open")
        assert host.audited[-1].command == "examples add"
        forged = forms.teach(forms.Target(EXCHANGE), "So it is.", forms.Origin("C1"))
        await there.send(forged, answer={"type": "plain_text_input", "value": "Ha."})
        assert host.marks == []
        assert len(host.audited) == 2


# Reactions


def reaction(kind: str = "reaction_added", name: str = "+1", **more: Any) -> dict[str, Any]:
    item = {"type": "message", "channel": "C1", "ts": "9.000900"}
    return {"type": kind, "user": MEMBER, "reaction": name, "item": item, "item_user": "U0", **more}


async def test_a_reaction_is_a_rating_given_and_taken_back() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.event(reaction())
        await there.event(reaction(name="thumbsdown::skin-tone-4"))
        await there.event(reaction("reaction_removed", "-1"))
        assert [(mark.source, mark.stars) for mark in host.marks] == [
            ("reaction:👍", 5),
            ("reaction:👎", 1),
            ("reaction:👎", None),
        ]
        assert {mark.reply_key for mark in host.marks} == {"C1:9.000900"}
        assert not any(mark.askable for mark in host.marks)
        assert all(mark.at == NOW - 5_000 for mark in host.marks)
        assert not [each for each in there.slack.asked if each.method.startswith("chat.")]


@pytest.mark.parametrize(
    "event",
    [
        reaction(name="eyes"),
        reaction(user="U0"),
        reaction(user=ROBOT),
        reaction(item_user="UELSE"),
        reaction(item={"type": "file", "file": "F1"}),
    ],
)
async def test_what_says_nothing_about_a_reply_is_no_rating(event: dict[str, Any]) -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.event(event)
        assert host.marks == []


async def test_what_counts_is_chosen_by_emoji_or_by_slacks_name() -> None:
    host = FakeHost()
    options = Options(reactions={":tada:": 5, "😕": 2, "party_parrot": 4, "5️⃣": 5})
    async with world(host, options) as there:
        for name in ("tada", "confused", "party_parrot", "five", "+1"):
            await there.event(reaction(name=name))
        assert [(mark.source, mark.stars) for mark in host.marks] == [
            ("reaction:🎉", 5),
            ("reaction:😕", 2),
            ("reaction:party_parrot", 4),
            ("reaction:5⃣", 5),
        ]


async def test_a_reaction_that_fails_ends_nothing() -> None:
    host = FakeHost(error=RuntimeError("no"))
    async with world(host) as there:
        await there.event(reaction())
        host.error = None
        await there.event(reaction())
        assert len(host.marks) == 2


@given(st.sampled_from(sorted(NAMES)), st.sampled_from(["", "::skin-tone-2", "::skin-tone-6"]))
def test_every_name_is_the_emoji_that_it_stands_for(name: str, tone: str) -> None:
    emoji = plain(name + tone)
    assert emoji == NAMES[name]
    assert plain(emoji) == emoji
    assert plain(f":{name}:") == emoji
    assert plain(f"{emoji}\N{VARIATION SELECTOR-16}") == emoji


@given(st.text(max_size=30))
def test_any_other_name_stays_one(name: str) -> None:
    assert plain(plain(name)) == plain(plain(plain(name)))


async def test_an_error_is_told_with_a_reference() -> None:
    host = FakeHost(error=RuntimeError("secret detail"))
    async with world(host) as there:
        await thumb(there, UP)
        assert there.last.text.startswith("⚠️ Something went wrong on my side.")
        assert "secret" not in there.last.text
