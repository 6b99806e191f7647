"""A snapshot from `hosts.csv`, `vms.csv` and `groups.csv`: the document `remora-fleet/1`, checked like any other.

A column is named for the field that it fills: ``id``, ``capacity.memory_mib``, ``labels.cpu``. Plain names do for
resources (``memory_mib``) and levels (``rack``); a mapping gives a meaning to any other name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.csv_cells import CellError, read_cell, resolve
from optimizer.sources.csv_table import MAPPING, MAPPING_FORMAT, CsvTable, read_table
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_fields import FLEET_FORMAT, GROUP_RULE, HOST, VM
from optimizer.sources.fleet_json import check_format, fleet_from_document
from optimizer.sources.kinds import check, key_path, similar, time_text
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Record
from optimizer.sources.units import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from optimizer.sources.csv_table import Rows
    from optimizer.sources.settings import SourceSettings

__all__ = ["TABLES", "import_csv", "read_directory"]

TABLES = ("hosts.csv", "vms.csv", "groups.csv", "mapping.yaml")
"""What is read in a directory; the last two where they are there."""

Document = dict[str, Any]

GROUP_ROW = Record(
    "row of groups.csv",
    {
        "id": Field(VM.fields["id"].kind, "the group; it may have several rows, one for each of its rules"),
        **{name: entry for case in GROUP_RULE.cases.values() for name, entry in case.fields.items()},
    },
)
_PLACE = re.compile(r"(hosts|vms|groups)\[(\d+)\](?:\.rules\[(\d+)\])?\.?([^\[]*)")


@dataclass(slots=True)
class _Rows:
    """For each entry of the document, the row that it came from; a group's rules have rows of their own."""

    table: CsvTable
    row: dict[tuple[int, int], int] = field(default_factory=dict)

    def place(self, entry: int, rule: int, at: str) -> str:
        row = self.row.get((entry, rule), self.row.get((entry, 0), entry))
        return self.table.place(row, at)


def read_directory(settings: SourceSettings) -> Document:
    """Read hosts.csv and vms.csv of a directory, and groups.csv and mapping.yaml where they are (a source)."""
    directory = Path(settings.where)
    if not directory.is_dir():
        raise InputError(settings.where, "", "no directory", "a directory with hosts.csv and vms.csv")
    hosts, vms, *more = (directory / table for table in TABLES)
    groups, mapping = (path if path.exists() else None for path in more)
    return import_csv(hosts, vms, groups, mapping, fleet_id=settings.fleet, taken_at=settings.taken_at)


def import_csv(
    hosts: Path | str | Rows,
    vms: Path | str | Rows,
    groups: Path | str | Rows | None = None,
    mapping: Path | str | None = None,
    *,
    fleet_id: str,
    taken_at: datetime,
) -> Document:
    """Return the snapshot that two or three CSV files describe.

    Parameters
    ----------
    hosts, vms, groups
        The files (gzip or xz by their ending), or tables that have been read already.
    mapping
        A YAML file (`remora-mapping/1`) that says what columns with other names mean.
    fleet_id, taken_at
        What CSV has no place for.

    Raises
    ------
    InputError
        With file, line and column.
    """
    asked = _read_mapping(mapping)
    host_table = _table(hosts, "hosts", HOST, "capacity", ("id",), asked)
    vm_table = _table(vms, "vms", VM, "demand", ("id", "host"), asked)
    group_table = None if groups is None else _table(groups, "groups", GROUP_ROW, "", ("id",), asked)
    _check_units(asked, str(mapping), [t for t in (host_table, vm_table, group_table) if t is not None])
    document: Document = {
        "format": FLEET_FORMAT,
        "fleet": fleet_id,
        "taken_at": time_text(taken_at),
        "resources": asked.get("resources") or _resources(host_table, vm_table),
        "levels": asked.get("levels") or ["host", *_keys("domains", host_table)],
        "hosts": [{"capacity": {}, **record} for record in _records(host_table, HOST)],
        "vms": [{"host": None, "demand": {}, **record} for record in _records(vm_table, VM)],
    }
    if "move_within" in asked:
        document["move_within"] = asked["move_within"]
    rows = {"hosts": _Rows(host_table), "vms": _Rows(vm_table)}
    if group_table is not None:
        rows["groups"] = _Rows(group_table)
        document["groups"] = _groups(group_table, rows["groups"])
    _check(document, rows)
    return document


def _read_mapping(path: Path | str | None) -> Document:
    if path is None:
        return {}
    where = str(path)
    mapping = load_yaml(read_bytes(path), where)
    check_plain(mapping, where)
    checked = check_format(mapping, MAPPING_FORMAT, where)
    check(MAPPING, checked, where)
    return checked


def _check_units(asked: Document, where: str, tables: list[CsvTable]) -> None:
    names = [column.name for table in tables for column in table.columns if column is not None]
    for name, unit in asked.get("units", {}).items():
        if name not in names:
            raise InputError(where, key_path("units", name), unit, "a column that is read", similar(name, names))


def _table(
    path: Path | str | Rows, name: str, record: Record, amounts: str, required: Iterable[str], asked: Document
) -> CsvTable:
    return read_table(
        path,
        mapped=asked.get(name, {}),
        units=asked.get("units", {}),
        field_of=lambda column: resolve(column, record, amounts, _names(asked, "resources"), asked.get("levels", ())),
        known=record.fields,
        required=required,
        delimiter=asked.get("delimiter", ","),
    )


def _names(asked: Document, what: str) -> tuple[str, ...]:
    return tuple(entry["name"] for entry in asked.get(what, ()))


def _keys(prefix: str, table: CsvTable) -> list[str]:
    fields = (column.field for column in table.columns if column is not None)
    return [name.partition(".")[2] for name in fields if name.startswith(f"{prefix}.")]


def _resources(hosts: CsvTable, vms: CsvTable) -> list[Document]:
    """Every resource that a column speaks of; what is measured in bytes has to travel unless a mapping denies it."""
    names = dict.fromkeys([*_keys("capacity", hosts), *_keys("demand", vms)])
    return [{"name": name, "copied": (family_of(name) or ("",))[0] == "bytes"} for name in names]


def _records(table: CsvTable, record: Record) -> list[Document]:
    return [_record(cells, table, row, record) for row, (_, cells) in enumerate(table.records())]


def _record(cells: Iterable[tuple[Any, str]], table: CsvTable, row: int, record: Record) -> Document:
    found: Document = {}
    for column, cell in cells:
        name, _, key = column.field.partition(".")
        try:
            value = read_cell(cell, record, column.field, column.unit)
        except CellError as error:
            raise InputError(table.where, table.place(row, column.field), cell, str(error)) from error
        if key:
            found.setdefault(name, {})[key] = value
        else:
            found[name] = value
    return found


def _groups(table: CsvTable, rows: _Rows) -> list[Document]:
    """Return a group for each id, with a rule for each row that names one."""
    rules: dict[str, list[Document]] = {}
    number: dict[str, int] = {}
    for row, record in enumerate(_records(table, GROUP_ROW)):
        name = record.pop("id", "")
        mine = rules.setdefault(name, [])
        g = number.setdefault(name, len(number))
        rows.row.setdefault((g, len(mine)), row)
        if record:
            mine.append(record)
    return [{"id": name, "rules": mine} for name, mine in rules.items()]


def _check(document: Document, rows: Mapping[str, _Rows]) -> None:
    """Judge the document, and say what is wrong in terms of the files that the user has."""
    try:
        fleet_from_document(document, rows["hosts"].table.where)
    except InputError as error:
        match = _PLACE.match(error.path)
        if match is None:
            raise
        source = rows[match[1]]
        place = source.place(int(match[2]), int(match[3] or 0), match[4])
        raise InputError(source.table.where, place, error.value, error.expected, error.hint) from error
