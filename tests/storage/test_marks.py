"""Whatever order marks arrive in, and however often, one state comes of them."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.marks import MarkEvent, Marks, loaded

SOURCES = ["stars", "button", "reaction:👍", "reaction:👎", "reaction:3️⃣"]
TEXTS = st.sampled_from([None, "", "why so long?", "Nine, not eight."])


@st.composite
def events(draw: st.DrawFn) -> MarkEvent:
    """Few times and sources, so that they collide."""
    at = draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["stars", "stars", "clear", "text"]))
    if kind == "clear":
        return MarkEvent(
            draw(st.sampled_from(["", "reaction:", "reaction:👍", "better", "comment"])), at, clear=True
        )
    if kind == "stars":
        return MarkEvent(
            draw(st.sampled_from(SOURCES)), at, stars=draw(st.sampled_from([None, 1, 2, 3, 4, 5]))
        )
    reviewer = draw(st.booleans())
    return MarkEvent("form", at, rates=False, comment=draw(TEXTS), better=draw(TEXTS), by_reviewer=reviewer)


def joined(history: list[MarkEvent]) -> Marks:
    return reduce(Marks.joined, history, Marks())


@given(st.data(), st.lists(events(), max_size=8))
def test_any_order_and_repetition_of_events_ends_the_same(
    data: st.DataObject, history: list[MarkEvent]
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=4)) if history else []
    shuffled = data.draw(st.permutations(history + repeats))
    assert joined(shuffled).dumped() == joined(history).dumped()


@given(st.lists(events(), max_size=8))
def test_marks_survive_being_written_down(history: list[MarkEvent]) -> None:
    marks = joined(history)
    assert loaded(marks.dumped()) == marks


@given(
    st.permutations(
        [MarkEvent("reaction:👍", 1, 5), MarkEvent("reaction:👎", 2, 1), MarkEvent("reaction:👎", 3)]
    )
)
def test_a_reaction_that_is_taken_away_gives_way_to_the_one_before(history: list[MarkEvent]) -> None:
    assert joined(history).stars == 5


@given(
    st.permutations([MarkEvent("reaction:👍", 1, 5), MarkEvent("stars", 2, 4), MarkEvent("reaction:👍", 3)])
)
def test_stars_replace_a_reaction(history: list[MarkEvent]) -> None:
    assert joined(history).stars == 4


def test_clearing_the_empty_source_takes_everything_back() -> None:
    said = [MarkEvent("stars", 1, 5), MarkEvent("form", 2, rates=False, comment="good", better="better")]
    assert joined([*said, MarkEvent("", 3, clear=True)]) == Marks(cleared={"": 3})
    assert joined([MarkEvent("", 3, clear=True), *said]) == Marks(cleared={"": 3})


def test_clearing_reactions_leaves_the_rest() -> None:
    marks = joined(
        [MarkEvent("stars", 1, 4), MarkEvent("reaction:👎", 2, 1), MarkEvent("reaction:", 3, clear=True)]
    )
    assert marks.stars == 4


def test_a_new_mark_after_a_clearing_counts() -> None:
    assert (
        joined([MarkEvent("stars", 1, 4), MarkEvent("", 2, clear=True), MarkEvent("stars", 3, 2)]).stars == 2
    )


def test_taking_away_wins_a_tie() -> None:
    assert joined([MarkEvent("stars", 1), MarkEvent("stars", 1, 5)]).stars is None


@pytest.mark.parametrize("stars", [0, 6, -1])
def test_there_are_one_to_five_stars(stars: int) -> None:
    with pytest.raises(ValueError, match="1 to 5"):
        MarkEvent("stars", 1, stars)
