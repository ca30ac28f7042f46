"""Moderation: asked once for each row, in the words of whatever endpoint; released rows pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from adapters.vendors.base import Flag
from training.moderation import Moderation, text_of
from training.rows import Row, Turn


@dataclass
class Kept:
    flagged: bool
    released: bool = False


class Shelf:
    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    async def known(self, hashes: Sequence[str]) -> Mapping[str, Kept]:
        return {hash: self.kept[hash] for hash in hashes if hash in self.kept}

    async def put(self, flags: Mapping[str, Flag]) -> None:
        self.kept |= {hash: Kept(flag.flagged) for hash, flag in flags.items()}


class Judge:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def judge(self, texts: Sequence[str]) -> Sequence[Flag]:
        self.asked += texts
        return [Flag("bad" in text, ("harassment",) if "bad" in text else ()) for text in texts]

    async def close(self) -> None:
        pass


def row(text: str) -> Row:
    return Row((Turn("system", "Be kind."), Turn("user", text)), "Yes.")


async def test_a_row_is_asked_once_and_stays_out() -> None:
    judge, shelf = Judge(), Shelf()
    moderation = Moderation(judge, shelf)
    rows = [("a", row("good")), ("b", row("bad"))]
    assert await moderation.flagged(rows) == {"b"}
    assert await moderation.flagged([*rows, ("c", row("fine"))]) == {"b"}
    assert judge.asked == ["good\nYes.", "bad\nYes.", "fine\nYes."]


async def test_what_was_released_passes() -> None:
    judge, shelf = Judge(), Shelf()
    shelf.kept["b"] = Kept(True, True)
    assert await Moderation(judge, shelf).flagged([("b", row("bad"))]) == set()
    assert judge.asked == []


async def test_nothing_is_asked_of_no_rows() -> None:
    judge = Judge()
    assert await Moderation(judge, Shelf()).flagged([]) == set()
    assert judge.asked == []


@pytest.mark.parametrize("rejected", [None, "bad"])
def test_all_that_is_learnt_from_is_shown(rejected: str | None) -> None:
    told = text_of(Row((Turn("user", "Q"),), "A", rejected))
    assert told == ("Q\nA" if rejected is None else "Q\nA\nbad")
