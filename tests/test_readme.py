"""What the README tells people to type works, in the order in which it stands there, on a fresh data directory."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# What each line must print, on standard output or standard error; a line of the README without an entry fails the test.
EXPECTED: dict[str, tuple[str, ...]] = {
    "chat --message": ("no, the answer is",),
    "rate 5": ("5 of 5", "your comment"),
    "why": ("embedded:base", "the guide", "●"),
    "import": ("made, with a plain prompt", "lines of sample.jsonl are in Workshop", "new exchanges"),
    "chat --avatar": ('"avatar": "Workshop"', '"model": "embedded:base"', "Copper Lane Workshop is open"),
    "avatar list": ("Guide", "Workshop"),
    "examples list": ("laser",),
    "stats": ("Exchanges", "5.00 of 5"),
    "models": ("embedded:base", "answers only from its examples"),
    "privacy show": ("Kept", "you were not asked yet"),
    "export": ("workshop.jsonl",),
    "finetune build": ("**first:1** is frozen", "left out because"),
    "finetune export": ("first:1 is in first as openai-sft",),
    "dataset validate": ("train.openai-sft.jsonl is good openai-sft",),
    "finetune launch --dataset first --vendor": ("It has succeeded", "finetune activate --model=run:1"),
    "finetune activate": ("answers with **embedded:first", "rollback"),
    "finetune rollback": ("repeats release 1",),
    "finetune launch --dataset first --dry-run": (
        "embedded:base by sft",
        "Nothing was launched",
        "understudy finetune launch --dataset=first:1 --vendor=embedded\n",
    ),
    "check": ("All is well", "embedded:base"),
}


def lines() -> list[str]:
    """The commands of the console block, without their prompt."""
    block = re.search(r"^```console\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    found = block[1].splitlines()
    assert found
    assert all(line.startswith("$ understudy ") for line in found)
    return [line.removeprefix("$ understudy ") for line in found]


def run(line: str, folder: Path) -> str:
    """What a line prints, when it ended well."""
    result = subprocess.run(
        [sys.executable, "-m", "bot", *shlex.split(line)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=50,
    )
    assert result.returncode == 0, f"{line}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


@pytest.mark.timeout(180)
def test_what_the_readme_shows_works(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "bot").mkdir()
    (folder / "bot" / "guide").symlink_to(ROOT / "bot" / "guide")  # the paths that the README names
    printed: dict[str, str] = {}
    for line in lines():
        (name,) = [each for each in EXPECTED if line.startswith(each)]
        printed[name] = run(line, folder)
        for fragment in EXPECTED[name]:
            assert fragment in printed[name], f"{line}\n{printed[name]}"
    assert printed.keys() == EXPECTED.keys()
    assert json.loads(printed["chat --avatar"])["example_ids"]
    written = [json.loads(each) for each in (folder / "workshop.jsonl").read_text().splitlines()]
    assert {"copper-lane-01"} <= {each["conversation_id"] for each in written if "conversation_id" in each}
    assert str(data_dir) in printed["check"]


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
