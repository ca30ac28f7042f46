"""Importing files: everything once, whatever happens in between, and a word on what was skipped."""

import asyncio
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.platforms.base import UserError
from storage import audit, avatars, examples
from storage.database import Database, Job
from tests.training.helpers import Told, chat, dumped, importing, pair, state
from training import imports
from training.imports import Order, Report, batches, import_file


def lines(data: bytes) -> Iterator[bytes]:
    """The lines that reach the parser."""
    for raw, _ in imports.lines_of(io.BytesIO(data)):
        yield b"(too long)" if raw is None else raw


def test_lines_of_all_systems() -> None:
    assert list(lines(b"\xef\xbb\xbfa\r\nb\n\n c \nd")) == [b"a", b"b", b"", b"c", b"d"]
    assert list(lines(b"")) == []


def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_LINE", 10)
    assert list(lines(b"0123456789\n" + b"x" * 11 + b"\nab\n" + b"y" * 99)) == [
        b"0123456789", b"(too long)", b"ab", b"(too long)",
    ]  # fmt: skip
    (batch,) = batches(io.BytesIO(b"x" * 11 + b"\n{}\n"))
    assert [problem.line for problem in batch.problems] == [1, 2]
    assert batch.position == 15


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH_LINES", 2)
    assert [batch.lines for batch in batches(io.BytesIO(b"{}\n" * 5))] == [2, 2, 1]
    monkeypatch.setattr(imports, "BATCH_BYTES", 1)
    assert [batch.lines for batch in batches(io.BytesIO(b"{}\n" * 3))] == [1, 1, 1]


async def test_an_import_brings_everything(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(
        dumped(
            chat("one", ("hi", "hello", 5, "nice"), ("bye", "so long", 2, None)),
            chat("two", ("how?", "so", None, "hm")),
            pair("p1"),
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        )
    )
    report = await import_file(database, order, Told())
    assert report.avatar_created
    assert (report.lines, report.conversations, report.preferences, report.problems) == (4, 3, 1, [])
    new = report.new
    assert (new.conversations, new.exchanges, new.ratings, new.comments) == (3, 4, 2, 2)
    assert (new.examples, new.preferences) == (1, 1)
    found = await state(database, order)
    assert found.exchanges == [("bye", "so long"), ("hi", "hello"), ("how?", "so"), ("q", "a")]
    assert found.ratings == [("bye", 2, ""), ("hi", 5, "nice"), ("how?", None, "hm")]
    assert found.examples == [("hi", "hello", "approved")]
    assert found.preferences == [("how are you?", "well", "bad")]
    assert len(found.people) == 4
    assert {(name, consent) for _, name, consent in found.people} == {("imported", "given")}


async def test_twice_changes_nothing(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, "nice")), pair("p1")))
    await import_file(database, order, Told())
    before = await state(database, order)
    report = await import_file(database, order, Told())
    assert report.imported == 2
    assert report.new == imports.Written()
    assert not report.avatar_created
    assert await state(database, order) == before


async def test_a_grown_file_adds_and_a_changed_rating_is_followed(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None)), chat("two", ("yes?", "no", 1, None))))
    await import_file(database, order, Told())
    grown = chat("one", ("hi", "hello", 1, "changed my mind"), ("more", "of it", 4, None))
    path.write_bytes(
        dumped(grown, chat("two", ("yes?", "yes", 5, None)), chat("three", ("a", "b", None, None)))
    )
    report = await import_file(database, order, Told())
    assert (report.new.conversations, report.new.exchanges, report.new.updated) == (1, 2, 1)
    found = await state(database, order)
    assert found.ratings == [("hi", 1, "changed my mind"), ("more", 4, ""), ("yes?", 5, "")]
    assert sorted(found.examples) == [
        ("hi", "hello", "withdrawn"),
        ("more", "of it", "approved"),
        ("yes?", "yes", "approved"),
    ]


async def test_what_a_reviewer_decided_stays(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))))
    await import_file(database, order, Told())
    avatar = await database.read(lambda tx: avatars.find(tx, order.workspace_id, order.avatar))
    assert avatar is not None
    (example,) = await database.read(lambda tx: examples.listed(tx, avatar.id, limit=9))
    await database.write(lambda tx: examples.set_status(tx, example.id, "rejected", reviewed=True))
    path.write_bytes(dumped(chat("one", ("hi", "hello", 4, None))))
    await import_file(database, order, Told())
    assert (await state(database, order)).examples == [("hi", "hello", "rejected")]


async def test_bad_lines_are_told_and_the_rest_is_there(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    good = json.dumps(chat("one", ("hi", "hello", 5, None))).encode()
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\xff\r\n{\r\n\r\n[]\r\n" + good.replace(b"one", b"two"))
    report = await import_file(database, order, Told())
    assert [problem.line for problem in report.problems] == [2, 3, 5]
    assert (report.conversations, report.skipped) == (2, 3)
    assert len((await state(database, order)).exchanges) == 2


async def test_one_name_for_two_conversations_is_told(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    one, other = chat("one", ("hi", "hello", 5, None)), chat("one", ("else", "where", 5, None))
    path.write_bytes(dumped(one, one, other))
    report = await import_file(database, order, Told())
    assert (report.conversations, report.repeated) == (1, 1)
    assert [(each.line, each.reason) for each in report.problems] == [
        (3, "'one' was on line 1 already, with other content")
    ]


async def test_a_file_of_which_nothing_can_be_read_makes_no_avatar(
    database: Database, tmp_path: Path
) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(b"nothing\n")
    report = await import_file(database, order, Told())
    assert (report.imported, report.skipped) == (0, 1)
    assert await database.read(lambda tx: avatars.find(tx, order.workspace_id, order.avatar)) is None
    path.write_bytes(b"")
    assert (await import_file(database, order, Told())).lines == 0


@pytest.mark.parametrize(
    ("name", "says"), [("missing", "There is no file"), (".", "is a folder"), ("a\0b", "cannot be read")]
)
async def test_a_file_that_cannot_be_read(database: Database, tmp_path: Path, name: str, says: str) -> None:
    order, path = await importing(database, tmp_path)
    bad = Order(path.parent / name, order.workspace_id, order.avatar, order.person_id, order.at)
    with pytest.raises(UserError, match=says):
        await import_file(database, bad, Told())


async def test_words_that_the_file_does_not_vouch_for_are_kept_but_not_learnt(
    database: Database, tmp_path: Path
) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(dumped({**chat("one", ("hi", "hello", 5, None)), "consent": False}))
    report = await import_file(database, order, Told())
    assert (report.new.exchanges, report.new.ratings, report.new.examples) == (1, 1, 0)
    found = await state(database, order)
    assert found.examples == []
    assert [consent for _, _, consent in found.people] == ["withdrawn"]


async def test_several_raters_are_several_people(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    line = chat("one", ("hi", "hello", 5, None))
    line["turns"][1]["ratings"] = [{"rating": 2, "comment": "no"}, {"rating": 5}]
    path.write_bytes(dumped(line))
    report = await import_file(database, order, Told())
    assert (report.new.ratings, report.new.examples) == (3, 1)
    assert len((await state(database, order)).people) == 3


async def test_it_is_audited_and_tells_how_far_it_is(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))))
    told = Told()
    await import_file(database, order, told)
    assert told.shares == [1.0]
    entries = await database.read(lambda tx: audit.listed(tx, order.workspace_id, 10))
    finished, begun = [entry.detail for entry in entries if entry.action == "import"]
    assert (begun["stage"], finished["stage"], finished["examples"]) == ("begun", "finished", 1)
    assert finished["consent"] == "vouched for"


class Interrupted(Exception):
    """The process ends here."""


class Breaking:
    """A database whose writer stops after some jobs."""

    def __init__(self, database: Database, after: int) -> None:
        self._database = database
        self._left = after

    async def write(self, job: Job[Any]) -> Any:
        if self._left == 0:
            raise Interrupted
        self._left -= 1
        return await self._database.write(job)


EXCHANGE = st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from([None, 1, 4, 5]))
TALKS = st.lists(st.lists(EXCHANGE, min_size=1, max_size=3), min_size=1, max_size=8)


@settings(max_examples=15)
@given(talks=TALKS, after=st.integers(0, 9))
def test_an_interrupted_import_is_finished_by_the_next(
    tmp_path_factory: pytest.TempPathFactory, talks: list[list[tuple[str, str, int | None]]], after: int
) -> None:
    """Stop after any batch and run again: what is there is what one run brings."""

    async def run() -> None:
        folder = tmp_path_factory.mktemp("import")
        database = await Database.open(f"sqlite+aiosqlite:///{folder / 'u.db'}")
        try:
            order, path = await importing(database, folder)
            path.write_bytes(
                dumped(
                    *(chat(str(at), *((q, a, s, None) for q, a, s in talk)) for at, talk in enumerate(talks))
                )
            )
            try:
                await import_file(Breaking(database, after), order, Told())  # type: ignore[arg-type]
            except Interrupted:
                pass
            report = await import_file(database, order, Told())
            assert report.conversations == len(talks)
            found = await state(database, order)
            assert found.exchanges == sorted((q, a) for talk in talks for q, a, _ in talk)
            assert [(q, s) for q, s, _ in found.ratings] == sorted(
                (q, s) for talk in talks for q, _, s in talk if s
            )
            assert found.examples == sorted(
                (q, a, "approved") for talk in talks for q, a, s in talk if (s or 0) >= 4
            )
            assert len(found.people) == len(talks)
        finally:
            await database.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imports, "BATCH_LINES", 1)
        asyncio.run(run())


async def test_two_imports_of_one_file_at_once(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(dumped(*(chat(str(at), ("hi", "hello", 5, None)) for at in range(450))))
    await asyncio.gather(import_file(database, order, Told()), import_file(database, order, Told()))
    found = await state(database, order)
    assert (len(found.exchanges), len(found.examples), len(found.people)) == (450, 450, 450)


async def test_the_large_sample(database: Database, tmp_path: Path, shared: Path) -> None:
    order, _ = await importing(database, tmp_path)
    begun = time.perf_counter()

    async def run(name: str) -> Report:
        of = Order(shared / "data" / name, order.workspace_id, order.avatar, order.person_id, order.at)
        return await import_file(database, of, Told())

    talks, pairs = await run("conversations.jsonl"), await run("preferences.jsonl")
    print(f"{time.perf_counter() - begun:.2f} s", talks.new, pairs.new)
    assert (talks.conversations, pairs.preferences) == (713, 546)
    assert talks.problems == pairs.problems == []
    assert (talks.new.exchanges, talks.new.ratings, talks.new.examples) == (1861, 1643, 1362)
    assert pairs.new.preferences == 546
    assert (await run("conversations.jsonl")).new == imports.Written()
    assert (await run("preferences.jsonl")).new == imports.Written()
