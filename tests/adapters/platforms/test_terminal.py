"""The terminal: what is painted, what keys do, and what a pipe gets."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from adapters.platforms.base import (
    Answer,
    Button,
    Call,
    End,
    Field,
    File,
    Reply,
    Spoken,
    Table,
    UserError,
    Welcome,
)
from adapters.platforms.terminal.chat import Chat
from adapters.platforms.terminal.keyboard import Commands, Keyboard, history_at
from adapters.platforms.terminal.markdown import settled
from adapters.platforms.terminal.piped import answer_once, checked_message, read_message
from adapters.platforms.terminal.plain import (
    PlainReply,
    answer_data,
    answer_text,
    clean,
    for_shell,
    keep_picture,
    save,
    table_text,
)
from adapters.platforms.terminal.progress import ProgressLine
from adapters.platforms.terminal.screen import Screen
from tests.adapters.platforms.fake_host import CONSENT, PLACE, FakeHost, session

CTRL_C, CTRL_D, TAB, ALT_ENTER = "\x03", "\x04", "\t", "\x1b\r"


class Sitting:
    """A chat whose keys are a pipe and whose screen is a string."""

    def __init__(self, host: FakeHost, keys: PipeInput, folder: Path) -> None:
        self.keys = keys
        self.out = io.StringIO()
        screen = Screen(Console(file=self.out, width=80, color_system=None), folder, folder / "pictures")
        self.chat = Chat(session(host), screen, io.StringIO())
        self.keyboard = Keyboard(
            Commands(self.chat.commands, self.chat.call_for),
            history_at(folder / "history"),
            status=self.chat.status,
            reminder=self.chat.reminder,
            suggestions=self.chat.suggestions,
            source=keys,
            output=DummyOutput(),
        )

    async def run(self, typed: str, *, leave: bool = True) -> str:
        """Type everything at once (the rest waits for its prompt) and leave; what was on the screen."""
        self.keys.send_text(typed + (CTRL_D if leave else ""))
        assert await self.chat.run(self.keyboard) == 0
        return self.out.getvalue()


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def sitting(host: FakeHost, tmp_path: Path) -> Iterator[Sitting]:
    with create_pipe_input() as keys:
        yield Sitting(host, keys, tmp_path)


# -- the sitting


async def test_greets_with_the_tagline_and_suggestions(sitting: Sitting) -> None:
    seen = await sitting.run("")
    assert "Guide" in seen
    assert "I show you around." in seen
    assert re.search(r"1 +What is this\?", seen)
    assert "Tab" in seen


async def test_a_message_is_answered_and_then_rated(host: FakeHost, sitting: Sitting) -> None:
    seen = await sitting.run("hello\r+\r3\r")
    assert "You said: hello" in seen
    assert [(mark.stars, mark.exchange_id, mark.source) for mark in host.marks] == [
        (5, "e1", "stars"),
        (3, "e1", "stars"),
    ]
    assert "Thank you." in seen
    assert "+ − or 1–5" in sitting.chat.reminder()


async def test_a_number_picks_a_suggestion_until_there_is_a_reply_to_rate(
    host: FakeHost, sitting: Sitting
) -> None:
    await sitting.run("2\r2\r\r\r")
    assert [message.text for message in host.messages] == ["Why?"]
    assert [mark.stars for mark in host.marks] == [2]


async def test_nothing_to_rate_yet(host: FakeHost, sitting: Sitting) -> None:
    assert "no reply here yet to rate" in await sitting.run("5\r")
    assert not host.messages


async def test_tab_walks_through_the_suggestions(host: FakeHost, sitting: Sitting) -> None:
    await sitting.run(f"{TAB}{TAB}\r")
    assert host.messages[0].text == "Why?"


async def test_a_thumb_down_asks_what_was_wrong(host: FakeHost, sitting: Sitting) -> None:
    await sitting.run("hello\r-\rtoo long\rHi.\r")
    down, words = host.marks
    assert (down.stars, down.rates) == (1, True)
    assert (words.stars, words.rates, words.comment, words.better) == (None, False, "too long", "Hi.")


async def test_the_questions_can_be_skipped(host: FakeHost, sitting: Sitting) -> None:
    await sitting.run("hello\r-\r\r\r")
    assert len(host.marks) == 1


@pytest.mark.parametrize(
    ("typed", "ran"),
    [
        ("\r", ["privacy consent"]),
        ("n\r", ["privacy decline"]),
        ("?\ry\r", ["privacy show", "privacy consent"]),
    ],
)
async def test_consent_is_one_line(host: FakeHost, sitting: Sitting, typed: str, ran: list[str]) -> None:
    host.thanks = CONSENT
    await sitting.run(f"hello\r+\r{typed}")
    assert [call.command for call in host.calls] == ran


async def test_leaving_the_consent_question_open_runs_nothing(host: FakeHost, sitting: Sitting) -> None:
    host.thanks = CONSENT
    await sitting.run(f"hello\r+\r{CTRL_C}")
    assert not host.calls


async def test_teaching_shows_what_was_learnt_and_asks_for_consent_once(
    host: FakeHost, sitting: Sitting
) -> None:
    host.spoken = Spoken("taught", "e1", "Not yet learnt.", "Guide", offer=CONSENT)
    seen = await sitting.run("no, the answer is 42\ry\r")
    assert seen.count("Not yet learnt.") == 1
    assert [call.command for call in host.calls] == ["privacy consent"]


async def test_ctrl_c_stops_the_reply_and_what_was_typed_meanwhile_is_kept(
    host: FakeHost, sitting: Sitting
) -> None:
    def second() -> None:
        assert host.speaking is not None
        host.speaking.set()
        sitting.keys.send_text(CTRL_D)

    def first() -> None:
        host.on_speak = second
        sitting.keys.send_text(f"neyt\x7f\x7fxt\r{CTRL_C}")

    host.on_speak = first
    seen = await sitting.run("hello\r", leave=False)
    assert "stopped" in seen
    assert [message.text for message in host.messages] == ["hello", "next"]


async def test_ctrl_d_while_it_speaks_leaves_when_it_is_said(host: FakeHost, sitting: Sitting) -> None:
    def leave() -> None:
        assert host.speaking is not None
        sitting.keys.send_text(CTRL_D)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, host.speaking.set)  # a turn after the key was read

    host.on_speak = leave
    await sitting.run("hello\r", leave=False)
    assert [message.text for message in host.messages] == ["hello"]


async def test_stop_typed_while_it_speaks(host: FakeHost, sitting: Sitting) -> None:
    host.on_speak = lambda: sitting.keys.send_text("/stop\r")
    assert "stopped" in await sitting.run("hello\r")
    assert len(host.messages) == 1


async def test_ctrl_c_cuts_off_a_host_that_does_not_stop(host: FakeHost, sitting: Sitting) -> None:
    host.stop_speaking = lambda place, exchange_id="": False
    host.on_speak = lambda: sitting.keys.send_text(CTRL_C)
    assert "Stopped." in await sitting.run("hello\r")


async def test_ctrl_c_twice_leaves(host: FakeHost, sitting: Sitting) -> None:
    seen = await sitting.run(f"{CTRL_C}{CTRL_C}never\r")
    assert "once more" in seen
    assert not host.messages


async def test_quit(host: FakeHost, sitting: Sitting) -> None:
    await sitting.run("/quit\rnever\r")
    assert not host.messages


async def test_lines_can_be_many(host: FakeHost, sitting: Sitting) -> None:
    await sitting.run(f"one{ALT_ENTER}two\r\x1b[200~three\nfour\x1b[201~\r")
    assert [message.text for message in host.messages] == ["one\ntwo", "three\nfour"]


async def test_an_error_of_ours_is_a_sentence_and_the_chat_goes_on(host: FakeHost, sitting: Sitting) -> None:
    host.error = RuntimeError("boom")
    seen = await sitting.run("hello\rhello\r")
    assert seen.count("Ours, reference r1.") == 2
    assert "boom" not in seen


async def test_declined_and_failed_are_said(host: FakeHost, sitting: Sitting) -> None:
    host.spoken = Spoken("declined", text="That is too long.")
    assert "That is too long." in await sitting.run("hello\r")


async def test_failed_is_said_once(host: FakeHost, sitting: Sitting) -> None:
    host.spoken = Spoken("failed", text="No model.", reference="r7")
    assert (await sitting.run("hello\r")).count("No model. (reference r7)") == 1


async def test_an_unknown_avatar_ends_before_it_begins(host: FakeHost, sitting: Sitting) -> None:
    sitting.chat.session = replace(sitting.chat.session, place=replace(PLACE, avatar="nobody"))
    with pytest.raises(UserError, match="nobody"):
        await sitting.chat.run(sitting.keyboard)


# -- commands in the chat


async def test_a_command_with_fields_and_a_table(sitting: Sitting) -> None:
    seen = await sitting.run("/history\r")
    assert re.search(r"Rated +3", seen)
    assert re.search(r"then +bb", seen)


async def test_a_mistyped_command(host: FakeHost, sitting: Sitting) -> None:
    assert "did you mean" in await sitting.run("/histroy\r")
    assert not host.calls


@pytest.mark.parametrize(("typed", "ran"), [("y\r", ["danger"]), ("\r", []), (CTRL_C, [])])
async def test_what_cannot_be_undone_is_asked_first(
    host: FakeHost, sitting: Sitting, typed: str, ran: list[str]
) -> None:
    await sitting.run(f"/danger\r{typed}")
    assert [call.command for call in host.calls if call.confirmed] == ran


async def test_buttons_are_numbered_choices(host: FakeHost, sitting: Sitting) -> None:
    seen = await sitting.run("/many\r1\r")
    assert re.search(r"2 +Bad", seen)
    assert host.calls[-1].values == {"colour": "red"}
    assert "Chosen: red" in seen


async def test_a_form_is_asked_line_by_line(host: FakeHost, sitting: Sitting) -> None:
    seen = await sitting.run("/ask\rgreen\rblue\r")
    assert "one of red, blue" in seen
    assert host.calls[-1].values == {"colour": "blue"}


async def test_files_are_saved_and_never_over_another(sitting: Sitting, tmp_path: Path) -> None:
    seen = await sitting.run("/file\r/file\r")
    assert (tmp_path / "export.jsonl").read_bytes() == b"{}"
    assert (tmp_path / "export-2.jsonl").exists()
    assert "Saved" in seen


async def test_regenerate_shows_the_reply_and_it_can_be_rated(host: FakeHost, sitting: Sitting) -> None:
    seen = await sitting.run("/regenerate\r+\r")
    assert "You said: again" in seen
    assert host.marks[0].exchange_id == "e0"


async def test_another_avatar_greets(host: FakeHost, sitting: Sitting) -> None:
    sitting.chat.session = replace(sitting.chat.session, place=replace(PLACE, avatar="guide"))
    host.welcomes = Welcome("Guide")
    original = host.command

    async def use(call: Call, reply: Reply | None = None) -> Answer:
        host.welcomes = Welcome("Counsel", "I listen.")
        return await original(call, reply)

    host.command = use
    seen = await sitting.run("/avatar use counsel\r")
    assert "I listen." in seen
    assert sitting.chat.session.place.avatar == ""


def test_the_history_is_the_owners_alone(tmp_path: Path) -> None:
    history_at(tmp_path / "history").append_string("secret")
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0
    assert history_at(tmp_path / "no" / "folder").get_strings() == []


# -- painting


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("One line", ""),
        ("One.\n\n", ""),
        ("One.\n\nTwo", "One.\n\n"),
        ("One.\n\n- item\n\n- it", "One.\n\n- item\n\n- it"[:0]),
        ("- item\n\nThen", "- item\n\n"),
        ("```py\na\n\nb\n", ""),
        ("```py\na\n\nb\n```\n\nEnd", "```py\na\n\nb\n```\n\n"),
        ("````\n```\n\nx\n\ny", ""),
        ("1. a\n\n2. b\n\nDone", "1. a\n\n2. b\n\n"),
    ],
)
def test_only_whole_blocks_are_settled(text: str, sure: str) -> None:
    assert text[: settled(text)] == sure


@given(st.lists(st.sampled_from(["word ", "\n", "\n\n", "```", "- ", "1. ", "| a |", "# "])).map("".join))
def test_what_is_settled_stays_settled(text: str) -> None:
    at = 0
    for end in range(len(text) + 1):
        now = settled(text[:end])
        assert now >= at
        at = now


async def test_a_growing_reply_prints_each_part_once() -> None:
    out = io.StringIO()
    ticks = iter(range(1000))
    screen = Screen(
        Console(file=out, width=80, color_system=None), Path(), Path(), seconds=lambda: float(next(ticks))
    )
    text = "# Title\n\nFirst part.\n\n```python\nx = 1\n\ny = 2\n```\n\n- one\n- two\n\nLast \x1b]0;title\x07part."
    reply = screen.reply(Welcome("Guide", colour="no such colour"))
    for end in range(len(text) + 1):
        await reply.grow(text[:end])
    assert await reply.finish(End("e1", text, note="stopped")) == "e1"
    seen = out.getvalue()
    for part in ("Title", "First part.", "x = 1", "y = 2", "one", "two", "Last", "stopped"):
        assert seen.count(part) == 1, part
    assert "\x1b]0" not in seen


# -- plain


def test_clean_keeps_text_and_drops_what_a_terminal_obeys() -> None:
    assert clean("a\tb\r\nc\x1b[31md\x9b5n é 👍") == "a\tb\nc[31md5n é 👍"


def test_a_table_that_would_break_names_is_a_list_instead(tmp_path: Path) -> None:
    names = [f"embedded:desk-sft-1-1-6669c881-epoch-{number}" for number in (1, 2)]
    columns = ("answers for", "model", "tuned from", "dataset", "trained")
    rows = tuple(("", name, "embedded:base", "desk-sft:1", "2026-11-21 17:02") for name in names)
    shown: dict[int, str] = {}
    for width in (72, 120):
        out = io.StringIO()
        Screen(Console(file=out, width=width), tmp_path, tmp_path).answer(Answer(table=Table(columns, rows)))
        shown[width] = out.getvalue()
        assert all(name in shown[width] for name in names)
        assert "answers for" not in shown[width]
    assert f"model       {names[0]}\n" in shown[72]
    assert shown[120].startswith("model")


def test_plain_answer() -> None:
    host = FakeHost()
    answer = Answer(
        "Text.",
        table=Table(("a", "bb"), (("long cell", "x"),)),
        buttons=(
            Button("Go", "ask", {"colour": "red"}),
            Button("Yes", "ask", {"colour": "red", "asked": "1-0a1b2c"}),
        ),
    )
    assert answer_text(answer, {command.name: command for command in host.commands}) == (
        "Text.\n\na          bb\nlong cell  x\n\nGo: understudy ask --colour=red"
    )
    assert answer_data(answer) == {"ok": True, "text": "Text.", "rows": [{"a": "long cell", "bb": "x"}]}
    assert answer_data(Answer("x", data=[1])) == [1]
    assert answer_data(Answer("x", data={"rows": 3})) == {"ok": True, "rows": 3}
    refused = Answer("Nothing.", ok=False, data={"rows": 0})
    assert answer_data(refused) == {"ok": False, "text": "Nothing.", "rows": 0}
    assert table_text(Table(("a",), ())) == "a"


def test_commands_that_an_answer_names_are_typed_as_in_a_shell() -> None:
    commands = {command.name: command for command in FakeHost().commands}
    answer = Answer(
        "`/ask colour:red` goes on, `/ask` too; `/unknown x:1` and /ask stay.",
        fields=(Field("a", "`/ask blue`"),),
    )
    told = for_shell(answer, commands)
    assert told.text == (
        "`understudy ask --colour red` goes on, `understudy ask` too; `/unknown x:1` and /ask stay."
    )
    assert told.fields[0].value == "`understudy ask blue`"


def test_a_picture_gives_way_to_the_next_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    assert keep_picture(File("../curve.png", b"1"), folder) == folder / "curve.png"
    assert keep_picture(File("curve.png", b"2"), folder) == folder / "curve.png"
    assert [each.read_bytes() for each in folder.iterdir()] == [b"2"]
    assert [each.name for each in tmp_path.iterdir()] == ["pictures"]


def test_the_parts_of_an_answer_stand_apart(tmp_path: Path) -> None:
    out = io.StringIO()
    answer = Answer("Text.", fields=(Field("a", "1"),), table=Table(("b",), (("2",),)))
    Screen(Console(file=out, width=80), tmp_path, tmp_path).answer(answer)
    assert [line.strip() for line in out.getvalue().splitlines()] == ["Text.", "", "a  1", "", "b", "2"]


def test_a_file_name_cannot_leave_its_folder(tmp_path: Path) -> None:
    assert save(File("../../etc/passwd", b""), tmp_path) == tmp_path / "passwd"
    assert save(File("..", b""), tmp_path).parent == tmp_path


async def test_a_live_plain_reply_grows() -> None:
    out, err = io.StringIO(), io.StringIO()
    reply = PlainReply(out, err, live=True)
    await reply.grow("Hel")
    assert out.getvalue() == "Hel"
    await reply.finish(End("e", "Hello", note="stopped"))
    assert (out.getvalue(), err.getvalue()) == ("Hello\n", "stopped\n")


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_progress_is_one_line_on_a_terminal() -> None:
    shown = _Tty()
    line = ProgressLine(shown)
    await line("reading", 0.5)
    await line("reading", 0.5)
    line.clear()
    assert shown.getvalue() == f"\r\x1b[K{'━' * 12}{'╌' * 12}  50%  reading\r\x1b[K"


async def test_progress_is_a_line_every_ten_seconds_elsewhere() -> None:
    log, ticks = io.StringIO(), iter([0.0, 1.0, 10.5, 12.0, 20.5, 31.0])
    line = ProgressLine(log, seconds=lambda: next(ticks))
    for done in (0.1, 0.2, 0.3, 0.4):
        await line("reading\x1b[2J", done)
    await line("waiting")
    line.clear()
    assert log.getvalue() == "reading[2J (20%)\nreading[2J (40%)\nwaiting\n"


# -- one message, one reply


async def _once(host: FakeHost, *, as_json: bool = False) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = await answer_once(session(host), "hi", as_json=as_json, out=out, err=err)
    return code, out.getvalue(), err.getvalue()


async def test_a_pipe_gets_only_the_reply(host: FakeHost) -> None:
    assert await _once(host) == (0, "You said: hi\n", "")


async def test_json_has_exactly_these_names(host: FakeHost) -> None:
    code, out, err = await _once(host, as_json=True)
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "exchange_id": "e1",
        "avatar": "Guide",
        "reply": "You said: hi",
        "model": "fake:echo",
        "example_ids": ["x1"],
        "prompt_version": 3,
        "tokens": {"in": 5, "out": 7},
        "cost": 0.25,
        "latency_ms": 12,
        "error": None,
    }


@pytest.mark.parametrize("as_json", [False, True])
async def test_codes_and_sentences(host: FakeHost, as_json: bool) -> None:
    host.spoken = Spoken("declined", text="Too long.")
    assert await _once(host, as_json=as_json) == (2, "", "understudy: Too long.\n")
    host.spoken = Spoken("failed", text="No model.", error="denied", reference="r7")
    code, out, err = await _once(host, as_json=as_json)
    assert (code, err) == (1, "understudy: No model. (reference r7)\n")
    if as_json:
        assert (json.loads(out)["error"], json.loads(out)["reply"]) == ("denied", "")
    host.spoken = Spoken("taught", text="Learnt.")
    code, out, _ = await _once(host, as_json=as_json)
    assert code == 0
    assert "Learnt." in out


def test_what_cannot_be_a_message() -> None:
    assert read_message(io.BytesIO("﻿ grüezi\n".encode())) == "grüezi"
    for data, sentence in (
        (b"", "no message"),
        (b" \n", "no message"),
        (b"a\xffb", r"not valid UTF-8 \(byte 2"),
    ):
        with pytest.raises(UserError, match=sentence):
            read_message(io.BytesIO(data))
    with pytest.raises(UserError, match="not valid UTF-8"):
        checked_message("a\udcff")


def test_an_endless_message_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.platforms.terminal.piped.MAX_INPUT_BYTES", 10)
    with pytest.raises(UserError, match="longer than"):
        read_message(io.BytesIO(b"x" * 11))
