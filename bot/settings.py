"""Settings: ``config.toml`` and the environment, typed and validated.

``load`` takes the file named, else ``./config.toml``, else the one in the data directory, else the defaults. Any setting
can be given as ``UNDERSTUDY_<SECTION>__<KEY>``. Secrets come only by their customary names, from the environment or a
``.env`` in the working directory.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.local_settings import JobSettings, LoraSettings

PREFIX = "UNDERSTUDY_"
# Variables that begin like a setting and are none.
OTHER_VARIABLES = ("UNDERSTUDY_DATA_DIR", "UNDERSTUDY_TEST_POSTGRES")

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*:\S+$")]
VendorName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
ADAPTER_SIZES = (0, 1, 2, 4, 8, 16, 32)
Share = Annotated[float, Field(ge=0, le=1)]


_VENDOR_VARIABLE = rf"{PREFIX}VENDORS__[A-Z][A-Z0-9_]*?__(BASE_URL|API_KEY|CONTEXT_TOKENS|SEES|HEADERS|QUERY)"


class SettingsError(Exception):
    """The settings cannot be used; ``str()`` is one sentence that says what to change."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StorageSettings(_Section):
    """``url`` is empty for the SQLite file in the data directory."""

    url: str = ""


class ModelSettings(_Section):
    """Which model answers, and how."""

    default: ModelName = "embedded:base"
    fallback: tuple[ModelName, ...] = ()
    allowed: tuple[ModelName, ...] = ()
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] = 1024
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    retry_seconds: Annotated[float, Field(ge=0)] = 0.5
    first_seconds: Annotated[float, Field(gt=0)] = 60
    silence_seconds: Annotated[float, Field(gt=0)] = 60
    rest_after: Annotated[int, Field(ge=1)] = 5
    rest_seconds: Annotated[float, Field(gt=0)] = 30


class VendorSettings(_Section):
    """An endpoint that speaks OpenAI's Chat Completions. ``api_key`` names the variable that holds the key."""

    base_url: str = ""
    api_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    context_tokens: Annotated[int, Field(ge=500)] = 128_000
    sees: bool | None = None


def _adapter_size(size: int) -> int:
    if size not in ADAPTER_SIZES:
        raise PydanticCustomError("adapter_size", "it is one of {sizes}", {"sizes": str(ADAPTER_SIZES)[1:-1]})
    return size


class GoogleSettings(_Section):
    """A project of Google Cloud's Agent Platform, in place of a Gemini API key; with a bucket and a region it tunes."""

    project: str = ""
    location: str = "global"
    base_url: str = ""
    bucket: str = ""
    tuning_location: str = ""
    adapter_size: Annotated[int, AfterValidator(_adapter_size)] = 0


class LocalSettings(_Section):
    """Models of this machine, tuned with TRL: ``models`` are names for people, each with a folder or a Hugging Face name.

    ``job`` holds what each job is given (bot/local_settings.py). They answer through the OpenAI-compatible server at
    ``serve_url``, or without it in this process.
    """

    models: dict[str, str] = {}
    python: str = ""
    at_once: Annotated[int, Field(ge=1)] = 1
    restarts: Annotated[int, Field(ge=0)] = 3
    job: JobSettings = {}
    max_length: Annotated[int, Field(ge=16)] = 2048
    serve_url: str = ""
    serve_folder: str = ""
    adapters: Literal["vllm", "none"] = "vllm"
    context_tokens: Annotated[int, Field(ge=500)] = 4096


class PriceSettings(_Section):
    """US dollars for a million tokens, ``hosting`` for a month; ``date`` is the day the price was looked up.

    ``training`` is for training tokens, ``tuned_input`` and ``tuned_output`` are those of the model that comes of it.
    """

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached: Annotated[float, Field(ge=0)] | None = None
    training: Annotated[float, Field(ge=0)] | None = None
    tuned_input: Annotated[float, Field(ge=0)] | None = None
    tuned_output: Annotated[float, Field(ge=0)] | None = None
    hosting: Annotated[float, Field(ge=0)] | None = None
    date: str = ""


class ContextSettings(_Section):
    """What a model is shown."""

    token_budget: Annotated[int, Field(ge=500)] = 6000
    history_exchanges: Annotated[int, Field(ge=0, le=200)] = 20
    examples: Annotated[int, Field(ge=0, le=20)] = 4
    pinned_examples: Annotated[int, Field(ge=0, le=20)] = 3
    floor: Share = 0.2
    diversity: Share = 0.3


class LimitSettings(_Section):
    """How much of it."""

    message_characters: Annotated[int, Field(ge=100)] = 20_000
    waiting_messages: Annotated[int, Field(ge=1)] = 5
    reply_seconds: Annotated[float, Field(gt=0)] = 300
    attachment_bytes: Annotated[int, Field(ge=1)] = 8 * 1024 * 1024
    attachment_characters: Annotated[int, Field(ge=100)] = 20_000
    attachments: Annotated[int, Field(ge=0, le=10)] = 4
    pdf_pages: Annotated[int, Field(ge=1)] = 30


class ConsentSettings(_Section):
    """The policy that a new workspace starts with."""

    policy: Literal["opt-in", "opt-out"] = "opt-in"


class FeedbackSettings(_Section):
    """From ratings to examples."""

    example_stars: Annotated[float, Field(ge=1, le=5)] = 4
    reactions: dict[str, Annotated[int, Field(ge=1, le=5)]] = {
        "👍": 5,
        "👎": 1,
        "❤️": 5,
        "🎉": 5,
        "😕": 2,
        "1️⃣": 1,
        "2️⃣": 2,
        "3️⃣": 3,
        "4️⃣": 4,
        "5️⃣": 5,
    }


class DatasetSettings(_Section):
    """What goes into a dataset, and when it is large enough. Shares are 0..1; ``workers`` is 0 for one on each core."""

    minimum: Annotated[int, Field(ge=1)] = 10
    eligible: Annotated[int, Field(ge=1)] = 50
    recommended: Annotated[int, Field(ge=1)] = 100
    stars: Annotated[float, Field(ge=1, le=5)] = 4.0
    least_characters: Annotated[int, Field(ge=0)] = 20
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    history_exchanges: Annotated[int, Field(ge=0, le=200)] = 10
    max_tokens: Annotated[int, Field(ge=64)] = 4096
    person_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    person_share_from: Annotated[int, Field(ge=1)] = 10
    near_duplicates: Annotated[float, Field(ge=0.5, le=1)] = 0.8
    privacy: Literal["rules", "presidio", "off"] = "rules"
    presidio_model: str = "en_core_web_lg"
    links: Literal["all", "secret"] = "all"
    moderation: ModelName | Literal[""] = ""
    workers: Annotated[int, Field(ge=0, le=64)] = 0


class FinetuneSettings(_Section):
    """What a workspace may launch in a month, in US dollars and at a time, and how training runs are watched."""

    runs_per_month: Annotated[int, Field(ge=0)] = 20
    spend_per_month: Annotated[float, Field(ge=0)] = 50.0
    concurrent: Annotated[int, Field(ge=0)] = 2
    poll_seconds: Annotated[float, Field(gt=0)] = 30
    poll_most_seconds: Annotated[float, Field(gt=0)] = 600
    stuck_hours: Annotated[float, Field(gt=0)] = 72


class LoggingSettings(_Section):
    """``file`` is empty for ``understudy.log`` in the data directory; ``-`` is the standard error stream."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["pretty", "json"] = "json"
    file: str = ""


class TerminalSettings(_Section):
    """The terminal's own."""

    person: str = ""


class DiscordSettings(_Section):
    """Discord's own. ``owner`` to ``rater`` name permissions of Discord, or roles by their id or name."""

    owner: tuple[str, ...] = ("administrator",)
    trainer: tuple[str, ...] = ("manage_guild",)
    reviewer: tuple[str, ...] = ("manage_messages",)
    rater: tuple[str, ...] = ("everyone",)
    buttons: bool = True
    seed_reactions: tuple[str, ...] = ()
    auto_thread: bool = False
    regenerate_on_edit: bool = False
    edit_seconds: Annotated[float, Field(ge=0)] = 1.0
    file_characters: Annotated[int, Field(ge=0)] = 0
    missed_minutes: Annotated[int, Field(ge=0)] = 60
    missed_messages: Annotated[int, Field(ge=0)] = 100
    presence: str = ""
    development_guilds: tuple[int, ...] = ()
    shard_count: Annotated[int, Field(ge=0)] = 0
    shard_ids: tuple[int, ...] = ()
    api_url: str = ""


class SlackSettings(_Section):
    """Slack's own. ``owner`` to ``rater`` name what somebody is in the workspace, people by id, or user groups."""

    owner: tuple[str, ...] = ("workspace_owner", "workspace_admin")
    trainer: tuple[str, ...] = ("workspace_admin",)
    reviewer: tuple[str, ...] = ("workspace_admin",)
    rater: tuple[str, ...] = ("everyone",)
    buttons: bool = True
    seed_reactions: tuple[str, ...] = ()
    regenerate_on_edit: bool = False
    edit_seconds: Annotated[float, Field(ge=0)] = 1.0
    file_characters: Annotated[int, Field(ge=0)] = 0
    transport: Literal["socket", "http"] = "socket"
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 3000
    api_url: str = ""


class Secrets(BaseSettings):
    """What only the environment may hold. A field's name is its variable's, in small letters."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    discord_token: SecretStr | None = None
    slack_bot_token: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    gemini_api_key: SecretStr | None = None
    google_api_key: SecretStr | None = None
    local_serve_key: SecretStr | None = None


class Settings(BaseSettings):
    """Every setting. ``source`` is the file they came from, ``data_dir`` where all data is kept."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True
    )

    storage: StorageSettings = StorageSettings()
    models: ModelSettings = ModelSettings()
    vendors: dict[VendorName, VendorSettings] = {}
    google: GoogleSettings = GoogleSettings()
    local: LocalSettings = LocalSettings()
    prices: dict[ModelName, PriceSettings] = {}
    context: ContextSettings = ContextSettings()
    limits: LimitSettings = LimitSettings()
    consent: ConsentSettings = ConsentSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    datasets: DatasetSettings = DatasetSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    logging: LoggingSettings = LoggingSettings()
    terminal: TerminalSettings = TerminalSettings()
    discord: DiscordSettings = DiscordSettings()
    slack: SlackSettings = SlackSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose content arrives as arguments."""
        return env_settings, init_settings


class Configuration(BaseModel):
    """The settings together with the secrets and with where they came from."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    secrets: Secrets
    data_dir: Path
    source: Path | None

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return self.settings.storage.url or f"sqlite+aiosqlite:///{self.data_dir / 'understudy.db'}"


def load(path: Path | None = None) -> Configuration:
    """Find, read and validate. Raises ``SettingsError``."""
    _read_dotenv()
    data_dir = default_data_dir()
    source = path or _found(Path.cwd() / "config.toml", data_dir / "config.toml")
    content = _read(source) if source else {}
    _refuse_unknown_variables(os.environ)
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise SettingsError(_sentence(error, source)) from None
    except ValueError as error:  # a variable whose value is not of a section's shape
        raise SettingsError(f"A variable {PREFIX}… cannot be read: {error}.") from None
    return Configuration(settings=settings, secrets=Secrets(), data_dir=data_dir, source=source)


def default_data_dir() -> Path:
    """``UNDERSTUDY_DATA_DIR``, else the customary place of the operating system."""
    if named := os.environ.get("UNDERSTUDY_DATA_DIR"):
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("understudy", appauthor=False))


def _read_dotenv() -> None:
    if (Path.cwd() / ".env").is_file():
        from dotenv import load_dotenv

        load_dotenv(Path.cwd() / ".env", override=False)


def _found(*candidates: Path) -> Path | None:
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise SettingsError(f"There is no settings file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from None


def known_keys() -> dict[str, tuple[str, ...]]:
    """The keys of each section."""
    return {
        section: tuple(type(field.default).model_fields)
        for section, field in Settings.model_fields.items()
        if isinstance(field.default, BaseModel)
    }


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{section}__{key}".upper() for section, keys in known_keys().items() for key in keys}
    for name in environment:
        # Vendors have names of the operator's choosing.
        if re.fullmatch(_VENDOR_VARIABLE, name.upper()):
            continue
        if name.upper().startswith(PREFIX) and name not in OTHER_VARIABLES and name.upper() not in known:
            raise SettingsError(f"There is no setting {name}.{_nearest(name.upper(), known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _everywhere() -> list[str]:
    """Every setting as ``section.key``."""
    return [f"{section}.{key}" for section, keys in known_keys().items() for key in keys]


def _known_beside(where: Sequence[str]) -> list[str]:
    """What could stand there: the sections, or the keys of the section."""
    if len(where) == 1:
        return list(known_keys())
    if where[:2] == ["local", "job"] and len(where) > 2:
        inner = LoraSettings if where[2] == "lora" and len(where) > 3 else JobSettings
        return [".".join((*where[:-1], key)) for key in inner.__annotations__]
    return [f"{where[0]}.{key}" for key in known_keys().get(where[0], ())]


def _closest(dotted: str, pool: Iterable[str]) -> str:
    """The nearest by its last word: what they share before it says nothing."""
    by_key = {name.rpartition(".")[2]: name for name in pool}
    close = difflib.get_close_matches(dotted.rpartition(".")[2], list(by_key), n=1, cutoff=0.6)
    return by_key[close[0]] if close else ""


def _sentence(error: ValidationError, source: Path | None) -> str:
    """The first complaint in words; where a key is unknown, with the nearest known one."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    origin = f" in {source}" if source else ""
    dotted = ".".join(where)
    if first["type"] == "extra_forbidden":
        pool = _known_beside(where)
        close = _closest(dotted, pool) or _closest(dotted, _everywhere())
        hint = f" Did you mean {close}?" if close else f" Known here: {', '.join(pool)}."
        return f"There is no setting {dotted}{origin}.{hint}"
    if dotted.endswith("models.default") or where[-1:] == ["default"]:
        return f"The setting {dotted}{origin} must look like vendor:name, such as embedded:base."
    return f"The setting {dotted}{origin} cannot be {first.get('input')!r}: {first['msg']}."
