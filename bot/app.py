"""Builds the application from the settings; the only place that names concrete adapters."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.platforms.base import Command, Platform, UserError
from adapters.vendors.base import ChatModel, Moderator, NotConfigured
from adapters.vendors.prices import Price
from bot import attachments, context, feedback
from bot.asking import Asking, Patience
from bot.building import Builds
from bot.conversation import Conversations
from bot.faces import Face
from bot.feedback import Feedback
from bot.host import Application as Application
from bot.listening import Listening
from bot.logs import set_up
from bot.models import Models
from bot.notices import Notices
from bot.recovery import Recovery
from bot.scenes import Scenes
from bot.services import Services
from bot.settings import Configuration, Settings, VendorSettings
from bot.tuners import Training, Tuners
from bot.turn import Manner
from storage import clock
from storage.database import Database

if TYPE_CHECKING:
    from adapters.platforms.discord.options import Options as DiscordOptions
    from adapters.platforms.slack.options import Options as SlackOptions
    from adapters.platforms.slack.probe import Tokens as SlackTokens
    from adapters.vendors.google import Endpoint as GoogleEndpoint
    from adapters.vendors.local import Options as LocalOptions
    from adapters.vendors.openai import Endpoint as OpenAIEndpoint
    from adapters.vendors.tuning import Tuner
    from bot.statuses import Statuses
    from training.desk import Observer
    from training.ordering import Prices
    from training.runs import Runs


async def open_application(configuration: Configuration, *, interactive: bool) -> Application:
    """Open the database, take care of what a crash left, and put the parts together. Raises ``StorageError``.

    ``interactive`` says that somebody is there who can answer a question.
    """
    database = await Database.open(configuration.database_url)
    try:
        set_up(configuration)
        recovery = Recovery(database)
        await recovery.begin()
    except BaseException:
        await database.close()
        raise
    recovery.keep()  # for a single reply too: on another host a silent process counts as dead
    return Application(services_of(configuration, database, recovery, interactive=interactive), recovery)


def services_of(
    configuration: Configuration,
    database: Database,
    recovery: Recovery,
    *,
    interactive: bool = True,
    vendors: Mapping[str, Callable[[], ChatModel]] | None = None,
) -> Services:
    """The parts of the application, each with the settings that are its own; ``vendors`` join those of the settings."""
    settings = configuration.settings
    scenes = Scenes(database, settings.consent.policy)
    models = Models({**vendors_of(configuration), **(vendors or {})})
    notices = Notices(database)
    conversations = Conversations(
        database,
        scenes,
        Asking(models, _patience(settings)),
        notices,
        _context_rules(settings),
        _manner(settings),
        recovery.holder.id,
    )
    rating = Feedback(
        database,
        feedback.Rules(
            example_stars=settings.feedback.example_stars, earlier_turns=settings.context.history_exchanges
        ),
    )
    return Services(
        configuration,
        database,
        scenes,
        models,
        conversations,
        rating,
        Listening(database),
        notices,
        _attachment_rules(settings),
        Builds(configuration, database),
        training_of(configuration, database, models=models, platform=notices.platform),
        FACES,
        interactive,
    )


def vendors_of(configuration: Configuration) -> Mapping[str, Callable[[], ChatModel]]:
    """How each configured vendor is made; its library is imported only then."""
    settings, secrets = configuration.settings, configuration.secrets
    found: dict[str, Callable[[], ChatModel]] = {"embedded": lambda: _embedded(configuration)}
    if secrets.openai_api_key or secrets.openai_base_url:
        found["openai"] = lambda: _openai(configuration, "openai", VendorSettings())
    for name, chosen in settings.vendors.items():
        found[name] = lambda name=name, chosen=chosen: _openai(configuration, name, chosen)
    if settings.google.project or secrets.gemini_api_key or secrets.google_api_key:
        found["google"] = lambda: _google(configuration)
    if "local" not in found and (settings.local.models or local_root(configuration).is_dir()):
        found["local"] = lambda: _local(configuration)
    return found


def _embedded(configuration: Configuration) -> ChatModel:
    from adapters.vendors.embedded import chat_model

    return chat_model(configuration.data_dir / "models")


def _openai(configuration: Configuration, name: str, chosen: VendorSettings) -> ChatModel:
    from adapters.vendors.openai import chat_model

    return chat_model(openai_endpoint(configuration, name, chosen))


def openai_endpoint(configuration: Configuration, name: str, chosen: VendorSettings) -> OpenAIEndpoint:
    """Where a vendor that speaks OpenAI's protocol is, and how to get in. Raises ``NotConfigured``."""
    from adapters.vendors.openai import Endpoint

    secrets, models = configuration.secrets, configuration.settings.models
    key = secrets.openai_api_key.get_secret_value() if name == "openai" and secrets.openai_api_key else ""
    if chosen.api_key:
        key = os.environ.get(chosen.api_key, "")
        if not key:
            raise NotConfigured(
                f"The key of {name} is missing: set the variable {chosen.api_key}.", vendor=name
            )
    base_url = chosen.base_url or (secrets.openai_base_url or "" if name == "openai" else "")
    if name != "openai" and not base_url:
        # Its key must not go to the address of another vendor.
        raise NotConfigured(
            f"The address of {name} is missing: set base_url in [vendors.{name}].", vendor=name
        )
    return Endpoint(
        vendor=name,
        api_key=key,
        base_url=base_url,
        headers=chosen.headers,
        query=chosen.query,
        prices=_prices(configuration.settings, name),
        context_tokens=chosen.context_tokens,
        sees=chosen.sees,
        first_seconds=models.first_seconds,
        silence_seconds=models.silence_seconds,
    )


def moderator_of(configuration: Configuration) -> Moderator | None:
    """Who looks through rows before they are frozen; ``None`` where nobody is asked to. Raises ``NotConfigured``."""
    model = configuration.settings.datasets.moderation
    if not model:
        return None
    from adapters.vendors.openai.moderation import OpenAIModerator

    vendor, _, name = model.partition(":")
    chosen = configuration.settings.vendors.get(vendor)
    if vendor != "openai" and chosen is None:
        raise NotConfigured(
            f"datasets.moderation names the vendor {vendor}, which is not set up: it must be openai or one of [vendors].",
            vendor=vendor,
        )
    return OpenAIModerator(openai_endpoint(configuration, vendor, chosen or VendorSettings()), name)


def _google(configuration: Configuration) -> ChatModel:
    from adapters.vendors.google import chat_model

    return chat_model(google_endpoint(configuration))


def google_endpoint(configuration: Configuration) -> GoogleEndpoint:
    """Where Google is and how to get in: with a key, or in a project, which also tunes."""
    from adapters.vendors.google import Endpoint

    settings, secrets = configuration.settings, configuration.secrets
    key = secrets.gemini_api_key or secrets.google_api_key
    return Endpoint(
        api_key=key.get_secret_value() if key and not settings.google.project else "",
        project=settings.google.project,
        location=settings.google.location if settings.google.project else "",
        base_url=settings.google.base_url,
        prices=_prices(settings, "google"),
        first_seconds=settings.models.first_seconds,
        silence_seconds=settings.models.silence_seconds,
        bucket=settings.google.bucket,
        tuning_location=settings.google.tuning_location,
    )


def _local(configuration: Configuration) -> ChatModel:
    from adapters.vendors.local import chat_model

    return chat_model(local_options(configuration))


def local_root(configuration: Configuration) -> Path:
    """Where models are that were tuned on this machine with TRL."""
    return configuration.data_dir / "local"


def local_options(configuration: Configuration) -> LocalOptions:
    """How models on this machine are tuned and asked."""
    from adapters.vendors.local import Options

    chosen, secrets = configuration.settings.local, configuration.secrets
    return Options(
        root=local_root(configuration),
        models=chosen.models,
        python=chosen.python or sys.executable,
        at_once=chosen.at_once,
        restarts=chosen.restarts,
        job=chosen.job,
        max_length=chosen.max_length,
        serve_url=chosen.serve_url,
        serve_key=secrets.local_serve_key.get_secret_value() if secrets.local_serve_key else "",
        serve_folder=chosen.serve_folder,
        adapters=chosen.adapters,
        context_tokens=chosen.context_tokens,
    )


# -- training


def training_of(
    configuration: Configuration,
    database: Database,
    tuners: Mapping[str, Callable[[], Tuner]] | None = None,
    *,
    models: Models,
    platform: Callable[[str], Platform | None] | None = None,
) -> Training:
    """The training runs, on the vendors of the settings; ``tuners`` join them.

    What they make is tried out with ``models`` for avatars that are set so. They are told of on the platforms that
    ``platform`` knows by name; nowhere without it.
    """

    def make(found: Tuners) -> Runs:
        return _runs(configuration, database, found)

    def first() -> Observer:
        from bot.finetuning.automatic import Automatic

        return Automatic(database, models, configuration.settings)

    found = tuners_of(configuration, tuners or {})
    if platform is None:
        return Training(found, make, first=first)

    def watch() -> Statuses:
        from bot.statuses import Statuses

        return Statuses(database, platform)

    return Training(found, make, watch, first)


def tuners_of(configuration: Configuration, more: Mapping[str, Callable[[], Tuner]]) -> Tuners:
    """How each vendor's tuner is made; its library is imported only then. ``more`` join those of the settings."""
    settings, secrets = configuration.settings, configuration.secrets
    ours: dict[str, Callable[[], Tuner]] = {
        "embedded": lambda: embedded_tuner(configuration),
        "local": lambda: local_tuner(configuration),
        "openai": lambda: openai_tuner(configuration),
        "google": lambda: google_tuner(configuration),
    }
    usable = {
        "embedded": True,
        "local": bool(settings.local.models),
        "openai": bool(secrets.openai_api_key or secrets.openai_base_url),
        "google": bool(settings.google.project),
    }
    for name, chosen in settings.vendors.items():
        ours[name] = lambda name=name, chosen=chosen: openai_tuner(configuration, name, chosen)
        usable[name] = True
    for name, make in more.items():
        ours[name] = make
        usable[name] = True
    return Tuners(configuration, ours, tuple(name for name, yes in usable.items() if yes))


def embedded_tuner(configuration: Configuration) -> Tuner:
    """The embedded model's, which trains in seconds on this machine."""
    from adapters.vendors.embedded.tuner import EmbeddedTuner, Processes

    return EmbeddedTuner(configuration.data_dir, Processes())


def local_tuner(configuration: Configuration) -> Tuner:
    """TRL's on this machine. Raises ``NotConfigured`` while no base model is named."""
    from adapters.vendors.local import make_tuner

    if not configuration.settings.local.models:
        raise NotConfigured(
            "name the models that can be tuned on this machine in [local.models] and install the extra, "
            "as in pip install 'understudy[train]'",
            vendor="local",
        )
    return make_tuner(local_options(configuration))


def openai_tuner(
    configuration: Configuration, name: str = "openai", chosen: VendorSettings | None = None
) -> Tuner:
    """That of OpenAI, or of another vendor that speaks its protocol. Raises ``NotConfigured``."""
    from adapters.vendors.openai import make_tuner

    return make_tuner(openai_endpoint(configuration, name, chosen or VendorSettings()))


def google_tuner(configuration: Configuration) -> Tuner:
    """Google's, in a project of the Agent Platform."""
    from adapters.vendors.google import make_tuner

    return make_tuner(
        google_endpoint(configuration), adapter_size=configuration.settings.google.adapter_size or None
    )


def _runs(configuration: Configuration, database: Database, tuners: Tuners) -> Runs:
    from training.hosts import identity
    from training.runs import RunLimits, Runs

    settings = configuration.settings
    rows = settings.datasets
    limits = RunLimits(
        **settings.finetune.model_dump(),
        minimum=rows.minimum,
        eligible=rows.eligible,
        recommended=rows.recommended,
    )
    return Runs(
        database,
        tuners.find,
        limits,
        configuration.data_dir / "runs",
        host=identity(configuration.data_dir),
        vendors=tuners.vendors,
        prices=lambda vendor, model: _tuning_prices(settings, f"{vendor}:{model}"),
    )


def _tuning_prices(settings: Settings, model: str) -> Prices:
    from training.cost import BasePrice, TuningPrice
    from training.ordering import Prices

    price = settings.prices.get(model)
    if price is None:
        return Prices()
    return Prices(
        BasePrice(price.input, price.output, price.date),
        TuningPrice(
            training=price.training,
            input=price.tuned_input,
            output=price.tuned_output,
            hosting=price.hosting or 0.0,
            date=price.date,
        ),
    )


# -- platforms


def _discord_options(settings: Settings) -> DiscordOptions:
    from adapters.platforms.discord.options import Options

    chosen, limits = settings.discord, settings.limits
    return Options(
        **chosen.model_dump(),
        reactions=settings.feedback.reactions,
        attachments=limits.attachments,
        attachment_bytes=limits.attachment_bytes,
    )


def _discord_token(configuration: Configuration) -> str:
    token = configuration.secrets.discord_token
    if token is None:
        raise UserError("Discord's token is missing: set the variable DISCORD_TOKEN.")
    return token.get_secret_value()


def _discord(configuration: Configuration) -> Platform:
    from adapters.platforms.discord.platform import Discord

    return Discord(_discord_token(configuration), _discord_options(configuration.settings), clock.now)


async def _probe_discord(configuration: Configuration) -> Sequence[tuple[bool, str]]:
    from adapters.platforms.discord.probe import probe

    return await probe(_discord_token(configuration), _discord_options(configuration.settings))


async def discord_invite(configuration: Configuration) -> str:
    """The address at which somebody can add the bot to a server. Raises ``UserError``."""
    from adapters.platforms.discord.invite import invite

    return await invite(_discord_token(configuration), _discord_options(configuration.settings))


def _slack_options(settings: Settings) -> SlackOptions:
    from adapters.platforms.slack.options import Options

    chosen, limits = settings.slack, settings.limits
    return Options(
        **chosen.model_dump(),
        reactions=settings.feedback.reactions,
        attachments=limits.attachments,
        attachment_bytes=limits.attachment_bytes,
    )


def _slack_tokens(configuration: Configuration) -> SlackTokens:
    from adapters.platforms.slack.probe import Tokens

    secrets = configuration.secrets
    return Tokens(
        *(
            secret.get_secret_value() if secret else ""
            for secret in (secrets.slack_bot_token, secrets.slack_app_token, secrets.slack_signing_secret)
        )
    )


def _slack(configuration: Configuration) -> Platform:
    from adapters.platforms.slack.platform import Slack

    tokens = _slack_tokens(configuration)
    options = _slack_options(configuration.settings)
    return Slack(tokens.bot, tokens.app, tokens.signing_secret, options, clock.now)


async def _probe_slack(configuration: Configuration) -> Sequence[tuple[bool, str]]:
    from adapters.platforms.slack.probe import probe

    return await probe(_slack_options(configuration.settings), _slack_tokens(configuration))


def slack_manifest(configuration: Configuration, commands: Sequence[Command], url: str = "") -> str:
    """The app as Slack wants to be told of it, as JSON; ``url`` is where Slack reaches us over HTTP."""
    from adapters.platforms.slack.manifest import manifest, render

    return render(manifest(commands, _slack_options(configuration.settings), url=url))


# A platform joins by naming how it is made.
FACES = (
    Face("Discord", ("DISCORD_TOKEN",), _discord, _probe_discord),
    Face("Slack", ("SLACK_BOT_TOKEN",), _slack, _probe_slack),
)


def _prices(settings: Settings, vendor: str) -> Mapping[str, Price]:
    return {
        name.partition(":")[2]: Price(price.input, price.output, price.cached)
        for name, price in settings.prices.items()
        if name.startswith(f"{vendor}:")
    }


def _patience(settings: Settings) -> Patience:
    models = settings.models
    return Patience(
        fallback=models.fallback,
        attempts=models.attempts,
        retry_seconds=models.retry_seconds,
        rest_after=models.rest_after,
        rest_seconds=models.rest_seconds,
    )


def _context_rules(settings: Settings) -> context.Rules:
    chosen = settings.context
    return context.Rules(
        token_budget=chosen.token_budget,
        history_exchanges=chosen.history_exchanges,
        examples=chosen.examples,
        pinned_examples=chosen.pinned_examples,
        floor=chosen.floor,
        diversity=chosen.diversity,
    )


def _manner(settings: Settings) -> Manner:
    return Manner(
        default_model=settings.models.default,
        temperature=settings.models.temperature,
        max_output_tokens=settings.models.max_output_tokens,
        waiting_messages=settings.limits.waiting_messages,
        reply_seconds=settings.limits.reply_seconds,
    )


def _attachment_rules(settings: Settings) -> attachments.Rules:
    limits = settings.limits
    return attachments.Rules(
        attachments=limits.attachments,
        attachment_bytes=limits.attachment_bytes,
        attachment_characters=limits.attachment_characters,
        pdf_pages=limits.pdf_pages,
    )
