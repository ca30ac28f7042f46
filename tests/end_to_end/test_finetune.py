"""Fine-tuning as people lead it: by the whole program, in a channel and at a shell."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.end_to_end import desk, finetune_chat, finetune_story
from tests.end_to_end.rooms import room

UNKNOWN = "I do not know that yet."


@pytest.mark.timeout(180)
@pytest.mark.parametrize("platform", ["discord", "slack"])
async def test_an_admin_leads_the_whole_loop_in_a_channel(platform: str, tmp_path: Path) -> None:
    async with room(platform, tmp_path) as here:
        story = await finetune_chat.play(here)
        assert "is frozen" in story.screen("/finetune build")
        assert "Nothing was launched." in story.screen("/finetune estimate")
        assert "Train embedded:base on desk-sft:1" in story.screen("/finetune launch")
        assert story.status is not None
        said = here.history(story.status)
        assert len(said) > 3  # one message, changed in place
        assert all(each.startswith("**Training run 1** ·") for each in said)
        assert "being trained" in "".join(said)
        for words in ("It has succeeded", "nothing: it runs on this machine", "validation at step"):
            assert words in said[-1]
        (picture,) = here.pictures(story.status)
        assert Image.open(io.BytesIO(picture)).size == (1200, 600)
        assert here.pinged(story.status) == []
        assert story.end is not None
        assert [name.casefold() for name in here.pinged(story.end)] == ["ada"]
        assert "has succeeded" in story.end.text
        assert story.model in story.screen("/finetune models")
        assert "One of the held-out rows" in story.screen("pressed Try it")
        tried = story.screen("/finetune try")
        assert desk.ANSWER in tried
        assert UNKNOWN in tried
        assert "answers differ from those of embedded:base" in story.screen("pressed Activate …")
        assert "from the next message on: release 2" in story.screen("pressed Activate it")
        before, released, after = story.replies
        assert UNKNOWN in before
        assert desk.ANSWER in released
        assert UNKNOWN in after
        assert "release 3 repeats release 1" in story.screen("pressed the button")


@pytest.mark.timeout(240)  # a dozen processes, one after the other
def test_a_newcomer_goes_the_whole_way_at_a_shell(tmp_path: Path) -> None:
    shell = finetune_story.play(
        desk.write(tmp_path / "desk.jsonl"), tmp_path, avatar=desk.AVATAR, question=desk.QUESTION
    )
    assert shell.replies["embedded:base"] != desk.ANSWER
    assert desk.ANSWER in shell.replies.values()
