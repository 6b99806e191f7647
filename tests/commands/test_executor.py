"""`remora stop`, `resume`, `limit`, `approve`, `status`, `ledger`: what they say, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer.errors import SafetyStop
from optimizer.execute.ledger import Ledger, open_ledger
from optimizer.execute.ledger.records import EVERY_FLEET, FlyingMove, Order
from optimizer.execute.ledger.transitions import Pressed
from optimizer.execute.states import MoveState
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
    assert (here / "first.sqlite.stop").read_text() == "stopped by ann: because\n"
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


@pytest.mark.parametrize(("file", "why"), [("fleet.json", "stop file"), ("nodir/halt", "No such file")])
def test_a_stop_whose_file_cannot_be_written_stops_the_ledger_all_the_same(here, file, why):
    applied()
    before = (here / "fleet.json").read_bytes()
    outcome = run("stop", *WHY, "--stop-file", file)
    assert (outcome.code, "tiny: stopped" in outcome.out) == (1, True)
    assert outcome.err.startswith("remora: stopped by the ledger alone: ") and why in outcome.err
    assert (here / "fleet.json").read_bytes() == before
    for fleet in ("tiny", "other"):
        with open_ledger("remora-ledger.sqlite") as ledger:
            assert ledger.controls.of(fleet)["stop"].reason == "because"


def test_a_stop_that_neither_file_nor_ledger_can_hold_says_so(here):
    (here / "led").write_text("no ledger")
    outcome = run("stop", *WHY, "--ledger", "led", "--stop-file", "nodir/halt")
    assert outcome.code == 4 and "nothing is stopped: nodir/halt" in outcome.err and "led" in outcome.err


def test_a_stop_works_where_there_is_no_ledger_yet(here):
    outcome = run("stop", *WHY)
    assert (outcome.code, "no ledger at remora-ledger.sqlite yet" in outcome.out) == (1, True)
    assert applied().code == 4
    assert not (here / "remora-ledger.sqlite").exists() or run("ledger", "runs", "--json").json == []
    assert "remora-ledger.sqlite.stop: removed" in run("resume", *WHY).out
    assert applied().code == 0


@pytest.mark.parametrize("with_ledger", [False, True])
def test_a_stop_of_a_fleet_that_was_never_carried_out_holds_from_its_first_run_on(here, with_ledger):
    at = ("--ledger", "new.sqlite")
    if with_ledger:
        with open_ledger("new.sqlite") as ledger:
            ledger.controls.set("other", "limit", "3", Order("ann", "slow"), datetime(2026, 11, 21, tzinfo=UTC))
    outcome = run("stop", *WHY, "--fleet", "tiny", *at)
    assert (outcome.code, "tiny: stopped" in outcome.out) == (1, True)
    assert "has not heard of fleet tiny yet" in outcome.out
    refused = applied(*at)
    assert (refused.code, "stopped by ann" in refused.err) == (4, True)
    assert "STOPPED by ann: because" in run("status", *at).out
    assert run("ledger", "verify", *at).code == 0
    assert run("resume", *WHY, "--fleet", "tiny", *at).code == 0
    assert applied(*at).code == 0


def test_a_stop_of_all_holds_for_fleets_that_come_later_also_without_the_file(here):
    at = ("--ledger", "new.sqlite")
    with open_ledger("new.sqlite") as ledger:
        ledger.controls.set("other", "limit", "3", Order("ann", "slow"), datetime(2026, 11, 21, tzinfo=UTC))
    outcome = run("stop", *WHY, *at)
    assert (outcome.code, "every other fleet: stopped before its first run" in outcome.out) == (0, True)
    (here / "new.sqlite.stop").unlink()
    assert applied(*at).code == 4
    outcome = run("resume", *WHY, "--fleet", "other", *at)
    assert (outcome.code, "still stopped with every fleet by ann: because" in outcome.out) == (1, True)
    assert run("ledger", "verify", *at).code == 0
    assert "every other fleet: may be acted on again" in run("resume", *WHY, *at).out
    assert applied(*at).code == 0
    assert run("ledger", "verify", *at).code == 0


def test_a_button_of_all_stops_the_next_submit_of_a_fleet_that_is_not_known(tmp_path):
    """By the ledger itself, in the transaction that writes an intent: 20 fleets, of which it knows every second."""
    place, now = str(tmp_path / "ledger.sqlite"), datetime(2026, 11, 21, tzinfo=UTC)
    with open_ledger(place) as ledger:
        for n in range(0, 20, 2):
            ledger.controls.set(f"f{n}", "limit", "3", Order("ann", "slow"), now)
        ledger.controls.set(EVERY_FLEET, "stop", "abort", Order("ann", "fire"), now)
        assert ledger.fleets() == tuple(sorted(f"f{n}" for n in range(0, 20, 2)))
        for n in range(20):
            held = ledger.controls.of(f"f{n}")
            assert (held["stop"].reason, "limit" in held) == ("fire", n % 2 == 0)
            lead = ledger.lead(f"f{n}", "me", now)
            move = FlyingMove("plan", "m1", "v", "a", "b", MoveState.INTENDED, 1, 1, lead.epoch, "", now)
            with pytest.raises(Pressed, match="fire"):
                ledger.intend(lead, move, now, lambda _: None)
            ledger.release(lead)
        assert ledger.audit().faults == ()


def test_a_plan_is_approved_by_its_file_and_not_by_its_id(here):
    name = json.loads((here / "plan.json").read_text())["id"]
    outcome = run("approve", name, *WHY)
    assert (outcome.code, "the file of the plan, not its id" in outcome.err) == (2, True)
    assert "bound to the digest" in outcome.err
    assert run("approve", "plan.json", *WHY).code == 0
    assert run("approve", "no-such-file.json", *WHY).code == 2


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


def test_what_cannot_be_told_undoes_no_stop():
    """Neither the file nor standard output can be written; the ledger is stopped, and no message says otherwise."""
    open_ledger("book.sqlite").close()
    words = ["stop", *WHY, "--ledger", "book.sqlite", "--stop-file", "none/x.stop"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, Path(__file__).parents[2] / "cli.py", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert "nothing is stopped" not in done.stderr
    assert "STOPPED" in run("status", "--ledger", "book.sqlite").out


def test_a_ledger_that_fails_behind_the_stop_does_not_seem_to_have_failed_before(monkeypatch):
    assert applied().code == 0

    def fails(ledger: Ledger) -> None:
        raise SafetyStop("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "fleets", fails)
        stopped = run("stop", *WHY)
    assert (stopped.code, stopped.out) == (4, "")
    assert "every fleet is stopped, but what each has in flight cannot be said: the disk is full" in stopped.err
    assert "STOPPED" in run("status").out
