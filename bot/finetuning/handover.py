"""Datasets as files: export, import and validate."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.platforms.base import Answer, Button, Call, Field, File, Table, UserError
from bot.finetuning.datasets import NONE_HELD_OUT, checked_name, find_dataset, note, split_of
from bot.scenes import named
from bot.services import Services
from storage.datasets import Dataset
from training.formats import FORMATS, Verdict
from training.handover import Arrival, Arrived, Exported, bring_in, checked_file, title
from training.handover import export as write_out

POSTED = 8 * 1024 * 1024  # what any platform lets a bot post as a file
MOST_POSTED = 10
_SHOWN = 20
_VOUCH = (
    "Training on {name} teaches a model what people wrote there: you vouch that they agreed to this, or that their words "
    "are free to use. Say so by adding `--consented`."
)


async def export(services: Services, call: Call) -> Answer:
    """Hand over a dataset: into a folder of the machine, or as files in the chat."""
    scene, dataset = await find_dataset(services, call)
    format_, out = call.text("format"), call.text("out").strip()
    if out and not call.local:
        raise UserError(
            "A folder is one of the machine that Understudy runs on: leave out `out` to get the files here."
        )
    if call.local:
        plain = re.sub(r"[^\w.-]+", "-", dataset.name)
        folder = _path(out or f"{plain}-{dataset.version}-{format_}")
        there = await asyncio.to_thread(_is_there, folder)
        exported = await write_out(services.database, dataset, format_, folder, call.progress)
        if not there and not exported.files:
            await asyncio.to_thread(folder.rmdir)
        where, files = str(folder), ()
    else:
        with TemporaryDirectory(prefix="understudy-") as kept:
            exported = await write_out(services.database, dataset, format_, Path(kept), call.progress)
            files = await asyncio.to_thread(_posted, exported.files)
        where = "the files below"
        if len(files) > MOST_POSTED:
            raise UserError(
                f"{title(dataset)} is more than can be posted in a chat: run `understudy finetune export` on the machine "
                "that Understudy runs on."
            )
    await note(
        services,
        scene,
        "finetune export",
        title(dataset),
        {"format": format_, "to": "chat" if files else where},
    )
    return _exported(dataset, format_, exported, where, files)


def _is_there(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:
        return True  # whoever writes into it says what is wrong with it


def _posted(paths: Sequence[Path]) -> tuple[File, ...]:
    """The files as they can be posted: a large one in several, each of whole lines."""
    files: list[File] = []
    for path in paths:
        if path.stat().st_size <= POSTED:
            files.append(File(path.name, path.read_bytes(), _media_type(path)))
            continue
        for number, part in enumerate(_parts(path), 1):
            if len(files) > MOST_POSTED:
                break
            name = f"{path.stem}.part{number:02}{path.suffix}"
            files.append(File(name, part, _media_type(path)))
    return tuple(files)


def _media_type(path: Path) -> str:
    return "text/markdown" if path.suffix == ".md" else "application/jsonl"


def _parts(path: Path) -> Iterator[bytes]:
    part = bytearray()
    with path.open("rb") as file:
        for line in file:
            if part and len(part) + len(line) > POSTED:
                yield bytes(part)
                part.clear()
            part += line
    if part:
        yield bytes(part)


def _exported(
    dataset: Dataset, format_: str, exported: Exported, where: str, files: tuple[File, ...]
) -> Answer:
    train, validation = exported.rows["train"], exported.rows["validation"]
    text = (
        f"{title(dataset)} is in {where} as {format_}: {split_of(train, validation)}. "
        "They hold what people wrote: keep them as they would."
    )
    if not train:
        text = f"No row to train on of {title(dataset)} fits {format_}, so nothing was written."
    elif lacks := FORMATS[format_].lacks:
        text += f" {format_} has no place for {lacks}: its lines are without one."
    problems = exported.problems
    if problems:
        text += f"\n\n⚠️ A trainer that takes {format_} would refuse this: {problems[0]}."
    tokens = sum(verdict.tokens for verdict in exported.verdicts)
    rows = tuple((reason, f"{many:,}") for reason, many in exported.unfit.most_common())
    return Answer(
        text,
        fields=(Field("tokens", f"about {tokens:,}"),) if tokens else (),
        table=Table(("left out because", "rows"), rows) if rows else None,
        files=files,
        ok=train > 0,
        data={
            "dataset": title(dataset),
            "format": format_,
            "files": [path.name if files else str(path) for path in exported.files],
            "train": train,
            "validation": validation,
            "tokens": tokens,
            "left_out": dict(exported.unfit),
            "problems": problems,
        },
    )


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # the home of a user that does not exist
        raise UserError(f"{text} cannot be found: {error}") from error


# -- validate


async def validate(services: Services, call: Call) -> Answer:
    """What a trainer would refuse in a file."""
    del services
    _only_here(call, "dataset validate")
    path, format_ = _path(call.text("path")), call.text("format")
    beside = call.text("beside").strip()
    seen = None
    if beside:
        seen = (await asyncio.to_thread(checked_file, format_, _path(beside))).fingerprints
    verdict = await asyncio.to_thread(checked_file, format_, path, seen)
    return _judged(path, format_, verdict)


def _only_here(call: Call, command: str) -> None:
    if not call.local:
        raise UserError(
            f"This reads a file of the machine that Understudy runs on: give it there, as `understudy {command}`."
        )


def _judged(path: Path, format_: str, verdict: Verdict) -> Answer:
    lines = "1 line" if verdict.lines == 1 else f"{verdict.lines:,} lines"
    remarks = verdict.warnings
    if verdict.ok:
        text = f"{path.name} is good {format_}: {lines}, about {verdict.tokens:,} tokens."
        if remarks:
            text += " A trainer takes it, but look at these:"
    else:
        errors = "1 error" if verdict.errors == 1 else f"{verdict.errors:,} errors"
        text = f"{path.name} is not good {format_}: {errors} in {lines}."
    shown = verdict.problems[:_SHOWN]
    if len(shown) < verdict.errors + remarks:
        text += f" The first {len(shown)} are shown; `--json` lists more."
    rows = tuple(
        (str(each.line) if each.line else "file", each.field, each.message, "" if each.error else "remark")
        for each in shown
    )
    return Answer(
        text,
        table=Table(("line", "field", "what is wrong", ""), rows) if rows else None,
        ok=verdict.ok,
        data=verdict_data(path, verdict),
    )


def verdict_data(path: Path, verdict: Verdict) -> dict[str, object]:
    """What the validator says, for scripts."""
    return {
        "file": str(path),
        "format": verdict.format,
        "ok": verdict.ok,
        "lines": verdict.lines,
        "tokens": verdict.tokens,
        "errors": verdict.errors,
        "warnings": verdict.warnings,
        "problems": [
            {"line": each.line, "field": each.field, "message": each.message, "error": each.error}
            for each in verdict.problems
        ],
    }


# -- import


async def import_(services: Services, call: Call) -> Answer:
    """A dataset out of a file that was made elsewhere."""
    _only_here(call, "finetune import")
    path, format_ = _path(call.text("path")), call.text("format")
    name = checked_name(call.text("name") or re.sub(r"[^\w .-]+", "-", path.stem).lstrip("-. ")[:60])
    if not call.flag("consented"):
        again = {key: str(value) for key, value in call.values.items() if value not in (None, False)}
        button = Button("I vouch for it: import", "finetune import", {**again, "consented": "true"})
        return Answer(_VOUCH.format(name=path.name), buttons=(button,), ok=False)
    scene = await services.scene(call)
    wanted = call.text("avatar").strip()
    avatar = scene.avatar
    if wanted:
        avatar = await services.database.read(lambda tx: named(tx, scene.workspace, wanted))
    beside = call.text("validation").strip()
    arrival = Arrival(
        path,
        format_,
        name,
        scene.workspace.id,
        avatar.id,
        scene.person.id,
        _path(beside) if beside else None,
        services.configuration.settings.datasets.validation,
    )
    detail = {"file": path.name, "format": format_, "consent": "vouched for"}
    await note(services, scene, "finetune import", name, detail)
    arrived = await bring_in(services.database, arrival, call.progress)
    return _arrived(arrival, arrived)


def _arrived(arrival: Arrival, arrived: Arrived) -> Answer:
    refused = next((each for each in arrived.verdicts.items() if not each[1].ok), None)
    if refused is not None:
        split, verdict = refused
        path = arrival.path if split == "train" else arrival.validation or arrival.path
        judged = _judged(path, arrival.format, verdict)
        return Answer(
            f"{judged.text} Nothing was brought in.", table=judged.table, ok=False, data=judged.data
        )
    left_out: Mapping[str, int] = Counter(arrived.unfit)
    table = Table(("left out because", "rows"), tuple((why, f"{many:,}") for why, many in left_out.items()))
    dataset = arrived.dataset
    if dataset is None:
        return Answer(
            f"Nothing of {arrival.path.name} can be a row here.", table=table if left_out else None, ok=False
        )
    split = split_of(dataset.train, dataset.validation)
    text = f"**{title(dataset)}** is here: {split} ({dataset.method})."
    if not arrived.new:
        text = f"Nothing changed: **{title(dataset)}** is just this already, with {split}."
    if arrived.repeated:
        again = "1 row was" if arrived.repeated == 1 else f"{arrived.repeated:,} rows were"
        text += f" {again} there before: each counts once."
    if not dataset.validation:
        text += f"\n\n⚠️ {NONE_HELD_OUT}"
    return Answer(
        text,
        table=table if left_out else None,
        data={
            "dataset": title(dataset),
            "version": dataset.version,
            "new": arrived.new,
            "hash": dataset.hash,
            "train": dataset.train,
            "validation": dataset.validation,
            "left_out": dict(left_out),
            "repeated": arrived.repeated,
        },
    )
