"""What a plan leaves for the limits on moves alone: found by planning once more as if there were none.

One more move at the end of a plan does not show it where a repair takes several, none of which is of use by itself. So
where something is left for which no limit was found to be the cause, the problem is solved and ordered without limits;
what is repaired then is left for the limits that these moves overspend, and for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from optimizer.grammar import listed
from optimizer.plan import Advice, Cause
from optimizer.planning.obstacles import Kind
from optimizer.planning.solve_and_order import solve_and_order
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.flow_index import spent_of
from optimizer.problem.problem import Stage, without_cost
from optimizer.problem.shapes import FLOW
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.solver import Method, Solver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optimizer.fleet import Move
    from optimizer.limits import Deadline, Limits
    from optimizer.planning.solve_and_order import Answer
    from optimizer.problem.atoms import Flow
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem
    from optimizer.sequence.order import OrderedMove

__all__ = ["WithoutLimits", "without_limits"]


@dataclass(frozen=True)
class WithoutLimits:
    """A plan that no limit holds back: its moves, and the excess that it leaves of each instance.

    `made` are the moves of the plan that the limits hold back.
    """

    problem: Problem
    made: Sequence[Move]
    moves: Sequence[OrderedMove]
    left: Mapping[Instance, int]

    def advise(self, instance: Instance, excess: int, vms: Iterable[int]) -> Advice | None:
        """Return what would help an instance of which that much is left; None where the limits are not the cause.

        Parameters
        ----------
        vms
            The VMs whose moves could lessen it.
        """
        if self.left.get(instance, 0) >= excess:
            return None
        mine = [m for m in self._with_what_they_wait_for(set(vms)) if m not in self.made]
        others = {m.vm for m in mine}
        kept = [m for m in self.made if m.vm not in others]  # a VM that the plan moves would move otherwise, not twice
        flows = self.problem.flows
        short = [f for f in flows if spent_of(f, kept) + spent_of(f, mine) > f.limit]
        if not short:
            return None
        limits = listed(f"{f.rule}: {f.subject}" for f in short)
        names = ", ".join(self.problem.vm_ids[m.vm] for m in mine)  # each as often as it has to move
        cause = Cause(Kind.BUDGET.value, short[0].rule, names, short[0].subject)
        repair = "1 move repairs it" if len(mine) == 1 else f"{len(mine)} moves together repair it"
        if all(spent_of(f, mine) <= f.whole for f in flows):
            return Advice(cause, f"a later run, or a larger limit ({limits}): {repair}", deferred=True)
        return Advice(cause, f"a larger limit ({limits}): {repair}")

    def _with_what_they_wait_for(self, vms: set[int]) -> list[Move]:
        """Return the moves of these VMs, and those that have to be made before."""
        found: set[int] = set()
        waiting = [i for i, m in enumerate(self.moves) if m.move.vm in vms]
        while waiting:
            i = waiting.pop()
            if i not in found:
                found.add(i)
                waiting += self.moves[i].after
        return [self.moves[i].move for i in sorted(found)]


def without_limits(problem: Problem, held: Answer, limits: Limits, deadline: Deadline) -> WithoutLimits | None:
    """Plan as if no limit on moves were there; None where there is none, no time, or nothing better without.

    Parameters
    ----------
    held
        The answer that the limits hold back.
    """
    if not problem.flows or deadline.over():
        return None
    atoms = (replace(cast("Flow", a), limit=UNLIMITED) if a.shape is FLOW else a for a in problem.atoms)
    free = without_cost(replace(problem, atoms=tuple(atoms)))
    solver = Solver(free, limits, deadline)
    answer = solve_and_order(solver, Method.EXACT if solver.small else Method.REPAIR)  # no bound is asked for
    if _harm(answer) >= _harm(held):  # other violations would be left, and no fewer
        return None
    work, made = WorkingPlacement(problem), [m.move for m in held.ordered.moves]
    work.become(answer.placement)
    return WithoutLimits(problem, made, answer.ordered.moves, {v.instance: v.excess for v in work.violated()})


def _harm(answer: Answer) -> list[int]:
    """Return what an answer leaves, stage by stage."""
    return [value for stage, value in answer.values.items() if stage in (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED)]
