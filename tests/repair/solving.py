"""What tests of searches share: a solver with time enough, and what must hold of any placement it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.fleet import Move
from optimizer.limits import Deadline, Limits, WorkClock
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.working_placement import sizes
from optimizer.repair.solver import Solver

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

LIMITS = Limits(seconds=20.0, deterministic=True)


def deadline(work: float = LIMITS.seconds) -> Deadline:
    """Return a deadline that counts work, so that no test depends on how busy the machine is."""
    return Deadline(WorkClock(), work)


def bounds_of(problem: Problem) -> Bounds:
    return Bounds(EvictionRelaxation(problem), sizes(problem), lambda: False)


def solver_of(problem: Problem) -> Solver:
    return Solver(problem, LIMITS, deadline())


def assert_never_worse(problem: Problem, placement: NDArray[np.int32], where: object = "") -> None:
    """No instance of a must or a guard is worse than at the start, and no hard demand is broken."""
    assert not evaluate(problem, placement.tolist()).worse, where
    start = problem.start.tolist()
    moves = [Move(v, a, b) for v, (a, b) in enumerate(zip(start, placement.tolist(), strict=True)) if a != b]
    assert not hard_breaches(problem, moves), where
