"""What stays is passed over by the garbage collector, and what is left over is collected all the same."""

from __future__ import annotations

import gc
import weakref

from bot.collector import settle, steady


class Knot:
    """Refers to itself, which only a collection undoes."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_frozen_for_as_long_as_it_lasts() -> None:
    usual = gc.get_threshold()
    with steady():
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold() != usual
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == usual


def test_what_nobody_needs_any_more_goes_when_all_is_settled_though_it_was_frozen() -> None:
    knot = Knot()
    gone = weakref.ref(knot)
    with steady():
        del knot
        gc.collect()
        assert gone() is not None
        settle()
        assert gone() is None
        assert gc.get_freeze_count() > 1000
