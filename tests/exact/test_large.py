"""Numbers as large as the format has them: an exact answer, or a refusal that names what is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constraints import CATALOGUE
from optimizer.errors import InputError
from optimizer.fleet import AMOUNT_LIMIT
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.problem.exactness import LARGEST_SUM
from optimizer.problem.problem import Stage
from optimizer.sources.policy_yaml import policy_schema
from optimizer.verify.verify import verify
from tests.build import document, fleet, host, policy, vm
from tests.command_line import run, write
from tests.exact.large import large_problem
from tests.oracle.judge import Made, case_for
from tests.shares import first_and_rotating

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.plan import Plan

FULL = AMOUNT_LIMIT
PROBLEMS = 60
QUICK = Request(seconds=20, deterministic=True)


def planned(snapshot, wanted) -> Plan:
    """Plan, and have the judge accept it."""
    plan = make_plan(snapshot, wanted, QUICK)
    assert verify(snapshot, wanted, plan).findings == ()
    return plan


@pytest.mark.slow
@pytest.mark.parametrize("number", first_and_rotating(range(PROBLEMS), PROBLEMS // 4))
def test_large_problems_against_every_plan_there_is(number: int) -> None:
    """All sums of the enumeration are Python's own."""
    tiny = large_problem(number)
    try:
        plan = make_plan(tiny.fleet, tiny.policy, QUICK)
    except InputError as error:
        assert str(LARGEST_SUM) in str(error)
        return
    Made(case_for(tiny), plan).holds()
    assert verify(tiny.fleet, tiny.policy, plan).findings == ()


@pytest.mark.slow
def test_most_of_them_are_answered() -> None:
    """Otherwise the test above says little; and a value beyond 2^53 is among the answers."""
    harms = []
    for number in range(PROBLEMS):
        tiny = large_problem(number)
        try:
            plan = make_plan(tiny.fleet, tiny.policy, Request(seconds=0, deterministic=True))
        except InputError:
            continue
        harms.append(max(s.value for s in plan.objective))
    assert len(harms) >= PROBLEMS * 0.9
    assert max(harms) > 2**53


def test_harm_beyond_what_a_float_counts_is_exact() -> None:
    """A full host of 3 MiB: its harm has eighteen digits, and all of them count."""
    snapshot = fleet([host("h0", memory=3)], [vm("v0", "h0", memory=FULL), vm("v1", "h0", memory=FULL)])
    plan = planned(snapshot, policy({"rule": "capacity", "weight": 1000}))
    harm = 1000 * -(-1000 * (2 * FULL - 3) // 3)
    assert {s.stage: (s.value, s.bound) for s in plan.objective}[Stage.HARM.value] == (harm, harm)
    assert 2**59 < harm < LARGEST_SUM


def test_harm_beyond_the_limit_is_refused_by_name(tmp_path: Path) -> None:
    """Twelve hosts with as much too much on each: more than any part of the program counts."""
    hosts = [*(host(f"h{i}", memory=1) for i in range(12)), host("hx", memory=FULL)]
    snapshot = write(tmp_path / "fleet.json", document(hosts, [vm(f"v{i}", f"h{i}", memory=FULL) for i in range(12)]))
    heavy = tmp_path / "heavy.yaml"
    heavy.write_text("format: remora-policy/1\nrules:\n  - {rule: capacity, weight: 1000}\n")
    for command in ("plan", "explain"):
        outcome = run(command, snapshot, *(["h0"] if command == "explain" else []), "--policy", heavy)
        assert outcome.code == 2
        line = outcome.err.splitlines()[-1]  # warnings of so unusual amounts come before it
        for part in ("capacity", "memory_mib", "h0", str(FULL), str(LARGEST_SUM), "smaller weight than 1000"):
            assert part in line
    assert run("check", snapshot, "--policy", heavy).code == 1  # it has no solver, and Python's numbers


@pytest.mark.parametrize("least", ["weighted", "gib", "seconds"])
def test_costs_of_moving_beyond_the_limit_are_refused(least: str) -> None:
    costly: dict[str, Any] = {"move_cost": 1e9, "memory": FULL, "disk": FULL}
    hosts = [host(f"h{i}", memory=FULL, disk=FULL, migration_mib_per_s=0.001) for i in range(300)]
    snapshot = fleet(hosts, [vm(f"v{i}", f"h{i}", **costly) for i in range(300)])
    wanted = policy("capacity", least=least)
    if least == "seconds":
        with pytest.raises(InputError, match=f"cost of moving VM v0.*{LARGEST_SUM}"):
            make_plan(snapshot, wanted, QUICK)
    else:
        assert planned(snapshot, wanted).status is Status.NOTHING_TO_DO


def test_moves_that_cost_nothing_give_a_proof_that_the_judge_accepts() -> None:
    """A VM without anything to copy, under a budget of GiB; and steps of move_cost 0."""
    hosts = [host("h0", memory=4096, state="draining"), host("h1", memory=4096)]
    free = vm("free", "h0", memory=0, move_cost=0)
    heavy = [vm(f"v{i}", "h0", memory=1024, move_cost=0) for i in range(3)]
    budgets = {
        "rule": "budget",
        "limits": [{"per": "run", "gib": 1}, {"per": "run", "gib": 0}, {"per": "run", "moves": 1}],
    }
    for least in ("moves", "weighted", "gib", "seconds"):
        for limits in (budgets, {"rule": "budget", "limits": [{"per": "run", "moves": 4}, {"per": "run", "gib": 1}]}):
            planned(fleet(hosts, [free, *heavy]), policy(limits, "maintenance", least=least))


NO_VMS = [{"vms": []}, {"vms": [vm("nowhere", None, memory=1)]}, {"vms": [vm("owned", None, memory=1, owner="u")]}]

WAYS: dict[str, list[dict[str, Any]]] = {
    "anti_affinity": [{}, {"by": "owner"}, {"by": "label", "label": "app"}],
    "spread": [{}, {"by": "owner"}, {"by": "label", "label": "app"}],
    "budget": [{"limits": [{"per": per, "moves": 1}]} for per in ("run", "owner", "source", "target")],
    "eligible": [{}, {"owner_vms": 1}],
    "headroom": [{"resource": "memory_mib"}],
    "balance": [{"resource": "memory_mib", "tolerance": t} for t in (0, 0.1)],
    "pressure": [{"of": "cpu_steal"}],
    "prefer": [{"entries": [{"vms": ["*"], "hosts": ["h0"], "strict": strict}]} for strict in (False, True)],
    "noisy_neighbor": [{"score_from": 0.5}, {"limit": {"io": 0.7}}, {"noisy_from": 0.4, "at_most": 1}],
}
"""Parameters by which a rule may go; none for the others."""


@pytest.mark.parametrize("kind", sorted(CATALOGUE))
@pytest.mark.parametrize("given", NO_VMS, ids=["none", "not-placed", "owned"])
def test_a_fleet_without_vms_is_in_order(kind: str, given: dict) -> None:
    """Every rule, by owner and by label where it can be, on a region that nobody uses yet."""
    snapshot = fleet([host("h0", memory=1000)], **given)
    needed = {*policy_schema(CATALOGUE)["$defs"][f"rule_{kind}"]["required"]} - {"rule"}
    assert kind in WAYS or not needed, f"say in WAYS with which {', '.join(needed)} the rule {kind} is tried"
    for way in WAYS.get(kind, [{}]):
        assert planned(snapshot, policy({"rule": kind} | way)).status is Status.NOTHING_TO_DO
