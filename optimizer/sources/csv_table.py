"""One CSV file as rows of cells, each column with the field of the snapshot that it fills."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.sources.csv_formulas import restored
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_fields import FLEET, LEVEL
from optimizer.sources.kinds import exactly, shaped, similar, text
from optimizer.sources.shapes import Field, Listing, Maybe, Record, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["MAPPING", "MAPPING_FORMAT", "Column", "CsvTable", "Rows", "read_table"]

MAPPING_FORMAT = "remora-mapping/1"
_NAME = text(what="a column's name")
USUAL = ("cpu_millicores", "memory_mib", "disk_mib")
"""What resources are mostly called, with their unit."""

_MAPPING_HELPS = "a mapping can say what it means, or null to leave it out"
_COLUMNS = Table(Maybe(text(what="a field")), _NAME)

MAPPING = Record(
    "mapping",
    {
        "format": Field(exactly(MAPPING_FORMAT), "the format's tag"),
        "delimiter": Field(shaped(r"^[,;|\t]$", "one of , ; | and tab"), "what stands between cells", ","),
        "hosts": Field(_COLUMNS, "columns of hosts.csv: the field that each fills; null: not read", {}),
        "vms": Field(_COLUMNS, "the same for vms.csv", {}),
        "groups": Field(_COLUMNS, "the same for groups.csv", {}),
        "units": Field(
            Table(text(16, what="a unit"), _NAME), "columns whose cells have no unit: the unit they are in", {}
        ),
        "resources": Field(
            FLEET.fields["resources"].kind, "the resources, instead of those found in the columns", None
        ),
        "levels": Field(Listing(LEVEL, 1, unique=True), "the levels, instead of those found in the columns", None),
        "move_within": Field(LEVEL, "no move leaves its domain of this level", None),
    },
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name in the file, the field it fills (such as ``capacity.memory_mib``), and its cells' unit."""

    name: str
    field: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV file: its columns (None: not read), its rows of stripped cells, and the line on which each row ends."""

    where: str
    columns: tuple[Column | None, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    word: str = "line"

    def records(self) -> Iterator[tuple[int, list[tuple[Column, str]]]]:
        """Yield for each row its line and the cells that say something."""
        for line, row in zip(self.lines, self.rows, strict=True):
            yield line, [(c, cell) for c, cell in zip(self.columns, row, strict=True) if c is not None and cell]

    def place(self, row: int, field: str = "") -> str:
        """Return where a field of a row stands, as a message says it."""
        names = [c.name for c in self.columns if c is not None and c.field == field]
        line = f"{self.word} {self.lines[row]}" if row < len(self.lines) else "the end"
        return f"{line}, column {names[0]}" if names else line


@dataclass(frozen=True, slots=True)
class Rows:
    """A table that is no file: what it is called in messages, the names of its columns, and its cells as texts."""

    where: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def read_table(
    path: Path | str | Rows,
    mapped: Mapping[str, str | None],
    units: Mapping[str, str],
    field_of: Callable[[str], str | None],
    known: Collection[str],
    required: Iterable[str],
    delimiter: str = ",",
) -> CsvTable:
    """Read a CSV file (UTF-8, gzip or xz by its ending) whose first line names the columns.

    Parameters
    ----------
    mapped
        By column: the field it fills, or None if it is not to be read.
    units
        By column: the unit of cells that have none.
    field_of
        The field that a column's name or a mapping's target means, None if there is none.
    known
        Names of fields, for hints.
    required
        Fields that some column has to fill.

    Raises
    ------
    InputError
        With file, line and column.
    """
    if isinstance(path, Rows):
        where, header, rows = path.where, path.header, list(path.rows)
        lines, word = list(range(1, len(rows) + 1)), "row"
    else:
        where, word = str(path), "line"
        lines, rows = _parse(read_bytes(path), where, delimiter)
        if not rows:
            raise InputError(where, "line 1", "an empty file", "a line with the names of the columns")
        header = rows.pop(0)
        lines.pop(0)
    _check_mapped(mapped, header, where)
    columns = tuple(_column(name, mapped, units, field_of, known, where) for name in header)
    _check_columns(header, columns, required, where)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise InputError(where, f"line {line}", f"{len(row)} cells", f"{len(header)} cells, as the first line has")
    return CsvTable(where, columns, tuple(rows), tuple(lines), word)


def _parse(raw: bytes, where: str, delimiter: str) -> tuple[list[int], list[tuple[str, ...]]]:
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(where, f"line {line}", raw[error.start : error.start + 8], "UTF-8 text") from error
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    lines, rows = [], []
    try:
        for row in reader:
            if any(row):
                lines.append(reader.line_num)
                rows.append(tuple(restored(cell.strip()) for cell in row))
    except csv.Error as error:
        raise InputError(where, f"line {reader.line_num}", str(error), "CSV", "is a quote not closed?") from error
    return lines, rows


def _check_mapped(mapped: Mapping[str, str | None], header: tuple[str, ...], where: str) -> None:
    for name in mapped:
        if name not in header:
            raise InputError(where, "line 1", name, "a column that the mapping names", similar(name, header))


def _column(
    name: str,
    mapped: Mapping[str, str | None],
    units: Mapping[str, str],
    field_of: Callable[[str], str | None],
    known: Collection[str],
    where: str,
) -> Column | None:
    target = mapped.get(name, name)
    if target is None:
        return None
    field = field_of(target)
    if field is None:
        other = next((mark for mark in ";|\t" if mark in name), None)
        hint = (
            f"a mapping can set delimiter: {other!r}" if other else similar(target, [*known, *USUAL]) or _MAPPING_HELPS
        )
        raise InputError(where, f"line 1, column {name}", target, "a field of the snapshot", hint)
    return Column(name, field, units.get(name, ""))


def _check_columns(
    header: tuple[str, ...], columns: tuple[Column | None, ...], required: Iterable[str], where: str
) -> None:
    seen: dict[str, str] = {}
    for name, column in zip(header, columns, strict=True):
        if column is not None:
            if column.field in seen:
                other = seen[column.field]
                raise InputError(
                    where, f"line 1, column {name}", name, f"one column for {column.field}", f"{other} is one"
                )
            seen[column.field] = name
    for field in required:
        if field not in seen:
            hint = "a mapping can say which column it is"
            mark = next((m for m in ";\t|" if len(header) == 1 and m in header[0]), None)
            if mark is not None:
                hint = f"the cells seem to be separated by {mark!r}: a mapping says so, delimiter: {mark!r}"
            raise InputError(where, "line 1", ", ".join(header), f"a column {field}", hint)
