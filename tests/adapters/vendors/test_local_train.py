"""The script that trains, as far as it needs no library: what it reads, what it cuts, what it says."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vendors.local import train
from adapters.vendors.local.folder import TRAIN, JobFolder
from adapters.vendors.local.train import Folder, Message, Problem

WORDS = st.lists(st.sampled_from("one two three four five".split()), max_size=12).map(" ".join)


def length(messages: list[Message]) -> int:
    """A word is a token, and a message takes two more."""
    return sum(len(message["content"].split()) + 2 for message in messages)


def tail(text: str, tokens: int) -> str:
    words = text.split()
    return " ".join(words[len(words) - min(tokens, len(words)) :])


def talk(*texts: str, system: str = "") -> list[Message]:
    """Users and assistants in turn, a user first."""
    turns = [
        {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts)
    ]
    return [{"role": "system", "content": system}, *turns] if system else turns


@given(st.lists(WORDS, min_size=1, max_size=9), WORDS, WORDS, WORDS, st.integers(4, 60))
def test_what_is_cut_is_never_the_reply(
    texts: list[str], system: str, reply: str, worse: str, most: int
) -> None:
    texts = texts if len(texts) % 2 else texts[1:]
    said, other = ([{"role": "assistant", "content": text}] for text in (reply, worse))
    row = {"prompt": talk(*texts, system=system), "chosen": said, "rejected": other}
    kept, cut, out = train.fit([row], length, tail, most)
    longest = max(length(said), length(other))
    if length(row["prompt"]) + longest <= most:
        assert (kept, cut, out) == ([row], 0, 0)
        return
    assert (cut + out, len(kept)) == (1, cut)
    assert bool(out) == (longest + length(talk("")) > most), "only what cannot fit is left out"
    for found in kept:
        assert (found["chosen"], found["rejected"]) == (said, other)
        assert length(found["prompt"]) + longest <= most
        turns = [turn for turn in found["prompt"] if turn["role"] != "system"]
        assert [turn["role"] for turn in turns][::2] == ["user"] * len(turns[::2])
        assert turns[-1]["role"] == "user"
        assert texts[-1].endswith(turns[-1]["content"])
        if len(turns) > 1:
            assert turns[-1]["content"] == texts[-1]
            assert found["prompt"][: bool(system)] == row["prompt"][: bool(system)]


def test_the_oldest_go_first_and_the_system_prompt_last() -> None:
    row = {"prompt": talk("a b", "c d", "e f", system="s"), "completion": talk("x", "y z")[1:]}
    for most, contents in ((19, ["s", "a b", "c d", "e f"]), (11, ["s", "e f"]), (10, ["s", "f"]), (9, ["s", ""]),
                           (8, ["e f"]), (6, [""])):  # fmt: skip
        kept, _, _ = train.fit([row], length, tail, most)
        assert [turn["content"] for turn in kept[0]["prompt"]] == contents, most
    assert train.fit([row], length, tail, 5) == ([], 0, 1)


def test_rows_are_told_when_they_are_of_another_kind() -> None:
    messages = [{"messages": talk("a", "b")}]
    assert train.as_prompt(messages, "sft") == [{"prompt": talk("a"), "completion": talk("a", "b")[1:]}]
    with pytest.raises(Problem, match="Row 1 has no prompt, which dpo needs"):
        train.as_prompt(messages, "dpo")


def test_defaults_and_what_the_method_brings(tmp_path: Path) -> None:
    told = {"method": "dpo", "lora": {"r": 4}, "epochs": None}
    (tmp_path / "job.json").write_text(json.dumps(told))
    job = Folder(tmp_path).job()
    assert (job["learning_rate"], job["epochs"], job["lora"]["r"], job["lora"]["alpha"]) == (1e-5, 3, 4, 32)
    (tmp_path / "job.json").write_text('{"method": "rlhf"}')
    with pytest.raises(Problem, match="There is no method rlhf: choose sft, dpo or kto"):
        Folder(tmp_path).job()


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    for step in (2, 10, 12):
        place = tmp_path / "checkpoints" / f"checkpoint-{step}"
        place.mkdir(parents=True)
        (place / "trainer_state.json").write_text(
            json.dumps({"global_step": step}) if step < 12 else '{"glob'
        )
    (tmp_path / "checkpoints" / "checkpoint-14").mkdir()
    found = Folder(tmp_path).checkpoint()
    assert found is not None
    assert found.name == "checkpoint-10"
    assert sorted(path.name for path in found.parent.iterdir()) == ["checkpoint-10", "checkpoint-2"]


def test_losses_after_the_checkpoint_come_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for step in range(1, 5):
        folder.point(step=step, split="train", loss=1.0, tokens=step * 10)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    assert folder.go_back(3) == 30
    folder.point(step=4, split="train", loss=0.5, tokens=40)
    points = JobFolder(tmp_path.parent, tmp_path.name).points()
    assert [(point.step, point.loss) for point in points] == [(1, 1), (2, 1), (3, 1), (4, 0.5)]


def test_a_line_that_a_crash_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"at": 1, "mess')
    Folder(tmp_path).note("Started again")
    Folder(tmp_path).note("Done")
    told = JobFolder(tmp_path.parent, tmp_path.name).events()
    assert [(event.id, event.message) for event in told] == [("000002", "Started again"), ("000003", "Done")]


def test_only_the_first_of_several_processes_writes(tmp_path: Path) -> None:
    second = Folder(tmp_path, leader=False)
    second.tell(state="running")
    second.note("Started")
    second.point(step=1)
    assert not list(tmp_path.iterdir())


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


def test_less_at_once_when_memory_runs_out(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"method": "kto"}')
    folder = Folder(tmp_path)
    folder.tell(micro_batch=8)
    assert not train.can_be_smaller(folder, RuntimeError(), 1)
    assert not train.can_be_smaller(folder, OutOfMemoryError(), 2)
    assert train.can_be_smaller(folder, OutOfMemoryError(), 1)
    assert train.can_be_smaller(Folder(tmp_path), OutOfMemoryError(), 1)
    assert Folder(tmp_path).status["micro_batch"] == 2
    assert not train.can_be_smaller(Folder(tmp_path), OutOfMemoryError(), 1), "kto needs two"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Problem("Line 3 of train.jsonl\nis no JSON"), "Line 3 of train.jsonl is no JSON"),
        (
            ModuleNotFoundError("No module named 'trl'", name="trl"),
            "trl is not installed where the training runs: pip",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "There is not enough memory"),
        (RuntimeError("a\nb"), "RuntimeError: a b"),
    ],
)
def test_a_failure_is_one_sentence(error: Exception, words: str) -> None:
    assert train.sentence(error).startswith(words)


def test_without_the_extra_the_folder_says_so(tmp_path: Path) -> None:
    """As a job would be started, by a Python that has nothing but itself."""
    (tmp_path / "train.py").write_bytes(TRAIN.read_bytes())
    (tmp_path / "job.json").write_text('{"method": "sft"}')
    done = subprocess.run(
        [sys.executable, "-S", "-E", "train.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["state"], status["error"]) == (
        "failed",
        "torch is not installed where the training runs: pip install 'understudy[train]'",
    )
    assert next(event.message for event in JobFolder(tmp_path.parent, tmp_path.name).events()) == "Started"


def test_one_that_was_asked_to_end_before_it_began(tmp_path: Path) -> None:
    (tmp_path / "stop").write_text("interrupt")
    folder = Folder(tmp_path)
    assert folder.asked() == "interrupt"
    (tmp_path / "stop").write_text("cancel\n")
    assert folder.asked() == "cancel"
