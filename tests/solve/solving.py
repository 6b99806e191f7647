"""What tests of searches share: a solver with time enough, and what must hold of any placement it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fleet import Move
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.solve.bound import Bounds
from optimizer.solve.departures import Departures
from optimizer.solve.limits import Deadline, Limits, WorkClock
from optimizer.solve.portfolio import Solver
from optimizer.solve.work import sizes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

LIMITS = Limits(seconds=20.0, deterministic=True)


def deadline(work: float = LIMITS.seconds) -> Deadline:
    """Return a deadline that counts work, so that no test depends on how busy the machine is."""
    return Deadline(WorkClock(), work)


def bounds_of(problem: Problem) -> Bounds:
    return Bounds(Departures(problem), sizes(problem), lambda: False)


def solver_of(problem: Problem) -> Solver:
    return Solver(problem, LIMITS, deadline())


def assert_never_worse(problem: Problem, placement: NDArray[np.int32], where: object = "") -> None:
    """No instance of a must or a guard is worse than at the start, and no hard demand is broken."""
    assert not evaluate(problem, placement.tolist()).worse, where
    start = problem.start.tolist()
    moves = [Move(v, a, b) for v, (a, b) in enumerate(zip(start, placement.tolist(), strict=True)) if a != b]
    assert not hard_breaches(problem, moves), where
