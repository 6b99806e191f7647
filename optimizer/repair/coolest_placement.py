"""The complete model of the last stage: every stage before within its value, host after host as cool as it can be.

Heat is minimized in the order of the hosts, hottest first: the hottest, then the next one while the hottest keeps its
heat, and so on. Who moves is free as well, as long as that costs the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.model import Ended, Model, complete_candidates
from optimizer.cp.staged_model import StagedModel
from optimizer.limits import OutOfTime
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.minimize_heat import EXACT, STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.repair.solver import Solver, Values
    from optimizer.repair.targets import Targets

__all__ = ["coolest_placement"]


def coolest_placement(
    solver: Solver,
    targets: Targets,
    values: Values,
    excluded: Sequence[NDArray[np.int32]],
    deadline: Deadline,
    *,
    waits: bool,
) -> tuple[NDArray[np.int32] | None, bool]:
    """Return a placement whose hosts are no hotter than they must, and whether that is certain; None: none in time.

    Parameters
    ----------
    targets
        The present placement, from which the search begins, and its loads.
    values
        What no stage before may pass.
    excluded
        Placements that are not wanted, since they cannot be carried out.
    waits
        Whether moves may wait for others; else there is room for all that comes while those who leave are still there.
    """
    if any(_largest(tally.load, tally.atom.amount, limit) > EXACT for tally, limit in targets.loads):
        return None, False
    problem, given = solver.problem, solver.parameters.even_out
    start = WorkingPlacement(problem)
    candidates = complete_candidates(problem)
    try:
        model = (
            Model(problem, problem.start, candidates, deadline.check)
            if waits
            else StagedModel(start, candidates, 1, deadline.check)
        )
        offset = solver.offset(start, model)
        for stage, value in values.items():
            model.cap(stage, value - offset[stage])
        for placement in excluded:
            model.forbid(placement)
        heats = _Heats(model, targets)
        found: NDArray[np.int32] | None = None
        first = targets.work.placement
        for level in range(min(given.levels, problem.hosts)):
            deadline.check()
            model.objective[Stage.PLACEMENT] = [(heats.highest_but(level), 1)]
            placement, ends = model.run(
                [Stage.PLACEMENT],
                work=given.whole_work,
                deadline=deadline,
                seed=solver.limits.seed,
                hint=first if found is None else found,
            )
            if ends[0].ended is Ended.INFEASIBLE:
                return None, True
            found = placement if ends[0].ended in (Ended.OPTIMAL, Ended.FEASIBLE) else found
            if ends[0].ended is not Ended.OPTIMAL:
                return found, False
            if ends[0].value == 0:
                break
    except OutOfTime:
        return None, False
    return found, True


def _largest(load: NDArray[np.int64], amount: NDArray[np.int64], limit: NDArray[np.int64]) -> int:
    return max(int(limit[limit < UNLIMITED].max(initial=0)), int(load.max(initial=0)) + int(amount.sum()))


class _Heats:
    """What each host would carry, resource by resource, as terms of a model."""

    def __init__(self, model: Model, targets: Targets) -> None:
        self.cp = model.cp
        self.rows: list[tuple[int, int, cp_sat.LinearExpr | int, int]] = []
        """(host, limit, load, most that the load can be)."""
        on = model.by_domain(0, model.literal)
        for tally, limit in targets.loads:
            settled, amount = tally.load.copy(), tally.atom.amount
            free = np.array(sorted(model.literal), np.int64)
            np.subtract.at(settled, targets.work.placement[free], amount[free])
            for h in np.flatnonzero(limit < UNLIMITED).tolist():
                row = [(lit, int(amount[v])) for v, lit in on.get(h, ()) if amount[v]]
                most = int(settled[h]) + sum(a for _, a in row)
                if most > 0:
                    terms = cp_sat.LinearExpr.weighted_sum(
                        [lit for lit, _ in row], [a for _, a in row]
                    )
                    self.rows.append((h, int(limit[h]), terms + int(settled[h]), most))
        self.most = max((-(-STEPS * most // limit) for _, limit, _, most in self.rows), default=0)

    def highest_but(self, exempt: int) -> cp_sat.IntVar:
        """Return the heat of the hottest host when that many may be hotter."""
        heat = self.cp.new_int_var(0, self.most, "heat")
        passes = {h: self.cp.new_bool_var("") for h, *_ in self.rows} if exempt else {}
        if passes:
            self.cp.add(cp_sat.LinearExpr.sum(list(passes.values())) <= exempt)
        for h, limit, load, most in self.rows:
            if exempt:
                self.cp.add(limit * heat + STEPS * most * passes[h] >= STEPS * load)
            else:
                self.cp.add(limit * heat >= STEPS * load)
        return heat
