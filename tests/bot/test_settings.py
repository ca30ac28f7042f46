"""Where settings come from, which one wins, and what somebody is told who mistyped one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bot.app import local_options
from bot.local_settings import JobSettings, LoraSettings
from bot.settings import Settings, SettingsError, known_keys, load
from tests.conftest import ROOT

# In config.toml these stand in a comment: each leaves the choice to somebody else.
OPTIONAL = {("models", "temperature")}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, so that no config.toml or .env of a developer is found."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def flat(tree: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(section, key): value for section, keys in tree.items() for key, value in keys.items()}


def refused(path: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_the_file_of_the_checkout_lists_every_setting_with_its_default() -> None:
    text = (ROOT / "config.toml").read_text()
    written = flat(tomllib.loads(text))
    assert written == {
        key: value for key, value in flat(Settings().model_dump(mode="json")).items() if key not in OPTIONAL
    }
    for section, key in OPTIONAL:
        assert f"\n# {key} = " in text
        assert flat(Settings().model_dump(mode="json"))[section, key] is None


def test_the_file_of_the_checkout_can_be_loaded() -> None:
    assert load(ROOT / "config.toml").settings == Settings()


def test_each_key_has_a_section() -> None:
    chosen_by_the_operator = {"vendors", "prices"}
    assert {section: set(keys) for section, keys in known_keys().items()} == {
        section: set(getattr(Settings(), section).model_dump())
        for section in Settings.model_fields
        if section not in chosen_by_the_operator
    }


def test_vendors_and_prices_are_named_by_the_operator(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "config.toml").write_text(
        '[vendors.my-ollama]\nbase_url = "http://127.0.0.1:1/v1"\n'
        '[prices."openai:gpt-5-mini"]\ninput = 0.25\noutput = 2\ndate = "2026-11-20"\n'
    )
    monkeypatch.setenv("UNDERSTUDY_VENDORS__NEBIUS__API_KEY", "NEBIUS_KEY")
    settings = load().settings
    assert settings.vendors["my-ollama"].base_url == "http://127.0.0.1:1/v1"
    assert settings.vendors["nebius"].api_key == "NEBIUS_KEY"
    assert settings.prices["openai:gpt-5-mini"].output == 2


def test_a_misspelt_key_of_a_vendor_is_named(here: Path) -> None:
    (here / "config.toml").write_text('[vendors.ollama]\nbase_ur = "http://127.0.0.1:1/v1"\n')
    assert "base_ur" in refused()


def test_without_a_file_everything_is_at_its_default(data_dir: Path) -> None:
    found = load()
    assert (found.settings, found.source, found.data_dir) == (Settings(), None, data_dir)
    assert found.database_url == f"sqlite+aiosqlite:///{data_dir / 'understudy.db'}"


def test_the_file_named_wins_over_the_one_here_and_that_over_the_data_directory(
    tmp_path: Path, here: Path, data_dir: Path
) -> None:
    def write(path: Path, number: int) -> Path:
        path.write_text(f"[context]\nexamples = {number}\n")
        return path

    in_data = write(data_dir / "config.toml", 1)
    assert (load().settings.context.examples, load().source) == (1, in_data)
    local = write(here / "config.toml", 2)
    assert (load().settings.context.examples, load().source) == (2, local)
    named = write(tmp_path / "named.toml", 3)
    assert (load(named).settings.context.examples, load(named).source) == (3, named)


def test_the_environment_wins_over_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "config.toml").write_text("[context]\nexamples = 2\nfloor = 0.5\n")
    monkeypatch.setenv("UNDERSTUDY_CONTEXT__EXAMPLES", "7")
    monkeypatch.setenv("UNDERSTUDY_MODELS__TEMPERATURE", "0.4")
    monkeypatch.setenv("UNDERSTUDY_CONSENT__POLICY", "")  # empty is as if it were not there
    settings = load().settings
    assert (settings.context.examples, settings.context.floor) == (7, 0.5)
    assert settings.models.temperature == 0.4
    assert settings.consent.policy == "opt-in"


def test_what_local_jobs_are_given_comes_from_the_file_and_the_environment(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "config.toml").write_text(
        "[google]\nadapter_size = 8\n[local]\nrestarts = 0\njob = { epochs = 2, lora = { r = 8 }, merge = true }\n"
    )
    settings = load().settings
    assert (settings.google.adapter_size, settings.local.restarts) == (8, 0)
    assert settings.local.job == {"epochs": 2, "lora": {"r": 8}, "merge": True}
    options = local_options(load())
    assert (options.restarts, options.job) == (0, settings.local.job)
    monkeypatch.setenv("UNDERSTUDY_LOCAL__JOB", '{"device": "cpu"}')
    monkeypatch.setenv("UNDERSTUDY_GOOGLE__ADAPTER_SIZE", "16")
    settings = load().settings
    assert settings.local.job.get("device") == "cpu"
    assert settings.google.adapter_size == 16


def test_every_key_of_a_local_job_is_one_that_the_job_knows() -> None:
    from adapters.vendors.local.train import DEFAULTS

    elsewhere = {"method", "base_model", "max_length", "seed"}
    assert set(JobSettings.__annotations__) == set(DEFAULTS) - elsewhere
    assert set(LoraSettings.__annotations__) == set(DEFAULTS["lora"])


def test_another_database_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_STORAGE__URL", "postgresql+asyncpg://me@db/understudy")
    assert load().database_url == "postgresql+asyncpg://me@db/understudy"


@pytest.mark.parametrize(
    ("content", "named", "nearest"),
    [
        ("[context]\nexmaples = 3\n", "context.exmaples", "Did you mean context.examples?"),
        ("[modles]\ndefault = 'a:b'\n", "modles", "Did you mean models?"),
        ("[models]\npolicy = 'opt-in'\n", "models.policy", "consent.policy"),
        ("[logging]\nzzzzzz = 1\n", "logging.zzzzzz", "Known here: logging.level, logging.format, "),
        ("examples = 3\n", "examples", "Did you mean context.examples?"),
        ("[local.job]\nepoch = 3\n", "local.job.epoch", "Did you mean local.job.epochs?"),
        ("[local.job.lora]\nrr = 3\n", "local.job.lora.rr", "Did you mean local.job.lora.r?"),
        ("[local.job]\nzzzzzz = 3\n", "local.job.zzzzzz", "Known here: local.job.loss, local.job.epochs, "),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(here: Path, content: str, named: str, nearest: str) -> None:
    (here / "config.toml").write_text(content)
    said = refused()
    assert f"There is no setting {named} in " in said
    assert "config.toml" in said
    assert nearest in said


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("UNDERSTUDY_MODELS__DEFUALT", "UNDERSTUDY_MODELS__DEFAULT"),
        ("UNDERSTUDY_MODEL__DEFAULT", "UNDERSTUDY_MODELS__DEFAULT"),
        ("UNDERSTUDY_MODELS_DEFAULT", "UNDERSTUDY_MODELS__DEFAULT"),
        ("UNDERSTUDY_DATADIR", ""),
    ],
)
def test_an_unknown_variable_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "embedded:base")
    said = refused()
    assert f"There is no setting {name}." in said
    assert nearest in said


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[context]\nexamples = 'many'\n", "context.examples"),
        ("[context]\nfloor = 1.5\n", "context.floor"),
        ("[context]\ntoken_budget = 10\n", "context.token_budget"),
        ("[consent]\npolicy = 'ask'\n", "consent.policy"),
        ("[logging]\nlevel = 'loud'\n", "logging.level"),
        ("[models]\ndefault = 'gpt'\n", "models.default"),
        ("[models]\ntemperature = 3\n", "models.temperature"),
        ("context = 3\n", "context"),
        ("[google]\nadapter_size = 3\n", "google.adapter_size"),
        ("[local]\nrestarts = -1\n", "local.restarts"),
        ("[local]\njob = { epochs = 0 }\n", "local.job.epochs"),
        ("[local]\njob = { lora = { dropout = 1.0 } }\n", "local.job.lora.dropout"),
        ("[local]\njob = { device = 'tpu' }\n", "local.job.device"),
    ],
)
def test_a_value_that_cannot_be(here: Path, content: str, named: str) -> None:
    (here / "config.toml").write_text(content)
    said = refused()
    assert f"The setting {named} in " in said


def test_a_variable_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_CONTEXT__EXAMPLES", "many")
    assert "context.examples" in refused()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.toml") == f"There is no settings file {tmp_path / 'none.toml'}."
    broken = tmp_path / "broken.toml"
    broken.write_text("[context\nexamples = 3")
    assert f"The settings file {broken} is not valid TOML: " in refused(broken)
    broken.write_bytes(b"# caf\xe9\n")
    assert f"The settings file {broken} cannot be read: " in refused(broken)
    assert f"The settings file {tmp_path} cannot be read: " in refused(tmp_path)


def test_secrets_come_from_the_environment_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "discord-hush")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    secrets = load().secrets
    assert secrets.discord_token is not None
    assert secrets.discord_token.get_secret_value() == "discord-hush"
    assert secrets.openai_base_url == "http://127.0.0.1:1/v1"
    assert secrets.gemini_api_key is None
    (here / "config.toml").write_text("discord_token = 'written-down'\n")
    assert "written-down" not in refused()


def test_a_dotenv_file_here_is_read_and_the_environment_wins_over_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLACK_BOT_TOKEN", "UNDERSTUDY_TERMINAL__PERSON"):
        monkeypatch.setenv(name, "")  # so that what the file sets is taken away again
        monkeypatch.delenv(name)
    monkeypatch.setenv("GEMINI_API_KEY", "from-the-environment")
    (here / ".env").write_text(
        "SLACK_BOT_TOKEN=from-the-file\nGEMINI_API_KEY=from-the-file\nUNDERSTUDY_TERMINAL__PERSON=Mara\n"
    )
    found = load()
    assert found.secrets.slack_bot_token is not None
    assert found.secrets.slack_bot_token.get_secret_value() == "from-the-file"
    assert found.secrets.gemini_api_key is not None
    assert found.secrets.gemini_api_key.get_secret_value() == "from-the-environment"
    assert found.settings.terminal.person == "Mara"


def test_no_secret_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "OPENAI_API_KEY", "GEMINI_API_KEY"
    ]  # fmt: skip
    for name in names:
        monkeypatch.setenv(name, f"hush-{name}")
    found = load()
    for shown in (
        repr(found),
        str(found),
        repr(found.secrets),
        str(found.model_dump()),
        found.model_dump_json(),
    ):
        assert "hush" not in shown
