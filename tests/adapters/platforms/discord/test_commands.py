"""Commands: who may give them, and what a person sees while they run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.platforms.base import Access, Answer, Call, Command, File, Param, Table, UserError
from adapters.platforms.discord.answers import Step, press_id
from adapters.platforms.discord.visits import progress_line
from tests.adapters.platforms.discord.interactive import EXCHANGE, FakeHost, command, until, world

# Giving a command


async def test_values_arrive_as_they_are_declared_with_defaults() -> None:
    params = (
        Param("note", "a note"),
        Param("count", "how many", "integer", required=True),
        Param("share", "how much", "number"),
        Param("all", "whether", "flag"),
        Param("colour", "which", "choice", choices=("red", "blue")),
        Param("page", "which", "integer", default=1),
    )
    async with world(FakeHost(own=(command("show things", Answer("Shown."), params=params),))) as it:
        ann = it.member("ann")
        told = await ann.slash(it.channel, "show things", count=3, share=0.5, all=True, colour="red")
        [promise] = [
            each.json for each in it.env.http_requests if each.path.endswith("/callback") and each.json
        ]
        assert promise == {"type": 5, "data": {"flags": 64}}
        assert told.ephemeral
        assert told.response is not None
        assert told.response.content == "Shown."
        [call] = it.host.calls
        assert call.values == {"count": 3, "share": 0.5, "all": True, "colour": "red", "page": 1}
        assert (call.command, call.who.key, call.place.channel) == (
            "show things",
            str(ann.id),
            str(it.channel.id),
        )
        assert call.confirmed is False


async def test_commands_work_in_direct_messages_where_the_applications_owner_owns() -> None:
    host = FakeHost(own=(command("check", Answer("All is well."), access=Access.OWNER),))
    async with world(host, owners=frozenset()) as it:
        user = it.env.create_user("ann")
        await user.send_dm("hello")
        told = await user.slash("privacy show")
        assert told.response is not None
        assert told.response.content == "Kept: nothing."
        assert (it.host.calls[-1].place.private, it.host.calls[-1].who.access) == (True, Access.RATER)
        refused = await user.slash("check")
        assert refused.response is not None
        assert refused.response.content == "⚠️ `/check` is for a owner or above."


async def test_a_member_without_the_role_is_refused_whatever_discord_lets_through() -> None:
    admin = (
        command("check", Answer("All is well."), access=Access.OWNER),
        command(
            "prompt edit",
            Answer("Edited."),
            access=Access.TRAINER,
            params=(Param("text", "it", required=True),),
        ),
        command("stats", Answer("Many."), access=Access.REVIEWER),
        command("wipe", Answer("Gone."), access=Access.OWNER, confirm="Really?"),
    )
    async with world(FakeHost(own=admin)) as it:
        ann = it.member("ann")
        for name in ("check", "stats", "wipe"):
            refused = await it.forge(ann, {"id": "1", "name": name, "type": 1, "options": []})
            assert refused.ephemeral
            assert refused.response is not None
            assert refused.response.content.startswith(f"⚠️ `/{name}` is for")
        inner = {"name": "edit", "type": 1, "options": [{"name": "text", "type": 3, "value": "Obey me."}]}
        refused = await it.forge(ann, {"id": "1", "name": "prompt", "type": 1, "options": [inner]})
        assert refused.response is not None
        assert refused.response.content == "⚠️ `/prompt edit` is for a trainer or above."
        assert [call.command for call in it.host.audited] == ["check", "stats", "wipe", "prompt edit"]
        assert {call.who.access for call in it.host.audited} == {Access.RATER}


async def test_a_server_that_shows_a_command_to_somebody_does_not_let_them_give_it() -> None:
    async with world(FakeHost(own=(command("stats", Answer("Many."), access=Access.REVIEWER),))) as it:
        ann = it.member("ann")
        known = next(each for each in it.env.backend.commands[None].values() if each["name"] == "stats")
        it.guild.set_command_permissions(int(known["id"]), {ann: True})
        refused = await ann.slash(it.channel, "stats")
        assert refused.response is not None
        assert refused.response.content == "⚠️ `/stats` is for a reviewer or above."


async def test_a_forged_confirmation_is_refused_too() -> None:
    host = FakeHost(own=(command("wipe", Answer("Gone."), access=Access.OWNER, confirm="Really?"),))
    async with world(host) as it:
        ann = it.member("ann")
        row = {"type": 2, "style": 4, "label": "Yes", "custom_id": press_id(Step("wipe", {}, sure=True), "0")}
        message = await it.reply(components=[{"type": 1, "components": [row]}])
        await ann.click(message, label="Yes")
        assert [call.command for call in host.audited] == ["wipe"]


async def test_a_command_that_is_gone_and_one_that_changed_get_a_sentence() -> None:
    host = FakeHost(own=(command("show", Answer("Shown."), params=(Param("what", "which", required=True),)),))
    async with world(host) as it:
        ann = it.member("ann")
        gone = await it.forge(ann, {"id": "1", "name": "old", "type": 1})
        assert gone.response is not None
        assert gone.response.content.startswith("I do not know that command any more.")
        older = await it.forge(ann, {"id": "1", "name": "show", "type": 1, "options": []})
        assert older.response is not None
        assert older.response.content.startswith("⚠️ `/show` needs `what:`")
        assert host.calls == []


async def test_what_a_command_declines_is_marked_and_private() -> None:
    async def refuse(call: Call) -> Answer:
        raise UserError("There is no avatar called Bob.")

    async with world(FakeHost(own=(command("use", refuse),))) as it:
        told = await it.member("ann").slash(it.channel, "use")
        assert told.ephemeral
        assert told.response is not None
        assert told.response.content == "⚠️ There is no avatar called Bob."


async def test_a_public_answer_is_read_by_all_and_leaves_nothing_behind_for_the_caller() -> None:
    async with world(FakeHost(own=(command("use", Answer("Bob answers here.", private=False)),))) as it:
        told = await it.member("ann").slash(it.channel, "use")
        assert told.response is None
        assert it.last.content == "Bob answers here."
        assert not it.last.flags.ephemeral


async def test_long_answers_and_files_arrive_whole() -> None:
    rows = tuple((str(number), "x" * 50) for number in range(100))
    answer = Answer(
        "One sentence. " * 250, table=Table(("no.", "what"), rows), files=(File("all.jsonl", b"{}"),)
    )
    async with world(FakeHost(own=(command("all", answer),))) as it:
        told = await it.member("ann").slash(it.channel, "all")
        assert told.response is not None
        shown = [told.response, *told.followups]
        assert len(shown) > 1
        assert all(each.ephemeral and len(each.content) <= 2_000 for each in shown)
        assert [file.filename for file in shown[-1].attachments] == ["all.jsonl", "table.csv"]


# While it runs


async def test_progress_is_drawn_into_the_message_that_becomes_the_answer() -> None:
    seen: list[str] = []

    async with world() as it:

        async def slow(call: Call) -> Answer:
            for step in range(4):
                await call.progress("reading", step / 4)
            await until(lambda: it.count("PATCH", "/messages/@original") > 0)
            seen.extend(
                each.json["content"] for each in it.env.http_requests if each.method == "PATCH" and each.json
            )
            return Answer("Read.")

        it.host.own = (command("read", slow),)
        await it.restart()
        told = await it.member("ann").slash(it.channel, "read")
        assert told.response is not None
        assert told.response.content == "Read."
        assert told.followups == []
        assert 1 <= len(seen) <= 2
        assert all(each.startswith("⏳ reading\n`") for each in seen)


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (None, "⏳ reading"),
        (0.0, "⏳ reading\n`▱▱▱▱▱▱▱▱▱▱▱▱` 0%"),
        (0.5, "⏳ reading\n`▰▰▰▰▰▰▱▱▱▱▱▱` 50%"),
        (7.0, "⏳ reading\n`▰▰▰▰▰▰▰▰▰▰▰▰` 100%"),
    ],
)
def test_the_bar(done: float | None, line: str) -> None:
    assert progress_line("reading", done) == line


async def test_an_answer_after_fifteen_minutes_still_arrives() -> None:
    async with world() as it:
        go = asyncio.Event()

        async def slow(call: Call) -> Answer:
            await it.env.external_wait(go.wait(), reason="the test lets it go on")
            return Answer(f"Done: {call.command}", private=call.command == "mine")

        it.host.own = (command("mine", slow), command("ours", slow))
        await it.restart()
        ann = it.member("ann")
        for name in ("mine", "ours"):
            go.clear()
            await ann.slash(it.channel, name)
            await it.env.advance_time(16 * 60)
            go.set()
            await it.env.settle()
        assert it.last.content == "Done: ours"
        [private] = ann.user.dm_channel.history()
        assert private.content == "Done: mine"


# Confirmation


async def test_what_cannot_be_undone_is_asked_first_and_then_done() -> None:
    params = (Param("number", "which", "integer", required=True), Param("why", "the reason"))
    host = FakeHost(
        own=(command("examples remove", Answer("Removed."), params=params, confirm="Delete it for good?"),)
    )
    async with world(host) as it:
        ann = it.member("ann")
        asked = await ann.slash(it.channel, "examples remove", number=7, why="x" * 200)
        assert asked.ephemeral
        assert asked.response is not None
        assert asked.response.content == "⚠️ **Delete it for good?**\nThis cannot be undone."
        [row] = asked.response.components
        assert [(button["label"], button["style"]) for button in row["components"]] == [
            ("Yes, go on", 4),
            ("Cancel", 2),
        ]
        assert host.calls == []

        await ann.click(asked.response, label="Yes, go on")
        [call] = host.calls
        assert (call.confirmed, call.values) == (True, {"number": 7, "why": "x" * 200})
        assert asked.response.content == "Removed."
        assert asked.response.components == []


async def test_cancel_changes_nothing() -> None:
    async with world(FakeHost(own=(command("wipe", Answer("Gone."), confirm="Really?"),))) as it:
        ann = it.member("ann")
        asked = await ann.slash(it.channel, "wipe")
        assert asked.response is not None
        await ann.click(asked.response, label="Cancel")
        assert asked.response.content == "Nothing was changed."
        assert asked.response.components == []
        assert it.host.calls == []


# Proposals


async def _colours(call: Call, typed: str) -> Sequence[str]:
    if typed == "boom":
        raise RuntimeError("the disk is full")
    return [f"{typed}{number}" for number in range(40)] + ["x" * 101]


def _choosing(access: Access = Access.MEMBER) -> Command:
    params = (Param("colour", "which", complete=_colours), Param("page", "which", "integer"))
    return command("paint", Answer("Painted."), params=params, access=access)


async def test_values_are_proposed_while_they_are_typed() -> None:
    async with world(FakeHost(own=(_choosing(),))) as it:
        ann = it.member("ann")
        offered = await ann.autocomplete(it.channel, "paint", "colour", "re", page=2)
        assert len(offered) == 25
        assert offered[0] == {"name": "re0", "value": "re0"}


async def test_nothing_is_proposed_where_it_fails_and_the_log_says_why() -> None:
    async with world(FakeHost(own=(_choosing(),))) as it:
        with capture_logs() as logs:
            assert await it.member("ann").autocomplete(it.channel, "paint", "colour", "boom") == []
        assert [(each["event"], each["param"]) for each in logs] == [("no proposals", "colour")]


async def test_nothing_is_proposed_to_who_may_not_give_the_command() -> None:
    async with world(FakeHost(own=(_choosing(Access.OWNER),))) as it:
        typed = [{"name": "colour", "type": 3, "value": "re", "focused": True}]
        offered = await it.forge(
            it.member("ann"), {"id": "1", "name": "paint", "type": 1, "options": typed}, kind=4
        )
        assert offered.autocomplete_choices == []


# What goes wrong


async def test_an_error_of_ours_is_told_with_a_reference_that_is_in_the_log() -> None:
    class Broken(FakeHost):
        async def command(self, call: Call, reply: Any = None) -> Answer:
            raise RuntimeError("the disk is full")

    async with world(Broken()) as it:
        with capture_logs() as logs:
            told = await it.member("ann").slash(it.channel, "privacy show")
        assert told.ephemeral
        assert told.response is not None
        [failed] = [each for each in logs if each["log_level"] == "error"]
        assert told.response.content == (
            f"⚠️ Something went wrong on my side. Tell an admin this reference: `{failed['reference']}`."
        )
        assert "disk" not in told.response.content


async def test_an_interaction_that_is_over_is_noted_and_nothing_more() -> None:
    async with world() as it:
        it.env.inject_error(
            "POST", "/interactions/*/*/callback", status=404, code=10062, message="Unknown interaction"
        )
        with capture_logs() as logs:
            await it.member("ann").slash(it.channel, "privacy show")
        assert [(each["event"], each["log_level"], each["code"]) for each in logs] == [
            ("an interaction was over", "info", 10062)
        ]


async def test_where_the_avatar_is_no_member_nobody_is_taken_for_anybody() -> None:
    async with world() as it:
        boss = it.member("boss", administrator=True)
        reply = await it.reply()
        it.env.backend.emit("GUILD_DELETE", {"id": str(it.guild.id)})
        await it.env.settle()
        told = await boss.slash(it.channel, "privacy show")
        assert told.ephemeral
        assert told.response is not None
        assert told.response.content.startswith("I am no member of this server")
        pressed = await boss.click(reply, custom_id=f"us1.up.{EXCHANGE}")
        assert pressed.response is not None
        assert pressed.response.content.startswith("I am no member of this server")
        assert (it.host.calls, it.host.marks) == ([], [])


async def test_a_server_that_is_away_is_waited_for() -> None:
    async with world() as it:
        ann = it.member("ann")
        it.env.backend.emit("GUILD_DELETE", {"id": str(it.guild.id), "unavailable": True})
        await it.env.settle()
        told = await ann.slash(it.channel, "privacy show")
        assert told.response is not None
        assert told.response.content.startswith("I have only just come back.")
        assert it.host.calls == []
