"""Builds the application from the settings; the only place that names concrete adapters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from adapters.platforms.base import Command, Platform, UserError
from adapters.vendors.base import ChatModel, NotConfigured
from adapters.vendors.prices import Price
from bot import attachments, context, feedback
from bot.asking import Asking, Patience
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
from bot.turn import Manner
from storage import clock
from storage.database import Database

if TYPE_CHECKING:
    from adapters.platforms.discord.options import Options as DiscordOptions
    from adapters.platforms.slack.options import Options as SlackOptions
    from adapters.platforms.slack.probe import Tokens as SlackTokens


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
    return found


def _embedded(configuration: Configuration) -> ChatModel:
    from adapters.vendors.embedded import chat_model

    return chat_model(configuration.data_dir / "models")


def _openai(configuration: Configuration, name: str, chosen: VendorSettings) -> ChatModel:
    from adapters.vendors.openai import Endpoint, chat_model

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
    return chat_model(
        Endpoint(
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
    )


def _google(configuration: Configuration) -> ChatModel:
    from adapters.vendors.google import Endpoint, chat_model

    settings, secrets = configuration.settings, configuration.secrets
    key = secrets.gemini_api_key or secrets.google_api_key
    return chat_model(
        Endpoint(
            api_key=key.get_secret_value() if key and not settings.google.project else "",
            project=settings.google.project,
            location=settings.google.location if settings.google.project else "",
            base_url=settings.google.base_url,
            prices=_prices(settings, "google"),
            first_seconds=settings.models.first_seconds,
            silence_seconds=settings.models.silence_seconds,
        )
    )


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
