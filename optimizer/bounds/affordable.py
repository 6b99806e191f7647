"""Who leaves where budgets do not pay for all: all components in one model, under the budgets of every move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.bounds.component_model import ComponentModel
from optimizer.bounds.eviction_relaxation import Component
from optimizer.cp.solving import solve_within

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from optimizer.parameters import Bounding
    from optimizer.problem.atoms import Flow
    from optimizer.problem.problem import Problem

__all__ = ["affordable", "everywhere"]


def everywhere(problem: Problem) -> list[Flow]:
    """Return the budgets in which every move counts, whoever moves, from where and to where."""
    return [f for f in problem.flows if f.vms is None and f.sources is None and f.targets is None]


def affordable(
    problem: Problem,
    components: Sequence[Component],
    size: NDArray[np.float64],
    seed: int,
    seconds: float,
    given: Bounding,
    stop: Callable[[], bool] = lambda: False,
) -> frozenset[int]:
    """Return departures within the budgets: of little harm to musts, then to shoulds, then few, then easy to place.

    Parameters
    ----------
    size
        float64 [V]: how hard each VM is to place; settles ties.
    seconds
        Wall time that it may take.
    stop
        Ends it at once when it says so.

    Returns
    -------
    Who leaves; nobody where that did not suffice to find anything.
    """
    rows = tuple(row for component in components for row in component.rows)
    vms = np.unique(np.concatenate([component.vms for component in components]))
    model = ComponentModel(Component(rows, vms), problem.moving, given)
    for flow in everywhere(problem):
        if int(flow.cost[vms].sum()) > flow.limit:
            model.cp.add(_sum(model, flow.cost) <= flow.limit)
    chosen: frozenset[int] = frozenset()
    for expression, work, share in zip(
        (model.must, model.should, model.cost_then_ease(size)),
        given.affordable_work,
        given.affordable_shares,
        strict=True,
    ):
        found = _better(model, expression, chosen, seed, work, share * seconds, stop)
        if found is None:
            break
        chosen, value = found
        model.cp.add(expression <= value)
    return chosen


def _sum(model: ComponentModel, cost: NDArray[np.int64]) -> cp_sat.LinearExpr:
    return cp_sat.LinearExpr.weighted_sum(list(model.leaves.values()), [int(cost[v]) for v in model.leaves])


def _better(
    model: ComponentModel,
    expression: cp_sat.LinearExpr,
    known: Collection[int],
    seed: int,
    work: float,
    seconds: float,
    stop: Callable[[], bool],
) -> tuple[frozenset[int], int] | None:
    """Return departures with a low value of the expression, and that value; None where there was no time."""
    model.cp.proto.clear_solution_hint()
    for vm, leaves in model.leaves.items() if known else ():  # a hint of nothing leads the search astray
        model.cp.add_hint(leaves, vm in known)
    model.cp.minimize(expression)
    solver = cp_sat.CpSolver()
    p = solver.parameters
    p.num_workers, p.random_seed, p.max_deterministic_time, p.max_time_in_seconds = 1, seed, work, seconds
    p.linearization_level = 2  # budgets are knapsacks: without them in the relaxation the search finds little
    p.catch_sigint_signal = False
    if solve_within(solver, model.cp, stop) not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
        return None
    leaving = frozenset(v for v, x in model.leaves.items() if solver.boolean_value(x))
    return leaving, solver.value(expression)
