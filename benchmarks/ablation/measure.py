"""Planning with and without: what came out, and the CPU time that it took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.limits import Limits
from optimizer.pipeline import Request, make_plan
from optimizer.reassignment.search import solve_cost

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.parameters import Parameters
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem

__all__ = ["Result", "lowered_cost", "planned"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one search came to.

    Attributes
    ----------
    values
        The stages before placement, the first the most important; all of them better where smaller.
    bounds
        Of the same stages.
    placement
        The tie-break's value (arcs, then the hottest host): better where smaller.
    cpu_s
        CPU seconds of the whole process.
    """

    values: tuple[int, ...]
    bounds: tuple[int, ...]
    placement: int
    cpu_s: float

    @property
    def harm(self) -> int:
        """All harm that is left, of musts and shoulds; nothing where cost alone counts."""
        return sum(self.values[:-1])

    @property
    def cost(self) -> int:
        """What the moves cost, or the placement where cost alone counts."""
        return self.values[-1]


def planned(fleet: Fleet, policy: Policy, work: float, parameters: Parameters) -> Result:
    """Make a plan in deterministic mode."""
    began = time.process_time()
    plan = make_plan(fleet, policy, Request(seconds=work, deterministic=True, parameters=parameters))
    cpu_s = time.process_time() - began
    *stages, placement = plan.objective
    return Result(tuple(s.value for s in stages), tuple(s.bound for s in stages), placement.value, cpu_s)


def lowered_cost(problem: Problem, work: float, seed: int, parameters: Parameters) -> Result:
    """Search for a placement of least cost in deterministic mode."""
    began = time.process_time()
    found = solve_cost(problem, Limits(seconds=work, deterministic=True, seed=seed, parameters=parameters))
    return Result((found.value,), (found.bound,), 0, time.process_time() - began)
