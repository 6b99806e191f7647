"""The best balance that K moves can buy, on fleets so small that every placement can be tried."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from constraints.scope import scoped
from constraints.scope.best_balance import BestBalance
from optimizer.bounds.balance_bound import BalanceBound
from optimizer.fleet import ABSENT, State
from optimizer.parameters.balance import Balancing
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.scope import Scope
from optimizer.verify.proof_prices import bound_by_prices
from optimizer.verify.verify import verify
from tests.build import Document, fleet, host, policy, vm

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

SEEDS = range(40)


class Made(NamedTuple):
    fleet: Fleet
    policy: Policy
    plan: Plan

    def stage(self, name: str) -> tuple[int, int]:
        return next((s.value, s.bound) for s in self.plan.objective if s.stage == name)


def uneven(seed: int) -> tuple[Fleet, Scope]:
    """Hosts of two sizes, VMs mostly on the first, groups that stay apart, some hosts closed, some VMs fixed."""
    rng = Random(f"balance search {seed}")
    hosts = [
        host(f"h{i}", memory=rng.choice((400, 400, 800)), cpu=rng.choice((16, 32))) for i in range(rng.randint(2, 4))
    ]
    if rng.random() < 0.2:
        hosts[-1]["state"] = rng.choice(("disabled", "draining", "down"))
    vms = []
    for i in range(rng.randint(3, 6)):
        more: Document = {"groups": ["g"]} if rng.random() < 0.3 else {}
        if rng.random() < 0.1:
            more["mobility"] = "none"
        where = "h0" if rng.random() < 0.6 else rng.choice(hosts)["id"]
        vms.append(vm(f"v{i}", where, memory=rng.randint(10, 90), cpu=rng.randint(1, 6), **more))
    words = rng.choice((("memory_mib",), ("memory_mib",), ("cpu_millicores", "memory_mib")))
    return fleet(hosts, vms), Scope(balance=words, max_moves=rng.randint(0, 3))


@lru_cache
def made(seed: int) -> Made:
    tiny, scope = uneven(seed)
    asked = scoped(policy(), tiny, scope)
    plan = make_plan(tiny, asked, Request(seconds=10, deterministic=True))
    return Made(tiny, asked, plan)


@lru_cache
def least_cost(seed: int) -> tuple[int, ...]:
    """Harm and then cost, over all placements that K moves reach and that break nothing."""
    found = made(seed)
    problem = build(found.fleet, found.policy.demands)
    start = problem.start.tolist()
    worth = []
    for at in product(range(problem.hosts), repeat=problem.vms):
        moved = [v for v in range(problem.vms) if at[v] != start[v]]
        allowed = all(problem.movable[v] and problem.may_enter(v)[at[v]] for v in moved)
        if allowed and len(moved) <= (found.policy.scope.max_moves or 0):
            judged = evaluate(problem, at)
            if not judged.worse and not overtakes(found.fleet, found.policy, np.array(at)):
                worth.append((judged.harm, judged.cost))
    return min(worth)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_is_what_it_says_and_no_better_than_the_best(seed: int) -> None:
    found = made(seed)
    assert verify(found.fleet, found.policy, found.plan).findings == ()
    harm, (cost, bound) = found.stage("harm")[0], found.stage("cost")
    assert (harm, cost) >= least_cost(seed)
    assert harm > least_cost(seed)[0] or bound <= least_cost(seed)[1]
    assert len(found.plan.moves) <= (found.policy.scope.max_moves or 0)


def test_nearly_all_plans_are_the_best_there_are() -> None:
    best = [(made(s).stage("harm")[0], made(s).stage("cost")[0]) == least_cost(s) for s in SEEDS]
    assert sum(best) >= 0.9 * len(SEEDS)
    assert sum(len(made(s).plan.moves) > 0 for s in SEEDS) >= 0.6 * len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_coolest_host_does_not_become_the_hottest(seed: int) -> None:
    found = made(seed)
    if any(v.hardness is Hardness.MUST for r in found.policy.rules for v in r.check(State.start(found.fleet))):
        return
    before, after = uses(found.fleet, found.fleet.vms.host), uses(found.fleet, end(found))
    for word in found.policy.scope.balance:
        assert max(after[word].values()) <= max(before[word].values())
    assert not overtakes(found.fleet, found.policy, end(found))


def overtakes(of: Fleet, asked: Policy, at: np.ndarray) -> bool:
    """Whether the host that was the coolest ends as the hottest."""
    before, after = uses(of, of.vms.host), uses(of, at)
    for word in asked.scope.balance:
        coolest = min(before[word], key=lambda h: before[word][h])
        ties = [h for h, use in before[word].items() if use == before[word][coolest]]
        others = [use for h, use in after[word].items() if h != coolest]
        if len(ties) == 1 and others and after[word][coolest] > max(others):
            return True
    return False


def uses(of: Fleet, at: np.ndarray) -> dict[str, dict[int, float]]:
    out: dict[str, dict[int, float]] = {}
    for word, r in of.resource_index.items():
        load = np.zeros(len(of.hosts))
        placed = np.flatnonzero(at != ABSENT)
        np.add.at(load, at[placed], of.vms.demand[placed, r])
        serving = np.flatnonzero((of.hosts.state == 0) & (of.hosts.capacity[:, r] > 0))
        out[word] = {int(h): float(load[h] / of.hosts.capacity[h, r]) for h in serving}
    return out


def end(found: Made) -> np.ndarray:
    at = found.fleet.vms.host.copy()
    for m in found.plan.moves:
        at[found.fleet.vm_index[m.vm]] = found.fleet.host_index[m.target]
    return at


@pytest.mark.parametrize("seed", SEEDS)
def test_three_ways_to_count_the_cost_agree(seed: int) -> None:
    """The rule by its own formula, the reference evaluator by the atoms, and what the search follows move by move."""
    rng, found = Random(seed), made(seed)
    problem = build(found.fleet, found.policy.demands)
    (rule,) = [r for r in found.policy.demands if isinstance(r, BestBalance)]
    work = WorkingPlacement(problem)
    for _ in range(8):
        work.put(rng.randrange(problem.vms), rng.randrange(problem.hosts))
        assert work.costs is not None
        counted = rule.cost(State(found.fleet, work.placement.copy()))
        assert counted == placement_cost(problem, work.placement.tolist()) == work.costs.total


def test_a_bolder_bound_is_refused() -> None:
    refused = 0
    for seed in SEEDS:
        found = made(seed)
        proof = next((p for p in found.plan.proof if p.stage == "cost"), None)
        if proof is None or found.stage("cost")[0] == proof.bound:
            continue
        (part,) = proof.parts
        for changed in (
            replace(part, at_least=part.at_least + 1),
            replace(part, by=part.by + " 5"),
            replace(part, by="prices: all"),
        ):
            bound = changed.at_least
            stages = tuple(replace(s, bound=bound) if s.stage == "cost" else s for s in found.plan.objective)
            others = tuple(p for p in found.plan.proof if p is not proof)
            forged = replace(
                found.plan, objective=stages, proof=(*others, replace(proof, bound=bound, parts=(changed,)))
            )
            assert any(f.code == "proof_part" for f in verify(found.fleet, found.policy, forged).findings)
            refused += 1
    assert refused > len(SEEDS)


def test_an_arrival_has_a_price_and_a_proof_without_it_says_less() -> None:
    """Ten VMs on one host of eleven, one move: not all of the others can take a tenth of it each."""
    hosts = [host(f"h{i}", memory=100) for i in range(11)]
    made_of = fleet(hosts, [vm(f"v{i}", "h0", memory=9) for i in range(10)])
    asked = scoped(policy(), made_of, Scope(balance=("memory_mib",), max_moves=1))
    problem = build(made_of, asked.demands)
    proof = BalanceBound(problem, Balancing()).proof()
    least = min(placement_cost(problem, [h, *[0] * 9]) for h in range(11))
    assert proof.bound <= least
    prices = [int(p) for p in proof.parts[0].by.split()[1:]]
    assert len(prices) == 3 and prices[2] > 0
    assert bound_by_prices(problem, prices) == proof.bound
    without = bound_by_prices(problem, prices[:2])
    assert without is not None and without < proof.bound
    assert bound_by_prices(problem, [*prices[:2], -1]) is None


def test_hosts_at_99_and_0_percent() -> None:
    two = fleet([host("a", memory=1000), host("b", memory=1000)], [vm(f"v{i}", "a", memory=90) for i in range(11)])
    for moves, highest in ((1, 9000), (3, 7200), (5, 5400), (9, 5400)):
        asked = scoped(policy(), two, Scope(balance=("memory_mib",), max_moves=moves))
        plan = make_plan(two, asked, Request(seconds=5, deterministic=True))
        assert plan.stats["balance"]["after"]["memory_mib"]["highest"] == highest  # type: ignore[index]
        assert len(plan.moves) == min(moves, 5)
        assert verify(two, asked, plan).findings == ()
        assert {m.why for m in plan.moves} == {"evens out memory"}


def test_an_even_fleet_stays_as_it_is() -> None:
    even = fleet([host("a", memory=100), host("b", memory=100)], [vm("x", "a", memory=40), vm("y", "b", memory=40)])
    asked = scoped(policy(), even, Scope(balance=("memory_mib",), max_moves=5))
    plan = make_plan(even, asked, Request(seconds=5, deterministic=True))
    assert (plan.status, plan.moves) == (Status.NOTHING_TO_DO, ())
    assert verify(even, asked, plan).findings == ()
