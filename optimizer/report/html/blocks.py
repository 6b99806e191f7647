"""A page as HTML: what the terminal shows, in sections; what is long scrolls in place, and is whole on paper."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from optimizer.report.html.escape import text
from optimizer.report.html.section import Section
from optimizer.report.page import Heading, Line, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.report.page import Block, Page

__all__ = ["blocks", "sections"]

LONG_LIST, LONG_TABLE = 12, 25
"""From this number of lines in a row, or of rows of a table, on, they scroll in a region of their own."""

LONG_TEXT = 30
"""Characters from which on a text may be wrapped."""


def sections(page: Page, first: str, within: str = "") -> Iterator[Section]:
    """Yield a page as sections, one for each of its headings; what stands before the first is called `first`.

    Parameters
    ----------
    within
        What names of regions below headings begin with: they have to differ in a file.
    """
    title = first
    found: list[Block] = []
    for block in page.blocks:
        if isinstance(block, Heading):
            if found:
                yield Section(title, _all(found, title if title == first else within + title))
            title, found = block.text, []
        else:
            found.append(block)
    yield Section(title, _all(found, title if title == first else within + title))


def blocks(page: Page, name: str) -> list[str]:
    """Return a page as the content of one section; its headings are of the third order."""
    out: list[str] = []
    for section in sections(page, name, within=f"{name}: "):
        out += [f"<h3>{text(section.title)}</h3>"] * (section.title != name)
        out += section.parts
    return out


def _all(found: Sequence[Block], name: str) -> list[str]:
    out: list[str] = []
    for is_line, group in groupby(found, lambda block: isinstance(block, Line)):
        lines = list(group)
        out += _lines(lines, name) if is_line else [part for table in lines for part in _table(table, name)]
    return out


def _lines(lines: Sequence[Block], name: str) -> Iterator[str]:
    said = [f'<p class="{line.tone.value}">{text(line.text)}</p>' for line in lines if isinstance(line, Line)]
    yield from said if len(said) < LONG_LIST else (_region(name, "lines"), *said, "</div>")


def _region(name: str, kind: str) -> str:
    return f'<div class="scroll {kind}" role="region" tabindex="0" aria-label="{text(name)}, {kind}">'


def _table(table: Block, name: str) -> Iterator[str]:
    if not isinstance(table, Table):
        return
    yield _region(name, "long table" if len(table.rows) > LONG_TABLE else "table")
    yield f"<table><caption>{text(name)}</caption><thead><tr>"
    kinds = [_kind(header, [row[n] for row in table.rows]) for n, header in enumerate(table.headers)]
    for header, kind in zip(table.headers, kinds, strict=True):
        yield f'<th scope="col"{kind}>{text(header.lstrip("?>~") or "kind")}</th>'
    yield "</tr></thead><tbody>"
    for row, tone, below in zip(table.rows, table.tones, table.below, strict=True):
        cells = "".join(f"<td{kind}>{text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        yield f'<tr class="{tone.value}">{cells}</tr>'
        yield from _notes(below, len(table.headers))
    yield "</tbody></table></div>"


def _kind(header: str, cells: Iterable[str]) -> str:
    """Return the class of a column: numbers, long text, which may be wrapped, or names, which are not."""
    marks = header[: len(header) - len(header.lstrip("?>~"))]
    is_text = "~" in marks and max(map(len, cells), default=0) > LONG_TEXT
    return ' class="n"' if ">" in marks else ' class="t"' if is_text else ""


def _notes(notes: Iterable[str], columns: int) -> Iterator[str]:
    for note in notes:
        yield f'<tr class="note"><td colspan="{columns}">{text(note)}</td></tr>'
