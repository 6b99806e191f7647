"""Kinds that hold other values: objects with named fields, maps, lists, and what may be null."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from optimizer.errors import MISSING
from optimizer.sources.kinds import Fault, Kind, key_path, similar, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Anything", "Field", "Listing", "Maybe", "Record", "Table", "Tagged"]

CHUNK = 1000
"""That many entries of a list are judged at once while the culprit is looked for."""

NOT_SAID: Any = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a record: its kind, whether it has to be there, what it is if absent, and what it says."""

    kind: Kind
    doc: str
    default: Any = NOT_SAID

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is NOT_SAID


def _present(column: Sequence[Any], name: str) -> list[Any]:
    try:
        return list(map(itemgetter(name), column))  # most often all have it, and this is twice as fast
    except KeyError:
        return [record[name] for record in column if name in record]


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these fields and no others, but for those that start with ``x_``."""

    name: str
    fields: Mapping[str, Field]

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        if not set(map(type, column)) <= {dict}:
            return False
        names = set().union(*column)
        if not all(type(name) is str and (name in self.fields or name.startswith("x_")) for name in names):
            return False
        for name, entry in self.fields.items():
            if name in names:
                values = _present(column, name)
                if (entry.required and len(values) < len(column)) or not entry.kind.fits(values):
                    return False
            elif entry.required and column:
                return False
        return True

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return the first thing that is wrong with one value."""
        if type(value) is not dict:
            return Fault(path, value, f"an object ({self.name})")
        for name in value:
            if not isinstance(name, str) or not (name in self.fields or name.startswith("x_")):
                return self._unknown(name, value, path)
        for name, entry in self.fields.items():
            if name in value:
                fault = entry.kind.blame(value[name], key_path(path, name))
                if fault is not None:
                    return self._with_null_hint(fault, value[name], entry)
            elif entry.required:
                return Fault(key_path(path, name), MISSING, entry.doc, f"the field {name} is missing")
        return None

    def _unknown(self, name: Any, value: Mapping[Any, Any], path: str) -> Fault:
        left = [known for known in self.fields if known not in value]
        hint = similar(name, left) or similar(name, self.fields) or "own fields start with x_"
        expected = f"a known field of a {self.name}" if len(self.fields) > 12 else "one of " + ", ".join(self.fields)
        return Fault(key_path(path, name), value[name], expected, hint)

    @staticmethod
    def _with_null_hint(fault: Fault, value: object, entry: Field) -> Fault:
        if value is None and not entry.required:
            return fault._replace(hint="leave the field out instead of null")
        return fault

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        properties = {}
        for name, entry in self.fields.items():
            properties[name] = {**entry.kind.schema(), "description": entry.doc}
            if not entry.required and entry.default is not None:
                properties[name]["default"] = entry.default
        return {
            "type": "object",
            "properties": properties,
            "required": [name for name, entry in self.fields.items() if entry.required],
            "patternProperties": {"^x_": True},
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose field `tag` says which record it is."""

    tag: str
    cases: Mapping[str, Record]

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        parts: dict[str, list[Any]] = {name: [] for name in self.cases}
        for value in column:
            name = value.get(self.tag) if type(value) is dict else None
            if not isinstance(name, str) or name not in parts:
                return False
            parts[name].append(value)
        return all(record.fits(parts[name]) for name, record in self.cases.items())

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return the first thing that is wrong with one value."""
        if type(value) is not dict:
            return Fault(path, value, "an object")
        name = value.get(self.tag)
        if not isinstance(name, str) or name not in self.cases:
            name = name if self.tag in value else MISSING
            hint = similar(name, self.cases) or ("" if self.tag in value else f"the field {self.tag} is missing")
            return Fault(key_path(path, self.tag), name, "one of " + ", ".join(self.cases), hint)
        return self.cases[name].blame(value, path)

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        return {"oneOf": [record.schema() for record in self.cases.values()]}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; `unique` (of strings) if nothing may stand in it twice."""

    of: Kind
    least: int = 0
    most: int | None = None
    unique: bool = False

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        if not set(map(type, column)) <= {list}:
            return False
        if any(len(v) < self.least or (self.most is not None and len(v) > self.most) for v in column):
            return False
        if not self.of.fits(list(chain.from_iterable(column))):
            return False
        return not self.unique or all(len(set(v)) == len(v) for v in column)

    def _size(self) -> str:
        if self.most is None:
            return f"at least {self.least} {'entry' if self.least == 1 else 'entries'}"
        return f"{self.least} entries" if self.least == self.most else f"{self.least} to {self.most} entries"

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return the first thing that is wrong with one value."""
        if type(value) is not list:
            return Fault(path, value, "a list")
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            return Fault(path, value, self._size())
        for start in range(0, len(value), CHUNK):
            if self.of.fits(value[start : start + CHUNK]):
                continue
            for i, entry in enumerate(value[start : start + CHUNK], start):
                fault = self.of.blame(entry, f"{path}[{i}]")
                if fault is not None:
                    return fault
        return self._blame_twins(value, path) if self.unique else None

    @staticmethod
    def _blame_twins(value: list[Any], path: str) -> Fault | None:
        seen: dict[Any, int] = {}
        for i, entry in enumerate(value):
            if seen.setdefault(entry, i) != i:
                return Fault(f"{path}[{i}]", entry, "each entry once", f"it stands at {path}[{seen[entry]}] too")
        return None

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        found: dict[str, Any] = {"type": "array", "items": self.of.schema()}
        if self.least:
            found["minItems"] = self.least
        if self.most is not None:
            found["maxItems"] = self.most
        return {**found, "uniqueItems": True} if self.unique else found


@dataclass(frozen=True, slots=True)
class Table:
    """An object whose keys are data: resources, levels, labels."""

    of: Kind
    keys: Kind = field(default_factory=lambda: text(what="a key"))

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        if not set(map(type, column)) <= {dict}:
            return False
        if not self.keys.fits(list(set().union(*column))):
            return False
        return self.of.fits(list(chain.from_iterable(v.values() for v in column)))

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return the first thing that is wrong with one value."""
        if type(value) is not dict:
            return Fault(path, value, "an object")
        for key, entry in value.items():
            fault = self.keys.blame(key, key_path(path, key)) or self.of.blame(entry, key_path(path, key))
            if fault is not None:
                return fault
        return None

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        return {"type": "object", "propertyNames": self.keys.schema(), "additionalProperties": self.of.schema()}


@dataclass(frozen=True, slots=True)
class Maybe:
    """Null, or of a kind."""

    of: Kind

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        return self.of.fits([v for v in column if v is not None])

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return the first thing that is wrong with one value."""
        fault = None if value is None else self.of.blame(value, path)
        return fault and fault._replace(expected=f"{fault.expected}, or null" if fault.path == path else fault.expected)

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        return {"anyOf": [self.of.schema(), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON object: carried along unread."""

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        return set(map(type, column)) <= {dict}

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return the first thing that is wrong with one value."""
        return None if self.fits([value]) else Fault(path, value, "an object")

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        return {"type": "object"}
