"""The iterated local search finds what a descent alone does not, counts as the evaluator does, and breaks nothing."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optimizer.clock import SystemClock
from optimizer.limits import Deadline
from optimizer.parameters import HARD, Annealing, Iterated
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.reassignment.annealing import Schedule, Search
from optimizer.reassignment.cost_arrays import lowered, state_at
from optimizer.reassignment.cost_bound import aggregate_bound
from optimizer.reassignment.iterated_local_search import iterate_together, waste
from tests.reassignment.roadef_instances import instance, random_instance

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.problem.problem import Problem


STUCK = 40_000_000
"""Proposals of a descent on a1_2, ten times as many as a perturbed one gets here in all."""


def descended(problem: Problem, seed: int, proposals: int = 300_000) -> list[int]:
    """Where a descent from the start ends."""
    fixed, start = lowered(problem)
    search = Search(fixed, start, start.place[:, 0].copy(), seed, HARD, Annealing())
    search.run(proposals, 0.0, 0.0)
    placement: list[int] = search.state.best.tolist()
    return placement


def iterated(problem: Problem, at: list[int], schedule: Schedule, *, threads: int = 1) -> list[list[int]]:
    """The placements that an iterated search from `at` tells of."""
    fixed, start = lowered(problem)
    told: list[list[int]] = []

    def tell(placement: Any, value: int) -> bool:
        assert placement_cost(problem, placement.tolist()) == value
        told.append(placement.tolist())
        return True

    iterate_together(fixed, start, np.array(at), schedule, seed=5, threads=threads, given=Iterated(), tell=tell)
    return told


def counted(steps: int, stop: threading.Event | None = None) -> Schedule:
    """That many proposals for each search, whatever time they take."""
    return Schedule(Deadline(SystemClock(), 600.0, stop), 0.0, 0.0, steps)


@pytest.fixture(scope="module")
def stuck(data_dir: Path) -> tuple[Problem, list[int]]:
    """a1_2, and where a descent ends that lasts until nothing is left to gain."""
    problem = instance(data_dir, "a1_2")
    return problem, descended(problem, 0, proposals=STUCK)


def optimum(problem: Problem) -> int:
    """The least cost of any placement that makes nothing worse, from all of them."""
    every = itertools.product(range(problem.hosts), repeat=problem.vms)
    cheapest_first = sorted((placement_cost(problem, at), at) for at in every)  # to judge takes longer than to count
    return next(cost for cost, at in cheapest_first if not evaluate(problem, at).worse)


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


@pytest.mark.slow
def test_tiny_instances_come_nearer_to_the_enumerated_optimum(tmp_path: Path) -> None:
    by_descent = by_both = 0
    for seed in range(6):
        problem = random_instance(tmp_path, seed)
        at = descended(problem, seed, proposals=100_000)
        told = iterated(problem, at, counted(60_000))
        values = [placement_cost(problem, p) for p in [at, *told]]
        assert values == sorted(values, reverse=True)
        assert all(evaluate(problem, p).worse == () for p in told)
        least = optimum(problem)
        assert values[-1] >= least
        by_descent += values[0] == least
        by_both += values[-1] == least
    assert by_both > by_descent


@pytest.mark.slow
def test_squeezes_are_counted_right_and_undone_whole(tmp_path: Path) -> None:
    went = 0
    for seed in range(40):
        problem = random_instance(tmp_path, seed, machines=5, processes=8)
        fixed, start = lowered(problem)
        search = Search(fixed, start, start.place[:, 0].copy(), seed, HARD, Annealing())
        rng = np.random.default_rng(seed)
        for vm, host in zip(rng.integers(0, 8, 30).tolist(), rng.integers(0, 5, 30).tolist(), strict=True):
            before = search.state.place[:, 0].tolist()
            done = search.squeeze(vm, host)
            at = search.state.place[:, 0].tolist()
            assert at[vm] == host if done else at == before
            assert int(search.state.total[0]) == placement_cost(problem, at)
            assert evaluate(problem, at).worse == ()
            anew = state_at(fixed, start, search.state.place[:, 0], 0)
            for name in ("level", "cost", "there", "counts"):
                assert np.array_equal(getattr(search.state, name), getattr(anew, name)), name
            went += done
    assert 100 < went < 1000


@pytest.mark.slow
def test_a_hole_that_no_descent_makes_is_made_and_filled(stuck: tuple[Problem, list[int]]) -> None:
    problem, at = stuck
    bound = aggregate_bound(problem)
    alone, together = (iterated(problem, at, counted(STUCK // 10), threads=threads) for threads in (1, 2))
    assert alone == together
    assert placement_cost(problem, at) > 1.01 * bound
    assert placement_cost(problem, alone[-1]) <= 1.0001 * bound
    assert evaluate(problem, alone[-1]).worse == ()


@pytest.mark.slow
def test_where_nothing_is_wasted_it_ends(stuck: tuple[Problem, list[int]]) -> None:
    problem, at = stuck
    fixed, start = lowered(problem)
    at = iterated(problem, at, counted(STUCK))[-1]
    assert waste(fixed, state_at(fixed, start, np.array(at), 0))[0].sum() == 0
    schedule = counted(10**15)
    assert iterated(problem, at, schedule) == [at] * 4
    assert schedule.deadline.left() > 500


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_by_the_clock_it_leaves_what_is_to_be_spared(data_dir: Path, threads: int) -> None:
    problem = instance(data_dir, "a2_2")  # something is wasted to the end, so that only the clock ends it
    at = descended(problem, 0)
    iterated(problem, at, counted(1_000), threads=threads)  # compiled before its second of search
    schedule = Schedule(Deadline(SystemClock(), 30.0), 1.0, 29.0, None)
    told = iterated(problem, at, schedule, threads=threads)
    assert schedule.deadline.left() > 20
    assert len(told) == 4
    assert placement_cost(problem, told[-1]) < placement_cost(problem, at)
    assert evaluate(problem, told[-1]).worse == ()
    fixed, start = lowered(problem)
    assert waste(fixed, state_at(fixed, start, np.array(told[-1]), 0))[0].sum() > 0


def test_it_ends_when_told_so(stuck: tuple[Problem, list[int]]) -> None:
    problem, at = stuck
    fixed, start = lowered(problem)
    told = []

    def tell(_: Any, value: int) -> bool:
        told.append(value)
        return False

    iterate_together(fixed, start, np.array(at), counted(10**9), seed=5, threads=2, given=Iterated(), tell=tell)
    assert len(told) == 1


def test_a_search_that_may_not_run_says_nothing(stuck: tuple[Problem, list[int]]) -> None:
    stop = threading.Event()
    stop.set()
    assert iterated(*stuck, counted(1000, stop)) == []
