"""Prompts: list, show, edit, activate. The release is the truth: activating a prompt version writes a release."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.platforms.base import Access, Answer, Call, Command, Param, Table, UserError
from bot.commands.talk import shorten
from bot.scenes import Scene
from bot.services import Services
from storage import audit, prompts, releases
from storage.database import Tx
from storage.prompts import PromptVersion


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def list_(call: Call) -> Answer:
        return await _list(services, call)

    async def show(call: Call) -> Answer:
        return await _show(services, call)

    async def edit(call: Call) -> Answer:
        return await _edit(services, call)

    async def activate(call: Call) -> Answer:
        return await _activate(services, call)

    number = Param("number", "the version; the active one when left out", "integer", minimum=1)
    return (
        Command(
            "prompt list", "list the prompt versions of the avatar that answers here", list_, Access.REVIEWER
        ),
        Command("prompt show", "show a prompt version", show, Access.REVIEWER, (number,)),
        Command(
            "prompt edit",
            "write a new prompt version and make it active",
            edit,
            Access.TRAINER,
            (Param("text", "the whole new prompt", required=True, rest=True, long=True),),
        ),
        Command(
            "prompt activate",
            "go back, or forward, to a prompt version",
            activate,
            Access.TRAINER,
            (Param("number", "the version", "integer", required=True, minimum=1),),
        ),
    )


def day(at: int) -> str:
    """A time as people read it: date and minute, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")


async def _list(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    found = await services.database.read(lambda tx: prompts.listed(tx, scene.avatar.id))
    active = scene.release.prompt_version_id
    rows = tuple(
        (
            "●" if each.id == active else "",
            str(each.number),
            day(each.created_at),
            each.source,
            shorten(each.text),
        )
        for each in found
    )
    data = [{"number": each.number, "active": each.id == active, "text": each.text} for each in found]
    return Answer(table=Table(("active", "no.", "written", "source", "prompt"), rows), data=data)


def _found(tx: Tx, scene: Scene, number: int) -> PromptVersion:
    version = prompts.find(tx, scene.avatar.id, number)
    if version is None:
        raise UserError(
            f"{scene.avatar.name} has no prompt version {number}; `/prompt list` shows those it has."
        )
    return version


async def _show(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    number = call.integer("number")

    def find(tx: Tx) -> PromptVersion:
        if number is None:
            return prompts.get(tx, scene.release.prompt_version_id)
        return _found(tx, scene, number)

    version = await services.database.read(find)
    active = ", active" if version.id == scene.release.prompt_version_id else ""
    return Answer(
        f"**{scene.avatar.name}, prompt version {version.number}{active}**\n\n{version.text}",
        data={"number": version.number, "active": bool(active), "text": version.text},
    )


def _release(tx: Tx, scene: Scene, version: PromptVersion, why: str) -> None:
    current = releases.held(tx, scene.avatar.id)
    releases.add(
        tx,
        scene.avatar.id,
        model=current.model,
        prompt_version_id=version.id,
        person_id=scene.person.id,
        why=why,
        few_shot=current.few_shot,
    )
    audit.write(
        tx,
        scene.workspace.id,
        "prompt activate",
        person_id=scene.person.id,
        target=scene.avatar.name,
        detail={"number": version.number},
    )


async def _edit(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    text = call.text("text").strip()
    if not text:
        raise UserError("A prompt cannot be empty.")
    before = await services.database.read(lambda tx: prompts.get(tx, scene.release.prompt_version_id))

    def edit(tx: Tx) -> PromptVersion:
        version = prompts.add(tx, scene.avatar.id, text, person_id=scene.person.id)
        _release(tx, scene, version, f"prompt version {version.number} was written")
        return version

    version = await services.database.write(edit)
    return Answer(
        f"Prompt version {version.number} is active from the next message on. "
        f"`/prompt activate {before.number}` goes back.",
        data={"number": version.number},
    )


async def _activate(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    number = call.integer("number") or 0
    version = await services.database.read(lambda tx: _found(tx, scene, number))
    if version.id == scene.release.prompt_version_id:
        return Answer(f"Prompt version {number} is active already.", data={"number": number})
    await services.database.write(
        lambda tx: _release(tx, scene, version, f"prompt version {number} was chosen")
    )
    return Answer(f"Prompt version {number} is active from the next message on.", data={"number": number})
