"""Datasets that were made elsewhere, brought in whole or not at all; and what leaves as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.platforms.base import UserError
from storage import datasets
from storage.database import Database, Tx
from storage.datasets import Dataset, Line, NewDataset, NewLine
from tests.stage import Stage, set_stage
from tests.training.helpers import Told
from training.formats import FORMATS, render
from training.handover import CARD_NAME, Arrival, Arrived, Exported, bring_in, checked_file, export
from training.rows import Row, Turn, from_json, row_hash, to_json
from training.writing import PAGE

SYSTEM = "You are kind."
ROWS = 40


def sample(method: str, number: int, *, system: bool = True) -> Row:
    """A row of a method; every fourth one stands under an earlier exchange."""
    talk = [Turn("system", SYSTEM)] if system else []
    if system and number % 4 == 0:
        talk += [Turn("user", f"Hello {number}?"), Turn("assistant", f"Hello, {number}.")]
    row = Row((*talk, Turn("user", f"What is number {number}?")), f"It is the {number}th.\n🌊 \u2028")
    if method == "dpo":
        return replace(row, rejected="No idea.")
    return replace(row, label=number % 2 == 0) if method == "kto" else row


def samples(format_: str, many: int = ROWS, first: int = 0) -> list[Row]:
    return [
        sample(FORMATS[format_].method, number, system=format_ != "alpaca")
        for number in range(first, first + many)
    ]


def file_of(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def rendered(format_: str, rows: Sequence[Row]) -> list[bytes]:
    return [render(format_, row) for row in rows]


def arrival(stage: Stage, path: Path, format_: str, **more: Any) -> Arrival:
    return Arrival(path, format_, "made", stage.workspace.id, stage.avatar.id, None, **more)


async def brought(stage: Stage, order: Arrival) -> Arrived:
    return await bring_in(stage.database, order, Told())


async def lines_of(stage: Stage, arrived: Arrived) -> list[Line]:
    assert arrived.dataset is not None
    number = arrived.dataset.number
    return await stage.database.read(lambda tx: datasets.lines(tx, number))


async def nothing_there(stage: Stage) -> bool:
    def read(tx: Tx) -> bool:
        return not datasets.listed(tx, stage.workspace.id) and not datasets.abandoned(tx, 2**62)

    return await stage.database.read(read)


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_file_from_elsewhere_becomes_its_rows_and_leaves_as_the_same_file(
    database: Database, tmp_path: Path, format_: str
) -> None:
    stage = await set_stage(database)
    rows = samples(format_)
    path = file_of(tmp_path / "made.jsonl", rendered(format_, rows))
    arrived = await brought(stage, arrival(stage, path, format_, share=0.3))
    assert (arrived.new, arrived.repeated, arrived.unfit) == (True, 0, {})
    assert arrived.dataset is not None
    assert (arrived.dataset.method, arrived.dataset.origin) == (FORMATS[format_].method, "import")
    found = await lines_of(stage, arrived)
    assert [from_json(line.content) for line in found] == rows
    assert [line.hash for line in found] == [row_hash(to_json(row)) for row in rows]
    assert {line.split for line in found} == {"train", "validation"}
    exported = await export(database, arrived.dataset, format_, tmp_path / "out", Told())
    assert exported.problems == []
    back = [line for each in exported.files[:2] for line in each.read_bytes().splitlines()]
    assert sorted(back) == sorted(path.read_bytes().splitlines())


async def test_a_second_file_is_the_one_to_check_with(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    rows, more = samples("trl-sft"), samples("trl-sft", 5, 100)
    path = file_of(tmp_path / "train.jsonl", rendered("trl-sft", rows))
    beside = file_of(tmp_path / "check.jsonl", rendered("trl-sft", more))
    arrived = await brought(stage, arrival(stage, path, "trl-sft", validation=beside))
    assert [line.split for line in await lines_of(stage, arrived)] == ["train"] * ROWS + ["validation"] * 5
    shared = file_of(tmp_path / "shared.jsonl", rendered("trl-sft", [*more, rows[3]]))
    refused = await brought(stage, replace(arrival(stage, path, "trl-sft", validation=shared), name="other"))
    (problem,) = refused.verdicts["validation"].problems
    assert (problem.line, problem.message) == (
        6, "the same example is in the other file: training and validation share none",
    )  # fmt: skip
    assert refused.dataset is None


async def test_what_is_there_twice_counts_once(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    rows = samples("openai-sft", 12)
    spaced = orjson.dumps(orjson.loads(render("openai-sft", rows[0])), option=orjson.OPT_INDENT_2)
    again = spaced.replace(b"\n", b" ")
    path = file_of(tmp_path / "made.jsonl", [*rendered("openai-sft", [*rows, rows[5]]), again])
    arrived = await brought(stage, arrival(stage, path, "openai-sft"))
    assert arrived.repeated == 2
    assert len(await lines_of(stage, arrived)) == 12
    assert arrived.verdicts["train"].warnings == 2


async def test_the_same_file_again_changes_nothing_and_another_is_a_version(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    path = file_of(tmp_path / "made.jsonl", rendered("trl-kto", samples("trl-kto")))
    order = arrival(stage, path, "trl-kto")
    first, again = await brought(stage, order), await brought(stage, order)
    assert (first.new, again.new) == (True, False)
    assert first.dataset == again.dataset
    file_of(path, rendered("trl-kto", samples("trl-kto", ROWS + 1)))
    grown = await brought(stage, order)
    assert grown.dataset is not None
    assert (grown.new, grown.dataset.version) == (True, 2)
    places = {line.hash: line.split for line in await lines_of(stage, grown)}
    assert all(places[line.hash] == line.split for line in await lines_of(stage, first))


async def test_talks_that_begin_alike_are_on_one_side(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    began = Turn("user", "Hello?"), Turn("assistant", "Yes?")
    rows = [Row((*began, Turn("user", f"Question {at}?")), f"Answer {at}.") for at in range(30)]
    path = file_of(tmp_path / "made.jsonl", rendered("trl-sft", rows))
    found = await lines_of(stage, await brought(stage, arrival(stage, path, "trl-sft", share=0.5)))
    assert len({line.split for line in found}) == 1


BROKEN: list[tuple[str, list[tuple[int, bytes]], list[tuple[int, str, str]]]] = [
    ("trl-dpo", [(3, b"{not json")], [(3, "", "broken JSON at column 2: unexpected character, expected a string key")]),
    (
        "trl-dpo",
        [(2, b'{"prompt": [], "chosen": 1}'), (7, b'[1]')],
        [
            (2, "rejected", "this key is missing"),
            (2, "prompt", "an empty list where at least one is needed"),
            (2, "chosen", "a number where a list of messages is needed"),
            (7, "", "a list where an object is needed"),
        ],
    ),
    ("openai-dpo", [(1, b"\xff")], [(1, "", "not UTF-8 at byte 1 of the line: save the file as UTF-8")]),
    ("google-sft", [(4, b"")], [(4, "", "a blank line: remove it")]),
]  # fmt: skip


@pytest.mark.parametrize(("format_", "put", "said"), BROKEN, ids=[each[0] for each in BROKEN])
async def test_a_file_with_an_error_is_not_brought_in_and_its_lines_are_named(
    database: Database,
    tmp_path: Path,
    format_: str,
    put: list[tuple[int, bytes]],
    said: list[tuple[int, str, str]],
) -> None:
    stage = await set_stage(database)
    content = rendered(format_, samples(format_))
    for line, broken in put:
        content[line - 1] = broken
    path = file_of(tmp_path / "made.jsonl", content)
    arrived = await brought(stage, arrival(stage, path, format_))
    assert (arrived.dataset, arrived.new) == (None, False)
    verdict = arrived.verdicts["train"]
    assert [(each.line, each.field, each.message) for each in verdict.problems] == said
    assert verdict.errors == len(said)
    assert await nothing_there(stage)


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_file_of_another_format_is_refused_from_its_first_line(
    database: Database, tmp_path: Path, format_: str
) -> None:
    stage = await set_stage(database)
    for other in FORMATS:
        if other == format_:
            continue
        path = file_of(tmp_path / f"{other}.jsonl", rendered(other, samples(other)))
        arrived = await brought(stage, arrival(stage, path, format_))
        assert arrived.dataset is None, other
        assert arrived.verdicts["train"].problems[0].line == 1
    assert await nothing_there(stage)


async def test_too_few_rows_to_train_on_are_told(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    path = file_of(tmp_path / "made.jsonl", rendered("openai-sft", samples("openai-sft", 9)))
    arrived = await brought(stage, arrival(stage, path, "openai-sft"))
    assert [each.message for each in arrived.verdicts["train"].problems] == [
        "9 examples where at least 10 are needed to train"
    ]


async def test_what_a_vendor_takes_and_no_row_holds_is_left_out_with_the_reason(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    asked = {"role": "user", "content": "Q?"}
    named = {"messages": [{**asked, "name": "ann"}, {"role": "assistant", "content": "A."}]}
    silent = {
        "messages": [
            asked,
            {"role": "assistant", "content": "B.", "weight": 1},
            {"role": "user", "content": "R?"},
            {"role": "assistant", "content": "C.", "weight": 0},
        ]
    }
    content = rendered("openai-sft", samples("openai-sft", 12))
    path = file_of(tmp_path / "made.jsonl", [*content, orjson.dumps(named), orjson.dumps(silent)])
    arrived = await brought(stage, arrival(stage, path, "openai-sft"))
    assert len(await lines_of(stage, arrived)) == 12
    assert arrived.unfit == {"a message with a name": 1, "the last reply has weight 0": 1}
    only = file_of(tmp_path / "only.jsonl", [orjson.dumps({**named, "tools": []})] * 10)
    nothing = await brought(stage, replace(arrival(stage, only, "openai-sft"), name="only"))
    assert (nothing.dataset, nothing.unfit) == (None, {"a message with a name": 10})


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "nowhere", "There is no file"), (tmp_path, "cannot be read")):
        with pytest.raises(UserError, match=said):
            checked_file("trl-sft", path)


async def test_nothing_is_left_of_an_import_that_ends_early(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    path = file_of(tmp_path / "made.jsonl", rendered("trl-sft", samples("trl-sft", 300)))

    async def progress(text: str, done: float | None = None) -> None:
        if "brought in" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await bring_in(database, arrival(stage, path, "trl-sft"), progress)
    assert await nothing_there(stage)


# -- what leaves


async def frozen(stage: Stage, rows: Sequence[tuple[str, Row]], system: str = "") -> Dataset:
    """A dataset of these rows, each with its side."""

    def write(tx: Tx) -> Dataset:
        new = NewDataset(stage.workspace.id, stage.avatar.id, "demo", rows[0][1].method, system)
        number = datasets.begin(tx, new)
        content = [to_json(row) for _, row in rows]
        sides: list[Any] = [side for side, _ in rows]
        datasets.add(
            tx,
            number,
            [
                NewLine(at, side, row_hash(each), each.decode(), f"talk {at}", (), f"x{at}")
                for at, (side, each) in enumerate(zip(sides, content, strict=True))
            ],
        )
        many = sides.count("train")
        return datasets.finish(
            tx, number, hash="00" * 32, report={}, train=many, validation=len(sides) - many
        )

    return await stage.database.write(write)


async def left(stage: Stage, dataset: Dataset, format_: str, folder: Path) -> Exported:
    return await export(stage.database, dataset, format_, folder, Told())


async def test_files_hold_each_row_on_its_side_under_the_system_prompt(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    rows = [
        ("validation" if at % 5 == 0 else "train", Row((Turn("user", f"Q{at}?"),), f"A{at}."))
        for at in range(30)
    ]
    dataset = await frozen(stage, rows, SYSTEM)
    exported = await left(stage, dataset, "openai-sft", tmp_path / "out")
    assert [path.name for path in exported.files] == [
        "train.openai-sft.jsonl", "validation.openai-sft.jsonl", "README.md",
    ]  # fmt: skip
    assert exported.rows == {"train": 24, "validation": 6}
    for split, path in zip(("train", "validation"), exported.files, strict=False):
        assert path.stat().st_mode & 0o077 == 0  # what people wrote is for its owner alone
        asked = [orjson.loads(line)["messages"] for line in path.read_bytes().splitlines()]
        assert all(each[0] == {"role": "system", "content": SYSTEM} for each in asked)
        assert [each[1]["content"] for each in asked] == [row.question for side, row in rows if side == split]
    assert not list((tmp_path / "out").glob("*.part"))


async def test_a_second_export_into_the_same_folder_is_the_same(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    dataset = await frozen(stage, [("train", row) for row in samples("trl-dpo")])
    exported = [await left(stage, dataset, "trl-dpo", tmp_path / "out") for _ in range(2)]
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    other = await left(stage, dataset, "trl-dpo", tmp_path / "other")
    assert exported[0].files == exported[1].files
    assert kept == {path.name: path.read_bytes() for path in other.files}


async def test_rows_that_a_format_cannot_carry_are_counted_and_nothing_is_written_of_none(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    several = Row((Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")), "d")
    mixed = await frozen(
        stage, [("train", several), ("train", samples("alpaca", 1)[0]), ("validation", several)]
    )
    exported = await left(stage, mixed, "alpaca", tmp_path / "mixed")
    assert exported.unfit == {"alpaca has one turn only": 2}
    assert exported.rows == {"train": 1, "validation": 0}
    assert [path.name for path in exported.files] == ["train.alpaca.jsonl", "README.md"]
    nothing = await left(stage, await frozen(stage, [("train", several)]), "alpaca", tmp_path / "none")
    assert nothing.files == []
    assert not list((tmp_path / "none").iterdir())


async def test_what_a_vendor_would_refuse_is_told_with_the_files(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    dataset = await frozen(stage, [("train", row) for row in samples("openai-sft", 9)])
    exported = await left(stage, dataset, "openai-sft", tmp_path / "out")
    assert exported.problems == ["9 examples where at least 10 are needed to train"]
    assert exported.files


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_format_of_another_method_is_refused(
    database: Database, tmp_path: Path, format_: str
) -> None:
    stage = await set_stage(database)
    for method in {"sft", "dpo", "kto"} - {FORMATS[format_].method}:
        dataset = await frozen(stage, [("train", sample(method, 1))])
        with pytest.raises(UserError, match=f"is for {method}; the formats that carry this are"):
            await left(stage, dataset, format_, tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_folder_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    dataset = await frozen(stage, [("train", row) for row in samples("trl-sft")])
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "nul\0"):
        with pytest.raises(UserError, match="cannot be written"):
            await left(stage, dataset, "trl-sft", folder)
    assert (tmp_path / "file").read_text() == "here"


async def test_a_card_takes_no_other_files_place(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    dataset = await frozen(stage, [("train", row) for row in samples("trl-sft")])
    out = tmp_path / "out"
    out.mkdir()
    (out / CARD_NAME).write_text("# My project\n")
    with pytest.raises(UserError, match="name another folder"):
        await left(stage, dataset, "trl-sft", out)
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [(CARD_NAME, "# My project\n")]


async def test_what_else_is_in_the_folder_stays(database: Database, tmp_path: Path) -> None:
    stage = await set_stage(database)
    dataset = await frozen(stage, [("train", row) for row in samples("trl-sft")])
    out = tmp_path / "out"
    (out / ".parts").mkdir(parents=True)
    (out / ".parts" / "mine.txt").write_text("mine")
    exported = await left(stage, dataset, "trl-sft", out)
    assert (out / ".parts" / "mine.txt").read_text() == "mine"
    assert {path.name for path in out.iterdir()} == {".parts", *(path.name for path in exported.files)}


async def test_an_export_without_rows_to_check_with_leaves_none_of_another(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    out = tmp_path / "out"
    rows = samples("trl-sft")
    larger = await frozen(stage, [("validation" if at < 4 else "train", row) for at, row in enumerate(rows)])
    smaller = await frozen(stage, [("train", row) for row in rows])
    await left(stage, larger, "trl-sft", out)
    exported = await left(stage, smaller, "trl-sft", out)
    assert {path.name for path in out.iterdir()} == {path.name for path in exported.files}


async def test_rows_that_are_deleted_while_it_is_written_are_missing_and_no_other_is_there_twice(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    rows = samples("trl-sft", PAGE + 20)
    dataset = await frozen(stage, [("train", row) for row in rows])
    gone = [3, 500, PAGE + 1]
    await database.write(lambda tx: datasets.erase(tx, "nobody", [f"x{at}" for at in gone]))
    exported = await left(stage, dataset, "trl-sft", tmp_path)
    found = exported.files[0].read_bytes().splitlines()
    assert found == rendered("trl-sft", [row for at, row in enumerate(rows) if at not in gone])
    assert exported.rows["train"] == len(rows) - len(gone)
