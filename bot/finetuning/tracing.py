"""Lineage: who is in a row of a dataset, and in which rows somebody is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.platforms.base import Answer, Call, Field, Table, UserError
from bot.commands.prompts import day
from bot.finetuning.datasets import find_dataset, shown
from bot.scenes import Scene
from bot.services import Services
from storage import datasets, examples, lineage, people
from storage.database import Tx
from storage.datasets import Dataset
from training.handover import title
from training.rows import from_json

SHOWN = 50
PAGE = 1_000
"""Rows in one answer for scripts, which says where the next one begins."""
_PLACE = re.compile(r"(\d{1,18})\.(\d{1,18})")


async def trace(services: Services, call: Call) -> Answer:
    if call.text("dataset"):
        return await _trace_row(services, call)
    scene = await services.scene(call)
    if wanted := call.text("person").strip():
        return await _trace_person(services, scene, wanted, call.text("after").strip())
    if exchange_id := call.text("exchange").strip():
        found = await services.database.read(
            lambda tx: lineage.lines_of_exchange(tx, scene.workspace.id, exchange_id)
        )
        return _traced_lines(f"The exchange {exchange_id}", found)
    number = call.integer("example")
    if number is None:
        raise UserError("Say what to trace: a dataset with a row, a person, an exchange or an example.")

    def read(tx: Tx) -> Sequence[lineage.PersonLine]:
        example = examples.numbered(tx, scene.avatar.id, number)
        if example is None:
            raise UserError(f"{scene.avatar.name} has no example {number}.")
        return lineage.lines_of_example(tx, scene.workspace.id, example.id)

    return _traced_lines(f"Example {number}", await services.database.read(read))


async def _trace_row(services: Services, call: Call) -> Answer:
    _, dataset = await find_dataset(services, call)
    number = call.integer("row")
    if number is None:
        raise UserError(f"Say which row: {title(dataset)} has {dataset.lines:,}, counted from 1.")

    def read(tx: Tx) -> tuple[datasets.Line | None, Sequence[lineage.Traced], str]:
        line = datasets.line(tx, dataset.number, number - 1)
        if line is None:
            return None, (), ""
        example = examples.many(tx, [line.example_id]) if line.example_id else []
        return (
            line,
            lineage.authors_of(tx, dataset.number, number - 1),
            str(example[0].number) if example else "",
        )

    line, authors, example = await services.database.read(read)
    if line is None:
        missing = "was taken back by who wrote it" if number <= dataset.lines else "is not there"
        raise UserError(f"Row {number:,} of {title(dataset)} {missing}.")
    row = from_json(line.content)
    fields = [Field("split", line.split), Field("hash", f"`{line.hash}`")]
    for label, value in (
        ("exchange", line.exchange_id),
        ("example", example),
        ("preference", line.preference_id),
    ):
        if value:
            fields.append(Field(label, value))
    people_ = tuple((each.name or each.key, each.key, each.consent, day(each.said_at)) for each in authors)
    return Answer(
        "\n\n".join([f"**Row {number:,} of {title(dataset)}**", *shown([row])[1:]]),
        fields=tuple(fields),
        table=Table(("who", "id", "consent", "said"), people_) if people_ else None,
        data={
            "dataset": title(dataset),
            "row": number,
            "split": line.split,
            "hash": line.hash,
            "exchange_id": line.exchange_id,
            "example_id": line.example_id,
            "preference_id": line.preference_id,
            "people": [{"id": each.person_id, "key": each.key, "name": each.name} for each in authors],
        },
    )


async def _trace_person(services: Services, scene: Scene, wanted: str, after: str) -> Answer:
    place = _place(after)

    def read(tx: Tx) -> tuple[people.Person, Sequence[tuple[Dataset, int]], Sequence[lineage.PersonLine]]:
        person = _person(tx, scene.workspace.id, wanted)
        return (
            person,
            lineage.datasets_of_person(tx, person.id),
            lineage.lines_of_person(tx, person.id, limit=PAGE + 1, after=place),
        )

    person, counts, lines = await services.database.read(read)
    page, more = lines[:PAGE], len(lines) > PAGE
    name = person.name or person.key
    parts = [f"{many:,} {'row' if many == 1 else 'rows'} of {title(dataset)}" for dataset, many in counts]
    text = f"{name} is in {', '.join(parts)}." if parts else f"{name} is in no dataset."
    if len(page) > SHOWN:
        total = sum(many for _, many in counts)
        text += (
            f" {SHOWN} of {total:,} are shown; `after:{_name_of(page[SHOWN - 1])}` goes on behind them, and "
            f"`--json` prints {PAGE:,} at once."
        )
    return Answer(
        text,
        table=_table(page),
        data={
            "person": person.key,
            "datasets": [{"dataset": title(dataset), "rows": many} for dataset, many in counts],
            "total": sum(many for _, many in counts),
            "rows": [_line_data(each) for each in page],
            "next": _name_of(page[-1]) if more else None,
        },
    )


def _person(tx: Tx, workspace_id: str, wanted: str) -> people.Person:
    """Who has this id or this name. Raises ``UserError``."""
    if (known := people.find(tx, workspace_id, wanted)) is not None:
        return known
    found = people.called(tx, workspace_id, wanted)
    if len(found) > 1:
        keys = ", ".join(each.key for each in found)
        raise UserError(f"Several people here are called {wanted!r}: give the id of one, such as {keys}.")
    if not found:
        raise UserError(f"Nobody here is called {wanted!r}, by name or by id.")
    return found[0]


def _place(text: str) -> tuple[int, int] | None:
    """Behind which row to go on, as ``_name_of`` wrote it."""
    if not text:
        return None
    if (found := _PLACE.fullmatch(text)) is None:
        raise UserError(f"{text!r} is no place to go on from: give the one that the answer before named.")
    return int(found[1]), int(found[2])


def _name_of(line: lineage.PersonLine) -> str:
    return f"{line.number}.{line.position}"


def _traced_lines(what: str, lines: Sequence[lineage.PersonLine]) -> Answer:
    """The rows that came of one thing: one or a few in each dataset."""
    data = {"total": len(lines), "rows": [_line_data(each) for each in lines]}
    if not lines:
        return Answer(f"{what} is in no dataset.", data=data)
    text = f"{what} is in these rows:"
    if len(lines) > SHOWN:
        text = f"{what} is in {len(lines):,} rows, of which {SHOWN} are shown; `--json` prints all."
    return Answer(text, table=_table(lines), data=data)


def _table(lines: Sequence[lineage.PersonLine]) -> Table | None:
    rows = tuple(
        (f"{each.name}:{each.version}", f"{each.position + 1:,}", each.split, each.exchange_id or "")
        for each in lines[:SHOWN]
    )
    return Table(("dataset", "row", "split", "exchange"), rows) if rows else None


def _line_data(line: lineage.PersonLine) -> dict[str, object]:
    return {
        "dataset": f"{line.name}:{line.version}",
        "row": line.position + 1,
        "split": line.split,
        "exchange_id": line.exchange_id,
        "example_id": line.example_id,
        "preference_id": line.preference_id,
    }
