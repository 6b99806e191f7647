"""Drawings as SVG: inside a report, whose style sheet has the paints, or as a file with its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.report.charts.drawing import CELL, GAP, Area, Cells, Drawing, Label, Path, Rect
from optimizer.report.charts.paints import paint_rules, variables
from optimizer.report.html.escape import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.report.charts.drawing import Shape

__all__ = ["svg", "svg_file"]

MARGIN = 16


def svg(drawing: Drawing, *, most_width: float = 0.0, more: str = "") -> str:
    """Return a drawing as an element of an HTML document; at most `most_width` pixels wide, where given."""
    width = most_width or drawing.width
    return (
        f'<svg viewBox="0 0 {_n(drawing.width)} {_n(drawing.height)}" style="max-width:{_n(width)}px" role="img" '
        f'aria-label="{text(drawing.title)}: {text(drawing.description)}">{"".join(map(_shape, drawing.shapes))}'
        f"{more}</svg>"
    )


def svg_file(drawing: Drawing) -> str:
    """Return a drawing as a file: in light colours on a white ground, with a margin."""
    width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" viewBox="{-MARGIN} '
        f'{-MARGIN} {_n(width)} {_n(height)}" role="img"><title>{text(drawing.title)}</title>'
        f"<desc>{text(drawing.description)}</desc><style>{variables(dark=False)}{paint_rules()}"
        f'text{{font-family:system-ui,sans-serif}}</style><rect x="{-MARGIN}" y="{-MARGIN}" width="{_n(width)}" '
        f'height="{_n(height)}" class="f-bg"/>{"".join(map(_shape, drawing.shapes))}</svg>\n'
    )


def _shape(shape: Shape) -> str:
    match shape:
        case Rect():
            title = f"<title>{text(shape.title)}</title>" if shape.title else ""
            box = f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}"'
            return f'<rect {box} class="f-{shape.paint}">{title}</rect>'
        case Path():
            dash = ' stroke-dasharray="5 4"' if shape.dashed else ""
            points = _points(shape.points)
            return f'<polyline points="{points}" class="s-{shape.paint}" stroke-width="{_n(shape.width)}"{dash}/>'
        case Area():
            return f'<polygon points="{_points(shape.points)}" class="f-{shape.paint}"/>'
        case Label():
            anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
            at = f'x="{_n(shape.x)}" y="{_n(shape.y)}"'
            return f'<text {at}{anchor} font-size="{shape.size}" class="f-{shape.paint}">{text(shape.text)}</text>'
        case Cells():
            return "".join(_cells(shape))


def _cells(cells: Cells) -> Iterator[str]:
    """Yield one path for each paint: cells of one paint side by side are one line, dashed in the width of a cell."""
    size, middle = CELL - GAP, (CELL - GAP) / 2
    yield f'<g transform="translate({_n(cells.x)} {_n(cells.y + middle)})" stroke-width="{size}" '
    yield f'stroke-dasharray="{size} {GAP}">'
    numbers = np.arange(len(cells.values))
    column, row = numbers % cells.columns, numbers // cells.columns
    begins = np.flatnonzero((column == 0) | (np.diff(cells.values.astype(np.int16), prepend=-1) != 0))
    ends = np.append(begins[1:], len(numbers))
    for number, paint in enumerate(cells.paints):
        runs = np.flatnonzero(cells.values[begins] == number)
        if runs.size:
            lines = "".join(
                f"M{column[b] * CELL} {row[b] * CELL}h{(e - b) * CELL - GAP}"
                for b, e in zip(begins[runs].tolist(), ends[runs].tolist(), strict=True)
            )
            yield f'<path d="{lines}" class="s-{paint}"/>'
    yield "</g>"


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(number: float) -> str:
    """Write a length, to a tenth of a pixel."""
    return f"{number:.1f}".removesuffix(".0")
