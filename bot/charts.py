"""The pictures, drawn with Pillow: a curve takes some milliseconds and no further library."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 1200
HEIGHT: Final = 600
SCALE: Final = 2
"""Everything is drawn so many times larger and made smaller at the end, which makes lines smooth."""

_PAPER, _INK, _FAINT, _GRID = "#ffffff", "#1f2430", "#6b7280", "#e5e7eb"
# Told apart also by who sees few colours; the second line is dashed for black and white.
_COLOURS: Final = ("#2f6fde", "#d9480f")
_LEFT, _RIGHT, _TOP, _BOTTOM = 120, 48, 124, 104
# A phone shows the sheet at less than a third of its size, and all of it has to be read there.
_TITLE, _LEGEND, _SMALL, _STROKE = 38, 32, 30, 4.0
_TICKS: Final = 5
_MOST, _LEAST = 1e12, 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through (x, y) points, in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


def curve(title: str, lines: Sequence[Line], *, x_label: str, y_label: str) -> bytes:
    """Lines over a common x as a PNG, 1200 by 600.

    Points that are no numbers, or beyond a trillion, are left out; without any other it says so.
    """
    shown = [Line(each.name, [point for point in each.points if _drawable(*point)]) for each in lines]
    shown = [each for each in shown if each.points]
    sheet = _Sheet()
    sheet.text((_LEFT, 50), title, _TITLE, _INK, anchor="lm")
    if not shown:
        sheet.text((WIDTH / 2, HEIGHT / 2), "no figures yet", _LEGEND, _FAINT, anchor="mm")
        return sheet.png()
    xs = [x for each in shown for x, _ in each.points]
    ys = [y for each in shown for _, y in each.points]
    frame = _Frame(_span(xs, tight=True), _span(ys))
    _axes(sheet, frame, x_label, y_label)
    for number, each in enumerate(shown):
        path = [frame.at(x, y) for x, y in each.points]
        colour = _COLOURS[number % len(_COLOURS)]
        sheet.path(path, colour, dashed=number > 0)
        sheet.dot(path[-1], colour)
    _legend(sheet, shown)
    return sheet.png()


def _drawable(x: float, y: float) -> bool:
    return abs(x) <= _MOST and abs(y) <= _MOST  # no comparison holds of what is not a number


def _span(values: Sequence[float], *, tight: bool = False) -> tuple[float, float]:
    """From where to where an axis reaches; never of no length."""
    low, high = min(values), max(values)
    if high - low <= _LEAST * max(abs(low), abs(high), _LEAST):
        return low - max(abs(low), 1.0) * 0.5, high + max(abs(high), 1.0) * 0.5
    room = 0.0 if tight else (high - low) * 0.08
    return low - room, high + room


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a value is on the sheet."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)


def _axes(sheet: _Sheet, frame: _Frame, x_label: str, y_label: str) -> None:
    for value in _ticks(*frame.y):
        _, y = frame.at(frame.x[0], value)
        sheet.path([(_LEFT, y), (WIDTH - _RIGHT, y)], _GRID, width=1.5)
        sheet.text((_LEFT - 14, y), _figure(value), _SMALL, _FAINT, anchor="rm")
    for value in _ticks(*frame.x):
        x, _ = frame.at(value, frame.y[0])
        sheet.text((x, HEIGHT - _BOTTOM + 14), _figure(value), _SMALL, _FAINT, anchor="mt")
    sheet.text(((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 14), x_label, _SMALL, _FAINT, anchor="mb")
    sheet.text((_LEFT - 14, _TOP - 20), y_label, _SMALL, _FAINT, anchor="rb")


def _ticks(low: float, high: float) -> list[float]:
    """Round values within, about five: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _legend(sheet: _Sheet, lines: Sequence[Line]) -> None:
    right = float(WIDTH - _RIGHT)
    for number in reversed(range(len(lines))):
        colour = _COLOURS[number % len(_COLOURS)]
        label = f"{lines[number].name} {lines[number].points[-1][1]:.3g}"
        right -= sheet.width(label, _LEGEND)
        sheet.text((right, 50), label, _LEGEND, _INK, anchor="lm")
        # So long that a dashed one has its two dashes.
        sheet.path([(right - 62, 50), (right - 14, 50)], colour, dashed=number > 0)
        right -= 92


class _Sheet:
    """A sheet of paper in the measures of the finished picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), _PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(self, at: tuple[float, float], text: str, size: int, colour: str, *, anchor: str = "la") -> None:
        place = (at[0] * SCALE, at[1] * SCALE)
        self._draw.text(place, text, fill=colour, font=_font(size), anchor=anchor)

    def width(self, text: str, size: int) -> float:
        return self._draw.textlength(text, font=_font(size)) / SCALE

    def path(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        *,
        width: float = _STROKE,
        dashed: bool = False,
    ) -> None:
        large = [(x * SCALE, y * SCALE) for x, y in points]
        for piece in _dashes(large, 18 * SCALE) if dashed else (large,):
            if len(piece) > 1:
                self._draw.line(piece, fill=colour, width=round(width * SCALE), joint="curve")

    def dot(self, at: tuple[float, float], colour: str) -> None:
        x, y, radius = at[0] * SCALE, at[1] * SCALE, 8 * SCALE
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def png(self) -> bytes:
        small = self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        small.quantize(64).save(out, "PNG", optimize=True)
        return out.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * SCALE)


def _dashes(points: Sequence[tuple[float, float]], length: float) -> list[list[tuple[float, float]]]:
    """Every other stretch of the path."""
    pieces: list[list[tuple[float, float]]] = [[points[0]]]
    left, drawn = length, True
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        distance = math.hypot(to_x - x, to_y - y)
        gone = 0.0
        while distance - gone > left:
            gone += left
            share = gone / distance
            corner = (x + (to_x - x) * share, y + (to_y - y) * share)
            if drawn:
                pieces[-1].append(corner)
            else:
                pieces.append([corner])
            drawn, left = not drawn, length
        left -= distance - gone
        if drawn:
            pieces[-1].append((to_x, to_y))
    return pieces
