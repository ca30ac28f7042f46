"""Routes for commands, for the answers to interactions and for what follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.servers.discord import errors
from tests.servers.discord.bodies import attached, checked
from tests.servers.discord.forms import CHECKBOXES, RADIO, STRING_SELECT
from tests.servers.discord.ids import Json
from tests.servers.discord.interactions import (
    CHOICES,
    DEFERS,
    DEFERS_UPDATE,
    OPENS_MODAL,
    SAYS,
    UPDATES,
    Interaction,
)
from tests.servers.discord.messages import EPHEMERAL, LOADING, Message
from tests.servers.discord.rest import Answer, Call, Route

GLOBAL = "/applications/{application_id}/commands"
LOCAL = "/applications/{application_id}/guilds/{guild_id}/commands"
CHOICES_OF = {STRING_SELECT: (1, 25), RADIO: (2, 10), CHECKBOXES: (1, 10)}
HOOK = "/webhooks/{webhook_id}/{webhook_token}"


# -- commands


def _scope(call: Call) -> int | None:
    if call.number("application_id") != call.world.bot.id:
        raise errors.Refusal(404, 10002, "Unknown Application")
    if "guild_id" not in call.params:
        return None
    guild = call.number("guild_id")
    if guild not in call.world.guilds:
        raise errors.MISSING_ACCESS
    return guild


def commands(call: Call) -> Answer:
    """All commands of a scope."""
    return 200, list(call.world.commands.of(_scope(call)).values())


def overwrite(call: Call) -> Answer:
    """Register exactly these commands."""
    body: Any = call.body
    return 200, call.world.commands.overwrite(_scope(call), body or [])


def add(call: Call) -> Answer:
    """Register one more command, or again."""
    made, new = call.world.commands.put(_scope(call), call.json)
    return 201 if new else 200, made


def command(call: Call) -> Answer:
    """One command."""
    return 200, call.world.commands.get(_scope(call), call.number("command_id"))


def change(call: Call) -> Answer:
    """Change one command."""
    return 200, call.world.commands.edit(_scope(call), call.number("command_id"), call.json)


def remove(call: Call) -> Answer:
    """Take one command away."""
    call.world.commands.delete(_scope(call), call.number("command_id"))
    return 204, None


# -- the first answer


def callback(call: Call) -> Answer:
    """Take the first answer to an interaction."""
    interaction = call.world.interactions.get(call.params["token"])
    if interaction is None or interaction.id != call.number("interaction_id"):
        raise errors.UNKNOWN_INTERACTION
    kind = int(call.json.get("type", 0))
    data: Json = call.json.get("data") or {}
    files = None
    if kind in (SAYS, UPDATES):
        before = interaction.message if kind == UPDATES else None
        files = attached(call.world, interaction.channel, data, call.uploads, before)
        data = checked(data, files=files or (before.attachments if before else ()), before=before)
    elif kind == OPENS_MODAL:
        check_modal(data)
    elif kind == CHOICES and len(data.get("choices") or ()) > 25:
        raise errors.too_long("data.choices", 25)
    elif kind not in (DEFERS, DEFERS_UPDATE, CHOICES):
        raise errors.invalid("type", "BASE_TYPE_CHOICES", "Value must be one of {4, 5, 6, 7, 8, 9}.")
    message = interaction.respond(kind, data, files or ())
    if call.query.get("with_response") not in ("1", "true", "True"):
        return 204, None
    return 200, _callback(interaction, kind, message)


def _callback(interaction: Interaction, kind: int, message: Message | None) -> Json:
    about: Json = {
        "id": str(interaction.id),
        "type": interaction.kind,
        "channel_id": str(interaction.channel.id),
    }
    if interaction.channel.guild is not None:
        about["guild_id"] = str(interaction.channel.guild.id)
    found: Json = {"interaction": about}
    if message is not None:
        about |= {
            "response_message_id": str(message.id),
            "response_message_loading": bool(message.flags & LOADING),
            "response_message_ephemeral": bool(message.flags & EPHEMERAL),
        }
        if kind in (SAYS, UPDATES):
            found["resource"] = {"type": kind, "message": message.json()}
    return found


def check_modal(data: Json) -> None:
    """Refuse what Discord refuses in a form."""
    if not 1 <= len(data.get("title") or "") <= 45:
        raise errors.invalid("data.title", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")
    if not 1 <= len(data.get("custom_id") or "") <= 100:
        raise errors.invalid("data.custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    rows: list[Json] = data.get("components") or []
    if not 1 <= len(rows) <= 5:
        raise errors.invalid("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    for index, row in enumerate(rows):
        inner = row.get("component") or (row.get("components") or [row])[0]
        label = row.get("label") or inner.get("label") or ""
        if len(label) > 45:
            raise errors.too_long(f"data.components.{index}.label", 45)
        for name, limit in (
            ("placeholder", 100 if inner["type"] == 4 else 150),
            ("value", 4000),
            ("custom_id", 100),
        ):
            if len(str(inner.get(name) or "")) > limit:
                raise errors.too_long(f"data.components.{index}.{name}", limit)
        fewest, most = CHOICES_OF.get(inner["type"], (0, 25))
        if not fewest <= len(inner.get("options") or ()) <= most:
            text = f"Must be between {fewest} and {most} in length."
            raise errors.invalid(f"data.components.{index}.options", "BASE_TYPE_BAD_LENGTH", text)
        if len(str(inner.get("value") or "")) > (inner.get("max_length") or 4000):
            raise errors.too_long(f"data.components.{index}.value", inner["max_length"])
        if len(row.get("description") or "") > 100:
            raise errors.too_long(f"data.components.{index}.description", 100)


# -- what follows


def _interaction(call: Call) -> Interaction:
    interaction = call.world.interactions.get(call.params["webhook_token"])
    if interaction is None or call.number("webhook_id") != call.world.bot.id:
        raise errors.UNKNOWN_WEBHOOK
    interaction.open()
    return interaction


def _message(call: Call) -> tuple[Interaction, Message]:
    interaction = _interaction(call)
    key = call.params.get("message", "@original")
    message = interaction.original
    if key != "@original":
        message = next(
            (m for m in (*interaction.messages, message) if m is not None and str(m.id) == key), None
        )
    if message is None or message.deleted:
        raise errors.UNKNOWN_MESSAGE
    return interaction, message


def follow_up(call: Call) -> Answer:
    """Say more."""
    interaction = _interaction(call)
    if not interaction.acknowledged:
        raise errors.UNKNOWN_WEBHOOK
    files = attached(call.world, interaction.channel, call.json, call.uploads) or []
    message = interaction.follow_up(checked(call.json, files=files), files)
    return (200, message.json()) if call.query.get("wait") in ("1", "true", "True") else (204, None)


def read(call: Call) -> Answer:
    """One of the answers."""
    return 200, _message(call)[1].json()


def edit(call: Call) -> Answer:
    """Change one of the answers."""
    interaction, message = _message(call)
    files = attached(call.world, interaction.channel, call.json, call.uploads, message)
    body = checked(call.json, files=message.attachments if files is None else files, before=message)
    interaction.change(message, body, files)
    return 200, message.json()


def delete(call: Call) -> Answer:
    """Take one of the answers away."""
    call.world.delete(_message(call)[1])
    return 204, None


def _crud(path: str) -> list[Route]:
    rows: list[tuple[str, str, Callable[[Call], Answer]]] = [
        ("GET", path, commands),
        ("PUT", path, overwrite),
        ("POST", path, add),
        ("GET", path + "/{command_id}", command),
        ("PATCH", path + "/{command_id}", change),
        ("DELETE", path + "/{command_id}", remove),
    ]
    return [Route(*row) for row in rows]


ROUTES = [
    *_crud(GLOBAL),
    *_crud(LOCAL),
    Route("POST", "/interactions/{interaction_id}/{token}/callback", callback, needs_token=False),
    Route("POST", HOOK, follow_up, needs_token=False),
    Route("GET", HOOK + "/messages/{message}", read, needs_token=False),
    Route("PATCH", HOOK + "/messages/{message}", edit, needs_token=False),
    Route("DELETE", HOOK + "/messages/{message}", delete, needs_token=False),
]
