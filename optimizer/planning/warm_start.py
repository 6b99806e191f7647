"""Begins a repair with the last plan: where its moves still do what was found then, nothing has to be searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fleet import ABSENT
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.planning.solve_and_order import Acceptable, Repair
    from optimizer.repair.solver import Solver

__all__ = ["beginning_with"]

TAKEN_BACK = 200
"""Moves of a hint, at most, of each of which it is tried whether it is still needed."""


def beginning_with(hint: Plan, fleet: Fleet, repair: Repair) -> Repair:
    """Return a repair that tries a plan for an earlier snapshot first.

    Of its moves those count that are still there to be made and have room, one after the other; those that are no
    longer needed are left out. If what is left meets every bound, it is the answer, and nothing is searched;
    otherwise it is the answer where the usual search finds nothing better. So a plan is never worse for a hint.
    """

    def hinted(solver: Solver, acceptable: Acceptable) -> NDArray[np.int32]:
        work = _followed(hint, fleet, solver)
        if work is None or not acceptable(work.placement):
            return repair(solver, acceptable)
        if solver.bounds.met(work.values()):
            return work.placement
        mine, found = work.measure(), repair(solver, acceptable)
        work_found = WorkingPlacement(solver.problem)
        work_found.become(found)
        return work.placement if mine < work_found.measure() else found

    return hinted


def _followed(hint: Plan, fleet: Fleet, solver: Solver) -> WorkingPlacement | None:
    """Return what comes of the moves that can still be made; None where these do not help, or no time is left."""
    problem = solver.problem
    work, moved = WorkingPlacement(problem), list[int]()
    for vm, host in _ends(hint, fleet).items():
        if solver.deadline.over():
            return None
        if problem.movable[vm] and work.placement[vm] not in (ABSENT, host) and work.tally.fits(vm, host):
            work.put(vm, host)
            moved.append(vm)
    for vm in moved[:TAKEN_BACK]:
        if solver.deadline.over():
            return None
        there, before = int(work.placement[vm]), work.measure()
        work.put(vm, int(problem.start[vm]))
        if work.measure() > before:
            work.put(vm, there)
    nothing = WorkingPlacement(problem).measure()
    return work if moved and work.measure() < nothing else None


def _ends(hint: Plan, fleet: Fleet) -> dict[int, int]:
    """Return by VM where the plan takes it in the end, in the order of its moves."""
    out: dict[int, int] = {}
    for move in hint.moves:
        vm, host = fleet.vm_index.get(move.vm, ABSENT), fleet.host_index.get(move.target, ABSENT)
        if ABSENT not in (vm, host):
            out[vm] = host
    return out
