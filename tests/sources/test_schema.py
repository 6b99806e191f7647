"""The published schema, the table of defaults and the checker say the same."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.sources.csv_table import MAPPING, MAPPING_FORMAT
from optimizer.sources.files import parse_json, read_bytes
from optimizer.sources.fleet_fields import FLEET, FLEET_FORMAT
from optimizer.sources.libvirt.hosts import HOSTS, HOSTS_FORMAT
from optimizer.sources.overlay import OVERLAY as OVERLAY_FIELDS
from optimizer.sources.overlay import OVERLAY_FORMAT
from optimizer.sources.plan_fields import PLAN, PLAN_FORMAT
from optimizer.sources.proxmox.place import PLACE, PLACE_FORMAT
from optimizer.sources.safe_yaml import load_yaml
from optimizer.sources.schema import defaults_table, schema_of
from tests.sources.mutations import mutate, nodes
from tests.sources.samples import OVERLAY, full_fleet, full_plan
from tests.sources.schema_judge import valid

if TYPE_CHECKING:
    from pathlib import Path


def full_place() -> dict[str, Any]:
    """A file that says how a Proxmox cluster is reached, with every field."""
    of_any = {"capacity": {"memory_mib": 1}, "overcommit": {"cpu_millicores": 4}, "reserved": {}, "labels": {"a": "b"}}
    every = {**of_any, "migration_mib_per_s": 100, "max_vms": 30}
    return {
        "format": PLACE_FORMAT,
        "url": "https://pve1.example:8006",
        "token_file": "token",
        "ca_file": "ca.pem",
        "fleet": "attic",
        "deadline_s": 30,
        "at_once": 4,
        "storages": {"local-lvm": "disk_mib"},
        "every_host": every,
        "hosts": {"pve1": {**every, "state": "disabled", "domains": {"rack": "r1"}}},
    }


def full_hosts() -> dict[str, Any]:
    """A file that says how libvirt reaches hosts, with every field."""
    return {
        "format": HOSTS_FORMAT,
        "fleet": "attic",
        "hosts": {
            "h1": {
                "uri": "qemu+tls://h1.example/system",
                "migration_uri": "qemu+tls://10.0.0.1/system",
                "data_uri": "tcp://10.0.1.1",
                "state": "disabled",
                "capacity": {"memory_mib": 1},
                "overcommit": {"cpu_millicores": 4},
                "reserved": {"memory_mib": 1},
                "domains": {"rack": "r1"},
                "labels": {"a": "b"},
                "migration_mib_per_s": 100,
                "max_vms": 30,
            }
        },
        "demand": ["memory_mib"],
        "deadline_s": 30,
        "keepalive_interval_s": 5,
        "keepalive_count": 3,
        "bandwidth_mib_per_s": 100,
        "unsafe": True,
    }


OVERLAY_JSON = json.dumps(load_yaml(OVERLAY.encode(), "x"))
FORMATS: dict[str, Any] = {
    "fleet": (lambda: schema_of(FLEET, FLEET_FORMAT), FLEET, full_fleet),
    "plan": (lambda: schema_of(PLAN, PLAN_FORMAT), PLAN, full_plan),
    "overlay": (lambda: schema_of(OVERLAY_FIELDS, OVERLAY_FORMAT), OVERLAY_FIELDS, lambda: json.loads(OVERLAY_JSON)),
    "libvirt": (lambda: schema_of(HOSTS, HOSTS_FORMAT), HOSTS, full_hosts),
    "proxmox": (lambda: schema_of(PLACE, PLACE_FORMAT), PLACE, full_place),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_full_samples_are_valid(name: str) -> None:
    schema, _, sample = FORMATS[name]
    assert valid(schema(), sample())


@pytest.mark.parametrize("name", ["fleet-100", "fleet-1000-full"])
def test_the_given_fleets_are_valid(name: str, data_dir: Path) -> None:
    assert valid(schema_of(FLEET, FLEET_FORMAT), parse_json(read_bytes(data_dir / "fleets" / f"{name}.json.xz"), name))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_schema_and_checker_agree_on_damaged_documents(name: str) -> None:
    """`fits` (a whole column), `blame` (one value) and the schema are three ways to say the same."""
    make, fields, sample = FORMATS[name]
    schema, random, refused = make(), Random(11), 0
    for number in range(1500):
        document = mutate(sample(), random)
        fits = fields.fits([document])
        assert fits == (fields.blame(document, "") is None), number
        if "\\ud8" not in json.dumps(document):  # lone surrogates are not UTF-8: no schema speaks of them
            assert fits == valid(schema, document), number
        refused += not fits
    assert 500 < refused < 1450


@pytest.mark.parametrize("name", ["fleet", "plan", "libvirt", "proxmox"])
def test_the_sample_says_every_field(name: str) -> None:
    """So the tests that start from it reach every field of the table."""
    make, _, sample = FORMATS[name]
    said = {key for here, key in nodes(sample()) if isinstance(here, dict)}
    assert set(_fields(make())) <= said


def _fields(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_fields, schema))
    if not isinstance(schema, dict):
        return set()
    deeper = set().union(*(_fields(part) for part in schema.values()))
    named = schema.get("properties", {})
    return deeper | (set(named) if schema.get("type") == "object" else set())


def test_every_optional_field_of_a_host_has_a_default() -> None:
    rows = {row.field: row for row in defaults_table(FLEET)}
    host = schema_of(FLEET, FLEET_FORMAT)["properties"]["hosts"]["items"]
    assert {f"hosts[].{name}" for name in host["properties"]} - set(rows) == {"hosts[].id", "hosts[].capacity"}
    assert rows["hosts[].state"].default == '"active"'
    assert rows["hosts[].error_count"].default == "not known"
    assert rows["vms[].mobility"].default == '"live"'
    assert rows["groups[].rules[](anti_affinity).at_most"].default == "1"
    assert all(row.meaning for row in rows.values())


@pytest.mark.parametrize(
    ("form", "tag"),
    [(FLEET, FLEET_FORMAT), (PLAN, PLAN_FORMAT), (OVERLAY_FIELDS, OVERLAY_FORMAT), (MAPPING, MAPPING_FORMAT)],
)
def test_a_schema_is_plain_json_and_names_itself(form: Any, tag: str) -> None:
    schema = json.loads(json.dumps(schema_of(form, tag), allow_nan=False))
    assert schema == schema_of(form, tag)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"].startswith("remora-")
    assert valid(schema, {"format": schema["title"]}) == (not schema["required"][1:])
