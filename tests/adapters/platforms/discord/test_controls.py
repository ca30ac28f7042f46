"""The buttons below replies: their ids, and that they outlive the process that posted them."""

from __future__ import annotations

import json
import string

from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Access
from adapters.platforms.discord import controls
from adapters.platforms.discord.options import Options
from tests.adapters.platforms.discord.interactive import EXCHANGE, world

LARGE = "9" * 20


def test_every_id_fits_with_the_longest_ids_there_are() -> None:
    made = [
        controls.control("up", EXCHANGE),
        controls.control("form", LARGE, EXCHANGE),
        controls.control("taught", "e", EXCHANGE, "0" * 12),
        controls.run_control(LARGE, "privacy consent", {"exchange": EXCHANGE}),
        controls.run_control(LARGE, "rate", {"stars": "none", "exchange": EXCHANGE}),
        controls.stop_components(EXCHANGE, LARGE)[0]["components"][0]["custom_id"],
    ]
    assert all(0 < len(each) <= controls.LONGEST for each in made)


def test_a_reply_has_three_buttons_and_none_where_the_operator_wants_none() -> None:
    [row] = controls.reply_components(EXCHANGE, Options())
    assert [button["emoji"]["name"] for button in row["components"]] == ["👍", "👎", "🔁"]
    assert json.loads(json.dumps(row)) == row
    assert controls.reply_components(EXCHANGE, Options(buttons=False)) == []


_words = st.text(alphabet=string.ascii_letters + " :/,+&=?%.é👍\n", max_size=20)


@given(st.dictionaries(st.sampled_from(["name", "exchange", "text"]), _words))
def test_the_values_of_a_button_come_back_as_they_were(values: dict[str, str]) -> None:
    made = controls.run_control("1", "avatar use", values)
    if not made:
        return
    found = controls.RUN.fullmatch(made)
    assert found is not None
    assert (found["command"], controls.run_values(found["values"])) == ("avatar use", values)


async def test_a_button_of_before_a_restart_still_works() -> None:
    async with world() as it:
        ann = it.member("ann")
        reply = await it.reply()
        await it.restart()
        pressed = await ann.click(reply, custom_id=controls.control("up", EXCHANGE))
        assert pressed.ephemeral
        assert pressed.response is not None
        assert pressed.response.content == "Thanks — noted 5 of 5."
        assert [mark.exchange_id for mark in it.host.marks] == [EXCHANGE]


async def test_a_button_of_another_version_says_so() -> None:
    async with world() as it:
        old = controls.row(controls.button("Old", "us0.something.else"))
        pressed = await it.member("ann").click(await it.reply(components=[old]), label="Old")
        assert pressed.ephemeral
        assert pressed.response is not None
        assert "from before I was started again" in pressed.response.content


async def test_the_asker_and_reviewers_stop_a_reply_and_nobody_else() -> None:
    async with world() as it:
        ann, bob = it.member("ann"), it.member("bob")
        mod = it.member("mod", manage_messages=True)
        growing = await it.reply(components=controls.stop_components(EXCHANGE, str(ann.id)))

        refused = await bob.click(growing, label="Stop")
        assert refused.ephemeral
        assert refused.response is not None
        assert refused.response.content.startswith("Only the person who asked")
        assert it.host.stopped == []

        for actor in (ann, mod):
            silent = await actor.click(growing, label="Stop")
            assert silent.acknowledged
            assert silent.followups == []
        assert it.host.stopped == [EXCHANGE, EXCHANGE]


async def test_without_an_asker_in_the_button_it_is_who_the_reply_answers() -> None:
    async with world() as it:
        ann, bob = it.member("ann"), it.member("bob")
        asked = await ann.send(it.channel, "Why?")
        growing = await it.post(
            {
                "content": "Because",
                "components": controls.stop_components(EXCHANGE),
                "message_reference": {"message_id": str(asked.id)},
            }
        )
        await bob.click(growing, label="Stop")
        assert it.host.stopped == []
        await ann.click(growing, label="Stop")
        assert it.host.stopped == [EXCHANGE]


async def test_regenerate_is_shown_as_a_new_reply_and_a_refusal_to_the_person_alone() -> None:
    async with world() as it:
        ann = it.member("ann")
        pressed = await ann.click(await it.reply(), custom_id=controls.control("again", EXCHANGE))
        assert it.last.content == "The same, said better."
        assert it.last.components
        assert pressed.followups == []
        assert it.host.calls[-1].values == {"exchange": EXCHANGE}
        assert it.host.calls[-1].who.access is Access.RATER

        other = await it.reply(exchange="somebody-elses")
        refused = await ann.click(other, custom_id=controls.control("again", "somebody-elses"))
        [note] = refused.followups
        assert note.ephemeral
        assert note.content.startswith("⚠️ Only the person who asked")
