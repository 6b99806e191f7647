"""Pages as text: colours and boxes on a terminal, plain aligned columns anywhere else.

Cells were made harmless when the page was written, and they reach rich as `Text`, which reads no markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from optimizer.report.page import Heading, Line, Page, Table, Tone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

__all__ = ["plain_lines", "write_page"]

TERMINAL_ROWS = 200
"""A longer table is cut on a terminal, with a line that says so; never in a file or a pipe."""

STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.QUIET: "dim"}


def write_page(page: Page, out: TextIO, *, terminal: bool) -> None:
    """Write a page to `out`."""
    if terminal:
        _write_rich(page, out)
        return
    for line in plain_lines(page):
        out.write(line + "\n")


def plain_lines(page: Page) -> Iterator[str]:
    """Yield a page line by line, without colours, trailing blanks or cut cells."""
    for number, block in enumerate(page.blocks):
        if isinstance(block, Table):
            yield from _plain_table(block)
            continue
        if isinstance(block, Heading) and number:
            yield ""
        yield block.text


def _plain_table(table: Table) -> Iterator[str]:
    headers = tuple(h.lstrip(">") for h in table.headers)
    widths = [max(map(len, column)) for column in zip(headers, *table.rows, strict=True)]
    for row in (headers, *table.rows):
        cells = [
            cell.rjust(width) if header.startswith(">") else cell.ljust(width)
            for cell, width, header in zip(row, widths, table.headers, strict=True)
        ]
        yield "  " + "  ".join(cells).rstrip()


def _write_rich(page: Page, out: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, emoji=False, markup=False)
    for number, block in enumerate(page.blocks):
        if isinstance(block, Heading):
            console.print(Text(("\n" if number else "") + block.text, style="bold cyan"))
        elif isinstance(block, Line):
            console.print(Text(block.text, style=STYLES[block.tone]))
        else:
            _print_table(console, block)


def _print_table(console: Console, table: Table) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))  # narrow terminals need the room
    for header in table.headers:
        right = header.startswith(">")
        grid.add_column(Text(header.lstrip(">")), justify="right" if right else "left", overflow="fold")
    for row, tone in zip(table.rows[:TERMINAL_ROWS], table.tones, strict=False):
        grid.add_row(*(Text(cell) for cell in row), style=STYLES[tone])
    console.print(grid)
    if len(table.rows) > TERMINAL_ROWS:
        console.print(Text(f"… and {len(table.rows) - TERMINAL_ROWS:,} more rows; a pipe shows all", style="dim"))
