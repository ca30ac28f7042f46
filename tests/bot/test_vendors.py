"""Which vendors there are by the settings and the keys, and what each of them is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.vendors import google, openai
from adapters.vendors.base import NotConfigured
from adapters.vendors.prices import Price
from bot.app import vendors_of
from bot.models import Models
from bot.settings import Configuration, load
from tests.bot.theatre import Scripted


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The endpoint that each vendor was made with, by its name; nothing is connected to."""
    found: dict[str, Any] = {}

    def keep(endpoint: openai.Endpoint | google.Endpoint) -> Scripted:
        found[endpoint.vendor] = endpoint
        return Scripted(name=endpoint.vendor)

    for module in (openai, google):
        monkeypatch.setattr(module, "chat_model", keep)
    return found


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without settings or keys."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def configured(data_dir: Path, toml: str = "") -> Configuration:
    path = data_dir / "config.toml"
    path.write_text(toml, encoding="utf-8")
    return load(path)


def made(configuration: Configuration, *names: str) -> None:
    """Make these vendors, as the first message to each of them would."""
    models = Models(vendors_of(configuration))
    for name in names:
        chat, model = models.find(f"{name}:any:thing")
        assert (chat.vendor, model) == (name, "any:thing")


def test_without_keys_there_is_only_what_needs_none(data_dir: Path) -> None:
    assert list(vendors_of(configured(data_dir))) == ["embedded"]


@pytest.mark.parametrize(
    ("variable", "vendor"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("OPENAI_BASE_URL", "openai"),
        ("GEMINI_API_KEY", "google"),
        ("GOOGLE_API_KEY", "google"),
    ],
)
def test_a_key_or_an_address_is_enough(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, variable: str, vendor: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1/v1")
    assert set(vendors_of(configured(data_dir))) == {"embedded", vendor}
    monkeypatch.setenv(variable, "")
    assert set(vendors_of(configured(data_dir))) == {"embedded"}


def test_openai_gets_its_key_and_its_address(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, Any]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    waits = "[models]\nfirst_seconds = 12\nsilence_seconds = 34"
    made(configured(data_dir, waits), "openai")
    endpoint = endpoints["openai"]
    assert (endpoint.api_key, endpoint.base_url) == ("sk-secret", "http://127.0.0.1:1/v1")
    assert (endpoint.first_seconds, endpoint.silence_seconds) == (12, 34)
    assert (endpoint.context_tokens, endpoint.sees) == (128_000, None)
    assert "sk-secret" not in repr(endpoint)


AZURE = """
[vendors.azure]
base_url = "https://example.invalid/openai"
api_key = "AZURE_KEY"
headers = { api-version = "1" }
query = { a = "b" }
context_tokens = 9000
sees = false
"""


def test_a_vendor_of_ones_own_gets_what_is_set_for_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, Any]
) -> None:
    monkeypatch.setenv("AZURE_KEY", "azure-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    made(configured(data_dir, AZURE), "azure")
    endpoint = endpoints["azure"]
    assert (endpoint.api_key, endpoint.base_url) == ("azure-secret", "https://example.invalid/openai")
    assert (dict(endpoint.headers), dict(endpoint.query)) == ({"api-version": "1"}, {"a": "b"})
    assert (endpoint.context_tokens, endpoint.sees) == (9000, False)


@pytest.mark.parametrize("value", [None, ""])
def test_a_key_that_is_missing_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, Any], value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("AZURE_KEY", value)
    configuration = configured(data_dir, AZURE)
    assert "azure" in vendors_of(configuration)  # it is there, and says what it lacks when it is asked
    with pytest.raises(
        NotConfigured, match=r"key of azure is missing: set the variable AZURE_KEY\."
    ) as caught:
        made(configuration, "azure")
    assert (caught.value.vendor, endpoints) == ("azure", {})


def test_several_vendors_keep_apart(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, Any]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    one, two = (
        f'[vendors.{name}]\nbase_url = "http://127.0.0.1:{port}"\n' for name, port in (("one", 1), ("two", 2))
    )
    made(configured(data_dir, one + two), "one", "two", "openai")
    assert {name: (each.api_key, each.base_url) for name, each in endpoints.items()} == {
        "one": ("", "http://127.0.0.1:1"),
        "two": ("", "http://127.0.0.1:2"),
        "openai": ("sk-secret", ""),
    }


def test_openai_can_be_set_up_in_the_settings_too(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, Any]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    made(configured(data_dir, '[vendors.openai]\nheaders = { x-team = "birds" }'), "openai")
    assert (endpoints["openai"].api_key, endpoints["openai"].headers) == ("sk-secret", {"x-team": "birds"})


@pytest.mark.parametrize(
    ("variables", "toml", "expected"),
    [
        ({"GEMINI_API_KEY": "one"}, "", ("one", "", "")),
        ({"GOOGLE_API_KEY": "two"}, "", ("two", "", "")),
        ({"GEMINI_API_KEY": "one", "GOOGLE_API_KEY": "two"}, "", ("one", "", "")),
        ({}, '[google]\nproject = "birds"', ("", "birds", "global")),
        (
            {"GEMINI_API_KEY": "one"},
            '[google]\nproject = "birds"\nlocation = "europe-west4"',
            ("", "birds", "europe-west4"),
        ),
    ],
)
def test_google_takes_a_key_or_a_project(
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoints: dict[str, Any],
    variables: dict[str, str],
    toml: str,
    expected: tuple[str, str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made(configured(data_dir, toml), "google")
    endpoint = endpoints["google"]
    assert (endpoint.api_key, endpoint.project, endpoint.location) == expected


PRICES = """
[prices]
"openai:gpt-5-mini" = { input = 0.25, output = 2, cached = 0.025, date = "2026-01-01" }
"one:llama3:8b" = { input = 1, output = 1.5 }
"google:gemini-flash" = { input = 3, output = 4 }
"other:model" = { input = 5, output = 6 }

[vendors.one]
base_url = "http://127.0.0.1:1"
"""


def test_each_vendor_gets_its_own_prices(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, Any]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    made(configured(data_dir, PRICES), "openai", "one", "google")
    assert {name: dict(each.prices) for name, each in endpoints.items()} == {
        "openai": {"gpt-5-mini": Price(0.25, 2, 0.025)},
        "one": {"llama3:8b": Price(1, 1.5)},
        "google": {"gemini-flash": Price(3, 4)},
    }


def test_making_one_that_is_set_up_needs_no_connection(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    for name, make in vendors_of(configured(data_dir)).items():
        assert make().vendor == name
