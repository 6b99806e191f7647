"""CP-SAT on the atoms: some VMs free, each over some hosts, all others where they stand; stage by stage.

With every movable VM free over every host that may receive it the model is the problem itself and its bounds are the
problem's. With fewer it is a neighbourhood: its solutions are good, its bounds are not the problem's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.atoms import LOWER
from optimizer.cp.exact import proven_bound
from optimizer.cp.formulation import Formulation
from optimizer.cp.solving import make_solver, solve_by
from optimizer.problem.problem import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.problem.problem import Problem

__all__ = ["Ended", "Model", "StageEnd", "complete_candidates"]

BUILDING = 5e-5
"""What a literal counts as work, for the making of the model."""


class Ended(Enum):
    """How a stage's search ended: what stopped it, and whether it proved what it says."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


_ENDS = {
    cp_sat.OPTIMAL: Ended.OPTIMAL,
    cp_sat.FEASIBLE: Ended.FEASIBLE,
    cp_sat.INFEASIBLE: Ended.INFEASIBLE,
    cp_sat.UNKNOWN: Ended.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class StageEnd:
    """What one stage came to: `value` of the best solution and `bound`, both of this model's own terms only."""

    stage: Stage
    ended: Ended
    value: int
    bound: int


def complete_candidates(problem: Problem) -> dict[int, NDArray[np.int64]]:
    """Every movable VM over every host that may receive it, and its own: the whole problem."""
    out = {}
    for vm in np.flatnonzero(problem.movable).tolist():
        mask = problem.may_enter(vm).copy()
        mask[problem.start[vm]] = True
        out[vm] = np.flatnonzero(mask)
    return out


class Model(Formulation):
    """A CP-SAT model of every atom, and its solving; `placement` is also its first hint."""

    def __init__(
        self,
        problem: Problem,
        placement: NDArray[np.int32],
        candidates: Mapping[int, NDArray[np.int64]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(problem, placement, candidates, check)
        for number, atom in enumerate(problem.atoms):
            LOWER[atom](self, number, atom)

    def forbid(self, placement: NDArray[np.int32]) -> None:
        """Exclude exactly this placement of the free VMs."""
        self.check()
        self.cp.add_bool_or(row[int(placement[vm])].negated() for vm, row in self.literal.items())

    def cap(self, stage: Stage, most: int) -> None:
        """Demand that a stage's own terms stay within `most`."""
        self.cp.add(self._expression(stage) <= most)

    def bound(self, stage: Stage, least: int) -> None:
        """Tell the solver that a stage's own terms come to `least` at least: it need not find that out."""
        self.cp.add(self._expression(stage) >= least)

    def _expression(self, stage: Stage) -> cp_sat.LinearExpr | int:
        terms = self._terms(stage)
        return self.constant[stage] if terms is None else terms + self.constant[stage]

    def _terms(self, stage: Stage) -> cp_sat.LinearExpr | None:
        terms = self.objective[stage]
        return cp_sat.LinearExpr.weighted_sum([v for v, _ in terms], [c for _, c in terms]) if terms else None

    def hint(self, placement: NDArray[np.int32]) -> None:
        """Start the search from a placement."""
        self.cp.proto.clear_solution_hint()
        for vm, row in self.literal.items():
            here = int(placement[vm])
            for host, lit in row.items():
                self.cp.add_hint(lit, host == here)

    def run(
        self,
        stages: Sequence[Stage],
        *,
        work: float,
        deadline: Deadline,
        seed: int,
        workers: int = 1,
        hint: NDArray[np.int32] | None = None,
    ) -> tuple[NDArray[np.int32] | None, list[StageEnd]]:
        """Minimize the stages one after the other, each without making a former one worse.

        Parameters
        ----------
        work
            CP-SAT's deterministic time for all stages together, the same on every machine: what one leaves is for the
            next.
        deadline
            Wall time, the last resort; asked all the time, so that an interrupt ends the search at once.
        hint
            The placement that the search begins from; that of the model without one.

        Returns
        -------
        The best placement found (None if none), and one `StageEnd` for each stage that was begun.
        """
        best: NDArray[np.int32] | None = None if self.literal else self.placement
        ends: list[StageEnd] = []
        self.hint(self.placement if hint is None else hint)
        deadline.spend(BUILDING * sum(len(row) for row in self.literal.values()))
        for behind, stage in enumerate(stages):
            terms, constant = self._terms(stage), self.constant[stage]
            if terms is None:
                ends.append(StageEnd(stage, Ended.OPTIMAL, constant, constant))
                continue
            solver = make_solver(work / (len(stages) - behind), deadline, seed, workers)
            self.cp.minimize(terms)
            ended = _ENDS.get(solve_by(deadline, solver, self.cp, f"stage {stage.value}"), Ended.UNKNOWN)
            if ended in (Ended.INFEASIBLE, Ended.UNKNOWN):
                ends.append(StageEnd(stage, ended, 0, 0))
                break
            work -= solver.response_proto.deterministic_time
            best = self._read(solver)
            value = int(solver.value(terms))
            bound = min(value, proven_bound(solver))
            ends.append(StageEnd(stage, ended, value + constant, bound + constant))
            self.cp.add(terms <= value)
            self.hint(best)
        return best, ends

    def impossible(self, *, work: float, deadline: Deadline, seed: int) -> bool:
        """Whether it is proven, within `work` and the deadline, that no placement satisfies the model."""
        deadline.spend(BUILDING * sum(len(row) for row in self.literal.values()))
        solver = make_solver(work, deadline, seed, 1)
        return solve_by(deadline, solver, self.cp, f"stage {Stage.MOVING.value}") == cp_sat.INFEASIBLE

    def _read(self, solver: cp_sat.CpSolver) -> NDArray[np.int32]:
        out = self.placement.copy()
        for vm, row in self.literal.items():
            out[vm] = next(h for h, lit in row.items() if solver.boolean_value(lit))
        return out
