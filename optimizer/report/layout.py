"""Tables and lines in a width: text is wrapped between words, ids and numbers never; what is too wide is stacked."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from optimizer.report.page import Table

__all__ = ["HEADER", "Row", "table_lines", "wrapped"]

INDENT, GAP, DEEPER = 2, 2, 4
NARROWEST_TEXT, WANTED_TEXT = 30, 44
"""A column of text with less room than the first stands below its row; for the second, spare columns are left out."""

HEADER = -1


class Row(NamedTuple):
    """A printed line of a table, and the number of the row that it belongs to, or `HEADER`."""

    row: int
    line: str


class _Column(NamedTuple):
    number: int
    title: str
    right: bool
    text: bool
    spare: bool
    width: int


def wrapped(text: str, width: int | None, deeper: int = INDENT) -> list[str]:
    """Return a text as lines of at most `width`, later ones indented; a longer word stands alone, unbroken."""
    if width is None or len(text) <= width:
        return [text]
    margin = len(text) - len(text.lstrip(" "))
    lines = textwrap.wrap(
        text.strip(" "),
        max(1, width),
        initial_indent=" " * margin,
        subsequent_indent=" " * (margin + deeper),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [""]


def table_lines(table: Table, width: int | None) -> Iterator[Row]:
    """Yield the lines of a table.

    Where the columns do not fit side by side, one column of text is wrapped in the room that is left for it; where
    that is little, texts stand below their rows; where what is left is still too wide, the last columns go to a second
    line of each row.
    """
    columns = _kept([_column(table, c) for c in range(len(table.headers))], width)
    if width is None or _span(columns) <= width:
        yield from _lay_out(table, [columns], [], width)
        return
    texts, room = [column for column in columns if column.text], _room(columns, width)
    if room >= NARROWEST_TEXT:
        fitted = [column._replace(width=room) if column.text else column for column in columns]
        yield from _lay_out(table, [fitted], [], width)
        return
    yield from _lay_out(table, _stacked([c for c in columns if not c.text], width), texts, width)


def _kept(columns: list[_Column], width: int | None) -> list[_Column]:
    """Leave out what can be, from the right, until the rest fits, or its text has room enough.

    Where texts will stand below their rows all the same, only the rest has to fit.
    """
    if width is None:
        return columns
    kept = _without_spare(columns, lambda left: _span(left) <= width or _room(left, width) >= WANTED_TEXT)
    if _span(kept) <= width or _room(kept, width) >= NARROWEST_TEXT:
        return kept
    return _without_spare(columns, lambda left: _span([c for c in left if not c.text]) <= width)


def _without_spare(columns: list[_Column], fits: Callable[[list[_Column]], bool]) -> list[_Column]:
    """Leave out spare columns, from the right, until the rest fits."""
    for column in reversed(columns):
        if fits(columns):
            break
        if column.spare:
            columns = [c for c in columns if c is not column]
    return columns


def _room(columns: Sequence[_Column], width: int) -> int:
    """Return how wide the one column of text may be beside all others; 0 where there is none, or several."""
    texts = [column for column in columns if column.text]
    return width - _span(columns) + texts[0].width if len(texts) == 1 else 0


def _column(table: Table, number: int) -> _Column:
    header = table.headers[number]
    title = header.lstrip(">~?")
    width = max([len(title), *(len(row[number]) for row in table.rows)])
    marks = header[: len(header) - len(title)]
    return _Column(number, title, ">" in marks, "~" in marks, "?" in marks, width)


def _span(columns: Sequence[_Column]) -> int:
    return INDENT + sum(c.width for c in columns) + GAP * max(0, len(columns) - 1)


def _stacked(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Part the columns into lines, in their order, each as long as fits."""
    lines: list[list[_Column]] = [[]]
    for column in columns:
        margin = DEEPER - INDENT if len(lines) > 1 else 0
        if lines[-1] and _span([*lines[-1], column]) + margin > width:
            lines.append([])
        lines[-1].append(column)
    return lines


def _lay_out(
    table: Table, lines: Sequence[Sequence[_Column]], below: Sequence[_Column], width: int | None
) -> Iterator[Row]:
    for depth, line in enumerate(lines):
        if any(column.title for column in line):
            yield Row(HEADER, _margin(depth) + _joined([(c, c.title) for c in line]))
    notes = [*table.below, *[()] * (len(table.rows) - len(table.below)), None]
    for r, (row, (note, next_note)) in enumerate(zip(table.rows, pairwise(notes), strict=True)):
        for depth, line in enumerate(lines):
            yield from (Row(r, _margin(depth) + text) for text in _row_lines([(c, row[c.number]) for c in line]))
        texts = [f"{c.title}: {row[c.number]}" for c in below if row[c.number] not in ("", "-")]
        if note and note != next_note:
            texts += note
        for text in texts:
            yield from (Row(r, printed) for printed in wrapped(" " * DEEPER + text, width))


def _margin(depth: int) -> str:
    return " " * (DEEPER if depth else INDENT)


def _row_lines(cells: Sequence[tuple[_Column, str]]) -> Iterator[str]:
    """Yield one row's lines: more than one where a text is wrapped in its column."""
    parts = [wrapped(cell, column.width, 0) if column.text else [cell] for column, cell in cells]
    for number in range(max(map(len, parts))):
        line = [
            (column, part[number] if number < len(part) else "") for (column, _), part in zip(cells, parts, strict=True)
        ]
        yield _joined(line)


def _joined(cells: Sequence[tuple[_Column, str]]) -> str:
    parts = [text.rjust(column.width) if column.right else text.ljust(column.width) for column, text in cells]
    return (" " * GAP).join(parts).rstrip()
