"""What is said unasked in a chat: above what somebody is typing, and never in the middle of something else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.input import create_pipe_input

from tests.adapters.platforms.fake_host import FakeHost
from tests.adapters.platforms.test_terminal import CTRL_D, Sitting

NEWS = "✅ Training run 1 has succeeded.\nSo it has."


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def sitting(host: FakeHost, tmp_path: Path) -> Iterator[Sitting]:
    with create_pipe_input() as keys:
        yield Sitting(host, keys, tmp_path)


async def until_typing(sitting: Sitting) -> None:
    """Wait until a line, or an answer to a question, can be typed."""
    while not sitting.keyboard.typing:
        await asyncio.sleep(0)


async def test_what_comes_while_somebody_types_is_said_at_once_and_the_line_is_kept(
    host: FakeHost, sitting: Sitting
) -> None:
    sitting.keys.send_text("half a li")
    chat = asyncio.create_task(sitting.chat.run(sitting.keyboard))
    await until_typing(sitting)
    await sitting.chat.tell(NEWS, sitting.keyboard)
    shown = [line.strip() for line in sitting.out.getvalue().splitlines()]
    assert "✅ Training run 1 has succeeded." in shown
    assert "So it has." in shown
    assert not host.messages
    sitting.keys.send_text("ne\r" + CTRL_D)
    assert await chat == 0
    assert [each.text for each in host.messages] == ["half a line"]
    assert sitting.out.getvalue().count("Training run 1") == 1


async def test_what_comes_before_anything_can_be_typed_waits_until_then(sitting: Sitting) -> None:
    await sitting.chat.tell(NEWS, sitting.keyboard)
    assert not sitting.out.getvalue()
    assert "Training run 1 has succeeded." in await sitting.run("")


async def test_it_is_said_above_a_question_too_and_what_is_no_answer_to_it_is_said_to_the_avatar(
    host: FakeHost, sitting: Sitting
) -> None:
    sitting.keys.send_text("/many\r")
    chat = asyncio.create_task(sitting.chat.run(sitting.keyboard))
    while "2  Bad" not in sitting.out.getvalue():
        await asyncio.sleep(0)
    await until_typing(sitting)
    await sitting.chat.tell(NEWS, sitting.keyboard)
    assert "Training run 1" in sitting.out.getvalue()
    sitting.keys.send_text("how are you?\r")
    while not host.messages:
        await asyncio.sleep(0)
    await until_typing(sitting)
    sitting.keys.send_text(CTRL_D)
    assert await chat == 0
    assert [each.text for each in host.messages] == ["how are you?"]
    assert [each.command for each in host.calls] == ["many"]
