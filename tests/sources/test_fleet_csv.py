"""Fleets from CSV: units, mappings, lists in cells; and errors that name file, line and column."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.sources.files import write_whole
from optimizer.sources.fleet_csv import import_csv
from optimizer.sources.fleet_json import fleet_from_document

HOSTS = """\
id,rack,cpu_millicores,memory_mib,disk_mib,labels.cpu,overcommit.cpu_millicores,reserved.memory_mib,busy,x_serial
h0,r0,16cores,64GiB,2TB,epyc,1.6,1MB,create;restore,abc
h1,r1,16000,65536,1TiB,,,,,
"""
VMS = """\
id,host,cpu_millicores,memory_mib,disk_mib,groups,requires.cpu,no_move_until,sensitive,noise.io,move_cost
v0,h0,0.5 cores,4GB,10GiB,g; k,epyc;xeon,,yes,0.5,2
v1,,500m,4096,1,g,,2026-11-21T12:00:00Z,no,,

"v,2",h1,,,,,,,,,0.25
"""
GROUPS = """\
id,rule,level,at_least,with
g,spread,rack,2,
k,apart,,,g
g,anti_affinity,,,
q,,,,
"""
TAKEN_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def run(folder: Path, **texts: str) -> dict[str, Any]:
    """Import from these texts; a name of a file may end in _xz."""
    paths: dict[str, Path] = {}
    for name, text in ({"hosts": HOSTS, "vms": VMS, "groups": GROUPS} | texts).items():
        paths[name] = folder / f"{name}.{'yaml' if name == 'mapping' else 'csv'}"
        paths[name].write_text(text)
    return import_csv(**paths, fleet_id="ny", taken_at=TAKEN_AT)


def test_import(tmp_path) -> None:
    document = run(tmp_path)
    assert document["resources"] == [
        {"name": "cpu_millicores", "copied": False},
        {"name": "memory_mib", "copied": True},
        {"name": "disk_mib", "copied": True},
    ]
    assert document["levels"] == ["host", "rack"]
    assert document["hosts"] == [
        {
            "id": "h0",
            "domains": {"rack": "r0"},
            "capacity": {"cpu_millicores": 16000, "memory_mib": 65536, "disk_mib": 1907348},
            "labels": {"cpu": "epyc"},
            "overcommit": {"cpu_millicores": "1.6"},
            "reserved": {"memory_mib": 1},
            "busy": ["create", "restore"],
            "x_serial": "abc",
        },
        {
            "id": "h1",
            "domains": {"rack": "r1"},
            "capacity": {"cpu_millicores": 16000, "memory_mib": 65536, "disk_mib": 1048576},
        },
    ]
    assert document["vms"] == [
        {
            "id": "v0",
            "host": "h0",
            "demand": {"cpu_millicores": 500, "memory_mib": 3815, "disk_mib": 10240},
            "groups": ["g", "k"],
            "requires": {"cpu": ["epyc", "xeon"]},
            "sensitive": True,
            "noise": {"io": 0.5},
            "move_cost": 2.0,
        },
        {
            "id": "v1",
            "host": None,
            "demand": {"cpu_millicores": 500, "memory_mib": 4096, "disk_mib": 1},
            "groups": ["g"],
            "no_move_until": "2026-11-21T12:00:00Z",
            "sensitive": False,
        },
        {"id": "v,2", "host": "h1", "demand": {}, "move_cost": 0.25},
    ]
    assert document["groups"] == [
        {"id": "g", "rules": [{"rule": "spread", "level": "rack", "at_least": 2}, {"rule": "anti_affinity"}]},
        {"id": "k", "rules": [{"rule": "apart", "with": "g"}]},
        {"id": "q", "rules": []},
    ]
    assert fleet_from_document(document, "x").taken_at == TAKEN_AT


def test_other_names_need_a_mapping(tmp_path) -> None:
    mapping = """
format: remora-mapping/1
delimiter: ";"
hosts: {Hostname: id, Cab: domains.cage, "RAM (GB)": memory_mib, Serial: null}
vms: {Name: id, Where: host, Mem: demand.memory_mib}
units: {"RAM (GB)": GiB, Mem: MB}
levels: [host, cage]
resources: [{name: memory_mib, copied: false}]
move_within: cage
"""
    hosts = "\ufeffHostname;Cab;RAM (GB);Serial\nh0;c0;64;XYZ\nh1;c0;128GB;\n"
    document = run(tmp_path, hosts=hosts, vms="Name;Where;Mem\nv0;h0;2000\n", groups="id;rule\n", mapping=mapping)
    assert document["levels"] == ["host", "cage"]
    assert document["move_within"] == "cage"
    assert [h["capacity"] for h in document["hosts"]] == [{"memory_mib": 65536}, {"memory_mib": 122070}]
    assert document["hosts"][0] == {"id": "h0", "domains": {"cage": "c0"}, "capacity": {"memory_mib": 65536}}
    assert document["vms"] == [{"id": "v0", "host": "h0", "demand": {"memory_mib": 1908}}]
    assert document["resources"] == [{"name": "memory_mib", "copied": False}]


def test_packed_files_and_no_groups(tmp_path) -> None:
    hosts, vms = tmp_path / "hosts.csv.xz", tmp_path / "vms.csv.gz"
    write_whole(hosts, HOSTS.encode())
    write_whole(vms, VMS.encode())
    document = import_csv(hosts, vms, fleet_id="ny", taken_at=TAKEN_AT)
    assert "groups" not in document
    assert {g.id for g in fleet_from_document(document, "x").groups} == {"g", "k"}


def changed(name: str, old: str, new: str) -> dict[str, str]:
    text = {"hosts": HOSTS, "vms": VMS, "groups": GROUPS}[name]
    assert old in text
    return {name: text.replace(old, new, 1)}


BAD = {
    "unit of another family": (changed("vms", "0.5 cores", "0.5GiB"), "vms.csv", "line 2, column cpu_millicores"),
    "unclear unit": (changed("hosts", "64GiB", "64G"), "hosts.csv", "line 2, column memory_mib"),
    "negative": (changed("hosts", "65536", "-1"), "hosts.csv", "line 3, column memory_mib"),
    "too large": (changed("hosts", "65536", "9999999PiB"), "hosts.csv", "line 3, column memory_mib"),
    "no host of that name": (changed("vms", "v1,,", "v1,h9,"), "vms.csv", "line 3, column host"),
    "blank lines count": (changed("vms", '"v,2",h1', '"v,2",h7'), "vms.csv", "line 5, column host"),
    "duplicate host": (changed("hosts", "h1,", "h0,"), "hosts.csv", "line 3, column id"),
    "duplicate VM": (changed("vms", "v1,", "v0,"), "vms.csv", "line 3, column id"),
    "no id": (changed("vms", "v1,", ","), "vms.csv", "line 3, column id"),
    "no domain": (changed("hosts", "h1,r1", "h1,"), "hosts.csv", "line 3"),
    "group twice": (changed("vms", "g; k", "g;g"), "vms.csv", "line 2, column groups"),
    "no truth": (changed("vms", "yes", "oui"), "vms.csv", "line 2, column sensitive"),
    "no number": (changed("vms", ",0.5,", ",half,"), "vms.csv", "line 2, column noise.io"),
    "NaN": (changed("vms", ",0.5,", ",nan,"), "vms.csv", "line 2, column noise.io"),
    "no time": (changed("vms", "2026-11-21T12:00:00Z", "yesterday"), "vms.csv", "line 3, column no_move_until"),
    "no ratio": (changed("hosts", "1.6", "160 %"), "hosts.csv", "line 2, column overcommit.cpu_millicores"),
    "no busy word": (changed("hosts", "restore", "lunch"), "hosts.csv", "line 2, column busy"),
    "control character": (changed("hosts", "h1,", "h\x1b[31m,"), "hosts.csv", "line 3, column id"),
    "unknown column": (changed("vms", "sensitive", "sensitve"), "vms.csv", "line 1, column sensitve"),
    "unknown part of a column": (changed("vms", "noise.io", "noise.disc"), "vms.csv", "line 1, column noise.disc"),
    "column of objects": (changed("hosts", "busy", "maintenance"), "hosts.csv", "line 1, column maintenance"),
    "column twice": (changed("vms", "memory_mib", "demand.disk_mib"), "vms.csv", "line 1, column disk_mib"),
    "no id column": (changed("hosts", "id,rack", "x_id,rack"), "hosts.csv", "line 1"),
    "no host column": (changed("vms", "id,host", "id,x_host"), "vms.csv", "line 1"),
    "too few cells": (changed("hosts", "h1,r1", "h1"), "hosts.csv", "line 3"),
    "too many cells": (changed("vms", "v1,,", "v1,,,"), "vms.csv", "line 3"),
    "open quote": (changed("vms", '"v,2"', '"v,2'), "vms.csv", "line 5"),
    "empty file": ({"hosts": ""}, "hosts.csv", "line 1"),
    "no hosts": ({"hosts": HOSTS.splitlines()[0]}, "hosts.csv", "hosts"),
    "unknown rule": (changed("groups", "apart", "appart"), "groups.csv", "line 3, column rule"),
    "unknown level": (changed("groups", "rack", "rak"), "groups.csv", "line 2, column level"),
    "field of another rule": (
        changed("groups", "anti_affinity,,", "anti_affinity,,3"), "groups.csv", "line 4, column at_least"
    ),
    "unknown group": (changed("groups", ",g\ng", ",h\ng"), "groups.csv", "line 3, column with"),
    "mapping of another format": ({"mapping": "format: remora-fleet/1"}, "mapping.yaml", "format"),
    "mapping of a missing column": (
        {"mapping": "format: remora-mapping/1\nhosts: {Nam: id}"}, "hosts.csv", "line 1"
    ),
    "mapping to no field": (
        {"mapping": "format: remora-mapping/1\nhosts: {rack: rck}"}, "hosts.csv", "line 1, column rack"
    ),
    "unit for no column": ({"mapping": "format: remora-mapping/1\nunits: {ram: GB}"}, "mapping.yaml", "units.ram"),
    "unit of no kind": (
        {"mapping": "format: remora-mapping/1\nunits: {memory_mib: stone}"}, "hosts.csv", "line 3, column memory_mib"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_csv_is_refused_with_its_place(tmp_path, name: str) -> None:
    texts, file, place = BAD[name]
    with pytest.raises(InputError) as caught:
        run(tmp_path, **texts)
    assert (Path(caught.value.where).name, caught.value.path) == (file, place)
    assert str(caught.value).isprintable()


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path) -> None:
    (tmp_path / "h.csv").write_bytes(HOSTS.encode().replace(b"h1", b"h\xff"))
    (tmp_path / "v.csv").write_text(VMS)
    with pytest.raises(InputError) as caught:
        import_csv(tmp_path / "h.csv", tmp_path / "v.csv", fleet_id="ny", taken_at=TAKEN_AT)
    assert caught.value.path == "line 3"


def test_a_misspelt_column_gets_a_hint(tmp_path) -> None:
    with pytest.raises(InputError, match="did you mean sensitive"):
        run(tmp_path, **changed("vms", "sensitive", "sensitiv"))
