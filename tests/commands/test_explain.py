"""`remora explain` and its filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import build
from tests.command_line import refused, run, write

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "scenarios"
REFUSALS = sorted(p.stem.removeprefix("eligible_") for p in SCENARIOS.glob("eligible_*.json"))


@pytest.mark.parametrize("reason", REFUSALS)
def test_explain_to_prints_each_refusal_of_eligible(reason):
    path = SCENARIOS / f"eligible_{reason}.json"
    outcome = run("explain", path, "v0", "--to", "h1", "--policy", "dolphin")
    assert outcome.code == 0
    lines = [line for line in outcome.out.splitlines() if line.startswith(f"refused by eligible/{reason}: ")]
    assert len(lines) == 1, outcome.out
    assert "h1" in lines[0]
    said = run("explain", path, "v0", "--to", "h1", "--policy", "dolphin", "--json").json["filters"]
    assert [f["says"] for f in said if f["rule"] == "eligible" and f["reason"] == reason] == ["SKIP"]


def test_there_is_a_scenario_for_every_kind_of_refusal():
    assert len(REFUSALS) >= 12


def test_explain_lists_every_filter(fleet):
    words = run("explain", fleet, "v0", "--to", "h2").out.splitlines()
    (passed,) = [line for line in words if line.startswith("no objection from ")]
    assert {"capacity", "eligible", "journey"} <= set(passed.removeprefix("no objection from ").split(", "))
    assert words[-1] == "yes: no rule is against it"


@pytest.mark.parametrize("subject", ["v0", "h0", "h2"])
def test_explain_says_what_is_known(subject, fleet, planned):
    assert subject in run("explain", fleet, subject).out
    assert run("explain", fleet, subject, "--plan", planned, "--json").json


def test_explain_a_plan_and_its_moves(fleet, planned):
    assert "The proof of moving, part by part" in run("explain", fleet, "--plan", planned).out
    move = run("explain", fleet, "m0001", "--plan", planned)
    assert move.out.startswith("Move m0001: ")
    assert "repairs capacity of h0" in move.out
    assert run("explain", fleet, "m0001", "--plan", planned, "--json").json["move"]["target"] == "h2"


def test_explain_refuses_a_plan_of_other_vms(planned, tmp_path):
    other = write(tmp_path / "other.json", build.document([build.host("x")], []))
    assert "moves[0].vm" in refused("explain", other, "--plan", planned)
