"""What budgets pay for: no more than there is, and as much repaired as any departures repair that they allow."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from optimizer.bounds.affordable import affordable, everywhere
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.parameters import Bounding
from optimizer.problem.atoms import AtMost, Flow
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rounding import harm
from optimizer.problem.working_placement import sizes
from optimizer.repair.insertion import evicted
from tests.problem.tiny import MUST, problem, room, sets
from tests.repair.solving import bounds_of, solver_of


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.int64)


def run(cost: list[int], limit: int) -> Flow:
    return Flow("budget", "run", None, None, None, np.array(cost, np.int64), limit)


def kept(asked: Problem, leaving: frozenset[int]) -> int:
    """Harm of musts that departures leave, counted row by row."""
    total = 0
    for row in EvictionRelaxation(asked).rows:
        least = min(s.need - int(s.amounts[np.isin(s.vms, list(leaving))].sum()) for s in row.sides)
        total += harm(max(0, least), row.unit, row.asked.weight)
    return total


def within(asked: Problem, leaving: frozenset[int]) -> bool:
    return all(sum(int(f.cost[v]) for v in leaving) <= f.limit for f in everywhere(asked))


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_best_that_the_budgets_allow(seed: int) -> None:
    random = np.random.default_rng(seed)
    amount = random.integers(1, 9, 8).tolist()
    loads = [sum(amount[:4]), sum(amount[4:])]
    cost = random.integers(1, 9, 8).tolist()
    atoms = [
        room(amount, [max(1, loads[0] - 6), max(1, loads[1] - 9), 99], unit=20),
        AtMost(MUST, 0, sets([0, 1], [4, 6]), ones(2)),
        run(cost, 11),
        run([1] * 8, 3),
    ]
    asked = problem([0] * 4 + [1] * 4, atoms, hosts=3)
    components = EvictionRelaxation(asked).components
    found = affordable(asked, components, sizes(asked), 0, 60.0, Bounding())
    every = (frozenset(c) for n in range(4) for c in combinations(range(8), n))
    assert within(asked, found)
    assert kept(asked, found) == min(kept(asked, c) for c in every if within(asked, c))


def test_without_a_budget_that_binds_nobody_is_asked() -> None:
    bounds = bounds_of(problem([0, 0, 1], [room([5, 5, 1], [5, 17, 12]), run([1, 1, 1], 1)]))
    assert not bounds.affordable
    assert evicted(bounds) == [0]


def test_a_crowd_and_a_host_share_a_budget_by_what_it_mends() -> None:
    """Two moves are paid for: the crowd counts a thousand for each, the host a thousandth of that for its many."""
    atoms = [room([1] * 6, [2, 9, 9], unit=1000), AtMost(MUST, 0, sets([4, 5]), ones(1)), run([1] * 6, 2)]
    asked = problem([0, 0, 0, 0, 1, 1], atoms, hosts=3)
    solver = solver_of(asked)
    placement = solver.repair()
    moved = set(np.flatnonzero(placement != asked.start).tolist())
    assert len(moved) <= 2
    assert moved & {4, 5}
    assert solver.bounds.prove({Stage.HARM: 2, Stage.MOVING: 2})[Stage.HARM].bound <= 1
