"""Check: in plain words, what is configured, what is missing and what to do."""

from __future__ import annotations

import shutil

from adapters.platforms.base import Access, Answer, Call, Command, Table
from adapters.vendors.base import VendorError
from bot.services import Services

LOW_DISK = 500 * 1024 * 1024


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def run(call: Call) -> Answer:
        return await _check(services, call)

    return (Command("check", "say what is set up, what is missing and what to do", run, access=Access.OWNER),)


async def _check(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    rows = [_settings(services), _database(services), _disk(services)]
    rows.append(await _model(services, services.conversations.model_of(scene)))
    rows.extend(_platforms(services))
    ok = all(state != "problem" for state, _, _ in rows)
    text = "All is well." if ok else "Something needs you: see the lines marked problem."
    data = [{"state": state, "what": what, "detail": detail} for state, what, detail in rows]
    return Answer(text, table=Table(("", "what", "in plain words"), tuple(rows)), ok=ok, data=data)


Row = tuple[str, str, str]


def _settings(services: Services) -> Row:
    source = services.configuration.source
    return (
        "ok",
        "settings",
        f"read from {source}" if source else "no config.toml: every setting is at its default",
    )


def _database(services: Services) -> Row:
    if services.database.postgres:
        return ("ok", "database", "Postgres, up to date")
    return ("ok", "database", f"SQLite in {services.configuration.data_dir}, up to date")


def _disk(services: Services) -> Row:
    free = shutil.disk_usage(services.configuration.data_dir).free
    words = f"{free / 2**30:.1f} GiB free where the data is"
    if free < LOW_DISK:
        return ("problem", "disk", f"{words}: free some space")
    return ("ok", "disk", words)


async def _model(services: Services, model: str) -> Row:
    try:
        chat, name = services.models.find(model)
        known = [each.name for each in await chat.models()]
    except VendorError as error:
        return ("problem", "model", f"{model}: {error}")
    if known and name not in known:
        return ("problem", "model", f"{model} does not exist; there are: {', '.join(known[:10])}")
    if chat.vendor == "embedded":
        return ("ok", "model", f"{model}: needs no key, and answers only from examples")
    return ("ok", "model", f"{model} answers")


def _platforms(services: Services) -> list[Row]:
    """Discord and Slack are told apart by their tokens; the terminal is always there."""
    secrets = services.configuration.secrets
    rows: list[Row] = [("ok", "terminal", "`understudy chat`")]
    for platform, token in (("discord", secrets.discord_token), ("slack", secrets.slack_bot_token)):
        if token is not None:
            rows.append(
                (
                    "problem",
                    platform,
                    "its token is set, but this version does not talk there yet: see CHANGELOG.md",
                )
            )
    return rows
