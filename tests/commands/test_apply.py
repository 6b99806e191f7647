"""`remora apply`: what it does, what it refuses, what it writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from optimizer.errors import StalePlan
from optimizer.execute.apply import apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.pipeline import Request, make_plan
from optimizer.sources.fleet_json import fleet_from_document
from tests import build
from tests.command_line import listing, refused, run, write
from tests.commands.small import document


def test_apply_is_read_only_without_act(fleet, planned, ledger, tmp_path):
    before = listing(tmp_path)
    outcome = run("apply", fleet, planned, *ledger)
    assert outcome.code == 0
    assert "Nothing was done" in outcome.out
    assert listing(tmp_path) == before


def test_apply_writes_the_fleet_that_results(fleet, planned, ledger, tmp_path):
    after = tmp_path / "after.json"
    outcome = run("apply", fleet, planned, "--act", "-o", after, *ledger, "--json")
    assert outcome.code == 0
    assert outcome.json["done"] == 1
    assert run("check", after).code == 0
    assert json.loads(after.read_text())["history"][-1]["outcome"] == "done"


@pytest.mark.parametrize("memory_mib", [10**7, 10**10, 333_333_332_993])
def test_a_simulated_move_of_years_takes_no_years(tmp_path, memory_mib):
    """Found by the fuzz: time was let pass in polls of two seconds, for ten years."""
    hosts = [build.host(f"h{i}", memory=2 * memory_mib) for i in range(2)]
    vms = [build.vm(f"v{i}", "h0", memory=memory_mib, groups=["pair"]) for i in range(2)]
    fleet, plan = write(tmp_path / "huge.json", build.document(hosts, vms)), tmp_path / "plan.json"
    ledger = ("--ledger", tmp_path / "ledger.sqlite")
    run("plan", fleet, "-o", plan)
    outcome = run("apply", fleet, plan, "--act", *ledger)
    assert outcome.code == 0, outcome
    assert "is done: 1 move in" in outcome.out


def test_the_fleet_that_results_never_replaces_the_ledger(fleet, planned, tmp_path):
    """Neither of the two is there yet, so only their names tell that they are one."""
    before = listing(tmp_path)
    said = refused("apply", fleet, planned, "--act", "--ledger", tmp_path / "x", "-o", tmp_path / "." / "x")
    assert "must not be an input" in said
    assert listing(tmp_path) == before


def test_a_second_apply_is_refused(fleet, planned, ledger, tmp_path):
    assert run("apply", fleet, planned, "--act", *ledger).code == 0
    before = listing(tmp_path)
    outcome = run("apply", fleet, planned, "--act", "-o", tmp_path / "again.json", *ledger)
    assert outcome.code == 4
    assert outcome.err.count("\n") == 1
    assert listing(tmp_path) == before


def test_the_ledger_is_in_the_directory_where_one_stands(fleet, planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("apply", fleet, planned, "--act").code == 0
    assert (tmp_path / "remora-ledger.sqlite").exists()
    assert run("apply", fleet, planned, "--act").code == 4


def test_a_move_that_fails_leaves_its_trouble(fleet, planned, ledger, tmp_path):
    after = tmp_path / "after.json"
    outcome = run("apply", fleet, planned, "--act", "--fail", "m0001", "-o", after, *ledger)
    assert outcome.code == 1
    assert "failed" in outcome.out
    assert run("check", after).code == 1


def test_the_fleet_that_results_is_named_by_the_moves_that_are_done(fleet, planned, ledger, tmp_path):
    ends = run("apply", fleet, planned, "--act", "--fail", "m0001", "-o", tmp_path / "after.json", *ledger).err
    assert "the fleet after 0 moves (1 failed)" in ends


def test_a_failure_of_a_move_that_is_not_there_is_refused(fleet, planned, ledger, tmp_path):
    before = listing(tmp_path)
    assert "m0001" in refused("apply", fleet, planned, "--act", "--fail", "m0011", *ledger)
    assert listing(tmp_path) == before


def test_a_plan_of_another_fleet_is_refused(planned, ledger, tmp_path):
    other = write(tmp_path / "other.json", document(fleet="other"))
    assert run("apply", other, planned, "--act", *ledger).code == 4


def test_a_stale_plan_is_refused(planned, ledger, tmp_path):
    moved = document()
    moved["vms"][0]["host"], moved["vms"][1]["host"] = "h2", "h2"
    assert run("apply", write(tmp_path / "now.json", moved), planned, "--act", *ledger).code == 4


def test_what_a_simulation_leaves_says_so_and_is_never_acted_on(tmp_path, ledger):
    """By the simulation's clock it is of a time to come; a plan of it is for study."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    fleet = write(tmp_path / "now.json", {**document(), "taken_at": now})
    plan, after, second = (tmp_path / name for name in ("p.json", "after.json", "second.json"))
    assert run("plan", fleet, "-o", plan).code == 0
    assert run("apply", fleet, plan, "--act", "-o", after, *ledger).code == 0
    found = json.loads(after.read_text())
    assert found["simulated"] is True
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    write(after, {**found, "taken_at": later})
    outcome = run("plan", after, "--drain", "h0", "-o", second)
    assert "a simulation left the fleet so" in outcome.err and "time zone" not in outcome.err
    assert run("verify", after, second).code == 0
    assert run("verify", after, second, "--json").json["holds"]


def test_a_real_driver_refuses_a_simulated_snapshot():
    class Real(SimulatedDriver):
        simulated = False

    fleet = fleet_from_document({**document(), "simulated": True}, "x")
    plan = make_plan(fleet, build.policy("capacity"), Request())
    with pytest.raises(StalePlan, match="simulation"):
        apply(fleet, build.policy("capacity"), plan, Real(fleet), None, act=False)
