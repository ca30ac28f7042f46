"""Pictures are drawn of any figures, and show what they should."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.charts import HEIGHT, WIDTH, Line, curve

POINTS = st.lists(st.tuples(st.floats(), st.floats()), max_size=12)
Colour = tuple[int, int, int]
BLUE: Colour = (47, 111, 222)
ORANGE: Colour = (217, 72, 15)


def drawn(*lines: Line) -> Image.Image:
    picture = Image.open(io.BytesIO(curve("Loss", lines, x_label="step", y_label="loss")))
    assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))
    return picture.convert("RGB")


def columns_of(picture: Image.Image, colour: Colour) -> dict[int, float]:
    """Where the line of a colour is, below the legend: the middle row of each column that has it."""
    pixels = np.asarray(picture).astype(int)
    pixels[:90] = 255
    rows, columns = np.nonzero((abs(pixels - colour) < 40).all(axis=2))
    return {int(x): float(rows[columns == x].mean()) for x in np.unique(columns)}


@settings(max_examples=8, deadline=None)
@given(POINTS, POINTS)
def test_any_figures_make_a_picture(
    train: list[tuple[float, float]], validation: list[tuple[float, float]]
) -> None:
    drawn(Line("train", sorted(train)), Line("validation", sorted(validation)))


def test_a_falling_loss_falls_across_the_picture() -> None:
    picture = drawn(
        Line("train", [(step, 10 / step) for step in range(1, 50)]),
        Line("validation", [(10, 4.0), (49, 4.0)]),
    )
    train, validation = columns_of(picture, BLUE), columns_of(picture, ORANGE)
    assert min(train) < 130
    assert max(train) > WIDTH - 60
    heights = [train[x] for x in sorted(train)]
    assert heights[0] < heights[len(heights) // 2] <= heights[-1]
    assert min(validation) > 280
    assert max(validation.values()) - min(validation.values()) < 8  # level
    assert (
        len(validation) < (max(validation) - min(validation)) * 0.8
    )  # with gaps: told apart without colours


def test_a_phone_can_read_the_figures_and_nothing_overlaps() -> None:
    many = [(float(step), 12_345.678 / step) for step in range(1, 5_000)]
    lines = [Line("training", many), Line("validation", many)]
    data = curve("Loss of training run 123", lines, x_label="step", y_label="loss")
    dark = np.asarray(Image.open(io.BytesIO(data)).convert("L")) < 170
    below = np.flatnonzero(dark[HEIGHT - 95 : HEIGHT - 50].any(axis=1))
    assert (below[-1] - below[0]) * 360 / WIDTH > 5.5  # a phone is some 360 points wide
    heading = np.flatnonzero(dark[25:75].any(axis=0))
    assert np.diff(heading).max() > 30  # between the title and what is said of the lines


def test_without_figures_it_says_so() -> None:
    empty = drawn(Line("train", [(1, float("nan"))]))
    assert not columns_of(empty, BLUE)
    assert (np.asarray(empty)[HEIGHT // 2] < 255).any()
