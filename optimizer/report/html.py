"""A page as HTML: what the terminal shows, with every name from a file escaped.

By the standard library's `html.escape`, and no template engine: a report has to come with the bare program, which does
not install one, and every text goes through two functions here, `text` and `data`, and through nothing else.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from optimizer.report.page import Heading, Line, Table
from optimizer.report.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.report.page import Page

__all__ = ["blocks", "data", "text"]


def text(value: object) -> str:
    """Return a value as text of a document or of an attribute in quotes: no markup of its own, one line, printable."""
    return escape(clean(value), quote=True)


def data(value: Any) -> str:
    """Return a value as JSON that may stand in a script element: it cannot end it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")


def blocks(page: Page, first: str) -> Iterator[str]:
    """Yield a page's blocks; each heading begins a section, and tables are named by it.

    Parameters
    ----------
    first
        The heading of what stands before the first.
    """
    heading = first
    for block in page.blocks:
        match block:
            case Heading():
                heading = block.text
                yield f"<h2>{text(heading)}</h2>"
            case Line():
                yield f'<p class="{block.tone.value}">{text(block.text)}</p>'
            case Table():
                yield from _table(block, heading if heading == first else f"{first}: {heading}")


def _table(table: Table, name: str) -> Iterator[str]:
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{text(name)}"><table><caption>{text(name)}'
    yield "</caption><thead><tr>"
    right = [header.lstrip("?~").startswith(">") for header in table.headers]
    for header, number in zip(table.headers, right, strict=True):
        title = header.lstrip("?>~") or "kind"
        yield f'<th scope="col"{_number(number)}>{text(title)}</th>'
    yield "</tr></thead><tbody>"
    for row, tone, below in zip(table.rows, table.tones, table.below, strict=True):
        cells = "".join(f"<td{_number(n)}>{text(cell)}</td>" for cell, n in zip(row, right, strict=True))
        yield f'<tr class="{tone.value}">{cells}</tr>'
        yield from _notes(below, len(table.headers))
    yield "</tbody></table></div>"


def _number(number: bool) -> str:
    return ' class="n"' if number else ""


def _notes(notes: Iterable[str], columns: int) -> Iterator[str]:
    for note in notes:
        yield f'<tr class="note"><td colspan="{columns}">{text(note)}</td></tr>'
