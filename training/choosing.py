"""Which of many candidates a dataset keeps, as plain arithmetic on what is known of each.

Everywhere ``kept`` says which ones are still in, and ``rank`` is the place of each, the best first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranked(quality: NDArray[np.float32], fingerprint: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The place of each candidate, the best first; where quality is the same, an order that never changes."""
    rank = np.empty(len(quality), dtype=np.int64)
    rank[np.lexsort((fingerprint, -quality))] = np.arange(len(quality))
    return rank


def keep_best(
    groups: NDArray[np.int64],
    quality: NDArray[np.float32],
    fingerprint: NDArray[np.uint64],
    label: NDArray[np.int8],
) -> tuple[NDArray[np.bool_], int, int]:
    """The best of each group, apart for each label; and how many others are the very same row, and how many are like it."""
    rank = ranked(quality, fingerprint)
    # A liked and a disliked reply that resemble each other are not one.
    _, group = np.unique(groups * 2 + label, return_inverse=True)
    best = np.full(int(group.max()) + 1, len(groups), dtype=np.int64)
    np.minimum.at(best, group, rank)
    kept = rank == best[group]
    by_rank = np.empty(len(rank), dtype=np.int64)
    by_rank[rank] = np.arange(len(rank))
    keeper = by_rank[best[group]]
    same = int(np.count_nonzero(~kept & (fingerprint == fingerprint[keeper])))
    return kept, same, int(np.count_nonzero(~kept)) - same


def cap_persons(
    kept: NDArray[np.bool_],
    asker: NDArray[np.uint64],
    rank: NDArray[np.int64],
    *,
    share: float,
    least: int,
) -> NDArray[np.bool_]:
    """So that nobody has asked more than ``share`` of what is left, once ``least`` people asked; the best of theirs stay."""
    people, code, many = np.unique(asker[kept], return_inverse=True, return_counts=True)
    if len(people) < least or share >= 1 or not len(many):
        return kept
    cap = _cap(many, share)
    if many.max() <= cap:
        return kept
    places = np.flatnonzero(kept)
    order = np.lexsort((rank[places], code))  # by person, their best first
    sorted_code = code[order]
    starts = np.searchsorted(sorted_code, np.arange(len(people)))
    within = np.arange(len(order)) - starts[sorted_code]
    result = kept.copy()
    result[places[order[within >= cap]]] = False
    return result


def _cap(many: NDArray[np.intp], share: float) -> int:
    """The greatest number of rows of one person that is within ``share`` of all that are left under it; at least one."""
    low, high = 1, int(many.max())
    while low < high:
        middle = (low + high + 1) // 2
        if middle <= share * int(np.minimum(many, middle).sum()):
            low = middle
        else:
            high = middle - 1
    return low


def cap_rows(kept: NDArray[np.bool_], rank: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """The ``most`` best ones; all of them where it is 0."""
    places = np.flatnonzero(kept)
    if not most or len(places) <= most:
        return kept
    result = np.zeros_like(kept)
    result[places[np.argsort(rank[places])[:most]]] = True
    return result
