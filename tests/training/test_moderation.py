"""Moderation: asked once for each row, in the words of whatever endpoint; released rows pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from adapters.vendors.base import Flag
from storage.people import Author
from training.moderation import Moderation, Shown, said_of, text_of
from training.rows import Row, Turn, to_json


@dataclass
class Kept:
    flagged: bool
    released: bool = False


@dataclass(frozen=True)
class Waiting:
    """A row as it waits to be frozen."""

    hash: str
    row: Row
    authors: tuple[Author, ...] = (Author("ada", 1),)

    @property
    def content(self) -> bytes:
        return to_json(self.row)


class Shelf:
    def __init__(self, rejected: frozenset[str] = frozenset()) -> None:
        self.verdicts: dict[str, Kept] = {}
        self.kept: list[str] = []
        self._rejected = rejected

    async def known(self, hashes: Sequence[str]) -> Mapping[str, Kept]:
        return {hash: self.verdicts[hash] for hash in hashes if hash in self.verdicts}

    async def rejected(self) -> frozenset[str]:
        return self._rejected

    async def put(self, flags: Mapping[str, Flag]) -> None:
        self.verdicts |= {hash: Kept(flag.flagged) for hash, flag in flags.items()}

    async def keep(self, rows: Sequence[Shown]) -> None:
        self.kept += [each.hash for each in rows]


class Judge:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def judge(self, texts: Sequence[str]) -> Sequence[Flag]:
        self.asked += texts
        return [Flag("bad" in text, ("harassment",) if "bad" in text else ()) for text in texts]

    async def close(self) -> None:
        pass


def row(text: str, before: str = "") -> Row:
    talk = (Turn("user", before), Turn("assistant", "So?")) if before else ()
    return Row((Turn("system", "Be kind."), *talk, Turn("user", text)), "Yes.")


def waiting(hash: str, text: str, before: str = "") -> Waiting:
    return Waiting(hash, row(text, before))


async def test_a_row_is_asked_once_and_stays_out() -> None:
    judge, shelf = Judge(), Shelf()
    moderation = Moderation(judge, shelf)
    rows = [waiting("a", "good"), waiting("b", "bad")]
    assert await moderation.flagged(rows) == {"b"}
    assert await moderation.flagged([*rows, waiting("c", "fine")]) == {"b"}
    assert judge.asked == ["good\nYes.", "bad\nYes.", "fine\nYes."]
    assert shelf.kept == [
        "b",
        "b",
    ]  # to be read: also one that was flagged before there was a place to keep it


async def test_what_was_released_passes_and_need_not_be_read() -> None:
    judge, shelf = Judge(), Shelf()
    shelf.verdicts["b"] = Kept(True, True)
    assert await Moderation(judge, shelf).flagged([waiting("b", "bad")]) == set()
    assert judge.asked == shelf.kept == []


@pytest.mark.parametrize("asks", [True, False])
async def test_what_was_rejected_stays_out_whatever_is_said_before_it_and_with_no_moderator(
    asks: bool,
) -> None:
    judge, shelf = Judge(), Shelf(frozenset({said_of(row("rude"))}))
    moderation = Moderation(judge if asks else None, shelf)
    rows = [waiting("a", "rude"), waiting("b", "rude", "Hello."), waiting("c", "fine")]
    assert await moderation.flagged(rows) == {"a", "b"}
    assert judge.asked == (["fine\nYes."] if asks else [])
    assert shelf.kept == []


async def test_without_a_moderator_nothing_is_flagged_anew() -> None:
    shelf = Shelf()
    shelf.verdicts["b"] = Kept(True)
    assert await Moderation(None, shelf).flagged([waiting("b", "bad")]) == set()


async def test_nothing_is_asked_of_no_rows() -> None:
    judge = Judge()
    assert await Moderation(judge, Shelf()).flagged([]) == set()
    assert judge.asked == []


def test_what_is_said_has_one_name_for_each_question_and_reply() -> None:
    asked = (Turn("user", "Q"),)
    rows = [Row(asked, "A"), Row(asked, "B"), Row(asked, "A", "B"), Row((Turn("user", "P"),), "A")]
    assert len({said_of(each) for each in rows}) == len(rows)
    assert said_of(Row(asked, "A", label=True)) == said_of(Row((Turn("user", "P"), *asked), "A"))


@pytest.mark.parametrize("rejected", [None, "bad"])
def test_all_that_is_learnt_from_is_shown(rejected: str | None) -> None:
    told = text_of(Row((Turn("user", "Q"),), "A", rejected))
    assert told == ("Q\nA" if rejected is None else "Q\nA\nbad")
