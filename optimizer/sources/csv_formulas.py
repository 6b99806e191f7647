"""Cells of CSV that a spreadsheet would take for a formula: written with an apostrophe in front, read without it."""

from __future__ import annotations

import re

__all__ = ["defused", "restored"]

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""What spreadsheets take for the beginning of a formula (OWASP, CSV injection), behind any number of apostrophes."""


def defused(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restored(cell: str) -> str:
    """Return the cell of which `defused` made this one; any other as it is."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
