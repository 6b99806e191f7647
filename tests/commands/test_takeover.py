"""A run that dies, the plan that takes over, and moves that others make: as a user sees them, process by process."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import build
from tests.command_line import run

ROOT = Path(__file__).resolve().parent.parent.parent
WHY = ("--reason", "because", "--by", "ann")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fleet(drains: str = "h0", **more) -> str:
    """Write a fleet in which one host drains, with three VMs on it."""
    states = {drains: "draining"}
    hosts = [build.host(f"h{i}", memory=100_000, state=states.get(f"h{i}", "active")) for i in range(4)]
    vms = [build.vm(f"v{i}", "h0", memory=10_000, groups=["g"] if i < 2 else []) for i in range(3)]
    vms += [build.vm("w", "h3", memory=1000, groups=["g"])]
    path = f"fleet-{drains}.json"
    Path(path).write_text(json.dumps(build.document(hosts, vms, **more)))
    return path


def policy(**more) -> str:
    rules = [{"rule": "capacity"}, {"rule": "maintenance"}]
    document: dict[str, object] = {"format": "remora-policy/1", "rules": rules, **more}
    Path("policy.yaml").write_text(yaml.safe_dump(document))
    return "policy.yaml"


def process(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words], capture_output=True, text=True, env=environment, check=False
    )


def test_another_plan_takes_over_from_a_run_that_was_killed():
    """A hook kills the process when the second move is about to start: the first is in flight."""
    Path("hook").write_text("#!/bin/sh\necho x >>called\ntest $(wc -l <called) -lt 2 || kill -9 $PPID\n")
    os.chmod("hook", stat.S_IRWXU)
    caps = {"concurrency": {"per_source": 3, "per_group": None}}
    rules = policy(**caps, execution={"hooks": {"before": [{"command": ["./hook"]}]}})
    first, second = fleet("h0"), fleet("h3")
    assert run("plan", first, "--policy", rules, "-o", "one.json").code == 0
    died = process("apply", first, "one.json", "--policy", rules, "--act", "--guards", *WHY)
    assert died.returncode == -9, died
    status = run("status").out
    assert "running" in status
    assert re.search(r"1 (accepted|preparing|copying)", status), status

    policy(**caps)
    assert run("plan", second, "--policy", rules, "-o", "two.json").code == 0
    one, two = (json.loads(Path(p).read_text())["id"] for p in ("one.json", "two.json"))
    assert one != two
    outcome = run("apply", second, "two.json", "--policy", rules, "--act", *WHY)
    assert outcome.code == 0, outcome
    runs = {r["plan"]: r["state"] for r in run("ledger", "runs", "--json").json}
    assert runs == {one: "superseded", two: "done"}
    events = run("ledger", "events", "--json").json
    ends = [i for i, e in enumerate(events) if (e["plan"], e["move"]) == (one, "m0001") and e["state"] == "failed"]
    starts = [i for i, e in enumerate(events) if e["plan"] == two and e["state"] == "intended"]
    assert ends
    assert ends[0] < min(starts)  # it is known before anything new starts
    assert run("ledger", "verify").code == 0
    assert "no move is in flight" in run("stop", *WHY).out


def test_moves_by_others_count_and_are_left_alone():
    """A replica that somebody else moves: at most one of its group at once, so a plan leaves the others for later."""
    theirs = [{"id": "x", "vm": "w", "from": "h3", "to": "h2", "started_at": "2026-11-21T11:59:00Z", "by": "drs"}]
    path, rules = fleet(in_flight=theirs), policy(concurrency={"groups": {"g": 1}})
    planned = run("plan", path, "--policy", rules, "-o", "plan.json")
    assert (planned.code, "2 violations are deferred" in planned.out) == (1, True), planned
    outcome = run("apply", path, "plan.json", "--policy", rules, "--act", *WHY, "-o", "after.json")
    assert outcome.code == 0, outcome
    after = json.loads(Path("after.json").read_text())
    assert [m["vm"] for m in after["in_flight"]] == ["w"]
    assert {vm["id"]: vm["host"] for vm in after["vms"]}["v2"] != "h0"


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"per_owner": 1}, 1),
        ({"per_owner": 2}, 2),
        ({"per_label": {"tier": 1}}, 1),
        ({"groups": {"g": 1}}, 1),
        ({}, 4),
    ],
)
def test_at_most_so_many_of_a_group_an_owner_or_a_label_are_in_flight_at_once(limits: dict[str, object], most: int):
    """Counted in the ledger's events, by what stands between intent and end."""
    hosts = [build.host(f"h{i}", memory=100_000, state="active" if i else "draining") for i in range(6)]
    alike: dict[str, Any] = {"owner": "ann", "labels": {"tier": "gold"}, "groups": ["g"]}
    vms = [build.vm(f"v{i}", "h0", memory=10_000, **alike) for i in range(4)]
    Path("fleet.json").write_text(json.dumps(build.document(hosts, vms, groups=[{"id": "g", "rules": []}])))
    caps = {"per_source": 9, "per_domain": {}, "per_group": None, "fleet": 9}
    rules = policy(concurrency={**caps, **limits})
    assert run("plan", "fleet.json", "--policy", rules, "-o", "plan.json").code == 0
    assert run("apply", "fleet.json", "plan.json", "--policy", rules, "--act", *WHY).code == 0
    flying: set[str] = set()
    highest = 0
    for event in run("ledger", "events", "--json").json:
        if event["move"] is not None:
            (flying.discard if event["state"] in ("done", "failed") else flying.add)(event["move"])
            highest = max(highest, len(flying))
    assert highest == most
