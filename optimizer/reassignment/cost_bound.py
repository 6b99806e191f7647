"""Lower bounds on the cost of any placement that makes nothing worse, each by an argument that can be named.

Three arguments, from cheap to dear; the best of them counts, and time decides how far the later ones go:

- `aggregate_bound`: each hinge as if all hosts were one.
- Prices on the hosts' levels (`cost_prices`): hosts that cannot be used together are not used together.
- Each host for itself (`cost_hosts`): a host takes whole VMs, or lets whole ones go.

None of them counts the most moved service. The start costs what it costs; anywhere else at least one VM has moved, and
so at least one of some service: the bound elsewhere may be raised by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from optimizer.parameters import CostSearch
from optimizer.reassignment.lagrangian_bound import Priced, Rows, ascend, least_work

if TYPE_CHECKING:
    from optimizer.limits import Deadline
    from optimizer.problem.problem import Problem
    from optimizer.reassignment.cost_arrays import CostArrays, SearchState

__all__ = ["Argument", "CostBound", "aggregate_bound", "cost_bound"]


class Argument(StrEnum):
    """Why no placement costs less than a bound says."""

    AGGREGATE = "all machines taken together"
    PRICES = "prices on the machines' levels"
    HOSTS = "each machine for itself, with whole processes"
    WHOLE = "the whole model"


@dataclass(frozen=True, slots=True)
class CostBound:
    """No placement that makes nothing worse costs less than `value`; `by` is the argument."""

    value: int
    by: Argument


def aggregate_bound(problem: Problem) -> int:
    """Return a lower bound on the cost: each hinge as if all hosts were one, and nothing for moves.

    For any placement, sum over hosts of max(0, y_h) >= max(0, sum of y_h), and the sum of y_h is the same for all
    placements: all amounts and all offsets.
    """
    hinges = problem.demands.hinges.values()
    return sum(a.weight * max(0, int(a.amount.sum()) + int(a.offset.sum())) for a in hinges)


def cost_bound(
    problem: Problem,
    fixed: CostArrays,
    start: SearchState,
    deadline: Deadline,
    seed: int = 0,
    given: CostSearch | None = None,
) -> CostBound:
    """Return the best bound that is found in time; without time, the aggregate's.

    Parameters
    ----------
    problem
        In the form of ROADEF; see `cost_arrays`.
    fixed, start
        The same, lowered.
    deadline
        When to stop; where it counts work, the bound is the same on every machine.
    seed
        Of CP-SAT.
    given
        How far to go; the defaults where it is not given.
    """
    given = given or CostSearch()
    bounds = [CostBound(aggregate_bound(problem), Argument.AGGREGATE)]
    wanted = given.prices.enabled and problem.vms * problem.hosts <= given.prices.pairs
    if wanted and least_work(fixed, start, given.prices) <= given.prices.share * deadline.left():
        bounds += _by_prices(fixed, start, deadline, seed, given)
    best = max(bounds, key=lambda b: b.value)
    value, moved = int(start.total[0]), int(fixed.scalars[2])
    return CostBound(max(best.value, min(value, best.value + moved)), best.by)


def _by_prices(
    fixed: CostArrays, start: SearchState, deadline: Deadline, seed: int, given: CostSearch
) -> list[CostBound]:
    from optimizer.reassignment.column_bound import ColumnBound

    rows = Rows.of(fixed, start)
    priced = Priced.at(rows, ascend(rows, deadline.part(given.prices.share), given.prices))
    if priced is None:
        return []
    by_prices = CostBound(priced.value(), Argument.PRICES)
    if not given.columns.enabled:
        return [by_prices]
    hosts = ColumnBound(rows, fixed, start, priced, seed, given.columns)
    hosts.raise_parts(deadline)
    return [by_prices, CostBound(hosts.value(), Argument.HOSTS)]
