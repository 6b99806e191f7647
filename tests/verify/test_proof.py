"""The judge's own arithmetic of proofs against enumeration."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.problem.enumerate import best_plan, placements
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness
from optimizer.verify.proof_component import NEVER, Component, least_harm_within
from optimizer.verify.proof_model import WholeModel
from optimizer.verify.proof_rows import Relaxed
from optimizer.verify.proof_whole import judge_whole
from tests.problem.random_problems import KINDS, random_problem
from tests.problem.tiny import problem as tiny

if TYPE_CHECKING:
    import numpy as np


def some_problem(seed: int) -> Problem:
    rng = Random(seed)
    return random_problem(rng, kinds=rng.sample(KINDS, 3))


def least_cost(relaxed: Relaxed, rows: list, cost: np.ndarray) -> int:
    """Try every set of departures."""
    able = sorted({v for row in rows for v in row.vms})
    best = NEVER
    for n in range(len(able) + 1):
        for gone in combinations(able, n):
            if all(any(sum(a for v, a in s.items() if v in gone) >= need for s, need in r.sides) for r in rows):
                best = min(best, sum(int(cost[v]) for v in gone))
    return best


def test_a_knot_costs_what_the_cheapest_departures_cost() -> None:
    met = 0
    for seed in range(150):
        problem = some_problem(seed)
        relaxed = Relaxed(problem)
        component = Component(relaxed.rows, problem.moving)
        if not component.unpriced:
            continue
        least = least_cost(relaxed, component.unpriced, problem.moving)
        assert component.costs_at_least(least)
        assert least == NEVER or not component.costs_at_least(least + 1)
        met += 0 < least < NEVER
    assert met > 20


@pytest.mark.slow
def test_no_plan_beats_the_relaxation() -> None:
    met = 0
    for seed in range(120):
        problem = some_problem(seed)
        best = best_plan(problem).values
        component = Component(Relaxed(problem).rows, problem.moving)
        harm, moving = best[Stage.HARM], best[Stage.MOVING]
        irreducible = sum(r.harm(r.stuck) for r in component.of(Hardness.MUST))
        assert irreducible <= harm
        if Stage.SHOULD_HARM not in best and harm == 0:
            musts = Component(component.of(Hardness.MUST), problem.moving)
            assert not musts.costs_at_least(moving + 1)
            met += moving > 0
        assert not component.keeps_at_least(harm + 1, Hardness.MUST, moving)
    assert met > 5


@pytest.mark.slow
@pytest.mark.parametrize("orders", [False, True])
def test_the_complete_model_knows_the_optimum(orders: bool) -> None:
    """Nothing is below the optimum of the last stage, and something is below the next value."""
    refused = 0
    for seed in range(80):
        problem = some_problem(seed)
        if orders:
            best = best_plan(problem).values
        else:
            best = min((o.values for o in placements(problem)), key=lambda v: tuple(v.values()))
        values = {s.value: v for s, v in best.items()}
        relaxed = Relaxed(problem)
        holds = judge_whole(problem, relaxed, Stage.MOVING, best[Stage.MOVING], values, orders=orders)
        assert holds is True or isinstance(holds, str)
        above = judge_whole(problem, relaxed, Stage.MOVING, best[Stage.MOVING] + 1, values, orders=orders)
        assert above is False or isinstance(above, str)
        refused += isinstance(holds, str) or isinstance(above, str)
    assert refused < 8


def test_a_model_that_is_too_large_is_not_listed_whole() -> None:
    """Fifteen thousand VMs and hosts took 5.8 GiB of pairs before they were said to be too many."""
    large = tiny([0] * 400, hosts=100)
    model = WholeModel(large, Relaxed(large), 1000)
    assert model.too_large
    assert sum(map(len, model.hosts.values())) <= 1000 + large.hosts


def test_curves_are_combined_as_in_a_knapsack() -> None:
    rng = Random(5)
    for _ in range(50):
        curves = []
        for _ in range(rng.randint(1, 4)):
            costs = sorted(rng.sample(range(1, 9), rng.randint(0, 3)))
            harms = sorted(rng.sample(range(20), len(costs) + 1), reverse=True)
            curves.append(list(zip([0, *costs], harms, strict=True)))
        for budget in range(12):
            best = [0]
            reach = {0: 0}
            for points in curves:
                step: dict[int, int] = {}
                for spent, kept in reach.items():
                    for cost, harm in points:
                        step[spent + cost] = min(step.get(spent + cost, NEVER), kept + harm)
                reach = step
            best = [kept for spent, kept in reach.items() if spent <= budget]
            assert least_harm_within(curves, budget) == min(best)
