"""`remora stop`, `resume`, `limit`, `approve`, `status`, `ledger`: what they say, write and refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from tests import build
from tests.command_line import refused, run

WHY = ("--reason", "because", "--by", "ann")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A directory with a fleet whose only host in use drains, and the plan for it."""
    monkeypatch.chdir(tmp_path)
    hosts = [build.host("h0", memory=100, state="draining"), build.host("h1", memory=100), build.host("h2", memory=100)]
    vms = [build.vm("v0", "h0", memory=10), build.vm("v1", "h0", memory=10)]
    (tmp_path / "fleet.json").write_text(json.dumps(build.document(hosts, vms)))
    assert run("plan", "fleet.json", "-o", "plan.json").code == 0
    return tmp_path


def applied(*more):
    return run("apply", "fleet.json", "plan.json", "--act", *WHY, *more)


def plan_id() -> str:
    return json.loads(Path("plan.json").read_text())["id"]


def test_without_a_ledger_there_is_nothing_to_tell(here):
    for words in (["status"], ["ledger", "runs"], ["ledger", "verify"], ["limit", "2", *WHY], ["resume", *WHY]):
        assert "a ledger" in refused(*words)
    assert not (here / "remora-ledger.sqlite").exists()


def test_a_run_is_listed_with_who_and_why():
    assert applied().code == 0
    (listed,) = run("ledger", "runs", "--json").json
    assert (listed["plan"], listed["state"], listed["ordered_by"], listed["reason"]) == (
        plan_id(),
        "done",
        "ann",
        "because",
    )
    moves = run("ledger", "moves", plan_id(), "--json").json["moves"]
    assert [m["flying"]["state"] for m in moves] == ["done", "done"]
    events = [json.loads(line) for line in run("ledger", "export").out.splitlines()]
    assert events == run("ledger", "events", "--json").json
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    assert "because" in run("ledger", "runs").out
    assert "done" in run("ledger", "moves", plan_id()).out
    assert "2 done" in run("status").out


def test_an_unknown_plan_or_fleet_is_named():
    applied()
    assert "did you mean" in refused("ledger", "moves", plan_id()[:-1])
    assert "did you mean tiny?" in refused("status", "--fleet", "tinny")


def test_a_plan_is_named_by_its_file_as_well(here):
    applied()
    by_id, by_file = (run("ledger", "moves", name, "--json").json for name in (plan_id(), "plan.json"))
    assert by_id == by_file
    assert run("ledger", "events", "--plan", "plan.json", "--json").json == run(
        "ledger", "events", "--plan", plan_id(), "--json"
    ).json  # fmt: skip
    assert "did you mean" in refused("ledger", "events", "--plan", plan_id()[:-1])
    assert "format" in refused("ledger", "moves", "fleet.json")
    run("plan", "fleet.json", "--drain", "h1", "-o", "other.json")
    other = json.loads(Path("other.json").read_text())["id"]
    assert f"it is plan {other}" in refused("ledger", "moves", "other.json")


def test_a_plan_to_undo_is_named_by_its_file_as_well():
    applied("-o", "after.json")
    by_id, by_file = (run("plan", "after.json", "--undo", n, "--json").json["scope"] for n in (plan_id(), "plan.json"))
    assert by_id == by_file and by_id["undo"]


def test_verify_finds_a_change_and_a_missing_head():
    applied()
    head = run("ledger", "verify", "--json").json["audit"]["heads"]["tiny"][1]
    assert run("ledger", "verify", "--expect", head).code == 0
    assert run("ledger", "verify", "--expect", "0" * 64).code == 1
    import sqlite3

    raw = sqlite3.connect("remora-ledger.sqlite")
    raw.execute("UPDATE moves SET target = 'h9' WHERE move = 'm0001'")
    raw.commit()
    raw.close()
    outcome = run("ledger", "verify")
    assert (outcome.code, "TAMPERED WITH: 1 fault" in outcome.out) == (1, True)


def test_a_stop_holds_until_it_is_lifted(here):
    applied("--ledger", "first.sqlite")
    at = ("--ledger", "first.sqlite")
    assert "tiny: stopped; no move is in flight" in run("stop", *WHY, *at).out
    assert (here / "first.sqlite.stop").read_text() == "ann: because\n"
    assert "STOPPED by ann: because" in run("status", *at).out
    outcome = run(
        "apply", "fleet.json", "plan.json", "--act", "--ledger", "second.sqlite", "--stop-file", "first.sqlite.stop"
    )
    assert (outcome.code, "stopped by the file" in outcome.err) == (4, True)
    assert "may be acted on again" in run("resume", *WHY, *at).out
    assert not (here / "first.sqlite.stop").exists()
    assert "was not stopped" in run("resume", *WHY, *at).out
    assert applied("--ledger", "second.sqlite").code == 0


def test_a_stop_of_one_fleet_leaves_the_others_and_the_file_alone(here):
    applied()
    run("stop", *WHY, "--fleet", "tiny")
    assert not (here / "remora-ledger.sqlite.stop").exists()
    assert run("apply", "fleet.json", "plan.json", "--act").code == 4
    with open_ledger("remora-ledger.sqlite") as ledger:
        assert ledger.controls.of("other") == {}


def test_a_stop_works_where_there_is_no_ledger_yet(here):
    assert run("stop", *WHY).code == 2
    assert applied().code == 4
    assert not (here / "remora-ledger.sqlite").exists() or run("ledger", "runs", "--json").json == []


def test_a_limit_of_nothing_blocks_and_is_lifted():
    applied("--ledger", "l.sqlite")
    assert "at most 0 moves at once" in run("limit", "0", *WHY, "--ledger", "l.sqlite").out
    assert "at most 0 moves" in run("status", "--ledger", "l.sqlite").out
    run("limit", "none", *WHY, "--ledger", "l.sqlite")
    assert "at most" not in run("status", "--ledger", "l.sqlite").out
    for wrong in ("-1", "many", "1.5", "100001"):
        assert "limit" in refused("limit", *WHY, "--ledger", "l.sqlite", "--", wrong)


def test_a_policy_may_want_an_approval():
    policy = "format: remora-policy/1\nrules: [{rule: capacity}, {rule: maintenance}]\nexecution: {approval: true}\n"
    Path("policy.yaml").write_text(policy)
    run("plan", "fleet.json", "--policy", "policy.yaml", "-o", "plan.json")
    outcome = applied("--policy", "policy.yaml")
    assert (outcome.code, "is not approved" in outcome.err) == (4, True)
    assert "is approved by ann" in run("approve", "plan.json", *WHY).out
    assert applied("--policy", "policy.yaml").code == 0
    assert run("ledger", "runs", "--json").json[0]["approved_by"] == "ann"


def test_an_approval_does_not_cover_a_changed_plan():
    policy = "format: remora-policy/1\nrules: [{rule: capacity}, {rule: maintenance}]\nexecution: {approval: true}\n"
    Path("policy.yaml").write_text(policy)
    run("plan", "fleet.json", "--policy", "policy.yaml", "-o", "plan.json")
    with open_ledger("remora-ledger.sqlite") as ledger:  # as if the plan that ann saw had said something else
        ledger.controls.approve("tiny", plan_id(), "sha256:0", Order("ann", "because"), datetime.now(UTC))
    outcome = applied("--policy", "policy.yaml")
    assert (outcome.code, "it was changed since" in outcome.err) == (4, True), outcome


@pytest.mark.parametrize("words", [["stop"], ["resume"], ["limit", "1"], ["approve", "plan.json"]])
def test_a_reason_is_wanted(words):
    applied()
    assert "--reason" in refused(*words)
    assert "a reason" in refused(*words, "--reason", " ")


def test_a_plan_is_carried_out_under_faults_and_twice_the_same():
    said = []
    for name in ("a.sqlite", "b.sqlite"):
        outcome = applied("--location", "faults:5", "--ledger", name, "--json")
        said.append((outcome.code, outcome.json["moves"], outcome.json["ended_at"]))
        assert run("ledger", "verify", "--ledger", name).code == 0
    assert said[0] == said[1]


def test_a_dry_run_leaves_no_file(here):
    before = sorted(here.iterdir())
    assert run("apply", "fleet.json", "plan.json").code == 0
    assert sorted(here.iterdir()) == before
