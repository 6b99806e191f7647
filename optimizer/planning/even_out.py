"""The last stage: among plans of equal cost, one by which no host ends hotter than it must.

What a plan comes to in every stage before is settled, and no more is copied. A host's heat is its highest load of any
resource, as a share of its limit.

Of two plans of equal cost the cooler one is that whose hottest host is cooler, then the next one. Where the
complete model is small, it says who moves where. Where it is not, local search goes from what was found to other
targets and, unless the fleet is large, to exchanges within groups and of who moves; CP-SAT over a few VMs goes on
where that is stuck. A new target needs no wait: no move comes to depend on another. The whole order is checked
before an answer is taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.planning.solve_and_order import carry_out
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.coolest_placement import coolest_placement
from optimizer.repair.cooling import Cooling, cool_by_exchanges, cool_by_other_vms, cool_by_targets
from optimizer.repair.minimize_heat import STEPS
from optimizer.repair.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.planning.solve_and_order import Answer
    from optimizer.repair.solver import Solver

__all__ = ["even_out"]


def even_out(solver: Solver, answer: Answer, copied: NDArray[np.int64]) -> Answer:
    """Return the answer with cooler hosts where there are any; every stage before placement is as it was.

    Parameters
    ----------
    copied
        int64 [V]: how many MiB are copied when each VM moves. A cooler host is not worth more of that.
    """
    given = solver.parameters.even_out
    if not answer.ordered.moves or not given.enabled or not answer.ordered.complete or solver.deadline.left() <= 0:
        return answer
    evening = _Evening(solver, solver.deadline.part(given.share), copied)
    if solver.literals <= given.whole_literals:
        answer, certain = evening.by_whole(answer)
        if certain:
            return answer
    return evening.by_search(answer)


class _Evening:
    """The ways to a cooler answer, and the one judge of what they find."""

    def __init__(self, solver: Solver, deadline: Deadline, copied: NDArray[np.int64]) -> None:
        self.solver, self.problem, self.deadline, self.copied = solver, solver.problem, deadline, copied
        self.given = solver.parameters.even_out
        self.work = WorkingPlacement(solver.problem)
        self.targets = Targets(self.work, solver.parameters.repair.near)
        self.hosts = np.arange(solver.problem.hosts)

    def by_whole(self, answer: Answer) -> tuple[Answer, bool]:
        """Return the coolest answer of the complete model that can be carried out, and whether none is cooler."""
        best, certain = self._by_whole(answer, waits=False)
        if _arcs(best) or not best.straight:
            return self._by_whole(best, waits=True)
        return best, certain

    def _by_whole(self, answer: Answer, *, waits: bool) -> tuple[Answer, bool]:
        tried: list[NDArray[np.int32]] = []
        whole = self.deadline.part(self.given.whole_share)
        while len(tried) < self.given.placements and not whole.over():
            self.work.become(answer.placement)
            found, certain = coolest_placement(
                self.solver, self.targets, answer.values, tried, whole, copied=self.copied, waits=waits
            )
            if found is None:
                return answer, certain
            if np.array_equal(found, answer.placement) or self._heat(found) >= self._heat(answer.placement):
                return answer, certain
            carried = self._carried_out(found, answer)
            if carried is not None:
                return carried, certain
            tried.append(found)
        return answer, False

    def by_search(self, answer: Answer) -> Answer:
        """Return an answer found by local search: each kind of step goes on from what those before found."""
        answer = self._searched(answer, cool_by_targets)
        if not self.solver.small:
            return answer
        answer = self._searched(answer, cool_by_exchanges)
        others = self._searched(answer, cool_by_other_vms)
        return answer if others is answer else self._searched(others, cool_by_targets, cool_by_exchanges)

    def _searched(self, answer: Answer, *steps: Callable[[Cooling], None]) -> Answer:
        for step in steps:
            self.work.become(answer.placement)
            step(Cooling(self.targets, self.deadline, self.given, self.solver.limits.seed, self.copied))
            if not np.array_equal(self.work.placement, answer.placement):
                answer = self._carried_out(self.work.placement.copy(), answer) or answer
        return answer

    def _carried_out(self, placement: NDArray[np.int32], answer: Answer) -> Answer | None:
        found = carry_out(self.problem, placement, self.solver)
        if not found.ordered.complete or found.values != answer.values or _arcs(found) > _arcs(answer):
            return None
        return replace(answer, ordered=found.ordered, placement=found.placement)

    def _heat(self, placement: NDArray[np.int32]) -> tuple[float, ...]:
        self.work.become(placement)
        exact = np.round(self.targets.heat(self.hosts) * STEPS, 3)
        return tuple(np.sort(np.ceil(exact))[::-1].tolist())


def _arcs(answer: Answer) -> int:
    return sum(len(m.after) for m in answer.ordered.moves)
