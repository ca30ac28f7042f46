"""The house stands as drawn: imports go down only, one list of development tools, pins without addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"[a-z0-9-]+==[\w.!+]+( ; .+)?")


def test_imports_go_down_only(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_development_tools_are_listed_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["dev"] == project["dependency-groups"]["dev"]


@pytest.mark.parametrize("lock", ["runtime", "development", "build", "train"])
def test_locks_are_pins_and_nothing_else(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if not PIN.fullmatch(line)] == []


def test_the_development_lock_holds_the_runtime_lock() -> None:
    runtime = (ROOT / "requirements" / "runtime.txt").read_text().splitlines()
    development = (ROOT / "requirements" / "development.txt").read_text().splitlines()
    assert set(runtime) <= set(development)
