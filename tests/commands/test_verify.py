"""`remora verify` on plans as made, and changed by hand."""

from __future__ import annotations

import json

import pytest

from tests.command_line import listing, refused, run, write


def test_verify_passes_what_plan_made(fleet, planned):
    assert run("verify", fleet, planned).code == 0
    assert run("verify", fleet, planned, "--json").json["holds"] is True


TAMPERED = {  # what is changed by hand, and the code and the place of one of the findings
    "value": (lambda p: p["objective"][1].update(value=2), "value", "objective[moving].value"),
    "bound": (lambda p: p["objective"][1].update(bound=0), "stage_gap", "objective[moving].gap"),
    "gap": (lambda p: p["objective"][1].update(gap=0.5), "stage_gap", "objective[moving].gap"),
    "stage status": (lambda p: p["objective"][0].update(status="feasible"), "stage_status", "objective[harm].status"),
    "move twice": (lambda p: p["moves"].append(p["moves"][0]), "move_id", "moves[m0001]"),
    "move gone": (lambda p: p["moves"].clear(), "batch", "batches"),
    "batch": (lambda p: p["moves"][0].update(batch=7), "batch", "moves[m0001].batch"),
    "no batches": (lambda p: p["batches"].clear(), "batch", "batches"),
    "after itself": (lambda p: p["moves"][0].update(after=["m0001"]), "after_cycle", "moves"),
    "other VM": (lambda p: p["moves"][0].update(vm="v1"), "plan_id", "id"),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_verify_says_what_was_changed_by_hand(kind, fleet, planned):
    """Claims that contradict one another are no wrong input: the plan is not what it says, and that is exit code 1."""
    tamper, code, where = TAMPERED[kind]
    plan = json.loads(planned.read_text())
    tamper(plan)
    outcome = run("verify", fleet, write(planned, plan), "--json")
    assert outcome.code == 1
    assert (code, where) in {(f["code"], f["where"]) for f in outcome.json["findings"]}


def test_only_verify_reads_a_plan_that_contradicts_itself(fleet, planned, ledger, tmp_path):
    plan = json.loads(planned.read_text())
    plan["moves"][0]["batch"] = 7
    write(planned, plan)
    before = listing(tmp_path)
    refused("apply", fleet, planned, "--act", *ledger)
    assert listing(tmp_path) == before


def test_verify_finds_a_tampered_plan(fleet, planned):
    plan = json.loads(planned.read_text())
    plan["moves"][0]["to"] = "h1"
    write(planned, plan)
    outcome = run("verify", fleet, planned, "--json")
    assert outcome.code == 1
    assert outcome.json["findings"]
