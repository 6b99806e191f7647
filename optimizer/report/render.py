"""Pages as text: aligned columns in the width there is, with colours on a terminal.

Cells were made harmless when the page was written, and they reach rich as `Text`, which reads no markup.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, TextIO

from optimizer.report.layout import HEADER, table_lines, wrapped
from optimizer.report.page import Heading, Line, Page, Table, Tone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["plain_lines", "write_page"]

TERMINAL_ROWS = 200
"""A longer table is cut on a terminal, with a line that says so; never in a file or a pipe."""

USUAL, NARROWEST = 80, 40

STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.QUIET: "dim"}


def write_page(page: Page, out: TextIO, *, terminal: bool, width: int | None = None, rows: int | None = None) -> None:
    """Write a page to `out`, in `width` columns: those of the terminal (or of COLUMNS), 80 where there is none.

    Parameters
    ----------
    rows
        How many of a table are written at most, with a line that says how many more there are; None: all.
    """
    page = page if rows is None else page.shortened(rows)
    width = max(NARROWEST, width or shutil.get_terminal_size((USUAL, 24)).columns)
    if terminal:
        _write_rich(page, out, width)
        return
    for line in plain_lines(page, width):
        out.write(line + "\n")


def plain_lines(page: Page, width: int | None = None) -> Iterator[str]:
    """Yield a page line by line, without colours, trailing blanks or cut cells; as wide as it comes without a width."""
    for number, block in enumerate(page.blocks):
        if isinstance(block, Table):
            yield from (row.line for row in table_lines(block, width))
            continue
        if isinstance(block, Heading) and number:
            yield ""
        yield from wrapped(block.text, width)


def _write_rich(page: Page, out: TextIO, width: int) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, emoji=False, markup=False, width=width)

    def show(text: str, style: str) -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    for number, block in enumerate(page.blocks):
        if isinstance(block, Heading):
            show(("\n" if number else "") + "\n".join(wrapped(block.text, width)), "bold cyan")
        elif isinstance(block, Line):
            show("\n".join(wrapped(block.text, width)), STYLES[block.tone])
        else:
            _show_table(block, width, show)


def _show_table(table: Table, width: int, show: Callable[[str, str], None]) -> None:
    for row, line in table_lines(table, width):
        if row < TERMINAL_ROWS:
            show(line, "bold" if row == HEADER else STYLES[table.tones[row]])
    if len(table.rows) > TERMINAL_ROWS:
        show(f"… and {len(table.rows) - TERMINAL_ROWS:,} more rows; a pipe shows all", "dim")
