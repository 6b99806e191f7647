"""Mending: never worse, never against the veto, and further than single moves come."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.limits import Deadline, WorkClock
from optimizer.problem.atoms import AtLeast, AtMost, Same
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.neighbourhood_search import NeighbourhoodSearch
from tests.problem.random_problems import MOVING, random_problem
from tests.problem.tiny import MUST, SHOULD, problem, room, sets
from tests.repair.solving import LIMITS, assert_never_worse, bounds_of, deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

KINDS = ("linear", *MOVING)
"""Sums of amounts are what most searches are about."""


def mender(
    asked: Problem, acceptable: Callable[[NDArray[np.int32]], bool] = lambda _: True, work: float = 20.0
) -> NeighbourhoodSearch:
    return NeighbourhoodSearch(
        WorkingPlacement(asked), bounds_of(asked), LIMITS, Deadline(WorkClock(), work), acceptable
    )


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.int64)


def random_asked(rng: Random) -> Problem:
    kinds = rng.sample(KINDS, rng.randint(2, 3))
    return replace(random_problem(rng, kinds=kinds), stages=tuple(s for s in Stage if s is not Stage.COST))


def test_troubles_are_what_is_violated_musts_first() -> None:
    atoms = [AtMost(SHOULD, 0, sets([0, 1]), ones(1)), room([5, 5, 1], [9, 9, 9])]
    found = mender(problem([0, 0, 1], atoms)).troubles()
    assert [(t.must, t.violated.atom) for t in found] == [(True, atoms[1]), (False, atoms[0])]


def test_once_time_is_over_nothing_is_looked_for() -> None:
    mending = mender(problem([0, 0, 1], [room([5, 5, 1], [9, 9, 9])]), work=1.0)
    assert mending.troubles()
    mending.deadline.spend(1.0)
    assert not mending.troubles()
    assert mending.deadline.stopped_by == "work_limit"


def test_a_chain_mends_what_one_move_cannot() -> None:
    mending = mender(problem([0, 1, 2], [room([6, 3, 1], [5, 7, 4])]))
    mending.by_chains()
    assert mending.work.placement.tolist() == [1, 2, 2]


def test_a_search_gathers_a_group_for_which_others_have_to_make_way() -> None:
    """v0 and v1 belong together; neither host has room for both until v2 (or v3) has left for h2."""
    atoms = [Same(MUST, 0, sets([0, 1])), room([3, 3, 2, 2], [6, 6, 3])]
    mending = mender(problem([0, 1, 0, 1], atoms))
    mending.by_chains()
    mending.by_search()
    assert mending.work.values() == {Stage.HARM: 0, Stage.MOVING: 2}


def test_a_group_is_spread() -> None:
    mending = mender(problem([0, 0, 0], [AtLeast(MUST, 0, sets([0, 1, 2]), np.array([3], np.int64))]))
    mending.by_chains()
    mending.by_search()
    assert sorted(mending.work.placement.tolist()) == [0, 1, 2]


def test_moves_that_were_not_needed_are_taken_back() -> None:
    asked = problem([0, 0, 1], [AtMost(MUST, 0, sets([0, 1]), ones(1))])
    mending = mender(asked)
    mending.work.put(0, 1)
    mending.work.put(2, 2)
    mending.trim()
    assert mending.work.values() == {Stage.HARM: 0, Stage.MOVING: 1}


@pytest.mark.slow
def test_no_step_makes_any_stage_worse() -> None:
    better = 0
    for seed in range(60):
        rng = Random(seed)
        asked = random_asked(rng)
        mending = mender(asked)
        before = mending.work.measure()
        for step in (mending.by_chains, mending.by_search, mending.trim):
            step()
            after = mending.work.measure()
            assert after <= before, seed
            assert_never_worse(asked, mending.work.placement, seed)
            better += after < before
            before = after
    assert better > 15


@pytest.mark.slow
def test_what_is_not_acceptable_is_not_done() -> None:
    asked_about = 0
    for seed in range(60):
        asked = random_asked(Random(seed))
        seen: list[NDArray[np.int32]] = []

        def veto(placement: NDArray[np.int32], seen: list[NDArray[np.int32]] = seen) -> bool:
            seen.append(placement.copy())
            return False

        mending = mender(asked, veto)
        mending.by_search()
        assert (mending.work.placement == asked.start).all(), seed
        assert mending.work.values() == WorkingPlacement(asked).values(), seed
        asked_about += len(seen)
    assert asked_about > 15


def test_every_placement_that_it_comes_to_was_accepted() -> None:
    """Only an even number of VMs on h0: whatever is taken over has passed that."""

    def even(placement: NDArray[np.int32]) -> bool:
        return int((placement == 0).sum()) % 2 == 0

    for seed in range(40):
        asked = random_asked(Random(seed))
        mending = mender(asked, even)
        mending.by_search()
        placement = mending.work.placement
        assert even(placement) or (placement == asked.start).all(), seed


def test_without_time_nothing_is_tried() -> None:
    asked = problem([0, 1, 2], [room([6, 3, 1], [5, 7, 4])])
    mending = mender(asked, work=0.0)
    mending.by_chains()
    mending.by_search()
    mending.trim()
    assert (mending.work.placement == asked.start).all()


def test_where_no_plan_can_do_better_nothing_is_searched() -> None:
    """Five of a kind on three hosts, two of them over wherever they are: that is the floor, and it is not paid for."""
    left = deadline()
    asked = problem([0, 0, 1, 1, 2], [AtMost(MUST, 0, sets([0, 1, 2, 3, 4]), ones(1))])
    mending = NeighbourhoodSearch(WorkingPlacement(asked), bounds_of(asked), LIMITS, left, lambda _: True)
    mending.by_chains()
    mending.by_search()
    assert left.left() == deadline().left()


def test_a_guard_is_no_trouble() -> None:
    guard = replace(MUST, hardness=Hardness.GUARD)
    assert mender(problem([0, 0], [AtMost(guard, 0, sets([0, 1]), ones(1))])).troubles() == []
