"""Random mutations of every file that a command reads: only the exit codes of the contract, never a traceback.

The mutations are seeded, so a failure repeats. Each trial starts from documents that are right, breaks one of them (a
value, a key, some bytes) and runs a command on it.
"""

from __future__ import annotations

import json
import random
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from constraints import CATALOGUE, SHIPPED
from tests import build
from tests.command_line import assert_no_answer, listing, run
from tests.sources.mutations import mutate, mutate_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIALS = 60
"""For each command; together a few hundred."""


@cache
def fleet_text() -> str:
    hosts = [build.host(f"h{n}", cpu=8000, memory=1000, disk=5000, rack=f"r{n % 2}") for n in range(4)]
    hosts[3]["capacity"]["memory_mib"] = 3000
    hosts[0] |= {"overcommit": {"cpu_millicores": "1.6"}, "reserved": {"memory_mib": 10}, "error_count": 0}
    hosts[1] |= {"state": "disabled", "busy": ["create"], "measured": {"disk_mib": 100}, "labels": {"cpu": "a"}}
    hosts[2] |= {"maintenance": [{"from": "2026-11-21T13:00:00Z", "to": "2026-11-21T14:00:00Z", "reason": "x"}]}
    vms = [build.vm(f"v{n}", f"h{n % 4}", cpu=500, memory=400, disk=100) for n in range(9)]
    vms[0] |= {"owner": "u1", "groups": ["g"], "created_at": "2026-11-01T00:00:00Z", "noise": {"cpu": 0.5}}
    vms[4] |= {"groups": ["g"], "requires": {"cpu": ["a"]}, "forbidden_hosts": ["h3"], "sensitive": True}
    history = [
        {
            "vm": "v1",
            "from": "h2",
            "to": "h1",
            "started_at": "2026-11-21T11:00:00Z",
            "ended_at": "2026-11-21T11:01:00Z",
            "outcome": "failed",
            "by": "remora",
        }
    ]
    groups = [{"id": "g", "rules": [{"rule": "anti_affinity", "level": "host", "at_most": 1}]}]
    return json.dumps(build.document(hosts, vms, groups=groups, history=history))


@cache
def plan_text(directory: Path) -> str:
    path = directory / "for-plan.json"
    path.write_text(fleet_text())
    out = directory / "made-plan.json"
    assert run("plan", path, "-o", out, "--time-limit", 5).code in (0, 1)
    text = out.read_text()
    path.unlink()
    out.unlink()
    assert json.loads(text)["moves"]  # otherwise there would be little to mutate
    return text


def dolphin_text() -> str:
    return SHIPPED["dolphin"].read_text("utf-8")


OVERLAY = """\
format: remora-overlay/1
groups:
  - id: extra
    rules: [{rule: anti_affinity, level: rack, at_most: 2}]
    vms: [v0, v2]
vms:
  v3: {groups: [extra], labels: {tier: gold}}
"""
HOSTS_CSV = "id,capacity.cpu,capacity.memory_mib,domains.rack\nh0,8000,4GiB,r0\nh1,8000,4GiB,r1\n"
VMS_CSV = "id,host,demand.cpu,demand.memory_mib\nv0,h0,500,1GiB\nv1,h1,500,1GiB\n"


def broken_bytes(text: str, rng: random.Random) -> bytes:
    return mutate_bytes(text.encode(), rng)


def broken(text: str, load: Callable[[str], Any], rng: random.Random) -> bytes:
    """One mutation of a text, in its structure or in its bytes; JSON is YAML too."""
    if rng.random() < 0.3:
        return broken_bytes(text, rng)
    return json.dumps(mutate(load(text), rng)).encode("utf-8", "surrogatepass")


def broken_json(text: str, rng: random.Random) -> bytes:
    return broken(text, json.loads, rng)


def broken_yaml(text: str, rng: random.Random) -> bytes:
    return broken(text, yaml.safe_load, rng)


def tried(tmp_path: Path, *args: object) -> int:
    """Run a command that may be refused; where it is, nothing may have been written."""
    before = listing(tmp_path)
    outcome = run(*args)
    if outcome.code == 2:
        assert listing(tmp_path) == before
        assert outcome.err.count("\n") == 1
        assert_no_answer(outcome, as_json="--json" in args)
    if "--json" in args and outcome.code in (0, 1):
        assert outcome.json is not None
    assert all(c.isprintable() or c == "\n" for c in outcome.out + outcome.err)
    return outcome.code


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "check", "explain", "plan"])
def test_broken_fleets(command, tmp_path):
    rng = random.Random(command)
    path, codes = tmp_path / "fleet.json", []
    extra = {
        "explain": ["v0", "--to", "h1"],
        "plan": ["--time-limit", "2", "-o", tmp_path / "plan.json"],
    }.get(command, [])
    for trial in range(TRIALS):
        path.write_bytes(broken_json(fleet_text(), rng))
        policy = ["--policy", "dolphin"] if command != "show" and trial % 2 else []
        as_json = ["--json"] if trial % 3 == 0 else []
        codes.append(tried(tmp_path, command, path, *extra, *policy, *as_json))
    assert codes.count(2) > TRIALS // 4  # most mutations are noticed,
    assert len(set(codes)) > 1  # and not all refused


@pytest.mark.slow
def test_broken_policies(tmp_path):
    rng = random.Random("policy")
    fleet, path, codes = tmp_path / "fleet.json", tmp_path / "policy.yaml", []
    fleet.write_text(fleet_text())
    for _ in range(TRIALS):
        path.write_bytes(broken_yaml(dolphin_text(), rng))
        codes.append(tried(tmp_path, "check", fleet, "--policy", path))
    assert codes.count(2) > TRIALS // 4
    assert len(set(codes)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("command", ["verify", "apply", "explain"])
def test_broken_plans(command, tmp_path):
    rng = random.Random(command)
    text = plan_text(tmp_path)
    fleet, path, codes = tmp_path / "fleet.json", tmp_path / "plan.json", []
    fleet.write_text(fleet_text())
    for trial in range(TRIALS):
        path.write_bytes(broken_json(text, rng))
        if command == "explain":
            args = ["explain", fleet, "--plan", path]
        elif command == "apply":
            args = ["apply", fleet, path, "--act", "--ledger", tmp_path / f"{trial}.sqlite", "-o", tmp_path / "after"]
        else:
            args = ["verify", fleet, path]
        codes.append(tried(tmp_path, *args))
    assert codes.count(2) > TRIALS // 4
    assert len(set(codes)) > 1


def test_broken_csv(tmp_path):
    rng = random.Random("csv")
    hosts, vms, codes = tmp_path / "hosts.csv", tmp_path / "vms.csv", []
    for _ in range(TRIALS):
        hosts.write_text(HOSTS_CSV)
        vms.write_text(VMS_CSV)
        chosen, text = rng.choice([(hosts, HOSTS_CSV), (vms, VMS_CSV)])
        chosen.write_bytes(broken_bytes(text, rng))
        args = ["import", "--hosts", hosts, "--vms", vms, "--taken-at", build.TAKEN_AT, "-o", tmp_path / "out.json"]
        codes.append(tried(tmp_path, *args))
    assert codes.count(2) > TRIALS // 4
    assert codes.count(0) > 0


@pytest.mark.slow
def test_broken_overlays(tmp_path):
    rng = random.Random("overlay")
    fleet, path, codes = tmp_path / "fleet.json", tmp_path / "overlay.yaml", []
    fleet.write_text(fleet_text())
    for _ in range(TRIALS):
        path.write_bytes(broken_yaml(OVERLAY, rng))
        codes.append(tried(tmp_path, "check", fleet, "--overlay", path))
    assert codes.count(2) > TRIALS // 4
    assert len(set(codes)) > 1


def test_the_documents_that_are_mutated_are_right_to_begin_with(tmp_path):
    fleet, overlay = tmp_path / "fleet.json", tmp_path / "overlay.yaml"
    fleet.write_text(fleet_text())
    overlay.write_text(OVERLAY)
    assert run("show", fleet, "--overlay", overlay).code == 0
    assert run("check", fleet, "--policy", "dolphin").code in (0, 1)
    (tmp_path / "hosts.csv").write_text(HOSTS_CSV)
    (tmp_path / "vms.csv").write_text(VMS_CSV)
    args = ["--hosts", tmp_path / "hosts.csv", "--vms", tmp_path / "vms.csv", "-o", tmp_path / "out.json"]
    assert run("import", *args).code == 0
    assert set(CATALOGUE) > {"capacity", "anti_affinity"}
