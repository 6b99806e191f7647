"""`plan --undo`: VMs go back to where a run took them from, with every check of any plan."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from constraints.scope.undo import homes_of
from tests import build
from tests.command_line import refused, run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(hosts, vms, **more) -> None:
    Path("fleet.json").write_text(json.dumps(build.document(hosts, vms, **more)))


def there_and_back(policy: str, host: str) -> tuple[dict[str, str], dict[str, str]]:
    """Empty a host, plan the way back, verify and apply that; return where the VMs were at first, and are now."""
    assert run("plan", "fleet.json", "--policy", policy, "--drain", host, "-o", "plan.json").code in (0, 1)
    plan = json.loads(Path("plan.json").read_text())
    assert plan["moves"]
    applied = run("apply", "fleet.json", "plan.json", "--policy", policy, "--act", "-o", "after.json")
    assert applied.code == 0, applied
    outcome = run("plan", "after.json", "--policy", policy, "--undo", plan["id"], "-o", "back.json")
    assert outcome.code == 0, outcome
    assert run("verify", "after.json", "back.json", "--policy", policy).code == 0
    applied = run("apply", "after.json", "back.json", "--policy", policy, "--act", "-o", "again.json")
    assert applied.code == 0, applied
    return places("fleet.json"), places("again.json")


def places(path: str) -> dict[str, str]:
    return {vm["id"]: vm["host"] for vm in json.loads(Path(path).read_text())["vms"]}


def test_what_was_repaired_is_not_broken_again():
    hosts = [build.host(f"h{i}", memory=1000) for i in range(3)]
    written(
        hosts,
        [build.vm("a", "h0", memory=10, groups=["g"]), build.vm("b", "h0", memory=10, groups=["g"], mobility="none")],
    )
    run("plan", "fleet.json", "-o", "plan.json")
    plan = json.loads(Path("plan.json").read_text())
    run("apply", "fleet.json", "plan.json", "--act", "-o", "after.json")
    outcome = run("plan", "after.json", "--undo", plan["id"], "-o", "back.json")
    back = json.loads(Path("back.json").read_text())
    assert (outcome.code, back["moves"]) == (1, [])
    assert [r["subject"] for r in back["remaining"]] == [plan["moves"][0]["vm"]]
    assert run("verify", "after.json", "back.json").code == 0


def test_what_held_before_is_not_broken_by_the_way_back():
    """Another replica has come to where the VM was: it may not go back."""
    hosts = [build.host(f"h{i}", memory=1000, state="draining" if i == 0 else "active") for i in range(3)]
    written(hosts, [build.vm("a", "h0", memory=10, groups=["g"])])
    run("plan", "fleet.json", "-o", "plan.json")
    plan = json.loads(Path("plan.json").read_text())["id"]
    run("apply", "fleet.json", "plan.json", "--act", "-o", "after.json")
    document = json.loads(Path("after.json").read_text())
    document["hosts"][0]["state"] = "active"
    document["vms"].append(build.vm("b", "h0", memory=10, groups=["g"], mobility="none"))
    Path("after.json").write_text(json.dumps(document))
    outcome = run("plan", "after.json", "--undo", plan, "-o", "back.json")
    assert outcome.code == 1
    back = json.loads(Path("back.json").read_text())
    assert (back["moves"], [r["subject"] for r in back["remaining"]]) == ([], ["a"])


def test_a_vm_that_was_moved_since_is_left_alone():
    hosts = [build.host(f"h{i}", memory=1000) for i in range(4)]
    written(hosts, [build.vm("a", "h0", memory=10, groups=["g"]), build.vm("b", "h0", memory=10, groups=["g"])])
    run("plan", "fleet.json", "-o", "plan.json")
    plan = json.loads(Path("plan.json").read_text())
    run("apply", "fleet.json", "plan.json", "--act", "-o", "after.json")
    document = json.loads(Path("after.json").read_text())
    (moved,) = plan["moves"]
    elsewhere = next(h["id"] for h in document["hosts"] if h["id"] not in (moved["from"], moved["to"]))
    next(vm for vm in document["vms"] if vm["id"] == moved["vm"])["host"] = elsewhere
    Path("after.json").write_text(json.dumps(document))
    outcome = run("plan", "after.json", "--undo", plan["id"], "-o", "back.json")
    assert "left alone" in outcome.err
    assert json.loads(Path("back.json").read_text())["moves"] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_host_that_was_emptied_is_filled_again(seed: int):
    rng = Random(seed)
    hosts = [build.host(f"h{i}", memory=1000, rack=f"r{i // 2}") for i in range(6)]
    vms = [build.vm(f"v{v}", f"h{v % 3}", memory=rng.randint(10, 60), groups=[f"g{v // 3}"]) for v in range(9)]
    written(hosts, vms)
    Path("policy.yaml").write_text("format: remora-policy/1\nrules: [{rule: capacity}, {rule: anti_affinity}]\n")
    before, after = there_and_back("policy.yaml", f"h{rng.randrange(3)}")
    assert before == after


def test_what_cannot_be_meant_is_refused():
    written([build.host("h0", memory=1000)], [build.vm("a", "h0", memory=10)])
    assert "a ledger" in refused("plan", "fleet.json", "--undo", "plan-1")
    Path("fleet2.json").write_text(Path("fleet.json").read_text())
    assert "--only" in refused("plan", "fleet.json", "--undo", "plan-1", "--only", "h0")


def test_names_may_have_the_sign_in_them():
    fleet = build.fleet([build.host("h=0"), build.host("h1")], [build.vm("a=b", "h1"), build.vm("c", "h1")])
    assert homes_of(["a=b=h=0", "c=h1", "d=h1", "c=nowhere"], fleet) == {0: 0, 1: 1}
