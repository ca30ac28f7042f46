"""The newcomer's loop, offline: from a file of conversations to a tuned model that answers, and back again; timed.

    python -m tests.end_to_end.finetune_story [CONVERSATIONS]
    python -m tests.end_to_end.finetune_story --on discord|slack [--curve FILE]

In the terminal everything is done as somebody at a shell does it, each step a process of its own, in a data directory that
is thrown away. On Discord and Slack the whole program serves a local one, and what people read there is printed; ``--curve``
keeps the picture that arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT

CONVERSATIONS = ROOT.parent / "shared" / "data" / "conversations.jsonl"
AVATAR = "counsel"
QUESTION = "What are the symptoms of coronavirus?"
_SHOWN = 14
_WIDE = 150


class Shell:
    """Somebody at a shell, with a clock. ``replies`` are those of each model that was asked, the last ones."""

    def __init__(self, folder: Path) -> None:
        self.took: list[tuple[str, float]] = []
        self.replies: dict[str, str] = {}
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")},
            "UNDERSTUDY_DATA_DIR": str(folder / "data"),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        self._folder = folder
        self._begun = time.monotonic()

    def give(self, *words: str, code: int = 0) -> str:
        """A command as it is typed, and what it prints."""
        printed = self._run(words, code)
        lines = [line for line in printed.strip().splitlines() if line.strip()]
        for line in lines[:_SHOWN]:
            print(textwrap.fill(line, _WIDE, initial_indent="  ", subsequent_indent="  ", max_lines=4))
        if len(lines) > _SHOWN:
            print(f"  … {len(lines) - _SHOWN} more lines")
        print(f"  [{self.took[-1][1]:.1f} s]", flush=True)
        return printed

    def asks(self, avatar: str, question: str) -> str:
        """Ask the avatar; the model that answered."""
        said = json.loads(self._run(("chat", "--avatar", avatar, "--message", question, "--json"), 0))
        self.replies[said["model"]] = said["reply"]
        print(textwrap.fill(f"{said['model']}: {said['reply']}", _WIDE, initial_indent="  ", max_lines=1))
        print(f"  [{self.took[-1][1]:.1f} s]", flush=True)
        return said["model"]

    def _run(self, words: Sequence[str], code: int) -> str:
        told = " ".join(f'"{word}"' if " " in word else word for word in words)
        print(f"\n$ understudy {told}", flush=True)
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "bot", *words],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )
        self.took.append((" ".join(words[:2]), time.monotonic() - begun))
        assert done.returncode == code, done.stdout
        return done.stdout

    def summary(self) -> None:
        """Every step with its time."""
        print("\nWhat took how long:")
        for what, seconds in self.took:
            print(f"  {seconds:6.1f} s  {what}")
        print(f"  {time.monotonic() - self._begun:6.1f} s  all of it, each step with its own start")


def play(conversations: Path, folder: Path, *, avatar: str = AVATAR, question: str = QUESTION) -> Shell:
    """The whole loop; asserts that what was promised is so."""
    here = Shell(folder)
    dataset = f"{avatar}-sft"
    here.give("import", "--path", str(conversations), "--avatar", avatar, "--consented")
    before = here.asks(avatar, question)
    here.give("finetune", "build", "--avatar", avatar)
    here.give("finetune", "estimate", "--dataset", dataset)
    here.give("finetune", "launch", "--dataset", dataset, code=1)  # nobody said yes
    told = here.give("finetune", "launch", "--dataset", dataset, "--wait", "--yes")
    assert "held-out questions" in told
    here.give("finetune", "models")
    found = re.search(r"embedded:[\w-]+-1-1-\w+", told)
    assert found is not None, told
    model = found[0]
    here.give("finetune", "try", "--model", model, "--avatar", avatar, "--message", question)
    here.give("finetune", "activate", "--avatar", avatar, "--model", model, "--yes")
    during = here.asks(avatar, question)
    here.give("finetune", "rollback", "--avatar", avatar, "--yes")
    after = here.asks(avatar, question)
    here.give("finetune", "releases", "--avatar", avatar)
    assert (before, during, after) == ("embedded:base", model, "embedded:base")
    here.summary()
    return here


async def _in_chat(platform: str, curve: Path | None, folder: Path) -> None:
    from tests.end_to_end import finetune_chat
    from tests.end_to_end.rooms import room

    begun = time.monotonic()
    async with room(platform, folder) as here:
        story = await finetune_chat.play(here)
        print(finetune_chat.told(here, story))
        if curve is not None and story.status is not None:
            (picture,) = here.pictures(story.status)
            curve.write_bytes(picture)
    print(f"\nAll of it took {time.monotonic() - begun:.1f} s.")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("conversations", nargs="?", type=Path, default=CONVERSATIONS)
    parser.add_argument("--on", choices=("terminal", "discord", "slack"), default="terminal")
    parser.add_argument("--curve", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.curve is not None and chosen.on == "terminal":
        parser.error("--curve keeps a picture, and the terminal shows none: add --on discord or --on slack")
    with TemporaryDirectory(prefix="understudy-story-") as folder:
        if chosen.on != "terminal":
            asyncio.run(_in_chat(chosen.on, chosen.curve, Path(folder)))
        elif chosen.conversations.is_file():
            play(chosen.conversations.absolute(), Path(folder))
        else:
            print(f"There are no conversations in {chosen.conversations}: name a file of JSON Lines.")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
