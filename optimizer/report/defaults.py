"""The table of defaults of a format: what holds where an optional field is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table

if TYPE_CHECKING:
    from optimizer.sources.schema import DefaultRow

__all__ = ["defaults_page"]


def defaults_page(rows: tuple[DefaultRow, ...]) -> Page:
    """Lay out a table of defaults."""
    page = Page()
    table = Table(("field", "default", "~meaning"))
    for row in rows:
        table.add(row.field, row.default, row.meaning)
    page.table(table)
    return page
