"""A drawing: shapes in units of a pixel, in the order in which they are drawn, before anybody decides how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CELL", "Area", "Cells", "Drawing", "Label", "Path", "Rect", "Shape", "lower", "stacked", "text_width"]

CELL, GAP = 10, 1
"""Size of a cell of `Cells`, and how much of it is left free."""

SIZE = 12


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled rectangle; `title` is what a pointer shows."""

    x: float
    y: float
    width: float
    height: float
    paint: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    paint: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon."""

    points: Sequence[tuple[float, float]]
    paint: str


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text with its base line at y; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    paint: str = "fg"
    size: int = SIZE


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Squares of `CELL` from left to right and from top to bottom: uint8 [N], the number of the paint of each."""

    x: float
    y: float
    columns: int
    values: NDArray[np.uint8]
    paints: Sequence[str]


Shape = Rect | Path | Area | Label | Cells


@dataclass(slots=True)
class Drawing:
    """What is drawn, how large it is, and what it says to those who do not see it."""

    width: float
    height: float
    title: str
    description: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw more."""
        self.shapes.extend(shapes)


def text_width(text: str, size: int = SIZE) -> float:
    """Return about how wide a text is."""
    return 0.58 * size * len(text)


def lower(shape: Shape, by: float) -> Shape:
    """Return a shape further down."""
    if isinstance(shape, Path | Area):
        return replace(shape, points=[(x, y + by) for x, y in shape.points])
    return replace(shape, y=shape.y + by)


def stacked(title: str, drawings: Sequence[Drawing], between: float = 28.0) -> Drawing:
    """Return drawings one below the other as one, each with its title above it."""
    out = Drawing(max([320.0, *(d.width for d in drawings)]), 24, title, "; ".join(d.description for d in drawings))
    out.add(Label(0, 18, title, size=18))
    if not drawings:
        out.add(Label(0, 44, "nothing to draw: see the answer in words", paint="quiet"))
        out.height = 52
    for drawing in drawings:
        out.add(Label(0, out.height + 20, drawing.title, size=13))
        out.add(*(lower(shape, out.height + 34) for shape in drawing.shapes))
        out.height += 34 + drawing.height + between
    return out
