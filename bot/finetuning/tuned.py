"""Tuned models: list them, and ask one a question before anybody else meets it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.platforms.base import Answer, Button, Call, Table, UserError
from adapters.vendors.base import VendorError
from bot import context
from bot.commands.prompts import day
from bot.errors import for_admin
from bot.finetuning import takenback, trial
from bot.finetuning.datasets import note
from bot.finetuning.naming import asked_of, end_of_id, model_of_run, run_of, whom
from bot.rehearsal import Heard, Rehearsal
from bot.scenes import Scene, named
from bot.services import Services
from storage import avatars, datasets, releases, runs
from storage.avatars import Avatar
from storage.database import Tx
from storage.errors import Missing
from storage.releases import Release
from storage.runs import Run, Tuned
from training.handover import title
from training.smoke import Prompts

_LISTED = 25


def full_name(tuned: Tuned) -> str:
    """The model as people choose it, ``vendor:name``."""
    return f"{tuned.vendor}:{tuned.model}"


# -- models


async def models(services: Services, call: Call) -> Answer:
    """The tuned models of the workspace."""
    scene = await services.scene(call)

    def gather(tx: Tx) -> _Known:
        active: dict[str, list[str]] = {}
        for avatar in avatars.listed(tx, scene.workspace.id):
            model = services.conversations.model(releases.current(tx, avatar.id))
            active.setdefault(model, []).append(avatar.name)
        found = runs.models(tx, scene.workspace.id)
        return _Known(
            found,
            {run_id: runs.get(tx, run_id) for run_id in {each.run_id for each in found}},
            {each.number: title(each) for each in datasets.listed(tx, scene.workspace.id)},
            active,
            takenback.of_each(tx, found),
        )

    known = await services.database.read(gather)
    found, active = known.models, known.active
    if not found:
        return Answer("There is no tuned model yet; `/finetune launch` trains the first.", data=[])
    dates, silent = await _dates(services, found)
    data: list[dict[str, Any]] = [
        {
            "model": full_name(each),
            "active_for": active.get(full_name(each), []),
            "run": each.run_number,
            "step": each.step,
            "base_model": f"{each.vendor}:{each.base_model}",
            "dataset": known.datasets.get(each.dataset_number),
            "method": known.runs[each.run_id].method,
            "trained_at": each.at,
            "shutdown_date": dates.get(full_name(each)) or dates.get(f"{each.vendor}:{each.base_model}"),
            "forgotten": known.lost[each.run_id].forgotten,
            "withdrawn": known.lost[each.run_id].withdrawn,
        }
        for each in found
    ]
    rows = tuple(
        (
            ", ".join(line["active_for"]),
            line["model"],
            str(line["run"]) + (f", step {line['step']}" if line["step"] is not None else ""),
            line["base_model"],
            line["dataset"] or "deleted",
            line["method"],
            day(line["trained_at"]),
            line["shutdown_date"] or "",
            known.lost[each.run_id].text,
        )
        for line, each in zip(data, found, strict=True)
    )
    columns = (
        "answers for", "model", "run", "tuned from", "dataset", "method", "trained", "shut down on", "rows taken back",
    )  # fmt: skip
    told = [f"{vendor} does not tell when it shuts models down: {why}" for vendor, why in silent]
    if any(known.lost.values()):
        told.append(_TAKEN_BACK)
    return Answer("\n".join(told), table=Table(columns, rows), data=data)


@dataclass(frozen=True, slots=True)
class _Known:
    """A workspace's models, with their runs by id, datasets by number, speakers by model, and what was taken back."""

    models: Sequence[Tuned]
    runs: Mapping[str, Run]
    datasets: Mapping[int, str]
    active: Mapping[str, list[str]]
    lost: Mapping[str, takenback.TakenBack]


_TAKEN_BACK = (
    "⚠️ Some were made with rows that people have taken back since, which a model cannot forget: build a new version of the "
    "dataset, launch it, and delete the old model with `/finetune discard`."
)


async def _dates(
    services: Services, found: Sequence[Tuned]
) -> tuple[Mapping[str, str], Sequence[tuple[str, str]]]:
    """When vendors shut down their models, and the vendors that did not say, with why."""
    dates: dict[str, str] = {}
    silent: list[tuple[str, str]] = []
    for vendor in dict.fromkeys(each.vendor for each in found):
        try:
            chat, _ = services.models.find(f"{vendor}:any")
            known = await chat.models()
        except VendorError as error:
            silent.append((vendor, str(error)))
            continue
        dates |= {f"{vendor}:{each.name}": each.shutdown_date for each in known if each.shutdown_date}
    return dates, silent


async def tuned_names(services: Services, call: Call, typed: str) -> Sequence[str]:
    """The tuned models that what was typed may mean."""
    scene = await services.scene(call)
    found = await services.database.read(lambda tx: runs.models(tx, scene.workspace.id))
    return [name for name in map(full_name, found) if typed.casefold() in name.casefold()][:_LISTED]


async def find_tuned(services: Services, call: Call) -> tuple[Scene, Avatar, Tuned]:
    """The avatar and the tuned model that the call names. Raises ``UserError``."""
    scene = await services.scene(call)
    wanted = call.text("model").strip()

    def find(tx: Tx) -> tuple[Avatar | None, list[Tuned]]:
        found = runs.models(tx, scene.workspace.id)
        tuned = _meant(found, wanted)
        return (avatar_of(tx, scene, call, tuned) if tuned else None), found

    avatar, found = await services.database.read(find)
    tuned = _meant(found, wanted)
    if tuned is not None and avatar is not None:
        return scene, avatar, tuned
    known = [full_name(each) for each in found]
    if not known:
        hint = "there is none yet, and `/finetune launch` trains the first"
    else:
        close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4) or known[:3]
        hint = f"near it: {', '.join(close)}, and `/finetune models` lists all"
    raise UserError(
        f"No tuned model is named {wanted!r}; {hint}. A model that was not tuned here is chosen with `/model`."
    )


def _meant(found: Sequence[Tuned], wanted: str) -> Tuned | None:
    """The model of this name, or of this run."""
    for each in found:
        if wanted in (full_name(each), model_of_run(each.run_number, each.step)):
            return each
    number, step = run_of(wanted) or (None, None)
    # Its last state may be one of its checkpoints.
    return next((each for each in found if step is None and each.run_number == number), None)


def avatar_of(tx: Tx, scene: Scene, call: Call, tuned: Tuned | None = None) -> Avatar:
    """The avatar that the call names or was asked about, else the one that answers there. Raises ``UserError``.

    For a model that is named by its run it is the one that the run was for.
    """
    name, asked = call.text("avatar").strip(), asked_of(call)
    end = asked.avatar if asked else name.removeprefix("~") if name.startswith("~") else ""
    if end:
        found = [each for each in avatars.listed(tx, scene.workspace.id) if end_of_id(each.id) == end]
        if len(found) == 1:
            return found[0]
        if asked:
            raise UserError(
                "The avatar that you were asked about is not there any more; nothing was changed."
            )
    if name:
        return named(tx, scene.workspace, name)
    if tuned is not None and tuned.avatar_id and run_of(call.text("model").strip()):
        try:
            return avatars.get(tx, tuned.avatar_id)
        except Missing:
            return scene.avatar
    return scene.avatar


# -- try


async def try_(services: Services, call: Call) -> Answer:
    """Ask a tuned model one question, and what answers now the same."""
    scene, avatar, tuned = await find_tuned(services, call)
    here = scene.conversation if scene.avatar.id == avatar.id else None
    settings = services.configuration.settings
    rules = context.Rules(**settings.context.model_dump())

    def read(tx: Tx) -> tuple[Release, context.Shown, str, str]:
        release = releases.current(tx, avatar.id)
        text, source = call.text("message").strip(), ""
        if not text:
            text, source = _question(trial.plan(tx, avatar, tuned, here.id if here else None).stages[0])
        return release, context.read(tx, avatar, release, call.place.channel, "", text, rules), text, source

    release, shown, text, source = await services.database.read(read)
    model, present = full_name(tuned), services.conversations.model(release)
    rehearsal = Rehearsal(services.models, settings, unknown=avatar.unknown)
    await note(services, scene, "finetune try", model, {"avatar": avatar.name})
    await call.progress(f"Asking {model} …")
    heard, beside = await asyncio.gather(
        _hear(rehearsal, model, shown, text),
        _hear(rehearsal, present, shown, text) if present != model else _nothing(),
    )
    if isinstance(heard, VendorError):
        raise UserError(for_admin(heard, model))
    parts = [f"One of the {source}:\n{_quoted(text)}"] if source else []
    parts.append(_said(model, heard))
    if beside is not None:
        parts.append(_said(f"{present}, which answers now", beside))
    active = release.model == model
    args = {
        "avatar": whom(avatar.id, avatar.name),
        "model": model_of_run(tuned.run_number, tuned.step),
    }
    activate = Button("Activate …", "finetune activate", args)
    return Answer(
        "\n\n".join(parts),
        buttons=() if active else (activate,),
        data={
            "avatar": avatar.name,
            "message": text,
            "answer": _heard_data(model, heard),
            "now": _heard_data(present, beside) if beside is not None else None,
        },
    )


def _question(asked: Prompts) -> tuple[str, str]:
    """What to ask where nobody says, and where that is from; rather what needs no talk before it."""
    alone = [each for each in asked.prompts if len(each.turns) == 1]
    return [*alone, *asked.prompts][0].question, asked.source


async def _hear(rehearsal: Rehearsal, model: str, shown: context.Shown, text: str) -> Heard | VendorError:
    try:
        return await rehearsal.as_shown(model, shown, text)
    except VendorError as error:
        return error


async def _nothing() -> None:
    """What answers now is the model that is tried."""


def _said(who: str, heard: Heard | VendorError) -> str:
    if isinstance(heard, VendorError):
        return f"**{who}** does not answer: {heard}"
    cost = f", ${heard.usage.cost:.4f}" if heard.usage.cost else ""
    return f"**{who}** ({heard.seconds:.1f} s{cost})\n{_quoted(heard.text)}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def _heard_data(model: str, heard: Heard | VendorError) -> dict[str, object]:
    if isinstance(heard, VendorError):
        return {"model": model, "error": str(heard)}
    used = heard.usage
    return {
        "model": model,
        "text": heard.text,
        "seconds": round(heard.seconds, 2),
        "tokens_in": used.tokens_in,
        "tokens_out": used.tokens_out,
        "cost": used.cost,
    }
