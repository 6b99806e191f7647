"""Curves: what more of one thing gives of another, with its bound; and what is expected, with a band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.grammar import count
from optimizer.report.charts.axes import field_of
from optimizer.report.charts.drawing import Area, Drawing, Label, Path, Rect, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.report.charts.axes import Field
    from optimizer.report.charts.drawing import Shape

__all__ = ["Course", "course", "steps"]

WIDTH, HEIGHT = 720, 320
DOT = 7


def steps(title: str, names: tuple[str, str], points: Sequence[tuple[int, int, int]]) -> Drawing:
    """Draw a curve that holds its value until the next point, and its bound, dashed.

    Parameters
    ----------
    names
        What is across, and what is upwards.
    points
        (across, value, bound), in order.
    """
    said = "; ".join(f"{x:,} {names[0]}: {v:,}" + (f", at most {b:,}" if b > v else ", proven") for x, v, b in points)
    drawing = Drawing(WIDTH, HEIGHT, title, said)
    low, high = min(v for _, v, _ in points), max(max(v, b) for _, v, b in points)
    pad = max(1, round((high - low) * 0.15))
    last = points[-1][0]
    across, up = (points[0][0], max(last, points[0][0] + 1), names[0]), (max(0, low - pad), high + pad, names[1])
    field = field_of(drawing, across, up, lambda y: f"{y:,.0f}", whole=True)
    for paint, column, dashed in (("quiet", 2, True), ("main", 1, False)):
        drawing.add(Path(_stairs(field, [(p[0], p[column]) for p in points]), paint, 1.5 if dashed else 2.5, dashed))
    for x, value, bound in points:
        cx, cy = field.at(x, value)
        told = f"{x:,} {names[0]}: {value:,}" + (f", at most {bound:,}" if bound > value else ", proven")
        drawing.add(Rect(cx - DOT / 2, cy - DOT / 2, DOT, DOT, "main", told))
    _legend(drawing, (("main", "found", False), ("quiet", "at most (bound)", True)))
    return drawing


def _stairs(field: Field, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    out = [field.at(*points[0])]
    for x, y in points[1:]:
        out += [(field.at(x, y)[0], out[-1][1]), field.at(x, y)]
    return out


@dataclass(frozen=True, slots=True)
class Course:
    """What was and what is expected: (day, amount) with today as day 0, the band as (day, low, high), and a limit."""

    past: Sequence[tuple[float, float]]
    expected: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]]
    limit: float
    full_on: int | None


def course(title: str, what: str, told: str, one: Course, said: Callable[[float], str], unit: float = 1.0) -> Drawing:
    """Draw a course: the past, what is expected, the band of 80 %, the limit, and the day on which it is full.

    Parameters
    ----------
    what
        What is upwards, with its unit.
    told
        What it says in words.
    said
        How an amount is written.
    unit
        In what marks are round.
    """
    drawing = Drawing(WIDTH, HEIGHT, title, told)
    days = [day for day, *_ in (*one.past, *one.expected)]
    amounts = [y for _, y in (*one.past, *one.expected)] + [y for _, *both in one.band for y in both] + [one.limit]
    across, up = (min(days), max(days), "days from now"), (min(0.0, *amounts), max(amounts), what)
    field = field_of(drawing, across, up, said, unit=unit)
    upper = [field.at(day, high) for day, _, high in one.band]
    lower = [field.at(day, low) for day, low, _ in one.band]
    if one.band:
        drawing.add(Area([*upper, *reversed(lower)], "soft"))
    drawing.add(Path([field.at(0, field.y0), field.at(0, field.y1)], "line", 1.5))
    drawing.add(Path([field.at(field.x0, one.limit), field.at(field.x1, one.limit)], "bad", 1.5, dashed=True))
    if one.past:
        drawing.add(Path([field.at(*p) for p in one.past], "fg", 1.5))
    if one.expected:
        drawing.add(Path([field.at(*p) for p in one.expected], "main", 2.5))
    if one.full_on is not None and field.x0 <= one.full_on <= field.x1:
        x, y = field.at(one.full_on, one.limit)
        drawing.add(Rect(x - 4, y - 4, 8, 8, "bad", f"full in {count(one.full_on, 'day')}"))
    _legend(
        drawing,
        (("fg", "past", False), ("main", "expected", False), ("soft", "band 80 %", False), ("bad", "full", True)),
    )
    return drawing


def _legend(drawing: Drawing, lines: Sequence[tuple[str, str, bool]]) -> None:
    """Name what is drawn, from the right of the top."""
    x = drawing.width
    shapes: list[Shape] = []
    for paint, name, dashed in reversed(lines):
        x -= text_width(name)
        shapes += [Label(x, 14, name), Path([(x - 26, 10), (x - 6, 10)], paint, 6 if paint == "soft" else 2.5, dashed)]
        x -= 44
    drawing.add(*shapes)
