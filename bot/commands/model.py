"""The model: which one answers, choosing another, and what there is to choose from."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from adapters.platforms.base import Access, Answer, Call, Command, Param, Table, UserError
from adapters.vendors.base import ModelInfo, VendorError
from bot.commands.talk import shorten
from bot.scenes import Scene
from bot.services import Services
from storage import audit, releases, tuned_models
from storage.database import Tx
from storage.releases import Release


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def complete(call: Call, typed: str) -> Sequence[str]:
        if call.who.access < Access.TRAINER:
            return []
        found, _ = await available(services, await services.scene(call))
        return [
            name for name in ("default", *(each for each, _ in found)) if typed.casefold() in name.casefold()
        ]

    async def run(call: Call) -> Answer:
        return await _model(services, call)

    async def listed(call: Call) -> Answer:
        return await _models(services, call)

    return (
        Command(
            "model",
            "show the model that answers here, or choose another one",
            run,
            params=(Param("name", "vendor:name, or default to follow the settings", complete=complete),),
        ),
        Command(
            "models",
            "list the models to choose from, and when their vendors shut them down",
            listed,
            access=Access.TRAINER,
        ),
    )


async def available(
    services: Services, scene: Scene
) -> tuple[list[tuple[str, ModelInfo]], list[tuple[str, str]]]:
    """Every model that may be chosen, as ``vendor:name``; and the vendors that did not tell theirs, with why."""
    allowed = services.configuration.settings.models.allowed
    found: list[tuple[str, ModelInfo]] = []
    silent: list[tuple[str, str]] = []
    for vendor in services.models.vendors:
        try:
            chat, _ = services.models.find(f"{vendor}:any")
            found.extend((f"{vendor}:{each.name}", each) for each in await chat.models())
        except VendorError as error:
            silent.append((vendor, str(error)))
    if allowed:
        known = dict(found)
        found = [(name, known.get(name, ModelInfo(name.partition(":")[2]))) for name in allowed]
    elsewhere = await _elsewhere(services, scene, [name for name, _ in found])
    return [each for each in found if each[0] not in elsewhere], silent


async def _elsewhere(services: Services, scene: Scene, models: Sequence[str]) -> frozenset[str]:
    """Those that other workspaces tuned."""
    return await services.database.read(lambda tx: tuned_models.elsewhere(tx, scene.workspace.id, models))


async def _model(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    name = call.text("name")
    if not name:
        return _show(services, scene)
    if call.who.access < Access.TRAINER:
        raise UserError("Choosing a model is for a trainer or above.")
    wanted = None if name == "default" else name
    if wanted is not None:
        await _check(services, scene, wanted)
    after = wanted or services.configuration.settings.models.default
    added = await services.database.write(lambda tx: _choose(tx, scene, wanted))
    if added is None:
        return Answer(f"{scene.avatar.name} answers with {after} already.", data={"model": after})
    return Answer(
        f"{scene.avatar.name} answers with {after} from the next message on: release {added.number}.",
        data={"model": after},
    )


def _choose(tx: Tx, scene: Scene, model: str | None) -> Release | None:
    """A release with this base model and no other above it; ``None`` where that answers already."""
    release = releases.held(tx, scene.avatar.id)
    if release.model is None and release.base_model == model:
        return None
    added = releases.add(
        tx,
        scene.avatar.id,
        model=None,
        base_model=model,
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
    return added


async def _check(services: Services, scene: Scene, model: str) -> None:
    """A vendor that is not set up or does not have the model says so now, not at the next message."""
    allowed = services.configuration.settings.models.allowed
    if allowed and model not in allowed:
        raise UserError(f"{model} may not be chosen here; these may: {', '.join(allowed)}.")
    try:
        chat, name = services.models.find(model)
        every = [each.name for each in await chat.models()]
    except VendorError as error:
        raise UserError(str(error)) from error
    elsewhere = await _elsewhere(services, scene, [model, *(f"{chat.vendor}:{each}" for each in every)])
    known = [each for each in every if f"{chat.vendor}:{each}" not in elsewhere]
    if model in elsewhere or (known and name not in known):
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:5]
        raise UserError(
            f"{chat.vendor} has no model {name!r}; near it: {', '.join(close)}. `/models` lists all."
        )


def _show(services: Services, scene: Scene) -> Answer:
    model = services.conversations.model_of(scene)
    text = f"{scene.avatar.name} answers with {model}."
    if model.startswith("embedded:"):
        text += " It answers only from examples: teach it, or give `/model` the name of a language model."
    return Answer(text, data={"model": model})


async def _models(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    here = services.conversations.model_of(scene)
    found, silent = await available(services, scene)
    rows = tuple(
        (
            "●" if name == here else "",
            name,
            "sees" if info.sees else "",
            info.shutdown_date or "",
            shorten(info.description),
        )
        for name, info in found
    )
    data = [
        {
            "model": name,
            "sees": info.sees,
            "shutdown_date": info.shutdown_date,
            "description": info.description,
        }
        for name, info in found
    ]
    missing = "\n".join(f"{vendor} does not tell its models: {why}" for vendor, why in silent)
    columns = ("here", "model", "pictures", "shut down on", "what it is")
    return Answer(missing, table=Table(columns, rows), data=data)
