"""Duplicates: what is found against every pair compared, and what neither order nor great numbers change."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.duplicates import Duplicates, Stopped
from training.sketches import normalise, shingles, words

ORDINARY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def groups(folder: Path, texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    with Duplicates(folder, threshold=threshold) as duplicates:
        for text in texts:
            duplicates.add(text)
        return duplicates.groups().tolist()


def partition(texts: Sequence[str], found: Sequence[int]) -> set[frozenset[str]]:
    members: dict[int, set[str]] = {}
    for text, group in zip(texts, found, strict=True):
        members.setdefault(group, set()).add(text)
    return {frozenset(each) for each in members.values()}


def sentence(chance: random.Random, length: int) -> list[str]:
    return [f"{chance.choice('abcdefgh')}{chance.randrange(3000)}" for _ in range(length)]


def edited(chance: random.Random, text: list[str], edits: int) -> list[str]:
    found = list(text)
    for _ in range(edits):
        at = chance.randrange(len(found) + 1)
        found[at : at + chance.choice((0, 1))] = sentence(chance, chance.choice((0, 1, 1)))
    return found


def jaccard(one: str, other: str) -> float:
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def test_near_duplicates_against_every_pair_compared(tmp_path: Path) -> None:
    chance = random.Random(5)
    texts: list[str] = []
    for _ in range(400):
        told = sentence(chance, chance.randrange(15, 120))
        texts += [" ".join(told), " ".join(edited(chance, told, chance.randrange(1, 9)))]
    found = groups(tmp_path, texts)
    alike = {
        pair: jaccard(texts[pair[0]], texts[pair[1]]) for pair in zip(range(0, 800, 2), range(1, 800, 2))
    }
    near = [pair for pair, similarity in alike.items() if similarity >= 0.9]
    joined = [pair for pair in combinations(range(len(texts)), 2) if found[pair[0]] == found[pair[1]]]
    assert len(near) > 50
    assert sum(found[one] == found[other] for one, other in near) >= 0.95 * len(near)
    assert all(alike.get(pair, 0.0) >= 0.8 for pair in joined)
    likely = [pair for pair, similarity in alike.items() if similarity >= 0.8]
    assert sum(found[one] == found[other] for one, other in likely) >= 0.9 * len(likely)


@ORDINARY
@given(st.data())
def test_the_order_of_texts_changes_nothing(tmp_path: Path, data: st.DataObject) -> None:
    chance = random.Random(data.draw(st.integers(0, 1000)))
    texts: list[str] = []
    for _ in range(data.draw(st.integers(1, 12))):
        told = sentence(chance, chance.randrange(1, 40))
        texts += [" ".join(edited(chance, told, edits) or told) for edits in range(chance.randrange(1, 5))]
    shuffled = data.draw(st.permutations(texts))
    assert partition(texts, groups(tmp_path, texts)) == partition(shuffled, groups(tmp_path, shuffled))
    assert groups(tmp_path, texts) == groups(tmp_path, texts)


@ORDINARY
@given(st.lists(st.text(max_size=60), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_every_exact_duplicate_is_found(tmp_path: Path, texts: list[str], chance: random.Random) -> None:
    doubled = [*texts, *texts]
    chance.shuffle(doubled)
    found = groups(tmp_path, doubled)
    for index, text in enumerate(doubled):
        assert found[index] == found[doubled.index(text)]
        assert found[index] <= index
        assert found[found[index]] == found[index]


@ORDINARY
@given(st.lists(st.integers(1, 60), min_size=2, max_size=10))
def test_texts_of_different_words_are_never_joined(tmp_path: Path, lengths: list[int]) -> None:
    texts = [" ".join(f"w{number}x{at}" for at in range(length)) for number, length in enumerate(lengths)]
    assert groups(tmp_path, texts) == list(range(len(texts)))


@ORDINARY
@given(st.text(max_size=200))
def test_both_ways_to_words_find_the_same(text: str) -> None:
    normal = normalise(text)
    assert normalise(normal) == normal
    if normal.isascii():
        # An accent at the end sends the rest of the text the other way.
        assert words(normal + " é") == [*words(normal), "é".encode()]


def test_short_texts_are_the_same_or_are_not(tmp_path: Path) -> None:
    texts = [
        "Hi!",
        "  hi ",
        "Hi there",
        "hi THERE.",
        "C++",
        "C",
        "👍",
        "👎",
        "?",
        "!",
        "",
        " ",
        "How are you?",
        "How is it?",
    ]
    assert groups(tmp_path, texts) == [0, 0, 2, 2, 4, 5, 6, 7, 8, 9, 10, 10, 12, 13]


def test_scripts_without_spaces_are_compared_by_letters(tmp_path: Path) -> None:
    told = "図書館は毎日朝九時から夜八時まで開いていますが月曜日は休みですのでご注意ください"
    assert groups(
        tmp_path,
        [told, told + "。", told + "ね", "駅の前にある店は安くて美味しいので毎日人がたくさん並んでいます"],
    ) == [0, 0, 0, 3]


def test_case_forms_and_spaces_make_no_difference(tmp_path: Path) -> None:
    told = "The ﬁrst office of the town opens at nine and closes at five"
    assert groups(tmp_path, [told, told.upper().replace("ﬁ", "FI"), told.replace(" ", "\n ")]) == [0, 0, 0]


def test_half_a_surrogate_is_a_letter_like_others(tmp_path: Path) -> None:
    assert groups(tmp_path, ["\ud83d", "\ud83d", "a \ud83d b c d e f g h i", "a \ud83d b c d e f g h i"]) == [
        0,
        0,
        2,
        2,
    ]


def test_greetings_and_what_differs_in_one_word_are_not_compared_each_with_each(tmp_path: Path) -> None:
    chance = random.Random(1)
    told = sentence(chance, 60)
    texts = ["Hi!"] * 20_000 + [" ".join([*told, f"order{number}"]) for number in range(8_000)]
    began = time.process_time()
    found = groups(tmp_path, texts)
    assert set(found[:20_000]) == {0}
    assert set(found[20_000:]) == {20_000}
    assert time.process_time() - began < 20  # each with each would be 200 million pairs


def test_one_chain_is_one_group(tmp_path: Path) -> None:
    chance = random.Random(3)
    line = [sentence(chance, 60)]
    for _ in range(40):
        line.append([*line[-1][2:], *sentence(chance, 2)])
    texts = [" ".join(each) for each in line]
    assert jaccard(texts[0], texts[-1]) == 0
    assert set(groups(tmp_path, texts)) == {0}


def test_nothing_has_no_groups(tmp_path: Path) -> None:
    assert groups(tmp_path, []) == []


def test_a_stricter_threshold_joins_less(tmp_path: Path) -> None:
    told = sentence(random.Random(2), 60)
    texts = [" ".join(told), " ".join([*told[:30], "other", *told[31:]])]
    assert groups(tmp_path, texts, 0.8) == [0, 0]
    assert groups(tmp_path, texts, 1.0) == [0, 1]
    with pytest.raises(ValueError, match="similarity"):
        Duplicates(tmp_path, threshold=1.2)


def test_more_texts_may_come_after_groups(tmp_path: Path) -> None:
    told = " ".join(sentence(random.Random(9), 30))
    with Duplicates(tmp_path) as duplicates:
        assert duplicates.add(told) == 0
        assert duplicates.groups().tolist() == [0]
        assert duplicates.add(told + " again") == 1
        found = duplicates.groups()
        assert found.tolist() == [0, 0]
        assert found.dtype == np.int64
        assert len(duplicates) == 2


def test_what_is_not_wanted_any_more_stops_and_leaves_nothing(tmp_path: Path) -> None:
    shares: list[float] = []
    with Duplicates(tmp_path) as duplicates:
        for seed in range(300):
            duplicates.add(" ".join(sentence(random.Random(seed), 20)))
        with pytest.raises(Stopped):
            duplicates.groups(stop=lambda: True)
        duplicates.groups(progress=shares.append)
        assert any(tmp_path.iterdir())
    duplicates.close()
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert list(tmp_path.iterdir()) == []
