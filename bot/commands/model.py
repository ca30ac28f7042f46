"""The model: which one answers, and choosing another."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.platforms.base import Access, Answer, Call, Command, Param, Table, UserError
from adapters.vendors.base import VendorError
from bot.scenes import Scene
from bot.services import Services
from storage import audit, avatars, releases
from storage.database import Tx


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def complete(_call: Call, typed: str) -> Sequence[str]:
        return [name for name, _ in await _available(services) if name.startswith(typed)]

    async def run(call: Call) -> Answer:
        return await _model(services, call)

    return (
        Command(
            "model",
            "show the model that answers here, or choose another one",
            run,
            params=(
                Param("name", "vendor:name, or default to follow the settings", complete=complete),
                Param("list", "list the models to choose from", "flag"),
            ),
        ),
    )


async def _available(services: Services) -> list[tuple[str, str]]:
    """Every model of every vendor that answers when asked for its models, with what it is."""
    found: list[tuple[str, str]] = []
    for vendor in services.models.vendors:
        try:
            chat, _ = services.models.find(f"{vendor}:any")
            found.extend((f"{vendor}:{each.name}", each.description) for each in await chat.models())
        except VendorError as error:
            found.append((f"{vendor}:", str(error)))
    return found


async def _model(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    name = call.text("name")
    if not name:
        return await _show(services, scene, everything=call.flag("list"))
    if call.who.access < Access.TRAINER:
        raise UserError("Choosing a model is for a trainer or above.")
    wanted = None if name == "default" else name
    if wanted is not None:
        await _check(services, wanted)
    after = wanted or services.configuration.settings.models.default
    await services.database.write(lambda tx: _choose(tx, scene, wanted))
    return Answer(
        f"{scene.avatar.name} answers with {after} from the next message on.", data={"model": after}
    )


def _choose(tx: Tx, scene: Scene, model: str | None) -> None:
    """Set the base model; a release that names a model of its own gives way to one that does not."""
    avatars.update(tx, scene.avatar.id, base_model=model)
    release = releases.current(tx, scene.avatar.id)
    if release.model is not None:
        releases.add(
            tx,
            scene.avatar.id,
            model=None,
            prompt_version_id=release.prompt_version_id,
            person_id=scene.person.id,
            why=f"the base model was chosen: {model or 'the default'}",
            few_shot=release.few_shot,
        )
    audit.write(
        tx,
        scene.workspace.id,
        "model",
        person_id=scene.person.id,
        target=scene.avatar.name,
        detail={"model": model or "default"},
    )


async def _check(services: Services, model: str) -> None:
    """A vendor that is not set up or does not have the model says so now, not at the next message."""
    try:
        chat, name = services.models.find(model)
        known = [each.name for each in await chat.models()]
    except VendorError as error:
        raise UserError(str(error)) from error
    if known and name not in known:
        raise UserError(f"{chat.vendor} has no model {name!r}; it has: {', '.join(known[:10])}.")


async def _show(services: Services, scene: Scene, *, everything: bool) -> Answer:
    model = services.conversations.model_of(scene)
    text = f"{scene.avatar.name} answers with {model}."
    if model.startswith("embedded:"):
        text += " It answers only from examples: teach it, or give `/model` the name of a language model."
    if not everything:
        return Answer(text, data={"model": model})
    found = await _available(services)
    rows = tuple(("●" if name == model else "", name, what) for name, what in found)
    return Answer(text, table=Table(("here", "model", "what it is"), rows), data=[name for name, _ in found])
