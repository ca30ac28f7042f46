"""The newcomer's loop, offline: from a file of conversations to a tuned model that answers, and back again; timed.

    python -m tests.end_to_end.finetune_story [CONVERSATIONS]

Everything is done as somebody at a shell does it, each step a process of its own, in a data directory that is thrown away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import ROOT

CONVERSATIONS = ROOT.parent / "shared" / "data" / "conversations.jsonl"
AVATAR = "counsel"
QUESTION = "How can I be less stressed? I need help dealing with stress."
_SHOWN = 12


class Shell:
    """Somebody at a shell, with a clock."""

    def __init__(self, folder: Path) -> None:
        self.took: list[tuple[str, float]] = []
        self._environment = {**os.environ, "UNDERSTUDY_DATA_DIR": str(folder / "data")}
        self._folder = folder
        self._begun = time.monotonic()

    def give(self, *words: str, code: int = 0) -> str:
        """A command as it is typed, and what it prints."""
        told = " ".join(f'"{word}"' if " " in word else word for word in words)
        print(f"\n$ understudy {told}", flush=True)
        begun = time.monotonic()
        paths = [str(ROOT), *filter(None, [self._environment.get("PYTHONPATH")])]
        done = subprocess.run(
            [sys.executable, "-m", "bot", *words],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**self._environment, "PYTHONPATH": os.pathsep.join(paths)},
        )
        seconds = time.monotonic() - begun
        self.took.append((" ".join(words[:2]), seconds))
        lines = [line for line in (done.stdout + done.stderr).strip().splitlines() if line.strip()]
        for line in lines[:_SHOWN]:
            print(f"  {line[:160]}")
        if len(lines) > _SHOWN:
            print(f"  … {len(lines) - _SHOWN} more lines")
        print(f"  [{seconds:.1f} s]", flush=True)
        assert done.returncode == code, done.stderr
        return done.stdout

    def data(self, *words: str) -> Any:
        """What a command says to a script."""
        return json.loads(self.give(*words, "--json"))

    def summary(self) -> None:
        """Every step with its time."""
        print("\nWhat took how long:")
        for what, seconds in self.took:
            print(f"  {seconds:6.1f} s  {what}")
        print(f"  {time.monotonic() - self._begun:6.1f} s  all of it, each step with its own start")


def play(conversations: Path, folder: Path) -> Shell:
    """The whole loop; asserts that what was promised is so."""
    here = Shell(folder)
    dataset = f"{AVATAR}-sft"
    here.give("import", "--path", str(conversations), "--avatar", AVATAR, "--consented")
    here.give("finetune", "build", "--avatar", AVATAR)
    here.give("finetune", "estimate", "--dataset", dataset)
    here.give("finetune", "launch", "--dataset", dataset, code=1)  # nobody said yes
    here.give("finetune", "launch", "--dataset", dataset, "--wait", "--yes")
    here.give("finetune", "status")
    (run,) = here.data("finetune", "jobs")
    assert run["state"] == "succeeded"
    told = [each["message"] for each in here.data("finetune", "logs", "1")]
    print("\nOn rows that it was not trained on, as the training tells it:")
    print(f"  {next(each for each in told if 'before' in each and 'after' in each)}")
    model = next(each["model"] for each in here.data("finetune", "models") if each["step"] is None)
    assert model == run["model"]
    here.give("finetune", "try", "--model", model, "--avatar", AVATAR, "--message", QUESTION)
    before = here.data("chat", "--avatar", AVATAR, "--message", QUESTION)
    here.give("finetune", "activate", "--avatar", AVATAR, "--model", model, "--yes")
    during = here.data("chat", "--avatar", AVATAR, "--message", QUESTION)
    here.give("finetune", "rollback", "--avatar", AVATAR, "--yes")
    after = here.data("chat", "--avatar", AVATAR, "--message", QUESTION)
    here.give("finetune", "releases", "--avatar", AVATAR)
    assert (before["model"], during["model"], after["model"]) == ("embedded:base", model, "embedded:base")
    here.summary()
    return here


def main(arguments: Sequence[str]) -> int:
    conversations = Path(arguments[0]) if arguments else CONVERSATIONS
    if not conversations.is_file():
        print(f"There are no conversations in {conversations}: name a file of JSON Lines.")
        return 1
    with TemporaryDirectory(prefix="understudy-story-") as folder:
        play(conversations.absolute(), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
