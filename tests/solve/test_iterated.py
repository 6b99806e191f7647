"""The iterated local search finds what a descent alone does not, counts as the evaluator does, and breaks nothing."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.clock import SystemClock
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.solve.annealing import HARD, Schedule, Search
from optimizer.solve.cost_arrays import lowered, state_at
from optimizer.solve.cost_bound import aggregate_bound
from optimizer.solve.iterated import iterate_together, waste
from optimizer.solve.limits import Deadline
from tests.solve.roadef_instances import instance, random_instance

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.problem.problem import Problem


def descended(problem: Problem, seed: int) -> list[int]:
    """Where a descent from the start ends."""
    fixed, start = lowered(problem)
    search = Search(fixed, start, start.place[:, 0].copy(), seed, HARD)
    search.descend(Schedule(Deadline(SystemClock(), 600.0), 0.0, 0.0, 1))
    placement: list[int] = search.state.best.tolist()
    return placement


def iterated(
    problem: Problem, at: list[int], steps: int, *, threads: int = 1, stop: threading.Event | None = None
) -> list[list[int]]:
    """The placements that an iterated search from `at` tells of."""
    fixed, start = lowered(problem)
    told: list[list[int]] = []

    def tell(placement: Any, value: int) -> bool:
        assert placement_cost(problem, placement.tolist()) == value
        told.append(placement.tolist())
        return True

    schedule = Schedule(Deadline(SystemClock(), 600.0, stop), 0.0, 0.0, steps)
    iterate_together(fixed, start, np.array(at), schedule, seed=5, threads=threads, tell=tell)
    return told


def optimum(problem: Problem) -> int:
    """The least cost of any placement that makes nothing worse, from all of them."""
    every = itertools.product(range(problem.hosts), repeat=problem.vms)
    judged = (evaluate(problem, list(at)) for at in every)
    return min(j.cost for j in judged if not j.worse)


def test_waste_is_what_a_placement_costs_over_the_aggregate_bound(tmp_path: Path) -> None:
    wasteful = 0
    for seed in range(40):
        problem = random_instance(tmp_path, seed)
        fixed, start = lowered(problem)
        wasted, scarce = waste(fixed, start)
        assert placement_cost(problem, problem.start.tolist()) == aggregate_bound(problem) + wasted.sum()
        assert wasted.shape == (problem.hosts, len(scarce))
        wasteful += bool(wasted.any())
    assert wasteful > 10


def test_tiny_instances_come_nearer_to_the_enumerated_optimum(tmp_path: Path) -> None:
    by_descent = by_both = 0
    for seed in range(25):
        problem = random_instance(tmp_path, seed)
        at = descended(problem, seed)
        told = iterated(problem, at, 60_000)
        values = [placement_cost(problem, p) for p in [at, *told]]
        assert values == sorted(values, reverse=True)
        assert all(evaluate(problem, p).worse == () for p in told)
        least = optimum(problem)
        assert values[-1] >= least
        by_descent += values[0] == least
        by_both += values[-1] == least
    assert by_both > by_descent


def test_a_hole_that_no_cool_search_makes_is_made_and_filled(data_dir: Path) -> None:
    problem = instance(data_dir, "a1_2")
    at = descended(problem, 0)
    first, bound = placement_cost(problem, at), aggregate_bound(problem)
    alone, together = (iterated(problem, at, 40_000_000, threads=threads) for threads in (1, 2))
    assert alone == together
    assert first > 1.02 * bound
    assert bound <= placement_cost(problem, alone[-1]) <= 1.0001 * bound
    assert evaluate(problem, alone[-1]).worse == ()


def test_where_nothing_is_wasted_it_ends(data_dir: Path) -> None:
    problem = instance(data_dir, "a1_2")
    at = iterated(problem, descended(problem, 0), 40_000_000)[-1]
    fixed, start = lowered(problem)
    assert waste(fixed, state_at(fixed, start, np.array(at), 0))[0].sum() == 0
    assert iterated(problem, at, 10**15) == [at] * 4


def test_a_search_that_may_not_run_says_nothing(data_dir: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert iterated(instance(data_dir, "a1_2"), descended(instance(data_dir, "a1_2"), 0), 1000, stop=stop) == []
