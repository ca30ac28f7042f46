"""Datasets: build, list, show, trace, delete, cancel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from adapters.platforms.base import Answer, Button, Call, Field, Table, UserError
from adapters.vendors.estimate import count_tokens
from bot.commands.finetune import SOURCES
from bot.commands.prompts import day
from bot.commands.talk import shorten
from bot.finetuning.naming import number_of_dataset
from bot.scenes import Scene, named
from bot.services import Services
from storage import audit, clock, datasets, lineage, prompts, runs
from storage.avatars import Avatar
from storage.database import Tx
from storage.datasets import Dataset
from storage.errors import Missing
from storage.prompts import PromptVersion
from training.collect import Selection
from training.cost import readiness
from training.datasets import Built, Order, sampled
from training.freezing import discard
from training.handover import title
from training.rows import Method, Row, from_json, with_system

NONE_HELD_OUT = "No row is held out to check with: that needs more conversations."
_NAME = re.compile(r"\w[\w .-]{0,59}")
NUMBER = re.compile(r"[0-9]{1,9}")
"""What may be the number of a run or a version."""
_AGO = re.compile(r"(\d{1,4})d")
_LISTED = 25
# What somebody can do about it where these leave nothing; all others are a matter of the material.
_NARROWED = ("other source", "outside of the time", "quality too low")


async def find_dataset(services: Services, call: Call) -> tuple[Scene, Dataset]:
    """The dataset that the call names. Raises ``UserError`` that lists those there are."""
    scene = await services.scene(call)
    wanted = call.text("dataset").strip()
    name, _, version = wanted.rpartition(":")
    if not name or not NUMBER.fullmatch(version):
        name, version = wanted, ""

    def find(tx: Tx) -> tuple[Dataset | None, list[str]]:
        if (number := number_of_dataset(wanted)) is not None:
            return _numbered(tx, scene.workspace.id, number), []
        found = datasets.find(tx, scene.workspace.id, name, int(version) if version else None)
        return found, [] if found else [title(each) for each in datasets.listed(tx, scene.workspace.id)]

    found, known = await services.database.read(find)
    if found is None and number_of_dataset(wanted) is not None:
        raise UserError("That dataset is not there (any more); `/finetune datasets` lists those that are.")
    if found is None:
        hint = f"there are: {', '.join(known[:_LISTED])}" if known else "`/finetune build` makes the first"
        raise UserError(f"There is no dataset {wanted!r}; {hint}.")
    return scene, found


def _numbered(tx: Tx, workspace_id: str, number: int) -> Dataset | None:
    try:
        found = datasets.by_number(tx, number)
    except Missing:
        return None
    return found if found.workspace_id == workspace_id else None


# -- build


async def build(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    avatar, version = await services.database.read(lambda tx: _of(tx, scene, call))
    order = _order(services, call, scene, avatar, version)
    await note(services, scene, "finetune build", order.name, {"stage": "begun", **order.settings})
    built = await services.builds.build(order, call.progress)
    if built.new:
        await note(services, scene, "finetune build", order.name, {"stage": "finished", "hash": built.hash})
    return _told(services, order, built, avatar)


async def note(
    services: Services, scene: Scene, action: str, target: str, detail: Mapping[str, object]
) -> None:
    def job(tx: Tx) -> None:
        audit.write(
            tx, scene.workspace.id, action, person_id=scene.person.id, target=target, detail=dict(detail)
        )

    await services.database.write(job)


def _of(tx: Tx, scene: Scene, call: Call) -> tuple[Avatar, PromptVersion | None]:
    """The avatar and the prompt version that the rows stand under."""
    from storage import releases

    wanted = call.text("avatar").strip()
    avatar = named(tx, scene.workspace, wanted) if wanted else scene.avatar
    prompt = call.text("prompt").strip().casefold()
    if prompt == "none":
        return avatar, None
    if not prompt:
        return avatar, prompts.get(tx, releases.current(tx, avatar.id).prompt_version_id)
    version = prompts.find(tx, avatar.id, int(prompt)) if NUMBER.fullmatch(prompt) else None
    if version is None:
        raise UserError(f"{avatar.name} has no prompt version {prompt}: give the number of one, or none.")
    return avatar, version


def _order(
    services: Services, call: Call, scene: Scene, avatar: Avatar, version: PromptVersion | None
) -> Order:
    limits = services.configuration.settings.datasets
    method = cast(Method, call.text("method") or "sft")
    name = checked_name(call.text("name") or f"{_plain(avatar.name)}-{method}")
    since, until = _moment(call, "since", call.at), _moment(call, "until", call.at)
    if since and until and since >= until:
        raise UserError("Nothing was said between these days: since must be before until.")
    stars, shortest = call.number("stars"), call.integer("min_length")
    system = version.text if version else ""
    selection = Selection(
        method=method,
        until=until - 1 if until else clock.now(),
        since=since or 0,
        stars=limits.stars if stars is None else stars,
        min_quality=call.number("min_quality"),
        least_characters=limits.least_characters if shortest is None else shortest,
        sources=_sources(call.text("sources")),
        history=limits.history_exchanges,
        max_tokens=limits.max_tokens,
        system_tokens=count_tokens(system),
    )
    if selection.system_tokens > limits.max_tokens // 2:
        raise UserError(
            f"The prompt takes {selection.system_tokens:,} of the {limits.max_tokens:,} tokens of a row: raise "
            "datasets.max_tokens, or build with prompt:none."
        )
    most = call.integer("max") or 0
    remembered: dict[str, object] = {
        "method": method,
        "prompt_version": version.number if version else None,
        "stars": selection.stars,
        "min_quality": selection.min_quality,
        "least_characters": selection.least_characters,
        "since": call.text("since") or None,
        "until": call.text("until") or None,
        "sources": sorted(selection.sources) or None,
        "history_exchanges": selection.history,
        "max_tokens": selection.max_tokens,
        "max": most or None,
        "validation": limits.validation,
        "person_share": limits.person_share,
        "near_duplicates": limits.near_duplicates,
        "privacy": limits.privacy,
        "moderation": limits.moderation or None,
    }
    return Order(
        scene.workspace.id,
        avatar.id,
        name,
        scene.person.id,
        selection,
        system,
        {key: value for key, value in remembered.items() if value is not None},
        limits.validation,
        most,
        limits.person_share,
        limits.person_share_from,
        limits.near_duplicates,
        call.flag("dry_run"),
    )


def checked_name(text: str) -> str:
    """The name of a dataset, tidied. Raises ``UserError``."""
    name = " ".join(text.split())
    if not _NAME.fullmatch(name):
        raise UserError(
            "A dataset's name has up to 60 letters, digits, spaces, dots and dashes, and begins with a letter or a digit."
        )
    return name


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.casefold()).strip("-.")[:50] or "avatar"


def _moment(call: Call, name: str, now: int) -> int | None:
    """The beginning of a day, in UTC, or so many days ago."""
    text = call.text(name).strip()
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        return now - int(timedelta(days=int(ago[1])).total_seconds() * 1000)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{name} is a day such as 2026-01-31, or 30d for thirty days ago, not {text!r}."
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _sources(text: str) -> frozenset[str]:
    found = frozenset(part.strip().casefold() for part in text.split(",") if part.strip())
    if unknown := sorted(found - set(SOURCES)):
        raise UserError(f"There is no source {unknown[0]!r}; there are: {', '.join(SOURCES)}.")
    return found


# -- what a build came to


def _told(services: Services, order: Order, built: Built, avatar: Avatar) -> Answer:
    limits = services.configuration.settings.datasets
    rows, method = built.train + built.validation, order.selection.method
    ready = readiness(built.train, limits.minimum, limits.eligible, limits.recommended)
    told = _headline(order, built, avatar)
    remarks = [ready.sentence, *built.report["warnings"]] if rows else []
    if rows and not built.validation:
        remarks.append(NONE_HELD_OUT)
    parts = [told, *(f"⚠️ {each}" if number or ready.level == "not yet" else each
                     for number, each in enumerate(remarks)), *shown(built.samples)]  # fmt: skip
    left_out = cast(Mapping[str, int], built.report["left_out"])
    table = Table(
        ("left out because", "rows"), tuple((reason, f"{many:,}") for reason, many in _most(left_out))
    )
    name = title(built.dataset) if built.dataset else order.name
    buttons = (Button("Show it", "finetune show", {"dataset": name}),) if built.dataset else ()
    return Answer(
        "\n\n".join(parts),
        table=table if left_out else None,
        buttons=buttons,
        ok=rows > 0,
        data={
            "dataset": name,
            "version": built.dataset.version if built.dataset else None,
            "new": built.new,
            "dry_run": order.dry_run,
            "avatar": avatar.name,
            "method": method,
            "hash": built.hash,
            "rows": rows,
            "train": built.train,
            "validation": built.validation,
            "left_out": left_out,
            "readiness": ready.level,
            "warnings": remarks[1:],
            "report": built.report,
            "samples": [row_data(row) for row in built.samples],
        },
    )


def _headline(order: Order, built: Built, avatar: Avatar) -> str:
    rows, method = built.train + built.validation, order.selection.method
    if not rows:
        left_out = cast(Mapping[str, int], built.report["left_out"])
        if set(left_out) & set(_NARROWED):
            return f"Nothing of {avatar.name} is within these limits, so no dataset was made: set them wider."
        hint = {
            "sft": "Rate replies with 👍 or approve examples first.",
            "dpo": "Write better answers below bad replies, or try replies again and rate both.",
            "kto": "Rate replies with 👍 and 👎 first.",
        }[method]
        return f"{avatar.name} has nothing yet that {method} could learn from, so no dataset was made. {hint}"
    split = split_of(built.train, built.validation)
    if order.dry_run:
        return f"**{order.name}** would have {split} ({method}, from {avatar.name}). Nothing was frozen."
    assert built.dataset is not None
    if not built.new:
        return f"Nothing changed: **{title(built.dataset)}** is just this already, with {split}."
    return f"**{title(built.dataset)}** is frozen: {split} ({method}, from {avatar.name})."


def split_of(train: int, validation: int) -> str:
    """How many rows are on either side."""
    return f"{train:,} {'row' if train == 1 else 'rows'} to train on, {validation:,} to check with"


def _most(left_out: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(left_out.items(), key=lambda each: (-each[1], each[0]))


def shown(rows: Sequence[Row]) -> list[str]:
    """Rows as people read them."""
    if not rows:
        return []
    return [
        "Some of its rows, picked at random:" if len(rows) > 1 else "Its row:",
        *(shown_row(row) for row in rows),
    ]


def shown_row(row: Row) -> str:
    """The question and the replies of a row, shortened."""
    earlier = (len(row.talk) - 1) // 2
    before = f" *(after {earlier} earlier exchange{'s' if earlier > 1 else ''})*" if earlier else ""
    lines = [f"> **{shorten(row.question, 160)}**{before}"]
    sign = {True: "👍 ", False: "👎 ", None: "✓ " if row.rejected is not None else ""}[row.label]
    lines.append(f"> {sign}{shorten(row.reply, 240)}")
    if row.rejected is not None:
        lines.append(f"> ✗ {shorten(row.rejected, 240)}")
    return "  \n".join(lines)  # Markdown's line break: else they flow into one paragraph


def row_data(row: Row) -> dict[str, object]:
    data: dict[str, object] = {
        "prompt": [{"role": turn.role, "content": turn.text} for turn in row.prompt],
        "reply": row.reply,
    }
    if row.rejected is not None:
        data["rejected"] = row.rejected
    if row.label is not None:
        data["label"] = row.label
    return data


# -- list and show


async def list_(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    found = await services.database.read(lambda tx: datasets.listed(tx, scene.workspace.id))
    building = services.builds.running(scene.workspace.id)
    rows = tuple(
        (
            title(each),
            each.method,
            f"{each.train:,}",
            f"{each.validation:,}",
            each.origin,
            day(each.created_at),
            f"{each.erased:,} rows taken back" if each.erased else "",
        )
        for each in found
    )
    text = " ".join(f"{name} is being built." for name in building)
    if not found:
        text = f"{text} There is no dataset yet; `/finetune build` makes one.".strip()
    columns = ("dataset", "method", "train", "validation", "from", "frozen", "")
    data = [_summary(each) for each in found]
    return Answer(text, table=Table(columns, rows) if rows else None, data=data)


def _summary(dataset: Dataset) -> dict[str, object]:
    return {
        "dataset": title(dataset),
        "name": dataset.name,
        "version": dataset.version,
        "method": dataset.method,
        "origin": dataset.origin,
        "hash": dataset.hash,
        "rows": dataset.lines,
        "train": dataset.train,
        "validation": dataset.validation,
        "erased": dataset.erased,
        "created_at": dataset.created_at,
    }


async def show(services: Services, call: Call) -> Answer:
    _, dataset = await find_dataset(services, call)

    def gather(tx: Tx) -> tuple[list[Row], int]:
        picked = (datasets.line(tx, dataset.number, at) for at in sampled(dataset.lines, dataset.hash))
        rows = [with_system(from_json(line.content), "") for line in picked if line is not None]
        return rows, lineage.unconsented(tx, dataset.number)

    rows, taken_back = await services.database.read(gather)
    report: Mapping[str, Any] = dataset.report
    fields = [
        Field("method", dataset.method),
        Field("rows", split_of(dataset.train, dataset.validation)),
        Field("frozen", f"{day(dataset.created_at)} UTC, by {dataset.origin}"),
        Field("hash", f"`{dataset.hash[:16]}`"),
    ]
    fields += [
        Field(key.replace("_", " "), _written(value))
        for key, value in dataset.settings.items()
        if key != "method"
    ]
    if dataset.erased or taken_back:
        fields.append(
            Field(
                "taken back", f"{dataset.erased + taken_back:,} rows: build it again before you train on it"
            )
        )
    left_out = cast(Mapping[str, int], report.get("left_out", {}))
    remarks: Sequence[str] = report.get("warnings", ())
    text = [f"**{title(dataset)}**", *(f"⚠️ {each}" for each in remarks), *shown(rows)]
    return Answer(
        "\n\n".join(text),
        fields=tuple(fields),
        table=Table(("left out because", "rows"), tuple((why, f"{many:,}") for why, many in _most(left_out)))
        if left_out
        else None,
        data={
            **_summary(dataset),
            "unconsented": taken_back,
            "settings": dataset.settings,
            "system": dataset.system,
            "report": report,
            "samples": [row_data(row) for row in rows],
        },
    )


def _written(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, cast(Sequence[object], value)))
    return f"{value:,g}" if isinstance(value, float) else str(value)


async def delete(services: Services, call: Call) -> Answer:
    scene, dataset = await find_dataset(services, call)
    await note(services, scene, "finetune delete", title(dataset), {"hash": dataset.hash})
    await services.database.write(lambda tx: datasets.delete(tx, dataset.number))
    await discard(services.database, dataset.number)
    made = await services.database.read(lambda tx: runs.models(tx, scene.workspace.id))
    trained = [
        f"{each.vendor}:{each.model}"
        for each in made
        if each.dataset_number == dataset.number and each.step is None
    ]
    told = f"{title(dataset)} is deleted."
    if trained:
        told += (
            f" {', '.join(trained)} learnt from it and stays: when somebody takes their words back, nobody is told any "
            "more that they are in there."
        )
    return Answer(told, data={"dataset": title(dataset), "trained": trained})


async def cancel(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    running = services.builds.running(scene.workspace.id)
    name = call.text("name").strip() or (running[0] if len(running) == 1 else "")
    if not running:
        raise UserError("Nothing is being built here. What a shell is building, Ctrl-C stops there.")
    if not services.builds.stop(scene.workspace.id, name):
        raise UserError(f"Say which one: {', '.join(running)}.")
    await note(services, scene, "finetune cancel", name, {})
    return Answer(f"The build of {name} is being stopped.", data={"name": name})
