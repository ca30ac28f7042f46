"""Which candidates stay: the best of each group, nobody above their share, the best ones where there are too many."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.choosing import cap_persons, cap_rows, keep_best, ranked

Case = list[tuple[int, int, int, bool]]
"""Of each candidate: group, quality in tenths, fingerprint, label."""

CASES: st.SearchStrategy[Case] = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 10), st.integers(0, 40), st.booleans()),
    min_size=1,
    max_size=60,
)


def _arrays(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    first: dict[int, int] = {}
    groups = np.array([first.setdefault(group, at) for at, (group, *_) in enumerate(case)], dtype=np.int64)
    quality = np.array([tenths / 10 for _, tenths, _, _ in case], dtype=np.float32)
    fingerprint = np.array([number for _, _, number, _ in case], dtype=np.uint64)
    return groups, quality, fingerprint, np.array([label for *_, label in case], dtype=np.int8)


@given(CASES)
def test_the_best_of_each_group_and_label_stays(case: Case) -> None:
    groups, quality, fingerprint, label = _arrays(case)
    kept, same, near = keep_best(groups, quality, fingerprint, label)
    assert same + near + int(kept.sum()) == len(case)
    best: dict[tuple[int, bool], float] = {}
    for group, tenths, _, each in case:
        best[group, each] = max(best.get((group, each), 0.0), tenths / 10)
    stays = Counter((case[at][0], case[at][3]) for at in np.flatnonzero(kept))
    assert stays == Counter(best.keys())
    for at in np.flatnonzero(kept):
        assert quality[at] == np.float32(best[case[at][0], case[at][3]])


@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_coming_does_not_matter(case: Case, random: object) -> None:
    distinct = list(
        {(group, number): (group, tenths, number, False) for group, tenths, number, _ in case}.values()
    )
    again = list(distinct)
    random.shuffle(again)  # type: ignore[attr-defined]

    def stays(of: Case) -> set[tuple[int, int]]:
        groups, quality, fingerprint, label = _arrays(of)
        kept, _, _ = keep_best(groups, quality, fingerprint, label)
        return {(of[at][0], of[at][2]) for at in np.flatnonzero(kept)}

    assert stays(distinct) == stays(again)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=120),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(1, 12),
)
def test_nobody_has_more_than_their_share_once_there_are_enough_people(
    askers: list[int], share: float, least: int
) -> None:
    asker = np.array(askers, dtype=np.uint64)
    rank = np.arange(len(askers))[::-1].copy()
    kept = np.ones(len(askers), dtype=bool)
    capped = cap_persons(kept, asker, rank, share=share, least=least)
    counts = Counter(asker[capped].tolist())
    assert set(counts) == set(askers)  # nobody is put out altogether
    if len(set(askers)) < least:
        assert capped.all()
        return
    most = max(counts.values())
    assert most == 1 or most <= share * sum(counts.values())
    for person in set(askers):  # whose rows are cut keep the best of them
        ranks = sorted(rank[asker == person])
        assert sorted(rank[(asker == person) & capped]) == ranks[: counts[person]]


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.integers(0, 20))
def test_of_too_many_the_best_stay(kept_: list[bool], most: int) -> None:
    kept = np.array(kept_)
    rank = ranked(np.zeros(len(kept_), dtype=np.float32), np.arange(len(kept_), dtype=np.uint64))
    found = cap_rows(kept, rank, most)
    assert not (found & ~kept).any()
    wanted = int(kept.sum()) if not most else min(most, int(kept.sum()))
    assert int(found.sum()) == wanted
    if wanted < kept.sum():
        assert rank[found].max() < rank[kept & ~found].min()
