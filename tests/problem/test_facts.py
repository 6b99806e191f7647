"""Every field of the published schema is classed, and every fact that binds does so in a policy of capacity alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.problem.facts import FACTS, FIELDS, Meaning
from optimizer.sources.fleet_fields import FLEET, FLEET_FORMAT
from optimizer.sources.schema import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of a JSON Schema's leaves; an object without named properties is a table, and a leaf."""
    for one in schema.get("oneOf") or schema.get("anyOf") or [schema]:
        if one.get("properties"):
            for name, inner in one["properties"].items():
                yield from fields(inner, f"{path}.{name}" if path else name)
        elif one.get("type") == "array":
            yield from fields(one["items"], f"{path}[]")
        elif one.get("type") != "null":
            yield path


def test_every_field_of_the_schema_is_classed_and_none_else() -> None:
    assert sorted(set(fields(schema_of(FLEET, FLEET_FORMAT)))) == sorted(FIELDS)


def test_a_new_field_would_be_noticed() -> None:
    schema = FLEET.schema()
    schema["properties"]["hosts"]["items"]["properties"]["quarantined"] = {"type": "boolean"}
    assert set(fields(schema)) - set(FIELDS) == {"hosts[].quarantined"}


def test_every_binding_field_names_its_fact_and_every_fact_has_a_field() -> None:
    named = {entry.fact for entry in FIELDS.values() if entry.meaning is Meaning.BINDS}
    assert named | {"host_down"} == set(FACTS)  # the state of a host is two facts: who comes, and who leaves
    assert not {entry.fact for entry in FIELDS.values() if entry.meaning is not Meaning.BINDS} - {""}
