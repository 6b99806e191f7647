"""The JSON Schema of a policy says which lists and mappings need an entry: those that `empty` refuses without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from optimizer.problem.names import without_least

if TYPE_CHECKING:
    from pydantic_core import core_schema

__all__ = ["WithLeast"]

Schema = dict[str, Any]


class WithLeast(GenerateJsonSchema):
    """Asks each list and mapping for an entry, but where it is empty when left out, or its type has `MAY_BE_EMPTY`."""

    def list_schema(self, schema: core_schema.ListSchema) -> Schema:
        """Ask a list for an entry."""
        return _with_least(super().list_schema(schema), "minItems", schema.get("items_schema"))

    def tuple_schema(self, schema: core_schema.TupleSchema) -> Schema:
        """Ask a tuple for an entry, which one of a certain length has anyway."""
        return _with_least(super().tuple_schema(schema), "minItems", *schema["items_schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        """Ask a mapping for an entry."""
        return _with_least(super().dict_schema(schema), "minProperties", schema.get("values_schema"))

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """Ask nothing of what is empty when it is left out."""
        made: Any = schema.get("default_factory")
        default = made() if made is not None and not schema.get("default_factory_takes_data") else schema.get("default")
        json = super().default_schema(schema)
        return without_least(json) if isinstance(default, list | tuple | dict) and not default else json


def _with_least(json: Schema, word: str, *inner: Any) -> Schema:
    """Ask for one entry at least; nothing is asked of what may hold anything."""
    return json if any(one is None or one["type"] == "any" for one in inner) else {word: 1, **json}
