"""Check: in plain words, what is configured, what is missing and what to do."""

from __future__ import annotations

import shutil

from adapters.platforms.base import Access, Answer, Call, Command, Table
from adapters.vendors.base import VendorError
from bot.services import Services
from storage.workspaces import Workspace

LOW_DISK = 500 * 1024 * 1024


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def run(call: Call) -> Answer:
        return await _check(services, call)

    return (Command("check", "say what is set up, what is missing and what to do", run, access=Access.OWNER),)


async def _check(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    # The owner of a workspace need not be the one who runs the program: of its machine they learn nothing.
    rows = [_settings(services), _database(services), _disk(services)] if call.local else []
    rows.append(await _model(services, services.conversations.model_of(scene)))
    rows.append(_notices(scene.workspace))
    if call.local:
        rows.extend(await _platforms(services))
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


def _notices(workspace: Workspace) -> Row:
    if workspace.platform == "terminal":
        return ("ok", "notices", "what admins should know is in the log")
    if workspace.notices:
        return ("ok", "notices", "admins are warned in the channel that was chosen")
    return ("hint", "notices", "no channel is chosen in which admins are warned: give `/notices here` in one")


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


async def _platforms(services: Services) -> list[Row]:
    """The terminal is always there; the others are tried out where their token is set."""
    rows: list[Row] = [("ok", "terminal", "`understudy chat`")]
    for face in services.faces:
        name = face.name.lower()
        given = [
            each for each in face.needs if getattr(services.configuration.secrets, each.lower()) is not None
        ]
        if not given:
            continue
        if not face.configured(services.configuration):
            missing = [each for each in face.needs if each not in given]
            rows.append(("problem", name, f"{' and '.join(missing)} must be set too"))
        elif face.probe is None:
            rows.append(("problem", name, "its token is set, but this version does not talk there yet"))
        else:
            found = await face.probe(services.configuration)
            rows.extend(("ok" if good else "problem", name, sentence) for good, sentence in found)
    return rows
