"""What every test can count on: this machine and no other, no secrets, a data directory of its own."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SECRET_PREFIXES = ("DISCORD_", "SLACK_", "OPENAI_", "AZURE_OPENAI_", "GEMINI_", "GOOGLE_", "UNDERSTUDY_")
KEPT = ("UNDERSTUDY_TEST_POSTGRES",)

# One process of the suite decides the same way each time on CI; at home each run looks somewhere new.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, print_blob=True)
settings.register_profile("home", deadline=None, max_examples=60)
settings.load_profile("ci" if os.environ.get("CI") else "home")


class OutsideConnection(RuntimeError):
    """A test tried to reach another machine."""


_attempts: list[str] = []
_named_postgres = urlsplit(os.environ.get("UNDERSTUDY_TEST_POSTGRES", "")).hostname


def _is_here(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host in {"", "localhost", _named_postgres}:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, args: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = args[1]
        host = address[0] if isinstance(address, tuple) and address else None  # a path is a Unix socket
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = args[0]
    else:
        return
    if not _is_here(host):
        _attempts.append(f"{event} {host}")
        raise OutsideConnection(f"tests are offline, and this one wanted {host!r} ({event})")


sys.addaudithook(_guard)  # beneath every library that uses Python's sockets, and not to be undone by a test


@pytest.fixture(autouse=True)
def offline() -> Iterator[list[str]]:
    """Fail the test that tried to reach another machine, even where a library swallowed the error."""
    _attempts.clear()
    yield _attempts
    assert not _attempts, f"this test tried to reach another machine: {', '.join(_attempts)}"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every token and setting of the person who runs the tests."""
    for name in os.environ:
        if name.startswith(SECRET_PREFIXES) and name not in KEPT:
            monkeypatch.delenv(name)


@pytest.fixture
def data_dir(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory that the application under test uses."""
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("UNDERSTUDY_DATA_DIR", str(path))
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of large test material that lies beside a checkout, where there is one."""
    path = ROOT.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip("needs the test material in ../shared, which is not beside this checkout")
    return path
