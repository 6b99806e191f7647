"""What the name of a CSV column means, and what stands in one cell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.sources.fleet_fields import AMOUNTS
from optimizer.sources.kinds import Scalar
from optimizer.sources.shapes import Listing, Maybe, Record, Table
from optimizer.sources.units import UnitError, family_of, parse_amount

if TYPE_CHECKING:
    from collections.abc import Collection

    from optimizer.sources.kinds import Kind

__all__ = ["USUAL_LEVELS", "CellError", "read_cell", "resolve"]

USUAL_LEVELS = ("rack", "row", "room", "zone", "site", "region")
"""Columns with these names are levels even if no mapping says so."""

BETWEEN = ";"
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class CellError(ValueError):
    """A cell that cannot be read; its text says what was expected."""


def resolve(name: str, record: Record, amounts: str, resources: Collection[str], levels: Collection[str]) -> str | None:
    """Return the field that a column's name means, None if it means none.

    Parameters
    ----------
    record
        The host, VM or row of a group that the table describes.
    amounts
        The field that a bare resource's name means: capacity or demand.
    resources, levels
        Those that a mapping names, beside the ones that are recognised.
    """
    head, dot, key = name.partition(".")
    if dot:
        return name if key and _kind(record, name) is not None else None
    if name.startswith("x_"):
        return name
    if name in record.fields:
        return name if _is_cell(record.fields[name].kind) else None
    if amounts and (name in resources or family_of(name) is not None):
        return f"{amounts}.{name}"
    return f"domains.{head}" if "domains" in record.fields and name in (*USUAL_LEVELS, *levels) else None


def read_cell(cell: str, record: Record, field: str, unit: str = "") -> Any:
    """Read a cell that is not empty as what its field holds.

    Raises
    ------
    CellError
        If it is not written as that; whether the value itself is allowed is judged with the whole document.
    """
    head, _, key = field.partition(".")
    if key and record.fields[head].kind is AMOUNTS:
        try:
            return parse_amount(cell, key, up=head != "capacity", unit=unit)
        except UnitError as error:
            raise CellError(str(error)) from error
    return _value(cell, _kind(record, field))


def _kind(record: Record, field: str) -> Kind | None:
    """Return what a field such as ``labels.cpu`` or ``noise.io`` holds, None if there is no such field."""
    head, _, key = field.partition(".")
    outer = record.fields[head].kind if head in record.fields else None
    if not key:
        return outer
    if isinstance(outer, Table):
        return outer.of
    if isinstance(outer, Record) and key in outer.fields:
        return outer.fields[key].kind
    return None


def _is_cell(kind: Kind) -> bool:
    """Say whether a single cell can hold it: a scalar, or a list of scalars."""
    inner = kind.of if isinstance(kind, Maybe | Listing) else kind
    return isinstance(inner, Scalar)


def _value(cell: str, kind: Kind | None) -> Any:
    if isinstance(kind, Listing):
        return [_value(part.strip(), kind.of) for part in cell.split(BETWEEN) if part.strip()]
    if isinstance(kind, Maybe):
        return _value(cell, kind.of)
    said = kind.schema().get("type") if kind is not None else None
    if said == "boolean":
        if cell.lower() not in _TRUTH:
            raise CellError("true or false")
        return _TRUTH[cell.lower()]
    return _number(cell, said) if said in ("integer", "number") else cell


def _number(cell: str, said: str) -> int | float:
    try:
        if len(cell) > 40 or "_" in cell:  # Python would read 1_000, and take its time over a million digits
            raise ValueError(cell)
        return int(cell) if said == "integer" else float(cell)
    except ValueError as error:
        raise CellError("an integer" if said == "integer" else "a number") from error
