"""The command line as a process: what it prints where, its exit codes, and what it does not import."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import Options, split_options
from tests.conftest import ROOT

# What a single reply must not pay for.
HEAVY = (
    "alembic",
    "discord",
    "slack_bolt",
    "openai",
    "google.genai",
    "prompt_toolkit",
    "rich",
    "matplotlib",
    "PIL",
    "asyncpg",
    "apscheduler",
    "numpy",
    "sqlalchemy.dialects.postgresql",
    "storage.training_schema",
)


def understudy(
    *words: str, stdin: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=50,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_stream_that_is_closed_leads_nowhere(closed: str) -> None:
    line = f'"{sys.executable}" -m bot avatar list --json {closed}'
    result = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, timeout=50)
    assert (result.returncode, result.stderr) == (0, b"")
    assert (b"Guide" in result.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_a_full_disk_is_told_in_one_sentence() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "bot", "avatar", "list"],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=50,
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == b"understudy: There is no space left for what is written.\n"


def sentence(result: subprocess.CompletedProcess[bytes], code: int) -> str:
    """The one line on standard error, with nothing on standard output."""
    said = result.stderr.decode()
    assert result.returncode == code, said
    assert result.stdout == b""
    assert said.startswith("understudy: ")
    assert said.count("\n") == 1, said
    return said


@pytest.fixture(autouse=True)
def own_data(data_dir: Path) -> Path:
    return data_dir


def test_options_may_stand_anywhere() -> None:
    options, words = split_options(
        ["--json", "chat", "--config=a.toml", "--message", "--help", "--avatar", "Bob"]
    )
    assert options == Options(config=Path("a.toml"), avatar="Bob", json=True)
    assert words == ["chat", "--message", "--help"]
    assert split_options(["rate", "4", "--", "--json"])[1] == ["rate", "4", "--", "--json"]


def test_version_and_help() -> None:
    assert understudy("--version").stdout.startswith(b"understudy ")
    everything = understudy("--help").stdout.decode()
    for command in ("chat", "run", "avatar create", "import", "export", "check", "--config PATH"):
        assert command in everything
    assert "--name NAME" in understudy("avatar", "create", "--help").stdout.decode()
    assert understudy("avatar", "create", "--help").stdout == understudy("help", "avatar", "create").stdout
    assert "--message" in understudy("chat", "--help").stdout.decode()


def test_one_reply_and_nothing_else() -> None:
    result = understudy("chat", "--message", "hello")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.strip()
    assert b"\x1b" not in result.stdout


def test_standard_input_is_one_message() -> None:
    result = understudy("chat", "--json", stdin=b"Who are you?\nTell me.\n")
    assert (result.returncode, result.stderr) == (0, b"")
    assert list(json.loads(result.stdout)) == [
        "exchange_id",
        "avatar",
        "reply",
        "model",
        "example_ids",
        "prompt_version",
        "tokens",
        "cost",
        "latency_ms",
        "error",
    ]
    history = json.loads(understudy("history", "--json").stdout)
    assert [each["said"] for each in history] == ["Who are you?\nTell me."]


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("chat",), b"", "There is no message"),
        (("chat",), b"caf\xe9", "not valid UTF-8"),
        (("chat",), b"x" * 10_000_000, ""),
        (("chat", "--message", ""), b"", "There is no message"),
        (("chat", "--avatar"), b"", "without a value"),
        (("chat", "--avatar", "nobody-of-that-name", "--message", "hi"), b"", "nobody-of-that-name"),
        (("chta",), b"", "There is no command"),
        (("avatar", "lst"), b"", "did you mean `understudy avatar list`?"),
        (("avatar", "list", "--nope"), b"", "--nope"),
        (("run",), b"", "DISCORD_TOKEN"),
        (("privacy", "delete"), b"", "--yes"),
    ],
)
def test_bad_use_is_one_sentence(words: tuple[str, ...], stdin: bytes, said: str) -> None:
    assert said in sentence(understudy(*words, stdin=stdin), 2)


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    bad = tmp_path / "config.toml"
    bad.write_text("[modles]\ndefault = 'x:y'\n")
    assert "models" in sentence(understudy("--config", str(bad), "chat", "--message", "hi"), 2)
    assert "no settings file" in sentence(understudy("--config", str(tmp_path / "no.toml"), "check"), 2)
    unknown = understudy("chat", "--message", "hi", environment={"UNDERSTUDY_MODELS__DEFUALT": "x"})
    assert "default" in sentence(unknown, 2).lower()


def test_a_database_that_is_none(own_data: Path) -> None:
    (own_data / "understudy.db").write_bytes(b"this is no database, whatever its name says" * 100)
    assert sentence(understudy("chat", "--message", "hi"), 1)


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    blocked = {"UNDERSTUDY_DATA_DIR": str(tmp_path / "file" / "below")}
    assert sentence(understudy("chat", "--message", "hi", environment=blocked), 1)


def test_commands_of_the_registry() -> None:
    listed = understudy("avatar", "list", "--json")
    assert listed.returncode == 0, listed.stderr.decode()
    assert json.loads(listed.stdout)
    made = understudy("avatar", "create", "--name", "Bob", "--prompt", "You are Bob.")
    assert made.returncode == 0, made.stderr.decode()
    assert b"Bob" in understudy("avatar", "list").stdout
    assert json.loads(understudy("chat", "--avatar", "Bob", "--json", stdin=b"hi").stdout)["avatar"] == "Bob"
    refused = understudy("avatar", "use", "--name", "nobody-of-that-name")
    assert refused.returncode == 1
    assert refused.stderr.startswith(b"understudy: ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "--help"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=50) == 1
    assert said == b""


def test_a_reply_imports_only_what_it_needs() -> None:
    understudy("chat", "--message", "hi")  # the first start migrates, and may import what that needs
    program = (
        "import sys; from bot.__main__ import main; code = main(['chat', '--message', 'hi']);"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=50)
    assert result.stderr.decode().strip() == "0 []"


IDLE = """
import asyncio, sys
from bot.app import open_application
from bot.schedule import Schedule, sweep, warn_of_shutdowns, warn_of_what_was_taken_back, watch_runs
from bot.settings import load

async def main():
    app = await open_application(load(), interactive=False)
    plan = Schedule(app.services)
    plan.start()
    for job in (watch_runs, warn_of_shutdowns, warn_of_what_was_taken_back, sweep):
        await job(app.services)
    plan.stop()
    await app.close()

asyncio.run(main())
print([name for name in ("numpy", "rensa", "py3langid") if name in sys.modules], file=sys.stderr)
"""


def test_who_waits_for_messages_does_not_load_what_datasets_are_built_with() -> None:
    result = subprocess.run([sys.executable, "-c", IDLE], cwd=ROOT, capture_output=True, timeout=50)
    assert result.stderr.decode().strip() == "[]"


class Terminal:
    """The program in a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.process_id, self._file = pty.fork()
        if self.process_id == 0:  # pragma: no cover - the child becomes the program
            os.chdir(ROOT)
            os.environ["TERM"] = "xterm"
            os.execv(sys.executable, [sys.executable, "-m", "bot", *words])
        self.seen = b""

    def wait_for(self, text: str) -> None:
        """Read until ``text`` is on the screen."""
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self._file], [], [], 30)
            assert ready, f"{text!r} never came: {self.seen.decode(errors='replace')}"
            piece = os.read(self._file, 65536)
            if b"\x1b[6n" in piece:
                os.write(self._file, b"\x1b[1;1R")  # where the cursor is: a terminal is asked, and answers
            self.seen += piece

    def type(self, text: str) -> None:
        self.seen = b""
        os.write(self._file, text.encode())

    def leave(self) -> int:
        """The exit code; reads on, so that the program can write its last words."""
        try:
            while os.read(self._file, 65536):
                pass
        except OSError:  # Linux: the other end is closed
            pass
        os.close(self._file)
        return os.waitstatus_to_exitcode(os.waitpid(self.process_id, 0)[1])


def test_a_chat_in_a_terminal() -> None:
    terminal = Terminal("chat")
    terminal.wait_for("Ctrl-D leaves")
    terminal.type("hello\r")
    terminal.wait_for("Was that good?")
    terminal.type("/why\r")
    terminal.wait_for("answered from the example")
    terminal.type("\x04")
    assert terminal.leave() == 0


def test_sigterm_ends_a_chat_in_order() -> None:
    terminal = Terminal("chat")
    terminal.wait_for("Ctrl-D leaves")
    os.kill(terminal.process_id, signal.SIGTERM)
    assert terminal.leave() == 143
