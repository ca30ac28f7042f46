"""Where and to whom it is said: over the question, at the address, in the thread, directly; and what buttons do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapters.platforms.base import Answer, Button, Call, File, Param, Table
from adapters.platforms.slack import controls
from tests.adapters.platforms.discord.interactive import ASK, EXCHANGE, FakeHost, command
from tests.adapters.platforms.slack.interactive import MEMBER, World, world
from tests.adapters.platforms.slack.test_commands import Registry, doing

# What cannot be undone


async def test_what_cannot_be_undone_is_asked_first_and_answered_in_its_place() -> None:
    host = doing("danger", Answer("All is gone."), confirm="Delete everything?")
    async with world(host) as there:
        await there.slash("danger")
        assert host.calls == []
        asked = there.last
        assert asked.text == "⚠️ **Delete everything?**\n\nThis cannot be undone."
        assert asked.buttons["Yes, go on"]["style"] == "danger"
        await there.press(asked.buttons["Cancel"])
        assert (there.last.text, there.last.said["replace_original"]) == ("Nothing was changed.", True)
        await there.press(asked.buttons["Yes, go on"])
        assert host.calls[-1].confirmed
        assert (there.last.text, there.last.said["replace_original"]) == ("All is gone.", True)


# Buttons


async def test_a_button_outlives_the_process() -> None:
    host = FakeHost(own=(command("many", ASK),))
    async with world(host) as there:
        await there.slash("many")
        buttons = there.last.buttons
    async with world(host) as there:
        await there.press(buttons["Yes"])
        assert (host.calls[-1].command, host.calls[-1].values) == ("privacy consent", {"exchange": EXCHANGE})
        assert (there.last.text, there.last.said["replace_original"]) == ("Thank you: I may learn.", True)


async def test_what_is_kept_in_memory_only_is_asked_for_again() -> None:
    async with world(FakeHost()) as there:
        await there.press({"action_id": "us1.kept.0", "value": '{"k":"0123456789abcdef"}'})
        assert there.last.text.startswith("This button is from before I was started again.")


async def test_a_button_is_its_persons_own() -> None:
    host = FakeHost(own=(command("many", ASK),))
    async with world(host) as there:
        await there.slash("many")
        await there.press(there.last.buttons["Yes"], person="UELSE")
        assert there.last.text == "This question is for somebody else."
        assert [call.command for call in host.calls] == ["many"]


async def test_a_question_that_all_see_loses_its_buttons_when_it_is_answered() -> None:
    host = FakeHost(own=(command("many", ASK),))
    async with world(host) as there:
        await there.slash("many")
        message = {"text": "May I?", "blocks": there.last.said["blocks"]}
        await there.press(there.last.buttons["No"], message=message, thread="8.0")
        [changed] = there.slack.of("chat.update")
        assert not changed.buttons
        assert changed.said["ts"] == "9.000900"
        assert (there.last.method, there.last.text) == ("chat.postEphemeral", "Fine.")


@pytest.mark.parametrize(
    ("action_id", "value"),
    [
        ("us1.run.0", "{"),
        ("us1.run.0", '{"c":"privacy delete","v":[]}'),
        ("us1.rate", "sideways.e1"),
        ("us1.rate", f"up.{EXCHANGE}'; drop"),
        ("us1.stop", '["e1"]'),
        ("us1.again", ""),
        ("us0.run", "x"),
        ("us9.new", "x"),
    ],
)
async def test_a_forged_press_does_nothing(action_id: str, value: str) -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.press({"action_id": action_id, "value": value})
        assert (host.calls, host.marks, host.stopped) == ([], [], [])
        assert there.last.text.startswith("This button is from before I was started again.")


async def test_a_forged_confirmation_does_not_make_an_admin() -> None:
    host = Registry()
    value = controls.run_value(controls.Run("", "examples remove", {"number": "1"}, sure=True))
    async with world(host) as there:
        await there.press({"action_id": "us1.run.0", "value": value})
        assert host.audited[-1].command == "examples remove"
        assert "is for a reviewer or above" in there.last.text


async def test_a_forged_form_does_nothing() -> None:
    host = FakeHost()
    async with world(host) as there:
        await there.send(
            {"type": "modal", "callback_id": "us1.asked", "private_metadata": '{"o":5,"c":"rate"}'}
        )
        assert host.calls == []
        assert (there.last.method, there.last.said["channel"]) == ("chat.postMessage", MEMBER)


# Where and how it is answered


async def test_what_takes_long_is_told_once_and_then_shown_in_one_direct_message() -> None:
    there: World

    async def slow(call: Call) -> Answer:
        await call.progress("one", 0.1)
        await until(lambda: bool(there.slack.of("respond")))
        await call.progress("two", 0.2)
        await until(lambda: bool(there.slack.of("chat.postMessage")))
        await call.progress("three", 0.3)
        await until(lambda: bool(there.slack.of("chat.update")))
        return Answer("Done.")

    async with world(doing("slow", slow)) as there:
        await there.slash("slow")
        noted, done = there.slack.of("respond")
        assert noted.text.startswith("⏳ one\n\n`▰")
        assert (done.text, done.said["replace_original"]) == ("Done.", False)
        [posted] = there.slack.of("chat.postMessage")
        assert (posted.said["channel"], posted.text.splitlines()[0]) == (MEMBER, "⏳ two")
        assert [each.text.splitlines()[0] for each in there.slack.of("chat.update")] == ["⏳ three"]
        assert [each.said["ts"] for each in there.slack.of("chat.delete")] == ["1.000100"]


async def test_what_is_done_soon_is_told_by_its_answer_alone() -> None:
    async def quick(call: Call) -> Answer:
        await call.progress("one", 0.5)
        return Answer("Done.")

    async with world(doing("quick", quick)) as there:
        await there.slash("quick")
        assert [each.text for each in there.slack.of("respond")] == ["Done."]


async def test_progress_of_what_was_confirmed_takes_the_place_of_the_question() -> None:
    there: World

    async def slow(call: Call) -> Answer:
        await call.progress("one", 0.1)
        await until(lambda: len(there.slack.of("respond")) > 1)
        return Answer("Done.")

    async with world(doing("slow", slow, confirm="Do it?")) as there:
        await there.slash("slow")
        await there.press(there.last.buttons["Yes, go on"])
        _, shown, done = there.slack.of("respond")
        assert (shown.text.splitlines()[0], shown.said["replace_original"]) == ("⏳ one", True)
        assert (done.text, done.said["replace_original"]) == ("Done.", True)


async def test_progress_in_direct_messages_changes_one_message() -> None:
    there: World

    async def slow(call: Call) -> Answer:
        await call.progress("one", 0.1)
        await until(lambda: bool(there.slack.of("chat.postMessage")))
        await call.progress("two", 0.2)
        await until(lambda: bool(there.slack.of("chat.update")))
        return Answer("Done.")

    async with world(doing("slow", slow)) as there:
        await there.slash("slow", channel="D1")
        [posted] = there.slack.of("chat.postMessage")
        assert posted.text.startswith("⏳ one")
        *between, last = there.slack.of("chat.update")
        assert [each.text.splitlines()[0] for each in between] == ["⏳ two"]
        assert (last.text, last.said["ts"]) == ("Done.", "1.000100")


async def test_when_the_address_is_used_up_the_answer_comes_another_way() -> None:
    async with world(doing("history", Answer("Nothing yet."))) as there:
        there.slack.refused["respond"] = "used_url"
        await there.slash("history")
        assert (there.last.method, there.last.said["user"]) == ("chat.postEphemeral", MEMBER)
        there.slack.refused["chat.postEphemeral"] = "user_not_in_channel"
        await there.slash("history")
        assert (there.last.method, there.last.said["channel"]) == ("chat.postMessage", MEMBER)


async def test_after_half_an_hour_the_address_is_left_alone() -> None:
    there: World

    async def slow(call: Call) -> Answer:
        there.clock[0] += 31 * 60_000
        return Answer("Done.")

    async with world(doing("slow", slow)) as there:
        await there.slash("slow")
        assert there.slack.of("respond") == []
        assert (there.last.method, there.last.text) == ("chat.postEphemeral", "Done.")


async def test_files_and_pictures_go_to_the_person_alone() -> None:
    answer = Answer("Here.", picture=File("chart.png", b"png"), files=(File("../rows.csv", b"a,b"),))
    async with world(doing("export", answer)) as there:
        await there.slash("export")
        assert there.slack.uploads == [b"png", b"a,b"]
        [done] = there.slack.of("files.completeUploadExternal")
        assert done.said["channel_id"] == f"D{MEMBER}"
        assert there.last.text == "Here.\n\n📎 `chart.png`, `rows.csv` are in our direct messages."


async def test_files_of_what_all_may_see_stay_in_the_channel() -> None:
    answer = Answer("Here.", files=(File("rows.csv", b"a,b"),), private=False)
    async with world(doing("export", answer, private=False)) as there:
        await there.slash("export")
        [done] = there.slack.of("files.completeUploadExternal")
        assert done.said["channel_id"] == "C1"
        assert (there.last.method, there.last.said["channel"], there.last.text) == (
            "chat.postMessage",
            "C1",
            "Here.",
        )


async def test_a_file_that_slack_does_not_take_is_told() -> None:
    async with world(doing("export", Answer(files=(File("rows.csv", b"a"),)))) as there:
        there.slack.refused["files.getUploadURLExternal"] = "missing_scope"
        await there.slash("export")
        assert there.last.text.startswith("⚠️ Slack did not take `rows.csv`. Tell an admin this reference:")


async def test_a_table_is_shown() -> None:
    table = Table(("no.", "question"), (("1", "Why?"), ("2", "How?")))
    async with world(doing("examples list", Answer("2 examples.", table=table))) as there:
        await there.slash("examples list")
        assert "| 1 | Why? |" in there.last.text


async def test_an_error_of_ours_is_told_with_a_reference_and_nothing_else() -> None:
    class Broken(FakeHost):
        async def command(self, call: Call, reply: Any = None) -> Answer:
            raise RuntimeError("secret detail")

    async with world(Broken(own=(command("history", Answer("x")),))) as there:
        await there.slash("history")
        assert there.last.text.startswith(
            "⚠️ Something went wrong on my side. Tell an admin this reference: `"
        )
        assert "secret" not in there.last.text


async def test_a_command_given_twice_by_slack_runs_once() -> None:
    host = doing("history", Answer("Nothing yet."))
    async with world(host) as there:
        body = {
            "command": "/understudy",
            "text": "history",
            "user_id": MEMBER,
            "team_id": "T1",
            "channel_id": "C1",
            "response_url": there.address(),
            "trigger_id": "1.same",
        }
        await asyncio.gather(there.dispatch(body), there.dispatch(body))
        assert len(host.calls) == 1


async def test_buttons_of_an_answer_run_what_they_say() -> None:
    host = FakeHost(
        own=(
            command("many", Answer("Which?", buttons=(Button("Red", "ask", {"colour": "red"}),))),
            command("ask", Answer("Red it is."), params=(Param("colour", "which", required=True),)),
        )
    )
    async with world(host) as there:
        await there.slash("many")
        await there.press(there.last.buttons["Red"])
        assert host.calls[-1].values == {"colour": "red"}
        assert (there.last.text, there.last.said["replace_original"]) == ("Red it is.", False)


async def until(holds: Callable[[], bool]) -> None:
    """Give other tasks their turns until this holds."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0)
