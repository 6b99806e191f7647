"""The least that must leave a component: in closed form where one row says it all, by a tiny CP-SAT otherwise."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.bounds.greedy_eviction import Eviction, greedy_eviction
from optimizer.cp.exact import proven_bound
from optimizer.cp.solving import solve_within
from optimizer.problem.exactness import LARGEST_SUM
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component, Row
    from optimizer.parameters import Bounding

__all__ = ["ComponentModel", "Eviction", "curve", "least_eviction"]

LEAST_S = 1e-3
"""Least wall seconds that a solver is given."""


def least_eviction(
    component: Component,
    cost: NDArray[np.int64],
    size: NDArray[np.float64],
    given: Bounding,
    seed: int = 0,
    left: Callable[[], float] = lambda: inf,
) -> Eviction:
    """Return the departures with least (must, should, priced) harm, then least cost, then smallest size in all.

    Parameters
    ----------
    cost
        int64 [V]: what a move of each VM counts.
    size
        float64 [V]: how hard each VM is to place; settles ties.
    left
        Wall seconds that it may take.

    Returns
    -------
    Where work or time did not suffice, departures that are good and no bound.
    """
    simple = _closed_form(component, cost, size)
    if simple is None and left() > 0:
        simple = ComponentModel(component, cost, given, left).lexicographic(size, seed)
    return simple or greedy_eviction(component, cost, size)


def _closed_form(component: Component, cost: NDArray[np.int64], size: NDArray[np.float64]) -> Eviction | None:
    """One unpriced row with one side, moves of equal cost: enough of the largest; None if it is not so simple."""
    row = component.rows[0]
    if len(component.rows) > 1 or len(row.sides) > 1 or row.asked.price is not None or row.least_excess:
        return None
    side = row.sides[0]
    unit = int(cost[side.vms[0]])
    if (cost[side.vms] != unit).any():
        return None
    largest = np.sort(side.amounts)[::-1]
    count = int(np.searchsorted(np.cumsum(largest), side.need)) + 1
    if count > 2 and (side.amounts != side.amounts[0]).any():
        return None
    if (side.amounts == side.amounts[0]).all():
        chosen = side.vms[np.lexsort((side.vms, size[side.vms]))[:count]].tolist()
    else:
        chosen = _easiest(side.vms, side.amounts, side.need, count, size)
    return Eviction(tuple(sorted(chosen)), count * unit, (0, 0, 0), exact=True)


def _easiest(
    vms: NDArray[np.int64], amounts: NDArray[np.int64], need: int, count: int, size: NDArray[np.float64]
) -> list[int]:
    if count == 1:
        able = vms[amounts >= need]
        return [int(able[np.lexsort((able, size[able]))[0]])]
    least, best = inf, (0, 1)
    for i in range(vms.size - 1):  # a host may have thousands: row by row, not pair by pair
        enough = np.flatnonzero(amounts[i + 1 :] >= need - amounts[i]) + i + 1
        if enough.size:
            j = int(enough[np.argmin(size[vms[enough]])])
            if (both := float(size[vms[i]] + size[vms[j]])) < least:
                least, best = both, (i, j)
    return [int(vms[i]) for i in best]


class ComponentModel:
    """A component as CP-SAT: x_v for each VM that can leave, an excess for each row."""

    def __init__(
        self,
        component: Component,
        cost: NDArray[np.int64],
        given: Bounding,
        left: Callable[[], float] = lambda: inf,
    ) -> None:
        self.component, self.given, self.left = component, given, left
        self.cp = cp_sat.CpModel()
        self.leaves = {v: self.cp.new_bool_var("") for v in component.vms.tolist()}
        self.cost = self._sum([(x, int(cost[v])) for v, x in self.leaves.items()])
        self.dearest = sum(int(cost[v]) for v in self.leaves)
        self.must = self._harm(component.of(Hardness.MUST))
        self.should = self._harm(component.of(Hardness.SHOULD))
        self.priced = self._harm(component.of(Hardness.SHOULD, priced=True))

    @staticmethod
    def _sum(terms: Sequence[tuple[cp_sat.IntVar, int]]) -> cp_sat.LinearExpr:
        return cp_sat.LinearExpr.weighted_sum([v for v, _ in terms], [c for _, c in terms])

    def _harm(self, rows: list[Row]) -> cp_sat.LinearExpr:
        terms = []
        for row in rows:
            excess = self._excess(row)
            weight = row.asked.weight if row.asked.price is None else row.asked.price
            if row.unit == 1:
                terms.append((excess, MILLI * weight))
                continue
            harm = self.cp.new_int_var(0, -(-MILLI * row.excess // row.unit), "")
            self.cp.add(row.unit * harm >= MILLI * excess)
            terms.append((harm, weight))
        return self._sum(terms)

    def _excess(self, row: Row) -> cp_sat.IntVar:
        excess = self.cp.new_int_var(0, row.excess, "")
        met = [self.cp.new_bool_var("") for _ in row.sides]
        self.cp.add_bool_or(met)
        for side, by_this in zip(row.sides, met, strict=True):
            gone = self._sum([(self.leaves[v], int(a)) for v, a in zip(side.vms.tolist(), side.amounts, strict=True)])
            self.cp.add(gone + excess >= side.need).only_enforce_if(by_this)
        return excess

    def lexicographic(self, size: NDArray[np.float64], seed: int) -> Eviction | None:
        """Minimize must, should and priced harm (with its moves), cost and size in that order; None: out of work."""
        exact = True
        values: list[int] = []
        priced = self.priced + MILLI * self.cost
        stages = [self.must, self.should, priced] if self.component.of(Hardness.SHOULD, priced=True) else []
        stages = stages or [self.must, self.should]
        for expression in stages:
            value, bound = self.minimum(expression, seed)
            if value is None:
                return None
            exact &= value == bound
            values.append(value)
            self.cp.add(expression <= value)
        value, bound = self.minimum(self.cost_then_ease(size), seed)
        if value is None:
            return None
        exact &= value == bound
        cost = self._solver.value(self.cost)
        vms = tuple(v for v, x in self.leaves.items() if self._solver.boolean_value(x))
        kept = self._solver.value(self.priced)
        return Eviction(vms, int(cost), (values[0], values[1], int(kept)), exact)

    def cost_then_ease(self, size: NDArray[np.float64]) -> cp_sat.LinearExpr:
        """Return what ranks departures by cost, and among equals by how easy those who leave are to place."""
        largest = float(size[self.component.vms].max(initial=0.0)) or 1.0
        steps = self.given.ease_steps
        step = (steps + 1) * max(1, len(self.leaves))
        if step * self.dearest > LARGEST_SUM:  # costs that leave no room for ties beside them
            return self.cost
        ease = self._sum([(x, 1 + round(steps * float(size[v]) / largest)) for v, x in self.leaves.items()])
        return step * self.cost + ease

    def minimum(self, expression: cp_sat.LinearExpr, seed: int = 0) -> tuple[int | None, int]:
        """Return (value, bound) of one expression, which is never negative; no value without enough work or time."""
        if self.left() <= 0:
            return None, 0
        self.cp.minimize(expression)
        self._solver = cp_sat.CpSolver()
        p = self._solver.parameters
        p.num_workers, p.random_seed, p.max_deterministic_time = 1, seed, self.given.component_work
        p.max_time_in_seconds = max(self.left(), LEAST_S)
        p.catch_sigint_signal = False
        status = solve_within(self._solver, self.cp, lambda: self.left() <= 0)
        if status is None or status == cp_sat.UNKNOWN:
            return None, 0
        if status not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            raise RuntimeError(f"a component of {len(self.leaves)} VMs ended {status.name}")
        value = int(self._solver.value(expression))
        return value, max(0, min(value, proven_bound(self._solver)))


def curve(
    component: Component,
    cost: NDArray[np.int64],
    hardness: Hardness,
    given: Bounding,
    stop: Callable[[], bool] = lambda: False,
    left: Callable[[], float] = lambda: inf,
) -> tuple[tuple[int, int], ...]:
    """Return (cost, least harm with at most that cost), from cost 0 on, falling: the harm of `hardness`.

    Rows of musts are held at no excess where the harm is that of shoulds. At most `model_steps` entries, fewer where
    the work or the time for them is not there; the last one's harm then is the least there is, a bound for every cost
    above.
    """
    floor = sum(row.harm(row.least_excess) for row in component.of(hardness))  # what is left if everything leaves
    points: list[tuple[int, int]] = []
    while len(points) < given.model_steps:
        point = (
            None if stop() else _next_point(component, cost, hardness, points[-1][1] if points else None, given, left)
        )
        if point is None:
            points.append((points[-1][0] + 1 if points else 0, floor))
            return tuple(points)
        points.append(point)
        if point[1] <= floor:
            return tuple(points)
    points[-1] = (points[-1][0], floor)
    return tuple(points)


def _next_point(
    component: Component,
    cost: NDArray[np.int64],
    hardness: Hardness,
    above: int | None,
    given: Bounding,
    left: Callable[[], float],
) -> tuple[int, int] | None:
    """Return the least cost at which the harm is below `above`, and the least harm at that cost; None: out of work."""
    probe = ComponentModel(component, cost, given, left)
    harm = probe.must if hardness is Hardness.MUST else probe.should
    if hardness is Hardness.SHOULD:
        probe.cp.add(probe.must <= 0)
    if above is not None:
        probe.cp.add(harm <= above - 1)
    spent, at_least = probe.minimum(probe.cost)
    if spent is None or spent != at_least:
        return None
    probe.cp.add(probe.cost <= spent)
    return spent, probe.minimum(harm)[1]
