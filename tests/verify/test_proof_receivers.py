"""Proofs by prices for receiving VMs: plans that carry them hold, and what they cannot prove is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from optimizer.parameters import Exhaustive, Parameters, Refutation, Whole
from optimizer.pipeline import Request, make_plan
from optimizer.problem.problem import build
from optimizer.sources.plan_json import plan_document, plan_from_document
from optimizer.verify.proof_receivers import bound_by_receivers
from optimizer.verify.proof_rows import Relaxed
from optimizer.verify.verify import verify
from tests.bounds.test_room_prices import fewest_moves, tiny, tiny_problem
from tests.build import fleet as build_fleet
from tests.build import host, policy, vm

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.plan import Part, Plan
    from optimizer.policy import Policy

LARGE = replace(
    Parameters(), whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False), refutation=Refutation(enabled=False)
)
"""As if the fleet were too large for the complete model."""

CAPACITY = {"rule": "capacity", "resources": ["memory_mib", "cpu_millicores"]}


@pytest.fixture(scope="module", params=[7, 11])
def planned(request: pytest.FixtureRequest) -> tuple[Fleet, Policy, Plan]:
    fleet, policy = tiny(request.param)
    return fleet, policy, make_plan(fleet, policy, Request(seconds=4, deterministic=True, parameters=LARGE))


def changed(plan: Plan, change: Callable[[Part], Part]) -> Plan:
    """Return the plan with its proof of moving changed; bounds and parts agree."""
    part = change(next(p for p in plan.proof if p.stage == "moving").parts[0])
    proof = tuple(replace(p, bound=part.at_least, parts=(part,)) if p.stage == "moving" else p for p in plan.proof)
    objective = tuple(replace(s, bound=part.at_least) if s.stage == "moving" else s for s in plan.objective)
    return replace(plan, proof=proof, objective=objective)


def test_a_plan_is_proven_by_prices_and_holds(planned: tuple[Fleet, Policy, Plan]) -> None:
    fleet, policy, plan = planned
    part = next(p for p in plan.proof if p.stage == "moving").parts[0]
    moving = next(s for s in plan.objective if s.stage == "moving")
    assert part.by.startswith("receivers: ")
    assert moving.value == moving.bound > 1
    assert verify(fleet, policy, plan).findings == ()
    assert plan_from_document(plan_document(plan), "plan") == plan


WRONG: dict[str, Callable[[Part], Part]] = {
    "more than they prove": lambda part: replace(part, at_least=part.at_least + 1),
    "no prices": lambda part: replace(part, prices=(0,) * len(part.prices)),
    "too few prices": lambda part: replace(part, prices=part.prices[1:]),
    "another step": lambda part: replace(part, by=part.by.replace(" 1 ", " 0 ", 1)),
    "no such resource": lambda part: replace(part, by=part.by.replace("memory_mib", "disk_mib")),
    "prices that add up to more than is counted": lambda part: replace(part, prices=(2**62,) * len(part.prices)),
    "harm that costs more than is counted": lambda part: replace(part, by=f"{part.by[:-2]} {10**18 - 1}"),
    "a step that is no number": lambda part: replace(part, by=part.by.replace(" 1 ", " ² ", 1)),
    "no words": lambda part: replace(part, by="receivers: memory_mib"),
    "another argument": lambda part: replace(part, by="own minimum"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_prices_do_not_prove_is_refused(planned: tuple[Fleet, Policy, Plan], what: str) -> None:
    fleet, policy, plan = planned
    found = verify(fleet, policy, changed(plan, WRONG[what])).findings
    assert {finding.code for finding in found} & {"proof_part", "proof_kind", "bound"}, what


def test_huge_prices_prove_no_more_than_there_is() -> None:
    steps, of_harm = (1, 10**9, 10**18 - 1), (0, 10**9, 10**18 - 1)
    for seed in (3, 7, 11):
        problem = tiny_problem(seed)
        relaxed, known = Relaxed(problem), fewest_moves(problem)
        for left in sorted(known)[:2]:
            least = min(moves for harm, moves in known.items() if harm <= left)
            for price, step, harm in product((1, 2**58, 2**62), steps, of_harm):
                said = f"memory_mib {step} cpu_millicores {step} {harm}"
                prices = dict.fromkeys(range(problem.vms), price)
                found = bound_by_receivers(problem, relaxed, said, prices, {"harm": 0, "should_harm": left})
                assert isinstance(found, str) or found <= least, f"problem {seed}: {price}, {said}"


def test_prices_that_leave_the_machine_s_integers_prove_nothing() -> None:
    """One host can take a VM of each of ten: what it is paid, 10 x 2^60, would be counted as less."""
    hosts = [*(host(f"h{i}", cpu=64, memory=16) for i in range(10)), host("large", cpu=640, memory=256)]
    vms = [vm(f"v{i}-{k}", f"h{i}", cpu=1, memory=4) for i in range(10) for k in range(5)]
    problem = build(build_fleet(hosts, vms), policy(CAPACITY).demands)
    prices = dict.fromkeys(range(problem.vms), 2**60 - 2**21)
    found = bound_by_receivers(problem, Relaxed(problem), "memory_mib 4 cpu_millicores 1 0", prices, {"harm": 0})
    assert isinstance(found, str)
    assert "added up" in found


def test_kinds_of_hosts_and_steps_are_limited() -> None:
    hosts = [host(f"h{i}", cpu=20 + i, memory=60_000) for i in range(9)]
    balance = {"rule": "balance", "resource": "cpu_millicores", "tolerance": "10%"}
    problem = build(build_fleet(hosts, [vm("v", "h0", memory=8_000, cpu=8)]), policy(CAPACITY, balance).demands)
    found = bound_by_receivers(problem, Relaxed(problem), "memory_mib 1 cpu_millicores 1 9", {0: 1}, {"harm": 0})
    assert isinstance(found, str)
    assert "kinds of hosts" in found
