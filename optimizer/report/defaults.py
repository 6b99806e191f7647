"""The table of defaults of a format: what holds where an optional field is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table
from optimizer.sources.fleet_fields import FLEET
from optimizer.sources.plan_fields import PLAN
from optimizer.sources.schema import defaults_table

if TYPE_CHECKING:
    from optimizer.sources.schema import DefaultRow

__all__ = ["defaults_page", "describe_defaults"]

FORMATS = {"fleet": FLEET, "plan": PLAN}


def describe_defaults(document: str) -> tuple[DefaultRow, ...]:
    """Return the defaults of a format; none for a format without such a table."""
    record = FORMATS.get(document)
    return () if record is None else defaults_table(record)


def defaults_page(rows: tuple[DefaultRow, ...]) -> Page:
    """Lay out a table of defaults."""
    page = Page()
    table = Table(("field", "default", "~meaning"))
    for row in rows:
        table.add(row.field, row.default, row.meaning)
    page.table(table)
    return page
