"""Bars: one row a name, with one amount or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.charts.drawing import Drawing, Label, Rect, text_width
from optimizer.report.words import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bar", "bars"]

WIDTH, ROW, TOP = 720, 28, 4
LONGEST = 32


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: stretches of an amount in paints, one after the other, and what is written at their end."""

    name: str
    stretches: Sequence[tuple[float, str]]
    said: str


def bars(title: str, rows: Sequence[Bar], *, width: int = WIDTH) -> Drawing:
    """Draw rows of bars, all on one scale that begins at 0."""
    left = max([20.0, *(text_width(shortened(row.name, LONGEST), 13) for row in rows)]) + 12
    right = max([0.0, *(text_width(row.said, 13) for row in rows)]) + 12
    most = max([1e-9, *(sum(amount for amount, _ in row.stretches) for row in rows)])
    scale = max(60.0, width - left - right) / most
    said = "; ".join(f"{row.name}: {row.said}" for row in rows)
    drawing = Drawing(width, TOP + ROW * len(rows), title, said)
    for number, row in enumerate(rows):
        y, x = TOP + ROW * number, left
        drawing.add(Label(left - 10, y + 17, shortened(row.name, LONGEST), "end", size=13))
        for amount, paint in row.stretches:
            drawing.add(Rect(x, y + 3, max(amount * scale, 2.0 if amount else 0.0), ROW - 8, paint, row.said))
            x += amount * scale
        drawing.add(Label(x + 8, y + 17, row.said, paint="quiet", size=13))
    return drawing
