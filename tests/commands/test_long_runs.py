"""Runs that take long: time windows, budgets per hour, and the ground that grows old meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests import build
from tests.command_line import run

WHY = ("--reason", "because", "--by", "ann")
PLANNED = ("fleet.json", "plan.json", "--policy", "policy.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A directory with a fleet whose only host in use drains: three moves, at noon."""
    monkeypatch.chdir(tmp_path)
    hosts = [
        build.host("h0", memory=100_000, state="draining"),
        *(build.host(f"h{i}", memory=100_000) for i in (1, 2, 3)),
    ]
    vms = [build.vm(f"v{i}", "h0", memory=30_000) for i in range(3)]
    (tmp_path / "fleet.json").write_text(json.dumps(build.document(hosts, vms)))
    return tmp_path


def planned(**more):
    document: dict[str, object] = {
        "format": "remora-policy/1",
        "rules": [{"rule": "capacity"}, {"rule": "maintenance"}],
    }
    Path("policy.yaml").write_text(yaml.safe_dump({**document, **more}))
    assert run("plan", "fleet.json", "--policy", "policy.yaml", "-o", "plan.json").code == 0


def applied(*more):
    outcome = run("apply", *PLANNED, "--act", *WHY, "--json", *more)
    return outcome.code, outcome.json


def events(name: str) -> list[dict[str, str]]:
    return [e for e in run("ledger", "events", "--json").json if e["state"] == name]


def test_a_run_waits_for_its_window_and_reads_the_fleet_again_before_it_starts():
    planned(execution={"windows": [{"opens": "22:00", "closes": "06:00"}]})
    code, facts = applied()
    assert (code, facts["done"]) == (0, 3)
    (read,) = events("fleet read again")
    assert read["at"] >= "2026-11-21T22:00"
    assert events("intended")[0]["at"] >= read["at"]


def test_a_window_that_closes_half_way_is_waited_for_again():
    planned(
        execution={
            "windows": [{"opens": "12:00", "closes": "12:01"}, {"opens": "20:00", "closes": "21:00"}],
            "canary": 1,
        },
        concurrency={"fleet": 1},
    )
    assert applied()[0] == 0
    starts = [e["at"] for e in events("intended")]
    assert starts[0] < "2026-11-21T12:01"
    assert starts[-1] >= "2026-11-21T20:00"


def test_a_budget_per_hour_lets_a_run_last_and_the_ground_is_read_again_each_time():
    planned(execution={"budgets": [{"hours": 1, "moves": 1}]})
    assert applied()[0] == 0
    starts = [e["at"][11:13] for e in events("intended")]
    assert starts == ["12", "13", "14"]
    assert len(events("fleet read again")) >= 2


def test_a_plan_may_live_longer():
    planned(execution={"budgets": [{"hours": 1, "moves": 1}]}, expires_after_s=86_400)
    assert applied()[0] == 0
    assert not events("fleet read again")


def test_a_run_that_was_approved_waits_and_goes_on_under_its_approval():
    planned(execution={"approval": True, "windows": [{"opens": "22:00", "closes": "06:00"}]})
    assert run("apply", *PLANNED, "--act", *WHY).code == 4
    assert run("approve", "plan.json", *WHY).code == 0
    assert applied()[0] == 0
    assert run("ledger", "runs", "--json").json[0]["approved_by"] == "ann"
