"""An empty list or mapping in a policy or a configuration never selects nothing in silence."""

from __future__ import annotations

import dataclasses
from itertools import product
from typing import Any, get_type_hints

import pytest
import yaml

from constraints import CATALOGUE
from optimizer.errors import InputError
from optimizer.monitors.config import MonitorsPart
from optimizer.service.config import service_config
from optimizer.service.sections import PARTS, check_sections
from optimizer.sources.config_yaml import config_from_document
from optimizer.sources.empty import empties
from optimizer.sources.policy_yaml import policy_from_document, policy_schema
from tests import build
from tests.command_line import refused, write
from tests.sources.schema_judge import valid

PREFER: dict[str, Any] = {"rule": "prefer", "vms": ["a"], "hosts": ["h0"]}


def prefer(**said: Any) -> dict[str, Any]:
    """A policy whose rule prefer has one entry; what is said replaces what names its VMs or hosts."""
    entry = {k: v for k, v in PREFER.items() if k != "rule" and not any(k[:2] == name[:2] for name in said)}
    return {"rule": "prefer", "entries": [{**entry, **said}]}


def read(rule: dict[str, Any], **more: Any) -> None:
    policy_from_document({"format": "remora-policy/1", "rules": [rule], **more}, "p.yaml", CATALOGUE)


SELECTS_NOTHING: list[tuple[dict[str, Any], str]] = [
    (prefer(vm_labels={"t": []}), "entries[0].vm_labels.t"),
    (prefer(vm_labels={"t": "db", "u": []}), "entries[0].vm_labels.u"),
    (prefer(host_labels={"cpu": []}), "entries[0].host_labels.cpu"),
    ({"rule": "allowed", "pinned_labels": [{}]}, "pinned_labels[0]"),
    ({"rule": "allowed", "pinned_labels": [{"t": "db"}, {}]}, "pinned_labels[1]"),
    ({"rule": "allowed", "mobility": []}, "mobility"),
    ({"rule": "allowed", "states": []}, "states"),
    ({"rule": "maintenance", "domains": {"rack": []}}, "domains.rack"),
    ({"rule": "capacity", "resources": []}, "resources"),
    ({"rule": "headroom", "resource": "cpu", "by_label": [{"labels": {}, "alert": 0.9, "safe": 0.8}]},
     "by_label[0].labels"),
]  # fmt: skip

MAY_BE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"rule": "allowed", "pinned": [], "pinned_labels": []}, {}),
    ({"rule": "maintenance", "hosts": [], "domains": {}}, {}),
    ({"rule": "eligible", "busy": []}, {}),
    ({"rule": "journey", "cool_down": {}}, {}),
    (prefer(vms=["a"], vm_labels={}), {}),
    ({"rule": "capacity", "overcommit": []}, {"concurrency": {"per_domain": {}, "groups": {}}}),
    ({"rule": "capacity"}, {"execution": {"windows": [{"days": [], "opens": "22:00", "closes": "23:00"}]}}),
]


@pytest.mark.parametrize(("rule", "field"), SELECTS_NOTHING)
def test_what_selects_nothing_is_refused_where_it_stands(rule, field):
    with pytest.raises(InputError, match=r"an empty (list|mapping) matches nothing") as error:
        read(rule)
    assert error.value.path == f"rules[0].{field}"


@pytest.mark.parametrize(("rule", "more"), MAY_BE)
def test_what_is_the_same_when_left_out_or_says_something_may_be_empty(rule, more):
    read(rule, **more)


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        (
            {"monitors": {"watch": [{"monitor": "promql", "name": "up", "query": "up", "subject": []}]}},
            "monitors.watch[0].subject",
        ),
        (
            {"notify": {"webhooks": [{"url": "http://h", "of": []}]}},
            "notify.webhooks[0].of",
        ),
    ],
)
def test_a_configuration_is_judged_as_well(sections, field):
    with pytest.raises(InputError) as error:
        check_sections(config_from_document(sections, "remora.yaml"))
    assert error.value.path == field
    assert "at least 1 entry" in str(error.value) or "at least one entry" in str(error.value)


def test_no_monitor_at_all_may_be_asked_for():
    """Left out, `watch` is the set that follows from policy and fleet: empty says something else."""
    config = config_from_document({"monitors": {"watch": []}}, "remora.yaml")
    check_sections(config)
    assert config.section("monitors", MonitorsPart).watch == ()


def test_a_configuration_with_empty_sections_has_the_defaults():
    config = config_from_document({name: {} for name in PARTS}, "remora.yaml")
    service_config(config)
    check_sections(config)


@pytest.mark.parametrize("kind", [*CATALOGUE.values(), *PARTS.values()], ids=lambda kind: kind.__name__)
def test_the_types_of_every_field_can_be_read(kind):
    for field in dataclasses.fields(kind):
        assert field.name in get_type_hints(kind, include_extras=True)
        list(empties(kind, {field.name: []}, ""))


EMPTY: tuple[Any, ...] = ([], {}, {"x": []}, {"x": {}}, [[]], [{}], {"x": "y", "z": []}, {"x": [[]]})


@pytest.fixture(scope="module")
def schema() -> Any:
    return inlined(policy_schema(CATALOGUE))


def inlined(schema: Any, definitions: Any = None) -> Any:
    """Return a schema with its definitions in the places where they are used."""
    if isinstance(schema, list):
        return [inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = definitions or schema["$defs"]
    whole = {word: inlined(part, definitions) for word, part in schema.items() if word not in ("$defs", "$ref")}
    found = definitions[schema["$ref"].removeprefix("#/$defs/")] if isinstance(schema.get("$ref"), str) else {}
    return {**inlined(found, definitions), **whole} if found else whole


@pytest.mark.parametrize("rule", [rule for rule, _ in SELECTS_NOTHING])
def test_the_schema_refuses_what_selects_nothing(rule, schema):
    assert not valid(schema, {"format": "remora-policy/1", "rules": [rule]})


@pytest.mark.parametrize(("rule", "more"), MAY_BE)
def test_the_schema_has_what_may_be_empty(rule, more, schema):
    assert valid(schema, {"format": "remora-policy/1", "rules": [rule], **more})


def test_the_schema_says_of_every_parameter_what_the_reader_says(schema):
    """What is refused as empty is not valid, and what is read is."""
    refused = accepted = 0
    parameters = [(kind, name) for kind, of in CATALOGUE.items() for name in get_type_hints(of)]
    for (kind, name), value in product(parameters, EMPTY):
        rule = {"rule": kind, name: value}
        document = {"format": "remora-policy/1", "rules": [rule]}
        if list(empties(CATALOGUE[kind], {name: value}, "")):
            assert not valid(schema, document), rule
            refused += 1
            continue
        try:
            read(rule)
        except InputError:
            continue
        assert valid(schema, document), rule
        accepted += 1
    assert refused > 10
    assert accepted > 10


def test_the_command_line_says_file_field_and_what_to_do(tmp_path):
    fleet = write(tmp_path / "fleet.json", build.document([build.host("h0", memory=100)], []))
    policy = tmp_path / "p.yaml"
    rules = [{"rule": "capacity"}, prefer(vm_labels={"t": []})]
    policy.write_text(yaml.safe_dump({"format": "remora-policy/1", "rules": rules}))
    line = refused("check", fleet, "--policy", policy)
    assert "p.yaml: rules[1].entries[0].vm_labels.t: []: expected at least one entry" in line
    assert "say what is meant, or leave t out" in line
