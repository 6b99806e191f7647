"""The formats as JSON Schema and the table of defaults, made from the same tables that the checkers read.

JSON Schema says what a document looks like; that its names refer to something (hosts, levels, groups) is said in
`docs/formats.md` and judged by the readers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from optimizer.sources.shapes import Listing, Maybe, Record, Table, Tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.sources.kinds import Kind

__all__ = ["DefaultRow", "defaults_table", "schema_of"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class DefaultRow(NamedTuple):
    """An optional field, what holds where it is absent (as JSON; ``not known`` where nothing does), and its meaning."""

    field: str
    default: str
    meaning: str


def defaults_table(record: Record) -> tuple[DefaultRow, ...]:
    """Return every optional field of a format with its default, in document order."""
    return tuple(_defaults(record, ""))


def schema_of(record: Record, tag: str) -> dict[str, Any]:
    """Return a document of this form, with its tag, as JSON Schema 2020-12."""
    return {"$schema": DIALECT, "$id": f"urn:remora:{tag.replace('/', ':')}", "title": tag, **record.schema()}


def _defaults(kind: Kind, path: str) -> Iterator[DefaultRow]:
    if isinstance(kind, Record):
        for name, entry in kind.fields.items():
            at = f"{path}.{name}" if path else name
            if not entry.required:
                yield DefaultRow(at, "not known" if entry.default is None else json.dumps(entry.default), entry.doc)
            yield from _defaults(entry.kind, at)
    elif isinstance(kind, Tagged):
        for name, case in kind.cases.items():
            yield from _defaults(case, f"{path}({name})")
    elif isinstance(kind, Listing):
        yield from _defaults(kind.of, f"{path}[]")
    elif isinstance(kind, Table):
        yield from _defaults(kind.of, f"{path}.*")
    elif isinstance(kind, Maybe):
        yield from _defaults(kind.of, path)
