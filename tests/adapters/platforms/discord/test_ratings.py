"""Thumbs, the form behind thumb down, reactions, and the two commands on a message."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.platforms.base import Access
from adapters.platforms.discord import controls
from adapters.platforms.discord.options import Options
from tests.adapters.platforms.discord.interactive import EXCHANGE, FakeHost, World, brief, said, world

UP, DOWN = controls.control("up", EXCHANGE), controls.control("down", EXCHANGE)


# Thumbs


async def test_thumb_up_is_thanked_for_privately_and_the_first_time_with_the_question() -> None:
    async with world(FakeHost(asks=True)) as it:
        ann, bob = it.member("ann"), it.member("bob")
        reply = await it.reply()
        first = await ann.click(reply, custom_id=UP)
        assert said(first) == "Thanks — noted.\n\nMay I learn from what you write?"
        [row] = first.response.components
        assert [button["label"] for button in row["components"]] == ["Yes", "No", "What is kept?"]
        assert said(await bob.click(reply, custom_id=UP)) == "Thanks — noted 5 of 5."
        [mark, _] = it.host.marks
        assert (mark.source, mark.stars, mark.exchange_id, mark.who.key) == (
            "stars",
            5,
            EXCHANGE,
            str(ann.id),
        )


async def test_what_is_kept_leaves_the_question_standing_and_yes_takes_its_place() -> None:
    async with world(FakeHost(asks=True)) as it:
        ann = it.member("ann")
        asked = (await ann.click(await it.reply(), custom_id=UP)).response
        shown = await ann.click(asked, label="What is kept?")
        assert said(shown) == "Kept: nothing."
        assert asked.components
        await ann.click(asked, label="Yes")
        assert asked.content == "Thank you: I may learn."
        assert asked.components == []
        assert it.host.calls[-1].values == {"exchange": EXCHANGE}


async def test_the_other_thumb_replaces_and_the_same_one_takes_back() -> None:
    async with world() as it:
        ann = it.member("ann")
        reply = await it.reply()
        assert said(await ann.click(reply, custom_id=UP)) == "Thanks — noted 5 of 5."
        assert said(await ann.click(reply, custom_id=DOWN)) == "Thanks — noted 1 of 5."
        assert said(await ann.click(reply, custom_id=UP)) == "Thanks — noted 5 of 5."
        assert said(await ann.click(reply, custom_id=UP)) == "Your rating is withdrawn."
        assert {mark.source for mark in it.host.marks} == {"stars"}
        assert it.host.said[(str(ann.id), EXCHANGE)] == {}


async def test_thumb_down_again_takes_it_back_without_a_form() -> None:
    async with world() as it:
        ann = it.member("ann")
        reply = await it.reply()
        await ann.click(reply, custom_id=DOWN)
        again = await ann.click(reply, custom_id=DOWN)
        assert again.modal is None
        assert said(again) == "Your rating is withdrawn."


async def test_thumb_down_after_stars_given_elsewhere_is_a_thumb_down() -> None:
    async with world() as it:
        ann = it.member("ann")
        reply = await it.reply()
        await ann.click(reply, custom_id=DOWN)
        it.host.said[(str(ann.id), EXCHANGE)] = {"stars": 4}
        assert said(await ann.click(reply, custom_id=DOWN)) == "Thanks — noted 1 of 5."
        assert said(await ann.click(reply, custom_id=DOWN)) == "Your rating is withdrawn."


async def test_after_a_restart_thumb_down_again_opens_the_form_and_offers_to_take_it_back() -> None:
    async with world() as it:
        ann = it.member("ann")
        reply = await it.reply()
        await ann.click(reply, custom_id=DOWN)
        await it.restart()
        again = await ann.click(reply, custom_id=DOWN)
        assert again.modal is not None
        [note] = again.followups
        assert note.content == "Your rating is 1 of 5."
        await ann.click(note, label="Take it back")
        assert it.host.calls[-1].command == "rate"
        assert it.host.calls[-1].values == {"stars": "none", "exchange": EXCHANGE}


async def test_who_may_not_rate_is_told() -> None:
    async with world(options=Options(rater=("@Raters",))) as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=UP)
        assert said(pressed) == "⚠️ Rating is not open to you here."


# The form


async def test_thumb_down_opens_a_form_at_once_and_counts_without_it() -> None:
    async with world() as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=DOWN)
        assert pressed.modal is not None
        assert pressed.modal["title"] == "What was wrong?"
        labels = [each["label"] for each in pressed.modal["components"]]
        assert labels == ["What was it?", "In your words", "A better answer"]
        assert [brief(mark) for mark in it.host.marks] == [("stars", 1, None, None)]
        assert said(pressed) == "Thanks — noted 1 of 5."


async def test_the_form_adds_reason_comment_and_better_answer_and_one_thanks_is_left() -> None:
    async with world() as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=DOWN)
        values = {"reason": "wrong", "comment": "It is seven.", "better": "Seven.\nAlways."}
        sent = await ann.submit_modal(pressed, values)
        assert said(sent) == "Thanks — noted your comment."
        assert pressed.followups == []
        assert brief(it.host.marks[-1]) == ("form", None, "wrong: It is seven.", "Seven.\nAlways.")
        assert it.host.marks[-1].rates is False


@pytest.mark.parametrize(
    ("values", "comment"),
    [
        ({"reason": "unkind"}, "unkind"),
        ({"reason": "other", "comment": "Hm."}, "Hm."),
        ({"comment": " Hm. "}, "Hm."),
    ],
)
async def test_any_one_of_the_fields_will_do(values: dict[str, str], comment: str) -> None:
    async with world() as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=DOWN)
        await ann.submit_modal(pressed, values)
        assert brief(it.host.marks[-1]) == ("form", None, comment, None)


async def test_a_form_sent_empty_adds_nothing() -> None:
    async with world() as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=DOWN)
        assert said(await ann.submit_modal(pressed, {})).startswith("Nothing was added.")
        assert len(it.host.marks) == 1


async def test_a_form_opened_before_a_restart_can_be_sent_after_it() -> None:
    async with world() as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=DOWN)
        await it.restart()
        await ann.submit_modal(pressed, {"better": "Seven."})
        assert brief(it.host.marks[-1]) == ("form", None, None, "Seven.")
        assert it.host.marks[-1].exchange_id == EXCHANGE


async def test_the_question_for_consent_comes_with_the_thanks_for_the_form() -> None:
    async with world(FakeHost(asks=True)) as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=DOWN)
        assert not any("May I learn" in each.content for each in pressed.followups)
        sent = await ann.submit_modal(pressed, {"comment": "No."})
        assert said(sent).endswith("May I learn from what you write?")


# Commands on a message


async def test_rate_this_reply_takes_stars_a_comment_and_a_better_answer() -> None:
    async with world() as it:
        ann = it.member("ann")
        opened = await ann.context_menu(it.channel, "Rate this reply", await it.reply())
        assert opened.modal is not None
        stars = opened.modal["components"][0]["component"]["options"]
        assert [each["value"] for each in stars] == ["5", "4", "3", "2", "1"]
        sent = await ann.submit_modal(opened, {"stars": "4", "comment": "Nearly.", "better": "Quite."})
        assert said(sent).startswith("Thanks")
        [mark] = it.host.marks
        assert brief(mark) == ("stars", 4, "Nearly.", "Quite.")
        assert (mark.exchange_id, mark.rates) == (EXCHANGE, True)


async def test_a_reply_without_buttons_is_known_by_its_message() -> None:
    async with world(options=Options(buttons=False)) as it:
        ann = it.member("ann")
        reply = await it.reply()
        opened = await ann.context_menu(it.channel, "Rate this reply", reply)
        await ann.submit_modal(opened, {"stars": "2"})
        assert [(mark.exchange_id, mark.reply_key) for mark in it.host.marks] == [("", str(reply.id))]


@pytest.mark.parametrize("menu", ["Rate this reply", "Teach this as an example"])
async def test_what_is_no_reply_of_ours_is_said_to_be_none(menu: str) -> None:
    async with world() as it:
        mod = it.member("mod", manage_messages=True)
        message = await mod.send(it.channel, "Mine")
        assert said(await mod.context_menu(it.channel, menu, message)).startswith("That is no reply of mine")


async def test_teaching_a_reply_as_it_is_gives_it_five_stars() -> None:
    async with world() as it:
        mod = it.member("mod", manage_messages=True)
        opened = await mod.context_menu(it.channel, "Teach this as an example", await it.reply("Seven."))
        assert opened.modal is not None
        assert opened.modal["components"][0]["component"]["value"] == "Seven."
        await mod.submit_modal(opened, {"answer": "Seven."})
        assert brief(it.host.marks[-1]) == ("stars", 5, None, None)


async def test_teaching_a_reply_made_better_teaches_that() -> None:
    async with world() as it:
        mod = it.member("mod", manage_messages=True)
        opened = await mod.context_menu(it.channel, "Teach this as an example", await it.reply("Six."))
        await mod.submit_modal(opened, {"answer": "Seven."})
        [mark] = it.host.marks
        assert brief(mark) == ("teach", None, None, "Seven.")
        assert (mark.rates, mark.who.access) == (False, Access.REVIEWER)


async def _teach_forged(it: World, actor: Any) -> Any:
    reply = await it.reply()
    message = {"id": str(reply.id), "content": "x", "author": {"id": str(it.env.bot.user.id)}}  # type: ignore[union-attr]
    data = {
        "id": "1",
        "name": "Teach this as an example",
        "type": 3,
        "target_id": str(reply.id),
        "resolved": {"messages": {str(reply.id): message}},
    }
    return await it.forge(actor, data)


async def test_teaching_is_refused_to_who_may_not_and_noted_down() -> None:
    async with world() as it:
        ann = it.member("ann")
        refused = await _teach_forged(it, ann)
        assert said(refused) == "⚠️ `/examples add` is for a reviewer or above."
        assert [call.who.key for call in it.host.audited] == [str(ann.id)]
        assert it.host.marks == []


async def test_a_teaching_form_is_refused_to_who_may_not_any_more() -> None:
    async with world() as it:
        ann = it.member("ann")
        custom_id = controls.control("taught", "e", EXCHANGE, "0" * 12)
        parts = [
            {"type": 18, "id": 1, "component": {"type": 4, "id": 2, "custom_id": "answer", "value": "x"}}
        ]
        refused = await it.forge(ann, {"custom_id": custom_id, "components": parts}, kind=5)
        assert said(refused) == "⚠️ `/examples add` is for a reviewer or above."
        assert len(it.host.audited) == 1
