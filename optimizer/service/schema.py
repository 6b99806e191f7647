"""`remora.yaml` as JSON Schema, made from the dataclasses by which the reader judges its sections."""

from __future__ import annotations

from typing import Any, get_type_hints

from pydantic import create_model

from optimizer.service.config import FIRST, AutomationPart, CyclePart, DriverPart, LedgerPart, PolicyPart
from optimizer.service.sections import PARTS
from optimizer.sources.config_yaml import FORMAT, SECTIONS
from optimizer.sources.empty_schema import WithLeast

__all__ = ["config_schema"]

Schema = dict[str, Any]
OWN: dict[str, type[Any]] = {
    **PARTS,
    "policy": PolicyPart,
    "ledger": LedgerPart,
    "driver": DriverPart,
    "cycle": CyclePart,
    "automation": AutomationPart,
}


def config_schema() -> Schema:
    """Return the JSON Schema of a configuration.

    What fields mean together (a token or a file of one, names that are given twice, an address that may be listened on)
    only the reader judges.
    """
    sections: dict[str, Any] = {name: (_kind(name), None) for name in SECTIONS}
    schema: Schema = create_model("Sections", **sections).model_json_schema(schema_generator=WithLeast)
    schema["properties"] = {"format": {"const": FORMAT, "description": "may be left out"}, **schema["properties"]}
    schema["additionalProperties"] = False
    _with_own_fields(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": FORMAT}


def _kind(section: str) -> Any:
    """Return what may stand as a section: nothing, its fields, and of some the first of them alone."""
    part = OWN[section]
    if section not in FIRST:
        return part | None
    return get_type_hints(part, include_extras=True)[FIRST[section]] | part | None


def _with_own_fields(schema: Any) -> None:
    """Allow fields that start with ``x_`` in every mapping: they are the operator's own, and never read."""
    if isinstance(schema, list):
        for one in schema:
            _with_own_fields(one)
    if isinstance(schema, dict):
        for one in list(schema.values()):
            _with_own_fields(one)
        if schema.get("type") == "object":
            schema["patternProperties"] = {"^x_": {}}
            if names := schema.get("propertyNames"):
                schema["propertyNames"] = {"anyOf": [{"pattern": "^x_"}, names]}
