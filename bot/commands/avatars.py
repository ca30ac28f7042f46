"""Avatars: list, create, edit, use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.platforms.base import Access, Answer, Call, Command, Field, Param, Table, UserError
from adapters.platforms.usage import quote
from bot.scenes import named
from bot.services import Services
from storage import audit, avatars, channels, examples, releases, workspaces
from storage.avatars import Avatar
from storage.database import Tx
from storage.errors import Duplicate

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
LONGEST_NAME = 60


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def complete(call: Call, typed: str) -> Sequence[str]:
        scene = await services.scene(call)
        every = await services.database.read(lambda tx: avatars.listed(tx, scene.workspace.id))
        return [each.name for each in every if each.name.casefold().startswith(typed.casefold())]

    name = Param("name", "the avatar's name", required=True, complete=complete)

    async def list_(call: Call) -> Answer:
        return await _list(services, call)

    async def create(call: Call) -> Answer:
        return await _create(services, call)

    async def edit(call: Call) -> Answer:
        return await _edit(services, call)

    async def use(call: Call) -> Answer:
        return await _use(services, call)

    tagline = Param("tagline", "one line that introduces it")
    colour = Param("colour", "its colour, such as #E8A33D")
    unknown = Param("unknown", "what it says when it does not know", long=True)
    approve = Param(
        "auto_approve", "whether proposed examples are used unreviewed", "choice", choices=("yes", "no")
    )
    activate = Param(
        "auto_activate",
        "whether a model tuned for it that passes its smoke test answers unasked",
        "choice",
        choices=("yes", "no"),
    )
    return (
        Command("avatar list", "list the avatars", list_),
        Command(
            "avatar create",
            "create an avatar",
            create,
            access=Access.TRAINER,
            params=(
                Param("name", "what people call it", required=True),
                Param("prompt", "who it is and how it speaks", required=True, rest=True, long=True),
                tagline,
                colour,
            ),
        ),
        Command(
            "avatar edit",
            "change an avatar; its prompt is changed with `/prompt edit`",
            edit,
            access=Access.TRAINER,
            params=(name, Param("rename", "its new name"), tagline, colour, unknown, approve, activate),
        ),
        Command(
            "avatar use",
            "have this avatar answer in this channel",
            use,
            access=Access.TRAINER,
            params=(
                name,
                Param("everywhere", "also where no avatar was chosen", "flag"),
                Param(
                    "always_on",
                    "answer everything that is said in this channel",
                    "choice",
                    choices=("yes", "no"),
                ),
            ),
        ),
    )


async def _list(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)

    def gather(tx: Tx) -> list[tuple[Avatar, str | None, int]]:
        every = avatars.listed(tx, scene.workspace.id)
        return [
            (each, releases.current(tx, each.id).base_model, examples.count(tx, each.id, "approved"))
            for each in every
        ]

    found = await services.database.read(gather)
    default = services.configuration.settings.models.default
    rows = tuple(
        (
            "●" if each.id == scene.avatar.id else "",
            each.name,
            base_model or f"{default} (default)",
            str(count),
            each.tagline,
        )
        for each, base_model, count in found
    )
    data = [
        {
            "name": each.name,
            "examples": count,
            "tagline": each.tagline,
            "auto_approve": each.auto_approve,
            "auto_activate": each.auto_activate,
        }
        for each, _, count in found
    ]
    return Answer(table=Table(("here", "name", "base model", "examples", "tagline"), rows), data=data)


def _checked_name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UserError(f"A name has 1 to {LONGEST_NAME} printable characters.")
    return name


def _checked_colour(text: str) -> str:
    if text and not COLOUR.fullmatch(text):
        raise UserError(f"A colour is written like #E8A33D, not {text!r}.")
    return text


async def _create(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    name, colour = _checked_name(call.text("name")), _checked_colour(call.text("colour"))
    prompt = call.text("prompt").strip()
    if not prompt:
        raise UserError('Say who the avatar is, such as prompt:"You are Bob, who knows every bird."')

    def create(tx: Tx) -> Avatar:
        avatar = avatars.create(
            tx,
            scene.workspace.id,
            name,
            prompt=prompt,
            tagline=call.text("tagline"),
            colour=colour,
            person_id=scene.person.id,
        )
        audit.write(tx, scene.workspace.id, "avatar create", person_id=scene.person.id, target=name)
        return avatar

    try:
        avatar = await services.database.write(create)
    except Duplicate:
        raise UserError(f"There is an avatar named {name!r} already; choose another name.") from None
    return Answer(
        f"{avatar.name} is here, with prompt version 1 and release 1. "
        f"`/avatar use {quote(avatar.name)}` puts it in this channel.",
        data={"name": avatar.name, "id": avatar.id},
    )


async def _edit(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    changes: dict[str, object] = {}
    if rename := call.text("rename"):
        changes["name"] = _checked_name(rename)
    if colour := _checked_colour(call.text("colour")):
        changes["colour"] = colour
    for key in ("tagline", "unknown"):
        if call.text(key):
            changes[key] = call.text(key)
    for key in ("auto_approve", "auto_activate"):
        if call.text(key):
            changes[key] = call.text(key) == "yes"
    if not changes:
        raise UserError(
            "Say what to change: rename, tagline, colour, unknown, auto_approve or auto_activate."
        )

    def edit(tx: Tx) -> Avatar:
        avatar = named(tx, scene.workspace, call.text("name"))
        audit.write(
            tx,
            scene.workspace.id,
            "avatar edit",
            person_id=scene.person.id,
            target=avatar.name,
            detail=changes,
        )
        return avatars.update(tx, avatar.id, **changes)

    try:
        avatar = await services.database.write(edit)
    except Duplicate:
        raise UserError(
            f"There is an avatar named {changes['name']!r} already; choose another name."
        ) from None
    said = f"{avatar.name} is changed: {', '.join(sorted(changes))}."
    if changes.get("auto_activate"):
        said += (
            f" A model that is tuned for {avatar.name} and passes its smoke test answers from then on; `/finetune rollback` "
            "takes it back."
        )
    return Answer(said, data={"name": avatar.name, "changed": sorted(changes)})


async def _use(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)

    def use(tx: Tx) -> tuple[Avatar, bool]:
        avatar = named(tx, scene.workspace, call.text("name"))
        before = channels.find(tx, scene.workspace.id, call.place.channel)
        always_on = bool(before and before.always_on)
        if call.text("always_on"):
            always_on = call.text("always_on") == "yes"
        channels.bind(tx, scene.workspace.id, call.place.channel, avatar.id, always_on)
        if call.flag("everywhere"):
            workspaces.set_default_avatar(tx, scene.workspace.id, avatar.id)
        audit.write(
            tx,
            scene.workspace.id,
            "avatar use",
            person_id=scene.person.id,
            target=avatar.name,
            detail={
                "channel": call.place.channel,
                "everywhere": call.flag("everywhere"),
                "always_on": always_on,
            },
        )
        return avatar, always_on

    avatar, always_on = await services.database.write(use)
    services.listening.changed(call.place)
    unasked = " It answers everything that is said in this channel." if always_on else ""
    return Answer(
        f"From now on {avatar.name} answers here.{unasked}",
        fields=(Field(avatar.name, avatar.tagline),) if avatar.tagline else (),
        private=False,
        data={"name": avatar.name},
    )
