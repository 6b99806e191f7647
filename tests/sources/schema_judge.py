"""A small judge of JSON Schema 2020-12: the words that Remora's schemas use, and an error for any other."""

from __future__ import annotations

import re
from typing import Any

from optimizer.sources.kinds import parse_time

__all__ = ["valid"]

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def valid(schema: Any, value: Any) -> bool:
    """Say whether a value is valid under a schema."""
    if isinstance(schema, bool):
        return schema
    return all(WORDS[word](schema, argument, value) for word, argument in schema.items())


def _type(schema: Any, name: str, value: Any) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _properties(schema: Any, named: dict[str, Any], value: Any) -> bool:
    return not isinstance(value, dict) or all(valid(s, value[name]) for name, s in named.items() if name in value)


def _patterned(schema: Any, patterns: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return all(valid(s, v) for p, s in patterns.items() for name, v in value.items() if re.search(p, name))


def _additional(schema: Any, rest: Any, value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    patterns = schema.get("patternProperties", {})
    others = [n for n in value if n not in schema.get("properties", {}) and not any(re.search(p, n) for p in patterns)]
    return all(valid(rest, value[name]) for name in others)


def _twins(value: list[Any]) -> bool:
    return any(a == b for i, a in enumerate(value) for b in value[:i])


WORDS: dict[str, Any] = {
    **dict.fromkeys(
        ("$schema", "$id", "title", "description", "default", "discriminator"), lambda schema, said, value: True
    ),
    "type": _type,
    "const": lambda schema, said, value: value == said,
    "enum": lambda schema, said, value: value in said,
    "minimum": lambda schema, said, value: not _number(value) or value >= said,
    "maximum": lambda schema, said, value: not _number(value) or value <= said,
    "minLength": lambda schema, said, value: not isinstance(value, str) or len(value) >= said,
    "maxLength": lambda schema, said, value: not isinstance(value, str) or len(value) <= said,
    "pattern": lambda schema, said, value: not isinstance(value, str) or re.search(said, value, re.ASCII) is not None,
    "format": lambda schema, said, value: not isinstance(value, str) or parse_time(value) is not None,
    "minItems": lambda schema, said, value: not isinstance(value, list) or len(value) >= said,
    "maxItems": lambda schema, said, value: not isinstance(value, list) or len(value) <= said,
    "uniqueItems": lambda schema, said, value: not isinstance(value, list) or not said or not _twins(value),
    "items": lambda schema, said, value: not isinstance(value, list) or all(valid(said, v) for v in value),
    "prefixItems": lambda schema, said, value: not isinstance(value, list) or all(map(valid, said, value)),
    "minProperties": lambda schema, said, value: not isinstance(value, dict) or len(value) >= said,
    "exclusiveMinimum": lambda schema, said, value: not _number(value) or value > said,
    "exclusiveMaximum": lambda schema, said, value: not _number(value) or value < said,
    "properties": _properties,
    "patternProperties": _patterned,
    "additionalProperties": _additional,
    "propertyNames": lambda schema, said, value: not isinstance(value, dict) or all(valid(said, n) for n in value),
    "required": lambda schema, said, value: not isinstance(value, dict) or all(name in value for name in said),
    "anyOf": lambda schema, said, value: any(valid(s, value) for s in said),
    "oneOf": lambda schema, said, value: sum(valid(s, value) for s in said) == 1,
}
