"""The complete model of the last stage: every stage before within its value, host after host as cool as it can be.

Heat is minimized first, then how much is copied, then the number of hosts that are that hot, then the heat of all
others, and so on. Who moves is free as well, as long as that costs the same and no more is copied.
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

    from optimizer.cp.formulation import Terms
    from optimizer.limits import Deadline
    from optimizer.problem.problem import Problem
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
    copied: NDArray[np.int64],
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
    copied
        int64 [V]: how many MiB are copied when each VM moves; no more than in the present placement, all together.
    waits
        Whether moves may wait for others; else there is room for all that comes while those who leave are still there.
    """
    largest = [_largest(tally.load, tally.atom.amount, limit) for tally, limit in targets.loads]
    if max([int(copied.sum()), *largest]) > EXACT:
        return None, False
    problem, given = solver.problem, solver.parameters.even_out
    start = WorkingPlacement(problem)
    candidates = complete_candidates(problem)
    search: _Search | None = None
    try:
        model: Model = (
            Model(problem, problem.start, candidates, deadline.check)
            if waits
            else StagedModel(start, candidates, 1, deadline.check)
        )
        offset = solver.offset(start, model)
        for stage, value in values.items():
            model.cap(stage, value - offset[stage])
        for placement in excluded:
            model.forbid(placement)
        gone = _copied(model, problem, copied)
        model.cp.add(gone <= int(copied[targets.work.placement != problem.start].sum()))
        heats = _Heats(model, targets)
        search = _Search(model, solver, deadline, targets.work.placement)
        for level in range(given.levels):
            heat = search.least(heats.highest())
            if not heat:
                return search.found, heat == 0 or search.impossible
            if level == 0 and search.least([(gone, 1)]) is None:
                break
            if search.least(heats.as_hot_as(heat)) is None:
                break
    except OutOfTime:
        return (search.found, False) if search else (None, False)
    return search.found, False


class _Search:
    """The model's solving, objective after objective, and the best placement so far."""

    def __init__(self, model: Model, solver: Solver, deadline: Deadline, first: NDArray[np.int32]) -> None:
        self.model, self.solver, self.deadline, self.first = model, solver, deadline, first
        self.found: NDArray[np.int32] | None = None
        self.impossible = False
        self.work = solver.parameters.even_out.whole_work

    def least(self, terms: Terms) -> int | None:
        """Return the least that the terms can come to, which they keep from then on; None where it is not known."""
        self.deadline.check()
        self.model.objective[Stage.PLACEMENT] = terms
        self.work /= 2  # half of what is left is for what comes after
        placement, ends = self.model.run(
            [Stage.PLACEMENT],
            work=self.work,
            deadline=self.deadline,
            seed=self.solver.limits.seed,
            hint=self.first if self.found is None else self.found,
        )
        self.impossible = ends[0].ended is Ended.INFEASIBLE
        if ends[0].ended in (Ended.OPTIMAL, Ended.FEASIBLE):
            self.found = placement
        return ends[0].value if ends[0].ended is Ended.OPTIMAL else None


def _copied(model: Model, problem: Problem, copied: NDArray[np.int64]) -> cp_sat.IntVar:
    """Return how much is copied of all VMs that leave their hosts."""
    vms = [v for v in model.literal if copied[v]]
    gone = model.cp.new_int_var(0, int(copied[vms].sum()), "copied")
    at_home = cp_sat.LinearExpr.weighted_sum(
        [model.literal[v][int(problem.start[v])] for v in vms], [int(copied[v]) for v in vms]
    )
    model.cp.add(gone + at_home == int(copied[vms].sum()))
    return gone


def _largest(load: NDArray[np.int64], amount: NDArray[np.int64], limit: NDArray[np.int64]) -> int:
    return max(int(limit[limit < UNLIMITED].max(initial=0)), int(load.max(initial=0)) + int(amount.sum()))


class _Heats:
    """What each host would carry, resource by resource, as terms of a model."""

    def __init__(self, model: Model, targets: Targets) -> None:
        self.cp = model.cp
        self.rows: list[tuple[int, int, cp_sat.LinearExpr | int, int]] = []
        """(host, limit, load, most that the load can be)."""
        on = model.by_domain(0, model.literal)
        free = np.array(sorted(model.literal), np.int64)
        for tally, limit in targets.loads:
            settled, amount = tally.load.copy(), tally.atom.amount
            np.subtract.at(settled, targets.work.placement[free], amount[free])
            for h in np.flatnonzero(limit < UNLIMITED).tolist():
                row = [(lit, int(amount[v])) for v, lit in on.get(h, ()) if amount[v]]
                most = int(settled[h]) + sum(a for _, a in row)
                if most > 0:
                    terms = cp_sat.LinearExpr.weighted_sum([lit for lit, _ in row], [a for _, a in row])
                    self.rows.append((h, int(limit[h]), terms + int(settled[h]), most))
        self.counted: dict[int, cp_sat.IntVar] = {}
        self.most = max((-(-STEPS * most // limit) for _, limit, _, most in self.rows), default=0)

    def highest(self) -> Terms:
        """Return the heat of the hottest host but those that were counted before."""
        heat = self.cp.new_int_var(0, self.most, "heat")
        for h, limit, load, most in self.rows:
            self.cp.add(limit * heat + STEPS * most * self.counted.get(h, 0) >= STEPS * load)
        return [(heat, 1)]

    def as_hot_as(self, heat: int) -> Terms:
        """Return the number of hosts that are at least as hot, and let `highest` leave them out from now on."""
        self.counted = {h: self.cp.new_bool_var("") for h, *_ in self.rows}
        for h, limit, load, most in self.rows:
            self.cp.add(STEPS * load <= limit * (heat - 1) + STEPS * most * self.counted[h])
        return [(hot, 1) for hot in self.counted.values()]
