"""Releases: activate a tuned model once it was tried out, go back, list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from adapters.platforms.base import Answer, Button, Call, Table, UserError
from bot.commands.prompts import day
from bot.commands.talk import shorten
from bot.finetuning import trial
from bot.finetuning.datasets import note
from bot.finetuning.naming import Asked, asked_of, end_of_id, model_of_run, whom
from bot.finetuning.tuned import avatar_of, find_tuned
from bot.services import Services
from storage import people, prompts, releases
from storage.avatars import Avatar
from storage.database import Tx
from storage.errors import Missing
from storage.releases import Release
from training.releases import activate as make_release
from training.releases import aim
from training.releases import rollback as go_back

# -- activate


async def activate(services: Services, call: Call) -> Answer:
    """Try a tuned model out, and let it answer once somebody said yes."""
    scene, avatar, tuned = await find_tuned(services, call)
    here = scene.conversation if scene.avatar.id == avatar.id else None
    plan = await services.database.read(lambda tx: trial.plan(tx, avatar, tuned, here.id if here else None))
    now, model = plan.now, plan.model
    if now.model == model:
        raise UserError(f"{avatar.name} answers with {model} already: release {now.number}.")
    await call.progress(f"Asking {model} {plan.questions} questions …")
    seen = await trial.carried_out(plan, services.models, services.configuration.settings)
    saw = trial.kept(plan, seen)
    if seen.verdict == "silent":
        detail = {"refused": seen.error, "model": model, **saw}
        await note(services, scene, "finetune activate", avatar.name, detail)
        raise UserError(
            f"{model} does not answer: {seen.error.rstrip('.')}. Nothing was changed; {avatar.name} answers with "
            f"{services.conversations.model(now)} as before."
        )
    remarks = [*trial.doubts(plan, seen), *filter(None, [plan.remark])]
    told = [
        f"**{model}** {trial.figures(seen)} ({seen.source}, {seen.seconds:.1f} s).",
        *(f"⚠️ {each}" for each in remarks),
    ]
    before = asked_of(call)
    doubtful = seen.verdict != "good" or bool(plan.lost)
    asks = not call.confirmed and (
        before is None or (doubtful and not (before.anyway or call.flag("anyway")))
    )
    if asks or before is None:  # whoever says yes to the question has read them
        told += trial.shown(seen.samples[:2])
    data = {
        "avatar": avatar.name,
        "model": model,
        "instead_of": now.number,
        "warnings": remarks,
        "evaluated": saw,
        "samples": [
            {"question": each.question, "reply": each.reply, "base_reply": each.base_reply}
            for each in seen.samples
        ],
    }
    if asks:
        return _ask(services, call, plan, told, data, doubtful)
    why = call.text("why").strip() or f"activated after run {tuned.run_number}"
    added = await services.database.write(
        lambda tx: make_release(
            tx,
            scene.workspace.id,
            avatar.id,
            model,
            evaluated=saw,
            person_id=scene.person.id,
            why=why,
            instead_of=now.number if before is None else before.release,
        )
    )
    told.append(
        f"{avatar.name} answers with **{model}** from the next message on: release {added.number}. "
        f"`/finetune rollback` goes back to release {now.root}."
    )
    back = Button("Roll back …", "finetune rollback", {"avatar": whom(avatar.id, avatar.name)})
    return Answer("\n\n".join(told), buttons=(back,), data={**data, "release": added.number})


def _ask(
    services: Services,
    call: Call,
    plan: trial.Plan,
    told: Sequence[str],
    data: Mapping[str, object],
    doubtful: bool,
) -> Answer:
    """What was seen, and the question whether it shall be so."""
    avatar, now = plan.avatar, plan.now
    present = services.conversations.model(now)
    question = (
        f"{avatar.name} answers with {present} (release {now.number}). Activate {plan.model} "
        f"{'all the same' if doubtful else 'for everybody'}, from the next message on?"
    )
    args = {
        "model": model_of_run(plan.tuned.run_number, plan.tuned.step),
        "asked": str(Asked(now.number, end_of_id(avatar.id), doubtful)),
    }
    if why := call.text("why").strip():
        args["why"] = why
    label = "Activate it all the same" if doubtful else "Activate it"
    button = Button(label, "finetune activate", args, "danger" if doubtful else "good")
    asks, ok = _asking(services, question)
    return Answer("\n\n".join((*told, asks)), buttons=(button,), ok=ok, data={**data, "release": None})


def _asking(services: Services, question: str) -> tuple[str, bool]:
    """The question as it is put, and whether what was asked for is under way: in a script nobody will answer."""
    if services.interactive:
        return question, True
    return f"{question} Nothing was changed; add `--yes` to say so.", False


# -- roll back


async def rollback(services: Services, call: Call) -> Answer:
    """Go back to the release before, or to the one named, once somebody said yes."""
    scene = await services.scene(call)
    to, asked = call.integer("to"), asked_of(call)

    def read(tx: Tx) -> tuple[Avatar, Release, Release, int, int]:
        avatar = avatar_of(tx, scene, call)
        now = releases.current(tx, avatar.id)
        wanted = aim(tx, now, to) if asked is None or asked.release == now.number else now
        versions = [prompts.get(tx, each.prompt_version_id).number for each in (now, wanted)]
        return avatar, now, wanted, versions[0], versions[1]

    avatar, now, wanted, present_version, wanted_version = await services.database.read(read)
    model = services.conversations.model(wanted)
    what = f"{model} and prompt version {wanted_version}"
    data = {"avatar": avatar.name, "from": now.number, "repeats": wanted.number, "model": model}
    if not call.confirmed and asked is None:
        present = services.conversations.model(now)
        question = (
            f"{avatar.name} answers by release {now.number}, with {present} and prompt version {present_version}. "
            f"Go back to release {wanted.number}, with {what}, for everybody?"
        )
        args = {"to": str(wanted.number), "asked": str(Asked(now.number, end_of_id(avatar.id)))}
        if why := call.text("why").strip():
            args["why"] = why
        asks, ok = _asking(services, question)
        button = Button(f"Go back to release {wanted.number}", "finetune rollback", args, "danger")
        return Answer(asks, buttons=(button,), ok=ok, data={**data, "release": None})
    added = await services.database.write(
        lambda tx: go_back(
            tx,
            scene.workspace.id,
            avatar.id,
            to=to,
            person_id=scene.person.id,
            why=call.text("why").strip() or f"back to release {wanted.number}",
            instead_of=now.number if asked is None else asked.release,
        )
    )
    return Answer(
        f"{avatar.name} answers with {what} from the next message on: release {added.number} repeats release "
        f"{added.repeats}.",
        data={**data, "release": added.number},
    )


# -- releases


async def list_(services: Services, call: Call) -> Answer:
    """An avatar's releases."""
    scene = await services.scene(call)

    def gather(tx: Tx) -> tuple[Avatar, list[Release], Mapping[str, int], Mapping[str, str]]:
        avatar = avatar_of(tx, scene, call)
        found = releases.listed(tx, avatar.id)
        numbers = {each.id: each.number for each in prompts.listed(tx, avatar.id)}
        return (
            avatar,
            found,
            numbers,
            {id_: _name(tx, id_) for id_ in {each.person_id or "" for each in found}},
        )

    avatar, found, versions, names = await services.database.read(gather)
    data: list[dict[str, Any]] = [
        {
            "number": each.number,
            "active": each.id == found[0].id,
            "model": each.model,
            "answers_with": services.conversations.model(each),
            "prompt_version": versions[each.prompt_version_id],
            "by": names[each.person_id or ""] or None,
            "why": each.why,
            "created_at": each.created_at,
            "evaluated": orjson.loads(each.evaluated),
            "repeats": each.repeats,
        }
        for each in found
    ]
    rows = tuple(
        (
            "●" if line["active"] else "",
            str(line["number"]) + (f" (repeats {line['repeats']})" if line["repeats"] else ""),
            line["model"] or f"{line['answers_with']}, the base model",
            str(line["prompt_version"]),
            line["by"] or "",
            shorten(line["why"]),
            day(line["created_at"]),
            _measured(line["evaluated"]),
        )
        for line in data
    )
    columns = ("active", "no.", "model", "prompt", "by", "why", "when", "tried out")
    return Answer(f"**{avatar.name}**", table=Table(columns, rows), data=data)


def _name(tx: Tx, person_id: str) -> str:
    try:
        return people.get(tx, person_id).name if person_id else ""
    except Missing:
        return ""


def _measured(seen: Mapping[str, Any]) -> str:
    if "answered" not in seen:
        return ""
    answered = f"{seen['answered']} of {seen['asked']} answered"
    if seen.get("known", seen["answered"]) < seen["answered"]:
        answered = f"{seen['known']} of {seen['asked']} known"
    return f"{answered}, {seen['differs']} of {seen['compared']} differ"
