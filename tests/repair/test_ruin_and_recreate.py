"""Ruin and recreate never harms, keeps the best it has seen, and obeys the veto."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from optimizer.limits import Limits
from optimizer.parameters import Parameters, Recreate
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.insertion import evicted, receive
from optimizer.repair.ruin_and_recreate import recreate
from tests.problem.random_problems import random_problem
from tests.repair.solving import bounds_of, deadline

KINDS = (("linear", "at_most"), ("linear", "apart"), ("linear", "leave"), ("linear", "at_least"))


def rounds(most: int, seed: int = 0) -> Limits:
    return Limits(seed=seed, parameters=Parameters(recreate=Recreate(rounds=most)))


def asked(seed: int, kinds: tuple[str, ...]) -> Problem:
    return replace(random_problem(Random(seed), kinds=kinds), stages=tuple(s for s in Stage if s is not Stage.COST))


@pytest.mark.parametrize("kinds", KINDS)
def test_it_never_gets_worse_and_stays_no_worse_than_the_start(kinds: tuple[str, ...]) -> None:
    changed = 0
    for seed in range(40):
        problem = asked(seed, kinds)
        bounds, work = bounds_of(problem), WorkingPlacement(problem)
        receive(work, evicted(bounds), tight=True, near=9, stop=lambda: False)
        before, first = work.measure(), work.placement.copy()
        recreate(work, bounds, rounds(10, seed), deadline(50.0), lambda _: True)
        changed += int((work.placement != first).any())
        assert work.measure() <= before
        assert not evaluate(problem, work.placement.tolist()).worse
        assert work.is_no_worse()
    assert changed or kinds[1] != "at_most"  # the others leave nothing to be found on problems so small


def test_a_veto_leaves_everything_as_it_was() -> None:
    for seed in range(20):
        problem = asked(seed, ("linear", "linear"))
        bounds, work = bounds_of(problem), WorkingPlacement(problem)
        receive(work, evicted(bounds), tight=True, near=9, stop=lambda: False)
        first = work.placement.copy()
        recreate(work, bounds, rounds(5, seed), deadline(50.0), lambda _: False)
        assert np.array_equal(work.placement, first)


def test_where_nothing_moved_there_is_nothing_to_ruin() -> None:
    problem = asked(1, ("linear",))
    work = WorkingPlacement(problem)
    recreate(work, bounds_of(problem), rounds(5), deadline(50.0), lambda _: True)
    assert np.array_equal(work.placement, problem.start)
