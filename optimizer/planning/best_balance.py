"""After repair: what is left of the moves buys balance, in an order that is as safe as any plan's, with its bound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.bounds.balance_bound import BalanceBound
from optimizer.bounds.bounds import is_within
from optimizer.planning.solve_and_order import carry_out
from optimizer.problem.problem import Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.balance_search import BalanceSearch

if TYPE_CHECKING:
    from optimizer.limits import Deadline
    from optimizer.planning.solve_and_order import Answer
    from optimizer.problem.problem import Problem
    from optimizer.repair.solver import Solver

__all__ = ["buy_balance"]


def buy_balance(problem: Problem, answer: Answer, solver: Solver, deadline: Deadline) -> Answer:
    """Return the answer for a problem with the stage COST, given that for the problem without.

    Parameters
    ----------
    answer
        Of repair; what it moves is kept.
    deadline
        When to stop.
    """
    given = solver.parameters.balancing
    proof = BalanceBound(problem, given).proof()
    work = WorkingPlacement(problem)
    before = work.values()
    solver.deadline = deadline
    candidates = [_valued(work, answer)]
    if given.enabled and not deadline.over():
        search = BalanceSearch(
            work, deadline, solver.limits.seed, given, lambda cost: is_within(solver.limits.gap, cost, proof.bound)
        )
        first = search.run()
        candidates += [carry_out(problem, placement, solver) for placement in (work.placement, first)]
    best = min(candidates, key=lambda a: tuple(a.values.values()))
    proofs = {s: proof if s is Stage.COST else answer.proofs[s] for s in best.values}
    return replace(best, proofs=proofs, before=before, clean_moves=answer.clean_moves)


def _valued(work: WorkingPlacement, answer: Answer) -> Answer:
    """Return the answer with what its end costs; its hops count as they did."""
    work.become(answer.placement)
    values = work.values()
    for stage in (Stage.MOVING, Stage.PRICED):
        if stage in values:
            values[stage] = answer.values[stage]
    return replace(answer, values=values)
