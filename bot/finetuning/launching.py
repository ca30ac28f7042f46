"""Training runs before they begin: what one comes to, launch it, launch it at another vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from adapters.platforms.base import Answer, Button, Call, Field, Place, Progress, UserError
from adapters.vendors.base import VendorError
from adapters.vendors.tuning import Hyperparameters
from bot.finetuning.datasets import find_dataset, note
from bot.finetuning.naming import Offer, dataset_by_number, mark_of_model, offer_of
from bot.finetuning.runs import SECONDS, advanced, line, run_data, told
from bot.finetuning.standing import span
from bot.scenes import Scene
from bot.services import Services
from storage import avatars, clock, ids
from storage.database import Tx
from storage.datasets import Dataset
from storage.errors import Missing
from storage.runs import Run
from training.cost import Estimate, money
from training.handover import title
from training.runs import Confirm, Draft, Order

DEFAULT_VENDOR = "embedded"
_ASKED_SECONDS = 2.0  # a list of names that takes longer is of no use to somebody who types
_OFFERED = 25
_SOON, _LATE = 0.5, 60.0

Pause = Callable[[float], Awaitable[None]]


# -- estimate


async def estimate(services: Services, call: Call) -> Answer:
    """What a run comes to, and why it would be refused."""
    scene, dataset = await find_dataset(services, call)
    draft = await services.runs.check(await _order(services, call, scene, dataset), call.progress)
    return _estimated(services, call, draft)


def _estimated(services: Services, call: Call, draft: Draft) -> Answer:
    buttons: tuple[Button, ...] = ()
    if draft.refusals:
        parts = ["It would not be launched:", "\n".join(f"- {each}" for each in draft.refusals)]
    else:
        parts = ["Nothing was launched."]
        buttons = (_launch_button(services, call, draft),)
    return Answer(
        "\n\n".join((*_remarks(draft), *parts)),
        fields=_fields(services, draft),
        buttons=buttons,
        data=_draft_data(draft),
    )


def _remarks(draft: Draft) -> list[str]:
    """What everybody should read who launches it."""
    remarks = [f"⚠️ {each}" for each in draft.estimate.warnings]
    if draft.confirm:
        remarks = [each for each in remarks if "is shut down on" not in each]
        remarks.append(f"⚠️ {draft.confirm}")
    if draft.unfit:
        remarks.append(f"⚠️ {_unfit(draft)}")
    if draft.capabilities.notice:
        remarks.append(draft.capabilities.notice)
    return ["\n".join(remarks)] if remarks else []


def _unfit(draft: Draft) -> str:
    lost = sum(draft.unfit.values())
    rows = "1 row does" if lost == 1 else f"{lost:,} rows do"
    why = "; ".join(f"{count:,} × {reason}" for reason, count in draft.unfit.items())
    return f"{rows} not fit {draft.order.vendor}'s format and {'is' if lost == 1 else 'are'} left out: {why}."


def _fields(services: Services, draft: Draft) -> tuple[Field, ...]:
    rows = {file.split: file.rows for file in draft.files}
    tokens = sum(file.tokens for file in draft.files)
    order, limits = draft.order, services.runs.limits
    spent = f"{money(draft.spent.spend)} of {money(limits.spend_per_month)}, "
    spent += f"{draft.spent.runs} of {limits.runs_per_month} runs"
    return (
        Field("trains", f"{order.vendor}:{draft.base_model.name} by {draft.dataset.method}"),
        Field("dataset", f"{title(draft.dataset)}, as {draft.format}"),
        Field(
            "rows",
            f"{rows.get('train', 0):,} to train on, {rows.get('validation', 0):,} to check with, {tokens:,} tokens",
        ),
        *_figures(draft.estimate, order.hyperparameters.epochs, free=draft.capabilities.free),
        Field("this month so far", spent),
    )


def _figures(found: Estimate, epochs: int | None, *, free: bool) -> tuple[Field, ...]:
    often = str(epochs) if epochs else "the vendor's choice"
    if not epochs and not free:
        often += f", about {found.epochs}"
    fields = [
        Field("epochs", often),
        Field("training costs", "nothing but time" if free else money(found.training)),
        Field("takes", span(round(1000 * found.seconds)) if found.seconds is not None else "unknown"),
    ]
    if free:
        return tuple(fields)
    fields.append(
        Field(
            "answers cost a month",
            f"{money(found.serving_before)} now, {money(found.serving_after)} tuned"
            + (f" and {money(found.hosting)} for hosting" if found.hosting else ""),
        )
    )
    if found.few_shot_tokens_saved:
        fields.append(Field("few-shot saved", f"{found.few_shot_tokens_saved:,} tokens a month"))
    if found.saving is None:
        pays = "unknown"
    elif found.break_even is None:
        pays = "never, at what it is asked now"
    else:
        pays = f"after {found.break_even:.1f} months"
    fields.append(Field("pays for itself", pays))
    return tuple(fields)


def _draft_data(draft: Draft) -> Mapping[str, Any]:
    return {
        "dataset": title(draft.dataset),
        "vendor": draft.order.vendor,
        "base_model": draft.base_model.name,
        "method": draft.dataset.method,
        "format": draft.format,
        "rows": {file.split: file.rows for file in draft.files},
        "tokens": {file.split: file.tokens for file in draft.files},
        "unfit": dict(draft.unfit),
        "hyperparameters": asdict(draft.order.hyperparameters),
        "estimate": asdict(draft.estimate),
        "spent": asdict(draft.spent),
        "refusals": list(draft.refusals),
        "confirm": draft.confirm,
        "notice": draft.capabilities.notice,
    }


# -- launch


async def launch(services: Services, call: Call, pause: Pause = asyncio.sleep) -> Answer:
    """Launch a run once somebody has seen what it comes to and said yes."""
    scene, dataset = await find_dataset(services, call)
    order = await _order(services, call, scene, dataset)
    if call.flag("dry_run"):
        draft = await services.runs.check(order, call.progress)
        return replace(_estimated(services, call, draft), ok=not draft.refusals)
    if not call.confirmed and not order.once:
        return await _ask(services, call, await services.runs.check(order, call.progress))
    return await _launch(services, call, scene, dataset, order, "finetune launch", pause)


async def port(services: Services, call: Call, pause: Pause = asyncio.sleep) -> Answer:
    """Launch a dataset at another vendor, after saying what of it does not fit there."""
    scene, dataset = await find_dataset(services, call)
    order = await _order(services, call, scene, dataset)
    if order.once:
        return await _launch(services, call, scene, dataset, order, "finetune port", pause)
    draft = await services.runs.check(order, call.progress)
    rows = sum(file.rows for file in draft.files)
    fits = f"{title(dataset)} as {draft.format} for {order.vendor}: {rows:,} rows fit"
    fits += f". {_unfit(draft)}" if draft.unfit else ", and none is left out."
    if call.flag("dry_run"):
        answer = replace(_estimated(services, call, draft), ok=not draft.refusals)
    elif call.confirmed:
        answer = await _launch(services, call, scene, dataset, order, "finetune port", pause)
    else:
        answer = await _ask(services, call, draft)
    return replace(answer, text=f"{fits}\n\n{answer.text}")


async def _launch(
    services: Services, call: Call, scene: Scene, dataset: Dataset, order: Order, action: str, pause: Pause
) -> Answer:
    try:
        run = await services.runs.prepare(order, call.progress)
    except Confirm as why:
        return _ask_again(services, call, order, why)
    detail = {"dataset": title(dataset), "vendor": run.vendor, "model": run.base_model}
    await note(services, scene, action, str(run.number), {**detail, "expected": run.expected})
    await call.progress(f"Launching run {run.number} …")
    waits = call.flag("wait") and call.local
    run = await advanced(services, run, None if call.local else SECONDS)
    if waits:
        run = await follow(services, run, call.progress, pause)
    return await _launched(services, call, run, waited=waits)


async def follow(services: Services, run: Run, progress: Progress, pause: Pause = asyncio.sleep) -> Run:
    """Go along with a run until it has ended, here and now, whoever else does."""
    while True:
        await progress(line(run), run.done)
        if run.ended and (run.next_at is None or run.failures):
            return run
        # What is free is asked often: it costs nobody anything, and somebody waits.
        hurried = run.live and run.expected == 0 and not run.failures and not run.looked
        if not hurried:
            left = ((run.next_at or 0) - clock.now()) / 1000
            await pause(min(max(left, _SOON), _LATE))
        else:
            await pause(_SOON)
        if hurried or (run.next_at is not None and run.next_at <= clock.now()):
            run = await services.runs.advance(run)
        else:
            run = await services.runs.get(run.id)


async def _launched(services: Services, call: Call, run: Run, *, waited: bool) -> Answer:
    answer = await told(services, run)
    fields, hints = answer.fields, list[str]()
    if not run.ended:
        estimated: Mapping[str, Any] = {**run.estimate, "warnings": tuple(run.estimate["warnings"])}
        epochs = run.hyperparameters.get("epochs")
        fields = _figures(Estimate(**estimated), epochs, free=run.expected == 0)
        hints.append(f"`/finetune status {run.number}` shows how far it is.")
        if call.local and not services.interactive:
            hints.append("It is watched by `understudy run`, by each `status`, and by `--wait`.")
    return replace(
        answer,
        text="\n\n".join(part for part in (answer.text, " ".join(hints)) if part),
        fields=fields,
        # A shell saves each picture: only where somebody asks how it stands.
        picture=None if call.local else answer.picture,
        ok=run.state == "succeeded" if waited else run.state not in ("failed", "cancelled"),
        data={**run_data(run), "estimate": dict(run.estimate)},
    )


# -- what is asked before


async def _order(services: Services, call: Call, scene: Scene, dataset: Dataset) -> Order:
    """What is ordered: what the call says, or what it was offered."""
    offer = offer_of(call)
    if offer is None:
        vendor, model, once = (
            call.text("vendor").strip() or DEFAULT_VENDOR,
            _base_model(call),
            call.text("once"),
        )
        how = (call.integer("epochs"), call.integer("batch"), call.number("rate"))
    else:
        vendor, model, once = offer.vendor, await _offered(services, offer), offer.once
        how = (offer.epochs, offer.batch, offer.rate)
    epochs, batch, rate = how
    return Order(
        workspace_id=scene.workspace.id,
        dataset_number=dataset.number,
        vendor=vendor,
        base_model=model,
        hyperparameters=Hyperparameters(epochs=epochs, batch_size=batch, learning_rate=rate),
        person_id=scene.person.id,
        place=_place(call.place),
        confirmed_shutdown=call.flag("anyway") or (offer is not None and offer.anyway),
        once=once.strip(),
    )


async def _offered(services: Services, offer: Offer) -> str:
    """The model of an offer, which the vendor has to have still. Raises ``UserError``."""
    try:
        can = await services.training.find(offer.vendor).capabilities()
    except VendorError as error:
        raise UserError(f"{offer.vendor} cannot train now: {error}") from error
    found = [each.name for each in can.base_models if mark_of_model(each.name) == offer.model]
    if len(found) != 1:
        raise UserError(
            f"{offer.vendor} does not have the model of this offer any more, so nothing was launched: ask for a new one "
            "with `/finetune estimate`."
        )
    return found[0]


def _base_model(call: Call) -> str:
    """The name at the vendor; people also write it as they do everywhere else, with the vendor before it."""
    return call.text("model").strip().removeprefix(f"{call.text('vendor').strip() or DEFAULT_VENDOR}:")


def _place(place: Place) -> Mapping[str, Any]:
    return {
        "platform": place.platform,
        "workspace": place.workspace,
        "channel": place.channel,
        "conversation": place.conversation,
        "private": place.private,
        "parent": place.parent,
    }


def _args(call: Call, order: Order, base_model: str, *, anyway: bool) -> dict[str, str]:
    """The order as a button carries it, which is pressed perhaps after a restart; pressed twice it is one run."""
    how = order.hyperparameters
    once = order.once or ids.new_id()[-8:]
    mark = mark_of_model(base_model)
    offer = Offer(order.vendor, mark, how.epochs, how.batch_size, how.learning_rate, once, anyway)
    args = {"dataset": dataset_by_number(order.dataset_number), "asked": str(offer)}
    return {**args, "wait": "yes"} if call.flag("wait") else args


def _launch_button(services: Services, call: Call, draft: Draft) -> Button:
    costs = draft.estimate.training
    label = f"Launch it for {money(costs)}" if costs else "Launch it"
    if call.local and not services.interactive:  # nobody presses it there: it is typed
        said = {name: call.text(name) for name in ("model", "epochs", "batch", "rate")}
        given = {name: value for name, value in said.items() if value}
        args = {"dataset": title(draft.dataset), "vendor": draft.order.vendor, **given}
    else:
        args = _args(call, draft.order, draft.base_model.name, anyway=draft.order.confirmed_shutdown)
    return Button(label, "finetune launch", args, "good")


async def _ask(services: Services, call: Call, draft: Draft) -> Answer:
    """What it comes to, and whether it shall be so. Raises ``UserError`` with every reason against it."""
    if draft.refusals:
        raise UserError("\n".join(draft.refusals))
    what = f"{draft.order.vendor}:{draft.base_model.name} on {title(draft.dataset)}"
    costs = (
        f"for {money(draft.estimate.training)}"
        if draft.estimate.training is not None
        else "at a cost unknown"
    )
    text, ok = _asking(services, f"Train {what} {costs}?", "--yes")
    unasked = await services.database.read(lambda tx: _unasked(tx, draft.dataset))
    return Answer(
        "\n\n".join((*_remarks(draft), *unasked, text)),
        fields=_fields(services, draft),
        buttons=(_launch_button(services, call, draft),),
        ok=ok,
        data={**_draft_data(draft), "run": None},
    )


def _unasked(tx: Tx, dataset: Dataset) -> list[str]:
    """What happens with the model by itself."""
    try:
        avatar = avatars.get(tx, dataset.avatar_id) if dataset.avatar_id else None
    except Missing:
        return []
    if avatar is None or not avatar.auto_activate:
        return []
    return [f"{avatar.name} answers with the model by itself if it passes its smoke test, as it is set."]


def _ask_again(services: Services, call: Call, order: Order, why: Confirm) -> Answer:
    args = _args(call, order, why.base_model, anyway=True)
    button = Button("Launch it all the same", "finetune launch", args, "danger")
    text, ok = _asking(services, str(why), "--yes --anyway")
    # What a script is to add is said already.
    buttons = () if call.local and not services.interactive else (button,)
    return Answer(text, buttons=buttons, ok=ok, data={"run": None, "confirm": str(why)})


def _asking(services: Services, question: str, options: str) -> tuple[str, bool]:
    """The question as it is put, and whether what was asked for is under way: in a script nobody will answer."""
    if services.interactive:
        return question, True
    return f"{question} Nothing was launched; add `{options}` to say so.", False


# -- completion


async def base_models(services: Services, call: Call, typed: str) -> Sequence[str]:
    """The models that the vendor of the call can tune, as far as it says so at once."""
    vendor = call.text("vendor").strip() or DEFAULT_VENDOR
    found: list[str] = []
    with suppress(VendorError, TimeoutError):
        async with asyncio.timeout(_ASKED_SECONDS):
            can = await services.training.find(vendor).capabilities()
            found = [each.name for each in can.base_models]
    return [name for name in found if typed.casefold() in name.casefold()][:_OFFERED]
