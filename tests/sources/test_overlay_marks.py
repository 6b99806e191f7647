"""Overlays that set state, mobility, maintenance, labels and names; and the hosts and VMs that they may name."""

import random
from typing import Any

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.fleet import HostState, Mobility
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.overlay import overlaid
from tests.command_line import refused, run, write

WINDOW = {"from": "2026-01-01T10:00:00Z", "to": "2026-01-01T12:00:00Z", "reason": "new firmware"}


def snapshot(hosts=4, vms=8):
    return {
        "format": "remora-fleet/1",
        "fleet": "f",
        "taken_at": "2026-01-01T11:00:00Z",
        "resources": [{"name": "memory_mib", "copied": True}],
        "levels": ["host"],
        "hosts": [
            {"id": f"h{n}.example.net", "capacity": {"memory_mib": 65536}, "labels": {"row": "a"}} for n in range(hosts)
        ],
        "vms": [
            {"id": f"v{n}", "host": f"h{n % hosts}.example.net", "demand": {"memory_mib": 1024}} for n in range(vms)
        ],
    }


def lay(overlay, document=None, warn=lambda caution: None):
    document = document or snapshot()
    overlay = {"format": "remora-overlay/1", **overlay}
    return overlaid(document, overlay, "overlay.yaml", warn)


def test_every_mark_reaches_the_fleet_and_nothing_else_changes():
    document = snapshot()
    overlay = {
        "hosts": {
            "h0.example.net": {"state": "draining", "name": "upper shelf", "labels": {"row": "b", "new": "1"}},
            "h1.example.net": {"maintenance": [WINDOW]},
        },
        "vms": {"v3": {"mobility": "none", "mobility_reason": "has a GPU", "name": "db", "labels": {"tier": "gold"}}},
    }
    before = fleet_from_document(document, "x")
    fleet = fleet_from_document(lay(overlay, document), "x")
    assert fleet.hosts.state.tolist() == [HostState.DRAINING, 0, 0, 0]
    assert fleet.hosts.names == {0: "upper shelf"}
    assert [dict(have) for have in fleet.hosts.labels] == [{"row": "b", "new": "1"}, *[{"row": "a"}] * 3]
    assert [w.reason for w in fleet.hosts.maintenance[1]] == ["new firmware"]
    assert fleet.vms.mobility.tolist() == [0, 0, 0, Mobility.NONE, 0, 0, 0, 0]
    assert fleet.vms.mobility_reason == {3: "has a GPU"}
    assert fleet.vms.names == {3: "db"}
    assert fleet.vms.labels[3] == {"tier": "gold"}
    assert document == snapshot()
    assert fleet.digest != before.digest


@pytest.mark.parametrize("seed", range(24))
def test_an_overlay_is_the_same_as_a_snapshot_that_says_so_itself(seed):
    rng = random.Random(seed)
    said: Any = snapshot()
    marks: dict[str, dict[str, Any]] = {"hosts": {}, "vms": {}}
    for host in rng.sample(said["hosts"], 2):
        mark: dict[str, Any] = {
            "state": rng.choice(["active", "draining", "disabled", "down"]),
            "name": f"n{rng.random()}",
        }
        if rng.random() < 0.5:
            mark["maintenance"] = [WINDOW]
        marks["hosts"][host["id"]] = {**mark, "labels": {"row": "c"}}
        host.update(mark, labels={**host["labels"], "row": "c"})
    for vm in rng.sample(said["vms"], 3):
        mark = {"mobility": rng.choice(["live", "cold", "none"]), "name": "x y"}
        marks["vms"][vm["id"]] = {**mark, "groups": ["g"]}
        vm.update(mark, groups=["g"])
    laid = lay(marks)
    laid.pop("groups")
    assert fleet_from_document(laid, "x").digest == fleet_from_document(said, "x").digest


def test_a_drain_by_overlay_is_planned(tmp_path):
    fleet = write(tmp_path / "fleet.json", snapshot())
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("format: remora-overlay/1\nhosts: {h2.example.net: {state: draining, name: the old one}}\n")
    assert run("check", fleet).code == 0
    shown = run("check", fleet, "--overlay", overlay)
    assert shown.code == 1
    outcome = run("plan", fleet, "--overlay", overlay, "--json", "--time-limit", 5)
    assert {m["vm"] for m in outcome.json["moves"]} == {"v2", "v6"}
    page = run("plan", fleet, "--overlay", overlay, "--time-limit", 5).out
    assert "h2.example.net (the old one)" in page
    assert "the old one" not in outcome.out


UNKNOWN = [
    ({"hosts": {"h0": {"state": "draining"}}}, "hosts.h0", "h0.example.net"),
    ({"hosts": {"H1.example.net": {"state": "down"}}}, "hosts['H1.example.net']", "h1.example.net"),
    ({"vms": {"V3": {"mobility": "none"}}}, "vms.V3", "v3"),
    ({"groups": [{"id": "g", "vms": ["v1", "v_2"]}]}, "groups[0].vms[1]", "v2"),
]


@pytest.mark.parametrize(("overlay", "path", "hint"), UNKNOWN)
def test_a_name_that_matches_nothing(overlay, path, hint):
    with pytest.raises(InputError) as caught:
        lay(overlay)
    if hint != "v2":
        assert f"did you mean {hint}?" in str(caught.value)
    assert caught.value.path == path
    said: list[Any] = []
    laid = lay({**overlay, "unknown_names": "warn"}, warn=said.append)
    assert [c.where for c in said] == [f"overlay.yaml: {path}"]
    assert fleet_from_document(laid, "x").hosts.state.tolist() == [0, 0, 0, 0]


def test_the_command_line_warns_or_refuses(tmp_path):
    fleet, overlay = write(tmp_path / "fleet.json", snapshot()), tmp_path / "overlay.yaml"
    document = {"format": "remora-overlay/1", "hosts": {"h2": {"state": "draining"}}}
    overlay.write_text(yaml.safe_dump(document))
    assert "did you mean h2.example.net?" in refused("check", fleet, "--overlay", overlay)
    overlay.write_text(yaml.safe_dump({**document, "unknown_names": "warn"}))
    outcome = run("check", fleet, "--overlay", overlay, "--json")
    assert outcome.code == 0
    assert [w["code"] for w in outcome.json["warnings"]] == ["unknown_name"]
    assert "'h2' is not a host of fleet f, so it is ignored" in outcome.err
