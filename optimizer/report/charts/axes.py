"""Axes: round numbers on two sides of a field, and where an amount stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from optimizer.report.charts.drawing import Drawing, Label, Path, text_width

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Field", "field_of", "ticks"]

TOP, BOTTOM, RIGHT = 34, 48, 24
MARKS = 6


@dataclass(frozen=True, slots=True)
class Field:
    """Where a chart draws: from (left, top), `width` by `height`, for amounts from x0 to x1 and from y0 to y1."""

    left: float
    top: float
    width: float
    height: float
    x0: float
    x1: float
    y0: float
    y1: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point is drawn."""
        across = (x - self.x0) / (self.x1 - self.x0)
        up = (y - self.y0) / (self.y1 - self.y0)
        return self.left + across * self.width, self.top + (1 - up) * self.height


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return round numbers from at most `low` to at least `high`: steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    power = 10.0 ** floor(log10(span / MARKS))
    step = next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= MARKS)
    step = max(step, 1.0) if whole else step
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * n, 9) for n in range(first, max(last, first + 1) + 1)]


def field_of(
    drawing: Drawing,
    across: tuple[float, float, str],
    up: tuple[float, float, str],
    said: Callable[[float], str],
    *,
    whole: bool = False,
    unit: float = 1.0,
) -> Field:
    """Draw both axes, each (lowest, highest, title), with a line across for each mark; return the field between.

    Parameters
    ----------
    said
        How an amount upwards is written.
    whole
        Amounts upwards are whole numbers.
    unit
        In what marks upwards are round.
    """
    xs, ys = ticks(across[0], across[1], whole=True), ticks(up[0] / unit, up[1] / unit, whole=whole)
    ys = [y * unit for y in ys]
    xs = [x for x in xs if across[0] <= x <= across[1]]
    left = max(text_width(said(y)) for y in ys) + 14
    width, height = drawing.width - left - RIGHT, drawing.height - TOP - BOTTOM
    field = Field(left, TOP, width, height, across[0], max(across[1], across[0] + 1), ys[0], ys[-1])
    drawing.add(Label(0, 14, up[2], paint="quiet"), Label(left + width, drawing.height - 8, across[2], "end", "quiet"))
    for y in ys:
        drawing.add(Path([field.at(field.x0, y), field.at(field.x1, y)], "line"))
        drawing.add(Label(left - 8, field.at(0, y)[1] + 4, said(y), "end", "quiet"))
    for x in xs:
        drawing.add(Label(field.at(x, 0)[0], TOP + height + 18, f"{x:,.0f}", "middle", "quiet"))
    return field
