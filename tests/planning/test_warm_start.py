"""A plan that begins with the last one: never worse than one that does not, always right, and cheap where it can be."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.pipeline import Request, make_plan
from optimizer.repair.solver import Solver
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.synthetic import Spec, generate
from optimizer.verify.verify import verify
from tests import build

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

REQUEST = Request(seconds=1, deterministic=True)
POLICY = build.policy()


def document(seed: int) -> dict[str, Any]:
    rng = Random(seed)
    spec = Spec(hosts=8, vms=50, seed=seed, memory_fill=rng.choice([0.6, 0.75, 0.85]), hosts_per_rack=4, history=0.0)
    made = generate(spec)
    for vm in rng.sample(made["vms"], 6):  # who is beside a fellow of its group has to leave
        vm["host"] = rng.choice(made["hosts"])["id"]
    return made


def later(made: dict[str, Any], plan: Plan, rng: Random) -> Fleet:
    """Return the fleet a while later: a part of the plan was carried out, and life went on."""
    vms = {vm["id"]: dict(vm) for vm in made["vms"]}
    for move in plan.moves:
        if rng.random() < 0.4:
            vms[move.vm]["host"] = move.target
    for name in rng.sample(sorted(vms), 3):
        del vms[name]
    for name in rng.sample(sorted(vms), 3):
        vms[name]["host"] = rng.choice(made["hosts"])["id"]
    for vm in vms.values():
        vm["demand"] = {r: max(1, int(n * rng.uniform(0.95, 1.05))) for r, n in vm["demand"].items()}
    return fleet_from_document({**made, "vms": list(vms.values())}, "later")


def worth(plan: Plan) -> list[int]:
    return [stage.value for stage in plan.objective if stage.stage != "placement"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_a_hint_makes_no_plan_worse_and_none_wrong(seed: int) -> None:
    made = document(seed)
    first = make_plan(fleet_from_document(made, "first"), POLICY, REQUEST)
    fleet = later(made, first, Random(seed))
    plain, hinted = (make_plan(fleet, POLICY, REQUEST, hint=hint) for hint in (None, first))
    assert worth(hinted) <= worth(plain)
    verdict = verify(fleet, POLICY, hinted)
    assert verdict.findings == ()


def test_what_was_not_carried_out_is_planned_again_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleet_from_document(document(1), "same")
    first = make_plan(fleet, POLICY, REQUEST)
    assert first.moves

    def search(*_: object) -> Any:
        raise AssertionError("a search, though the last plan does all that can be done")

    monkeypatch.setattr(Solver, "repair", search)
    again = make_plan(fleet, POLICY, REQUEST, hint=first)
    assert worth(again) == worth(first)
    assert {(m.vm, m.target) for m in again.moves} == {(m.vm, m.target) for m in first.moves}


def test_moves_that_are_not_needed_any_more_are_left_out() -> None:
    hosts = [build.host(f"h{i}", memory=100) for i in range(3)]
    vms = [build.vm(f"v{i}", "h0", memory=10, groups=["g" if i < 2 else "k"]) for i in range(4)]
    policy = build.policy("capacity", "anti_affinity")
    first = make_plan(build.fleet(hosts, vms), policy, REQUEST)
    assert len(first.moves) == 2
    vms[1]["host"], vms[0]["host"] = "h1", "h2"  # group g is apart already
    second = make_plan(build.fleet(hosts, vms), policy, REQUEST, hint=first)
    assert [m.vm for m in second.moves] in (["v2"], ["v3"])
    nothing = [build.vm("v0", "h0", memory=10), build.vm("v1", "h1", memory=10)]
    assert make_plan(build.fleet(hosts, nothing), policy, REQUEST, hint=first).moves == ()


def test_a_hint_of_names_that_are_gone_is_none() -> None:
    made = document(2)
    first = make_plan(fleet_from_document(made, "first"), POLICY, REQUEST)
    others = [{**vm, "id": f"other-{vm['id']}"} for vm in made["vms"]]
    groups = [g for g in made.get("groups", []) if "members" not in g]
    fleet = fleet_from_document({**made, "vms": others, "groups": groups}, "others")
    plain, hinted = (make_plan(fleet, POLICY, REQUEST, hint=hint) for hint in (None, first))
    assert (hinted.moves, worth(hinted)) == (plain.moves, worth(plain))
