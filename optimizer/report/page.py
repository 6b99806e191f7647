"""A page: what a command has to say, before anybody decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from optimizer.report.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Block", "Heading", "Line", "Page", "Table", "Tone", "not_printed"]


class Tone(Enum):
    """What a line or a row means to its reader; colour on a terminal, nothing elsewhere."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of what follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(slots=True)
class Table:
    """Rows under headers.

    A header that starts with ``>`` heads a column of numbers, aligned to the right; one that starts with ``~`` heads
    text, which may be wrapped or stand below its row. Nothing else is ever broken. One that starts
    with ``?`` heads what can be left out where there is no room: it stands elsewhere too. Notes stand `below` a row;
    where neighbours have the same notes, they are printed once, below the last.
    """

    headers: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    tones: list[Tone] = field(default_factory=list)
    below: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object, tone: Tone = Tone.PLAIN, below: Iterable[str] = ()) -> None:
        """Add a row; the cells are made harmless here."""
        self.rows.append(tuple(clean(c) for c in cells))
        self.tones.append(tone)
        self.below.append(tuple(clean(text) for text in below))


Block = Heading | Line | Table


@dataclass(slots=True)
class Page:
    """Blocks from top to bottom."""

    blocks: list[Block] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Start a section."""
        self.blocks.append(Heading(clean(text)))

    def line(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Add a line."""
        self.blocks.append(Line(clean(text), tone))

    def table(self, table: Table, *, empty: str = "") -> None:
        """Add a table; where it has no row, the line `empty` instead (or nothing)."""
        if table.rows:
            self.blocks.append(table)
        elif empty:
            self.line(empty, Tone.QUIET)

    def extend(self, other: Page) -> None:
        """Add all of another page."""
        self.blocks.extend(other.blocks)

    def shortened(self, rows: int) -> Page:
        """Return the page with no table longer than that many rows, and a line below each that was."""
        short = Page()
        for block in self.blocks:
            if isinstance(block, Table) and len(block.rows) > rows:
                short.table(Table(block.headers, block.rows[:rows], block.tones[:rows], block.below[:rows]))
                short.line(not_printed(len(block.rows) - rows), Tone.WARN)
            else:
                short.blocks.append(block)
        return short


def not_printed(rows: int) -> str:
    """Say of how many rows there is no time to print them."""
    return f"... and {rows:,} more, not printed for lack of time; `-o` and `--json` have all"
